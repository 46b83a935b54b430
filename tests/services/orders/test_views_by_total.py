"""The orders of one shop by total come from an index that has them in that order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from extensions import db, writing
from models import Order
from models.types import utcnow
from services.orders import views
from services.orders.views import Wanted
from tests.support.rows import make_integration, make_order


@pytest.mark.both_databases
@pytest.mark.parametrize("state", ["", "shipped"])
def test_orders_of_one_shop_are_listed_by_total(app, state):
    one, other = make_integration("One"), make_integration("Other")
    ids = [make_order(shop, str(number), [("SKU", 1)], state="shipped").id for shop in (one, other) for number in range(3)]
    with writing() as session:
        for place, order_id in enumerate(ids):
            order = session.get_one(Order, order_id)
            order.placed_at = utcnow() - timedelta(days=100)
            order.total = Decimal((5, 9, 7)[place % 3] + place)
    for sort, numbers in (("total", ["1", "2", "0"]), ("smallest", ["0", "2", "1"])):
        wanted = Wanted(integration_id=one.id, state=state, age="older" if state else "", sort=sort)
        assert [row.number for row in views.list_page(wanted).rows] == numbers
        query, order = views.query_of(wanted)
        if db.engine.dialect.name == "sqlite":
            said = str(query.order_by(*order).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
            plan = " ".join(row[-1] for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {said}")))
            assert "ix_order_shop_total (shop_id=?)" in plan and "TEMP B-TREE" not in plan
