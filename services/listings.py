"""Listings: the shop's products and variants, read page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert, select, update

from channels.base import Channel, ListingPage
from channels.base import Listing as ShopListing
from extensions import db
from models import Integration, Link, Listing, RunItem, Shop
from models.types import utcnow
from services import ledger
from services.runs import Lease
from services.stock import MOST

LONGEST_NAME = 1000
"""Characters; what is longer is cut."""


def read_listings(lease: Lease, channel: Channel, pause: Callable[[], bool]) -> str:
    """Bring a shop's listings up to date; which stock item a new one takes its quantity from is for services/linking.py.

    Answers ``done``, ``partial`` (a row could not be read) or ``pause``, as ``services.orders.download_orders`` does.
    Raises ChannelError, or RunStopped from the lease; whole pages are committed by then."""
    integration = db.session.get_one(Integration, lease.integration_id)
    shop_id, with_variants = integration.shop_id, integration.with_variants
    start = integration.shop.listings_position
    db.session.rollback()
    bad = 0
    for found in channel.iter_listings(start=start):
        page = replace(found, listings=tuple([_storable(listing) for listing in found.listings]))
        with lease.page():
            _lock_items(shop_id, page.listings)
            shop = db.session.get_one(Shop, shop_id)
            if not shop.listings_position:
                shop.listings_pass += 1
            _store_page(shop, page, with_variants, lease)
            bad += len(page.bad)
            shop.listings_position = page.position
            lease.done += len(page.listings)
            lease.requests = channel.requests
            if page.last:
                _close_reading(shop, lease)
        if page.last:
            return "partial" if bad else "done"
        # The end of a list is seen by what follows it: a slice that brought nothing further takes one page more.
        if pause() and page.position != start:
            return "pause"
    lease.warn("The shop's list of products ended before its last page.")
    return "partial"


def _storable(listing: ShopListing) -> ShopListing:
    """A listing that every database takes: one odd row must not stop all that come after it."""
    odd = (
        "\0" in listing.sku
        or "\0" in listing.name
        or len(listing.sku) > 255
        or len(listing.name) > LONGEST_NAME
        or abs(listing.quantity) > MOST
    )
    if not odd:
        return listing
    quantity = max(-MOST, min(MOST, listing.quantity))
    return replace(
        listing,
        sku=listing.sku.replace("\0", "\ufffd")[:255],
        name=listing.name.replace("\0", "\ufffd")[:LONGEST_NAME],
        quantity=quantity,
    )


def _lock_items(shop_id: int, listings: Sequence[ShopListing]) -> None:
    """Lock the stock items these listings take their quantity from, as everybody does who writes listings."""
    named = [listing.external_id for listing in listings]
    linked = select(Link.stock_item_id).join(Listing).where(Listing.shop_id == shop_id, Listing.external_id.in_(named))
    ledger.lock_items(db.session.scalars(linked))


def _store_page(shop: Shop, page: ListingPage, with_variants: bool, lease: Lease) -> None:
    listings = [listing for listing in page.listings if with_variants or listing.kind != "variant"]
    known = {
        row.external_id: row
        for row in db.session.execute(
            select(
                Listing.id, Listing.external_id, Listing.sku, Listing.name, Listing.quantity, Listing.expected, Listing.counted,
                Listing.own_stock, Listing.gone_at,
            ).where(Listing.shop_id == shop.id, Listing.external_id.in_([listing.external_id for listing in listings]))
        )
    }  # fmt: skip
    fresh = [_new_row(shop, listing) for listing in listings if listing.external_id not in known]
    if fresh:
        db.session.execute(insert(Listing.__table__), fresh)
    again = [
        _changed_row(known[listing.external_id], listing, shop.listings_pass)
        for listing in listings
        if listing.external_id in known
    ]
    if again:
        db.session.execute(update(Listing), again)
        _mark_changed(
            [known[one.external_id].id for one in listings if one.external_id in known and _differs(known[one.external_id], one)]
        )
        _unlink_renamed(
            [known[one.external_id].id for one in listings if one.external_id in known and known[one.external_id].sku != one.sku]
        )
    changed = sum(known[listing.external_id].quantity != listing.quantity for listing in listings if listing.external_id in known)
    lease.count("new", len(fresh))
    lease.count("changed", changed)
    lease.count("unchanged", len(again) - changed)
    for row in page.bad:
        db.session.add(RunItem(run_id=lease.run_id, external_id=row.external_id, result="unreadable", reason=row.reason))
    lease.count("unreadable", len(page.bad))


def _new_row(shop: Shop, listing: ShopListing) -> dict[str, Any]:
    return {
        "shop_id": shop.id, "external_id": listing.external_id, "kind": listing.kind, "product_id": listing.product_id,
        "sku": listing.sku, "name": listing.name, "quantity": listing.quantity, "expected": listing.quantity,
        "counted": listing.counted, "own_stock": listing.own_stock, "enabled": listing.enabled, "seen_at": utcnow(),
        "seen_pass": shop.listings_pass, "replaced": False, "do_not_push": False, "push_error": "", "stale": True,
    }  # fmt: skip


def _changed_row(row: Any, listing: ShopListing, reading: int) -> dict[str, Any]:
    return {
        "id": row.id, "sku": listing.sku, "name": listing.name or row.name, "product_id": listing.product_id,
        "counted": listing.counted, "own_stock": listing.own_stock, "enabled": listing.enabled, "gone_at": None,
        "seen_at": utcnow(), "seen_pass": reading, "quantity": listing.quantity,
    }  # fmt: skip


def _differs(row: Any, listing: ShopListing) -> bool:
    """A quantity that is not the expected one is left for the stock push to look into, with fresh orders in hand."""
    before = (row.expected, row.counted, row.own_stock, row.gone_at, row.sku)
    return before != (listing.quantity, listing.counted, listing.own_stock, None, listing.sku)


def _mark_changed(ids: Sequence[int]) -> None:
    """Only ever to stale: a sale may have made a listing so since its row was read."""
    if ids:
        db.session.execute(
            update(Listing).where(Listing.id.in_(ids)).values(stale=True).execution_options(synchronize_session=False)
        )


def _unlink_renamed(renamed: Sequence[int]) -> None:
    """A listing that carries another SKU now takes its quantity from another stock item, unless a person has linked it."""
    if renamed:
        db.session.execute(delete(Link).where(Link.listing_id.in_(renamed), Link.made_by == "sku"))
        db.session.execute(
            update(Listing).where(Listing.id.in_(renamed)).values(expected=None).execution_options(synchronize_session=False)
        )


def _close_reading(shop: Shop, lease: Lease) -> None:
    """The last page is in: what was not seen is gone, and products whose variants have stock of their own are replaced."""
    gone = db.session.execute(
        update(Listing)
        .where(Listing.shop_id == shop.id, Listing.gone_at.is_(None), Listing.seen_pass != shop.listings_pass)
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
    # Whatever kept a listing from being linked may be over: a twin that is gone, a stock item that is there now.
    db.session.execute(
        update(Listing)
        .where(Listing.shop_id == shop.id, Listing.gone_at.is_(None), Listing.sku != "", ~Listing.links.any())
        .values(stale=True)
        .execution_options(synchronize_session=False)
    )
    shop.listings_read_at, shop.listings_position = utcnow(), ""
