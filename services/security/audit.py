"""The audit trail, written: every change that a person or a program makes is recorded by ``record_change``, in the transaction that makes it.

Each service registers the kinds of what it does with ``kind``. What workers do by themselves is not copied here: the ledger, an order's
timeline and the runs show it. Secrets are never recorded, only that one was changed. services/security/trail.py reads the trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, update

from extensions import db, who_acts
from models import AuditEntry
from models.types import utcnow

CHANGED = (None, "changed")
"""The change of a secret: neither its old nor its new value is recorded."""
PERSONAL = frozenset({"tracking_number", "note"})
"""Fields that may say something about a customer: hidden from people who may not see customers, and erased with the customer."""
ERASED = "erased"
WORKERS = ("schedule", "run:")
"""Actors whose changes are shown from the ledger, the timeline and the runs."""

KINDS: dict[str, Kind] = {}
"""By name. Filled by the services that record them, so that a new feature adds its kinds without a change here."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What was done. ``name`` is ``object.act``; ``words`` say it to people. ``elsewhere`` is true where the object's own history shows it
    from what is stored anyway."""

    name: str
    words: str
    elsewhere: bool = False

    @property
    def object(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class About:
    """What a change is about: the id of the object that its kind names, what people call it, and its integration."""

    id: int | None = None
    subject: str = ""
    integration_id: int | None = None


def is_person(actor: str = "") -> bool:
    """Whether a person or a program acts, so that their changes are recorded: this actor, or who acts in this thread."""
    return not (actor or who_acts()[0]).startswith(WORKERS)


def name_of(actor: str) -> str:
    """What people know an actor by: ``user:ann`` -> ann, and ``schedule`` as it is."""
    return actor.partition(":")[2] or actor


def kind(name: str, words: str, *, elsewhere: bool = False) -> Kind:
    """Register a kind of change, once, where the module that records it is loaded. ``user.changed`` is about an object ``user``."""
    if name in KINDS:
        raise ValueError(f"{name} is registered twice")
    KINDS[name] = Kind(name, words, elsewhere)
    return KINDS[name]


NOTE = insert(AuditEntry.__table__)
"""A statement instead of a row in the session: the person who clicks a switch is waiting, and it costs a third."""


def record_change(what: Kind, about: About, changes: Mapping[str, tuple[Any, Any]] | None = None, actor: str = "") -> None:
    """Record one change about one object. ``changes`` are (before, after) by field; those that are equal are left out, and where all are,
    nothing is recorded. Without ``changes`` the act itself is recorded. ``actor`` is who acts in this thread unless it is given.

    Never pass a secret: pass ``CHANGED``, and only if it really changed. Call it inside ``writing()``."""
    record_changes(what, [about], changes, actor)


def record_changes(
    what: Kind, abouts: Sequence[About], changes: Mapping[str, tuple[Any, Any]] | None = None, actor: str = ""
) -> None:
    """``record_change`` about several objects that changed in the same way, in one statement."""
    differing = None if changes is None else _differing(changes)
    present, cause = who_acts()
    if abouts and differing != [] and is_person(actor):
        db.session.execute(
            NOTE,
            [
                {"at": utcnow(), "actor": (actor or present)[:100], "cause": cause, "kind": what.name, "object": what.object, "object_id": about.id,
                 "integration_id": about.integration_id, "subject": about.subject[:255], "changes": differing or []}
                for about in abouts
            ],
        )  # fmt: skip


def change_of_address(before: str | None, after: str | None) -> tuple[Any, Any]:
    """The change of a URL as it is recorded: without its query, which may hold a secret; ``CHANGED`` where only the query differs."""
    shown = tuple(None if each is None else each.partition("?")[0] for each in (before, after))
    return CHANGED if before != after and shown[0] == shown[1] else (shown[0], shown[1])


def _differing(changes: Mapping[str, tuple[Any, Any]]) -> list[list[Any]]:
    return [[name, _plain(before), _plain(after)] for name, (before, after) in changes.items() if before != after]


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return str(value) if isinstance(value, Decimal | date) else value


def erase_orders(ids: Sequence[int]) -> None:
    """Take out of the trail what it says about the customers of these orders. Call it inside ``writing()``."""
    rows = AuditEntry.__table__.c
    found = db.session.execute(
        AuditEntry.__table__.select().where(rows.object == "order", rows.object_id.in_(ids))
    ).all()  # fmt: skip
    for row in found:
        kept = without_personal(row.changes, ERASED)
        if kept != row.changes:
            db.session.execute(update(AuditEntry.__table__).where(rows.id == row.id).values(changes=kept))


def without_personal(changes: Sequence[Sequence[Any]], instead: str) -> list[list[Any]]:
    """Changes with ``instead`` in place of what may be about a customer."""
    return [
        [name, before and instead, after and instead] if name in PERSONAL else [name, before, after]
        for name, before, after in changes
    ]
