"""Read again and Check again on pages, for a shop of X-Cart 5.5 that answers, is switched off, or does not answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from models import Order
from practice_shop import PracticeShop, Store
from services.integrations import lifecycle
from services.orders import rereading
from tests.blueprints.desks import orders, work_off
from tests.blueprints.pages import element, htmx, words
from tests.support.shops import connect_bare, do
from tests.support.signed_in import FreshClient

READING = "is being read again from the shop"
LATER = "Nothing can be read from Shop at the moment"


@pytest.fixture
def held(app: Flask) -> Iterator[tuple[PracticeShop, int, Order]]:
    """A shop with one order that is held for an unknown SKU, its integration, and the order."""
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    with PracticeShop(store=store, generation="api") as shop:
        integration_id = connect_bare(shop)
        there = shop.store.add_product(sku="NEW", name="New thing", price=1, amount=5)
        shop.store.place_order(lines=[(there, 1)])
        do(integration_id, "orders")
        yield shop, integration_id, orders()[0]


def said(client: FreshClient, path: str, **form: object) -> str:
    """What the page says that a form leads to."""
    return words(element(client.get(client.post(path, data=form).location).text, "body").text)


def test_a_shop_that_answers_is_read_at_once(client: FreshClient, held: tuple[PracticeShop, int, Order]) -> None:
    _, _, order = held
    assert f"1 order {READING}" in said(client, f"/orders/{order.id}/read-again")
    page = f"/orders/{order.id}"
    assert f"This order {READING}" in client.get(page).text
    assert f"This order {READING}" in client.get(page, headers=htmx("rereading")).text
    work_off("orders")
    # Its open page follows, and loses nothing that is typed on it.
    answer = client.get(page, headers=htmx("rereading"))
    assert (
        "Show the order as it is now" in answer.text
        and "<main" not in answer.text
        and "asked the shop" in answer.headers["HX-Trigger"]
    )
    assert "data-poll" not in answer.text
    assert READING not in client.get(f"/orders/{order.id}").text
    assert "The order was checked again and is still on hold." in said(client, f"/orders/{order.id}/evaluate")


def test_nothing_is_promised_of_a_shop_that_is_switched_off(client: FreshClient, held: tuple[PracticeShop, int, Order]) -> None:
    _, integration_id, order = held
    lifecycle.set_enabled(integration_id, False, "user:owner")
    assert LATER in said(client, f"/orders/{order.id}/read-again")
    assert "At the moment nothing can be read from Shop" in words(element(client.get(f"/orders/{order.id}").text, "main").text)
    assert LATER in said(client, "/orders/selected", act="read_again", order=order.id)
    assert LATER in said(client, "/orders/held/read-again", code="unknown_sku", key="NEW")
    lifecycle.set_enabled(integration_id, True, "user:owner")
    assert f"This order {READING}" in client.get(f"/orders/{order.id}").text


def test_a_shop_that_fails_is_named_and_the_order_read_once_it_answers(
    client: FreshClient, held: tuple[PracticeShop, int, Order]
) -> None:
    shop, integration_id, order = held
    shop.mode.maintenance = True
    do(integration_id, "orders")
    assert LATER in said(client, f"/orders/{order.id}/read-again")
    work_off("orders")
    assert "At the moment nothing can be read from Shop" in words(element(client.get(f"/orders/{order.id}").text, "main").text)
    shop.mode.maintenance = False
    assert LATER in said(client, f"/orders/{order.id}/read-again"), "it is asked again, and has not answered yet"
    work_off("orders")
    assert "read again" not in element(client.get(f"/orders/{order.id}").text, "main").text.partition("Something looks wrong")[0]


def test_what_cannot_be_read_is_not_counted(client: FreshClient, held: tuple[PracticeShop, int, Order]) -> None:
    _, integration_id, order = held
    assert "No order was left to read again." in said(client, "/orders/held/read-again", code="short", key="")
    lifecycle.remove_integration(integration_id, "user:owner")
    assert client.post(f"/orders/{order.id}/read-again").status_code == 404
    assert "No order was left to read again." in said(client, "/orders/selected", act="read_again", order=order.id)
    assert not orders()[0].reread_due
    assert rereading.ask_again([order.id, 999]) == rereading.Asked(0)
