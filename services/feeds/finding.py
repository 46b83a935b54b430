"""Feeds and codes by what people call them on a command line."""

from __future__ import annotations

from sqlalchemy import func, select

from errors import InvalidInput, NotFound
from extensions import db
from models import Feed, Offer, Supplier
from models.sku_key import sku_key
from services.common import whole_numbers
from services.feeds import suppliers


def find_feed(text: str) -> Feed:
    """By its number, by ``supplier/feed``, or by its supplier's name alone if that has one feed. Raises NotFound, or InvalidInput if there are
    several."""
    number = whole_numbers.parse(text)
    if number is not None:
        return suppliers.get_feed(number)
    name, slash, feed_name = text.rpartition("/")
    feeds = _feeds_of(name, feed_name) if slash else []
    feeds = feeds or _feeds_of(text)
    if len(feeds) > 1:
        raise InvalidInput(f"{text} has several feeds.", f"Write for example {feeds[0].supplier.name!r}/{feeds[0].name!r}.")
    if not feeds:
        raise NotFound(f"There is no feed {text!r}.", "`flask feeds list` shows their names.")
    return feeds[0]


def _feeds_of(supplier: str, feed: str = "") -> list[Feed]:
    query = select(Feed).join(Supplier).where(
        Feed.removed_at.is_(None), Supplier.removed_at.is_(None), Supplier.name_key == suppliers.name_key(supplier)
    )  # fmt: skip
    if feed:
        query = query.where(func.lower(Feed.name) == feed.strip().lower())
    return list(db.session.scalars(query.order_by(Feed.name)))


def find_code(feed: Feed, code: str) -> Offer:
    """The offer of a feed with this code, in any spelling. Raises NotFound."""
    found = db.session.scalar(select(Offer).where(Offer.feed_id == feed.id, Offer.code_key == (sku_key(code) or "")))
    if found is None:
        raise NotFound(f"The feed {feed.supplier.name}/{feed.name} has no code {code!r}.", "`flask feeds unknown` lists codes.")
    return found
