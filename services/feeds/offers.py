"""Offers as people see them: side by side for a stock item, and the codes that nobody has linked yet, which are linked, made into stock items
or ignored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, true, update

from errors import InvalidInput, NotFound
from extensions import db, one_transaction, writing
from models import Feed, Offer, StockItem, Supplier
from services.common.batches import batches
from services.common.deadlocks import retry_on_deadlock
from services.common.paging import Page, page_of
from services.feeds import fed_stock
from services.security import audit
from services.security.audit import About, record_change, record_changes
from services.stock import items as stock_items
from services.stock import ledger
from services.stock.ledger import Reason

LINKED = audit.kind("offer.linked", "Supplier's code linked")
UNLINKED = audit.kind("offer.unlinked", "Link of a supplier's code removed")
IGNORED = audit.kind("offer.ignored", "Supplier's code ignored")
PAGE_SIZE = 50
MOST_UNITS, MOST_AT_ONCE = 100_000, 500
SHOWN = {"unknown": "Not linked", "ignored": "Ignored", "linked": "Linked", "missing": "Missing", "": "All"}
"""What a list of offers can be filtered by."""


@dataclass(frozen=True, slots=True)
class OfferRow:
    """An offer with where it comes from and what it is an offer of. ``counts`` says whether it counts for the item: the item is fed, and the
    feed is not stale in a way that holds its offers back. ``pieces`` are units of the stock item."""

    id: int
    supplier: str
    supplier_id: int
    feed: str
    feed_id: int
    code: str
    quantity: int
    units: int
    pieces: int
    seen_at: datetime
    changed_at: datetime
    missed: int
    ignored: bool
    stale: bool
    counts: bool
    item_id: int | None
    sku: str
    fed: bool


def of_item(item_id: int) -> list[OfferRow]:
    """The offers of a stock item, by the priority of their feeds."""
    query = _rows().where(Offer.stock_item_id == item_id).order_by(Feed.priority, Feed.id, Offer.id)
    return [_row(*row) for row in db.session.execute(query)]


def list_page(feed_id: int, show: str = "", search: str = "", place: str = "", size: int = PAGE_SIZE) -> Page[OfferRow]:
    """A page of the offers of a feed in the order in which their codes came first. ``show`` is one of SHOWN; ``search`` is a part of the code."""
    query = _rows().where(Offer.feed_id == feed_id)
    if show in ("unknown", "ignored"):
        query = query.where(Offer.stock_item_id.is_(None), Offer.ignored == (show == "ignored"))
    elif show == "linked":
        query = query.where(Offer.stock_item_id.is_not(None))
    elif show == "missing":
        query = query.where(Offer.missed > 0)
    if search:
        query = query.where(Offer.code.icontains(search, autoescape=True))
    return page_of(query, (Offer.id,), place, size, lambda found: [_row(*row[:6]) for row in found])


def count(feed_id: int) -> dict[str, int]:
    """How many offers of a feed there are of each of SHOWN."""
    unlinked = Offer.stock_item_id.is_(None)
    row = db.session.execute(
        select(
            func.count().filter(unlinked, Offer.ignored != true()), func.count().filter(unlinked, Offer.ignored == true()),
            func.count().filter(~unlinked), func.count().filter(Offer.missed > 0), func.count(),
        ).where(Offer.feed_id == feed_id)
    ).one()  # fmt: skip
    return dict(zip(SHOWN, (int(each) for each in row), strict=True))


def get_offer(offer_id: int) -> Offer:
    """Raises NotFound."""
    found = db.session.get(Offer, offer_id, populate_existing=True)
    if found is None:
        raise NotFound("There is no such offer.")
    return found


@retry_on_deadlock
def link(offer_id: int, sku: str, actor: str, *, units: int = 1) -> int:
    """Say which stock item a supplier's code means, in any spelling of its SKU, and how many units one piece of the supplier's is. Returns the
    item's id. Raises NotFound, Conflict for a SKU that could mean several, or InvalidInput."""
    units = _checked_units(units)
    item_id = stock_items.find_stock_item(sku).id
    with writing():
        before = get_offer(offer_id).stock_item_id
        ledger.lock_items({item_id, *([before] if before else [])})
        offer = get_offer(offer_id)
        named = {each: _sku(each) for each in (offer.stock_item_id, item_id)}
        changes = {
            "stock_item": (named[offer.stock_item_id], named[item_id]),
            "units": (offer.units, units),
            "ignored": (offer.ignored, False),
        }
        record_change(LINKED, about(offer), changes, actor)
        offer.stock_item_id, offer.linked_by, offer.units, offer.ignored = item_id, "hand", units, False
        db.session.flush()
        _follow({item_id, *([before] if before else [])}, actor)
        return item_id


def create_item(offer_id: int, sku: str, actor: str, *, name: str = "", units: int = 1) -> int:
    """Add a fed stock item for a supplier's code and link it; its on hand follows from the offer. Returns the item's id. Raises NotFound,
    InvalidInput, or Conflict where there is such a stock item."""
    _checked_units(units)
    with one_transaction():
        offer = get_offer(offer_id)
        item_id = stock_items.add_stock_item(sku or offer.code, 0, actor, name=name).item_id
        link(offer_id, sku or offer.code, actor, units=units)
        fed_stock.make_fed([item_id], actor)
    return item_id


@retry_on_deadlock
def unlink(offer_id: int, actor: str) -> None:
    """Take the link of a code away; it is not linked again by itself. A fed item that nobody offers any more becomes own and keeps what is on
    hand. Raises NotFound."""
    with writing():
        item_id = get_offer(offer_id).stock_item_id
        ledger.lock_items([item_id] if item_id else [])
        offer = get_offer(offer_id)
        record_change(UNLINKED, about(offer), {"stock_item": (_sku(offer.stock_item_id), None)}, actor)
        offer.stock_item_id, offer.linked_by = None, "hand"
        db.session.flush()
        if item_id:
            _follow({item_id}, actor)


def ignore(offer_ids: Sequence[int], ignored: bool, actor: str) -> int:
    """Ask no more about codes that are not linked, or ask again; returns how many changed."""
    if len(offer_ids) > MOST_AT_ONCE:
        raise InvalidInput(f"At most {MOST_AT_ONCE} codes can be chosen at once.")
    with writing() as session:
        query = select(Offer).where(Offer.id.in_(offer_ids), Offer.stock_item_id.is_(None), Offer.ignored != ignored)
        offers = session.scalars(query).all()
        record_changes(IGNORED, [about(offer) for offer in offers], {"ignored": (not ignored, ignored)}, actor)
        session.execute(
            update(Offer).where(Offer.id.in_([offer.id for offer in offers])).values(ignored=ignored)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        return len(offers)


def release_unoffered(item_ids: Sequence[int], actor: str) -> list[int]:
    """Make those of locked stock items own that no feed offers any more; they keep what is on hand. Returns the ids of the others."""
    items = ledger.load_items(item_ids)
    offered: dict[int, Any] = {}
    ids = sorted(items)
    for batch in batches(ids):
        offered.update(fed_stock.offers_of(batch))
    fed_stock.switch_to_own([items[item_id] for item_id in ids if not offered.get(item_id)], actor)
    return [item_id for item_id in ids if offered.get(item_id)]


def _follow(item_ids: set[int], actor: str) -> None:
    """What follows from other links of stock items."""
    fed_stock.recompute(release_unoffered(sorted(item_ids), actor), Reason(actor, stock_items.FEED, note="other offers"))


def _rows() -> Select[*tuple[Any, ...]]:
    return (
        select(Offer, Feed, Supplier.name, StockItem.sku, StockItem.fed, fed_stock.SEEN)
        .join(Feed, Feed.id == Offer.feed_id)
        .join(Supplier, Supplier.id == Feed.supplier_id)
        .outerjoin(StockItem, StockItem.id == Offer.stock_item_id)
        .where(Feed.removed_at.is_(None))
    )


def _row(offer: Offer, feed: Feed, supplier: str, sku: str | None, fed: bool | None, seen_at: datetime) -> OfferRow:
    stale = feed.stale_since is not None
    held = stale and feed.when_stale != "keep"
    return OfferRow(
        offer.id, supplier, feed.supplier_id, feed.name, feed.id, offer.code, offer.quantity, offer.units, offer.quantity * offer.units,
        seen_at, offer.changed_at, offer.missed, offer.ignored, stale, bool(fed) and not held, offer.stock_item_id, sku or "", bool(fed),
    )  # fmt: skip


def _checked_units(units: int) -> int:
    if not 1 <= units <= MOST_UNITS:
        raise InvalidInput(f"Units are a number from 1 to {MOST_UNITS:,}.", field="units")
    return units


def _sku(item_id: int | None) -> str | None:
    return None if item_id is None else db.session.scalar(select(StockItem.sku).where(StockItem.id == item_id))


def about(offer: Offer) -> About:
    """What the audit trail calls an offer."""
    return About(offer.id, f"{offer.feed.supplier.name}: {offer.code}")
