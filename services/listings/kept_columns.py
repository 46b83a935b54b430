"""Columns that are kept for lists and searches and follow from others: ``searched`` of stock items and listings, ``linked`` of listings.

After an upgrade an older version goes on writing until it is restarted, and does not know them. What it wrote is corrected each night. All rows are
read in one go, whatever the time slice: of a million that takes half a minute, and a slice that always ended early would never reach the last ones.
It ends only where the worker has to stop, and the next night begins again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update

from extensions import db, reading, writing
from models import Link, Listing, StockItem
from models.sku_key import search_text
from services.common.batches import BATCH, batches


def correct(stopping: Callable[[], bool] = lambda: False) -> int:
    """Correct what is wrong; returns how many rows were. Where ``stopping`` answers true it ends at the next batch."""
    return _correct_links(stopping) + sum(_correct_texts(model, stopping) for model in (StockItem, Listing))


def _correct_texts(model: type[StockItem] | type[Listing], stopping: Callable[[], bool]) -> int:
    """An older version gives rows other SKUs and names too, so all texts are compared."""
    corrected, last = 0, 0
    columns = (model.id, model.sku, model.name, model.searched)
    while not stopping():
        with reading():
            rows = db.session.execute(select(*columns).where(model.id > last).order_by(model.id).limit(BATCH)).all()
        if not rows:
            return corrected
        last = rows[-1].id
        wrong = [(row, text) for row in rows if row.searched != (text := search_text(row.sku, row.name))]
        if wrong:
            corrected += _write(model, wrong)
    return corrected


def _write(model: type[StockItem] | type[Listing], wrong: Sequence[tuple[Any, str]]) -> int:
    """Rows that were renamed meanwhile are left: who renamed them has written their text."""
    table = model.__table__
    same = (table.c[name] == bindparam(f"its_{name}") for name in ("id", "sku", "name", "searched"))
    with writing() as session:
        session.connection().execute(
            update(table).where(*same).values(searched=bindparam("text")),
            [
                {"its_id": row.id, "its_sku": row.sku, "its_name": row.name, "its_searched": row.searched, "text": text}
                for row, text in wrong
            ],
        )
    return len(wrong)


def _correct_links(stopping: Callable[[], bool]) -> int:
    has_links = select(Link.id).where(Link.listing_id == Listing.id).exists()
    with reading():
        ids = db.session.scalars(select(Listing.id).where(Listing.linked != has_links)).all()
    corrected = 0
    for batch in batches(ids):
        if stopping():
            break
        with writing() as session:
            session.execute(
                update(Listing).where(Listing.id.in_(batch)).values(linked=has_links).execution_options(synchronize_session=False)
            )
        corrected += len(batch)
    return corrected
