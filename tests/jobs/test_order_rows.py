"""The rows beside orders, checked by a job that the tick puts on the queue where it is due."""

from __future__ import annotations

import jobs
from extensions import db
from jobs.schedule import tick
from models import Shop
from services.orders import daily_sales
from services.reports import rankings
from tests.blueprints.queues import work_off
from tests.support.rows import make_integration
from tests.support.set_clock import SetClock


def test_a_shop_whose_days_are_not_checked_yet_is_checked_once(app):
    shop = make_integration(orders_due_at=None, stock_due_at=None, listings_due_at=None)
    for _ in range(2):
        tick()
    assert jobs.queue("sync").job_ids.count("order-rows") == 1
    work_off("sync")
    db.session.rollback()
    assert db.session.get_one(Shop, shop.shop_id).sales_checked_to is not None
    assert not daily_sales.is_check_due()
    tick()
    assert "order-rows" not in jobs.queue("sync").job_ids


def test_rankings_are_made_each_hour_by_one_job(app, clock: SetClock):
    for _ in range(2):
        tick()
        tick()
        assert jobs.queue("sync").job_ids.count("order-rows") == 1
        work_off("sync")
        assert not rankings.is_due()
        tick()
        assert "order-rows" not in jobs.queue("sync").job_ids
        clock.go(hours=1)
