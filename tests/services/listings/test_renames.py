"""A listing whose SKU the shop changes keeps its stock item, and a person decides where it could be other goods."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from errors import Conflict
from extensions import db, writing
from models import Allocation, Integration, Listing, Order, OrderLine, StockItem
from practice_shop import PracticeShop, Store
from services.listings import manual_links, renames, views
from services.orders import views as orders_views
from services.stock import items
from tests.support.shops import connect, do

GENERATIONS = pytest.mark.parametrize("generation", ["addon", "api"])


def read(*integration_ids: int) -> None:
    for integration_id in integration_ids:
        do(integration_id, "listings")
        do(integration_id, "stock")


def listing(sku: str, integration: str = "") -> Listing:
    db.session.rollback()
    query = select(Listing).join(Integration, Integration.shop_id == Listing.shop_id).where(Listing.sku == sku)
    return db.session.scalars(query.where(Integration.name == integration) if integration else query).one()


def takes_from(sku: str, integration: str = "") -> tuple[str, list[str]]:
    row = listing(sku, integration)
    return row.rename_state, [link.stock_item.sku for link in row.links]


def on_hand() -> dict[str, tuple[int, int]]:
    return {item.sku: (item.on_hand, item.reserved) for item in items.list_stock()}


@pytest.fixture
def two_shops(app, request):
    """X with seven pieces, listed in shops A and B; (integration of A, of B, B's shop, the product there)."""
    generation = getattr(request, "param", "addon")
    stores = [Store(), Store()]
    for store in stores:
        there = store.add_product(sku="X", name="Vase", price=9, amount=7)
        store.add_product(sku="Y", name="Bowl", price=9, amount=3)
    with PracticeShop(store=stores[0]) as a, PracticeShop(store=stores[1], generation=generation) as b:
        ids = connect(a, "A"), connect(b, "B")
        for integration_id in ids:
            do(integration_id, "stock")
        yield *ids, b, there


@pytest.mark.parametrize("two_shops", ["addon", "api"], indirect=True)
def test_a_renamed_sku_keeps_its_stock_item_and_the_total_stays(two_shops):
    a, b, shop, there = two_shops
    shop.store.place_order(lines=[(there, 1)])
    shop.store.rename(there, "X-2")
    read(b)
    assert (on_hand(), takes_from("X-2")) == ({"X": (7, 1), "Y": (3, 0)}, ("renamed", ["X"]))
    shop.store.place_order(lines=[(there, 2)])
    do(b, "orders")
    do(a, "stock")
    assert on_hand()["X"] == (7, 3) and shop.store.amount(there) == 4
    assert {order.state for order in db.session.scalars(select(Order))} == {"ready"}
    assert [row.sku for row in views.list_page(views.Wanted(state="renamed")).rows] == ["X-2"]
    shop.store.rename(there, "X")
    read(b)
    assert takes_from("X", "B") == ("", ["X"])


@GENERATIONS
def test_an_order_with_a_new_sku_finds_its_stock_item_before_the_rename_is_read(app, generation):
    store = Store()
    there = store.add_product(sku="X", name="Vase", price=9, amount=7)
    with PracticeShop(store=store, generation=generation) as shop:
        integration_id = connect(shop)
        do(integration_id, "stock")
        store.rename(there, "NEW")
        store.place_order(lines=[(there, 2)])
        do(integration_id, "orders")
        assert on_hand() == {"X": (7, 2)}


@pytest.mark.parametrize("spelling", ["x", " X ", "X\u00a0"])
def test_another_spelling_is_nothing_to_decide(two_shops, spelling):
    _, b, shop, there = two_shops
    shop.store.rename(there, spelling)
    read(b)
    assert (takes_from(spelling, "B"), on_hand()) == (("", ["X"]), {"X": (7, 0), "Y": (3, 0)})


def test_swapped_skus_are_left_for_a_person(two_shops):
    _, b, shop, there = two_shops
    other = shop.store.product_by_sku("Y").id
    shop.store.rename(there, "Y")
    shop.store.rename(other, "X")
    read(b)
    assert takes_from("Y", "B") == ("decide", ["X"]) and takes_from("X", "B") == ("decide", ["Y"])
    assert on_hand() == {"X": (7, 0), "Y": (3, 0)}
    assert "say whether" in views.get_row(listing("Y", "B").id).note
    renames.settle(listing("Y", "B").id, False, "test")
    renames.settle(listing("X", "B").id, True, "test")
    do(b, "stock")
    assert takes_from("Y", "B") == ("", ["Y"]) and takes_from("X", "B") == ("", ["Y"])
    with pytest.raises(Conflict):
        renames.settle(listing("X", "B").id, True, "test")


def test_a_person_can_say_that_it_is_other_goods(two_shops):
    _, b, shop, there = two_shops
    before = shop.store.place_order(lines=[(there, 1)])
    do(b, "stock")
    shop.store.rename(there, "Z")
    after = shop.store.place_order(lines=[(there, 2)])
    read(b)
    assert on_hand()["X"] == (7, 3)
    shop.store.set_amount(there, 40)
    renames.settle(listing("Z").id, False, "test")
    assert on_hand()["X"] == (7, 1)
    do(b, "stock")
    assert (takes_from("Z"), on_hand()["Z"]) == (("", ["Z"]), (42, 2))
    lines = dict(
        db.session.execute(
            select(Order.external_id, StockItem.sku).select_from(OrderLine).join(Order).join(Allocation).join(StockItem)
        ).all()
    )
    assert lines == {str(before): "X", str(after): "Z"}


def test_a_listing_renamed_before_it_was_linked_takes_what_its_sku_meant(two_shops):
    _, b, shop, _ = two_shops
    with writing() as session:
        session.get_one(Integration, b).take_shop_stock = False
    late = shop.store.add_product(sku="LATE", name="Late", price=1, amount=5)
    do(b, "listings")
    items.add_stock_item("LATE", 5, "test")
    shop.store.rename(late, "LATER")
    read(b)
    assert (takes_from("LATER"), "LATER" in on_hand()) == (("renamed", ["LATE"]), False)


def test_a_shop_that_joins_after_the_rename_starts_no_second_stock_item(two_shops):
    _, b, shop, there = two_shops
    shop.store.rename(there, "X-2")
    read(b)
    late = Store()
    late.add_product(sku="X-2", name="Vase", price=9, amount=7)
    with PracticeShop(store=late) as third:
        c = connect(third, "C")
        do(c, "stock")
        assert takes_from("X-2", "C") == ("", []) and "by hand" in listing("X-2", "C").push_error
        assert on_hand()["X"] == (7, 0) and "X-2" not in on_hand()


def test_the_old_sku_on_a_new_product_of_the_same_shop_is_not_taken_for_the_old_goods(two_shops):
    _, b, shop, there = two_shops
    shop.store.rename(there, "X-OLD")
    shop.store.add_product(sku="X", name="Vase, new model", price=9, amount=2)
    read(b)
    assert takes_from("X-OLD") == ("renamed", ["X"]) and takes_from("X", "B") == ("", [])
    assert "by hand" in listing("X", "B").push_error


def test_an_id_that_comes_back_with_another_sku_is_left_for_a_person(two_shops):
    _, b, shop, there = two_shops
    shop.store.delete_product(there)
    do(b, "listings")
    with writing() as session:
        session.query(Listing).filter(Listing.sku == "X", Listing.shop_id == session.get(Integration, b).shop_id).update(
            {"gone_at": Listing.seen_at}
        )
    shop.store.add_product(id=there, sku="OTHER", name="Chair", price=9, amount=1, revision=9)
    read(b)
    assert takes_from("OTHER") == ("decide", ["X"])


def test_a_kit_and_a_link_made_by_hand_stay_as_they_are(two_shops):
    _, b, shop, there = two_shops
    manual_links.link_listing(listing("X", "B").id, [("X", 2), ("Y", 1)], "test")
    shop.store.rename(there, "SET")
    shop.store.place_order(lines=[(there, 1)])
    read(b)
    assert (takes_from("SET"), on_hand()) == (("renamed", ["X", "Y"]), {"X": (7, 2), "Y": (3, 1)})
    assert orders_views.list_page(orders_views.Wanted(search="set")).rows


@GENERATIONS
def test_a_renamed_variant_keeps_its_stock_item(app, generation):
    store = Store()
    shirt = store.add_product(sku="SHIRT", name="Shirt", price=9, amount=0)
    small = store.add_variant(shirt, sku="SHIRT-S", amount=3)
    store.add_variant(shirt, sku="SHIRT-M", amount=4)
    with PracticeShop(store=store, generation=generation) as shop:
        integration_id = connect(shop)
        do(integration_id, "stock")
        store.rename(shirt, "TEE-S", variant_id=small)
        store.place_order(lines=[((shirt, small), 1)])
        read(integration_id)
        assert takes_from("TEE-S") == ("renamed", ["SHIRT-S"])
        assert on_hand()["SHIRT-S"] == (3, 1) and "TEE-S" not in on_hand()
