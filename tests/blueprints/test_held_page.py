"""The page of held orders with several groups."""

from __future__ import annotations

from extensions import db, writing
from models import Integration, Order
from services.order_basics import holds
from services.security import trail
from tests.blueprints.pages import element, elements, form_data, toasts, words
from tests.blueprints.rows import add_integration
from tests.support.rows import make_order
from tests.support.signed_in import FreshClient


def test_one_of_several_groups_has_the_primary_action(client: FreshClient) -> None:
    shop = db.session.get_one(Integration, add_integration())
    for number, code in (("1", "address"), ("2", "sums"), ("3", "unreadable"), ("4", "unreadable")):
        make_order(shop, number, [], state="on_hold", held_codes=[code], held_reason="Because of something.", reason_codes=[code])
    page = elements(client.get("/orders/held").text)
    assert len([each for each in page if each.tag == "h2" and (each.get("id") or "").startswith("group-")]) == 3
    primary = [each.text.strip() for each in page if each.tag == "button" and "btn-primary" in (each.get("class") or "")]
    assert sum(each.text.strip() == "Because of something." for each in page) == 3
    assert primary == ["Read again from the shop"]


def test_an_order_that_something_else_holds_is_accepted_and_said_to_be_still_on_hold(client: FreshClient) -> None:
    shop = db.session.get_one(Integration, add_integration())
    order_id = make_order(shop, "1", [], state="ready").id
    with writing() as session:
        order = session.get_one(Order, order_id)
        order.currency, order.shipping_address, order.billing_address = "", None, None
        session.flush()
        holds.evaluate_stored([order_id])
    codes = db.session.get_one(Order, order_id).held_codes
    assert len(codes) > 1
    for left in range(len(codes) - 1, -1, -1):
        page = client.get("/orders/held").text
        sent = form_data(page, "seen")
        answer = client.post("/orders/held/accept", data=sent)
        said = "Accepted as it is. 1 order is still on hold for another reason." if left else "1 order released."
        assert toasts(client.get(answer.location).text) == [said]
    done = [row.what for row in reversed(trail.list_page(trail.Wanted(object="order")).rows)]
    assert done.count("On hold for another reason") >= len(codes) - 1 and done[-1] == "Released" and "Put on hold" not in done[1:]
    timeline = words(element(client.get(f"/orders/{order_id}").text, "ol").text)
    assert "Problem accepted by owner" in timeline and "On hold for another reason" in timeline
    assert "Accepted as it is: There is no address" in timeline and "Accepted as it is: The currency is not known" in timeline
