"""The page of privacy."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page
from sqlalchemy import select

from extensions import db, writing
from models import Integration, Order
from services.operations import privacy
from tests.blueprints.looks import assert_good_in_every_look, watch
from tests.blueprints.pages import element, elements, words
from tests.blueprints.rows import add_integration
from tests.support.planted import TRACKING, WORD
from tests.support.rows import make_order
from tests.support.urls import all_that_is_stored, every_address, example_values, shown

PAGE = "/settings/privacy"


@pytest.fixture
def shipped(app) -> int:
    shop = db.session.get_one(Integration, add_integration())
    return make_order(shop, "1001", [("CUP", 2)], state="shipped", customer="Xaveria Planted", email="x@planted.example").id


def test_the_time_is_off_until_it_is_set_and_can_be_taken_back(client):
    assert element(client.get(PAGE).text, "input", name="keep", checked="")["value"] == "forever"
    assert client.post(PAGE, data={"keep": "days", "days": "30"}).location == PAGE
    assert privacy.erased_after() == 30
    assert element(client.get(PAGE).text, "input", name="days")["value"] == "30"
    client.post(PAGE, data={"keep": "forever", "days": "nonsense"})
    assert privacy.erased_after() is None


def test_an_erased_order_is_nowhere_to_be_found(client):
    """Every page, print-out, file and search an owner has, and every table."""
    values = example_values(client.application)
    kept = list(db.session.execute(select(Order.id, Order.number)))
    with writing() as session:
        for order in session.query(Order):
            order.state = "shipped"
    assert WORD in client.get("/orders").text
    for order_id, _ in kept:
        privacy.erase_order(order_id)
    for name, rows in all_that_is_stored().items():
        assert WORD not in str(rows).lower(), name
    files = 0
    for address in every_address(client.application, values):
        if address.method == "GET":
            answer = client.get(address.path)
            assert WORD not in shown(answer).lower(), address
            files += answer.mimetype == "text/csv"
    assert files >= 10
    for order_id, number in kept:
        for page in ("", "/raw", "/packing-slip", "/print"):
            answer = client.get(f"/orders/{order_id}{page}")
            assert answer.status_code == 200
            assert WORD not in answer.text.lower()
        assert WORD not in client.get(f"{PAGE}/orders/{order_id}.json").text.lower()
        assert f"/orders/{order_id}" in client.get(f"/orders?q={number}").text
    for word in ("Planted", "planted@customer.example", "planted-tracking"):
        assert not [link for link in elements(client.get(f"/orders?q={word}").text, "a") if "1001" in link.text]


def test_what_is_given_out_has_the_shipments_and_the_write_backs(client):
    order_id = example_values(client.application)["order_id"]
    given = json.loads(client.get(f"{PAGE}/orders/{order_id}.json").text)
    assert [each["tracking_number"] for each in given["shipments"]] == [TRACKING, TRACKING]
    assert given["shipments"][0]["lines"] == [{"sku": "SKU", "name": "SKU", "quantity": 1}]
    assert [each["state"] for each in given["write_backs"]] == ["done", "failed", "waiting"]
    assert given["told_to_the_shop"] == given["write_backs"]
    assert given["shipping_address"]["phone"] == "555-planted"


@pytest.mark.parametrize("days", ["", "0", "-1", "3651", "soon", "9" * 50, "1.5"])
def test_a_number_of_days_that_cannot_be_is_refused(client, days):
    answer = client.post(PAGE, data={"keep": "days", "days": days})
    assert answer.status_code == 422
    assert "1 to 3650" in answer.text
    assert privacy.erased_after() is None


def test_an_order_is_found_given_out_and_erased(client, shipped):
    page = client.get(f"{PAGE}?number=1001").text
    assert "Xaveria Planted" in page
    given = client.get(f"{PAGE}/orders/{shipped}.json")
    assert given.headers["Content-Disposition"] == f"attachment; filename=order-{shipped}.json"
    assert given.headers["Cache-Control"] == "no-store"
    assert json.loads(given.text)["email"] == "x@planted.example"
    question = client.get(f"{PAGE}/orders/{shipped}/erase")
    assert "This cannot be undone." in question.text
    assert db.session.get_one(Order, shipped).email
    assert client.post(f"{PAGE}/orders/{shipped}/erase").location == f"{PAGE}?number=1001"
    page = client.get(f"{PAGE}?number=1001").text
    assert "lanted" not in page
    assert not [link for link in elements(page, "a") if (link.get("href") or "").endswith("/erase")]
    assert "lanted" not in client.get(f"{PAGE}/orders/{shipped}.json").text


def test_an_order_still_to_be_shipped_says_why_not(client):
    shop = db.session.get_one(Integration, add_integration())
    ready = make_order(shop, "1002", [("CUP", 2)], email="x@planted.example").id
    answer = client.post(f"{PAGE}/orders/{ready}/erase")
    assert answer.status_code == 409
    assert "has still to be shipped" in answer.text
    assert db.session.get_one(Order, ready).email


def test_an_order_that_is_not_there(client):
    assert "no order with the number 77" in words(client.get(f"{PAGE}?number=77").text)
    assert client.get(f"{PAGE}/orders/99.json").status_code == 404
    assert client.post(f"{PAGE}/orders/99/erase").status_code == 404


def test_the_pages_are_accessible_in_every_look(page: Page, shipped: int) -> None:
    wrong = watch(page)
    for path in (PAGE, f"{PAGE}?number=1001", f"{PAGE}?number=nothing", f"{PAGE}/orders/{shipped}/erase"):
        page.goto(path)
        assert_good_in_every_look(page)
    assert not wrong
