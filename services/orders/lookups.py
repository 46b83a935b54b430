"""Questions to shops that a person asks on a page: kept in a row and answered by a worker, so that no page waits for a shop.

The row is the truth: if the queue loses the job, the missing answer shows it (``is_late``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from errors import AppError, LeaseLost, NotFound, TooMany
from extensions import db, reading, writing
from models import Lookup
from models.types import utcnow
from services.common.claims import Claimable
from services.orders import find_order
from services.shops import finding

KEPT = timedelta(days=1)
PATIENCE = 20
"""Seconds without a sign of the worker after which the page says so."""
MOST_A_MINUTE = 10
"""Look-ups for each person; each may keep a worker for ``ASKING_SECONDS``."""
LOOKUPS = Claimable(Lookup.token, Lookup.lease_until, lambda: PATIENCE)
ASKING_SECONDS = 120.0
"""How long one lookup goes on asking shop after shop, or counting."""


def ask_where(number: str, integration_id: int | None, actor: str) -> int:
    """Ask where an order is; returns the lookup's id. What is stored is answered at once, and done then.
    Raises NotFound for no number."""
    wanted = find_order.clean_number(number)
    with reading():
        stored = find_order.find_stored(wanted, integration_id)
        found = {"answers": [_plain(answer) for answer in stored]} if stored else {}
    return _add("find", {"number": wanted, "integration": integration_id}, actor, found)


def ask_to_bring_in(integration_id: int, external_id: str, actor: str) -> int:
    """Have one order stored now. Raises NotFound for an integration that is gone."""
    finding.get_integration(integration_id)
    if not external_id or len(external_id) > 64:
        raise NotFound("There is no such order.")
    return _add("bring_in", {"integration": integration_id, "order": external_id}, actor)


def ask_count(integration_id: int, since: datetime, actor: str) -> int:
    """Ask how many older orders a shop has. Raises NotFound, or Conflict where that day is not before the present start."""
    find_order.check_older(integration_id, since)
    return _add("count", {"integration": integration_id, "since": since.isoformat()}, actor)


def _add(kind: str, asked: dict[str, Any], actor: str, found: dict[str, Any] | None = None) -> int:
    """Raises TooMany where this person has an open look-up, or has asked ten times within a minute. An open one that no
    worker answers any more is closed."""
    now = utcnow()
    try:
        with writing() as session:
            session.execute(delete(Lookup).where(Lookup.created_at < now - KEPT).execution_options(synchronize_session=False))
            lately = select(func.count()).where(Lookup.actor == actor, Lookup.created_at > now - timedelta(minutes=1))
            if (session.scalar(lately) or 0) >= MOST_A_MINUTE:
                raise TooMany("You have asked ten questions within a minute.", "Wait a minute and ask again.", 60)
            session.execute(
                update(Lookup)
                .where(Lookup.actor == actor, Lookup.state != "done", LOOKUPS.free())
                .values(state="done", found={"error": "The shop was not asked in time.", "advice": "Ask again."})
                .execution_options(synchronize_session=False)
            )
            lookup = Lookup(
                actor=actor,
                kind=kind,
                asked=asked,
                state="done" if found else "asked",
                found=found or {},
                lease_until=now + timedelta(seconds=PATIENCE),
            )
            session.add(lookup)
            session.flush()
            return lookup.id
    except IntegrityError:
        raise TooMany("Another question of yours is still open.", "Wait for its answer, then ask again.", PATIENCE) from None


def get_lookup(lookup_id: int, actor: str) -> Lookup:
    """A person's own. Raises NotFound."""
    lookup = db.session.scalar(select(Lookup).where(Lookup.id == lookup_id, Lookup.actor == actor))
    if lookup is None:
        raise NotFound("There is no such question. Its answer is kept for a day.", "Ask again.")
    return lookup


def is_late(lookup: Lookup) -> bool:
    return lookup.state != "done" and lookup.lease_until < utcnow()


def answers_of(lookup: Lookup) -> list[find_order.Answer]:
    """The answers to ``find`` that have come so far."""
    return [
        find_order.Answer(**{**plain, "imported_at": _moment(plain["imported_at"])}) for plain in lookup.found.get("answers", [])
    ]


def _plain(answer: find_order.Answer) -> dict[str, Any]:
    return {**asdict(answer), "imported_at": answer.imported_at.isoformat() if answer.imported_at else None}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def work(lookup_id: int) -> None:
    """Answer a look-up that waits, unless another worker has claimed it."""
    claim = LOOKUPS.claim(lookup_id, Lookup.state == "asked", state="asking")
    if claim is None:
        return
    with reading() as session:
        lookup = session.get_one(Lookup, lookup_id)
        kind, asked, actor = lookup.kind, dict(lookup.asked), lookup.actor

    def report(**values: Any) -> None:
        with writing():
            claim.hold(**values)

    with suppress(LeaseLost):
        try:
            with claim.kept_alive():
                found = ACTS[kind](asked, actor, report)
        except LeaseLost:
            raise
        except AppError as trouble:
            found = {"error": trouble.message, "advice": trouble.advice}
        report(state="done", phase="", found=found)


Report = Callable[..., None]


def _find(asked: dict[str, Any], actor: str, report: Report) -> dict[str, Any]:
    """Ask shop after shop; each answer is shown as it comes."""
    answers: list[dict[str, Any]] = []
    shops = find_order.present_shops(asked["integration"])
    deadline = time.monotonic() + ASKING_SECONDS
    left = 0
    for integration_id, name in shops:
        if time.monotonic() > deadline:
            left += 1
            continue
        report(phase=f"Asking {name}"[:200], found={"answers": answers})
        answers.append(_plain(find_order.ask_shop(integration_id, asked["number"])))
    return {"answers": answers, "left": left}


def _bring_in(asked: dict[str, Any], actor: str, report: Report) -> dict[str, Any]:
    report(phase="Reading the order")
    return {"order_id": find_order.bring_in(asked["integration"], asked["order"], actor)}


def _count(asked: dict[str, Any], actor: str, report: Report) -> dict[str, Any]:
    report(phase="Counting the shop's orders")
    return asdict(find_order.count_older(asked["integration"], datetime.fromisoformat(asked["since"]), ASKING_SECONDS))


ACTS: dict[str, Callable[[dict[str, Any], str, Report], dict[str, Any]]] = {"find": _find, "bring_in": _bring_in, "count": _count}
