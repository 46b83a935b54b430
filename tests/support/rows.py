"""Rows made by hand for tests that need no shop."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from extensions import writing
from models import Allocation, Integration, Link, Listing, Order, OrderLine, Shop, StockItem
from models.types import utcnow
from services.security import vault
from services.shops import flows
from services.stock import file_imports
from services.stock.file_imports import Imported

PLACED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def make_integration(name: str = "Shop", *, endpoint: str = "http://127.0.0.1:9", key: str = "key", **values: Any) -> Integration:
    """An enabled integration with its own shop."""
    now = utcnow()
    with writing() as session:
        shop = Shop(kind="xcart", address=f"{name}.example")
        session.add(shop)
        session.flush()
        given = {
            "shop_id": shop.id, "kind": "xcart", "name": name, "name_key": name.casefold(), "endpoint": endpoint, "generation": "addon",
            "key_encrypted": vault.encrypt(key), "orders_since": now - timedelta(days=30), "health": "connected",
            "processed_status": "S", "work_statuses": [["P", "*"], ["A", "*"]],
        }  # fmt: skip
        columns, of_flows = of_integration_and_flows(values)
        integration = Integration(**{**given, **columns}, flows=flows.new_flows(now))
        change_flows(integration, of_flows)
        session.add(integration)
        session.flush()
        return integration


FLOW_VALUE = re.compile(r"(orders|stock|listings|shipments|reconciliation|connection)_(due_at|done_at|every|on)")
FLOW_COLUMNS = {"due_at": "due_at", "done_at": "succeeded_at", "every": "interval_seconds", "on": "enabled"}
FlowValues = dict[str, dict[str, Any]]


def of_integration_and_flows(values: dict[str, Any]) -> tuple[dict[str, Any], FlowValues]:
    """Values for an integration and for its flows: ``orders_due_at=now`` is of the flow of orders, and so is ``failing="orders"``."""
    columns, of_flows = dict(values), {}
    for kind in columns.pop("failing", "").split():
        of_flows.setdefault(kind, {})["failing_since"] = utcnow()
    for name in values:
        if found := FLOW_VALUE.fullmatch(name):
            of_flows.setdefault(found[1], {})[FLOW_COLUMNS[found[2]]] = columns.pop(name)
    return columns, of_flows


def change_flows(integration: Integration, of_flows: FlowValues) -> None:
    for kind, values in of_flows.items():
        for name, value in values.items():
            setattr(integration.flows[kind], name, value)


def make_item(sku: str, on_hand: int = 10, *, reserved: int = 0, buffer: int = 0) -> StockItem:
    with writing() as session:
        item = StockItem(sku=sku, on_hand=on_hand, reserved=reserved, buffer=buffer)
        session.add(item)
        session.flush()
        return item


def import_stock(content: bytes | Iterable[str], *, add_unknown: bool = False) -> Imported:
    """Import a file of quantities as ``stock import`` does: its bytes, or its lines."""
    if not isinstance(content, bytes):
        content = "\n".join(line.rstrip("\r\n") for line in content).encode()
    return file_imports.import_now(content, "stock.csv", "test", add_unknown=add_unknown)


def make_listing(integration: Integration, sku: str, quantity: int, *, item: StockItem | None = None, **values: Any) -> Listing:
    """A product's listing, linked to ``item`` where one is given."""
    shop_id, item_id = integration.shop_id, item.id if item else None
    with writing() as session:
        listing = Listing(shop_id=shop_id, external_id=f"product:{sku}", kind="product", sku=sku, quantity=quantity, expected=quantity,
                          seen_at=PLACED, **values)  # fmt: skip
        session.add(listing)
        session.flush()
        if item_id is not None:
            session.add(Link(listing_id=listing.id, stock_item_id=item_id))
            listing.linked = True
        return listing


def make_order(integration: Integration, number: str, lines: list[tuple[StockItem | str, int]], *, state: str = "ready",
               placed_at: datetime = PLACED, **values: Any) -> Order:  # fmt: skip
    """An order whose lines are (stock item or unknown SKU, quantity); nothing is reserved."""
    shop_id = integration.shop_id
    plain = [(one, one, None) if isinstance(one, str) else (one.sku, one.sku, one.id) for one, _ in lines]
    with writing() as session:
        order = Order(
            shop_id=shop_id, external_id=values.pop("external_id", number), number=number, placed_at=placed_at, changed_at=placed_at, state=state, currency="USD",
            payment_status="P", shipping_status="N", shipping_address={"city": "Graz"}, total=Decimal(1), **values,
        )  # fmt: skip
        session.add(order)
        session.flush()
        for position, ((sku, name, item_id), (_, quantity)) in enumerate(zip(plain, lines, strict=True)):
            session.add(OrderLine(order_id=order.id, position=position, sku=sku, name=name, quantity=quantity, price=Decimal(1),
                                  total=Decimal(quantity),
                                  allocations=[] if item_id is None else [Allocation(stock_item_id=item_id)]))  # fmt: skip
        return order
