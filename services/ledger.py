"""The books of stock: every change of on hand and reserved goes through here, with a ledger entry beside it.

Everything here is called inside ``writing()`` (or a lease's page), with the stock items loaded by ``load_items``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import selectinload

from extensions import db
from models import Integration, LinePart, Link, Listing, Order, OrderLine, StockEntry, StockItem
from models.order import OPEN_STATES
from models.types import utcnow


def load_items(ids: Iterable[int]) -> dict[int, StockItem]:
    """Stock items by id, locked until the transaction ends; in the order of their ids, so that two cannot wait for each other."""
    wanted = sorted(set(ids))
    items: dict[int, StockItem] = {}
    for start in range(0, len(wanted), 500):
        chunk = wanted[start : start + 500]
        for item in db.session.scalars(select(StockItem).where(StockItem.id.in_(chunk)).order_by(StockItem.id).with_for_update()):
            items[item.id] = item
    return items


def lock_items(ids: Iterable[int]) -> None:
    """Lock stock items in the order of their ids, as ``load_items`` does, without loading them."""
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), 500):
        chunk = wanted[start : start + 500]
        db.session.execute(select(StockItem.id).where(StockItem.id.in_(chunk)).order_by(StockItem.id).with_for_update())


def enter(
    item: StockItem, *, actor: str, cause: str, on_hand: int = 0, reserved: int = 0,
    order_id: int | None = None, run_id: int | None = None, note: str = "",
) -> StockEntry | None:  # fmt: skip
    """Change a stock item's numbers and write the ledger entry that explains it; None where nothing changes."""
    if not on_hand and not reserved:
        return None
    item.on_hand += on_hand
    item.reserved += reserved
    item.updated_at = utcnow()
    entry = StockEntry(
        stock_item_id=item.id, actor=actor, cause=cause, on_hand_change=on_hand, reserved_change=reserved,
        order_id=order_id, run_id=run_id, note=note,
    )  # fmt: skip
    db.session.add(entry)
    return entry


def reserve(line: OrderLine, item: StockItem, *, actor: str, cause: str = "sale", run_id: int | None = None) -> int:
    """Reserve for a line what it lacks, as far as there is stock; answers with how many units were reserved now."""
    wanted = line.quantity - line.shipped - line.reserved
    units = max(0, min(wanted, item.on_hand - item.reserved))
    if units:
        line.reserved += units
        enter(item, actor=actor, cause=cause, reserved=units, order_id=line.order_id, run_id=run_id)
    return units


def release(line: OrderLine, item: StockItem, *, actor: str, cause: str, run_id: int | None = None) -> int:
    """Give back what a line has reserved; answers with how many units."""
    units = line.reserved
    if units:
        line.reserved = 0
        enter(item, actor=actor, cause=cause, reserved=-units, order_id=line.order_id, run_id=run_id)
    return units


def ship(line: OrderLine, item: StockItem, *, actor: str, units: int | None = None, run_id: int | None = None) -> int:
    """Take a line's units (all that are not shipped yet, by default) off on hand and off reserved.

    A line that could reserve less than it needs takes the rest from what lies there free, and never more than there is."""
    units = line.quantity - line.shipped if units is None else units
    if units <= 0:
        return 0
    held = min(line.reserved, units)
    free = max(0, item.on_hand - item.reserved)
    enter(
        item, actor=actor, cause="shipped", on_hand=-(held + min(units - held, free)), reserved=-held,
        order_id=line.order_id, run_id=run_id,
    )  # fmt: skip
    line.reserved -= held
    line.shipped += units
    return units


def allot(item: StockItem, *, actor: str, run_id: int | None = None) -> list[int]:
    """Give new stock to the open order lines that lack it, oldest order first; answers with the ids of their orders."""
    if item.on_hand <= item.reserved:
        return []
    lacking = db.session.scalars(
        select(OrderLine)
        .join(Order)
        .where(
            OrderLine.stock_item_id == item.id, Order.state.in_(OPEN_STATES),
            OrderLine.quantity - OrderLine.shipped - OrderLine.reserved > 0,
        )
        .order_by(Order.placed_at, OrderLine.id)
    ).all()  # fmt: skip
    touched = []
    for line in lacking:
        if reserve(line, item, actor=actor, cause="allotted", run_id=run_id):
            touched.append(line.order_id)
        if item.on_hand <= item.reserved:
            break
    return touched + _allot_parts(item, actor=actor, run_id=run_id)


def _allot_parts(item: StockItem, *, actor: str, run_id: int | None) -> list[int]:
    """The same for the parts of kit lines (services/kits.py)."""
    if item.on_hand <= item.reserved:
        return []
    lacking = db.session.scalars(
        select(LinePart)
        .join(OrderLine)
        .join(Order)
        .where(
            LinePart.stock_item_id == item.id, Order.state.in_(OPEN_STATES),
            (OrderLine.quantity - OrderLine.shipped) * LinePart.units - LinePart.reserved > 0,
        )
        .options(selectinload(LinePart.line).selectinload(OrderLine.parts))
        .order_by(Order.placed_at, OrderLine.id)
    ).all()  # fmt: skip
    touched = []
    for part in lacking:
        line = part.line
        units = min((line.quantity - line.shipped) * part.units - part.reserved, item.on_hand - item.reserved)
        if units <= 0:
            break
        part.reserved += units
        enter(item, actor=actor, cause="allotted", reserved=units, order_id=line.order_id, run_id=run_id)
        line.reserved = min(each.reserved // each.units for each in line.parts)
        touched.append(line.order_id)
    return touched


def lacked(item_ids: Iterable[int]) -> list[int]:
    """Those stock items of which open order lines lack some."""
    ids = sorted(item_ids)
    found: set[int] = set()
    for start in range(0, len(ids), 500):
        query = (
            select(OrderLine.stock_item_id)
            .join(Order)
            .where(
                OrderLine.stock_item_id.in_(ids[start : start + 500]), Order.state.in_(OPEN_STATES),
                OrderLine.quantity - OrderLine.shipped - OrderLine.reserved > 0,
            )
            .distinct()
        )  # fmt: skip
        parts = (
            select(LinePart.stock_item_id)
            .join(OrderLine)
            .join(Order)
            .where(
                LinePart.stock_item_id.in_(ids[start : start + 500]), Order.state.in_(OPEN_STATES),
                (OrderLine.quantity - OrderLine.shipped) * LinePart.units - LinePart.reserved > 0,
            )
            .distinct()
        )  # fmt: skip
        found |= {*db.session.scalars(query), *db.session.scalars(parts)}
    return sorted(found)


def expect_sale(shop_id: int, sold: dict[int, int]) -> None:
    """Note what a shop's own sales do to the quantity we expect to find there: ``sold`` is units by stock item, negative
    where the shop has put them back. What the shop had sold before its quantity was last read is known by then."""
    for item_id, units in sorted(sold.items()):
        if not units:
            continue
        # A kit's own quantity in the shop does not move with its parts.
        single = select(Link.listing_id).group_by(Link.listing_id).having(func.count() == 1)
        linked = select(Link.listing_id).where(Link.stock_item_id == item_id, Link.units == 1, Link.listing_id.in_(single))
        db.session.execute(
            update(Listing)
            .where(Listing.shop_id == shop_id, Listing.id.in_(linked), Listing.expected.is_not(None))
            .values(expected=lowered(units))
            .execution_options(synchronize_session=False)
        )


def lowered(units: int):
    """What is left of an expected quantity after a sale: the shop's own goes no lower than 0."""
    return case((Listing.expected > units, Listing.expected - units), else_=0)


def mark_stale_skus(skus: Sequence[str], *, but_shop: int | None = None) -> None:
    """Stock items with these SKUs are new: listings that carry them are to be linked, and stock pushes are due. ``but_shop`` is
    the shop whose run has made them: it links its own."""
    now, others = utcnow(), () if but_shop is None else (Listing.shop_id != but_shop,)
    for start in range(0, len(skus), 500):
        chunk = skus[start : start + 500]
        db.session.execute(
            update(Listing).where(Listing.sku.in_(chunk), *others).values(stale=True).execution_options(synchronize_session=False)
        )
        shops = select(Listing.shop_id).where(Listing.sku.in_(chunk), *others)
        db.session.execute(
            update(Integration)
            .where(Integration.shop_id.in_(shops), Integration.removed_at.is_(None), Integration.stock_due_at > now)
            .values(stock_due_at=now)
            .execution_options(synchronize_session=False)
        )


def mark_stale(item_ids: Iterable[int]) -> None:
    """What shops should offer of these stock items may have changed: mark their listings and make a stock push due."""
    ids = sorted(set(item_ids))
    now = utcnow()
    for start in range(0, len(ids), 500):
        linked = select(Link.listing_id).where(Link.stock_item_id.in_(ids[start : start + 500]))
        db.session.execute(
            update(Listing).where(Listing.id.in_(linked), Listing.stale.is_(False)).values(stale=True)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        shops = select(Listing.shop_id).where(Listing.id.in_(linked))
        db.session.execute(
            update(Integration)
            .where(Integration.shop_id.in_(shops), Integration.removed_at.is_(None), Integration.stock_due_at > now)
            .values(stock_due_at=now)
            .execution_options(synchronize_session=False)
        )
