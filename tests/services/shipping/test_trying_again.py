"""What a person has sent to the shop again."""

from __future__ import annotations

import pytest

from services.shipping import shipments, trying_again
from tests.services.shipping.looks import HELD, fresh, shipping, states
from tests.support.shops import do


@pytest.mark.one_database
def test_a_number_that_is_not_sent_because_the_order_has_grown_says_when_it_is(shop, sold):
    integration_id, there, order_id = sold
    shipments.ship(order_id, "test", tracking_number="T-1", together=HELD)
    cup, plate = (item.product_id for item in shop.store.order(there).items)
    shop.store.edit_order(there, [(cup, 4, 10), (plate, 3, 10)])
    do(integration_id, "orders")
    assert fresh(order_id).state == "part_shipped"
    # The shop has no status for an order of which a part is shipped.
    trying_again.try_again(trying_again.unsent(order_id), "test")
    assert states(order_id) == ["undone"]
    assert [shipment.note for shipment in shipments.of_order(order_id)] == [shipments.SENT_LATER]
    shipments.ship(order_id, "test", tracking_number="T-2")
    do(integration_id, "shipments")
    assert (shipping(shop, there), shop.store.tracking(there)) == ("S", ["T-1", "T-2"])
