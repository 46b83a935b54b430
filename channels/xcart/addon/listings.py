"""Products and variants of the add-on generation: listings page by page, and the quantities of some of them.

Product lists come in the default schema, which has the quantity and whether the shop counts it, but no names: those cost a
second request a page, in the complex schema. Variant lists name neither their product nor their options. To which product a
variant belongs is asked with one request a product that has variants: ``_cnd[product]`` works (X-Cart 5.4, observed), and the
variant's own text id or SKU, which begin with the product's SKU, say which product to ask about. What they say is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from channels.base import BadRow, Listing, ListingPage
from channels.xcart.addon.client import PRODUCTS, VARIANTS, Addon, Condition, limit, order_by
from channels.xcart.paging import MOST_BLIND, Read, Row, Stretch, ascending, read_in_pieces
from channels.xcart.parsing.lenient import struct_of
from channels.xcart.parsing.values import MOST_NODES, is_id, own_id
from errors import ChannelError, InvalidInput, ShopBroken, ShopTimeout, ShopTooOld

PAGE = 200
QUANTITY_PAGE = 150
"""Ids in one address: some 5,000 characters, where web servers take 8,000."""

VARIANT_SCAN = 500
"""Variants a request when some of them have to be found by leafing through all: their rows are short."""

_FEW = 5
"""As many single reads as this are cheaper than leafing through a list."""

_MANY_SIBLINGS = 1000
_NO_PRODUCT = 2147483647
_VARIANT_ID = re.compile(r"(.+)v\d+")
_SKU_ENDING = re.compile(r"(.+)[-_./ ][^-_./ ]+")

T = TypeVar("T")


class Product(msgspec.Struct, gc=False):
    """X-Cart 5.4, observed: a row of ``_path=product`` in the default schema. Add-ons of 5.1 keep the quantity elsewhere."""

    product_id: int
    sku: str | None = None
    amount: int | None | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | None = None
    inventoryEnabled: bool | None = None


class Variant(msgspec.Struct, gc=False):
    """X-Cart 5.4, observed: a row of ``_path=xc-productvariants-productvariant``."""

    id: int
    sku: str | None = None
    variant_id: str | None = None
    amount: int | None = None
    defaultAmount: bool | None = None


class _Owned(Variant):
    product: Product | None = None


class _Named(msgspec.Struct, gc=False):
    productId: int
    name: str | None = None


_products = msgspec.json.Decoder(Product, strict=False)
_variants = msgspec.json.Decoder(Variant, strict=False)
_owned = msgspec.json.Decoder(_Owned, strict=False)
_named = msgspec.json.Decoder(_Named, strict=False)


@dataclass(slots=True)
class _Family:
    """What is known of products while the variants are walked: by SKU those met on the way, packed into one number each,
    because a shop may have 50,000; and of each variant whose product was asked for, that product."""

    by_sku: dict[str, int]
    owners: dict[int, Product]
    asks_by_product: bool | None = None

    def note(self, product: Product) -> None:
        if product.sku:
            flags = (product.enabled is not False) | (product.inventoryEnabled is not False) << 1
            self.by_sku[product.sku] = product.product_id << 2 | flags

    def named(self, variant: Variant) -> Product | None:
        """The product whose SKU a variant's text id or SKU begins with; only a guess, to be checked."""
        for pattern, name in ((_VARIANT_ID, variant.variant_id), (_SKU_ENDING, variant.sku)):
            found = pattern.fullmatch(name or "")
            packed = self.by_sku.get(found.group(1)) if found else None
            if found and packed is not None:
                return Product(packed >> 2, found.group(1), 0, bool(packed & 1), bool(packed & 2))
        return None


class AddonListings:
    def __init__(self, shop: Addon):
        self.shop = shop
        self._finds_variants: bool | None = None
        self._variants_there: bool | None = None

    def iter_listings(
        self, *, start: str = "", page_size: int | None = None, names: bool = True, known: Mapping[str, str] | None = None
    ) -> Iterator[ListingPage]:
        """All products, then all variants. Positions are ``product:N`` and ``variant:N``, N rows into each list.

        Without ``names`` a page costs one request less and a product is called by its SKU. Variants have no names here.
        ``known`` maps variants to their products (``variant:5`` → ``31``) and saves asking for them again."""
        kind, _, place = start.partition(":")
        if kind not in ("", "product", "variant") or (start and not place.isdigit()):
            raise InvalidInput(f"{start!r} is no place in this shop's listings.")
        family = _Family({}, {})
        if kind != "variant":
            yield from self._product_pages(int(place or 0), page_size or PAGE, names, family)
        if kind == "variant" or self._has_variants():
            yield from self._variant_pages(int(place) if kind == "variant" else 0, page_size or PAGE, family, known or {})

    def read_quantities(self, external_ids: Sequence[str]) -> dict[str, int]:
        """Present quantities by external id; those the shop has no more are left out."""
        wanted: dict[str, set[int]] = {"product": set(), "variant": set()}
        for external_id in external_ids:
            kind, row = split_id(external_id)
            wanted[kind].add(row)
        found = {f"product:{row}": amount for row, amount in self._product_quantities(sorted(wanted["product"])).items()}
        found |= {f"variant:{row}": amount for row, amount in self._variant_quantities(sorted(wanted["variant"])).items()}
        return found

    def _has_variants(self) -> bool:
        if self._variants_there is None:
            self._variants_there = bool(self._variant_rows(limit(0, 1)))
        return self._variants_there

    def _product_pages(self, start: int, size: int, names: bool, family: _Family) -> Iterator[ListingPage]:
        before, nameless = self.shop.session.requests, 0
        variants = self._has_variants()
        steps = ascending(self._products, start=start, size=size, rows="products", host=self.shop.host)
        for step in steps:
            products = [row.value for row in step.rows if isinstance(row.value, Product)]
            if variants:
                for product in products:
                    family.note(product)
            titles: dict[int, str] = {}
            if names and products and nameless < 2:
                titles = self._names([row.id for row in step.rows], step.position)
                nameless = 0 if titles else nameless + 1
            yield ListingPage(
                tuple([_product_listing(product, titles) for product in products]),
                tuple([row.value for row in step.rows if isinstance(row.value, BadRow)]),
                "variant:0" if step.last else f"product:{step.position}",
                step.last and not variants,
                self.shop.session.requests - before,
            )
            before = self.shop.session.requests

    def _variant_pages(self, start: int, size: int, family: _Family, known: Mapping[str, str]) -> Iterator[ListingPage]:
        before = self.shop.session.requests
        for step in ascending(self._variants, start=start, size=size, rows="variants", host=self.shop.host):
            variants = [row.value for row in step.rows if isinstance(row.value, Variant)]
            owners = self._owners(variants, family, known)
            listings, bad = [], [row.value for row in step.rows if isinstance(row.value, BadRow)]
            for variant in variants:
                owner = owners.get(variant.id)
                if owner is None:
                    bad.append(BadRow(f"variant:{variant.id}", "The shop does not say to which product this variant belongs."))
                else:
                    listings.append(_variant_listing(variant, owner))
            yield ListingPage(
                tuple(listings), tuple(bad), f"variant:{step.position}", step.last, self.shop.session.requests - before
            )
            before = self.shop.session.requests

    def _products(self, offset: int, count: int) -> Stretch:
        def page(offset: int, count: int) -> list[Row]:
            rows = self.shop.rows(PRODUCTS, [*order_by("p.product_id"), *limit(offset, count)], insist=False)
            return [self._checked(_row(row, _products, "product", "product_id")) for row in rows]

        return read_in_pieces(page, self._survey, _unreadable, offset, count, most_blind=MOST_BLIND)

    def _variants(self, offset: int, count: int) -> Stretch:
        def page(offset: int, count: int) -> list[Row]:
            rows = self._variant_rows([*order_by("v.id"), *limit(offset, count)])
            return [_row(row, _variants, "variant", "id") for row in rows]

        return read_in_pieces(page, self._survey, _unreadable, offset, count, most_blind=MOST_BLIND)

    def _survey(self, offset: int, count: int) -> list[str] | None:
        """There is no plainer way to ask for these rows than the one that failed; so only make sure the shop is up."""
        return [""] * count if self.shop.is_alive() else None

    def _checked(self, row: Row) -> Row:
        if isinstance(row.value, Product) and row.value.amount is msgspec.UNSET:
            raise ShopTooOld(f"The REST API of {self.shop.host} keeps quantities in a place that Cartlink does not know.")
        return row

    def _variant_rows(self, conditions: Iterable[Condition]) -> list[msgspec.Raw]:
        """Rows of the variants' list; none if the module is off, which the shop says with an empty 404."""
        try:
            return self.shop.rows(VARIANTS, conditions, insist=False)
        except ShopTooOld as exc:
            if exc.status_code != 404:
                raise
        return []

    def _names(self, ids: Sequence[int], position: int) -> dict[int, str]:
        """Names of a page of products; empty if the shop cannot give them. Descriptions make such pages heavy."""
        first = position - len(ids)
        for pieces in (1, 2):
            size = -(-len(ids) // pieces)
            found: dict[int, str] = {}
            try:
                for offset in range(first, position, size):
                    conditions = [*order_by("p.product_id"), *limit(offset, size)]
                    for row in self.shop.rows(PRODUCTS, conditions, schema="complex", insist=False):
                        named = _struct(row, _named)
                        if named is not None and named.name:
                            found[named.productId] = named.name
            except (ShopBroken, ShopTimeout):
                continue
            return found
        return {}

    def _owners(self, variants: Sequence[Variant], family: _Family, known: Mapping[str, str]) -> dict[int, Product]:
        """The product of each variant of a page."""
        numbers = {variant.id: known.get(f"variant:{variant.id}", "") for variant in variants}
        owners = {each.id: int(numbers[each.id]) for each in variants if numbers[each.id].isdigit()}
        products = self._products_by_id(sorted(set(owners.values()))) if owners else {}
        found = {row: products[product] for row, product in owners.items() if product in products}
        for variant in variants:
            if variant.id not in found:
                owner = family.owners.pop(variant.id, None) or self._owner(variant, family)
                if owner is not None:
                    found[variant.id] = owner
        return found

    def _owner(self, variant: Variant, family: _Family) -> Product | None:
        if family.asks_by_product is None:
            rows = self._variant_rows([("product", _NO_PRODUCT), *limit(0, 1)])
            family.asks_by_product = not rows
        guess = family.named(variant) if family.asks_by_product else None
        if guess is not None and variant.id in self._siblings(guess, family):
            return family.owners.pop(variant.id)
        owned = self._single(variant.id, _owned)
        owner = owned.product if owned is not None else None
        if owner is not None and family.asks_by_product:
            self._siblings(owner, family)
            family.owners.pop(variant.id, None)
        return owner

    def _siblings(self, product: Product, family: _Family) -> list[int]:
        """The variants of a product, noted for those that come later in the list."""
        conditions = [("product", product.product_id), *order_by("v.id"), *limit(0, _MANY_SIBLINGS)]
        found = [each.id for each in (_struct(row, _variants) for row in self._variant_rows(conditions)) if each is not None]
        family.owners |= dict.fromkeys(found, product)
        return found

    def _products_by_id(self, ids: Sequence[int]) -> dict[int, Product]:
        """Products by their ids, 100 a request. A shop that ignores ``productIds`` is leafed through instead."""
        found: dict[int, Product] = {}
        for start in range(0, len(ids), QUANTITY_PAGE):
            chunk = ids[start : start + QUANTITY_PAGE]
            conditions: list[Condition] = [*(("productIds][", row) for row in chunk), *order_by("p.product_id")]
            page = [_struct(row, _products) for row in self.shop.rows(PRODUCTS, [*conditions, *limit(0, len(chunk))])]
            wanted = set(chunk)
            if any(product is not None and product.product_id not in wanted for product in page):
                return found | self._leafed(self._products, ids[start:], PAGE, "products")
            found |= {product.product_id: product for product in page if product is not None}
        return found

    def _product_quantities(self, ids: Sequence[int]) -> dict[int, int]:
        products = self._products_by_id(ids) if ids else {}
        return {row: products[row].amount or 0 for row in ids if row in products and products[row].amount is not msgspec.UNSET}

    def _variant_quantities(self, ids: Sequence[int]) -> dict[int, int]:
        """Variants have no condition for ids that was seen to work: ``ids`` is tried once, with a page that serves as the
        first of the whole list where it is ignored."""
        if not ids:
            return {}
        if len(ids) <= _FEW:
            singles = [self._single(row, _variants) for row in ids]
            return {each.id: each.amount or 0 for each in singles if each is not None}
        if self._finds_variants is not False:
            found: dict[int, int] = {}
            for start in range(0, len(ids), QUANTITY_PAGE):
                chunk = set(ids[start : start + QUANTITY_PAGE])
                conditions: list[Condition] = [
                    *(("ids][", row) for row in sorted(chunk)),
                    *order_by("v.id"),
                    *limit(0, len(chunk)),
                ]
                page = [each for each in (_struct(row, _variants) for row in self._variant_rows(conditions)) if each is not None]
                self._finds_variants = all(each.id in chunk for each in page)
                if not self._finds_variants:
                    break
                found |= {each.id: each.amount or 0 for each in page}
            else:
                return found
        variants: dict[int, Variant] = self._leafed(self._variants, ids, VARIANT_SCAN, "variants")
        return {row: each.amount or 0 for row, each in variants.items()}

    def _single(self, row: int, decoder: msgspec.json.Decoder[T]) -> T | None:
        """One variant; None if it is gone, or where the shop fails for it alone."""
        try:
            return _struct(self.shop.read(f"{VARIANTS}/{row}").body, decoder)
        except ShopBroken:
            if not self.shop.is_alive():
                raise
        return None

    def _leafed(self, read: Read, ids: Sequence[int], size: int, rows: str) -> dict[int, T]:
        """Rows found by leafing through their whole list, no further than the greatest id."""
        wanted = set(ids)
        found: dict[int, T] = {}
        for step in ascending(read, start=0, size=size, rows=rows, host=self.shop.host):
            found |= {row.id: row.value for row in step.rows if row.id in wanted and not isinstance(row.value, BadRow)}
            if len(found) == len(wanted) or (step.rows and step.rows[-1].id >= max(wanted)):
                break
        return found


def split_id(external_id: str) -> tuple[str, int]:
    """``product:31`` → ``("product", 31)``. Raises InvalidInput for anything else."""
    kind, _, row = external_id.partition(":")
    if kind not in ("product", "variant") or not (row.isascii() and row.isdigit()):
        raise InvalidInput(f"{external_id!r} is no listing of an X-Cart shop.")
    return kind, int(row)


def _product_listing(product: Product, names: Mapping[int, str]) -> Listing:
    number = str(product.product_id)
    sku = product.sku or ""
    name = names.get(product.product_id) or sku or f"Product {number}"
    counted, enabled = product.inventoryEnabled is not False, product.enabled is not False
    return Listing(f"product:{number}", "product", number, sku, name, product.amount or 0, counted, True, enabled)


def _variant_listing(variant: Variant, owner: Product) -> Listing:
    sku = variant.sku or owner.sku or ""
    return Listing(
        f"variant:{variant.id}",
        "variant",
        str(owner.product_id),
        sku,
        "",
        variant.amount or 0,
        owner.inventoryEnabled is not False,
        not variant.defaultAmount,
        owner.enabled is not False,
    )


def _struct(row: msgspec.Raw | bytes, decoder: msgspec.json.Decoder[T]) -> T | None:
    """A row as its struct; None for ``null`` and for what cannot be read."""
    if len(bytes(row)) > MOST_NODES * 8:
        return None
    try:
        return _decoded(row, decoder)
    except ValueError:
        return None


def _decoded(row: msgspec.Raw | bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Raises ValueError."""
    try:
        return decoder.decode(row)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return struct_of(bytes(row), decoder.type)


def _row(row: msgspec.Raw, decoder: msgspec.json.Decoder[T], kind: str, id_name: str) -> Row:
    try:
        value = _decoded(row, decoder)
    except ValueError as exc:
        known = own_id(bytes(row), id_name)
        return Row(int(known or 0), BadRow(f"{kind}:{known}" if known else "", f"The {kind} cannot be read: {str(exc)[:200]}"))
    number = getattr(value, id_name)
    if not is_id(number):
        return Row(0, BadRow("", f"The id {number} is not one that a shop gives to a {kind}."))
    return Row(number, value)


def _unreadable(external_id: str, error: ChannelError, plainly: bool) -> BadRow:
    return BadRow(external_id, f"The shop answers with an error whenever Cartlink asks for this row: {error.message}")
