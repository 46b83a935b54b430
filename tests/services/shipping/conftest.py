"""A shop with one order, for the tests of shipping."""

from __future__ import annotations

import pytest

from tests.support.kept import set_up_once
from tests.support.shops import connect, do, order_here, products


@pytest.fixture
def sold(app, shop, request):
    """A connected shop with one order of 2 cups and 3 plates, downloaded; (integration id, order id there, order id here)."""

    def sell():
        ids = products(shop)
        there = shop.store.place_order(lines=[(ids["CUP"], 2), (ids["PLATE"], 3)])
        integration_id = connect(shop)
        do(integration_id, "stock")
        shop.clear_requests()
        return integration_id, there, order_here(there)

    return set_up_once(request, app, shop, sell)
