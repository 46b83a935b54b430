"""New orders of one page, inserted in bulk: orders, lines, allocations and ledger entries, one statement each.

Everything here is called inside a page's transaction, with the stock items locked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import bindparam, insert, select

from channels.base import OrderLine as ShopLine
from extensions import db
from models import Allocation, Order, OrderLine, Shop, StockEntry
from models.order import Reserving
from models.types import among, utcnow
from services.common.bulk import Bulk
from services.order_basics import holds, identity
from services.order_basics.columns import columns, line_columns
from services.order_basics.money import Breakdown, break_down
from services.orders import kept_rows, shipped_there
from services.orders.batch import Batch, Shown
from services.stock import allocations, expected
from services.stock.line_sources import Source

# Needed for every page: made once, on the tables, they cost half as much.
INSERT_ORDERS, INSERT_LINES = Bulk(insert(Order.__table__)), Bulk(insert(OrderLine.__table__))
INSERT_ALLOCATIONS = Bulk(insert(Allocation.__table__))
_orders, _lines = Order.__table__.c, OrderLine.__table__.c
IDS = select(_orders.external_id, _orders.id).where(
    _orders.shop_id == bindparam("shop_id"), among(_orders.external_id, "external_ids"), _orders.superseded_at.is_(None)
)
LINE_IDS = select(_lines.id, _lines.order_id, _lines.position).where(
    _lines.order_id.in_(bindparam("order_ids", expanding=True))
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inserted:
    """How many of the new orders are on hold, and the external ids of those that could not reserve all they need."""

    held: int
    short: tuple[str, ...]


@dataclass(slots=True)
class NewAllocation:
    """An allocation before it has a row."""

    stock_item_id: int
    units: int
    reserved: int = 0


@dataclass(slots=True)
class NewLine(Reserving):
    """A line before it has a row: what services/order_basics/holds.py and services/stock/allocations.py read and write of one."""

    sku: str
    name: str
    quantity: int
    uncounted: bool
    could_mean: str
    allocations: list[NewAllocation]
    order_id: int | None = None
    shipped: int = 0


@dataclass(slots=True)
class NewOrder:
    """An order before it has a row: its columns, its lines with theirs, and its ledger entries. ``left_shelf`` are lines whose units
    have left the shelf already (services/orders/shipped_there.py)."""

    external_id: str
    stage: str
    columns: dict[str, Any]
    lines: list[NewLine]
    line_columns: list[dict[str, Any]]
    entries: list[StockEntry]
    left_shelf: list[NewLine]

    @property
    def held(self) -> bool:
        return bool(self.columns["state"] == "on_hold")

    @property
    def short(self) -> bool:
        return self.stage == "open" and any(line.allocations and line.reserved < line.quantity for line in self.lines)


@dataclass(slots=True)
class _Evaluated:
    """What is read of an order to decide its state."""

    payment_status: str
    shipping_status: str
    currency: str
    decimals: int
    difference: Decimal
    billing_address: dict[str, Any] | None
    shipping_address: dict[str, Any] | None
    problems: list[str]
    called_off_at = None
    accepted_codes = ()
    doubts = ()
    gone_at = None
    gone_seen_at = None
    superseded_at = None
    reopened_status = ""


def insert_orders(batch: Batch, shown: Sequence[Shown]) -> Inserted:
    """Insert orders that are not stored yet, and reserve for their lines."""
    now = utcnow()
    new = [_new_order(batch, each, now) for each in shown]
    if new:
        ids = _insert_orders(batch, new)
        _insert_lines(new, ids)
        kept_rows.added((ids[order.external_id], order.columns, order.line_columns) for order in new)
        _expect_sales(batch, new)
    return Inserted(sum(order.held for order in new), tuple(order.external_id for order in new if order.short))


def _new_order(batch: Batch, shown: Shown, now: datetime) -> NewOrder:
    storing, order = batch.storing, shown.order
    money = break_down(order, storing.money, shown.surcharges)
    row = columns(storing, order, money, shown.surcharges)
    stage = storing.holds.stage(order.payment_status, order.shipping_status)
    lines = [_new_line(line, batch.sources.of(line)) for line in order.lines]
    taken = allocations.items_of(lines) if stage == "shipped" else set()
    gone = shipped_there.left_shelf(storing, order, taken)
    left_shelf = [line for line in lines if line.allocations and allocations.items_of([line]) <= gone]
    entries = _book(batch, stage, lines, left_shelf)
    evaluated = _Evaluated(**{name: row[name] for name in _Evaluated.__slots__})
    evaluation = holds.evaluate(cast(Order, evaluated), cast(list[OrderLine], lines), storing.holds)
    row.update(
        shop_id=storing.shop_id, external_id=order.external_id, state=evaluation.state, held_codes=evaluation.codes,
        held_reason=evaluation.reasons, reason_codes=evaluation.reason_codes, note=evaluation.note, digest=shown.digest, raw=shown.payload,
        first_seen_at=now, updated_at=now, seen_at=now, email_digest=identity.email_digest(storing.identity_key, order.email),
    )  # fmt: skip
    return NewOrder(order.external_id, stage, row, lines, _line_rows(batch, order.lines, money, lines), entries, left_shelf)


def _new_line(line: ShopLine, source: Source) -> NewLine:
    taken = [NewAllocation(item_id, units) for item_id, units in source.recipe]
    return NewLine(line.sku, line.name, line.quantity, source.uncounted, source.could_mean, taken)


def _line_rows(batch: Batch, shown: Sequence[ShopLine], money: Breakdown, lines: Sequence[NewLine]) -> list[dict[str, Any]]:
    return [
        {**line_columns(batch.storing, line, part), "position": position, "shipped": new.shipped, "uncounted": new.uncounted,
         "could_mean": new.could_mean}
        for position, (line, part, new) in enumerate(zip(shown, money.lines, lines, strict=True))
    ]  # fmt: skip


def _book(batch: Batch, stage: str, lines: Sequence[NewLine], left_shelf: Sequence[NewLine]) -> list[StockEntry]:
    """Reserve for the lines of an open order, and take off what has left the shelf; returns the ledger entries, which get the
    order's id once it has one."""
    if stage == "shipped":
        batch.touched |= allocations.items_of(left_shelf)
        entries = [entry for line in left_shelf for entry in allocations.ship(line, batch.items, batch.reason("shipped"))]
        for line in lines:
            line.shipped = line.quantity
        return entries
    if stage != "open":
        return []
    batch.touched |= allocations.items_of(lines)
    reason = batch.reason("sale")
    return [entry for line in lines for entry in allocations.reserve(line, batch.items, reason)]


def _insert_orders(batch: Batch, new: Sequence[NewOrder]) -> dict[str, int]:
    """Returns the ids of the new orders by external id. SQLite answers RETURNING with a statement a row; plain inserts go in
    one, and the ids are read afterwards."""
    INSERT_ORDERS.execute(db.session.connection(), [order.columns for order in new])
    named = {"shop_id": batch.storing.shop_id, "external_ids": [order.external_id for order in new]}
    return dict(db.session.execute(IDS, named).all())


def _insert_lines(new: Sequence[NewOrder], ids: Mapping[str, int]) -> None:
    rows = []
    for order in new:
        order_id = ids[order.external_id]
        for row in order.line_columns:
            row["order_id"] = order_id
        for entry in order.entries:
            entry.order_id = order_id
        rows.extend(order.line_columns)
    INSERT_LINES.execute(db.session.connection(), rows)
    taking = [order for order in new if any(line.allocations for line in order.lines)]
    if not taking:
        return
    found = db.session.execute(LINE_IDS, {"order_ids": [ids[order.external_id] for order in taking]})
    line_ids = {(row.order_id, row.position): row.id for row in found}
    INSERT_ALLOCATIONS.execute(
        db.session.connection(),
        [
            {"order_line_id": line_ids[ids[order.external_id], position], "stock_item_id": each.stock_item_id, "units": each.units,
             "reserved": each.reserved}
            for order in taking for position, line in enumerate(order.lines) for each in line.allocations
        ],
    )  # fmt: skip


def _expect_sales(batch: Batch, new: Sequence[NewOrder]) -> None:
    """The shop has taken the units of open orders off its own quantities, and those that have left the shelf.

    A shop sells below 0 and still shows 0. So an order that was sold and put back before we first saw it may have raised the
    shop's quantity, and it is compared."""
    rules, shop = batch.storing.holds, db.session.get_one(Shop, batch.storing.shop_id)
    sold = [line for order in new for line in (order.lines if order.stage == "open" else order.left_shelf)]
    expected.expect_sale(shop.id, allocations.pieces(sold))
    unsure = [
        order for order in new
        if rules.puts_back(order.columns["payment_status"], order.columns["shipping_status"]) is not False
        and (order.stage == "open" or not shipped_there.is_history(shop, order.columns["placed_at"]))
    ]  # fmt: skip
    expected.expect_unknown(shop.id, allocations.pieces(line for order in unsure for line in order.lines))
