"""What a person has sent to the shop again."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import selectinload

from extensions import writing
from models import Order, Shipment
from services.shipping import shipments, trying_again
from tests.blueprints.pages import counted_queries
from tests.services.shipping.looks import HELD, fresh, shipping, states
from tests.support.shops import do, order_here, products


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


@pytest.mark.one_database
def test_numbers_of_many_orders_that_are_not_sent_are_found_in_the_same_number_of_queries(shop, sold):
    integration_id, _, first = sold
    ids = [first]
    for _ in range(2):
        there = shop.store.place_order(lines=[(products(shop)["CUP"], 2)])
        do(integration_id, "orders")
        ids.append(order_here(there))
    for order_id in ids:
        line = fresh(order_id).lines[0].id
        shipments.ship(order_id, "test", tracking_number=f"T-{order_id}", quantities={line: 1})

    def statements_for(some: list[int]) -> int:
        with writing() as session:
            session.execute(update(Shipment).values(note=""))
        with writing() as session, counted_queries() as seen:
            shipments.note_unsent(
                session.scalars(select(Order).where(Order.id.in_(some)).options(selectinload(Order.lines))).all()
            )
            session.flush()
        assert {each.note for order_id in some for each in shipments.of_order(order_id)} == {shipments.SENT_LATER}
        return len(seen)

    assert statements_for(ids) == statements_for(ids[:1])
