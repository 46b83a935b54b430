"""``events``: the log of what changed, in one order; ``event-types``: what there is."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from flask import request
from msgspec import Meta, Struct, convert

from api.decoding import refuse_parameter
from api.operations import Call, operation
from api.reply import Reply
from api.shapes import some_of
from services.events import log
from services.events.types import TYPES

Position = Annotated[
    str,
    Meta(pattern=r"^[0-9]{1,18}\Z", description="A place in the log. Positions rise, with no gaps that will be filled later."),
]


class EventObject(Struct):
    """``version`` changes with each event about the object."""

    type: str
    id: str
    version: str
    url: str


class Belonging(Struct):
    type: str
    id: str


class Difference(Struct, rename={"before": "from", "after": "to"}):
    before: Any
    after: Any


class Event(Struct):
    """``sequence`` counts the events about one object. ``belongs_to`` is the order of a shipment or write-back and the integration of a run
    or incident. ``changes`` are values before and after; ``hidden_changes`` says that something else changed too, such as a customer's
    data, which no event holds. ``cause`` is page, api, command, run, schedule or unknown."""

    id: str
    type: str
    timestamp: str
    position: Position
    sequence: int
    object: EventObject
    belongs_to: Belonging | None
    changes: dict[str, Difference]
    hidden_changes: bool
    cause: str
    actor: str


class Events(Struct):
    """``last`` is the position to go on after; ``next`` the address for that, null if there is nothing more now. ``newest`` is the position
    of the newest event of all."""

    items: list[Event]
    next: str | None
    last: Position
    newest: Position


class EventType(Struct):
    name: str
    meaning: str


class EventTypes(Struct):
    items: list[EventType]


SomeTypes = Annotated[str, some_of(TYPES, "Names of types, separated by commas; all if it is left out.", 1500)]


class EventsQuery(Struct, kw_only=True):
    """Without ``after``, the log begins with the oldest event that is kept."""

    after: Position | None = None
    types: SomeTypes = ""
    limit: Annotated[int, Meta(ge=1, le=250, description="How many events a page has at most.")] = 50


@operation(
    "GET",
    "/events",
    "Read events after a position",
    scope="events:read",
    query=EventsQuery,
    answers={200: Events},
    statuses=(410,),
)
def list_events(call: Call) -> Reply:
    wanted: EventsQuery = call.query
    types = read_types(wanted.types)
    part = log.read_after(None if wanted.after is None else int(wanted.after), types, wanted.limit)
    following = None
    if part.more:
        given = [(name, value) for name, value in request.args.items() if name != "after"]
        following = f"{request.path}?{urlencode([*given, ('after', part.last)])}"
    items = [convert(log.payload(event), Event) for event in part.events]
    headers = {"Link": f'<{following}>; rel="next"'} if following else {}
    return Reply(Events(items, following, str(part.last), str(part.newest)), headers=headers)


@operation("GET", "/event-types", "List the types of events", scope="events:read", answers={200: EventTypes})
def list_event_types(call: Call) -> EventTypes:
    return EventTypes([EventType(name, meaning) for name, meaning in TYPES.items()])


def read_types(text: str) -> list[str]:
    """Types from a list with commas. Raises Problem 400 for an unknown one."""
    types = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in types if name not in TYPES]
    if unknown:
        raise refuse_parameter("types", f"There is no type {unknown[0][:40]!r}. GET /event-types lists all.", "unknown_type")
    return types
