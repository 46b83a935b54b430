"""What a variant is called: its product's name with its attribute values.

A shop gives variants no name of their own (X-Cart 5.4 and 5.5, observed): a SKU, an internal id such as ``v126b08167943243``, and
the ids of attribute values whose texts no observed answer holds. Orders hold the texts: a line of X-Cart 5.4 names the values that
were chosen. So they are learned from the orders that are stored, and cost no request.

X-Cart 5.5 names the variant of a line, 5.4 only its SKU: where several variants of a product have or had one SKU, as those without a SKU
of their own do, nothing is learned from it.

What a customer typed is no attribute value. A value counts where at least two orders of the variant have it and none has another.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select

from channels.base import Listing as ShopListing
from extensions import db
from models import Listing, Order, OrderLine
from models.sku_key import sku_key

MOST_LINES = 5000
"""Order lines looked at for one page of listings, the newest first."""


def named(shop_id: int, listings: Sequence[ShopListing]) -> tuple[ShopListing, ...]:
    """The listings of a page, its variants with their names."""
    variants = [each for each in listings if each.kind == "variant"]
    if not variants:
        return tuple(listings)
    titles = _titles(shop_id, listings, {each.product_id for each in variants})
    values = _values(shop_id, variants)
    return tuple(
        replace(each, name=_name(titles.get(each.product_id) or each.name, values.get(each.external_id, ())))
        if each.kind == "variant"
        else each
        for each in listings
    )


def _name(title: str, values: Sequence[str]) -> str:
    return f"{title} ({', '.join(values)})" if title and values else title


def _titles(shop_id: int, listings: Sequence[ShopListing], product_ids: set[str]) -> dict[str, str]:
    """The names of products, of this page or of an earlier one."""
    query = select(Listing.product_id, Listing.name).where(
        Listing.shop_id == shop_id, Listing.kind == "product", Listing.product_id.in_(product_ids)
    )
    return dict(db.session.execute(query).all()) | {
        each.product_id: each.name for each in listings if each.kind == "product" and each.name
    }


def _values(shop_id: int, variants: Sequence[ShopListing]) -> dict[str, tuple[str, ...]]:
    """Attribute values by the variant's external id, as orders have them."""
    skus = _skus(shop_id, variants)
    external_ids = {each.external_id for each in variants}
    count = Counter(key for keys in skus.values() for key in keys)
    by_sku = {key: external_id for external_id, keys in skus.items() for key in keys if count[key] == 1}
    wanted = {key for external_id in external_ids for _, key in skus[external_id]}
    query = (
        select(OrderLine.product_id, OrderLine.variant_id, OrderLine.sku_key, OrderLine.order_id, OrderLine.options)
        .join(Order)
        .where(Order.shop_id == shop_id, OrderLine.sku_key.in_(wanted))
        .order_by(OrderLine.id.desc())
        .limit(MOST_LINES)
    )
    chosen: dict[str, dict[str, dict[str, set[int]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    for product_id, variant_id, key, order_id, options in db.session.execute(query):
        variant = f"variant:{product_id}/{variant_id}" if variant_id else by_sku.get((product_id, key), "")
        if variant in external_ids:
            for attribute, value in options or ():
                chosen[variant][attribute][value].add(order_id)
    return {variant: _settled(attributes) for variant, attributes in chosen.items()}


def _skus(shop_id: int, variants: Sequence[ShopListing]) -> dict[str, set[tuple[str, str]]]:
    """Product id and key of each SKU that a variant has or had, by external id, of all variants of these products: orders keep the SKU of
    the sale, and one that two variants had says nothing."""
    query = select(Listing.external_id, Listing.product_id, Listing.sku_key, Listing.renamed_from).where(
        Listing.shop_id == shop_id, Listing.kind == "variant", Listing.product_id.in_({each.product_id for each in variants})
    )
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for external_id, product_id, key, before in db.session.execute(query):
        found[external_id] |= {(product_id, key), (product_id, sku_key(before))}
    for each in variants:
        found[each.external_id] |= {(each.product_id, sku_key(each.sku)), *found.pop(each.former_id, ())}
    return {external_id: {pair for pair in pairs if pair[1]} for external_id, pairs in found.items()}


def _settled(attributes: dict[str, dict[str, set[int]]]) -> tuple[str, ...]:
    """The values of the attributes that have one value in all orders, in at least two."""
    return tuple(
        value
        for values in attributes.values()
        if len(values) == 1
        for value, orders in values.items()
        if value and len(orders) >= 2
    )
