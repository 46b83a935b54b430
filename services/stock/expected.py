"""What shops are expected to show after their own sales. A quantity that differs from it was changed by somebody else: drift.

Everything here is called inside ``writing()`` (or a lease's page)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import bindparam, case, select, update

from extensions import db
from models import Link, Listing
from models.types import Units
from services.common.batches import batches
from services.stock.line_sources import Recipe

_SOLD = bindparam("sold", type_=Units)


def _lowered(quantity: Any) -> Any:
    """What is left of a quantity after a sale: the shop's own goes no lower than 0. None stays None."""
    return case((quantity > _SOLD, quantity - _SOLD), (quantity.is_not(None), 0))


_listings = Listing.__table__.c
LOWER = (
    update(Listing.__table__)
    .where(_listings.id == bindparam("listing_id"), _listings.expected.is_not(None))
    .values(expected=_lowered(_listings.expected), push_sent=_lowered(_listings.push_sent))
)


def expect_sale(shop_id: int, sold: Mapping[Recipe, int]) -> None:
    """Note what a shop's own sales do to the quantities we expect to find there: ``sold`` is pieces by what a piece takes,
    negative where the shop has put them back. What the shop had sold before its quantity was last read is known by then."""
    listed = _listings_of(shop_id, [recipe for recipe, number in sold.items() if number])
    rows = [{"listing_id": listing_id, "sold": sold[recipe]} for listing_id, recipe in sorted(listed.items())]
    if rows:
        db.session.connection().execute(LOWER, rows)


def expect_unknown(shop_id: int, recipes: Collection[Recipe]) -> None:
    """Note that a shop may or may not have changed its quantities of what takes from these stock items: what the next comparison
    finds there is no drift."""
    listed = sorted(_listings_of(shop_id, recipes))
    for batch in batches(listed):
        db.session.execute(
            update(Listing)
            .where(Listing.id.in_(batch), Listing.expected.is_not(None))
            .values(expected=None, stale=True)
            .execution_options(synchronize_session=False)
        )


def _listings_of(shop_id: int, recipes: Collection[Recipe]) -> dict[int, Recipe]:
    """The shop's listings that take exactly what one of these recipes says: a kit's own quantity does not change with its parts."""
    wanted = set(recipes)
    firsts = sorted({recipe[0][0] for recipe in wanted if recipe})
    links: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for batch in batches(firsts):
        some = select(Link.listing_id).where(Link.stock_item_id.in_(batch))
        query = (
            select(Link.listing_id, Link.stock_item_id, Link.units)
            .join(Listing)
            .where(Listing.shop_id == shop_id, Listing.expected.is_not(None), Link.listing_id.in_(some))
        )
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for listing_id, item_id, units in db.session.execute(query):
            found[listing_id].append((item_id, units))
        links |= found
    taken = {listing_id: tuple(sorted(parts)) for listing_id, parts in links.items()}
    return {listing_id: recipe for listing_id, recipe in taken.items() if recipe in wanted}
