"""Suppliers and feeds taken away. What they brought stays as history, and nothing is deleted at a supplier."""

from __future__ import annotations

from sqlalchemy import exists, select

from extensions import db, writing
from models import Feed, Offer, StockItem
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.feeds import suppliers
from services.security.audit import About, record_change
from services.stock import ledger


@retry_on_deadlock
def remove_feed(feed_id: int, actor: str) -> None:
    """Take a feed away. Fed stock items that no other feed offers become own and keep what is on hand. Raises NotFound."""
    with writing():
        feed = suppliers.get_feed(feed_id)
        suppliers.mark_removed(feed, actor)
        db.session.flush()
        _release([feed_id], actor)


@retry_on_deadlock
def remove_supplier(supplier_id: int, actor: str) -> None:
    """Take a supplier and all of its feeds away, as ``remove_feed`` does. Its name is free again. Raises NotFound."""
    with writing():
        supplier = suppliers.get_supplier(supplier_id)
        feeds = suppliers.list_feeds(supplier_id)
        for feed in feeds:
            suppliers.mark_removed(feed, actor)
        record_change(suppliers.SUPPLIER_REMOVED, About(supplier.id, supplier.name), actor=actor)
        supplier.removed_at, supplier.changed_at, supplier.changed_by = utcnow(), utcnow(), actor
        db.session.flush()
        _release([feed.id for feed in feeds], actor)


def _release(feed_ids: list[int], actor: str) -> None:
    """Make own what nobody offers any more."""
    others = exists().where(Offer.stock_item_id == StockItem.id, Offer.feed_id == Feed.id, Feed.removed_at.is_(None))
    query = (
        select(StockItem.id)
        .join(Offer, Offer.stock_item_id == StockItem.id)
        .where(Offer.feed_id.in_(feed_ids), StockItem.fed == True, ~others)  # noqa: E712
    )
    for item in ledger.load_items(db.session.scalars(query.distinct()).all()).values():
        item.fed, item.updated_at = False, utcnow()
