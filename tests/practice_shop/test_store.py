"""The shop's own rules: what selling, paying, cancelling and editing do to its shelf and its sums."""

import pytest

from practice_shop import Store


@pytest.fixture
def store():
    return Store(clock=lambda: 1_800_000_000)


@pytest.fixture
def mug(store):
    return store.add_product(sku="MUG", name="Käse mug", price=10.1, amount=10)


def test_selling_takes_units_off_the_shelf(store, mug):
    order_id = store.place_order([(mug, 3)])
    assert store.amount(mug) == 7
    assert store.order(order_id).total == pytest.approx(30.3)


def test_a_products_amount_never_falls_below_zero(store, mug):
    store.place_order([(mug, 12)])
    assert store.amount(mug) == 0


def test_a_variant_with_its_own_stock_leaves_the_product_alone(store, mug):
    small = store.add_variant(mug, sku="MUG-S", amount=5, attributes={"Size": "S"})
    store.place_order([((mug, small), 2)])
    assert (store.amount(mug), store.variant_amount(small)) == (10, 3)


def test_a_variant_without_its_own_stock_takes_the_products(store, mug):
    small = store.add_variant(mug, sku="MUG-S", default_amount=True)
    store.place_order([((mug, small), 2)])
    assert (store.amount(mug), store.variant_amount(small)) == (8, 8)


def test_a_product_that_is_not_counted_keeps_its_amount(store):
    gift = store.add_product(sku="GIFT", name="Gift card", price=5, amount=0, inventory_enabled=False)
    store.place_order([(gift, 3)])
    assert store.amount(gift) == 0


def test_cancelling_puts_units_back_and_paying_takes_them_again(store, mug):
    order_id = store.place_order([(mug, 3)])
    store.cancel_order(order_id)
    assert store.amount(mug) == 10
    store.set_status(order_id, payment="P")
    assert store.amount(mug) == 7


def test_a_refund_puts_units_back_with_every_shipping_status_but_shipped_and_delivered(store, mug):
    order_id = store.place_order([(mug, 3)])
    for shipping, there in (("N", 10), ("S", 7), ("R", 10), ("D", 7), ("WND", 10), ("P", 10)):
        store.set_status(order_id, payment="R", shipping=shipping)
        assert store.amount(mug) == there, shipping
    store.set_status(order_id, payment=store.add_status("payment", None, "Lost"))
    assert store.amount(mug) == 10
    store.set_status(order_id, payment="P")
    assert store.amount(mug) == 7


def test_editing_an_order_moves_stock_sums_and_change_date(store, mug):
    order_id = store.place_order([(mug, 3)], at=1_700_000_000)
    store.edit_order(order_id, [(mug, 1)])
    order = store.order(order_id)
    assert (store.amount(mug), order.total, order.renewed) == (9, 10.1, 1_800_000_000)


def test_deleting_a_product_leaves_its_name_and_sku_in_orders(store, mug):
    order_id = store.place_order([(mug, 1)])
    store.delete_product(mug)
    item = store.order(order_id).items[0]
    assert (item.product_id, item.sku, item.name) == (None, "MUG", "Käse mug")


def test_only_a_real_change_of_status_sends_a_mail_with_the_tracking_known_then(store, mug):
    order_id = store.place_order([(mug, 1)])
    store.add_tracking(store.order(order_id), "1Z1")
    store.set_status(order_id, shipping="S")
    store.set_status(order_id, shipping="S")
    assert [(mail["mail"], mail["tracking"]) for mail in store.mails] == [("order shipped", ["1Z1"])]


def test_the_clock_can_be_replaced_and_skewed(store):
    store.clock_skew = -60
    assert store.now() == 1_799_999_940
    assert store.clock() == 1_799_999_940
