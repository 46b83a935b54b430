"""An order of which it is not clear which lines were shipped: its page asks, so that nobody ships a piece twice without knowing it."""

from __future__ import annotations

from extensions import db
from models import Order
from services.security import trail
from tests.blueprints.pages import element, elements, form_data, toasts, words
from tests.blueprints.rows import unclear_order
from tests.support.signed_in import FreshClient


def shipped(order: Order) -> list[int]:
    db.session.rollback()
    return [line.shipped for line in db.session.get_one(Order, order.id).lines]


def test_the_page_asks_which_lines_were_shipped_and_ships_only_the_others(client: FreshClient) -> None:
    order = unclear_order()
    held = words(element(client.get("/orders/held").text, "main").text)
    assert "Open order 1" in held and "Accept" not in held
    page = client.get(f"/orders/{order.id}").text
    assert "1 × CUP (of 2 ordered now) had been shipped." in words(element(page, "main").text)
    first, second = (f"shipped-{line.id}" for line in order.lines)
    assert [element(page, "input", id=each)["value"] for each in (first, second)] == ["0", "1"]
    assert len([each for each in elements(page, "button") if "btn-primary" in (each.get("class") or "")]) == 1
    wrong = client.post(f"/orders/{order.id}/shipped-lines", data=form_data(page, first, **{first: "2"}))
    assert wrong.status_code == 422 and "CUP: enter a number from 0 to 1." in wrong.text
    assert element(wrong.text, "input", id=first)["value"] == "2" and shipped(order) == [0, 0]
    answer = client.post(f"/orders/{order.id}/shipped-lines", data=form_data(page, first, **{first: "1", second: "0"}))
    page = client.get(answer.location).text
    assert toasts(page) == ["Saved. What is left can be shipped."] and shipped(order) == [1, 0]
    assert [element(page, "input", name=f"line-{line.id}")["value"] for line in order.lines] == ["0", "1"]
    assert "Shipped: 0 × CUP, 0 × CUP → 1 × CUP, 0 × CUP" in words(element(page, "ol").text)
    assert [entry.kind for entry in trail.history("order", order.id, trail.Reader())] == ["order.hold_accepted"]


def test_who_says_it_second_and_otherwise_learns_that_it_was_not_saved(client: FreshClient) -> None:
    order = unclear_order()
    page = client.get(f"/orders/{order.id}").text
    first, second = (f"shipped-{line.id}" for line in order.lines)
    path = f"/orders/{order.id}/shipped-lines"
    ann, bob = form_data(page, first, **{first: "1", second: "0"}), form_data(page, first, **{first: "0", second: "1"})
    assert client.post(path, data=ann).status_code == 303
    answer = client.post(path, data=bob)
    assert answer.status_code == 409 and "What you entered was not saved." in words(answer.text)
    assert client.post(path, data=ann).status_code == 303, "the same twice is as once"
    assert shipped(order) == [1, 0]
