"""How each part of an integration is doing: noted with every run and every check, told in words on its page.

A part is the connection, or a kind of run. What people see are four: connection, orders, stock, write-back; the daily receipt
counts with the orders, the reading of listings with the stock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from errors import ChannelError
from extensions import db
from models import HealthPart, Integration
from models.types import utcnow

KINDS = ("orders", "stock", "listings", "shipments", "receipts")
GROUPS = {
    "connection": ("connection",),
    "orders": ("orders", "receipts"),
    "stock": ("stock", "listings"),
    "write_back": ("shipments",),
}
"""What is shown, and the parts it is made of."""
OWN = ("lost", "config", "internal")
"""Troubles of our own: the worker was killed, the installation is set up wrongly, a mistake in Cartlink."""
ANSWERS = ("wrong_key", "read_only_key", "refused")
"""Troubles in which the shop itself has answered as it should: the way to it is sound."""


@dataclass(frozen=True, slots=True)
class Group:
    """One of the four as a page shows it. ``state`` is good, failing, waiting, stopped, off or never; ``next_at`` is when it
    is tried next, None where nothing is planned."""

    name: str
    state: str
    sentence: str
    good_at: datetime | None
    failing_since: datetime | None
    next_at: datetime | None


def note_run_good(integration: Integration, kind: str, *, heard: bool) -> bool:
    """A run of this kind has ended well; ``heard`` says whether the shop was asked anything. Answers whether something had
    been wrong. Call it inside ``writing()``, with the integration locked."""
    parts = _parts(integration.id)
    was_bad = kind in KINDS and _good(integration, parts, kind)
    if heard:
        was_bad = _connected(integration, parts) or was_bad
    _note_failing(integration, parts.values())
    return was_bad


def note_run_bad(integration: Integration, kind: str, trouble: ChannelError) -> int:
    """A run of this kind has failed with what the shop said, or did not. Answers with the failures in a row of this kind.
    Call it inside ``writing()``, with the integration locked."""
    parts = _parts(integration.id)
    failures = 1
    if kind in KINDS and trouble.code not in ("wrong_key", "read_only_key"):
        failures = _bad(integration, parts, kind, trouble)
    if trouble.code in ANSWERS:
        _connected(integration, parts)
    else:
        _bad(integration, parts, "connection", trouble)
    _note_failing(integration, parts.values())
    return failures


def note_own_trouble(integration: Integration, kind: str, code: str, message: str, advice: str = "") -> int:
    """A run of this kind has failed for a reason that is not the shop's: ``code`` is one of OWN. Answers with how often this
    kind has failed by now. Call it inside ``writing()``, with the integration locked."""
    if kind not in KINDS:
        return 1
    parts = _parts(integration.id)
    failures = _bad(integration, parts, kind, ChannelError(message, advice), code)
    _note_failing(integration, parts.values())
    return failures


def note_answer(integration: Integration) -> None:
    """The shop has answered a check as it should. Call it inside ``writing()``, with the integration locked."""
    parts = _parts(integration.id)
    _connected(integration, parts)
    _note_failing(integration, parts.values())


def note_no_answer(integration: Integration, code: str, message: str, advice: str) -> None:
    """A check got no good answer; ``code`` is its verdict. Call it inside ``writing()``, with the integration locked."""
    parts = _parts(integration.id)
    if code in ANSWERS:
        _connected(integration, parts)
    else:
        _bad(integration, parts, "connection", ChannelError(message, advice), code)
        parts["connection"].probed_at = utcnow()
    _note_failing(integration, parts.values())


def begin_anew(integration_id: int) -> None:
    """Count failures from now on: a person has told Cartlink to try again, or a long outage is over. Call it inside
    ``writing()``."""
    now = utcnow()
    for part in _parts(integration_id).values():
        if part.failing_since is not None:
            part.failing_since, part.failures, part.probed_at = now, 0, None


def groups(integration: Integration) -> list[Group]:
    """Connection, orders, stock and write-back, as they are now. One query."""
    parts = _parts(integration.id)
    return [_group(integration, name, [parts[each] for each in names if each in parts]) for name, names in GROUPS.items()]


def _parts(integration_id: int) -> dict[str, HealthPart]:
    query = select(HealthPart).where(HealthPart.integration_id == integration_id)
    return {part.part: part for part in db.session.scalars(query)}


def _part(integration: Integration, parts: dict[str, HealthPart], name: str) -> HealthPart:
    if name not in parts:
        parts[name] = HealthPart(integration_id=integration.id, part=name, failures=0)
        db.session.add(parts[name])
    return parts[name]


def _good(integration: Integration, parts: dict[str, HealthPart], name: str) -> bool:
    part = _part(integration, parts, name)
    was_bad = part.failing_since is not None
    part.good_at = utcnow()
    if was_bad:
        part.failing_since, part.failures, part.probed_at = None, 0, None
        part.code = part.message = part.advice = ""
    return was_bad


def _bad(integration: Integration, parts: dict[str, HealthPart], name: str, trouble: ChannelError, code: str = "") -> int:
    part = _part(integration, parts, name)
    part.failed_at = utcnow()
    part.failing_since = part.failing_since or part.failed_at
    part.failures += 1
    part.code, part.message, part.advice = code or trouble.code, trouble.message, trouble.advice
    if part.code == "refused":
        # The shop's own words may name a customer; they stay with the run, and go into no message.
        part.message = "The shop refused a request; the run says with which words."
    return part.failures


def _connected(integration: Integration, parts: dict[str, HealthPart]) -> bool:
    """The shop answers. Where it did not before, what had failed is tried again without waiting any longer."""
    was_bad = _good(integration, parts, "connection")
    if was_bad:
        now = utcnow()
        for kind in KINDS:
            due = getattr(integration, f"{kind}_due_at")
            if kind in parts and parts[kind].failing_since is not None and due is not None and due > now:
                setattr(integration, f"{kind}_due_at", now)
    return was_bad


def _note_failing(integration: Integration, parts: Iterable[HealthPart]) -> None:
    failing = " ".join(sorted(part.part for part in parts if part.failing_since is not None))
    if integration.failing != failing:
        integration.failing = failing


def _group(integration: Integration, name: str, parts: list[HealthPart]) -> Group:
    failing = [part for part in parts if part.failing_since is not None]
    worst = min(failing, key=lambda part: part.failing_since or utcnow()) if failing else None
    good_at = max((part.good_at for part in parts[:1] if part.good_at), default=_done_at(integration, name))
    state, sentence = _state(integration, name, worst, good_at)
    next_at = None if state in ("off", "stopped") else _next_at(integration, name)
    return Group(name, state, sentence, good_at, worst.failing_since if worst else None, next_at)


def _done_at(integration: Integration, name: str) -> datetime | None:
    """What the integration's own columns say: where no run has noted a part yet."""
    if name == "connection":
        return max(
            filter(None, (integration.orders_done_at, integration.stock_done_at, integration.listings_done_at)), default=None
        )
    return {
        "orders": integration.orders_done_at,
        "stock": integration.stock_done_at,
        "write_back": integration.shipments_done_at,
    }[name]


def _state(integration: Integration, name: str, worst: HealthPart | None, good_at: datetime | None) -> tuple[str, str]:
    """The first that fits counts: a person's own switches, then what keeps everything from running, then this part itself."""
    switched_on = {"orders": integration.orders_on, "stock": integration.stock_on, "write_back": integration.shipments_on}
    if not integration.enabled:
        return "off", "The integration is disabled."
    if not switched_on.get(name, True):
        return "off", "Switched off."
    if integration.health == "needs_reauthorising":
        return "stopped", "The shop rejects the API key." if name == "connection" else "Stopped until there is a key that works."
    if name in ("stock", "write_back") and integration.writes_refused:
        return "stopped", "The API key may only read."
    if integration.paused_at is not None:
        if name == "connection":
            return "failing", f"Paused. {worst.message if worst else 'Now and then Cartlink asks whether the shop is back.'}"
        return "stopped", "Paused until the shop answers again."
    if name == "stock" and integration.waiting_run_id is not None:
        return "waiting", "A stock update waits for you."
    if worst is not None:
        return "failing", worst.message
    if good_at is None:
        return "never", "Nothing to tell the shop yet." if name == "write_back" else ""
    if name == "stock" and "orders" in integration.failing.split():
        return "waiting", "Waits for the orders, which come first."
    return "good", "All told." if name == "write_back" else ""


def _next_at(integration: Integration, name: str) -> datetime | None:
    if integration.paused_at is not None:
        return integration.probe_due_at
    due = {
        "orders": integration.orders_due_at, "stock": integration.stock_due_at, "write_back": integration.shipments_due_at,
        "connection": min(
            filter(None, (integration.orders_due_at, integration.stock_due_at, integration.listings_due_at, integration.probe_due_at)),
            default=None,
        ),
    }  # fmt: skip
    return due[name]
