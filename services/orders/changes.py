"""Changes of stored orders: what the shop says now, or the stored copy under other settings, becomes a difference
(services/orders/delta.py), and the difference is applied to stock, state and timeline.

Everything here is called inside ``writing()`` (or a lease's page).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select, update

from channels.base import Order as ShopOrder
from channels.base import Surcharge
from extensions import db
from models import FlowKind, Order, OrderChange, OrderLine, Shipment, ShipmentLine, StockEntry, WriteBack
from models.order import GONE_CODE
from models.sku_key import sku_key
from models.types import utcnow
from services.order_basics import holds, line_matching
from services.order_basics.columns import WITHOUT_CUSTOMER, columns, line_columns, stored_surcharges
from services.order_basics.money import break_down
from services.orders import shipped_there
from services.orders.batch import Batch
from services.orders.delta import LineDelta, OrderDelta, ReadLine, ReadOrder, StoredLine, StoredOrder, diff
from services.shipping import by_hand, write_backs
from services.shops import flows
from services.stock import allocations, expected


def bring_up_to_date(
    batch: Batch, row: Order, order: ShopOrder, surcharges: Sequence[Surcharge] | None, *, same_copy: bool = False
) -> bool:
    """Bring a stored order to what was read of it; returns whether anything a person would notice has changed. ``same_copy`` is True
    where it is not the shop that changed but our settings."""
    _allocate_waiting(batch, row, order)
    read = _read(batch, row, order, surcharges, same_copy)
    stored = _stored(batch, row, read.values)
    if not stored.readable and read.stage == "shipped":
        items = {item_id for line in read.lines for item_id, _ in line.source.recipe}
        left = shipped_there.left_shelf(batch.storing, order, items)
        read = replace(read, left_shelf=bool(items) and items <= left)
    delta = diff(stored, read)
    apply(batch, row, delta)
    if delta.noted and not same_copy:
        db.session.add(OrderChange(order_id=row.id, run_id=batch.storing.run_id, fields=dict(delta.noted)))
    return bool(delta.noted)


def _allocate_waiting(batch: Batch, row: Order, order: ShopOrder) -> None:
    """Give stored lines that wait for their stock item the one of the line that is read now: it may say more, as a product's id that
    X-Cart 5.4's single rows do not have. This comes before the comparison, because the shop took their units off long ago."""
    allocations.allocate_known(row.lines, batch.sources)
    if all(line.allocations for line in row.lines):
        return
    key = batch.storing.identity_key
    matching = line_matching.match(
        [line_matching.stored_line(line, key) for line in row.lines],
        [line_matching.shown_line(line, key) for line in order.lines],
    )
    for shown, place in zip(order.lines, matching.known, strict=True):
        if place is not None:
            allocations.allocate(row.lines[place], batch.sources.of(shown))


def shipped_away(order_ids: Sequence[int]) -> dict[int, frozenset[str]]:
    """SKU keys or names of shipped lines that edits took out of these orders, by order id."""
    query = select(Shipment.order_id, ShipmentLine.sku, ShipmentLine.name).join(Shipment).where(
        Shipment.order_id.in_(order_ids), ShipmentLine.order_line_id.is_(None), Shipment.voided_at.is_(None)
    )  # fmt: skip
    found: dict[int, set[str]] = defaultdict(set)
    for order_id, sku, name in db.session.execute(query):
        found[order_id].add(sku_key(sku) or name)
    return {order_id: frozenset(names) for order_id, names in found.items()}


def _stored(batch: Batch, row: Order, names: Iterable[str]) -> StoredOrder:
    """What a stored order says in the columns named."""
    storing = batch.storing
    lines = tuple(
        StoredLine(
            {column.name: getattr(line, column.name) for column in OrderLine.__table__.columns},
            line.position, line_matching.stored_line(line, storing.identity_key), allocations.recipe_of(line),
        )
        for line in row.lines
    )  # fmt: skip
    return StoredOrder(
        values={name: getattr(row, name) for name in names},
        stage=storing.holds.stage_of(row),
        put_back=storing.holds.puts_back(row.payment_status, row.shipping_status),
        lines=lines,
        readable=bool(row.lines) or "unreadable" not in row.held_codes,
        gone=row.gone_at is not None,
        shipped_away=batch.shipped_away.get(row.id, frozenset()),
    )


def _read(batch: Batch, row: Order, order: ShopOrder, surcharges: Sequence[Surcharge] | None, same_copy: bool) -> ReadOrder:
    storing = batch.storing
    if surcharges is None and row.total == order.total:
        surcharges = stored_surcharges(row.surcharge_rows)
    money = break_down(order, storing.money, surcharges)
    values = columns(storing, order, money, surcharges)
    if order.first_tracking_only and values["tracking_numbers"]:
        values["tracking_numbers"] += _after_the_first(values["tracking_numbers"][0], row.tracking_numbers)
    if row.erased_at is not None:
        # What was erased on purpose does not come back because the shop still has it.
        storing = replace(storing, with_options=False)
        values.update(WITHOUT_CUSTOMER)
    # An order that the shop shows again is not deleted, so that a deletion that was marked as seen no longer closes it.
    over = row.called_off_at is not None or (same_copy and row.gone_seen_at is not None)
    stage = storing.holds.stage_for(row, values["payment_status"], values["shipping_status"])
    return ReadOrder(
        values=values,
        stage="cancelled" if stage == "open" and over else stage,
        put_back=storing.holds.puts_back(values["payment_status"], values["shipping_status"]),
        lines=tuple(
            ReadLine(
                line_columns(storing, line, part), line_matching.shown_line(line, storing.identity_key), batch.sources.of(line)
            )
            for line, part in zip(order.lines, money.lines, strict=True)
        ),
        same_copy=same_copy,
    )


def _after_the_first(first: str, known: Sequence[str]) -> Sequence[str]:
    """The numbers that a write-back has seen after the first one. If the shop shows another first number now, those before it are
    gone, or the first was edited."""
    return known[known.index(first) + 1 if first in known else 1 :]


def apply(batch: Batch, row: Order, delta: OrderDelta) -> None:
    """Apply a difference to a stored order: its columns and lines, what they take from stock, what the shop is expected to show, and
    the order's state. ``row`` and its stock items are locked."""
    if delta.came_back:
        _come_back(row)
    if row.reopened_status == row.shipping_status != delta.values.get("shipping_status", row.shipping_status):
        # The shop has moved on from the status that a person here took back.
        row.reopened_status = ""
        by_hand.withdraw(row.id, "status")
    _set(row, delta.values)
    if delta.cancel_unseen is not None:
        row.cancel_unseen = delta.cancel_unseen
    if delta.doubtful:
        row.doubts = [*(each for each in row.doubts if each[0] != line_matching.CODE), line_matching.doubt(delta.doubtful)]
        row.accepted_codes = [code for code in row.accepted_codes if code != line_matching.CODE]
    changed = _apply_lines(batch, row, delta)
    if row.tracking_numbers:
        by_hand.see_in_shop(row.id, row.tracking_numbers)
    if "tracking_numbers" in delta.values:
        by_hand.see_removed(row.id, row.tracking_numbers)
    changed |= _apply_stage(batch, row, delta)
    expected.expect_sale(batch.storing.shop_id, delta.sold)
    expected.expect_unknown(batch.storing.shop_id, delta.uncertain)
    there = {item_id for recipe in (*delta.sold, *delta.uncertain) for item_id, _ in recipe}
    batch.touched |= changed | (there & batch.items.keys())
    was = row.state
    holds.apply(row, holds.evaluate(row, row.lines, batch.storing.holds))
    if row.state == "shipped" != was:
        write_backs.plan_rest(row, delta.stage == "shipped", batch.storing.actor)
    if changed:
        # What this order gave back goes to those that lack it, and not to this one: its state says so by now.
        items = [batch.items[item_id] for item_id in sorted(changed)]
        allocations.pass_on(items, actor=batch.storing.actor, run_id=batch.storing.run_id)


def _apply_lines(batch: Batch, row: Order, delta: OrderDelta) -> set[int]:
    """Change, add and remove lines; returns the stock items whose numbers changed or are needed by a changed quantity."""
    before, changed = list(row.lines), set()
    for place in delta.removed:
        changed |= _items(allocations.release(before[place], batch.items, batch.reason("edited")))
        db.session.delete(before[place])
    for each in delta.lines:
        line = _new_line(row, each) if each.stored is None else before[each.stored]
        if each.keep is not None:
            allocations.release(line, batch.items, batch.reason("edited"), keep=each.keep)
            changed |= allocations.items_of([line])
        _set(line, each.values)
        line.position = each.position
    if delta.lines or delta.removed:
        db.session.flush()
        db.session.expire(row, ["lines"])
    return changed


def _new_line(row: Order, delta: LineDelta) -> OrderLine:
    line = OrderLine(order_id=row.id, position=delta.position, shipped=0, **delta.values)
    db.session.add(line)
    allocations.allocate(line, delta.source)
    return line


def _apply_stage(batch: Batch, row: Order, delta: OrderDelta) -> set[int]:
    """What the order's stage does to stock: open lines reserve, shipping takes off on hand and reserved, cancelling gives back.
    Returns the stock items whose numbers changed."""
    changed: set[int] = set()
    for line in row.lines:
        if delta.stage == "shipped" and delta.stage_before != "open":
            line.shipped = line.quantity
        elif delta.stage == "shipped":
            changed |= _items(allocations.ship(line, batch.items, batch.reason("shipped")))
        elif delta.stage == "cancelled":
            changed |= _items(allocations.release(line, batch.items, batch.reason("cancelled")))
        else:
            cause = "sale" if delta.stage_before == "open" else "reopened"
            changed |= _items(allocations.reserve(line, batch.items, batch.reason(cause)))
    return changed


def _items(entries: Iterable[StockEntry]) -> set[int]:
    return {entry.stock_item_id for entry in entries}


def _set(target: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(target, name, value)


def _come_back(row: Order) -> None:
    """An order that was marked as deleted is in the shop after all: what waited for it is sent."""
    row.gone_at = row.gone_seen_at = None
    db.session.execute(
        update(WriteBack)
        .where(WriteBack.order_id == row.id, WriteBack.state == "failed", WriteBack.error_code == GONE_CODE)
        .values(state="waiting", finished_at=None, due_at=utcnow())
        .execution_options(synchronize_session=False)
    )
    flows.make_due(flows.of_shops([row.shop_id]), FlowKind.SHIPMENTS)
