"""What the audit trail calls a listing, and what was done with listings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select

from extensions import db
from models import Link, Listing, StockItem
from services.security import audit
from services.security.audit import About
from services.shops.finding import newest_id_of

LINKED = audit.kind("listing.linked", "Link changed")
CHANGED = audit.kind("listing.changed", "Listing changed")
DRIFT_SETTLED = audit.kind("listing.drift_settled", "Difference in the shop settled")
RENAME_SETTLED = audit.kind("listing.rename_settled", "Renaming settled")
LOSS_APPROVED = audit.kind("integration.loss_approved", "Missing listings confirmed as deleted")
PUSH_APPROVED = audit.kind("integration.stock_update_approved", "Stock update approved")
UNDO_STARTED = audit.kind("integration.stock_update_undone", "Undo of a stock update started")


def about_listings(ids: Iterable[int]) -> list[About]:
    """These listings, with the newest integration of their shops."""
    called = func.coalesce(func.nullif(Listing.sku, ""), Listing.external_id)
    query = select(Listing.id, called, newest_id_of(Listing)).where(Listing.id.in_(list(ids))).order_by(Listing.id)
    return [About(*row) for row in db.session.execute(query)]


def parts_of(listing_id: int) -> list[str]:
    """What a listing takes its quantity from, as the trail says it: ``2 × SKU``."""
    query = select(Link.units, StockItem.sku).join(StockItem).where(Link.listing_id == listing_id).order_by(StockItem.sku)
    return in_words([(sku, units) for units, sku in db.session.execute(query)])


def in_words(parts: Sequence[tuple[str, int]]) -> list[str]:
    """(SKU, units) as ``SKU`` or ``2 × SKU``."""
    return sorted(sku if units == 1 else f"{units} × {sku}" for sku, units in parts)
