"""What a person asks of shops while a page waits: kept in a row, answered by a worker, so that no page waits on a shop.

The row is the truth: a queue that lost its job is noticed because nobody is heard of (``is_late``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import delete, select, update

from errors import AppError, NotFound
from extensions import db, writing
from models import Lookup
from models.types import utcnow
from services import integrations, whereabouts
from services.heartbeat import Pulse

KEPT = timedelta(days=1)
PATIENCE = timedelta(seconds=20)
"""How long nobody may be heard of before the page says so."""
BEAT_SECONDS = 5
ASKING_SECONDS = 120.0
"""How long one lookup goes on asking shop after shop, or counting."""


def ask_where(number: str, integration_id: int | None, actor: str) -> int:
    """Ask where an order is; answers with the lookup's id. What is stored is answered at once, and done then.
    Raises NotFound for no number."""
    wanted = whereabouts.clean_number(number)
    stored = whereabouts.find_stored(wanted, integration_id)
    found = {"answers": [_plain(answer) for answer in stored]} if stored else {}
    db.session.rollback()
    return _add("find", {"number": wanted, "integration": integration_id}, actor, found)


def ask_to_bring_in(integration_id: int, external_id: str, actor: str) -> int:
    """Ask for one order to be stored now. Raises NotFound for an integration that is gone."""
    integrations.get_integration(integration_id)
    if not external_id or len(external_id) > 64:
        raise NotFound("There is no such order.")
    return _add("bring_in", {"integration": integration_id, "order": external_id}, actor)


def ask_count(integration_id: int, since: datetime, actor: str) -> int:
    """Ask how many older orders a shop has. Raises NotFound, or Conflict where that day is not before the present start."""
    whereabouts.check_older(integration_id, since)
    return _add("count", {"integration": integration_id, "since": since.isoformat()}, actor)


def _add(kind: str, asked: dict[str, Any], actor: str, found: dict[str, Any] | None = None) -> int:
    now = utcnow()
    with writing() as session:
        session.execute(delete(Lookup).where(Lookup.created_at < now - KEPT).execution_options(synchronize_session=False))
        lookup = Lookup(actor=actor, kind=kind, asked=asked, state="done" if found else "asked", found=found or {})
        session.add(lookup)
        session.flush()
        return lookup.id


def get_lookup(lookup_id: int, actor: str) -> Lookup:
    """A person's own. Raises NotFound."""
    lookup = db.session.scalar(select(Lookup).where(Lookup.id == lookup_id, Lookup.actor == actor))
    if lookup is None:
        raise NotFound("That question has been dropped: its answer is kept for a day.", "Ask again.")
    return lookup


def is_late(lookup: Lookup) -> bool:
    return lookup.state != "done" and utcnow() - lookup.heard_at > PATIENCE


def answers_of(lookup: Lookup) -> list[whereabouts.Answer]:
    """The answers to ``find`` that have come so far."""
    return [
        whereabouts.Answer(**{**plain, "imported_at": _moment(plain["imported_at"])}) for plain in lookup.found.get("answers", [])
    ]


def _plain(answer: whereabouts.Answer) -> dict[str, Any]:
    return {**asdict(answer), "imported_at": answer.imported_at.isoformat() if answer.imported_at else None}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def work(lookup_id: int) -> None:
    """Answer a lookup that waits; one that somebody else has taken is left alone."""
    with writing() as session:
        taken = session.execute(
            update(Lookup)
            .where(Lookup.id == lookup_id, Lookup.state == "asked")
            .values(state="asking", heard_at=utcnow())
            .execution_options(synchronize_session=False)
        )
    if taken.rowcount != 1:
        return
    lookup = db.session.get_one(Lookup, lookup_id)
    kind, asked, actor = lookup.kind, dict(lookup.asked), lookup.actor
    db.session.rollback()
    tell = partial(_note, lookup_id)
    try:
        with Pulse(BEAT_SECONDS, tell, f"lookup-{lookup_id}"):
            found = ACTS[kind](asked, actor, tell)
    except AppError as trouble:
        db.session.rollback()
        found = {"error": trouble.message, "advice": trouble.advice}
    tell(state="done", phase="", found=found)


def _note(lookup_id: int, **values: Any) -> None:
    with writing() as session:
        session.execute(
            update(Lookup)
            .where(Lookup.id == lookup_id)
            .values(heard_at=utcnow(), **values)
            .execution_options(synchronize_session=False)
        )


Tell = Callable[..., None]


def _find(asked: dict[str, Any], actor: str, tell: Tell) -> dict[str, Any]:
    """Ask shop after shop; each answer is shown as it comes."""
    answers: list[dict[str, Any]] = []
    shops = whereabouts.present_shops(asked["integration"])
    deadline = time.monotonic() + ASKING_SECONDS
    left = 0
    for integration_id, name in shops:
        if time.monotonic() > deadline:
            left += 1
            continue
        tell(phase=f"Asking {name}"[:200], found={"answers": answers})
        answers.append(_plain(whereabouts.ask_shop(integration_id, asked["number"])))
    return {"answers": answers, "left": left}


def _bring_in(asked: dict[str, Any], actor: str, tell: Tell) -> dict[str, Any]:
    tell(phase="Reading the order")
    return {"order_id": whereabouts.bring_in(asked["integration"], asked["order"], actor)}


def _count(asked: dict[str, Any], actor: str, tell: Tell) -> dict[str, Any]:
    tell(phase="Counting the shop's orders")
    return asdict(whereabouts.count_older(asked["integration"], datetime.fromisoformat(asked["since"]), ASKING_SECONDS))


ACTS: dict[str, Callable[[dict[str, Any], str, Tell], dict[str, Any]]] = {"find": _find, "bring_in": _bring_in, "count": _count}
