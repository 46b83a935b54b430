"""A variant is called by its product's name with its attribute values, never by its SKU or an internal id."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import db
from models import Listing
from practice_shop import PracticeShop, Store
from services.onboarding import reauthorise
from tests.support.shops import checked, connect, do


def names() -> dict[str, str]:
    db.session.rollback()
    return dict(db.session.execute(select(Listing.external_id, Listing.name).where(Listing.kind == "variant")).all())


@pytest.mark.one_database
@pytest.mark.parametrize("generation", ["addon", "api"])
def test_a_variant_has_its_products_name_and_costs_no_request_more(app, generation):
    store = Store()
    shirt = store.add_product(sku="SHIRT", name="Shirt", price=9)
    for size in ("S", "M"):
        store.add_variant(shirt, sku=f"SHIRT-{size}", amount=3, attributes={"Size": size})
    store.add_variant(shirt, sku=None, amount=3, attributes={"Size": "L"})
    with PracticeShop(store=store, generation=generation) as shop:
        integration_id = connect(shop)
        do(integration_id, "listings")
        assert set(names().values()) == {"Shirt"}
        shop.clear_requests()
        first = do(integration_id, "listings").requests
        assert do(integration_id, "listings").requests == first


@pytest.mark.one_database
def test_the_values_come_from_orders_and_what_a_customer_typed_does_not(app):
    store = Store()
    shirt = store.add_product(sku="SHIRT", name="Shirt", price=9)
    small = store.add_variant(shirt, sku="SHIRT-S", amount=9, attributes={"Size": "S", "Colour": "Red"})
    store.add_variant(shirt, sku="SHIRT-M", amount=9, attributes={"Size": "M", "Colour": "Red"})
    for name in ("Ann", "Bob"):
        order = store.order(store.place_order(lines=[((shirt, small), 1)]))
        order.items[0].attributes += (("Engraving", name),)
    with PracticeShop(store=store) as shop:
        integration_id = connect(shop)
        do(integration_id, "orders")
        do(integration_id, "listings")
        assert sorted(names().values()) == ["Shirt", "Shirt (S, Red)"]


@pytest.mark.one_database
@pytest.mark.parametrize("generation", ["addon", "api"])
def test_variants_that_share_their_products_sku_do_not_get_each_others_values(app, generation):
    store = Store()
    shirt = store.add_product(sku="SHIRT", name="Shirt", price=9)
    variants = [store.add_variant(shirt, sku=None, amount=9, attributes={"Size": size}) for size in ("L", "XL")]
    for _ in range(2):
        store.place_order(lines=[((shirt, variants[0]), 1)])
    with PracticeShop(store=store, generation=generation) as shop:
        integration_id = connect(shop)
        do(integration_id, "orders")
        do(integration_id, "listings")
        assert list(names().values()) == ["Shirt", "Shirt"]


def two_sizes_sold() -> tuple[Store, int, int, int]:
    """A shop that sold a shirt in two sizes, twice each; the ids of the product and its variants S and L."""
    store = Store()
    shirt = store.add_product(sku="SHIRT", name="Shirt", price=9)
    small, large = (store.add_variant(shirt, sku=f"SHIRT-{size}", amount=9, attributes={"Size": size}) for size in ("S", "L"))
    for variant in (small, large, small, large):
        store.place_order(lines=[((shirt, variant), 1)])
    return store, shirt, small, large


@pytest.mark.one_database
def test_a_variant_keeps_its_values_when_its_sku_is_renamed_in_the_shop(app):
    """Orders keep the SKU of the sale."""
    store, shirt, small, large = two_sizes_sold()
    with PracticeShop(store=store) as shop:
        integration_id = connect(shop)
        do(integration_id, "orders")
        do(integration_id, "listings")
        before = names()
        store.rename(shirt, "SHIRT-SMALL", variant_id=small)
        for _ in range(2):
            do(integration_id, "listings")
            assert names() == before
    assert sorted(before.values()) == ["Shirt (L)", "Shirt (S)"]


@pytest.mark.one_database
def test_a_variant_keeps_its_values_through_an_upgrade_that_gives_it_another_id_and_sku(app):
    store, shirt, small, large = two_sizes_sold()
    with PracticeShop(store=store) as shop:
        integration_id = connect(shop)
        for kind in ("orders", "listings"):
            do(integration_id, kind)
        before = names()
        assert sorted(before.values()) == ["Shirt (L)", "Shirt (S)"]
    store.rename(shirt, "TEE-S", variant_id=small)
    with PracticeShop(store=store, generation="api") as upgraded:
        reauthorise.apply_reauthorisation(integration_id, checked(upgraded.url, upgraded.key), upgraded.key, [], "test")
        for _ in range(2):
            assert do(integration_id, "listings").outcome == "done"
            assert not before.keys() & names().keys()
            assert names() == {f"variant:{shirt}/{small}": "Shirt (S)", f"variant:{shirt}/{large}": "Shirt (L)"}
