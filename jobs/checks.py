"""The connection check of a draft as a job. A person waits for it, so it has its own queue."""

from __future__ import annotations

from jobs import enqueue
from services.onboarding import connection_check, drafts

CHECK_TIMEOUT = 900
"""Seconds. The check itself takes at most 150; reading the settings of a slow shop afterwards takes longer."""


def start_check(token: str, actor: str) -> None:
    """Request the check of a draft and put it on the queue. Raises DraftGone or QueueAway; the person's answers are kept."""
    enqueue_check(*drafts.ask_check(token, actor))


def enqueue_check(draft_id: int, ticket: str) -> None:
    """Raises QueueAway."""
    enqueue(
        "checks", "jobs.checks.run", timeout=CHECK_TIMEOUT, failure_ttl=3600, draft_id=draft_id, ticket=ticket,
        away="The connection cannot be tested now, because the queue does not answer.", advice="Try again in a minute.",
    )  # fmt: skip


def run(draft_id: int, ticket: str) -> None:
    connection_check.run_check(draft_id, ticket)
