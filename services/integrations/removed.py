"""What is kept of an integration that was removed: when and by whom that was done, and the orders of its shop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select

from errors import Conflict, NotFound
from extensions import db
from models import AuditEntry, Integration, Order
from services.common.paging import Page, page_of
from services.integrations.lifecycle import REMOVED
from services.stock import released

PAGE_SIZE = 50
NAMED = 10
"""Removed integrations that the list of integrations names."""


@dataclass(frozen=True, slots=True)
class KeptOrder:
    id: int
    number: str
    placed_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Removed:
    """``by`` is the actor who removed it, empty where that is not known. ``again`` is the integration that connects the same shop now: its
    list has the orders then, and ``orders`` is empty. ``reserved`` are the units that its open orders keep."""

    id: int
    shop_id: int
    name: str
    endpoint: str
    at: datetime
    by: str
    again: Integration | None
    reserved: int
    orders: Page[KeptOrder]


def removed_page(integration_id: int, place: str = "") -> Removed:
    """Raises NotFound for an integration that never was, or is not removed."""
    integration = db.session.get(Integration, integration_id)
    if integration is None or integration.removed_at is None:
        raise NotFound("There is no such integration.", "Go back to the list of integrations.")
    shop_id = integration.shop_id
    by = select(AuditEntry.actor).where(
        AuditEntry.object == REMOVED.object, AuditEntry.object_id == integration_id, AuditEntry.kind == REMOVED.name
    )
    again = db.session.scalar(select(Integration).where(Integration.shop_id == shop_id, Integration.removed_at.is_(None)))
    query = select(Order.id, Order.number, Order.external_id, Order.state, Order.placed_at).where(Order.shop_id == shop_id)
    orders = (
        page_of(query, (Order.placed_at.desc(), Order.id.desc()), place, PAGE_SIZE, _orders) if again is None else Page([], 0)
    )
    return Removed(
        integration.id, shop_id, integration.name, integration.endpoint, integration.removed_at,
        db.session.scalar(by.order_by(AuditEntry.id.desc()).limit(1)) or "", again,
        released.reserved_units(shop_id) if again is None else 0, orders,
    )  # fmt: skip


def find_removed(name: str) -> Integration:
    """A removed integration by name, without regard to case, whose shop is not connected again. Raises NotFound, or Conflict where several shops had
    the name."""
    removed = Integration.removed_at.is_not(None), Integration.id.in_(_last_of_each_shop())
    query = select(Integration).where(*removed, Integration.name_key == " ".join(name.split()).casefold())
    found = db.session.scalars(query).all()
    if not found:
        raise NotFound(
            f"There is no removed integration called {name!r}.", "The list of integrations names those that were removed last."
        )
    if len(found) > 1:
        raise Conflict(f"{len(found)} removed integrations are called {name!r}.", "Use the page of the one you mean.")
    return found[0]


def _last_of_each_shop() -> Select[int]:
    return select(func.max(Integration.id)).group_by(Integration.shop_id)


def list_removed() -> list[Row[tuple[int, str]]]:
    """Id and name of the integrations that were removed last, newest first: the last of each shop, without shops that are connected again."""
    last = Integration.id.in_(_last_of_each_shop())
    query = select(Integration.id, Integration.name).where(Integration.removed_at.is_not(None), last)
    return list(db.session.execute(query.order_by(Integration.removed_at.desc(), Integration.id.desc()).limit(NAMED)))


def _orders(found: Sequence[Any]) -> list[KeptOrder]:
    return [KeptOrder(row.id, row.number or row.external_id, row.placed_at, row.state) for row in found]
