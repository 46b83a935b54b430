"""``event-endpoints``: where events are sent; ``deliveries``: what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import select

from api.operations import Call, matches, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.resources.events import Position
from api.shapes import Body, Id, row_id
from errors import NotFound
from extensions import db, one_transaction
from models import EventDelivery as DeliveryRow
from models import EventEndpoint as Row
from services.events import endpoints, log, replays
from services.events.types import TYPES

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Url = Annotated[str, Meta(min_length=1, max_length=500)]
Secret = Annotated[
    str,
    Meta(min_length=38, max_length=100, description="`whsec_` and the base64 of 24 to 64 random bytes. It is in no answer.",
         extra_json_schema={"pattern": "^whsec_[A-Za-z0-9+/]+={0,2}$"}),
]  # fmt: skip
TypeName = Annotated[
    str, Meta(max_length=40, description="A name of `GET /event-types`.", extra_json_schema={"enum": list(TYPES)})
]
Types = Annotated[list[TypeName], Meta(max_length=60)]
WRITE: dict[str, Any] = {"scope": "event-endpoints:write", "role": "owner"}


class EventEndpoint(Struct):
    """``place`` is the part of the address that is shown; the whole and the secret never are. ``types`` are those it gets, all if there are
    none. ``state`` is working, failing, paused or disabled; ``paused_for`` is gone (it answered 410) or failing. ``error`` says why the last
    call failed, or before the first one that the host was not found. It had all events up to ``position``, except those whose delivery
    waits."""

    id: str
    name: str
    place: str
    types: list[str]
    enabled: bool
    state: str
    paused_for: str
    failing_since: datetime | None
    succeeded_at: datetime | None
    error: str
    position: Position
    version: str


class Attempt(Struct):
    """``status`` is null if no answer came. ``answer`` is its beginning."""

    at: datetime
    status: int | None
    milliseconds: int
    answer: str
    error: str


class Delivery(Struct):
    """``state`` is waiting, done or failed (no longer tried). ``position`` is null for a test."""

    id: str
    endpoint_id: str
    event_id: str
    type: str
    position: Position | None
    state: str
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None
    attempts: list[Attempt]


class NewEndpoint(Body):
    name: Name
    url: Url
    secret: Secret
    types: Types = []


class EndpointChanges(Body):
    name: Name | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    types: Types | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class NewSecret(Body):
    secret: Secret


class Resuming(Body):
    """With ``replay``, it gets what it has missed; else only what happens from now on."""

    replay: bool = True


class Testing(Body):
    type: TypeName = "test"


class Replaying(Body):
    """The events after one position up to another, the newest if it is left out, of these types, all if there are none."""

    after: Position
    to: Position | UnsetType = UNSET
    types: Types = []


class Counted(Struct):
    """How many events are sent."""

    events: int


class DeliveriesQuery(ListQuery, kw_only=True):
    endpoint: Id | None = None
    state: Literal["waiting", "done", "failed"] | None = None


@operation(
    "GET", "/event-endpoints", "List event endpoints", scope="events:read", query=ListQuery, answers={200: Page[EventEndpoint]}
)
def list_event_endpoints(call: Call) -> Reply:
    return list_page(call, select(Row.id), [Row.id], _load, newest=False)


@operation(
    "GET", "/event-endpoints/<int:endpoint_id>", "Get an event endpoint", scope="events:read", answers={200: EventEndpoint}
)
def get_event_endpoint(call: Call, endpoint_id: int) -> EventEndpoint:
    return _one(endpoint_id)


def _check_address(body: NewEndpoint | EndpointChanges) -> endpoints.Address | None:
    return None if body.url is UNSET else endpoints.check_address(body.url)


@operation(
    "POST", "/event-endpoints", "Add an event endpoint; it gets events from now on", body=NewEndpoint, answers={201: EventEndpoint},
    prepare=_check_address, **WRITE,
)  # fmt: skip
def create_event_endpoint(call: Call) -> Reply:
    new: NewEndpoint = call.body
    made = endpoints.create_endpoint(new.name, call.prepared, new.types, call.actor, new.secret)
    return Reply(_one(made.endpoint_id), 201, {"Location": f"/api/v1/event-endpoints/{made.endpoint_id}"})


@operation(
    "PATCH", "/event-endpoints/<int:endpoint_id>", "Change an event endpoint", body=EndpointChanges, answers={200: EventEndpoint},
    conditional=True, prepare=_check_address, **WRITE,
)  # fmt: skip
def change_event_endpoint(call: Call, endpoint_id: int) -> EventEndpoint:
    changes: EndpointChanges = call.body
    given = {name: value for name in ("name", "types", "enabled") if (value := getattr(changes, name)) is not UNSET}
    given |= {} if call.prepared is None else {"address": call.prepared}
    with one_transaction():
        matches(endpoints.version_of(endpoints.get_endpoint(endpoint_id)))
        endpoints.change_endpoint(endpoint_id, call.actor, **given)
    return _one(endpoint_id)


@operation(
    "DELETE", "/event-endpoints/<int:endpoint_id>", "Remove an event endpoint and its deliveries", answers={204: None},
    conditional=True, **WRITE,
)  # fmt: skip
def remove_event_endpoint(call: Call, endpoint_id: int) -> Reply:
    with one_transaction():
        matches(endpoints.version_of(endpoints.get_endpoint(endpoint_id)))
        endpoints.remove_endpoint(endpoint_id, call.actor)
    return Reply(None, 204)


@operation(
    "POST", "/event-endpoints/<int:endpoint_id>/rotate-secret", "Give an event endpoint a new secret; the previous one signs too for 24 hours",
    body=NewSecret, answers={200: EventEndpoint}, **WRITE,
)  # fmt: skip
def rotate_event_endpoint_secret(call: Call, endpoint_id: int) -> EventEndpoint:
    endpoints.rotate_secret(endpoint_id, call.actor, call.body.secret)
    return _one(endpoint_id)


@operation(
    "POST", "/event-endpoints/<int:endpoint_id>/resume", "Send again to an event endpoint that is paused", body=Resuming,
    answers={200: EventEndpoint}, **WRITE,
)  # fmt: skip
def resume_event_endpoint(call: Call, endpoint_id: int) -> EventEndpoint:
    endpoints.resume_endpoint(endpoint_id, call.actor, replay=call.body.replay)
    return _one(endpoint_id)


@operation(
    "POST",
    "/event-endpoints/<int:endpoint_id>/test",
    "Send a test event of a type",
    body=Testing,
    answers={202: Delivery},
    **WRITE,
)
def test_event_endpoint(call: Call, endpoint_id: int) -> Reply:
    delivery_id = replays.send_test(endpoint_id, call.body.type)
    found = _load_deliveries([delivery_id])[delivery_id]
    return Reply(found, 202, {"Location": f"/api/v1/deliveries/{delivery_id}"})


@operation(
    "POST", "/event-endpoints/<int:endpoint_id>/replay", "Send events once more, up to 10,000", body=Replaying, answers={202: Counted},
    **WRITE,
)  # fmt: skip
def replay_events(call: Call, endpoint_id: int) -> Reply:
    wanted: Replaying = call.body
    to = log.newest_position() if wanted.to is UNSET else int(wanted.to)
    number = replays.replay(endpoint_id, replays.Asked(int(wanted.after), to, wanted.types))
    return Reply(Counted(number), 202, {"Location": f"/api/v1/deliveries?endpoint={endpoint_id}"})


@operation(
    "GET", "/deliveries", "List deliveries with their attempts, newest first", scope="events:read", query=DeliveriesQuery,
    answers={200: Page[Delivery]},
)  # fmt: skip
def list_deliveries(call: Call) -> Reply:
    wanted: DeliveriesQuery = call.query
    query = select(DeliveryRow.id)
    if wanted.endpoint is not None:
        query = query.where(DeliveryRow.endpoint_id == row_id(wanted.endpoint))
    if wanted.state is not None:
        query = query.where(DeliveryRow.state == wanted.state)
    return list_page(call, query, [DeliveryRow.id], _load_deliveries, newest=True)


@operation(
    "GET", "/deliveries/<int:delivery_id>", "Get a delivery with its attempts", scope="events:read", answers={200: Delivery}
)
def get_delivery(call: Call, delivery_id: int) -> Delivery:
    found = _load_deliveries([delivery_id]).get(delivery_id)
    if found is None:
        raise NotFound("There is no such delivery.")
    return found


@operation(
    "POST", "/deliveries/<int:delivery_id>/retry", "Send one delivery once more", answers={202: Delivery}, **WRITE,
)  # fmt: skip
def retry_delivery(call: Call, delivery_id: int) -> Reply:
    replays.try_again(delivery_id)
    return Reply(_load_deliveries([delivery_id])[delivery_id], 202, {"Location": f"/api/v1/deliveries/{delivery_id}"})


def _one(endpoint_id: int) -> EventEndpoint:
    return _shown(endpoints.get_endpoint(endpoint_id))


def _load(ids: Sequence[int]) -> dict[int, EventEndpoint]:
    return {row.id: _shown(row) for row in db.session.scalars(select(Row).where(Row.id.in_(ids)))}


def _shown(row: Row) -> EventEndpoint:
    return EventEndpoint(
        str(row.id), row.name, row.place, row.types, row.enabled, endpoints.state_of(row), row.paused_for, row.failing_since, row.good_at,
        row.error, str(row.position), endpoints.version_of(row),
    )  # fmt: skip


def _load_deliveries(ids: Sequence[int]) -> dict[int, Delivery]:
    attempts = replays.attempts_of(ids)
    rows = db.session.scalars(select(DeliveryRow).where(DeliveryRow.id.in_(ids)).execution_options(populate_existing=True))
    return {
        row.id: Delivery(
            str(row.id), str(row.endpoint_id), row.key, row.type, None if row.position is None else str(row.position), row.state,
            row.due_at, row.created_at, row.finished_at,
            [Attempt(each.at, each.status, each.milliseconds, each.answer, each.error) for each in attempts[row.id]],
        )
        for row in rows
    }  # fmt: skip
