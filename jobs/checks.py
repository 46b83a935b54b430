"""The check of a draft as a job: a person waits for it, so it has a queue of its own."""

from __future__ import annotations

from jobs import enqueue
from services import checks, drafts

CHECK_TIMEOUT = 300
"""Seconds. The check itself takes at most fifteen; a slow shop's last orders may take long."""


def start_check(token: str, actor: str) -> None:
    """Note that a draft is to be checked and put the check on the queue.

    Raises DraftGone, or QueueAway; what was typed is kept either way."""
    draft_id, ticket = drafts.ask_check(token, actor)
    enqueue(
        "checks", "jobs.checks.run", timeout=CHECK_TIMEOUT, failure_ttl=3600, draft_id=draft_id, ticket=ticket,
        away="The connection cannot be tested now, because the queue does not answer.", advice="Try again in a minute.",
    )  # fmt: skip


def run(draft_id: int, ticket: str) -> None:
    checks.run_check(draft_id, ticket)
