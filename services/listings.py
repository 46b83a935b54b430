"""Listings: the shop's products and variants read page by page, linked to stock items by SKU, stock items started from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.orm import aliased

from channels.base import Channel, ListingPage
from channels.base import Listing as ShopListing
from extensions import db
from models import Integration, Link, Listing, Order, OrderLine, RunItem, Shop, StockItem
from models.order import OPEN_STATES
from models.types import utcnow
from services import holds, ledger
from services.runs import Lease

LINK_CHUNK = 200


def read_listings(lease: Lease, channel: Channel, pause: Callable[[], bool]) -> str:
    """Bring a shop's listings up to date, then link new ones and start stock items for SKUs we do not know.

    Answers ``done``, ``partial`` (a row could not be read) or ``pause``, as ``services.orders.download_orders`` does.
    Raises ChannelError, or RunStopped from the lease; whole pages are committed by then."""
    integration = db.session.get_one(Integration, lease.integration_id)
    shop_id, with_variants, take_stock = integration.shop_id, integration.with_variants, integration.take_shop_stock
    start = integration.shop.listings_position
    db.session.rollback()
    bad = 0
    for page in channel.iter_listings(start=start):
        with lease.page():
            _store_page(shop_id, page, with_variants, lease)
            bad += len(page.bad)
            shop = db.session.get_one(Shop, shop_id)
            if not shop.listings_position or shop.listings_started_at is None:
                shop.listings_started_at = page.shop_time or utcnow()
            shop.listings_position = page.position
            lease.done += len(page.listings)
            lease.requests = channel.requests
            if page.last:
                _close_reading(shop, lease)
        if page.last:
            link_listings(lease, shop_id, take_stock)
            return "partial" if bad else "done"
        if pause():
            return "pause"
    lease.warn("The shop's list of products ended before its last page.")
    return "partial"


def _store_page(shop_id: int, page: ListingPage, with_variants: bool, lease: Lease) -> None:
    listings = [listing for listing in page.listings if with_variants or listing.kind != "variant"]
    known = {
        row.external_id: row
        for row in db.session.execute(
            select(
                Listing.id, Listing.external_id, Listing.sku, Listing.name, Listing.quantity, Listing.expected, Listing.counted,
                Listing.own_stock, Listing.enabled, Listing.gone_at, Listing.product_id, Listing.stale,
            ).where(Listing.shop_id == shop_id, Listing.external_id.in_([listing.external_id for listing in listings]))
        )
    }  # fmt: skip
    seen_at = page.shop_time or utcnow()
    fresh = [_new_row(shop_id, listing, seen_at) for listing in listings if listing.external_id not in known]
    if fresh:
        db.session.execute(insert(Listing.__table__), fresh)
    again = [_changed_row(known[listing.external_id], listing, seen_at) for listing in listings if listing.external_id in known]
    if again:
        db.session.execute(update(Listing), again)
    changed = sum(known[listing.external_id].quantity != listing.quantity for listing in listings if listing.external_id in known)
    lease.count("new", len(fresh))
    lease.count("changed", changed)
    lease.count("unchanged", len(again) - changed)
    for row in page.bad:
        db.session.add(RunItem(run_id=lease.run_id, external_id=row.external_id, result="unreadable", reason=row.reason))
    lease.count("unreadable", len(page.bad))


def _new_row(shop_id: int, listing: ShopListing, seen_at: datetime) -> dict[str, Any]:
    return {
        "shop_id": shop_id, "external_id": listing.external_id, "kind": listing.kind, "product_id": listing.product_id,
        "sku": listing.sku, "name": listing.name, "quantity": listing.quantity, "expected": listing.quantity,
        "counted": listing.counted, "own_stock": listing.own_stock, "enabled": listing.enabled, "seen_at": seen_at,
        "replaced": False, "do_not_push": False, "push_error": "", "stale": False,
    }  # fmt: skip


def _changed_row(row: Any, listing: ShopListing, seen_at: datetime) -> dict[str, Any]:
    """A quantity that is not the expected one is left for the stock push to look into, with fresh orders in hand."""
    strange = row.expected is not None and row.expected != listing.quantity
    return {
        "id": row.id, "sku": listing.sku, "name": listing.name or row.name, "product_id": listing.product_id,
        "counted": listing.counted, "own_stock": listing.own_stock, "enabled": listing.enabled, "gone_at": None,
        "seen_at": seen_at, "quantity": listing.quantity, "expected": row.expected if strange else listing.quantity,
        "stale": row.stale or strange,
    }  # fmt: skip


def _close_reading(shop: Shop, lease: Lease) -> None:
    """The last page is in: what was not seen is gone, and products whose variants have stock of their own are replaced."""
    gone = db.session.execute(
        update(Listing)
        .where(Listing.shop_id == shop.id, Listing.gone_at.is_(None), Listing.seen_at < shop.listings_started_at)
        .values(gone_at=utcnow())
        .execution_options(synchronize_session=False)
    )
    lease.count("gone", gone.rowcount)
    parents = select(Listing.product_id).where(
        Listing.shop_id == shop.id, Listing.kind == "variant", Listing.own_stock, Listing.gone_at.is_(None)
    )
    for replaced, condition in ((True, Listing.product_id.in_(parents)), (False, Listing.product_id.not_in(parents))):
        db.session.execute(
            update(Listing)
            .where(Listing.shop_id == shop.id, Listing.kind == "product", Listing.replaced.is_(not replaced), condition)
            .values(replaced=replaced)
            .execution_options(synchronize_session=False)
        )
    shop.listings_read_at, shop.listings_position, shop.listings_started_at = utcnow(), "", None


def link_listings(lease: Lease, shop_id: int, take_stock: bool) -> None:
    """Link each listing that can be pushed and is not linked to the stock item of its SKU, a chunk a commit.

    A SKU we do not know becomes a stock item, where the setting says so, that starts with the shop's quantity plus what the
    shop's open orders placed before it was read take (the shop has taken those off already). A SKU that several listings of
    one shop carry is refused and shown, never picked at random."""
    _refuse_ambiguous(lease, shop_id)
    after = 0
    while True:
        with lease.page():
            chunk = _unlinked(shop_id, after)
            if chunk:
                after = chunk[-1].id
                _link_chunk(lease, shop_id, chunk, take_stock)
        if not chunk:
            return


def _pushable(shop_id: int, listing: Any = Listing) -> tuple[Any, ...]:
    return (
        listing.shop_id == shop_id, listing.counted, listing.own_stock, listing.replaced.is_(False), listing.gone_at.is_(None),
        listing.sku != "",
    )  # fmt: skip


def _refuse_ambiguous(lease: Lease, shop_id: int) -> None:
    doubled = select(Listing.sku).where(*_pushable(shop_id)).group_by(Listing.sku).having(func.count() > 1)
    with lease.page():
        marked = db.session.execute(
            update(Listing)
            .where(*_pushable(shop_id), Listing.sku.in_(doubled), ~Listing.links.any())
            .values(push_error="Several listings of this shop have this SKU: link them by hand.")
            .execution_options(synchronize_session=False)
        )
        lease.count("ambiguous", marked.rowcount)


def _unlinked(shop_id: int, after: int) -> Sequence[Listing]:
    other = aliased(Listing)
    twin = exists().where(*_pushable(shop_id, other), other.sku == Listing.sku, other.id != Listing.id)
    query = (
        select(Listing)
        .outerjoin(Link)
        .where(*_pushable(shop_id), Link.id.is_(None), Listing.id > after, ~twin)
        .order_by(Listing.id)
        .limit(LINK_CHUNK)
    )
    return db.session.scalars(query).all()


def _link_chunk(lease: Lease, shop_id: int, chunk: Sequence[Listing], take_stock: bool) -> None:
    actor = f"run:{lease.run_id}"
    skus = [listing.sku for listing in chunk]
    items = {item.sku: item for item in db.session.scalars(select(StockItem).where(StockItem.sku.in_(skus)).with_for_update())}
    open_units = _open_units(shop_id, chunk) if take_stock else {}
    started: list[StockItem] = []
    for listing in chunk:
        item = items.get(listing.sku)
        if item is None:
            if not take_stock:
                continue
            item = StockItem(sku=listing.sku, name=listing.name, on_hand=0, reserved=0, buffer=0,
                             started_shop_id=shop_id, started_at=listing.seen_at)  # fmt: skip
            db.session.add(item)
            items[listing.sku] = item
            started.append(item)
    db.session.flush()
    quantity_of = {listing.sku: listing.quantity for listing in chunk}
    for item in started:
        ledger.enter(item, actor=actor, cause="start", on_hand=max(0, quantity_of[item.sku]) + open_units.get(item.sku, 0), run_id=lease.run_id)
    for listing in chunk:
        item = items.get(listing.sku)
        if item is not None:
            db.session.add(Link(listing_id=listing.id, stock_item_id=item.id, units=1, made_by="sku"))
            listing.push_error = ""
            lease.count("linked")
    db.session.flush()
    lease.count("started", len(started))
    _bind_lines([items[sku] for sku in skus if sku in items], actor, lease.run_id)
    for listing in chunk:
        item = items.get(listing.sku)
        if item is not None:
            listing.stale = item.available != listing.quantity


def _open_units(shop_id: int, chunk: Sequence[Listing]) -> dict[str, int]:
    """Units in this shop's open orders, by SKU, that were placed before the listing's quantity was read."""
    query = (
        select(OrderLine.sku, func.sum(OrderLine.quantity - OrderLine.shipped))
        .join(Order, OrderLine.order_id == Order.id)
        .join(Listing, (Listing.shop_id == shop_id) & (Listing.sku == OrderLine.sku) & Listing.id.in_([one.id for one in chunk]))
        .where(
            Order.shop_id == shop_id, Order.state.in_(OPEN_STATES), OrderLine.stock_item_id.is_(None),
            Order.placed_at <= Listing.seen_at,
        )
        .group_by(OrderLine.sku)
    )  # fmt: skip
    return {sku: int(units) for sku, units in db.session.execute(query)}


def _bind_lines(items: Sequence[StockItem], actor: str, run_id: int | None) -> None:
    """Order lines that waited for these SKUs take their stock item now, oldest first, and their orders are judged anew."""
    by_sku = {item.sku: item for item in items}
    if not by_sku:
        return
    query = (
        select(OrderLine, Order.state)
        .join(Order)
        .where(OrderLine.sku.in_(by_sku), OrderLine.stock_item_id.is_(None))
        .order_by(Order.placed_at, OrderLine.id)
    )
    touched: set[int] = set()
    orders: set[int] = set()
    for line, state in db.session.execute(query).all():
        item = by_sku[line.sku]
        line.stock_item_id = item.id
        orders.add(line.order_id)
        if state in OPEN_STATES and ledger.reserve(line, item, actor=actor, run_id=run_id):
            touched.add(item.id)
    if orders:
        db.session.flush()
        holds.judge_again(orders)
    ledger.mark_stale(touched)
