"""What a shop hid while it was out of order is found by the next day's reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from models import Order
from tests.support.shops import connect, do, products


def held(db) -> dict[str, str]:
    db.session.rollback()
    return dict(db.session.execute(select(Order.external_id, Order.payment_status)).all())


def test_orders_and_changes_that_a_shop_hid_are_read_with_the_receipt(app, db, shop):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    cup = products(shop)["CUP"]
    ids = [str(shop.store.place_order([(cup, 1)], at=yesterday - timedelta(days=20 - number))) for number in range(6)]
    integration_id = connect(shop)
    shop.faults.add("shifted_page", 1, match="order")
    do(integration_id, "orders")
    shop.faults.clear()
    assert do(integration_id, "orders").outcome == "done"
    assert len(held(db)) < 6
    # The first receipt comes after a look at everything.
    assert do(integration_id, "receipts").outcome == "done"
    assert sorted(held(db)) == ids
    # Later ones look at what has changed in three days, though the cursor is beyond it.
    shop.store.set_status(int(ids[0]), payment="C")
    shop.store.order(int(ids[0])).renewed -= 2 * 86400
    do(integration_id, "orders")
    assert held(db)[ids[0]] == "P"
    assert do(integration_id, "receipts").outcome == "done"
    assert held(db)[ids[0]] == "C"


def test_orders_of_a_shop_whose_clock_was_set_back_are_not_behind_the_cursor(app, db, shop):
    """Two hours ahead at first: what it sells after that is dated before everything that is known."""
    cup = products(shop)["CUP"]
    shop.faults.add("clock_skew", 7200.0)
    shop.store.place_order([(cup, 1)])
    integration_id = connect(shop)
    do(integration_id, "orders")
    shop.faults.clear()
    shop.store.place_order([(cup, 1)])
    run = do(integration_id, "orders")
    assert "clock was set back" in run.warnings[0]
    do(integration_id, "orders")
    assert len(held(db)) == 2
    assert do(integration_id, "orders").warnings == []
