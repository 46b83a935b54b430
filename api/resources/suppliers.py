"""``suppliers``: whom goods are bought from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import select

from api.operations import Call, matches, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Body
from extensions import db, one_transaction
from models import Supplier as Row
from services.common.deadlocks import retry_on_deadlock
from services.feeds import removal, suppliers
from services.feeds.feed_values import MOST_NAME
from services.feeds.suppliers import MOST_LEAD

Name = Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]
Lead = Annotated[int, Meta(ge=0, le=MOST_LEAD, description="How many days goods take.")]


class Supplier(Struct):
    """``lead_days`` is how many days goods take, null if nobody has said. ``version`` changes with both."""

    id: str
    name: str
    lead_days: int | None
    version: str


class NewSupplier(Body):
    name: Name
    lead_days: Lead | None = None


class SupplierChanges(Body):
    name: Name | UnsetType = UNSET
    lead_days: Lead | None | UnsetType = UNSET


@operation("GET", "/suppliers", "List suppliers", scope="feeds:read", query=ListQuery, answers={200: Page[Supplier]})
def list_suppliers(call: Call) -> Reply:
    return list_page(call, select(Row.id).where(Row.removed_at.is_(None)), [Row.id], _load, newest=False)


@operation("GET", "/suppliers/<int:supplier_id>", "Get a supplier", scope="feeds:read", answers={200: Supplier})
def get_supplier(call: Call, supplier_id: int) -> Supplier:
    return _shown(suppliers.get_supplier(supplier_id))


@operation("POST", "/suppliers", "Add a supplier", scope="feeds:write", role="owner", body=NewSupplier, answers={201: Supplier})
def create_supplier(call: Call) -> Reply:
    supplier_id = suppliers.create_supplier(call.body.name, call.body.lead_days, call.actor)
    return Reply(_shown(suppliers.get_supplier(supplier_id)), 201, {"Location": f"/api/v1/suppliers/{supplier_id}"})


@operation(
    "PATCH", "/suppliers/<int:supplier_id>", "Change a supplier", scope="feeds:write", role="manager", body=SupplierChanges,
    answers={200: Supplier}, conditional=True,
)  # fmt: skip
def change_supplier(call: Call, supplier_id: int) -> Supplier:
    given = {name: value for name in ("name", "lead_days") if (value := getattr(call.body, name)) is not UNSET}
    with one_transaction():
        matches(version_of(suppliers.get_supplier(supplier_id)))
        suppliers.change_supplier(supplier_id, call.actor, **given)
    return _shown(suppliers.get_supplier(supplier_id))


@operation(
    "DELETE", "/suppliers/<int:supplier_id>", "Remove a supplier with its feeds; fed stock items that nobody else offers become own",
    scope="feeds:write", role="owner", answers={204: None}, conditional=True,
)  # fmt: skip
def remove_supplier(call: Call, supplier_id: int) -> Reply:
    _remove(supplier_id, call.actor)
    return Reply(None, 204)


@retry_on_deadlock
def _remove(supplier_id: int, actor: str) -> None:
    with one_transaction():
        matches(version_of(suppliers.get_supplier(supplier_id)))
        removal.remove_supplier(supplier_id, actor)


def version_of(row: Row) -> str:
    return hashlib.sha256(f"{row.id} {row.name} {row.lead_days}".encode()).hexdigest()[:16]


def _load(ids: Sequence[int]) -> dict[int, Supplier]:
    return {row.id: _shown(row) for row in db.session.scalars(select(Row).where(Row.id.in_(ids)))}


def _shown(row: Row) -> Supplier:
    return Supplier(str(row.id), row.name, row.lead_days, version_of(row))
