"""Where an order line takes its stock from.

First through the shop's own ids: product and variant id name a listing, and its link names the stock items (X-Cart 5.5 lines keep
the SKU of the sale, so a SKU that was changed since says nothing; observed). X-Cart 5.4 gives no variant id in its complex schema:
there the SKU picks the listing among those of the product. Then through the SKU: a link of a listing with this SKU, then a stock
item with it (services/stock/skus.py).

A variant that sells from its product's amount takes from its product's stock item. Where the shop does not count what it sells,
the line needs no stock item: it takes from one where there is one and is not held where there is none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import bindparam, select

from extensions import db
from models import Integration, Link, Listing, StockItem
from models.sku_key import sku_key
from models.types import among
from services.common.batches import batches
from services.stock import skus

Recipe = tuple[tuple[int, int], ...]
"""What one piece takes: (stock item id, units) for each stock item, by id."""

_lists, _links, _items = Listing.__table__.c, Link.__table__.c, StockItem.__table__.c
_COLUMNS = (
    _lists.id, _lists.external_id, _lists.kind, _lists.product_id, _lists.sku, _lists.sku_key, _lists.counted, _lists.own_stock,
    _lists.gone_at, _lists.renamed_from, _lists.rename_state, _links.stock_item_id, _links.units, _links.made_by,
    _items.sku_key.label("item_key"),
)  # fmt: skip
# Asked for every page of orders: made once, on the tables.
_LINKED = Listing.__table__.outerjoin(Link.__table__, _links.listing_id == _lists.id).outerjoin(
    StockItem.__table__, _items.id == _links.stock_item_id
)
OF_PRODUCTS = (
    select(*_COLUMNS)
    .select_from(_LINKED)
    .where(_lists.shop_id == bindparam("shop_id"), among(_lists.product_id, "product_ids"))
    .order_by(_lists.id, _links.stock_item_id)
)
OF_KEYS = (
    select(*_COLUMNS)
    .select_from(_LINKED)
    .where(
        _lists.shop_id == bindparam("shop_id"), among(_lists.sku_key, "keys"), _links.id.is_not(None),
        _lists.rename_state != "decide",
    )
    .order_by(_lists.id, _links.stock_item_id)
)  # fmt: skip


class Line(Protocol):
    """What is read of an order line, the shop's or a stored one."""

    @property
    def sku(self) -> str: ...
    @property
    def product_id(self) -> str: ...
    @property
    def variant_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Source:
    """What a line takes its stock from: ``recipe`` is empty where no stock item was found.

    ``uncounted`` says that the line needs no stock item; ``lowers`` whether the shop takes it off an amount."""

    recipe: Recipe = ()
    uncounted: bool = False
    could_mean: str = ""
    lowers: bool = True


@dataclass(slots=True)
class _Candidate:
    """A listing a line could be of."""

    row: Any
    parts: list[tuple[int, int]] = field(default_factory=list)
    item_keys: set[str] = field(default_factory=set)
    by_hand: bool = False

    @property
    def is_variant(self) -> bool:
        return bool(self.row.kind == "variant")


class Sources:
    """The sources of the lines they were found for."""

    def __init__(self, shop_id: int, lines: Iterable[Line]):
        self._shop_id = shop_id
        self._with_variants: bool | None = None
        wanted = {_named(line) for line in lines}
        self._of_product = _candidates(shop_id, OF_PRODUCTS, "product_ids", {product for _, product, _ in wanted} - {""})
        unplaced = {sku_key(sku) for sku, product, _ in wanted if product not in self._of_product}
        self._of_key = _by_key(_candidates(shop_id, OF_KEYS, "keys", unplaced - {""}))
        listed = {each.row.sku for family in self._of_product.values() for each in family if not each.parts}
        self._items = skus.find_items(listed | {sku for sku, _, _ in wanted})
        # In a shop's first download no line is of anything known: its products are linked afterwards.
        known = self._of_product or self._of_key or self._items
        self._found = {name: self._source(*name) for name in wanted} if known else dict.fromkeys(wanted, Source())

    def of(self, line: Line) -> Source:
        return self._found[_named(line)]

    def knows(self, line: Line) -> bool:
        return _named(line) in self._found

    @property
    def item_ids(self) -> set[int]:
        """All stock items that any of the lines takes from."""
        return {item_id for source in self._found.values() for item_id, _ in source.recipe}

    def _source(self, sku: str, product_id: str, variant_id: str) -> Source:
        family = self._of_product.get(product_id, [])
        matched = _listings_of(family, sku, variant_id)
        if not matched and family and not any(each.is_variant for each in family):
            # The product is known and none of its variants is: a variant that is new, or variants are no listings here.
            if not self._variants_are_listings():
                return self._of_sku(sku, family[:1])
            matched = family[:1] if not variant_id else []
        if len(matched) == 1:
            return self._of_listing(matched[0], family, sku)
        found = {self._of_listing(each, family, sku) for each in matched}
        if len(found) == 1:
            return found.pop()
        asked = matched or [each for each in family if not each.is_variant]
        return self._of_sku(sku, [], uncounted=bool(asked) and not any(each.row.counted and each.row.own_stock for each in asked))

    def _of_listing(self, listing: _Candidate, family: Sequence[_Candidate], sku: str) -> Source:
        row = listing.row
        chain = [listing]
        if not row.own_stock and not listing.by_hand:
            chain = [each for each in family if not each.is_variant] + chain
        uncounted = not row.counted or not row.own_stock
        for each in chain:
            if each.parts:
                return Source(tuple(each.parts), uncounted, "", row.counted)
            if each is not listing and (item_id := self._items.get(each.row.sku)) is not None:
                return Source(((item_id, 1),), uncounted, "", row.counted)
        return self._of_sku(sku, [], uncounted=uncounted, listing=listing)

    def _of_sku(
        self, sku: str, otherwise: Sequence[_Candidate], *, uncounted: bool = False, listing: _Candidate | None = None
    ) -> Source:
        """By the SKU: a listing's link, then a stock item; ``otherwise`` are listings to take from where neither is found."""
        lowers = listing.row.counted if listing is not None else not uncounted
        linked = {tuple(each.parts) for each in self._of_key.get(sku_key(sku), [])}
        if len(linked) == 1:
            return Source(linked.pop(), uncounted, "", lowers)
        for spelling in (sku, *([listing.row.sku] if listing is not None else [])):
            item_id = self._items.get(spelling)
            if item_id is not None:
                return Source(((item_id, 1),), uncounted, "", lowers)
        for each in otherwise:
            if each.parts or not each.row.counted:
                return Source(tuple(each.parts), not each.row.counted, "", each.row.counted)
        return Source((), uncounted, " or ".join(self._items.could_mean(sku)), lowers)

    def _variants_are_listings(self) -> bool:
        if self._with_variants is None:
            query = select(Integration.with_variants).where(
                Integration.shop_id == self._shop_id, Integration.removed_at.is_(None)
            )
            self._with_variants = db.session.scalar(query) is not False
        return self._with_variants


def sources_of(shop_id: int, lines: Iterable[Line]) -> Sources:
    """Where these lines of one shop take their stock from: three statements for any number of lines up to 500 products."""
    return Sources(shop_id, lines)


def _named(line: Line) -> tuple[str, str, str]:
    """As a line is stored (services/order_basics/columns.py)."""
    return line.sku[:255], line.product_id[:64], line.variant_id[:64]


def _candidates(shop_id: int, query: Any, name: str, values: set[str]) -> dict[str, list[_Candidate]]:
    """Listings with their links, by product id, those that are in the shop now first."""
    wanted = sorted(values)
    found: dict[int, _Candidate] = {}
    for batch in batches(wanted):
        for row in db.session.execute(query, {"shop_id": shop_id, name: batch}):
            candidate = found.setdefault(row.id, _Candidate(row))
            if row.stock_item_id is not None:
                candidate.parts.append((row.stock_item_id, row.units))
                candidate.item_keys.add(row.item_key or "")
                candidate.by_hand = candidate.by_hand or row.made_by == "hand"
    families: dict[str, list[_Candidate]] = defaultdict(list)
    for candidate in sorted(found.values(), key=lambda each: (each.row.gone_at is not None, each.row.id)):
        families[candidate.row.product_id].append(candidate)
    return families


def _by_key(families: dict[str, list[_Candidate]]) -> dict[str, list[_Candidate]]:
    """By key; a listing that a person has linked goes before others with the same key, one that is there before one that is gone."""
    found: dict[str, list[_Candidate]] = defaultdict(list)
    for family in families.values():
        for each in family:
            found[each.row.sku_key].append(each)
    for key, several in found.items():
        for preferred in (_is_there, _linked_by_hand):
            found[key] = several = [each for each in several if preferred(each)] or several
    return found


def _is_there(candidate: _Candidate) -> bool:
    return candidate.row.gone_at is None


def _linked_by_hand(candidate: _Candidate) -> bool:
    return candidate.by_hand


def _listings_of(family: Sequence[_Candidate], sku: str, variant_id: str) -> Sequence[_Candidate]:
    """The listings of a product that a line could be of, best match first."""
    if not family:
        return ()
    if variant_id:
        product_id = family[0].row.product_id
        names = (f"variant:{product_id}/{variant_id}", f"variant:{variant_id}")
        return [each for each in family if each.row.external_id in names][:1]
    if len(family) == 1 and not family[0].is_variant:
        return family if _exactly(family[0], sku) or _carried(family[0], sku) else ()
    for fits in (_exactly, _same_key, _carried):
        matched = [each for each in family if fits(each, sku)]
        if matched:
            return _nearest(matched)
    # X-Cart 5.5 names the variant of a line that has one.
    return [each for each in family if not each.is_variant] if any("/" in each.row.external_id for each in family) else ()


def _nearest(matched: Sequence[_Candidate]) -> Sequence[_Candidate]:
    """Variants before their product, which has the same SKU where they inherit it; what is there before what is gone."""
    there = [each for each in matched if each.row.gone_at is None] or matched
    return [each for each in there if each.is_variant] or there


def _exactly(candidate: _Candidate, sku: str) -> bool:
    return bool(sku) and candidate.row.sku == sku


def _same_key(candidate: _Candidate, sku: str) -> bool:
    key = sku_key(sku)
    return bool(key) and candidate.row.sku_key == key


def _carried(candidate: _Candidate, sku: str) -> bool:
    """Whether a listing has the SKU now or had it before it was renamed."""
    key = sku_key(sku)
    return bool(key) and key in {candidate.row.sku_key, sku_key(candidate.row.renamed_from), *candidate.item_keys}
