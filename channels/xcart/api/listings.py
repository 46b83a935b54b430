"""Products and variants of the api generation.

Product pages carry all that is needed, in pages of 100. Variants are to be had per product only, and nothing in a product
tells whether it has any: that is one request a product, a few at a time, unless the module is off. A variant's external id
names its product (``variant:155/2``), because there is no other way to the variant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from channels.answers import Answer
from channels.base import BadRow, Listing, ListingPage
from channels.xcart.api.client import MOST_PER_PAGE, Api, aligned, page_of, subdivide
from channels.xcart.paging import MOST_BLIND, Row, Stretch, ascending, read_in_pieces
from channels.xcart.parsing.lenient import struct_of
from channels.xcart.parsing.values import is_id, own_id, rows_of
from errors import ChannelError, InvalidInput, ShopBroken, ShopRefused, ShopTooOld

_FAMILY = page_of(1, MOST_PER_PAGE)
_MOST_PAGES = 20
"""Pages of one product's variants that are read: 2,000 are more than any product has."""


_MOST_GUESSES = 20
"""Ids that are tried to find the one of a product faulty."""


class Product(msgspec.Struct, gc=False):
    """5.5.0.29, observed: a row of ``/api/products``. The description and the rest are skipped unread."""

    id: int
    sku: str | None = None
    name: str | None = None
    amount: int | None = None
    enabled: bool | None = None
    inventory_traceable: bool | None = None


class Variant(msgspec.Struct, gc=False):
    """5.5.0.29, observed: a row of ``/api/products/N/variants``."""

    id: int
    sku: str | None = None
    amount: int | None = None
    default_amount: bool | None = None


_products = msgspec.json.Decoder(Product, strict=False)
_variants = msgspec.json.Decoder(list[Variant], strict=False)
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


class ApiListings:
    def __init__(self, shop: Api):
        self.shop = shop
        self._module = True

    def iter_listings(
        self, *, start: str = "", page_size: int | None = None, names: bool = True, known: Mapping[str, str] | None = None
    ) -> Iterator[ListingPage]:
        """Products, each page followed by its products' variants. Positions are ``product:N``, N rows into the list;
        ``variant:0`` leaves the products out. Names cost nothing here, so ``names`` and ``known`` change nothing."""
        kind, _, place = start.partition(":")
        if kind not in ("", "product", "variant") or (start and not place.isdigit()):
            raise InvalidInput(f"{start!r} is no place in this shop's listings.")
        only_variants = kind == "variant"
        size = min(page_size or MOST_PER_PAGE, MOST_PER_PAGE)
        before = self.shop.session.requests
        steps = ascending(self._products, start=int(place or 0) // size * size, size=size, rows="products", host=self.shop.host)
        for step in steps:
            products = [row.value for row in step.rows if isinstance(row.value, Product)]
            bad = [row.value for row in step.rows if isinstance(row.value, BadRow)]
            listings = [] if only_variants else [_product_listing(product) for product in products]
            variants, unread = self._of_products(products)
            yield ListingPage(
                tuple(listings + variants),
                tuple(bad + unread),
                f"{'variant' if only_variants else 'product'}:{step.position}",
                step.last,
                self.shop.session.requests - before,
            )
            before = self.shop.session.requests

    def read_quantities(self, external_ids: Sequence[str]) -> dict[str, int]:
        """Present quantities by external id; those the shop has no more are left out. There is no filter by id: products
        come one by one, a few at a time, or by leafing through the list where that is fewer requests."""
        products, families = set[int](), dict[int, dict[int, str]]()
        for external_id in external_ids:
            product, of_product = split_id(external_id)
            if product is not None and of_product is not None:
                families.setdefault(product, {})[of_product] = external_id
            elif product is not None:
                products.add(product)
        found = self._product_quantities(sorted(products))
        outcomes = self.shop.session.many(self.shop.call(_variants_path(product), _FAMILY) for product in families)
        for (product, wanted), outcome in zip(families.items(), outcomes, strict=True):
            try:
                family = self._family(product, outcome)
            except ShopBroken:
                # Where the shop fails for the variants of one product, the quantities of the others are still known.
                if not self.shop.is_alive():
                    raise
                continue
            for variant in family:
                if variant.id in wanted:
                    found[wanted[variant.id]] = variant.amount or 0
        return found

    def _product_quantities(self, ids: Sequence[int]) -> dict[str, int]:
        found: dict[str, int] = {}
        if not ids:
            return found
        if ids[-1] / MOST_PER_PAGE < len(ids) / 2:
            # Ids count from 1, so a row lies no further into the list than its id.
            wanted = set(ids)
            for step in ascending(self._products, start=0, size=MOST_PER_PAGE, rows="products", host=self.shop.host):
                for row in step.rows:
                    if row.id in wanted and isinstance(row.value, Product):
                        found[f"product:{row.id}"] = row.value.amount or 0
                if len(found) == len(wanted) or (step.rows and step.rows[-1].id >= ids[-1]):
                    break
            return found
        outcomes = self.shop.session.many(self.shop.call(f"/products/{row}") for row in ids)
        for number, outcome in zip(ids, outcomes, strict=True):
            product = self._single(f"/products/{number}", outcome)
            if product is not None:
                found[f"product:{number}"] = product.amount or 0
        return found

    def _single(self, path: str, outcome: Answer | ChannelError) -> Product | None:
        """One product; None if it is gone, or where the shop fails for it alone."""
        try:
            return _product(self.shop.answered(path, (), outcome).body)
        except ShopRefused as exc:
            if exc.status_code != 404:
                raise
        except ShopBroken:
            if not self.shop.is_alive():
                raise
        except ValueError:
            return None
        return None

    def _of_products(self, products: Sequence[Product]) -> tuple[list[Listing], list[BadRow]]:
        """The variants of some products. The first product tells whether the module is there at all."""
        listings: list[Listing] = []
        bad: list[BadRow] = []
        for product, outcome in zip(products, self._outcomes(products), strict=False):
            try:
                family = self._family(product.id, outcome)
            except ShopBroken as exc:
                bad.append(BadRow(f"product:{product.id}", f"The product's variants cannot be read: {exc.message}"))
            else:
                listings += [_variant_listing(variant, product) for variant in family]
        return listings, bad

    def _outcomes(self, products: Sequence[Product]) -> Iterator[Answer | ChannelError]:
        if not self._module or not products:
            return
        try:
            yield self.shop.read(_variants_path(products[0].id), _FAMILY)
        except ShopTooOld:
            self._module = False
            return
        except (ShopRefused, ShopBroken) as exc:
            yield exc
        yield from self.shop.session.many(self.shop.call(_variants_path(product.id), _FAMILY) for product in products[1:])

    def _family(self, product: int, outcome: Answer | ChannelError) -> list[Variant]:
        """All variants of one product; none if the product is gone."""
        path = _variants_path(product)
        try:
            page = _variant_rows(self.shop.answered(path, _FAMILY, outcome).body, self.shop.host)
            found = page
            for number in range(2, _MOST_PAGES):
                if len(page) < MOST_PER_PAGE:
                    break
                page = _variant_rows(self.shop.read(path, page_of(number, MOST_PER_PAGE)).body, self.shop.host)
                found = found + page
        except (ShopRefused, ShopTooOld):
            return []
        except ValueError:
            raise ShopBroken(f"The variants of product {product} cannot be read.", None, 200) from None
        if odd := [variant.id for variant in found if not is_id(variant.id)]:
            raise ShopBroken(f"Product {product} has a variant with the id {odd[0]}, which no shop gives.", None, 200)
        return found

    def _products(self, offset: int, count: int) -> Stretch:
        def page(offset: int, count: int) -> list[Row]:
            rows: list[Row] = []
            for number, size in aligned(offset, count):
                body = self.shop.read("/products", page_of(number, size), insist=False).body
                found = [_row(row) for row in rows_of(body, self.shop.host)]
                rows += found
                if len(found) < size:
                    break
            return rows

        def ids_of(offset: int, count: int) -> list[str] | None:
            return [""] * count if self.shop.is_alive() else None

        stretch = read_in_pieces(page, ids_of, _unreadable, offset, count, subdivide, MOST_BLIND)
        if stretch.faulty:
            self._name_faulty(stretch.rows)
        return stretch

    def _name_faulty(self, rows: list[Row]) -> None:
        """Find the ids of products the shop cannot print, as those without a SKU: they lie between their neighbours' ids, and
        the shop fails for each of them alone."""
        for place, row in enumerate(rows):
            if row.id or not isinstance(row.value, BadRow):
                continue
            below = max((each.id for each in rows[:place]), default=0)
            above = next((each.id for each in rows[place + 1 :] if each.id), below + _MOST_GUESSES + 1)
            first = below + 1 if below else max(1, above - _MOST_GUESSES)
            row.id = next((number for number in range(first, min(above, first + _MOST_GUESSES)) if self._fails(number)), 0)
            if row.id:
                row.value = BadRow(f"product:{row.id}", row.value.reason)

    def _fails(self, product: int) -> bool:
        try:
            self.shop.one(f"/products/{product}", insist=False)
        except ShopBroken:
            return True
        return False


def split_id(external_id: str) -> tuple[int | None, int | None]:
    """``product:31`` → (31, None), ``variant:155/2`` → (155, 2), and ``variant:2``, as the add-on named it, → (None, 2).
    Raises InvalidInput for anything else."""
    kind, _, rest = external_id.partition(":")
    first, slash, second = rest.partition("/")
    if not (first.isascii() and first.isdigit()) or (slash and not (second.isascii() and second.isdigit())):
        raise InvalidInput(f"{external_id!r} is no listing of an X-Cart shop.")
    if kind == "product" and not slash:
        return int(first), None
    if kind == "variant":
        return (int(first), int(second)) if slash else (None, int(first))
    raise InvalidInput(f"{external_id!r} is no listing of an X-Cart shop.")


def _variants_path(product: int) -> str:
    return f"/products/{product}/variants"


def _product_listing(product: Product) -> Listing:
    number = str(product.id)
    sku = product.sku or ""
    counted, enabled = product.inventory_traceable is not False, product.enabled is not False
    name = product.name or sku or f"Product {number}"
    return Listing(f"product:{number}", "product", number, sku, name, product.amount or 0, counted, True, enabled)


def _variant_listing(variant: Variant, owner: Product) -> Listing:
    sku = variant.sku or owner.sku or ""
    return Listing(
        f"variant:{owner.id}/{variant.id}",
        "variant",
        str(owner.id),
        sku,
        owner.name or sku,
        variant.amount or 0,
        owner.inventory_traceable is not False,
        not variant.default_amount,
        owner.enabled is not False,
        f"variant:{variant.id}",
    )


def _row(row: msgspec.Raw) -> Row:
    try:
        value = _product(row)
    except ValueError as exc:
        known = own_id(bytes(row), "id")
        reason = f"The product cannot be read: {str(exc)[:200]}"
        return Row(int(known or 0), BadRow(f"product:{known}" if known else "", reason))
    if not is_id(value.id):
        return Row(0, BadRow("", f"The id {value.id} is not one that a shop gives to a product."))
    return Row(value.id, value)


def _product(row: msgspec.Raw | bytes) -> Product:
    """Raises ValueError."""
    try:
        return _products.decode(row)
    except _UNREADABLE:
        return struct_of(bytes(row), Product)


def _variant_rows(body: bytes, host: str) -> list[Variant]:
    """Raises ValueError, or ShopBroken if this is no list."""
    try:
        return _variants.decode(body)
    except _UNREADABLE:
        return [struct_of(bytes(row), Variant) for row in rows_of(body, host)]


def _unreadable(external_id: str, error: ChannelError, plainly: bool) -> BadRow:
    return BadRow(external_id, "The shop answers with an error whenever Cartlink asks for a certain product: it may have no SKU.")
