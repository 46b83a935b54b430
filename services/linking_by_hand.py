"""Links a person makes: a listing takes its quantity from one stock item or, as a kit, from several. Orders follow."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import selectinload

from errors import InvalidInput, NotFound
from extensions import db, writing
from models import Link, Listing, Order, OrderLine, Shop, StockItem
from models.order import OPEN_STATES
from models.types import utcnow
from services import holds, kits, ledger
from services.clashes import done_again

MOST_PARTS = 20
MOST_UNITS = 100_000


@done_again
def link_listing(listing_id: int, parts: Sequence[tuple[str, int]], actor: str) -> int:
    """Link a listing to stock items, (SKU, units a piece) each; none unlinks it. Its open orders take their stock from there
    from now on. Answers with how many orders were released. Raises NotFound or InvalidInput; nothing is changed then."""
    with writing() as session:
        listing = session.get(Listing, listing_id)
        if listing is None:
            raise NotFound("The shop has that listing no more.")
        items = _items(parts)
        session.execute(select(Shop.id).where(Shop.id == listing.shop_id).with_for_update())
        return _link(listing, items, actor)


@done_again
def link_sku(sku: str, item_sku: str, actor: str) -> int:
    """Link every listing that carries a SKU to one stock item; answers with how many orders were released.
    Raises NotFound or InvalidInput."""
    with writing() as session:
        listings = session.scalars(select(Listing).where(Listing.sku == sku.strip(), Listing.gone_at.is_(None))).all()
        if not listings:
            raise NotFound(f"No shop lists the SKU {sku!r}.", "Add it as a stock item instead.")
        parts = _items([(item_sku, 1)])
        return sum(_link(listing, parts, actor) for listing in listings)


def _items(parts: Sequence[tuple[str, int]]) -> list[tuple[StockItem, int]]:
    """Raises NotFound for a SKU that is no stock item, InvalidInput for doubled ones or impossible units."""
    if len(parts) > MOST_PARTS:
        raise InvalidInput(f"A kit has at most {MOST_PARTS} parts.")
    found = []
    for sku, units in parts:
        if not 1 <= units <= MOST_UNITS:
            raise InvalidInput(f"{sku}: {units} units a piece are not possible.", f"Use 1 to {MOST_UNITS:,}.", field="units")
        item_id = db.session.scalar(select(StockItem.id).where(StockItem.sku == sku.strip()))
        if item_id is None:
            raise NotFound(f"There is no stock item with the SKU {sku.strip()!r}.", "Add it under Stock first.")
        found.append((item_id, units))
    if len({item_id for item_id, _ in found}) != len(found):
        raise InvalidInput("A stock item stands in it twice.", "Give it once, with more units.")
    items = ledger.load_items(item_id for item_id, _ in found)
    return [(items[item_id], units) for item_id, units in found]


def _link(listing: Listing, parts: Sequence[tuple[StockItem, int]], actor: str) -> int:
    db.session.execute(delete(Link).where(Link.listing_id == listing.id))
    for item, units in parts:
        db.session.add(Link(listing_id=listing.id, stock_item_id=item.id, units=units, made_by="hand"))
    listing.stale, listing.push_error = True, ""
    db.session.flush()
    db.session.expire(listing, ["links"])
    ledger.mark_stale(item.id for item, _ in parts)
    return rebind(listing, parts, actor) if parts and listing.sku else 0


def rebind(listing: Listing, parts: Sequence[tuple[StockItem, int]], actor: str) -> int:
    """Open order lines of a listing give back what they hold and reserve by its new links. Answers with how many orders were
    released. Call it inside ``writing()``."""
    query = (
        select(OrderLine)
        .join(Order)
        .where(Order.shop_id == listing.shop_id, OrderLine.sku == listing.sku, Order.state.in_(OPEN_STATES))
        .options(selectinload(OrderLine.parts))
        .order_by(Order.placed_at, OrderLine.id)
    )
    lines = list(db.session.scalars(query))
    if not lines:
        return 0
    bound = {line.stock_item_id for line in lines if line.stock_item_id is not None} | kits.items_of(lines)
    items = ledger.load_items({*bound, *(item.id for item, _ in parts)})
    single = parts[0][0].id if len(parts) == 1 and parts[0][1] == 1 else None
    for line in lines:
        if line.stock_item_id is not None:
            ledger.release(line, items[line.stock_item_id], actor=actor, cause="edited")
        else:
            kits.release(line, items, actor=actor, cause="edited")
    for line in lines:
        if single is not None:
            line.parts = []
            line.stock_item_id = single
            line.reserved = 0
            ledger.reserve(line, items[single], actor=actor)
        else:
            line.parts = []
            db.session.flush()
            kits.bind(line, tuple((item.id, units) for item, units in parts))
            db.session.flush()
            kits.reserve(line, items, actor=actor)
    touched = {line.order_id for line in lines}
    db.session.flush()
    for item_id in sorted(items):
        touched.update(ledger.allot(items[item_id], actor=actor))
    db.session.flush()
    ledger.mark_stale(items)
    return holds.judge_again(touched)


@done_again
def set_do_not_push(listing_ids: Sequence[int], off: bool, actor: str) -> int:
    """Switch the sending of quantities off or on for listings; answers with how many there are."""
    with writing() as session:
        ledger.load_items(session.scalars(select(Link.stock_item_id).where(Link.listing_id.in_(listing_ids))))
        listings = session.scalars(select(Listing).where(Listing.id.in_(listing_ids)).options(selectinload(Listing.links))).all()
        for listing in listings:
            listing.do_not_push, listing.stale = off, True
        session.flush()
        ledger.mark_stale({link.stock_item_id for listing in listings for link in listing.links})
        return len(listings)


@done_again
def take_shop_stock(listing_ids: Sequence[int], actor: str) -> tuple[int, list[str]]:
    """Take the shop's present stock as ours: on hand becomes what the shop was last seen to have, plus what open orders
    reserve, plus the buffers. Kits and doubled stock items are left, and named. Answers with (changed, SKUs left)."""
    with writing() as session:
        listings = session.scalars(
            select(Listing).where(Listing.id.in_(listing_ids)).options(selectinload(Listing.links)).order_by(Listing.id)
        ).all()
        seen: set[int] = set()
        left: list[str] = []
        changed = 0
        for listing in listings:
            if not _takeable(listing, seen):
                left.append(listing.sku or listing.external_id)
                continue
            changed += _take(listing, actor)
        return changed, left


def _takeable(listing: Listing, seen: set[int]) -> bool:
    if len(listing.links) != 1 or listing.links[0].units != 1 or not listing.counted or not listing.own_stock:
        return False
    item_id = listing.links[0].stock_item_id
    if item_id in seen:
        return False
    seen.add(item_id)
    return True


def _take(listing: Listing, actor: str) -> bool:
    item_id = listing.links[0].stock_item_id
    item = ledger.load_items([item_id])[item_id]
    shop = db.session.get_one(Shop, listing.shop_id)
    wanted = listing.quantity + item.reserved + item.buffer + shop.stock_buffer
    if item.on_hand == wanted:
        return False
    ledger.enter(
        item,
        actor=actor,
        cause="set",
        on_hand=wanted - item.on_hand,
        note=f"the shop's quantity, seen {utcnow():%Y-%m-%d %H:%M} UTC",
    )
    db.session.flush()
    holds.judge_again(ledger.allot(item, actor=actor))
    ledger.mark_stale([item.id])
    return True
