"""Pages and files about an order that its shop cannot print: no amount of it is known, and none is shown."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import select, update

from extensions import db, writing
from models import Order
from practice_shop import PracticeShop, Store
from tests.blueprints.pages import element, words
from tests.support.rows import make_integration, make_order
from tests.support.shops import connect, do
from tests.support.signed_in import FreshClient

pytestmark = pytest.mark.one_database


def test_a_shipped_order_that_could_not_be_read_says_so_and_shows_no_amount(client: FreshClient) -> None:
    """It stood in lists and files with a total of 0.00, as if it had been free, and its page said nothing; the run said it was on hold."""
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=500)
    bad = store.place_order([(1, 1)], payment="P", shipping="S")
    store.break_order(bad, "product")
    with PracticeShop(store=store, generation="api") as shop:
        run = do(connect(shop), "orders")
    order = db.session.scalars(select(Order)).one()
    assert (order.state, order.held_codes) == ("shipped", ["unreadable"])
    assert "Those that are neither shipped nor cancelled are on hold." in " ".join(run.warnings)
    page = client.get(f"/orders/{order.id}").text
    assert "The order could not be read: The shop answers with an error whenever Cartlink asks for this order" in words(
        element(page, "main").text
    )
    assert words(element(page, "section", aria_labelledby="money-title").text) == (
        "Money Not known, because the order could not be read."
    )
    assert words(element(client.get("/orders").text, "td", data_label="Total").text) == "–"
    assert "0.00" not in client.get(f"/orders/{order.id}/print").text
    [row] = csv.DictReader(
        io.StringIO(client.get("/orders/export/file.csv?column=number&column=total").text.removeprefix("\ufeff"))
    )
    assert row["total"] == ""


def test_an_order_that_is_free_in_a_shop_without_a_currency_shows_its_amounts(client: FreshClient) -> None:
    order = make_order(make_integration(), "7", [("CUP", 1)])
    with writing() as session:
        session.execute(update(Order).values(total=0, currency=""))
    assert words(element(client.get("/orders").text, "td", data_label="Total").text) == "0.00"
    page = client.get(f"/orders/{order.id}").text
    assert "could not be read" not in element(page, "section", aria_labelledby="money-title").text
