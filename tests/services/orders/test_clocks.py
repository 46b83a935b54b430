"""No order is missed whatever clock is wrong: the shop's, that of a proxy in front of it, or ours. And nothing is read for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from models import Order, Shop
from models.types import utcnow
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Rule
from tests.support.proxied import proxied
from tests.support.set_clock import clock
from tests.support.shops import connect, do

__all__ = ["clock", "proxied"]
pytestmark = pytest.mark.one_database
AWAY = 25


@pytest.fixture(params=["addon", "api"])
def shop(request, app, db):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=500)
    for hours in range(1, 6):
        store.place_order([(1, 1)], at=datetime.now(UTC) - timedelta(hours=hours))
    with PracticeShop(store=store, generation=request.param) as running:
        yield running


def dated(minutes: int) -> Rule:
    """A proxy whose time is wrong, and which overwrites what the shop says."""
    moment = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    return Rule(headers={"Date": moment, "Last-Modified": moment})


def nothing_is_missed(db, shop, integration_id: int) -> None:
    """New orders and changes come in with the next run, and a run without any costs next to nothing."""
    new = shop.store.place_order([(1, 1)])
    changed = min(shop.store.orders)
    payment = "P" if shop.store.status("payment", shop.store.orders[changed].payment_id).code == "Q" else "Q"
    shop.store.set_status(changed, payment=payment)
    for _ in range(2):
        # A clock that was set back is noticed by one run; the next one, which is due at once, reads what lies behind it.
        do(integration_id, "orders")
    db.session.rollback()
    held = dict(db.session.execute(select(Order.external_id, Order.payment_status)).all())
    assert set(held) == {str(each) for each in shop.store.orders}
    assert held[str(changed)] == payment and str(new) in held
    do(integration_id, "orders")
    shop.clear_requests()
    run = do(integration_id, "orders")
    assert (run.outcome, run.warnings) == ("done", []) and len(shop.requests) <= 2
    db.session.rollback()
    assert db.session.scalar(select(Shop.orders_read_to)) <= utcnow() - timedelta(minutes=10)


@pytest.mark.parametrize("minutes", [AWAY, -AWAY])
@pytest.mark.parametrize("whose", ["shop", "proxy", "ours"])
def test_a_clock_that_is_wrong_and_is_set_right(db, shop, proxied, clock, whose, minutes):
    clock.at = datetime.now(UTC)
    proxy = proxied(shop)
    seen = SimpleNamespace(url=proxy.url, key=shop.key, clear_requests=shop.clear_requests)
    if whose == "shop":
        shop.faults.add("clock_skew", minutes * 60.0)
    elif whose == "proxy":
        proxy.set(dated(minutes))
    else:
        clock.go(minutes=minutes)
    integration_id = connect(seen)
    do(integration_id, "orders")
    nothing_is_missed(db, shop, integration_id)
    clock.go(minutes=3)
    nothing_is_missed(db, shop, integration_id)
    ahead = db.session.scalar(select(Shop.clock_ahead))
    if whose != "ours" or minutes < 0:
        assert abs(abs(ahead) - AWAY * 60) < 600 or abs(ahead) > 300
    # Somebody sets it right.
    shop.faults.clear()
    proxy.set()
    clock.at = datetime.now(UTC) + timedelta(minutes=3)
    nothing_is_missed(db, shop, integration_id)
    clock.go(minutes=30)
    shop.faults.add("clock_skew", 33 * 60.0)
    nothing_is_missed(db, shop, integration_id)


@pytest.mark.parametrize("hours", [3, 40])
def test_a_shops_clock_that_is_set_back(db, shop, clock, hours):
    clock.at = datetime.now(UTC)
    integration_id = connect(shop)
    do(integration_id, "orders")
    nothing_is_missed(db, shop, integration_id)
    shop.faults.add("clock_skew", hours * -3600.0)
    nothing_is_missed(db, shop, integration_id)
    nothing_is_missed(db, shop, integration_id)


def test_a_difference_is_shown_on_the_integrations_page(db, shop, clock):
    from services.integrations import page

    shop.faults.add("clock_skew", AWAY * 60.0)
    clock.at = datetime.now(UTC)
    integration_id = connect(shop)
    do(integration_id, "orders")
    assert "25 minutes ahead of" in page.overview(integration_id).problems[-1].details
    shop.faults.clear()
    do(integration_id, "orders")
    assert page.overview(integration_id).problems == []
