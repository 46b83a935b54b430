"""The sequencer: gives captured changes their positions in the log, after they were committed.

One transaction at a time gives out positions, because it holds the row that counts them. What it sees was committed, and what is
committed later gets a later position. So a reader that has read up to a position never misses an event before it, however long the
transaction of that event took."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Boolean, delete, insert, select, tuple_, update

from extensions import Base, db, reading, writing
from models import Event, EventChange, EventObject, EventState
from models.captured import CAPTURED
from models.types import Moment, Money
from services.common.batches import batches
from services.common.bulk import insert_into
from services.common.deadlocks import retry_on_deadlock
from services.events.types import Change, type_of

BATCH = 1000
"""Changes in one transaction."""
TABLES = {captured.object: table for table, captured in CAPTURED.items()}
RENAMED = {"shipment": {"by_hand": "enter_by_hand"}}
"""Columns that have another name in the API."""
PAIRS_IN_ONE_STATEMENT = 400
LONGEST = 200
"""Characters of a text in an event: an event stays small whatever a shop sends."""
INSERT = insert(Event.__table__)
CHANGES = select(EventChange.__table__).order_by(EventChange.id).limit(BATCH)


def give_positions(most: int = 100_000) -> int:
    """Give positions to what was committed, up to ``most`` changes; returns how many events that made."""
    made = 0
    for _ in range(0, most, BATCH):
        with reading():
            waits = db.session.scalar(select(EventChange.id).limit(1)) is not None
        if not waits:
            break
        found, number = _give_some()
        made += number
        if found < BATCH:
            break
    return made


@retry_on_deadlock
def _give_some() -> tuple[int, int]:
    """The number of changes taken, and of events made of them."""
    with writing() as session:
        position = session.scalars(select(EventState.position).with_for_update()).one()
        changes = session.execute(CHANGES).all()
        if not changes:
            return 0, 0
        events = [event for change in changes if (event := _event_of(change)) is not None]
        _count(events)
        for number, event in enumerate(events, position + 1):
            event["position"] = number
        if events:
            session.connection().execute(INSERT, events)
        ids = [change.id for change in changes]
        session.execute(delete(EventChange).where(EventChange.id.in_(ids)).execution_options(synchronize_session=False))
        session.execute(update(EventState).values(position=position + len(events)).execution_options(synchronize_session=False))
        return len(changes), len(events)


def _event_of(change: Any) -> dict[str, Any] | None:
    """An event's columns, without position and sequence; None if nothing that readers see is different."""
    was, now = _plain(change.object, change.was), _plain(change.object, change.now)
    found = Change(change.act, was, now)
    differences = _differences(change.object, found)
    if change.act == "x" or (change.act == "u" and not differences and not change.hidden):
        return None
    return {
        "key": f"evt_{uuid.uuid4().hex[:28]}", "type": type_of(change.object, found), "object": change.object,
        "object_id": change.object_id, "parent_id": change.parent_id, "changes": differences,
        "hidden": change.hidden and change.act == "u", "actor": change.actor, "cause": change.cause, "at": change.at,
    }  # fmt: skip


def _differences(name: str, change: Change) -> dict[str, list[Any]]:
    """The value before and after, by the column's name in the API."""
    names = [each for each in dict.fromkeys((*change.was, *change.now)) if each != "decimals" and change.moved(each)]
    called = RENAMED.get(name, {})
    return {called.get(each, each): [change.was.get(each), change.now.get(each)] for each in names}


def _count(events: Sequence[dict[str, Any]]) -> None:
    """Number the events of each object."""
    wanted = {(event["object"], event["object_id"]) for event in events}
    known: dict[tuple[str, int], int] = {}
    for chunk in batches(sorted(wanted), PAIRS_IN_ONE_STATEMENT):
        query = select(EventObject.object, EventObject.object_id, EventObject.sequence)
        query = query.where(tuple_(EventObject.object, EventObject.object_id).in_(chunk))
        known |= {(row.object, row.object_id): row.sequence for row in db.session.execute(query)}
    numbers = dict(known)
    for event in events:
        of = (event["object"], event["object_id"])
        event["sequence"] = numbers[of] = numbers.get(of, 0) + 1
    if numbers:
        grow = insert_into(EventObject.__table__)
        grow = grow.on_conflict_do_update(index_elements=["object", "object_id"], set_={"sequence": grow.excluded.sequence})
        rows = [{"object": name, "object_id": number, "sequence": numbers[name, number]} for name, number in sorted(numbers)]
        db.session.connection().execute(grow, rows)


def _plain(name: str, values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Values as the API writes them, from what the triggers of either database wrote."""
    if values is None or name not in TABLES:
        return {}
    columns = Base.metadata.tables[TABLES[name]].c
    decimals = values.get("decimals", 2)
    plain = {each: _value(columns[each].type, value, decimals) for each, value in values.items()}
    return {each: str(value) if columns[each].foreign_keys and value is not None else value for each, value in plain.items()}


def _value(kind: Any, value: Any, decimals: int) -> Any:
    if value is None:
        return None
    if isinstance(kind, Money):
        return f"{Decimal(value) / 10_000:.{decimals}f}"
    if isinstance(kind, Moment):
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment.isoformat().replace("+00:00", "Z")
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[:LONGEST]}…"
    return bool(value) if isinstance(kind, Boolean) else value
