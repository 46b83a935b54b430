"""What a shop hid while it was out of order is found by the next day's reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from models import Order
from tests.support.shops import connect, do, products


def held(db) -> dict[str, str]:
    db.session.rollback()
    return dict(db.session.execute(select(Order.external_id, Order.payment_status)).all())


def test_orders_and_changes_that_a_shop_hid_are_read_with_the_daily_reconciliation(app, db, shop):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    cup = products(shop)["CUP"]
    ids = [str(shop.store.place_order([(cup, 1)], at=yesterday - timedelta(days=20 - number))) for number in range(6)]
    integration_id = connect(shop)
    shop.faults.add("shifted_page", 1, match="order")
    do(integration_id, "orders")
    shop.faults.clear()
    assert do(integration_id, "orders").outcome == "done"
    assert len(held(db)) < 6
    # The first daily reconciliation comes after a look at everything.
    assert do(integration_id, "reconciliation").outcome == "done"
    assert sorted(held(db)) == ids
    # Later ones look at what has changed in three days, though the watermark is beyond it.
    shop.store.place_order([(cup, 1)])
    do(integration_id, "orders")
    shop.store.set_status(int(ids[0]), payment="C")
    shop.store.order(int(ids[0])).renewed -= 2 * 86400
    do(integration_id, "orders")
    assert held(db)[ids[0]] == "P"
    assert do(integration_id, "reconciliation").outcome == "done"
    assert held(db)[ids[0]] == "C"
