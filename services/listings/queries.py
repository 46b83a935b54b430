"""Listings, read: listed with what they take their stock from, as plain values for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from extensions import db
from models import Integration, Link, Listing
from services.common.batches import in_batches, stamp
from services.listings import stock_push
from services.stock import listing_states


def iter_listings(
    *, integration_id: int | None = None, limit: int | None = None, renamed: bool = False
) -> Iterator[list[dict[str, Any]]]:
    """Listings that are in their shops now, as ``listing_object`` gives them, by integration and SKU, a batch at a time; with
    ``renamed``, those whose SKU the shop has changed and nobody has decided about."""
    ids = (
        select(Listing.id)
        .join(Integration, (Integration.shop_id == Listing.shop_id) & Integration.removed_at.is_(None))
        .where(Listing.gone_at.is_(None))
        .order_by(Integration.name_key, Listing.sku, Listing.id)
        .limit(limit)
    )
    if renamed:
        ids = ids.where(Listing.was_renamed)
    return in_batches(ids if integration_id is None else ids.where(Integration.id == integration_id), _load)


def _load(ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    query = (
        select(Listing, Integration.name)
        .join(Integration, (Integration.shop_id == Listing.shop_id) & Integration.removed_at.is_(None))
        .where(Listing.id.in_(ids))
        .options(selectinload(Listing.links).joinedload(Link.stock_item), joinedload(Listing.shop))
    )
    return {listing.id: listing_object(listing, name) for listing, name in db.session.execute(query)}


def listing_object(listing: Listing, integration: str) -> dict[str, Any]:
    """``quantity`` is the shop's, ``available`` what the linked stock items allow it to offer, None without a link. ``state`` is
    what became of the last stock update: empty (stored), waiting, other_value, missing or refused."""
    return {
        "integration": integration,
        "external_id": listing.external_id,
        "kind": listing.kind,
        "product_id": listing.product_id,
        "sku": listing.sku,
        "name": listing.name,
        "quantity": listing.quantity,
        "available": available(listing),
        "stock": [{"sku": link.stock_item.sku, "units": link.units} for link in listing.links],
        "pushed": listing.pushed,
        "pushed_at": stamp(listing.pushed_at),
        "drift": listing.drift,
        "enabled": listing.enabled,
        "state": listing.push_state,
        "renamed_from": listing.renamed_from if listing.was_renamed else None,
        "note": note(listing),
        "seen_at": stamp(listing.seen_at),
    }


def available(listing: Listing) -> int | None:
    """How many pieces the linked stock items allow; the scarcest one decides."""
    return min((link.stock_item.available // link.units for link in listing.links), default=None)


def note(listing: Listing, waits: bool = False) -> str:
    """Why no quantity is sent, or what went wrong the last time; empty where all is well. ``waits``: a stock update of its shop needs approval."""
    if not listing.counted:
        return "The shop does not count it."
    if not listing.own_stock:
        return "It takes its product's stock."
    if listing.replaced:
        return "Its variants have stock of their own."
    if listing.do_not_push:
        return "Pushing is switched off for it."
    if listing.rename_state == "decide":
        return f"It was {listing.renamed_from} before it was renamed: say whether it still is the same goods."
    if listing.push_error:
        return listing_states.words(listing)
    wanted = stock_push.wanted_quantity(listing)
    if listing.stale and wanted not in (None, listing.quantity):
        return (
            f"{wanted} will be sent once the stock update is approved."
            if waits
            else f"{wanted} will be sent with the next stock update."
        )
    if listing.was_renamed:
        return f"It was {listing.renamed_from} before it was renamed and keeps its stock item."
    return "" if listing.links else "It is linked to no stock item."
