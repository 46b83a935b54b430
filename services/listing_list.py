"""Listings, read: listed with what they take their stock from, as plain values for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from extensions import db
from models import Integration, Link, Listing
from services.batches import in_batches, stamp


def iter_listings(*, integration_id: int | None = None, limit: int | None = None) -> Iterator[list[dict[str, Any]]]:
    """Listings that are in their shops now, as ``listing_object`` gives them, by integration and SKU, a batch at a time."""
    ids = (
        select(Listing.id)
        .join(Integration, (Integration.shop_id == Listing.shop_id) & Integration.removed_at.is_(None))
        .where(Listing.gone_at.is_(None))
        .order_by(Integration.name_key, Listing.sku, Listing.id)
        .limit(limit)
    )
    return in_batches(ids if integration_id is None else ids.where(Integration.id == integration_id), _load)


def _load(ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    query = (
        select(Listing, Integration.name)
        .join(Integration, (Integration.shop_id == Listing.shop_id) & Integration.removed_at.is_(None))
        .where(Listing.id.in_(ids))
        .options(selectinload(Listing.links).joinedload(Link.stock_item))
    )
    return {listing.id: listing_object(listing, name) for listing, name in db.session.execute(query)}


def listing_object(listing: Listing, integration: str) -> dict[str, Any]:
    """``quantity`` is the shop's, ``available`` what the linked stock items allow it to offer, None without a link."""
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
        "note": note(listing),
        "seen_at": stamp(listing.seen_at),
    }


def available(listing: Listing) -> int | None:
    """How many pieces the linked stock items allow; the scarcest one decides."""
    return min((link.stock_item.available // link.units for link in listing.links), default=None)


def note(listing: Listing) -> str:
    """Why no quantity is sent, or what went wrong the last time; empty where all is well."""
    if not listing.counted:
        return "The shop does not count it."
    if not listing.own_stock:
        return "It takes its product's stock."
    if listing.replaced:
        return "Its variants have stock of their own."
    if listing.do_not_push:
        return "Pushing is switched off for it."
    if listing.push_error:
        return listing.push_error
    return "" if listing.links else "It is linked to no stock item."
