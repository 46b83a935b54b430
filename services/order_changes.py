"""Changes the shop made to an order that is stored: taken over, booked in the stock ledger, and noted field by field."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from channels.base import Order as ShopOrder
from channels.base import Surcharge
from extensions import db
from models import Order, OrderChange, OrderLine, StockItem
from services import holds, kits, ledger
from services.money import break_down
from services.order_columns import WITHOUT_CUSTOMER, Storing, columns, line_columns, stored_surcharges

NOTED = (
    "number", "currency", "total", "payment_status", "shipping_status", "customer", "email", "billing_address", "shipping_address",
    "payment_method", "shipping_method", "customer_notes", "admin_notes", "tracking_numbers",
)  # fmt: skip
"""The fields whose change is noted: what a person would want to know, not how we read it."""


def take_over(
    storing: Storing, row: Order, order: ShopOrder, surcharges: Sequence[Surcharge] | None,
    item_of: dict[str, int], items: dict[int, StockItem], touched: set[int], *, note: bool = True,
    recipes: Mapping[str, kits.Recipe] | None = None,
) -> bool:  # fmt: skip
    """Bring a stored order to what the shop says now; answers whether anything a person would notice has changed.

    ``items`` are locked stock items, of the order's old and new lines; ``touched`` collects those whose numbers move, here
    or in the shop. ``note`` is False where it is not the shop that changed but our settings."""
    was_stage, was_payment = storing.holds.stage_of(row), row.payment_status
    unread_before = "unreadable" in row.held_codes and not row.lines
    if surcharges is None:
        surcharges = stored_surcharges(row.surcharge_rows) if row.total == order.total else None
    money = break_down(order, storing.money, surcharges)
    values = columns(storing, order, money, surcharges)
    if row.erased_at is not None:
        # What was erased on purpose does not come back because the shop still has it.
        storing = replace(storing, with_options=False)
        values.update(WITHOUT_CUSTOMER)
    fields = {name: [_json(getattr(row, name)), _json(values[name])] for name in NOTED if getattr(row, name) != values[name]}
    lines_before = _summary(row.lines)
    units_before, kits_before = _taken(row.lines), kits.pieces(row.lines)
    if unread_before:
        # It is as if it were seen for the first time: what has gone or was cancelled by then touches no stock.
        was_stage = storing.holds.stage(order.payment_status, order.shipping_status)
    for name, value in values.items():
        setattr(row, name, value)
    stage = storing.holds.stage_of(row)
    if stage != "cancelled":
        row.cancel_unseen = False
    elif was_stage == "open" and not unread_before:
        row.cancel_unseen = True
    own: set[int] = set()
    _take_over_lines(storing, row, order, money, item_of, items, own, recipes or {})
    lines_after = _summary(row.lines)
    if lines_before != lines_after:
        fields["lines"] = [lines_before, lines_after]
    _book(storing, row, items, was_stage, stage, own)
    if not unread_before or stage == "open":
        # The shop's own quantities move by what it has taken off for this order, be it that ours do not: what was shipped here
        # and is cancelled or edited there changes its shelf, not ours. That is to be expected, compared and pushed.
        was_back, is_back = storing.holds.puts_back(was_payment), storing.holds.puts_back(row.payment_status)
        moved = _difference({} if was_back else units_before, {} if is_back else _taken(row.lines))
        ledger.expect_sale(storing.shop_id, moved)
        touched |= moved.keys() & items.keys()
        pieces = _difference({} if was_back else kits_before, {} if is_back else kits.pieces(row.lines))
        kits.expect_sale(storing.shop_id, pieces)
        if pieces:
            touched |= kits.items_of(row.lines) & items.keys()
    touched |= own
    holds.apply(row, holds.judge(row, row.lines, storing.holds))
    if own:
        # What this order gave back goes to those that lack it, and not to this one: its state says so by now.
        db.session.flush()
        holds.judge_again(
            order_id
            for item_id in sorted(own)
            for order_id in ledger.allot(items[item_id], actor=storing.actor, run_id=storing.run_id)
        )
    if unread_before:
        fields["readable"] = [False, True]
    if note and fields:
        db.session.add(OrderChange(order_id=row.id, run_id=storing.run_id, fields=fields))
    return bool(fields)


def _take_over_lines(storing, row: Order, order: ShopOrder, money, item_of, items, touched, recipes) -> None:
    """Match new lines to stored ones by SKU and product, in order; what is left over on either side went or came."""
    left: dict[tuple[str, str, str], list[OrderLine]] = defaultdict(list)
    for line in row.lines:
        left[(line.sku, line.product_id, line.variant_id)].append(line)
    kept: list[OrderLine] = []
    for position, (line, part) in enumerate(zip(order.lines, money.lines, strict=True)):
        values = line_columns(storing, line, part)
        same = left.get((values["sku"], line.product_id, line.variant_id))
        if same:
            known = same.pop(0)
            _fit_quantity(storing, row, known, line.quantity, items, touched)
            for name, value in values.items():
                setattr(known, name, value)
        else:
            known = OrderLine(**values, order_id=row.id, reserved=0, shipped=0, stock_item_id=item_of.get(line.sku))
            db.session.add(known)
            if line.sku in recipes:
                kits.bind(known, recipes[line.sku])
        known.position = position
        kept.append(known)
    for gone in (line for lines in left.values() for line in lines):
        if gone.stock_item_id is not None:
            item = items[gone.stock_item_id]
            if ledger.release(gone, item, actor=storing.actor, cause="edited", run_id=storing.run_id):
                touched.add(item.id)
        else:
            touched |= kits.release(gone, items, actor=storing.actor, cause="edited", run_id=storing.run_id)
        db.session.delete(gone)
    db.session.flush()
    db.session.expire(row, ["lines"])


def _fit_quantity(storing, row: Order, line: OrderLine, quantity: int, items, touched) -> None:
    """A line's quantity was edited: what is reserved beyond the new quantity goes back."""
    if line.stock_item_id is None or quantity == line.quantity:
        return
    item = items[line.stock_item_id]
    excess = line.reserved - max(0, quantity - line.shipped)
    if excess > 0:
        line.reserved -= excess
        ledger.enter(item, actor=storing.actor, cause="edited", reserved=-excess, order_id=row.id, run_id=storing.run_id)
    touched.add(item.id)


def _book(storing, row: Order, items, was_stage: str, stage: str, touched) -> None:
    """What the order's stage does to stock: open lines reserve, shipping takes off on hand and reserved, cancelling gives back."""
    for line in row.lines:
        if line.stock_item_id is None and line.parts and not (stage == "shipped" and was_stage != "open"):
            touched |= kits.book(
                line,
                items,
                stage,
                actor=storing.actor,
                run_id=storing.run_id,
                cause="sale" if was_stage == "open" else "reopened",
            )
            continue
        if stage == "shipped" and (was_stage != "open" or line.stock_item_id is None):
            line.shipped = line.quantity
            continue
        if line.stock_item_id is None:
            continue
        item = items[line.stock_item_id]
        if stage == "open":
            if ledger.reserve(
                line, item, actor=storing.actor, cause="sale" if was_stage == "open" else "reopened", run_id=storing.run_id
            ):
                touched.add(item.id)
        elif stage == "shipped":
            if ledger.ship(line, item, actor=storing.actor, run_id=storing.run_id):
                touched.add(item.id)
        elif stage == "cancelled" and ledger.release(line, item, actor=storing.actor, cause="cancelled", run_id=storing.run_id):
            touched.add(item.id)


def _taken(lines: Sequence[OrderLine]) -> dict[int, int]:
    """Units by stock item that a shop takes off for an order's lines."""
    units: dict[int, int] = defaultdict(int)
    for line in lines:
        if line.stock_item_id is not None:
            units[line.stock_item_id] += line.quantity
    return units


def _difference(before: Mapping[Any, int], after: Mapping[Any, int]) -> dict[Any, int]:
    moved = {key: after.get(key, 0) - before.get(key, 0) for key in {*before, *after}}
    return {key: units for key, units in moved.items() if units}


def _summary(lines: Sequence[OrderLine]) -> list[list[Any]]:
    return [[line.sku, line.quantity] for line in lines]


def _json(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal | datetime) else value
