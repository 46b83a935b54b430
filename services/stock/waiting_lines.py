"""Allocate order lines that wait for a stock item once there is one, and allocate them again when the links of their listing change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Select, case, insert, literal, or_, select
from sqlalchemy.orm import selectinload

from extensions import db
from models import Allocation, Listing, Order, OrderLine, StockItem
from models.order import OPEN_STATES
from models.sku_key import sku_key
from services.common.batches import batches
from services.order_basics import holds
from services.stock import allocations, ledger
from services.stock.line_sources import Sources, sources_of

WAITING = ~OrderLine.allocations.any()
"""Lines that take from no stock item."""


def allocate_waiting(items: Iterable[StockItem], *, actor: str, run_id: int | None = None) -> int:
    """Allocate the lines of all shops that wait for these stock items, oldest order first. Returns how many orders were
    released. ``items`` are locked; their listings are linked already where they are to be."""
    by_sku = {item.sku: item for item in items}
    lines = waiting_lines(by_sku)
    released = allocate_lines(lines, {item.id: item for item in by_sku.values()}, actor=actor, run_id=run_id)
    for chunk in batches(sorted(by_sku)):
        _allocate_closed({sku_key(sku): by_sku[sku].id for sku in chunk if by_sku[sku].shared_key is None})
    return released


def waiting_lines(skus: Iterable[str]) -> list[OrderLine]:
    """Open lines without a stock item that carry one of these SKUs or are of a listing that does, oldest order first."""
    keys = sorted({sku_key(sku) for sku in skus} - {""})
    found: dict[int, OrderLine] = {}
    for chunk in batches(keys):
        # A listing's SKU may differ from the line's: it was renamed, or its product's amount is what is sold.
        listed = select(Listing.id).where(
            Listing.shop_id == Order.shop_id, Listing.product_id == OrderLine.product_id, Listing.sku_key.in_(chunk)
        )  # fmt: skip
        for condition in (OrderLine.sku_key.in_(chunk), listed.exists()):
            found |= {line.id: line for line in db.session.scalars(_waiting(condition))}
    return sorted(found.values(), key=lambda line: (line.order.placed_at, line.id))


def _waiting(condition: ColumnElement[bool]) -> Select[OrderLine]:
    return (
        select(OrderLine)
        .join(Order)
        .where(WAITING, Order.state.in_(OPEN_STATES), condition, allocations.RESERVES)
        .options(selectinload(OrderLine.order))
    )


def allocate_lines(
    lines: Sequence[OrderLine], items: Mapping[int, StockItem], *, actor: str, run_id: int | None = None
) -> int:  # fmt: skip
    """Lines without a stock item take from those of ``items`` that are their source, in the order given; the note on the
    others is brought up to date. Returns how many orders were released."""
    touched: set[int] = set()
    orders: set[int] = set()
    sources = _sources(lines)
    for line in lines:
        source = sources[line.order.shop_id].of(line)
        if not {item_id for item_id, _ in source.recipe} <= items.keys():
            continue
        before = (line.uncounted, line.could_mean)
        if allocations.allocate(line, source) or before != (line.uncounted, line.could_mean):
            orders.add(line.order_id)
        entries = allocations.reserve(line, items, ledger.Reason(actor, "sale", run_id))
        touched.update(entry.stock_item_id for entry in entries)
    db.session.flush()
    released = holds.evaluate_stored(orders) if orders else 0
    ledger.request_push(touched)
    return released


def recheck(shop_id: int, line_ids: Sequence[int], *, actor: str, run_id: int | None = None) -> int:
    """Check the lines of one shop that wait for a stock item again, after its listings were read: a line that the shop does
    not count needs none. Returns how many orders were released. Call it inside a page."""
    query = _waiting(OrderLine.id.in_(line_ids)).order_by(Order.placed_at, OrderLine.id)
    lines = list(db.session.scalars(query))
    items = ledger.load_items(sources_of(shop_id, lines).item_ids)
    return allocate_lines(lines, items, actor=actor, run_id=run_id)


def keys_waited_for(keys: Iterable[str]) -> set[str]:
    """Those of the SKU keys that lines of any shop wait for, open or closed: by their own SKU or, while open, by their listing's."""
    found: set[str] = set()
    for chunk in batches(sorted(set(keys))):
        own = select(OrderLine.sku_key).where(WAITING, OrderLine.sku_key.in_(chunk)).distinct()
        listed = (
            select(Listing.sku_key)
            .join(Order, Order.shop_id == Listing.shop_id)
            .join(OrderLine, (OrderLine.order_id == Order.id) & (OrderLine.product_id == Listing.product_id))
            .where(WAITING, Order.state.in_(OPEN_STATES), Listing.sku_key.in_(chunk))
            .distinct()
        )
        found.update(db.session.scalars(own), db.session.scalars(listed))
    return found


def waiting_ids(shop_id: int) -> list[int]:
    """The open lines of a shop that take from no stock item."""
    query = select(OrderLine.id).join(Order).where(WAITING, Order.shop_id == shop_id, Order.state.in_(OPEN_STATES))
    return list(db.session.scalars(query.order_by(OrderLine.id)))


def _sources(lines: Iterable[OrderLine]) -> dict[int, Sources]:
    """The lines' sources by shop."""
    of_shop: dict[int, list[OrderLine]] = defaultdict(list)
    for line in lines:
        of_shop[line.order.shop_id].append(line)
    return {shop_id: sources_of(shop_id, each) for shop_id, each in of_shop.items()}


def _allocate_closed(item_ids: Mapping[str, int]) -> None:
    """Allocate lines of closed orders, of which an old shop has a hundred thousand, in one statement: nothing is reserved for them."""
    if not item_ids:
        return
    item_id = case(dict(item_ids), value=OrderLine.sku_key)
    closed = (
        select(OrderLine.id, item_id, literal(1), literal(0))
        .join(Order)
        .where(WAITING, OrderLine.sku_key.in_(item_ids), Order.state.not_in(OPEN_STATES))
    )
    db.session.execute(insert(Allocation).from_select(["order_line_id", "stock_item_id", "units", "reserved"], closed))


def follow_links(listing: Listing, actor: str) -> int:
    """Allocate the open order lines of a listing whose links changed from their new source. Lines whose source stays the
    same, or is no longer found, keep their allocations. Returns how many orders were released."""
    query = (
        select(OrderLine)
        .join(Order)
        .where(
            Order.shop_id == listing.shop_id, Order.state.in_(OPEN_STATES),
            or_(OrderLine.sku_key.in_({listing.sku_key, sku_key(listing.renamed_from)} - {""}),
                (OrderLine.product_id == listing.product_id) & (OrderLine.product_id != "")),
        )
        .options(selectinload(OrderLine.order))
        .order_by(Order.placed_at, OrderLine.id)
    )  # fmt: skip
    lines = list(db.session.scalars(query))
    return reallocate(lines, actor)


def reallocate(lines: Sequence[OrderLine], actor: str, *, empty: bool = False) -> int:
    """Release what open lines reserved and allocate them from their present source, if that has changed; with ``empty`` also
    if there is none. Returns how many orders were released. Call it inside ``writing()``."""
    sources = _sources(lines)
    moving = []
    for line in lines:
        source = sources[line.order.shop_id].of(line)
        if set(allocations.recipe_of(line)) != set(source.recipe) and (source.recipe or empty):
            moving.append((line, source))
        else:
            allocations.allocate(line, source)
    taken = allocations.items_of(line for line, _ in moving)
    items = ledger.load_items({*taken, *(item_id for _, source in moving for item_id, _ in source.recipe)})
    for line, _ in moving:
        allocations.release(line, items, ledger.Reason(actor, "edited"))
        line.allocations = []
    db.session.flush()
    for line, source in moving:
        allocations.allocate(line, source)
        allocations.reserve(line, items, ledger.Reason(actor, "sale"))
    touched = {line.order_id for line in lines}
    db.session.flush()
    for item_id in sorted(items):
        touched.update(allocations.fill(items[item_id], actor=actor))
    db.session.flush()
    ledger.request_push(items)
    return holds.evaluate_stored(touched)
