"""A copy of a connected shop at another address is found whatever orders are stored of either."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from errors import Conflict
from models import Integration, Order
from practice_shop import PracticeShop, Store
from services.integrations.lifecycle import NewIntegration
from services.onboarding import connect as onboarding_connect
from services.onboarding import suggestions
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
