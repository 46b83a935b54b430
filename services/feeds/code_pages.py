"""The codes of offers that belong to no stock item, as pages and commands list them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from errors import NotFound
from extensions import db
from models import Feed, Offer, Supplier
from models.sku_key import sku_key
from services.common.batches import in_batches
from services.common.paging import Page, by_id, page_of
from services.feeds.fed_stock import SEEN

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """``search`` is part of a code in any spelling, ``feed_id`` one feed; ``ignored`` lists those that were ignored instead."""

    search: str = ""
    feed_id: int | None = None
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class CodeRow:
    id: int
    code: str
    feed_id: int
    feed: str
    supplier: str
    quantity: int
    seen_at: datetime
    ignored: bool


def list_codes(wanted: Wanted = Wanted(), place: str = "") -> Page[CodeRow]:
    return page_of(_matching(wanted), (Offer.feed_id, Offer.id), place, PAGE_SIZE, by_id(_rows))


def iter_codes(wanted: Wanted = Wanted()) -> Iterator[list[CodeRow]]:
    return in_batches(_matching(wanted).order_by(Offer.feed_id, Offer.id), _rows)


def get_code(offer_id: int) -> Offer:
    """An offer whose feed is still there. Raises NotFound."""
    query = select(Offer).join(Feed).where(Offer.id == offer_id, Feed.removed_at.is_(None))
    found = db.session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise NotFound("There is no such code.", "Its feed may have been removed.")
    return found


def _matching(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    query = select(Offer.id).join(Feed).where(
        Feed.removed_at.is_(None), Offer.stock_item_id.is_(None), Offer.ignored.is_(wanted.ignored)
    )  # fmt: skip
    if wanted.feed_id is not None:
        query = query.where(Offer.feed_id == wanted.feed_id)
    key = sku_key(wanted.search) or ""
    return query.where(Offer.code_key.contains(key, autoescape=True)) if key else query


def _rows(ids: Sequence[int]) -> dict[int, CodeRow]:
    query = (
        select(Offer, Feed.name, Supplier.name, SEEN)
        .join(Feed, Feed.id == Offer.feed_id)
        .join(Supplier, Supplier.id == Feed.supplier_id)
    )
    return {
        offer.id: CodeRow(
            offer.id, offer.code, offer.feed_id, feed, supplier, offer.quantity, seen_at, offer.ignored
        )
        for offer, feed, supplier, seen_at in db.session.execute(query.where(Offer.id.in_(ids)))
    }  # fmt: skip
