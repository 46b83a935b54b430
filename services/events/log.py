"""The event log, read: events in the order of their positions, and each as programs see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update

from config import current_config
from errors import Gone
from extensions import db, reading, writing
from models import Event, EventDelivery, EventObject, EventState
from models.types import utcnow
from services.common.results import changed_rows

KEPT = timedelta(days=30)
BATCH = 5000
SKIPPED = 10_000_000
"""More events than there are between a backup and its restore."""
FORGOTTEN = "Events before this position are no longer kept, or never were given out."
START_AGAIN = "Read everything once, beginning with the position of the newest event, and follow from there."


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the log. ``last`` is the position to go on after, ``more`` whether there is more now, ``newest`` the last position there
    is."""

    events: Sequence[Event]
    last: int
    newest: int
    more: bool


def read_after(after: int | None, types: Sequence[str] = (), limit: int = 50) -> Part:
    """The events after a position; from the oldest that is kept if it is None. Raises Gone if events after it are no longer kept."""
    state = db.session.scalars(select(EventState).execution_options(populate_existing=True)).one()
    newest, oldest = state.position, state.dropped_to
    after = oldest if after is None else after
    if after < oldest or after > newest or state.lost_from < after < state.lost_to:
        raise Gone(FORGOTTEN, START_AGAIN)
    query = select(Event).where(Event.position > after, Event.position <= newest).order_by(Event.position).limit(limit + 1)
    if types:
        query = query.where(Event.type.in_(types))
    events = db.session.scalars(query).all()
    more = len(events) > limit
    return Part(events[:limit], events[limit - 1].position if more else newest, newest, more)


def skip_lost_positions() -> None:
    """Call it where the database was replaced by an older copy of itself. Programs may know positions, and versions of objects, that were given
    out since that copy was made. Both go on far beyond those: a program that has read lost events gets 410 and starts again, and no version stands
    for two states of an object."""
    with writing() as session:
        state = session.scalars(select(EventState).with_for_update().execution_options(populate_existing=True)).one()
        state.lost_from, state.lost_to = state.position, state.position + SKIPPED
        state.position = state.lost_to
        grow = update(EventObject).values(sequence=EventObject.sequence + SKIPPED)
        session.execute(grow.execution_options(synchronize_session=False))


def newest_position() -> int:
    return db.session.scalars(select(EventState.position)).one()


def payload(event: Event) -> dict[str, Any]:
    """An event as programs get it: the same with every try and from the log. It holds nothing about a customer."""
    kind, parent = PLACES[event.object]
    belongs = {"type": parent, "id": str(event.parent_id)} if parent and event.parent_id is not None else None
    return {
        "id": event.key, "type": event.type, "timestamp": stamp(event.at), "position": str(event.position), "sequence": event.sequence,
        "object": {"type": kind, "id": str(event.object_id), "version": str(event.sequence), "url": _url(event)},
        "belongs_to": belongs,
        "changes": {name: {"from": was, "to": now} for name, (was, now) in event.changes.items()},
        "hidden_changes": event.hidden, "cause": event.cause or "unknown", "actor": event.actor or "cartlink",
    }  # fmt: skip


PLACES = {
    "order": ("order", ""), "shipment": ("shipment", "order"), "write_back": ("write_back", "order"), "stock_item": ("stock_item", ""),
    "listing": ("listing", ""), "link": ("listing", ""), "integration": ("integration", ""), "run": ("run", "integration"),
    "incident": ("incident", "integration"), "export": ("export_delivery", ""),
    "supplier": ("supplier", ""), "feed": ("feed", "supplier"), "feed_run": ("feed_run", "feed"),
}  # fmt: skip
"""What an object is called, and what it belongs to."""
PATHS = {
    "order": "orders/{id}", "shipment": "orders/{parent}?expand=shipments", "write_back": "orders/{parent}?expand=write_backs",
    "stock_item": "stock-items/{id}", "listing": "listings/{id}", "link": "listings/{id}", "integration": "integrations/{id}",
    "run": "runs/{id}", "incident": "incidents/{id}", "export": "export-deliveries/{id}",
    "supplier": "suppliers/{id}", "feed": "feeds/{id}", "feed_run": "feed-runs/{id}",
}  # fmt: skip


def _url(event: Event) -> str:
    """Where the object is; complete if PUBLIC_URL is set."""
    return f"{current_config().public_url}/api/v1/" + PATHS[event.object].format(id=event.object_id, parent=event.parent_id)


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def forget_old(kept: timedelta = KEPT) -> int:
    """Delete events older than this, the oldest first; returns how many."""
    before, gone = utcnow() - kept, 0
    while True:
        with reading():
            last = db.session.scalar(
                select(func.max(Event.position)).where(
                    Event.position.in_(select(Event.position).where(Event.at < before).order_by(Event.position).limit(BATCH))
                )
            )
        if last is None:
            return gone
        with writing() as session:
            old = delete(Event).where(Event.position <= last, Event.at < before)
            gone += changed_rows(session.execute(old.execution_options(synchronize_session=False)))
            # A delivery of an event that is gone has nothing to send.
            session.execute(
                delete(EventDelivery).where(EventDelivery.position <= last).execution_options(synchronize_session=False)
            )
            session.execute(update(EventState).values(dropped_to=last).execution_options(synchronize_session=False))
