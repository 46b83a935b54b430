"""What the books must show at any moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import func, select

from extensions import db
from models import Allocation, Link, Listing, Order, OrderLine, Shop, StockEntry, StockItem
from models.order import OPEN_STATES
from models.sku_key import search_text


def books(only: set[int] | None = None) -> Iterator[str]:
    """Ledger sums equal levels, reservations equal what orders hold, nothing is negative. Cheap enough to ask all the time."""
    sums = {
        item_id: (on_hand, reserved)
        for item_id, on_hand, reserved in db.session.execute(
            select(StockEntry.stock_item_id, func.sum(StockEntry.on_hand_change), func.sum(StockEntry.reserved_change)).group_by(
                StockEntry.stock_item_id
            )
        )
    }
    held: Counter[int] = Counter()
    lacking: Counter[int] = Counter()
    wanted = (OrderLine.quantity - OrderLine.shipped) * Allocation.units
    query = select(Allocation.stock_item_id, Allocation.reserved, wanted, Order.state, Order.number)
    query = query.select_from(Allocation).join(OrderLine).join(Order).join(Shop, Shop.id == Order.shop_id)
    for item_id, reserved, left, state, number, released_at in db.session.execute(query.add_columns(Shop.released_at)):
        held[item_id] += reserved
        if released_at is not None and not reserved:
            # Its shop was removed with what its orders reserved: they lack nothing.
            continue
        if state in OPEN_STATES:
            lacking[item_id] += max(0, left - reserved)
        elif reserved:
            yield f"order {number} is {state} and still reserves {reserved}"
    for item in db.session.scalars(select(StockItem)):
        if only is not None and item.id not in only:
            continue
        if (item.on_hand, item.reserved) != sums.get(item.id, (0, 0)):
            yield f"{item.sku}: levels {item.on_hand}/{item.reserved}, ledger {sums.get(item.id, (0, 0))}"
        if item.on_hand - item.reserved < 0 or item.available < 0:
            yield f"{item.sku}: available is negative: {item.on_hand} on hand, {item.reserved} reserved"
        if held[item.id] != item.reserved:
            yield f"{item.sku}: {item.reserved} reserved, but its orders hold {held[item.id]}"
        if lacking[item.id] and item.on_hand > item.reserved:
            yield f"{item.sku}: {item.on_hand - item.reserved} lie there while orders lack {lacking[item.id]}"
    yield from kept_of_listings()


def kept_of_listings() -> Iterator[str]:
    """What is kept beside stock items and listings for lists and searches is what follows from them."""
    for row in (*db.session.scalars(select(StockItem)), *db.session.scalars(select(Listing))):
        if row.searched != search_text(row.sku, row.name):
            yield f"{row.sku}: is searched as {row.searched!r}"
    linked = select(Link.id).where(Link.listing_id == Listing.id).exists()
    for sku, said in db.session.execute(select(Listing.sku, Listing.linked).where(Listing.linked != linked)):
        yield f"{sku}: its listing says {said} of being linked"


def books_balance(story: object = "") -> None:
    """Fail where ``books`` finds something. ``story`` is what had happened."""
    db.session.rollback()
    found = list(books())
    assert not found, (found, story)
