"""The monitoring of integrations: incidents are reviewed by ticks; probes and checks for silent shops are jobs."""

from __future__ import annotations

from jobs import enqueue
from services.monitoring import inactivity, incidents, probes

TIMEOUT = 300
"""Seconds. A probe takes at most fifteen, a slow page of orders as long as TOTAL_TIMEOUT."""
WAITING_TTL = 600


def watch() -> None:
    """Called by each tick: review incidents, and enqueue due probes and checks. Raises QueueAway."""
    if incidents.is_due():
        incidents.review()
        inactivity.begin_listening()
    for what, ids in (("probe", probes.due_probes()), ("look", inactivity.due_looks())):
        for integration_id in ids:
            _enqueue(what, integration_id)


def _enqueue(what: str, integration_id: int) -> None:
    enqueue(
        "sync", f"jobs.watch.{what}", once_as=f"{what}-{integration_id}", timeout=TIMEOUT, ttl=WAITING_TTL,
        integration_id=integration_id, away="The queue does not answer; shops are checked when it is back.",
    )  # fmt: skip


def probe(integration_id: int) -> None:
    probes.probe(integration_id)


def look(integration_id: int) -> None:
    inactivity.look(integration_id)
