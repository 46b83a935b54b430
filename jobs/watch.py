"""What looks after integrations by itself: incidents reviewed with the ticks; probes and looks at silent shops as jobs."""

from __future__ import annotations

from jobs import enqueue
from services import incidents, probes, silence

TIMEOUT = 300
"""Seconds; a probe takes at most fifteen, one slow page of orders as long as TOTAL_TIMEOUT."""
WAITING_TTL = 600


def watch() -> None:
    """Called with every tick: bring incidents in line with what is known, and have shops asked that are to be asked.
    Raises QueueAway."""
    if incidents.is_due():
        incidents.review()
        silence.begin_listening()
    for what, ids in (("probe", probes.due_probes()), ("look", silence.due_looks())):
        for integration_id in ids:
            _enqueue(what, integration_id)


def _enqueue(what: str, integration_id: int) -> None:
    enqueue(
        "sync", f"jobs.watch.{what}", once_as=f"{what}-{integration_id}", timeout=TIMEOUT, ttl=WAITING_TTL,
        integration_id=integration_id, away="The queue does not answer; shops are asked when it is back.",
    )  # fmt: skip


def probe(integration_id: int) -> None:
    probes.probe(integration_id)


def look(integration_id: int) -> None:
    silence.look(integration_id)
