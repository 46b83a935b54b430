"""Links a person makes: a listing takes its quantity from one stock item or, as a kit, from several. Orders follow."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import selectinload

from errors import AppError, Conflict, InvalidInput, NotFound
from extensions import db, one_transaction, writing
from models import Link, Listing, Shop, StockItem
from models.sku_key import sku_key, tidy
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.listings.audited import CHANGED, LINKED, about_listings, in_words, parts_of
from services.security.audit import About, record_change, record_changes
from services.stock import allocations, items, ledger
from services.stock.skus import FoundItems, find_items
from services.stock.waiting_lines import follow_links

MOST_PARTS = 20
MOST_UNITS = 100_000


@retry_on_deadlock
def link_listing(listing_id: int, parts: Sequence[tuple[str, int]], actor: str) -> int:
    """Link a listing to stock items, (SKU, units a piece) each; none unlinks it. Its open orders take their stock from there
    from now on. Returns how many orders were released. Raises NotFound or InvalidInput; nothing is changed then."""
    with writing() as session:
        listing = session.get(Listing, listing_id)
        if listing is None:
            raise NotFound("The shop has that listing no more.")
        items = _items(parts)
        session.execute(select(Shop.id).where(Shop.id == listing.shop_id).with_for_update())
        return _link(listing, items, actor)


@retry_on_deadlock
def add_item(listing_id: int, sku: str, on_hand: int, actor: str, *, name: str = "", buffer: int = 0) -> items.Added:
    """Add a stock item and link a listing to it, which takes its quantity from there: both or neither. Raises what ``items.add_stock_item`` and
    ``link_listing`` do."""
    with one_transaction():
        added = items.add_stock_item(sku, on_hand, actor, name=name, buffer=buffer)
        return items.Added(added.item_id, added.released + link_listing(listing_id, [(sku, 1)], actor))


def get_link(link_id: int) -> Link:
    """Raises NotFound."""
    link = db.session.get(Link, link_id, populate_existing=True)
    if link is None:
        raise NotFound("There is no such link.")
    return link


@retry_on_deadlock
def remove_link(link_id: int, actor: str) -> int:
    """Remove one link of a listing. If it has others, it is a kit of these from now on, and its open orders take their stock from there.
    Returns how many orders were released. Raises NotFound."""
    with writing() as session:
        listing = session.get_one(Listing, get_link(link_id).listing_id)
        items = ledger.load_items(session.scalars(select(Link.stock_item_id).where(Link.listing_id == listing.id)))
        session.execute(select(Shop.id).where(Shop.id == listing.shop_id).with_for_update())
        before = parts_of(listing.id)
        session.delete(get_link(link_id))
        session.flush()
        record_changes(LINKED, about_listings([listing.id]), {"stock_items": (before, parts_of(listing.id))}, actor)
        left = session.scalars(select(Link).where(Link.listing_id == listing.id)).all()
        return _follow(listing, [items[link.stock_item_id] for link in left], actor)


@retry_on_deadlock
def link_sku(sku: str, item_sku: str, actor: str) -> int:
    """Link every listing that carries a SKU to one stock item; returns how many orders were released.
    Raises NotFound or InvalidInput."""
    with writing() as session:
        of_key = select(Listing).where(Listing.sku_key == sku_key(sku), Listing.sku_key != "", Listing.gone_at.is_(None))
        listings = session.scalars(of_key.order_by(Listing.id)).all()
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
        named = find_items([sku])
        item_id = named.get(sku)
        if item_id is None:
            raise no_such_item(sku, named)
        found.append((item_id, units))
    if len({item_id for item_id, _ in found}) != len(found):
        raise InvalidInput("The kit names a stock item twice.", "Give it once, with more units.")
    items = ledger.load_items(item_id for item_id, _ in found)
    return [(items[item_id], units) for item_id, units in found]


def no_such_item(sku: str, named: FoundItems) -> AppError:
    """The error for a SKU that means no stock item, or could mean several."""
    several = named.could_mean(sku)
    if several:
        return Conflict(f"{tidy(sku)} could be {' or '.join(several)}.", "Give the SKU exactly as the stock item has it.")
    return NotFound(f"There is no stock item with the SKU {tidy(sku)!r}.", "Add it under Stock first.")


def _link(listing: Listing, parts: Sequence[tuple[StockItem, int]], actor: str) -> int:
    linked = {"stock_items": (parts_of(listing.id), in_words([(item.sku, units) for item, units in parts]))}
    record_changes(LINKED, about_listings([listing.id]), linked, actor)
    db.session.execute(delete(Link).where(Link.listing_id == listing.id))
    for item, units in parts:
        db.session.add(Link(listing_id=listing.id, stock_item_id=item.id, units=units, made_by="hand"))
    return _follow(listing, [item for item, _ in parts], actor)


def _follow(listing: Listing, items: Sequence[StockItem], actor: str) -> int:
    """What follows when a listing has other links, now to these stock items: its quantity is sent, and its orders take from there."""
    listing.clear_failure()
    listing.linked, listing.stale, listing.rename_state = bool(items), True, ""
    db.session.flush()
    db.session.expire(listing, ["links"])
    ledger.request_push(item.id for item in items)
    return follow_links(listing, actor) if items else 0


@retry_on_deadlock
def set_do_not_push(listing_ids: Sequence[int], off: bool, actor: str) -> int:
    """Switch the sending of quantities off or on for listings; returns how many there are."""
    with writing() as session:
        ledger.load_items(session.scalars(select(Link.stock_item_id).where(Link.listing_id.in_(listing_ids))))
        listings = session.scalars(select(Listing).where(Listing.id.in_(listing_ids)).options(selectinload(Listing.links))).all()
        differ = [listing.id for listing in listings if listing.do_not_push != off]
        record_changes(CHANGED, about_listings(differ), {"do_not_push": (not off, off)}, actor)
        for listing in listings:
            listing.do_not_push, listing.stale = off, True
        session.flush()
        ledger.request_push({link.stock_item_id for listing in listings for link in listing.links})
        return len(listings)


@retry_on_deadlock
def take_shop_stock(listing_ids: Sequence[int], actor: str) -> tuple[int, list[str]]:
    """Take the shop's present stock as ours: on hand becomes what the shop was last seen to have, plus what open orders
    reserve, plus the buffers. Kits, fed and doubled stock items are left, and named. Returns (changed, SKUs left)."""
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
    if item_id in seen or db.session.get_one(StockItem, item_id).fed:
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
    reason = ledger.Reason(actor, "set", note=f"the shop's quantity, seen {utcnow():%Y-%m-%d %H:%M} UTC")
    record_change(items.ON_HAND_CHANGED, About(item.id, item.sku), {"on_hand": (item.on_hand, wanted)}, actor)
    ledger.enter(item, reason, on_hand=wanted - item.on_hand)
    allocations.pass_on([item], actor=actor)
    ledger.request_push([item.id])
    return True
