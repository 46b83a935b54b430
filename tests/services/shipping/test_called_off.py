"""An order that the shop has cancelled, declined or refunded is never marked as shipped there, and a person decides."""

from __future__ import annotations

import pytest
import requests
from sqlalchemy import select, update

from errors import Conflict
from extensions import db, writing
from models import Integration, Order, Shop, WriteBack
from models.types import utcnow
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Rule
from services.orders import list_facts, views
from services.orders.views import Wanted
from services.shipping import called_off, shipments, trying_again, voiding, write_backs
from tests.support.shops import connect, do, products

pytestmark = pytest.mark.one_database


@pytest.fixture(params=["addon", "api"])
def sold(app, request):
    """A connected shop of each generation with one order of 3 cups and 2 plates; (shop, integration id, id there, id here)."""
    store = Store()
    cup = store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    plate = store.add_product(sku="PLATE", name="Plate", price=10, amount=20)
    there = store.place_order(lines=[(cup, 3), (plate, 2)])
    with PracticeShop(store=store, generation=request.param) as shop:
        integration_id = connect(shop)
        do(integration_id, "stock")
        shop.clear_requests()
        yield shop, integration_id, there, db.session.scalar(select(Order.id))
        db.session.rollback()


def _writes(shop) -> list[dict]:
    return [request for request in shop.requests if request["method"] != "GET"]


def _states(order_id: int) -> list[str]:
    db.session.rollback()
    return [row.state for row in write_backs.of_order(order_id)]


def _listed(state: str) -> list[int]:
    return [row.id for row in views.list_page(Wanted(state=state)).rows]


def _try_all_again(integration_id: int) -> None:
    with writing() as session:
        session.execute(update(WriteBack).values(due_at=utcnow()))
    do(integration_id, "shipments")


@pytest.mark.parametrize("payment", ["C", "D", "R"])
def test_called_off_after_the_last_reading_nothing_is_sent_and_a_person_decides(sold, payment):
    shop, integration_id, there, order_id = sold
    shop.store.set_status(there, payment=payment)
    shipments.ship(order_id, "test", tracking_number="T-1")
    assert do(integration_id, "shipments").outcome == "partial"
    _try_all_again(integration_id)
    do(integration_id, "orders")
    _try_all_again(integration_id)
    assert (_writes(shop), shop.store.tracking(there)) == ([], [])
    assert not [mail for mail in shop.store.mails if mail["mail"] == "order shipped"]
    assert _states(order_id) == ["failed"] and called_off.blocked(order_id) is not None
    assert _listed("cancel_unseen") == [order_id] and list_facts.counts()["cancel_unseen"] == 1
    page = views.order_page(order_id, with_customers=True)
    assert page.blocked is not None and not page.may_send_again
    with pytest.raises(Conflict, match="still shows order"):
        trying_again.try_again(trying_again.unsent(order_id), "test")
    assert shipments.mark_cancellation_seen([order_id], "test") == 1
    assert (_states(order_id), _listed("cancel_unseen")) == (["handled"], [])
    _try_all_again(integration_id)
    assert _writes(shop) == []


def test_part_of_an_order_is_stopped_too_and_the_rest_waits_for_the_decision(sold):
    shop, integration_id, there, order_id = sold
    with writing() as session:
        session.execute(update(Integration).values(part_shipped_status="P"))
    cup = db.session.get_one(Order, order_id).lines[0].id
    shop.store.set_status(there, payment="R")
    shipments.ship(order_id, "test", tracking_number="T-1", quantities={cup: 3})
    do(integration_id, "shipments")
    assert (_writes(shop), _states(order_id)) == ([], ["failed"])
    with pytest.raises(Conflict, match="Mark order .* as handled"):
        shipments.ship(order_id, "test")


def test_an_order_that_the_shop_pays_again_may_be_sent_after_it_has_been_read(sold):
    shop, integration_id, there, order_id = sold
    shop.store.set_status(there, payment="C")
    shipments.ship(order_id, "test")
    do(integration_id, "shipments")
    shop.store.set_status(there, payment="P")
    with pytest.raises(Conflict, match="has not been read"):
        trying_again.try_again(trying_again.unsent(order_id), "test")
    do(integration_id, "orders")
    _try_all_again(integration_id)
    assert (_writes(shop), _states(order_id)) == ([], ["failed"])
    assert views.order_page(order_id, with_customers=True).may_send_again
    trying_again.try_again(trying_again.unsent(order_id), "test")
    do(integration_id, "shipments")
    assert _states(order_id) == ["done"]
    assert shop.store.status("shipping", shop.store.order(there).shipping_id).code == "S"


def test_what_a_dead_worker_has_begun_is_stopped_as_well(sold):
    shop, integration_id, there, order_id = sold
    shipments.ship(order_id, "test", tracking_number="T-1")
    with writing() as session:
        session.execute(update(WriteBack).values(state="sending", tries=1))
    shop.store.set_status(there, payment="D")
    do(integration_id, "shipments")
    assert (_writes(shop), shop.store.tracking(there), _states(order_id)) == ([], [], ["failed"])


def test_our_own_cancelling_is_sent_whatever_the_payment_status_is(sold):
    shop, integration_id, there, order_id = sold
    with writing() as session:
        session.execute(update(Integration).values(cancelled_status="WND"))
    shop.store.set_status(there, payment="R")
    shipments.cancel_order(order_id, "test")
    do(integration_id, "shipments")
    assert (_states(order_id), len(_writes(shop))) == (["done"], 1)


def test_what_the_shop_has_shipped_and_then_refunded_itself_needs_no_decision(sold):
    shop, integration_id, there, order_id = sold
    shop.store.set_status(there, payment="R", shipping="S")
    shipments.ship(order_id, "test")
    assert do(integration_id, "shipments").counts == {"there_already": 1}
    assert (_writes(shop), _states(order_id)) == ([], ["done"])


def test_an_order_that_cannot_be_printed_is_looked_at_by_its_statuses(sold):
    """5.5 answers 500 for an order whose product is gone; the paths of its two statuses answer (5.5.0.29, observed)."""
    shop, integration_id, there, order_id = sold
    shop.store.set_status(there, payment="C")
    shop.store.delete_product(1)
    shipments.ship(order_id, "test")
    do(integration_id, "shipments")
    assert (_writes(shop), _states(order_id)) == ([], ["failed"])


def test_an_order_under_an_id_that_is_used_again_is_not_marked_shipped(sold):
    shop, integration_id, there, order_id = sold
    order = shop.store.order(there)
    order.number, order.date = "70001", order.date + 86400
    shipments.ship(order_id, "test", tracking_number="T-1")
    do(integration_id, "shipments")
    assert (_writes(shop), shop.store.tracking(there)) == ([], [])
    assert _listed("cancel_unseen") == [order_id]


def test_nothing_lies_between_the_reading_of_an_order_and_its_write(sold):
    shop, integration_id, _, order_id = sold
    shipments.ship(order_id, "test", tracking_number="T-1")
    do(integration_id, "shipments")
    write = next(place for place, request in enumerate(shop.requests) if request["method"] == "PUT")
    assert shop.requests[write - 1]["target"].partition("&_schema")[0].endswith(("/orders/1", "order%2F1", "order/1"))


def test_an_order_that_cannot_be_printed_is_not_sent_while_the_shop_uses_ids_again(sold):
    shop, integration_id, there, order_id = sold
    if shop.generation == "addon":
        pytest.skip("The add-on gives such an order in part, with what it is known by.")
    shop.store.break_order(there)
    shipments.ship(order_id, "test")
    with writing() as session:
        session.execute(update(Shop).values(set_back_at=utcnow()))
    do(integration_id, "shipments")
    assert (_writes(shop), _states(order_id)) == ([], ["failed"])


@pytest.mark.parametrize("wrong", ["null", "[]", '{"0": null}'])
def test_one_wrong_answer_makes_no_write_back_wait_for_a_person(sold, proxied, wrong):
    """For a moment the shop, or what stands before it, answers every read so: the order is not gone, and nothing was refused."""
    shop, integration_id, there, order_id = sold
    proxy = proxied(shop)
    with writing() as session:
        session.execute(update(Integration).values(endpoint=proxy.url))
    shipments.ship(order_id, "test", tracking_number="T-1")
    headers = {"Content-Type": "application/json"}
    for path in ("", r"(order%2F|orders/)\d"):
        proxy.set(Rule(method="GET", path=path, status=200, body=wrong, headers=headers, swallow="request"))
        _try_all_again(integration_id)
        assert _states(order_id) == ["waiting"]
        proxy.set()
        do(integration_id, "orders")
    _try_all_again(integration_id)
    assert _states(order_id) == ["done"]
    assert shop.store.status("shipping", shop.store.order(there).shipping_id).code == "S"


@pytest.mark.parametrize("wrong", ["{}", '{"error": "Rate limit"}', None])
def test_a_write_that_was_not_taken_is_sent_again_before_a_person_is_asked(sold, proxied, wrong):
    """Something else answers the write, or it lost its method on the way and is answered as a reading, with the old status."""
    shop, integration_id, there, order_id = sold
    headers = {"Content-Type": "application/json"}
    proxy = proxied(shop, Rule(method="PUT", status=200, body=wrong or "", headers=headers, swallow="request"))

    def read_instead(method, answer):
        if method == "PUT" and wrong is None:
            path = {
                "api": f"/api/orders/{there}/shipping_status",
                "addon": f"/admin.php?target=RESTAPI&_key={shop.key}&_path=order%2F{there}",
            }
            url = shop.url + path[shop.generation]
            answer.body = requests.get(url, headers={"X-Auth-Token": shop.key}, timeout=5).content
        return answer

    proxy.change_answer = read_instead
    if wrong is None:
        proxy.set(Rule(method="PUT", status=200, headers=headers, swallow="request"))
    with writing() as session:
        session.execute(update(Integration).values(endpoint=proxy.url))
    shipments.ship(order_id, "test", tracking_number="T-1")
    for _ in range(6):
        _try_all_again(integration_id)
        assert _states(order_id) == ["waiting"]
    proxy.set()
    proxy.change_answer = None
    _try_all_again(integration_id)
    assert _states(order_id) == ["done"]


def _stopped(sold) -> tuple[int, int]:
    """One order shipped in a parcel, and stopped because the shop had cancelled it; then the shop has it paid again. (shipment, order) ids."""
    shop, integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", tracking_number="T-1")
    shop.store.set_status(there, payment="C")
    do(integration_id, "shipments")
    shop.store.set_status(there, payment="P")
    do(integration_id, "orders")
    assert _states(order_id) == ["failed"]
    return done.shipment_id, order_id


def test_another_tracking_number_is_no_decision(sold):
    shop, integration_id, there, _ = sold
    shipment_id, order_id = _stopped(sold)
    voiding.edit_tracking(shipment_id, "test", carrier="DHL", tracking_number="T-2")
    assert shipments.of_order(order_id)[0].note == ""
    _try_all_again(integration_id)
    assert (_writes(shop), _states(order_id)) == ([], ["failed"])
    trying_again.try_again(trying_again.unsent(order_id), "test")
    do(integration_id, "shipments")
    assert shop.store.status("shipping", shop.store.order(there).shipping_id).code == "S"
    assert write_backs.of_order(order_id)[-1].tracking_numbers == ["T-2"]


def test_a_voided_shipment_is_not_sent_by_another_try(sold):
    shop, integration_id, _, _ = sold
    shipment_id, order_id = _stopped(sold)
    voiding.void(shipment_id, "test")
    trying_again.try_again(trying_again.unsent(order_id), "test")
    do(integration_id, "shipments")
    assert (_writes(shop), _states(order_id)) == ([], ["undone"])
    assert db.session.get_one(Order, order_id, populate_existing=True).state == "ready"
    shipments.ship(order_id, "test", tracking_number="T-3")
    do(integration_id, "shipments")
    assert _states(order_id) == ["undone", "done"]


def test_what_the_shop_takes_out_of_a_stopped_order_sends_nothing(sold):
    """Of two parcels the first is stopped; then the shop removes what is left, so that all that remains has been shipped."""
    shop, integration_id, there, order_id = sold
    with writing() as session:
        session.execute(update(Integration).values(part_shipped_status="P"))
    cup = db.session.get_one(Order, order_id).lines[0].id
    shipments.ship(order_id, "test", quantities={cup: 3})
    shop.store.set_status(there, payment="C")
    do(integration_id, "shipments")
    shop.store.set_status(there, payment="P")
    shop.store.edit_order(there, [(products(shop)["CUP"], 3)])
    do(integration_id, "orders")
    _try_all_again(integration_id)
    assert (_writes(shop), _states(order_id)) == ([], ["failed"])
