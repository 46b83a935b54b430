"""A copy of a connected shop at another address is found whatever orders are stored of either."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from errors import Conflict, ShopBroken
from models import Integration, Order
from practice_shop import PracticeShop, Store
from services.integrations.lifecycle import NewIntegration
from services.onboarding import connect as onboarding_connect
from services.onboarding import shop_identity, suggestions
from services.onboarding.checked import open_checked
from services.shops import connection
from tests.support.shops import connect, do

pytestmark = pytest.mark.one_database


@pytest.fixture(params=["addon", "api"])
def shop(request, app):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=500)
    for _ in range(3):
        store.place_order([(1, 1)])
    with PracticeShop(store=store, generation=request.param) as shop:
        yield shop


def add_copy(copy: PracticeShop):
    check = connection.check_shop("xcart", copy.url, copy.key)
    return onboarding_connect.connect_checked(NewIntegration("xcart", "Copy", copy.url, copy.key), check, "test")


@pytest.mark.parametrize("stored", ["all", "none", "old ones"])
def test_it_is_refused(db, shop, stored):
    integration_id = connect(shop)
    if stored != "none":
        do(integration_id, "orders")
    with PracticeShop(store=shop.store.snapshot(), generation=shop.generation) as copy:
        for _ in range(suggestions.LOOKED_AT + 1 if stored == "old ones" else 0):
            copy.store.place_order([(1, 1)])
        with pytest.raises(Conflict, match="connected already, as Shop"):
            add_copy(copy)
    db.session.rollback()
    assert db.session.scalars(select(Integration.name)).all() == ["Shop"]


@pytest.mark.parametrize("generation", ["addon", "api"])
def test_one_from_before_the_first_stored_order_is_refused(app, db, generation):
    """It has none of the orders that are stored, and the connected shop has all of its."""
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=500)
    store.place_order([(1, 1)], at=store.now() - 86400)
    before = store.snapshot()
    store.place_order([(1, 1)])
    with PracticeShop(store=store, generation=generation) as shop, PracticeShop(store=before, generation=generation) as copy:
        do(connect(shop, since=datetime.now(UTC) - timedelta(hours=1)), "orders")
        assert db.session.scalars(select(Order.external_id)).all() == ["2"]
        with pytest.raises(Conflict, match="connected already, as Shop"):
            add_copy(copy)


@pytest.mark.parametrize("generation", ["addon", "api"])
@pytest.mark.parametrize("downloaded", [True, False])
def test_one_that_has_gone_its_own_way_is_refused(app, db, generation, downloaded):
    """Under the newest ids each has other orders, and below them the same."""
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=500)
    for _ in range(3):
        store.place_order([(1, 1)], at=store.now() - 86400)
    apart = store.snapshot()
    for each, ago in ((store, 7200), (apart, 3600)):
        for _ in range(suggestions.LOOKED_AT + 1 if downloaded else 2):
            each.place_order([(1, 1)], at=each.now() - ago)
    with PracticeShop(store=store, generation=generation) as shop, PracticeShop(store=apart, generation=generation) as copy:
        integration_id = connect(shop)
        if downloaded:
            do(integration_id, "orders")
        with pytest.raises(Conflict, match="connected already, as Shop"):
            add_copy(copy)


def test_one_whose_last_orders_cannot_be_shown_is_refused(db, shop, monkeypatch):
    do(connect(shop), "orders")
    monkeypatch.setattr(suggestions, "last_orders", lambda channel, notes: [])
    with (
        PracticeShop(store=shop.store.snapshot(), generation=shop.generation) as copy,
        pytest.raises(Conflict, match="connected already, as Shop"),
    ):
        add_copy(copy)


def test_one_that_is_connected_while_the_other_is_being_connected_is_refused(db, shop, monkeypatch):
    """Both were tested before either was connected."""
    refuse_copy = shop_identity.refuse_copy

    def meanwhile(*args):
        refuse_copy(*args)
        monkeypatch.setattr(shop_identity, "refuse_copy", refuse_copy)
        connect(shop)

    monkeypatch.setattr(shop_identity, "refuse_copy", meanwhile)
    with (
        PracticeShop(store=shop.store.snapshot(), generation=shop.generation) as copy,
        pytest.raises(Conflict, match="connected already, as Shop"),
    ):
        add_copy(copy)
    db.session.rollback()
    assert db.session.scalars(select(Integration.name)).all() == ["Shop"]


@pytest.mark.parametrize("downloaded", [True, False])
def test_another_shop_is_taken(db, shop, downloaded):
    integration_id = connect(shop)
    if downloaded:
        do(integration_id, "orders")
    other = Store()
    other.add_product(sku="CUP", name="Cup", price=10, amount=500)
    other.place_order([(1, 1)], at=shop.store.now() - 7200)
    with PracticeShop(store=other, generation=shop.generation) as elsewhere:
        assert add_copy(elsewhere).name == "Copy"


@pytest.mark.parametrize("broken", [(1,), (1, 2, 3)])
def test_another_shop_is_taken_where_it_cannot_print_an_order_of_the_same_id(db, shop, broken):
    """X-Cart 5.5 answers 500 to an order with a product that was deleted."""
    do(connect(shop), "orders")
    other = Store()
    other.add_product(sku="CUP", name="Cup", price=10, amount=500)
    for hours in (3, 2, 1):
        other.place_order([(1, 1)], at=shop.store.now() - 3600 * hours)
    for order_id in broken:
        other.break_order(order_id)
    with PracticeShop(store=other, generation=shop.generation) as elsewhere:
        assert add_copy(elsewhere).name == "Copy"


@pytest.mark.parametrize("downloaded", [True, False])
def test_a_copy_is_refused_where_an_order_cannot_be_printed(db, shop, downloaded):
    integration_id = connect(shop)
    if downloaded:
        do(integration_id, "orders")
    copied = shop.store.snapshot()
    for store in (shop.store, copied):
        store.break_order(3)
    with (
        PracticeShop(store=copied, generation=shop.generation) as copy,
        pytest.raises(Conflict, match="connected already, as Shop"),
    ):
        add_copy(copy)


def test_a_shop_that_moved_is_recognised_where_it_cannot_print_an_order(db, shop):
    integration_id = connect(shop)
    do(integration_id, "orders")
    shop_id = db.session.get_one(Integration, integration_id).shop_id
    db.session.rollback()
    moved = shop.store.snapshot()
    moved.break_order(3)
    with PracticeShop(store=moved, generation=shop.generation) as there:
        check = connection.check_shop("xcart", there.url, there.key)
        channel = open_checked("xcart", check, there.key)
        shop_identity.refuse_other_shop(shop_id, there.url, channel)
        for order_id in (1, 2):
            moved.break_order(order_id)
        if shop.generation == "api":
            with pytest.raises(ShopBroken):
                shop_identity.refuse_other_shop(shop_id, there.url, channel)
        channel.close()
