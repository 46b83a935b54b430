"""A run that has to give way after every page, because the shop takes a slice's time for one, still comes to its end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from models import Listing, Order
from practice_shop import PracticeShop
from services import runs, sync
from tests.support.shops import connect


@pytest.mark.parametrize("generation", ["addon", "api"])
def test_slices_of_one_page_get_to_the_end(app, db, generation):
    app.config["CARTLINK"] = replace(app.config["CARTLINK"], order_page_size=4)
    with PracticeShop(products=12, orders=14, days=5, seed=4, generation=generation) as shop:
        integration_id = connect(shop)
        for kind in ("orders", "listings"):
            run_id = runs.start_run(integration_id, kind, "test").id
            for _ in range(60):
                if sync.work(run_id, slice_seconds=0).state == "finished":
                    break
            assert runs.find_run(run_id).outcome == "done"
        assert db.session.scalar(select(func.count()).select_from(Order)) == 14
        assert db.session.scalar(select(func.count()).select_from(Listing)) >= 12
