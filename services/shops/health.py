"""The health of an integration and of its flows: recorded with every run and every check, shown as four groups on its page.

The groups are connection, orders, stock and write-back. The daily reconciliation counts with the orders, the reading of listings with the
stock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal

from errors import ChannelError
from models import Flow, FlowKind, Integration
from models.flow import SYNCS, WRITING
from models.types import utcnow

GROUPS = {
    "connection": (FlowKind.CONNECTION,),
    "orders": (FlowKind.ORDERS, FlowKind.RECONCILIATION),
    "stock": (FlowKind.STOCK, FlowKind.LISTINGS),
    "write_back": (FlowKind.SHIPMENTS,),
}
"""The groups that a page shows, and the flows each is made of; the first one has the group's switch and its next run."""
ANSWERS = ("wrong_key", "read_only_key", "refused", "not_taken", "gone", "method_blocked", "body_changed")
"""Errors in which the shop itself has answered, or still answers reads: the connection works."""
STATES = ("disabled", "needs_reauthorising", "read_only", "paused", "retrying", "syncing", "never_checked", "connected")
"""The health of an integration, the worst first; ``disabled`` comes before all because no request is sent then."""
READ_ONLY = (
    "The API key may only read, so nothing is sent to the shop. Reauthorise with the read/write key. If it is that key already, ask "
    "the shop's host whether it blocks PUT."
)

Stop = Literal["disabled", "off", "key", "read_only", "paused", ""]
STOPPED = {
    "disabled": ("off", "The integration is disabled."),
    "off": ("off", "Switched off."),
    "key": ("stopped", "Stopped until there is a working key."),
    "read_only": ("stopped", "The API key may only read."),
    "paused": ("stopped", "Paused until the shop answers again."),
}
"""What ``stopped_by`` answers -> state and sentence of a group."""


@cache
def state_of(
    *, enabled: bool, key_rejected: bool, reads_only: bool, paused: bool, failing: bool, syncing: bool, checked: bool
) -> str:
    """The health of an integration: the worst of STATES that is true now.

    ``failing`` says whether a flow or the integration as a whole waits for another try, ``checked`` whether
    the shop was ever asked. There are seven parameters, because a test covers all 128 combinations of the seven facts."""
    causes = {
        "disabled": not enabled,
        "needs_reauthorising": key_rejected,
        "read_only": reads_only,
        "paused": paused,
        "retrying": failing,
        "syncing": syncing,
        "never_checked": not checked,
    }
    return next((state for state in STATES if causes.get(state, True)), "connected")


def is_put_blocked(integration: Integration) -> bool:
    """Whether the integration's last write failed because the host blocks PUT."""
    return any(flow.failing_since is not None and flow.error_code == "method_blocked" for flow in integration.flows.values())


@dataclass(frozen=True, slots=True)
class Group:
    """One of GROUPS as a page shows it. ``state`` is good, failing, waiting, stopped, off or never; ``next_at`` is when it
    is tried next, None if nothing is planned."""

    name: str
    state: str
    sentence: str
    good_at: datetime | None
    failing_since: datetime | None
    next_at: datetime | None


def note_success(integration: Integration, kind: FlowKind, *, answered: bool, waits: bool = False) -> bool:
    """Record that a run of this kind has succeeded; ``answered`` says whether a request was sent, ``waits`` that it has changed nothing until a
    person approves it. Returns whether something had failed before. Call it inside ``writing()``, with the integration locked."""
    had_failed = kind in SYNCS and _succeed(integration.flows[kind], done=not waits)
    return (answered and _connected(integration)) or had_failed


def note_failure(integration: Integration, kind: FlowKind, trouble: ChannelError) -> int:
    """Record that a run of this kind has failed because of the shop. Returns the number of failures in a row of this kind.
    Call it inside ``writing()``, with the integration locked."""
    failures = 1
    if kind in SYNCS and not trouble.about_key:
        failures = _fail(integration.flows[kind], trouble)
    if trouble.code in ANSWERS or trouble.writing:
        _connected(integration)
    else:
        _fail(integration.flows[FlowKind.CONNECTION], trouble)
    return failures


def note_own_trouble(integration: Integration, kind: FlowKind, code: str, message: str, advice: str = "") -> int:
    """Record that a run of this kind has failed for a reason that is not the shop's: ``code`` is one of errors.OWN_CODES. Returns the number of
    failures in a row of this kind. Call it inside ``writing()``, with the integration locked."""
    return _fail(integration.flows[kind], ChannelError(message, advice), code) if kind in SYNCS else 1


def note_answer(integration: Integration) -> None:
    """Record that the shop has answered a check well. Call it inside ``writing()``, with the integration locked."""
    _connected(integration)


def note_no_answer(integration: Integration, code: str, message: str, advice: str) -> None:
    """Record that a check failed; ``code`` is its verdict. Call it inside ``writing()``, with the integration locked."""
    if code in ANSWERS:
        _connected(integration)
    else:
        connection = integration.flows[FlowKind.CONNECTION]
        _fail(connection, ChannelError(message, advice), code)
        connection.probed_at = utcnow()


def restart_failures(integration: Integration) -> None:
    """Count failures from now on: a person has asked for another try, or a long outage is over. Call it inside ``writing()``."""
    now = utcnow()
    for flow in integration.flows.values():
        if flow.failing_since is not None:
            flow.failing_since, flow.failures, flow.probed_at = now, 0, None


def stopped_by(integration: Integration, kind: FlowKind) -> Stop:
    """Why the schedule starts no run of a flow now: the first that applies, a person's own switches before what stops everything. The same as
    services/sync/schedule.py: may_run, for one integration that is loaded."""
    if not integration.enabled:
        return "disabled"
    if not integration.flows[kind].enabled:
        return "off"
    if integration.health == "needs_reauthorising":
        return "key"
    if kind in WRITING and integration.writes_refused:
        return "read_only"
    return "paused" if integration.paused_at is not None else ""


def groups(integration: Integration) -> list[Group]:
    """Connection, orders, stock and write-back, as they are now."""
    return [_group(integration, name, [integration.flows[kind] for kind in kinds]) for name, kinds in GROUPS.items()]


def _succeed(flow: Flow, *, done: bool = True) -> bool:
    had_failed = flow.failing_since is not None
    flow.retry_at = None
    if done:
        flow.succeeded_at = utcnow()
    if had_failed:
        flow.failing_since, flow.failures, flow.probed_at = None, 0, None
        flow.error_code = flow.error = flow.advice = ""
    return had_failed


def _fail(flow: Flow, trouble: ChannelError, code: str = "") -> int:
    flow.failed_at = utcnow()
    flow.failing_since = flow.failing_since or flow.failed_at
    flow.failures += 1
    flow.error_code, flow.error, flow.advice = code or trouble.code, trouble.message, trouble.advice
    if flow.error_code in ("refused", "gone"):
        # The shop's answer may name a customer. It stays with the run and goes into no message.
        flow.error = "The shop refused a request; the run shows its answer."
    return flow.failures


def _connected(integration: Integration) -> bool:
    """The shop answers. If it did not before, what had failed is tried again at once."""
    had_failed = _succeed(integration.flows[FlowKind.CONNECTION])
    if had_failed:
        now = utcnow()
        for kind in SYNCS:
            flow = integration.flows[kind]
            if flow.failing_since is not None and flow.due_at is not None and flow.due_at > now:
                flow.due_at = now
    return had_failed


def _group(integration: Integration, name: str, flows: list[Flow]) -> Group:
    failing = [flow for flow in flows if flow.failing_since is not None]
    worst = min(failing, key=lambda flow: flow.failing_since or utcnow()) if failing else None
    good_at = flows[0].succeeded_at
    state, sentence = _state(integration, name, worst, good_at)
    next_at = None if state in ("off", "stopped") else _next_at(integration, name)
    if name == "connection" and stopped_by(integration, FlowKind.CONNECTION) == "key":
        # The shop answers, but to reject the key: that is no success. Probes try the key again.
        good_at = max((at for kind in SYNCS if (at := integration.flows[kind].succeeded_at) is not None), default=None)
        next_at = integration.flows[FlowKind.CONNECTION].due_at
    return Group(name, state, sentence, good_at, worst.failing_since if worst else None, next_at)


def _state(integration: Integration, name: str, worst: Flow | None, good_at: datetime | None) -> tuple[str, str]:
    """What stops the group, or else how it is itself."""
    stop = stopped_by(integration, GROUPS[name][0])
    if name == "connection" and stop == "key":
        return "stopped", "The shop rejects the API key."
    if name == "connection" and stop == "paused":
        return "failing", f"Paused. {worst.error if worst else 'Cartlink checks from time to time whether the shop is back.'}"
    if stop:
        return STOPPED[stop]
    if name == "stock" and integration.waiting_run_id is not None:
        return "waiting", "A stock update needs your approval."
    if worst is not None:
        return "failing", worst.error
    if good_at is None:
        return "never", "Nothing to send to the shop yet." if name == "write_back" else ""
    if name == "stock" and integration.flows[FlowKind.ORDERS].failing_since is not None:
        return "waiting", "Waits for the orders, which come first."
    return "good", "Up to date." if name == "write_back" else ""


def _next_at(integration: Integration, name: str) -> datetime | None:
    flows = integration.flows
    if integration.paused_at is not None:
        return flows[FlowKind.CONNECTION].due_at
    if name != "connection":
        return flows[GROUPS[name][0]].next_at
    kinds = (FlowKind.ORDERS, FlowKind.STOCK, FlowKind.LISTINGS, FlowKind.CONNECTION)
    return min((at for kind in kinds if (at := flows[kind].next_at) is not None), default=None)
