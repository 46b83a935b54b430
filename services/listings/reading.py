"""Listings: the shop's products and variants, read page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, insert, or_, select, update

from channels.base import BadRow, Channel, ListingPage
from channels.base import Listing as ShopListing
from extensions import db, reading
from models import Integration, Link, Listing, RunItem, Shop
from models.sku_key import search_text, sku_key
from models.types import MOST_INDEXED, indexable, utcnow
from services.common.batches import batches
from services.listings import losses, renames, variant_names
from services.runs.lease import Lease
from services.stock import ledger, waiting_lines
from services.stock.items import MOST

LINES_A_PAGE = 200
LONGEST_NAME = 1000
"""Characters; what is longer is cut."""


def read_listings(lease: Lease, channel: Channel, pause: Callable[[], bool]) -> str:
    """Bring a shop's listings up to date; which stock item a new one takes its quantity from is for services/listings/linking.py.

    Returns ``done``, ``partial`` (a row could not be read, or a large loss waits to be confirmed) or ``pause``, as ``services.orders.download.download_orders`` does.
    Raises ChannelError, or RunStopped from the lease; whole pages are committed by then."""
    with reading():
        integration = db.session.get_one(Integration, lease.integration_id)
        shop_id, with_variants = integration.shop_id, integration.with_variants
        start = integration.shop.listings_position
    bad, loss = 0, False
    for found in channel.iter_listings(start=start):
        with reading():
            page = replace(found, listings=variant_names.named(shop_id, [_storable(listing) for listing in found.listings]))
        with lease.page():
            _lock_items(shop_id, page.listings)
            shop = db.session.get_one(Shop, shop_id)
            if not shop.listings_position:
                shop.listings_pass += 1
                shop.listings_started_at = utcnow()
            _take_over_former(shop_id, page.listings)
            _store_page(shop, page, with_variants, lease)
            bad += len(page.bad)
            shop.listings_position = page.position
            lease.done += len(page.listings)
            lease.requests = channel.requests
            if page.last:
                loss = _close_reading(shop, lease, with_variants)
        if page.last:
            _recheck_waiting_lines(lease, shop_id)
            return "partial" if bad or loss else "done"
        # The end of a list is seen by what follows it: a slice that brought nothing further takes one page more.
        if pause() and page.position != start:
            return "pause"
    lease.warn("The shop's list of products ended before its last page.")
    return "partial"


def _storable(listing: ShopListing) -> ShopListing:
    """A listing that every database can store: one wrong row must not stop those after it."""
    odd = (
        "\0" in listing.sku
        or "\0" in listing.name
        or len(listing.sku) > 255
        or len(listing.name) > MOST_INDEXED // 4
        or abs(listing.quantity) > MOST
    )
    if not odd:
        return listing
    quantity = max(-MOST, min(MOST, listing.quantity))
    return replace(
        listing,
        sku=listing.sku.replace("\0", "\ufffd")[:255],
        name=indexable(listing.name.replace("\0", "\ufffd")[:LONGEST_NAME]),
        quantity=quantity,
    )


def _lock_items(shop_id: int, listings: Sequence[ShopListing]) -> None:
    """Lock the stock items these listings take their quantity from, as everybody does who writes listings."""
    named = [name for listing in listings for name in (listing.external_id, listing.former_id) if name]
    linked = select(Link.stock_item_id).join(Listing).where(Listing.shop_id == shop_id, Listing.external_id.in_(named))
    ledger.lock_items(db.session.scalars(linked))


def _take_over_former(shop_id: int, listings: Sequence[ShopListing]) -> None:
    """A variant that the shop lists under another id since it was upgraded stays the same listing: with its links, which a person may have
    made by hand, and its settings."""
    named = {listing.former_id: listing for listing in listings if listing.former_id}
    if not named:
        return
    ids = [*named, *(listing.external_id for listing in named.values())]
    query = select(Listing.external_id, Listing.id, Listing.product_id)
    known = {
        row.external_id: row for row in db.session.execute(query.where(Listing.shop_id == shop_id, Listing.external_id.in_(ids)))
    }
    moved = [
        {"id": known[former].id, "external_id": listing.external_id}
        for former, listing in named.items()
        if former in known and known[former].product_id == listing.product_id and listing.external_id not in known
    ]
    if moved:
        db.session.execute(update(Listing), moved)


def _store_page(shop: Shop, page: ListingPage, with_variants: bool, lease: Lease) -> None:
    listings = [listing for listing in page.listings if with_variants or listing.kind != "variant"]
    known = {
        row.external_id: row
        for row in db.session.execute(
            select(
                Listing.id, Listing.external_id, Listing.sku, Listing.name, Listing.quantity, Listing.expected, Listing.counted,
                Listing.own_stock, Listing.gone_at, Listing.sku_key, Listing.rename_state, Listing.renamed_from, Listing.replaced,
                Listing.push_error,
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
        renamed = [
            (known[one.external_id], one.sku)
            for one in listings
            if one.external_id in known and known[one.external_id].sku != one.sku
        ]
        renames.lock_items_of(renamed)
        db.session.execute(update(Listing), again)
        _ask_again([row["id"] for row in again])
        _mark_changed(
            [known[one.external_id].id for one in listings if one.external_id in known and _differs(known[one.external_id], one)]
        )
        for count, number in renames.note(renamed).items():
            lease.count(count, number)
    changed = sum(known[listing.external_id].quantity != listing.quantity for listing in listings if listing.external_id in known)
    lease.count("new", len(fresh))
    lease.count("changed", changed)
    lease.count("unchanged", len(again) - changed)
    for row in page.bad:
        db.session.add(RunItem(run_id=lease.run_id, external_id=row.external_id, result="unreadable", reason=row.reason))
    lease.count("unreadable", len(page.bad))
    _keep_unread(shop, page.bad, lease)


def _keep_unread(shop: Shop, bad: Sequence[BadRow], lease: Lease) -> None:
    """What the shop could not show is not deleted, nor are its variants. Where it is not known which product that is, nothing
    counts as gone in this reading."""
    named = [row.external_id for row in bad if row.external_id]
    if len(named) < len(bad):
        lease.count("unnamed", len(bad) - len(named))
        lease.warn("The shop cannot show some products, and their ids are not known: no listing counts as gone in this reading.")
        # At once: another run may go on with this reading.
        _seen(shop)
    if named:
        products = [each.removeprefix("product:") for each in named if each.startswith("product:")]
        lease.warn(f"The shop cannot show these products, which may have no SKU: {', '.join(named[:20])}.")
        _seen(shop, or_(Listing.external_id.in_(named), Listing.product_id.in_(products)))


def _seen(shop: Shop, *which: ColumnElement[bool]) -> None:
    db.session.execute(
        update(Listing)
        .where(Listing.shop_id == shop.id, Listing.gone_at.is_(None), *which)
        .values(seen_pass=shop.listings_pass)
        .execution_options(synchronize_session=False)
    )


def _new_row(shop: Shop, listing: ShopListing) -> dict[str, Any]:
    return {
        "shop_id": shop.id, "external_id": listing.external_id, "kind": listing.kind, "product_id": listing.product_id,
        "sku": listing.sku, "sku_key": sku_key(listing.sku), "name": listing.name, "quantity": listing.quantity, "expected": listing.quantity,
        "counted": listing.counted, "own_stock": listing.own_stock, "enabled": listing.enabled, "seen_at": utcnow(),
        "seen_pass": shop.listings_pass, "replaced": False, "do_not_push": False, "push_error": "", "stale": True,
    }  # fmt: skip


def _changed_row(row: Any, listing: ShopListing, reading: int) -> dict[str, Any]:
    name = listing.name or row.name
    return {
        "id": row.id, "sku": listing.sku, "sku_key": sku_key(listing.sku), "name": name, "searched": search_text(listing.sku, name), "product_id": listing.product_id,
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


def _recheck_waiting_lines(lease: Lease, shop_id: int) -> None:
    """Order lines that waited for a stock item may need none, now that it is known what they are."""
    with reading():
        waiting = waiting_lines.waiting_ids(shop_id)
    for batch in batches(waiting, LINES_A_PAGE):
        with lease.page():
            released = waiting_lines.recheck(shop_id, batch, actor=lease.run_actor, run_id=lease.run_id)
            lease.count("released", released)


def _ask_again(ids: Sequence[int]) -> None:
    """What the shop did not list when it was asked for a quantity, and lists now, need not wait any longer."""
    db.session.execute(
        update(Listing)
        .where(Listing.id.in_(ids), Listing.push_state == "missing")
        .values(push_due_at=None)
        .execution_options(synchronize_session=False)
    )


def _close_reading(shop: Shop, lease: Lease, with_variants: bool) -> bool:
    """The last page is in: what was not seen may be gone (services/listings/losses.py), and what the shop had refused is tried
    again. True where a large loss waits to be confirmed."""
    loss = losses.close_reading(shop, lease, with_variants)
    losses.settle_products(shop.id)
    db.session.execute(
        update(Listing)
        .where(Listing.shop_id == shop.id, Listing.gone_at.is_(None), Listing.push_state == "refused")
        .values(stale=True)
        .execution_options(synchronize_session=False)
    )
    shop.listings_read_at, shop.listings_position = utcnow(), ""
    return loss
