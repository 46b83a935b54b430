"""Columns that are kept for lists and searches and follow from others: ``searched`` of stock items and listings, ``linked`` of listings.

After an upgrade an older version goes on writing until it is restarted, and does not know them. What it wrote is corrected each night."""

from __future__ import annotations

from sqlalchemy import select, update

from extensions import db, reading, writing
from models import Link, Listing, StockItem
from models.sku_key import search_text
from services.common.batches import batches


def correct() -> int:
    """Correct what is wrong; returns how many rows were."""
    return _correct_links() + sum(_correct_texts(model) for model in (StockItem, Listing))


def _correct_texts(model: type[StockItem] | type[Listing]) -> int:
    with reading():
        rows = db.session.execute(select(model.id, model.sku, model.name).where(model.searched == "")).all()
    for batch in batches(rows):
        with writing() as session:
            session.execute(update(model), [{"id": row.id, "searched": search_text(row.sku, row.name)} for row in batch])
    return len(rows)


def _correct_links() -> int:
    has_links = select(Link.id).where(Link.listing_id == Listing.id).exists()
    with reading():
        ids = db.session.scalars(select(Listing.id).where(Listing.linked != has_links)).all()
    for batch in batches(ids):
        with writing() as session:
            session.execute(
                update(Listing).where(Listing.id.in_(batch)).values(linked=has_links).execution_options(synchronize_session=False)
            )
    return len(ids)
