"""``carriers``: their names, the names that files use for them, and where their parcels are tracked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import select

from api.operations import Call, matches, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Body
from extensions import db, one_transaction
from models import Carrier as Row
from services.shipping import carriers

Name = Annotated[str, Meta(min_length=1, max_length=carriers.MOST_NAME)]
Others = Annotated[list[Name], Meta(max_length=carriers.MOST_ALIASES, description="Other names that files use for it.")]
Link = Annotated[
    str,
    Meta(max_length=carriers.MOST_URL, description="A web address with {number} where the tracking number goes; empty for none."),
]


class Carrier(Struct):
    """``other_names`` of a file become its ``name``."""

    id: str
    name: str
    other_names: list[str]
    tracking_link: str
    version: str


class NewCarrier(Body):
    name: Name
    other_names: Others = []
    tracking_link: Link = ""


class CarrierChanges(Body):
    name: Name | UnsetType = UNSET
    other_names: Others | UnsetType = UNSET
    tracking_link: Link | UnsetType = UNSET


@operation("GET", "/carriers", "List the carriers", scope="orders:read", query=ListQuery, answers={200: Page[Carrier]})
def list_carriers(call: Call) -> Reply:
    return list_page(call, select(Row.id), [Row.id], _load, newest=False)


@operation("GET", "/carriers/<int:carrier_id>", "Get a carrier", scope="orders:read", answers={200: Carrier})
def get_carrier(call: Call, carrier_id: int) -> Carrier:
    return _shown(carriers.get_carrier(carrier_id))


@operation("POST", "/carriers", "Add a carrier", scope="shipments:write", role="manager", body=NewCarrier, answers={201: Carrier})
def create_carrier(call: Call) -> Reply:
    new: NewCarrier = call.body
    carrier_id = carriers.save_carrier(None, new.name, new.other_names, new.tracking_link, call.actor)
    return Reply(_shown(carriers.get_carrier(carrier_id)), 201, {"Location": f"/api/v1/carriers/{carrier_id}"})


@operation(
    "PATCH", "/carriers/<int:carrier_id>", "Change a carrier", scope="shipments:write", role="manager", body=CarrierChanges,
    answers={200: Carrier}, conditional=True,
)  # fmt: skip
def change_carrier(call: Call, carrier_id: int) -> Carrier:
    changes: CarrierChanges = call.body
    with one_transaction():
        kept = carriers.get_carrier(carrier_id)
        matches(carriers.version_of(kept))
        name = kept.name if changes.name is UNSET else changes.name
        others = list(kept.aliases) if changes.other_names is UNSET else changes.other_names
        link = kept.tracking_url if changes.tracking_link is UNSET else changes.tracking_link
        carriers.save_carrier(carrier_id, name, others, link, call.actor)
    return _shown(carriers.get_carrier(carrier_id))


@operation(
    "DELETE", "/carriers/<int:carrier_id>", "Remove a carrier from the list; shipments keep its name, without a link", scope="shipments:write",
    role="manager", answers={204: None}, conditional=True,
)  # fmt: skip
def remove_carrier(call: Call, carrier_id: int) -> Reply:
    with one_transaction():
        matches(carriers.version_of(carriers.get_carrier(carrier_id)))
        carriers.remove_carrier(carrier_id, call.actor)
    return Reply(None, 204)


def _load(ids: Sequence[int]) -> dict[int, Carrier]:
    return {row.id: _shown(row) for row in db.session.scalars(select(Row).where(Row.id.in_(ids)))}


def _shown(row: Row) -> Carrier:
    return Carrier(str(row.id), row.name, list(row.aliases), row.tracking_url, carriers.version_of(row))
