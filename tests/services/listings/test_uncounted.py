"""What a shop sells without a own stock: inventory switched off, and variants that sell from their product's amount."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select, update

from extensions import db, writing
from models import Allocation, Listing, Order, OrderLine, StockItem
from practice_shop import PracticeShop, Store
from services.listings import manual_links
from services.orders import evaluation, views
from services.stock import items
from services.sync import execution, schedule
from tests.support.shops import connect, connect_bare, do

GENERATIONS = pytest.mark.parametrize("generation", ["addon", "api"])


@pytest.fixture
def goods(app, generation):
    """A voucher that is not counted, and a shirt in two sizes of which L sells from the shirt's amount; none is a stock item."""
    store = Store()
    store.voucher = store.add_product(sku="VOUCHER", name="Voucher", price=10, amount=0, inventory_enabled=False)
    store.shirt = store.add_product(sku="SHIRT", name="Shirt", price=10, amount=9)
    store.medium = store.add_variant(store.shirt, sku="SHIRT-M", amount=4)
    store.large = store.add_variant(store.shirt, sku="SHIRT-L", amount=0, default_amount=True)
    with PracticeShop(store=store, generation=generation) as shop:
        yield shop


def states() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(Order.state).order_by(Order.id)))


def books() -> dict[str, tuple[int, int]]:
    return {item.sku: (item.on_hand, item.reserved) for item in items.list_stock()}


@GENERATIONS
def test_an_order_of_what_is_not_counted_is_not_held(goods):
    integration_id = connect_bare(goods)
    do(integration_id, "listings")
    goods.store.place_order(lines=[(goods.store.voucher, 1)])
    goods.store.place_order(lines=[((goods.store.shirt, goods.store.large), 1)])
    goods.store.place_order(lines=[((goods.store.shirt, goods.store.medium), 1)])
    do(integration_id, "orders")
    assert states() == ["ready", "ready", "on_hold"]
    # Its page says so, where a 0 would look like a shortage.
    pages = [
        views.order_page(order_id, with_customers=True) for order_id in db.session.scalars(select(Order.id).order_by(Order.id))
    ]
    assert [page.lines[0]["uncounted"] for page in pages] == [True, True, False]


@GENERATIONS
def test_an_order_read_before_its_listing_is_released_by_reading_the_listings(goods):
    integration_id = connect_bare(goods)
    goods.store.place_order(lines=[(goods.store.voucher, 1)])
    do(integration_id, "orders")
    assert states() == ["on_hold"]
    do(integration_id, "listings")
    assert states() == ["ready"]


@GENERATIONS
def test_a_hold_from_before_is_released_by_evaluating_again(goods):
    integration_id = connect_bare(goods)
    do(integration_id, "listings")
    goods.store.place_order(lines=[(goods.store.voucher, 1)])
    do(integration_id, "orders")
    with writing() as session:
        session.execute(update(OrderLine).values(uncounted=False))
        session.execute(update(Order).values(state="on_hold", held_codes=["unknown_sku"]))
    assert evaluation.evaluate_again(integration_id, "test").released == 1
    assert states() == ["ready"]


@GENERATIONS
def test_an_uncounted_line_reserves_where_a_link_or_the_sku_finds_an_item(goods):
    integration_id = connect_bare(goods)
    do(integration_id, "listings")
    goods.store.place_order(lines=[(goods.store.voucher, 2)])
    do(integration_id, "orders")
    items.add_stock_item("VOUCHER\u00a0", 5, "test")
    assert books() == {"VOUCHER": (5, 2)}
    items.add_stock_item("PAPER", 9, "test")
    db.session.rollback()
    listing_id = db.session.scalar(select(Listing.id).where(Listing.sku == "VOUCHER"))
    db.session.rollback()
    manual_links.link_listing(listing_id, [("PAPER", 1)], "test")
    goods.store.place_order(lines=[(goods.store.voucher, 1)])
    do(integration_id, "orders")
    assert books() == {"VOUCHER": (5, 0), "PAPER": (9, 3)}


@GENERATIONS
def test_a_variant_on_its_products_amount_takes_and_gets_the_products_stock(goods):
    store = goods.store
    store.place_order(lines=[((store.shirt, store.large), 2)])
    integration_id = connect(goods)
    do(integration_id, "stock")
    assert books() == {"SHIRT": (9, 2), "SHIRT-M": (4, 0)}
    store.place_order(lines=[((store.shirt, store.large), 1)])
    items.set_stock("SHIRT", 12, "test")
    run = do(integration_id, "stock")
    assert (store.amount(store.shirt), store.variant_amount(store.medium)) == (9, 4)
    assert books()["SHIRT"] == (12, 3) and "drift" not in run.counts
    assert states() == ["ready", "ready"]
    # The last variant gets a own stock: the product's amount sells nothing any more.
    store.variants[store.large].default_amount = False
    store.touch_product(store.shirt)
    do(integration_id, "listings")
    assert db.session.scalar(select(Listing.replaced).where(Listing.sku == "SHIRT"))


@GENERATIONS
def test_a_line_first_read_without_its_products_id_takes_from_the_product_once_it_is_known(goods):
    integration_id = connect(goods)
    do(integration_id, "stock")
    placed = goods.store.place_order(lines=[((goods.store.shirt, goods.store.large), 2)])
    do(integration_id, "orders")
    with writing() as session:
        session.execute(delete(Allocation))
        session.execute(update(OrderLine).values(product_id="", variant_id="", uncounted=False))
        session.execute(update(Order).values(state="on_hold", held_codes=["unknown_sku"], digest=b""))
        session.execute(update(StockItem).values(reserved=0))
    goods.store.touch_order(goods.store.order(placed))
    do(integration_id, "orders")
    assert (states(), books()["SHIRT"]) == (["ready"], (9, 2))
    do(integration_id, "stock")
    assert goods.store.amount(goods.store.shirt) == 7


@GENERATIONS
def test_a_variant_that_begins_to_sell_from_its_products_amount_has_the_listings_read_soon(goods, clock):
    integration_id = connect(goods)
    do(integration_id, "stock")
    goods.store.delete_variant(goods.store.large)
    do(integration_id, "listings")
    goods.store.variants[goods.store.medium].default_amount = True
    goods.store.touch_product(goods.store.shirt)
    items.set_stock("SHIRT-M", 2, "test")
    items.set_stock("SHIRT", 5, "test")
    assert do(integration_id, "stock").counts["refused"] == 1
    clock.go(minutes=16)
    [run_id] = schedule.start_due_runs(kinds=("listings",))
    execution.perform(run_id)
    do(integration_id, "stock")
    assert goods.store.amount(goods.store.shirt) == 5
