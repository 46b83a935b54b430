"""A run that has to pause after every page, because the shop takes a slice's time for one, still comes to its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from extensions import writing
from models import Listing, Order, Shop, SyncRun
from practice_shop import PracticeShop
from services.runs import lifecycle
from services.sync import execution, schedule
from tests.support.shops import connect, do


@pytest.mark.parametrize("generation", ["addon", "api"])
def test_slices_of_one_page_get_to_the_end(app, db, generation):
    app.config["CARTLINK"] = replace(app.config["CARTLINK"], order_page_size=4)
    with PracticeShop(products=12, orders=14, days=5, seed=4, generation=generation) as shop:
        integration_id = connect(shop)
        for kind in ("orders", "listings"):
            run_id = lifecycle.start_run(integration_id, kind, "test").id
            for _ in range(60):
                if execution.work(run_id, slice_seconds=0).state == "finished":
                    break
            assert lifecycle.find_run(run_id).outcome == "done"
        assert db.session.scalar(select(func.count()).select_from(Order)) == 14
        assert db.session.scalar(select(func.count()).select_from(Listing)) >= 12


@pytest.mark.parametrize("generation", ["addon", "api"])
def test_a_daily_reconciliation_whose_orders_take_many_slices_looks_back_once(app, db, generation):
    """Each time it went on it used to begin the reading of three days again, and three days earlier."""
    app.config["CARTLINK"] = replace(app.config["CARTLINK"], order_page_size=4)
    with PracticeShop(products=12, orders=30, days=2, seed=4, generation=generation) as shop:
        integration_id = connect(shop)
        do(integration_id, "orders")
        do(integration_id, "reconciliation")
        db.session.rollback()
        read_to = db.session.scalar(select(Shop.orders_read_to))
        run_id = lifecycle.start_run(integration_id, "reconciliation", "test").id
        turns = 0
        while execution.work(run_id, slice_seconds=0).state != "finished":
            turns += 1
            assert turns < 40
            for live in schedule.waiting_runs():
                if live != run_id:
                    execution.work(live, slice_seconds=0)
            with writing() as session:
                session.get_one(SyncRun, run_id).not_before = None
        assert lifecycle.find_run(run_id).outcome == "done"
        assert turns > 2
        db.session.rollback()
        assert db.session.scalar(select(Shop.orders_read_to)) > read_to - timedelta(minutes=5)
