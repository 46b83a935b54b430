"""Suppliers and feeds taken away. What they brought stays as history, and nothing is deleted at a supplier."""

from __future__ import annotations

from sqlalchemy import select

from extensions import db, reading, writing
from models import Offer
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.common.text import plural
from services.feeds import fed_stock, offers, suppliers
from services.security.audit import About, record_change
from services.stock import items as stock_items
from services.stock import ledger
from services.stock.ledger import Reason


def consequence(fed: int) -> str:
    """A sentence for the question before a removal: what becomes of the stock items that take their quantity from there. ``fed`` is their number."""
    if not fed:
        return "No item takes its quantity from it."
    return f"{plural(fed, 'fed item takes its', 'fed items take their')} quantity from it. Those that no other supplier offers become own items and keep what is on hand now."


@retry_on_deadlock
def remove_feed(feed_id: int, actor: str) -> None:
    """Take a feed away. Fed stock items that no other feed offers become own and keep what is on hand; the others follow from the offers that are
    left. Raises NotFound."""
    with reading():
        suppliers.get_feed(feed_id)
        items = _offered([feed_id])
    with writing():
        ledger.lock_items(items)
        suppliers.mark_removed(suppliers.get_feed(feed_id), actor)
        _follow(items, actor)


@retry_on_deadlock
def remove_supplier(supplier_id: int, actor: str) -> None:
    """Take a supplier and all of its feeds away, as ``remove_feed`` does. Its name is free again. Raises NotFound."""
    with reading():
        suppliers.get_supplier(supplier_id)
        items = _offered([feed.id for feed in suppliers.list_feeds(supplier_id)])
    with writing():
        ledger.lock_items(items)
        supplier = suppliers.get_supplier(supplier_id)
        for feed in suppliers.list_feeds(supplier_id):
            suppliers.mark_removed(feed, actor)
        record_change(suppliers.SUPPLIER_REMOVED, About(supplier.id, supplier.name), actor=actor)
        supplier.removed_at, supplier.changed_at, supplier.changed_by = utcnow(), utcnow(), actor
        _follow(items, actor)


def _offered(feed_ids: list[int]) -> list[int]:
    query = select(Offer.stock_item_id).where(Offer.feed_id.in_(feed_ids), Offer.stock_item_id.is_not(None)).distinct()
    return sorted(each for each in db.session.scalars(query) if each is not None)


def _follow(item_ids: list[int], actor: str) -> None:
    db.session.flush()
    fed_stock.recompute(
        offers.release_unoffered(item_ids, actor), Reason(actor, stock_items.FEED, note="a feed was removed")
    )  # fmt: skip
