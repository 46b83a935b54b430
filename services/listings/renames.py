"""Listings whose SKU the shop has changed. The product and variant id say that it is the same listing, so it keeps its stock item
and the total stays what it was; a person can say that it is other goods.

Where the new SKU is another stock item, or could mean several, and where a product was gone and its id came back with another SKU,
nothing is linked otherwise: a person decides. Until then it takes from the stock item it had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import selectinload

from errors import Conflict, NotFound
from extensions import db, reading, writing
from models import Link, Listing, Order, OrderLine, Shop
from models.order import OPEN_STATES
from models.sku_key import sku_key
from services.common.deadlocks import retry_on_deadlock
from services.listings import linking
from services.listings.audited import RENAME_SETTLED, about_listings
from services.security.audit import record_changes
from services.stock import ledger, skus, waiting_lines

RENAMED, DECIDE = "renamed", "decide"


@dataclass(frozen=True, slots=True)
class Settled:
    """What a person's decision did: the SKU the listing has now, and how many held orders were released."""

    sku: str
    released: int
    same_item: bool

    def sentence(self) -> str:
        kept = "keeps its stock item" if self.same_item else "is linked by its new SKU with the next stock update"
        return f"{self.sku} {kept}."


@dataclass(frozen=True, slots=True)
class _Rename:
    """``row`` is the listing as it was stored, ``sku`` what the shop calls it now, ``linked`` its stock items."""

    row: Any
    sku: str
    linked: frozenset[int]
    by_hand: bool


def lock_items_of(renamed: Sequence[tuple[Any, str]]) -> None:
    """Lock the stock items that the old and new SKUs mean, before any listing is written. ``renamed`` as in ``note``."""
    found = skus.find_items([each for row, sku in renamed for each in (row.sku, sku)])
    named = {found.get(each) for row, sku in renamed for each in (row.sku, sku)}
    ledger.lock_items(item_id for item_id in named if item_id is not None)


def note(renamed: Sequence[tuple[Any, str]]) -> dict[str, int]:
    """Store that listings were renamed: (row as it was stored, its SKU now) each. Returns how many were, and how many
    a person has to decide about. Call it inside a page, after the listings were updated."""
    if not renamed:
        return {}
    found = skus.find_items([each for row, sku in renamed for each in (row.sku, sku)])
    links: dict[int, dict[int, str]] = defaultdict(dict)
    query = select(Link.listing_id, Link.stock_item_id, Link.made_by).where(Link.listing_id.in_([row.id for row, _ in renamed]))
    for listing_id, item_id, made_by in db.session.execute(query):
        links[listing_id][item_id] = made_by
    values, made = [], []
    for row, sku in renamed:
        rename = _Rename(row, sku, frozenset(links[row.id]), "hand" in links[row.id].values())
        state, link_to = _outcome(rename, found)
        before = row.renamed_from if state == row.rename_state == RENAMED else row.sku
        values.append(
            {"id": row.id, "rename_state": state, "renamed_from": before, "linked": bool(rename.linked) or link_to is not None}
        )
        if link_to is not None:
            made.append({"listing_id": row.id, "stock_item_id": link_to, "units": 1, "made_by": "sku"})
    db.session.execute(update(Listing), values)
    if made:
        db.session.execute(insert(Link.__table__), made)
    states = [value["rename_state"] for value in values]
    return {"renamed": states.count(RENAMED), "rename_undecided": states.count(DECIDE)}


def _outcome(rename: _Rename, found: skus.FoundItems) -> tuple[str, int | None]:
    """The listing's state after a rename, and the stock item it is to be linked to where it had no link."""
    row, same_key = rename.row, sku_key(rename.sku) == rename.row.sku_key
    item, several = found.get(rename.sku), found.could_mean(rename.sku)
    back = bool(row.rename_state) and sku_key(rename.sku) == sku_key(row.renamed_from)
    if not rename.linked:
        return _unlinked(row, item, bool(several), found.get(row.sku), same_key or back)
    if item in rename.linked or back:
        return "", None
    if same_key and (rename.by_hand or (item is None and not several)):
        return row.rename_state, None
    if item is None and not several and row.gone_at is None:
        return RENAMED, None
    return DECIDE, None


def _unlinked(row: Any, item: int | None, several: bool, before: int | None, same: bool) -> tuple[str, int | None]:
    """A listing that was renamed before it was linked is linked to what its SKU meant until now."""
    waits = row.counted and row.own_stock and not row.replaced and row.push_error not in linking.CONFLICTS
    if same or before is None or before == item or not waits:
        return "", None
    if item is None and not several and row.gone_at is None:
        return RENAMED, before
    return DECIDE, None


@retry_on_deadlock
def settle(listing_id: int, same_goods: bool, actor: str) -> Settled:
    """Decide about a renamed listing. Same goods: it keeps its stock item. Other goods: its link is removed, open orders
    with the new SKU release what they reserved, and the next stock run links it by its new SKU.

    Raises NotFound, or Conflict where there is nothing to decide; nothing is changed then."""
    with writing() as session:
        # Stock items are locked before listings (services/common/deadlocks.py).
        ledger.lock_items(session.scalars(select(Link.stock_item_id).where(Link.listing_id == listing_id)))
        listing = session.get(Listing, listing_id, with_for_update=True)
        if listing is None:
            raise NotFound("The shop has that listing no more.")
        if not listing.was_renamed:
            raise Conflict("That listing was not renamed, or somebody has decided already.", "Look at the listing again.")
        session.execute(select(Shop.id).where(Shop.id == listing.shop_id).with_for_update())
        renamed_from = listing.renamed_from
        released = _keep(listing) if same_goods else _part(listing, actor)
        decided = {"goods": (None, "the same" if same_goods else "other"), "sku": (renamed_from, listing.sku)}
        record_changes(RENAME_SETTLED, about_listings([listing_id]), decided, actor)
        listing.clear_failure()
        listing.rename_state, listing.stale = "", True
        session.flush()
        ledger.request_push(session.scalars(select(Link.stock_item_id).where(Link.listing_id == listing_id)))
        ledger.request_linking([listing.sku])
        return Settled(listing.sku, released, same_goods)


def _keep(listing: Listing) -> int:
    if not listing.links:
        item_id = skus.find_items([listing.renamed_from]).get(listing.renamed_from)
        if item_id is not None:
            db.session.add(Link(listing_id=listing.id, stock_item_id=item_id, units=1, made_by="sku"))
            listing.linked = True
    return 0


def _part(listing: Listing, actor: str) -> int:
    """Orders with the old SKU are of the old goods: they keep their allocations."""
    db.session.execute(delete(Link).where(Link.listing_id == listing.id))
    listing.linked, listing.expected, listing.renamed_from = False, None, ""
    db.session.flush()
    db.session.expire(listing, ["links"])
    query = (
        select(OrderLine)
        .join(Order)
        .where(
            Order.shop_id == listing.shop_id, Order.state.in_(OPEN_STATES), OrderLine.sku_key == listing.sku_key,
            OrderLine.product_id == listing.product_id,
        )
        .options(selectinload(OrderLine.order))
        .order_by(Order.placed_at, OrderLine.id)
    )  # fmt: skip
    return waiting_lines.reallocate(list(db.session.scalars(query)), actor, empty=True)


def find_listing(shop_id: int, external_id: str) -> int:
    """The id of a shop's listing by its external id, such as ``product:31``. Raises NotFound."""
    query = select(Listing.id).where(Listing.external_id == external_id, Listing.shop_id == shop_id)
    with reading():
        found = db.session.scalar(query)
    if found is None:
        raise NotFound(f"There is no listing {external_id!r} in that shop.", "`flask listings renamed` shows them.")
    return found
