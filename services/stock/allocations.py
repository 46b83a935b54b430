"""Allocations: what order lines take from stock items, reserved, released, shipped and passed on to the lines that lack it.

An ordinary line takes one unit of one stock item for each piece, a kit several units or several stock items. Nothing here asks
which of the two a line is. Everything here is called inside ``writing()`` (or a lease's page), with the stock items locked by
``ledger.load_items``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import joinedload

from extensions import db
from models import Allocation, Order, OrderLine, Shop, StockEntry, StockItem
from models.order import OPEN_STATES
from services.common.batches import batches
from services.order_basics import holds
from services.stock import ledger
from services.stock.ledger import Reason
from services.stock.line_sources import Recipe, Source, Sources

LACKING: ColumnElement[int] = (OrderLine.quantity - OrderLine.shipped) * Allocation.units - Allocation.reserved
"""Units of one stock item that an order line still needs."""


RESERVES: ColumnElement[bool] = ~select(Shop.id).where(Shop.id == Order.shop_id, Shop.released_at.is_not(None)).exists()
"""Orders of shops that reserve stock at all (services/stock/released.py)."""


class Allocated(Protocol):
    """A line that takes from stock: stored, or about to be."""

    @property
    def allocations(self) -> Sequence[Any]: ...
    @property
    def quantity(self) -> int: ...
    @property
    def left(self) -> int: ...
    @property
    def order_id(self) -> int | None: ...

    shipped: int


def recipe_of(line: Allocated) -> Recipe:
    """What a line takes for each piece; nothing where no stock item was found for it."""
    return tuple(sorted((each.stock_item_id, each.units) for each in line.allocations))


def items_of(lines: Iterable[Allocated]) -> set[int]:
    """The ids of the stock items that lines take from."""
    return {each.stock_item_id for line in lines for each in line.allocations}


def pieces(lines: Iterable[Allocated]) -> Counter[Recipe]:
    """How many pieces a shop takes off its own quantities for these lines, by what a piece takes."""
    sold: Counter[Recipe] = Counter()
    for line in lines:
        if line.allocations:
            sold[recipe_of(line)] += line.quantity
    return sold


def load_items_of(*conditions: ColumnElement[bool]) -> dict[int, StockItem]:
    """The stock items of some orders' lines, locked: they are locked before orders (services/common/deadlocks.py)."""
    query = select(Allocation.stock_item_id).join(OrderLine).join(Order).where(*conditions).distinct()
    return ledger.load_items(db.session.scalars(query))


def allocate(line: OrderLine, source: Source) -> bool:
    """Give a line that takes from nothing yet its stock items; returns whether it takes from any now."""
    if line.allocations:
        return False
    line.uncounted, line.could_mean = source.uncounted, source.could_mean
    line.allocations = [Allocation(stock_item_id=item_id, units=units, reserved=0) for item_id, units in source.recipe]
    return bool(source.recipe)


def allocate_known(lines: Iterable[OrderLine], sources: Sources) -> None:
    """``allocate`` for those of the lines whose sources were looked up."""
    for line in lines:
        if sources.knows(line):
            allocate(line, sources.of(line))


def reserve(line: Allocated, items: Mapping[int, StockItem], reason: Reason) -> list[StockEntry]:
    """Reserve what a line lacks, as far as there is stock; returns the ledger entries."""
    made = []
    for each in line.allocations:
        item = items[each.stock_item_id]
        units = min(line.left * each.units - each.reserved, item.on_hand - item.reserved)
        if units > 0:
            each.reserved += units
            made += ledger.enter(item, reason, reserved=units, order_id=line.order_id)
    return made


def release(line: Allocated, items: Mapping[int, StockItem], reason: Reason, *, keep: int = 0) -> list[StockEntry]:
    """Give back what a line has reserved beyond ``keep`` pieces; returns the ledger entries."""
    made = []
    for each in line.allocations:
        units = each.reserved - keep * each.units
        if units > 0:
            each.reserved -= units
            made += ledger.enter(items[each.stock_item_id], reason, reserved=-units, order_id=line.order_id)
    return made


def release_order(order: Order, items: Mapping[int, StockItem], *, actor: str) -> set[int]:
    """Give back all that a cancelled order has reserved; returns the stock items whose numbers changed."""
    reason = Reason(actor, "cancelled")
    return {entry.stock_item_id for line in order.lines for entry in release(line, items, reason)}


def ship(line: Allocated, items: Mapping[int, StockItem], reason: Reason, *, pieces: int | None = None) -> list[StockEntry]:
    """Take pieces of a line (all that are left, by default) off on hand and off reserved; returns the ledger entries.

    A line that has reserved less than it needs takes the rest from what is free, and never more than there is."""
    pieces = line.left if pieces is None else pieces
    if pieces <= 0:
        return []
    made = []
    for each in line.allocations:
        item, units = items[each.stock_item_id], pieces * each.units
        held = min(each.reserved, units)
        gone = held + min(units - held, max(0, item.on_hand - item.reserved))
        each.reserved -= held
        made += ledger.enter(item, reason, on_hand=-gone, reserved=-held, order_id=line.order_id)
    line.shipped += pieces
    return made


def fill(item: StockItem, *, actor: str, run_id: int | None = None) -> list[int]:
    """Give the free units of a stock item to the open order lines that lack it, oldest order first; returns the ids of
    their orders."""
    if item.on_hand <= item.reserved:
        return []
    touched = []
    for each in db.session.scalars(_lacking(Allocation.stock_item_id == item.id)).all():
        line = each.line
        units = min(line.left * each.units - each.reserved, item.on_hand - item.reserved)
        if units <= 0:
            break
        each.reserved += units
        ledger.enter(item, Reason(actor, "allocated", run_id), reserved=units, order_id=line.order_id)
        touched.append(line.order_id)
    return touched


def _lacking(which: ColumnElement[bool]) -> Select[Allocation]:
    return (
        select(Allocation)
        .join(Allocation.line)
        .join(OrderLine.order)
        .where(which, Order.state.in_(OPEN_STATES), LACKING > 0, RESERVES)
        .options(joinedload(Allocation.line))
        .order_by(Order.placed_at, OrderLine.id)
    )


def pass_on(items: Iterable[StockItem], *, actor: str, run_id: int | None = None) -> None:
    """Give what is free of these stock items to the orders that lack it, and evaluate those orders."""
    db.session.flush()
    holds.evaluate_stored([order for item in items for order in fill(item, actor=actor, run_id=run_id)])


def lacking_items(item_ids: Iterable[int]) -> list[int]:
    """Those stock items of which open order lines lack some."""
    ids = sorted(item_ids)
    found: set[int] = set()
    for batch in batches(ids):
        query = _lacking(Allocation.stock_item_id.in_(batch)).with_only_columns(Allocation.stock_item_id)
        found.update(db.session.scalars(query.order_by(None).distinct()))
    return sorted(found)


def take_back(item: StockItem, units: int, *, actor: str) -> list[int]:
    """Take units back from the order lines that have reserved them, newest order first, because there are fewer now; returns the
    ids of their orders."""
    touched = []
    reason = Reason(actor, "set", note="less on hand than reserved")
    query = (
        select(Allocation)
        .join(Allocation.line)
        .join(OrderLine.order)
        .where(Allocation.stock_item_id == item.id, Allocation.reserved > 0)
        .options(joinedload(Allocation.line))
        .order_by(Order.placed_at.desc(), OrderLine.id.desc())
    )
    for each in db.session.scalars(query).all():
        if units <= 0:
            break
        given = min(each.reserved, units)
        each.reserved -= given
        units -= given
        ledger.enter(item, reason, reserved=-given, order_id=each.line.order_id)
        touched.append(each.line.order_id)
    return touched
