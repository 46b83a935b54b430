"""What people and programs ask to be sent: tests, and events once more."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, literal, null, select, update

from errors import Conflict, InvalidInput, NotFound
from extensions import db, writing
from models import Event, EventAttempt, EventDelivery, EventEndpoint
from models.types import utcnow
from services.events import endpoints, log
from services.events.types import TYPES
from services.security import audit
from services.security.audit import About, record_change

TESTED = audit.kind("event_endpoint.tested", "Test event sent")
REPLAYED = audit.kind("event_endpoint.replayed", "Events sent once more")
RETRIED = audit.kind("event_endpoint.delivery_retried", "Delivery tried again")
MOST = 10_000
"""Events sent once more at a time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which events are sent once more: those after one position up to another, of these types (all if there are none)."""

    after: int
    to: int
    types: Sequence[str] = ()


def send_test(endpoint_id: int, name: str) -> int:
    """Send an event of this type that is marked as a test; returns its delivery's id. Raises NotFound and InvalidInput."""
    if name not in TYPES:
        raise InvalidInput(f"There is no type of event {name[:40]!r}.", field="type")
    with writing() as session:
        endpoint = _active(endpoint_id)
        delivery = EventDelivery(endpoint_id=endpoint.id, key=f"evt_test_{uuid.uuid4().hex[:24]}", type=name, content={})
        delivery.content = example(name, delivery.key)
        session.add(delivery)
        session.flush()
        record_change(TESTED, About(endpoint.id, endpoint.name), {"type": (None, name)})
        endpoint.due_at = utcnow()
        return delivery.id


def example(name: str, key: str) -> dict[str, Any]:
    """An event of a type as a program gets it; of no object that exists."""
    kind = name.partition(".")[0]
    return {
        "id": key, "type": name, "timestamp": log.stamp(utcnow()), "position": "0", "sequence": 0, "test": True,
        "object": {"type": kind, "id": "0", "version": "0", "url": ""}, "belongs_to": None, "changes": {}, "hidden_changes": False,
        "cause": "page", "actor": "cartlink",
    }  # fmt: skip


def replay(endpoint_id: int, asked: Asked) -> int:
    """Send events once more, in addition to what waits; returns how many. Raises NotFound, Conflict and InvalidInput."""
    unknown = [each for each in asked.types if each not in TYPES]
    if unknown:
        raise InvalidInput(f"There is no type of event {unknown[0][:40]!r}.", field="types")
    with writing() as session:
        endpoint = _active(endpoint_id)
        where = [Event.position > asked.after, Event.position <= asked.to]
        where += [Event.type.in_(asked.types)] if asked.types else []
        number = session.scalar(select(func.count()).where(*where)) or 0
        if number > MOST:
            raise InvalidInput(f"That would be {number} events; at most {MOST} can be sent once more at a time.", field="to")
        now = utcnow()
        columns = ["endpoint_id", "position", "key", "type", "content", "state", "tries", "due_at", "created_at"]
        moment = EventDelivery.__table__.c.due_at.type
        source = select(
            literal(endpoint.id), Event.position, Event.key, Event.type, null(), literal("waiting"), literal(0), literal(now, moment),
            literal(now, moment),
        ).where(*where)  # fmt: skip
        session.execute(insert(EventDelivery.__table__).from_select(columns, source))
        endpoint.due_at = now
        record_change(REPLAYED, About(endpoint.id, endpoint.name), {"events": (None, number)})
        return number


def try_again(delivery_id: int) -> int:
    """Send one delivery once more; returns its endpoint's id. Raises NotFound, or Conflict if its endpoint is paused or its event is no longer kept."""
    with writing() as session:
        delivery = session.get(EventDelivery, delivery_id)
        if delivery is None:
            raise NotFound("There is no such delivery.")
        endpoint = _active(delivery.endpoint_id)
        if delivery.content is None and session.get(Event, delivery.position) is None:
            raise Conflict("The event is no longer kept.")
        again = update(EventDelivery).where(EventDelivery.id == delivery_id)
        session.execute(again.values(state="waiting", due_at=utcnow(), created_at=utcnow(), finished_at=None))
        endpoint.due_at = utcnow()
        record_change(RETRIED, About(endpoint.id, endpoint.name), {"delivery": (None, delivery.key)})
        return endpoint.id


def last_deliveries(endpoint_id: int, number: int = 50) -> Sequence[EventDelivery]:
    query = select(EventDelivery).where(EventDelivery.endpoint_id == endpoint_id).order_by(EventDelivery.id.desc()).limit(number)
    return db.session.scalars(query).all()


def attempts_of(delivery_ids: Sequence[int]) -> dict[int, list[EventAttempt]]:
    """The attempts of deliveries, oldest first."""
    found: dict[int, list[EventAttempt]] = {each: [] for each in delivery_ids}
    query = select(EventAttempt).where(EventAttempt.delivery_id.in_(delivery_ids)).order_by(EventAttempt.id)
    for attempt in db.session.scalars(query):
        found[attempt.delivery_id].append(attempt)
    return found


def _active(endpoint_id: int) -> EventEndpoint:
    row = db.session.get(EventEndpoint, endpoint_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such event endpoint.")
    if endpoints.state_of(row) in ("paused", "disabled"):
        raise Conflict(f"The event endpoint is {endpoints.state_of(row)}.", "Resume or enable it first.")
    return row
