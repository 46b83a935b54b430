"""Shipping order after order of one list."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update

from extensions import db, writing
from models import Allocation, Order, Shipment, StockItem
from services.orders.list_ids import next_to_ship
from services.orders.views import Wanted
from tests.blueprints.pages import element, elements, form_data, toasts, words
from tests.support.rows import PLACED, make_integration, make_item, make_order


@pytest.fixture
def orders(app) -> dict[str, int]:
    """Orders of two shops, the newest first in the list; only those that are ready or part shipped can be shipped."""
    outlet, market, cup = make_integration("Outlet"), make_integration("Market"), make_item("CUP", 50)
    wanted = (
        ("1001", outlet, "ready"),
        ("1002", market, "ready"),
        ("1003", outlet, "on_hold"),
        ("1004", outlet, "part_shipped"),
        ("1005", outlet, "ready"),
    )
    ids = {
        number: make_order(shop, number, [(cup, 2)], state=state, placed_at=PLACED + timedelta(hours=hours)).id
        for hours, (number, shop, state) in enumerate(wanted)
    }
    with writing() as session:
        session.execute(update(Allocation).values(reserved=2))
        session.get_one(StockItem, cup.id).reserved = 2 * len(ids)
    return ids


def shown(html: str) -> str:
    return words(element(html, "h1").text).split()[1]


def press(client, page: str, **changes: str) -> str:
    """Send the form of an order's page; answers with the address of the next page."""
    order_id = element(page, "input", id="tracking").parents[-1].parents
    form = next(each for each in order_id if each.tag == "form")
    answer = client.post(form["action"], data=form_data(page, "tracking", **changes))
    assert answer.status_code == 303, answer.text
    return answer.location


def test_order_after_order_of_a_filtered_list_is_shipped(client, orders):
    page = client.get("/orders?sort=oldest&q=CUP").text
    link = next(each for each in elements(page, "a") if each.text == "1001")
    page = client.get(link["href"]).text
    seen = [shown(page)]
    for _ in range(3):
        page = client.get(press(client, page, then="next", carrier="DHL", tracking=f"T{seen[-1]}")).text
        seen.append(shown(page))
        assert "Shipped." in words(element(page, id="shipped").text)
        # Enter goes on: the first button of the form, with the cursor in the tracking number.
        first = next(
            each for each in elements(page, "button") if any(parent.get("class") == "actions" for parent in each.parents)
        )
        assert first.text == "Ship and open next" and element(page, "input", id="tracking").get("autofocus") is not None
    assert seen == ["1001", "1002", "1004", "1005"]
    crumb = next(each for each in elements(page, "a") if each.text == "Orders" and "sort=oldest" in (each["href"] or ""))
    assert parse_qs(urlsplit(crumb["href"]).query) == {"sort": ["oldest"], "q": ["CUP"]}
    last = press(client, page, then="next", tracking="T1005")
    assert parse_qs(urlsplit(last).query).keys() == {"sort", "q", "shipped"}
    page = client.get(last).text
    assert toasts(page) == ["No other order of this list is ready to ship."]
    assert {each.tracking_number for each in db.session.scalars(select(Shipment))} == {"T1001", "T1002", "T1004", "T1005"}
    # What was shipped last can be undone from there.
    assert client.post(element(page, "button", id="undo-shipped").parents[-1]["action"]).status_code == 303
    db.session.rollback()
    assert db.session.get_one(Order, orders["1005"]).state == "ready"


def test_shipping_stays_on_the_order_without_that_button_and_keeps_the_list(client, orders):
    page = client.get(f"/orders/{orders['1001']}?list=state%3Dready").text
    there = press(client, page, tracking="T1")
    assert urlsplit(there).path == f"/orders/{orders['1001']}" and parse_qs(urlsplit(there).query) == {"list": ["state=ready"]}


@pytest.mark.parametrize(
    ("wanted", "after", "following"),
    [
        (Wanted(), "1005", "1004"), (Wanted(), "1001", "1005"), (Wanted(sort="oldest"), "1003", "1004"),
        (Wanted(integration_id=2), "1002", None), (Wanted(integration_id=1, sort="number"), "1001", "1004"),
        (Wanted(state="ready"), "1005", "1002"), (Wanted(state="shipped"), "1005", "1004"), (Wanted(search="nothing"), "1001", None),
        (Wanted(sort="total"), "1005", "1004"),
    ],
)  # fmt: skip
def test_the_next_order_is_the_one_after_it_in_the_list(orders, wanted, after, following):
    found = next_to_ship(wanted, orders[after])
    assert next((number for number, order_id in orders.items() if order_id == found), None) == following


def test_hostile_filters_are_ignored(client, orders):
    for given in ("%00", "q=" + "x" * 5000, "shop=999&state=x&page=../..", "a=b;c"):
        assert client.get(f"/orders/{orders['1001']}", query_string={"list": given}).status_code in (200, 400)
