"""Internal notes and tags of orders."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import db, writing
from models import Order, OrderChange, OrderNote, Tag
from services.operations import privacy
from services.orders import notes, tags, views
from services.orders.views import Wanted
from services.security import trail
from tests.blueprints.pages import element, elements, form_data, toasts, words
from tests.support.rows import make_integration, make_item, make_order
from tests.support.signed_in import sign_in


@pytest.fixture
def orders(app) -> list[int]:
    shop, cup = make_integration("Outlet"), make_item("CUP")
    return [make_order(shop, number, [(cup, 1)], state=state).id for number, state in (("1001", "ready"), ("1002", "shipped"))]


def order(order_id: int) -> Order:
    db.session.rollback()
    return db.session.get_one(Order, order_id)


def test_a_note_is_added_shown_and_removed_and_the_audit_trail_does_not_quote_it(client, orders):
    before = order(orders[0]).updated_at
    page = client.get(f"/orders/{orders[0]}").text
    assert (
        client.post(f"/orders/{orders[0]}/notes", data=form_data(page, "text", text=" Ann called.\nRing twice. ")).status_code
        == 303
    )
    assert order(orders[0]).updated_at > before
    page = client.get(f"/orders/{orders[0]}").text
    assert "Ann called.\nRing twice." in element(page, "section", id="notes").text
    note_id = db.session.scalar(select(OrderNote.id))
    client.post(f"/orders/{orders[0]}/notes/{note_id}/remove")
    assert "Ann called" not in client.get(f"/orders/{orders[0]}").text
    noted = trail.list_page(trail.Wanted(object="order")).rows
    assert [(row.what, row.subject) for row in noted] == [("Internal note removed", "1001"), ("Internal note added", "1001")]
    assert "Ann called" not in str(noted)
    assert client.post(f"/orders/{orders[0]}/notes/{note_id}/remove").status_code == 404


def test_a_note_that_cannot_be_kept_is_refused_and_stays_in_the_form(client, orders):
    for text, said in (("", "Enter a note."), ("x" * 2001, "The note is too long")):
        answer = client.post(f"/orders/{orders[0]}/notes", data={"text": text})
        assert answer.status_code == 422
        assert said in answer.text and element(answer.text, "textarea", name="text").text == text


def test_who_may_not_see_customers_sees_tags_and_no_notes(app, orders):
    notes.add_note(orders[0], "Ann called.", "user:ann")
    tags.change_tags(orders[0], "user:ann", add=["Gift"])
    viewer = app.test_client()
    sign_in(viewer, "viewer", "viewer")
    page = viewer.get(f"/orders/{orders[0]}").text
    assert "Gift" in page and "Ann called" not in page and "Internal notes" not in page
    assert viewer.post(f"/orders/{orders[0]}/notes", data={"text": "x"}).status_code == 403


def test_erasing_a_customer_deletes_the_notes_and_takes_no_new_ones(client, orders):
    notes.add_note(orders[1], "Ann called.", "user:ann")
    tags.change_tags(orders[1], "user:ann", add=["gift"])
    assert privacy.export_order(orders[1])["internal_notes"][0]["text"] == "Ann called."
    privacy.erase_order(orders[1])
    assert not db.session.scalars(select(OrderNote)).all()
    assert tags.of_orders(orders) == {orders[1]: ["gift"]}
    assert client.post(f"/orders/{orders[1]}/notes", data={"text": "Ann"}).status_code == 409


def test_tags_are_set_taken_off_and_filtered_by(client, orders):
    assert not elements(client.get("/orders").text, "select", name="tag")
    page = client.get(f"/orders/{orders[0]}").text
    client.post(f"/orders/{orders[0]}/tags", data=form_data(page, "tag", tag="  Gift  wrap "))
    client.post(f"/orders/{orders[0]}/tags", data={"tag": "gift WRAP"})
    assert tags.of_orders(orders) == {orders[0]: ["Gift wrap"]}
    page = client.get("/orders").text
    option = next(each for each in elements(page, "option") if each.text == "Gift wrap")
    page = client.get(f"/orders?tag={option['value']}").text
    rows = [words(row.text) for row in elements(page, "tr")[1:]]
    assert len(rows) == 1 and "1001" in rows[0] and "Gift wrap" in rows[0]
    assert "1002" not in client.get(f"/orders/orders.csv?tag={option['value']}").text
    page = client.get(f"/orders/{orders[0]}").text
    answer = client.post(f"/orders/{orders[0]}/tags", data={"remove": element(page, "button", name="remove")["value"]})
    assert not tags.of_orders(orders) and not db.session.scalars(select(Tag)).all()
    changes = [row.changes for row in trail.list_page(trail.Wanted(object="order")).rows]
    assert changes == [[("Tags", "Gift wrap", "–")], [("Tags", "–", "Gift wrap")]]
    page = client.get(answer.location).text
    assert toasts(page) == ["The tag ‘Gift wrap’ was taken off. ‘Add tag’ puts it back."]
    client.post(f"/orders/{orders[0]}/tags", data=form_data(page, "tag"))
    assert tags.of_orders(orders) == {orders[0]: ["Gift wrap"]}, "one click puts it back"
    client.post(f"/orders/{orders[0]}/tags", data={"remove": "another"})
    assert toasts(client.get(f"/orders/{orders[0]}").text) == [], "it was not on the order"


def test_selected_orders_are_tagged_together(client, orders):
    answer = client.post("/orders/selected", data={"act": "tag", "order": orders, "back": "/orders?age=7"})
    page = client.get(answer.location).text
    assert element(page, "h1").text == "Tag 2 orders"
    refused = client.post("/orders/tag", data=form_data(page, "tag", tag="a,b"))
    assert refused.status_code == 422 and "without commas" in refused.text
    done = client.post("/orders/tag", data=form_data(refused.text, "tag", tag="urgent"))
    assert done.location == "/orders?age=7"
    assert toasts(client.get(done.location).text) == ["2 orders tagged."]
    assert tags.of_orders(orders) == {each: ["urgent"] for each in orders}


def test_a_list_shows_the_newest_orders_of_a_tag_and_a_file_all(app, orders, monkeypatch):
    for order_id in orders:
        tags.change_tags(order_id, "user:ann", add=["b2b"])
    monkeypatch.setattr(tags, "MOST_FOUND", 1)
    wanted = Wanted(tag=tags.find_tag("B2B"))
    assert [row.number for row in views.list_page(wanted).rows] == ["1002"]
    assert {row.number for batch in views.iter_rows(wanted) for row in batch} == {"1001", "1002"}


def test_there_are_not_too_many_tags(app, orders, monkeypatch):
    monkeypatch.setattr(tags, "MOST_TAGS", 2)
    tags.change_tags(orders[0], "user:ann", add=["a", "b"])
    with pytest.raises(tags.InvalidInput):
        tags.change_tags(orders[1], "user:ann", add=["c"])
    tags.change_tags(orders[1], "user:ann", add=["A"])
    with writing():
        assert tags.of_orders(orders)[orders[1]] == ["a"]


def test_nothing_is_tagged_before_an_order_is_selected(client, orders):
    answer = client.get("/orders/tag?back=/orders?age=7")
    assert (answer.status_code, answer.location) == (303, "/orders?age=7")
    assert toasts(client.get(answer.location).text) == ["Select at least one order first."]


def test_the_timeline_calls_the_shops_fields_what_the_page_calls_them(client, orders):
    fields = {"admin_notes": ["", "Call first"], "customer_notes": ["", "Ring"], "shipping_method": ["Post", "Courier"]}
    with writing() as session:
        session.add(OrderChange(order_id=orders[0], fields=fields))
    timeline = words(element(client.get(f"/orders/{orders[0]}").text, "section", id="time-line").text)
    assert all(name in timeline for name in ("Shop's note: ", "Customer's note: ", "Delivery: Post"))
