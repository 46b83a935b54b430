from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import select

from extensions import db
from jobs.schedule import start_due_runs
from models import StockItem
from practice_shop import PracticeShop, Store
from services.integrations import lifecycle
from services.monitoring import incidents
from services.stock import items
from tests.blueprints.pages import elements, form_data, toasts, words
from tests.blueprints.queues import work_off
from tests.blueprints.rows import change_integration, read_integration
from tests.blueprints.walks import LIST, connect
from tests.support.rows import make_integration, make_item, make_listing
from tests.support.signed_in import FreshClient


@pytest.fixture
def shop() -> PracticeShop:
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    store.add_product(sku="=EVIL()", name="Téller", price=5, amount=8)
    with PracticeShop(store=store) as shop:
        yield shop


def waiting(client: FreshClient, shop: PracticeShop) -> int:
    """A shop whose first push would change what it offers, because its SKUs were known here before."""
    make_item("CUP", 5)
    make_item("=EVIL()", 0)
    made = connect(client, shop)
    work_off()
    assert read_integration(made.id).waiting_run_id is not None
    return made.id


def test_a_first_push_that_changes_nothing_confirms_itself(client: FreshClient, shop: PracticeShop) -> None:
    made = connect(client, shop)
    work_off()
    assert read_integration(made.id).push_gate == "open"
    assert "Nothing is waiting for approval." in client.get(f"{LIST}/{made.id}/preview").text


def test_what_would_change_is_shown_and_nothing_is_sent(client: FreshClient, shop: PracticeShop) -> None:
    integration_id = waiting(client, shop)
    assert f"/{integration_id}/preview" in client.get(LIST).text
    page = client.get(f"{LIST}/{integration_id}/preview").text
    assert "2 listings of Garden shop would change, 1 of them to 0. Nothing has been sent yet." in words(page)
    assert "The first update after a shop was connected, or after an undo, waits for your approval." in words(page)
    change_integration(integration_id, push_gate="open")
    limited = words(client.get(f"{LIST}/{integration_id}/preview").text)
    assert "It would change more than 20% of the shop’s listings, so it waits for your approval." in limited
    change_integration(integration_id, push_gate="first")
    rows = [words(row.text) for row in elements(page, "tr")][1:]
    assert rows[1].startswith("CUP Cup 20 5 CUP: on hand 5, reserved 0")
    assert "5 will be sent once the stock update is approved." in client.get("/listings").text
    assert {product.sku: product.amount for product in shop.store.products.values()} == {"CUP": 20, "=EVIL()": 8}


def test_it_is_said_that_a_disabled_shop_gets_nothing_yet(client: FreshClient, shop: PracticeShop) -> None:
    """It said that the stock is being updated, and its page offered to update it now."""
    integration_id = waiting(client, shop)
    assert "Update stock now" in client.get(f"{LIST}/{integration_id}").text
    lifecycle.set_enabled(integration_id, False, "user:owner")
    page = client.get(f"{LIST}/{integration_id}/preview").text
    assert (
        "Garden shop is disabled: approved quantities are sent once it is enabled." in words(page)
        and "Confirm and send" not in page
    )
    answer = client.post(f"{LIST}/{integration_id}/preview", data=form_data(page, "run"))
    page = client.get(answer.location).text
    assert toasts(page) == ["2 changes approved. Garden shop is disabled: approved quantities are sent once it is enabled."]
    assert "Update stock now" not in page and "Sync orders now" not in page
    lifecycle.set_enabled(integration_id, True, "user:owner")
    start_due_runs()
    work_off()
    assert {product.sku: product.amount for product in shop.store.products.values()} == {"CUP": 5, "=EVIL()": 0}


def test_confirm_sends_exactly_that(client: FreshClient, shop: PracticeShop) -> None:
    integration_id = waiting(client, shop)
    incidents.review(integration_id)
    assert "A stock update needs your approval" in client.get(f"{LIST}/{integration_id}").text
    page = client.get(f"{LIST}/{integration_id}/preview").text
    answer = client.post(f"{LIST}/{integration_id}/preview", data=form_data(page, "run"))
    assert answer.location == f"{LIST}/{integration_id}"
    there = client.get(answer.location).text
    assert toasts(there) == ["2 changes approved. The stock is being updated."]
    assert "needs your approval" not in there, "the incident ends with the approval, not with the next tick"
    work_off()
    assert {product.sku: product.amount for product in shop.store.products.values()} == {"CUP": 5, "=EVIL()": 0}


def test_not_now_leaves_it_waiting(client: FreshClient, shop: PracticeShop) -> None:
    integration_id = waiting(client, shop)
    page = client.get(f"{LIST}/{integration_id}/preview").text
    link = next(link for link in elements(page, "a") if words(link.text) == "Not now")
    assert client.get(link["href"]).status_code == 200
    assert read_integration(integration_id).waiting_run_id is not None


def test_a_preview_that_has_changed_meanwhile_is_shown_again(client: FreshClient, shop: PracticeShop) -> None:
    integration_id = waiting(client, shop)
    page = client.get(f"{LIST}/{integration_id}/preview").text
    sent = form_data(page, "run")
    items.set_stock("CUP", 1, "test")
    client.post(f"{LIST}/{integration_id}/sync", data={"kind": "stock"})
    work_off()
    answer = client.post(f"{LIST}/{integration_id}/preview", data=sent)
    assert answer.location.endswith("/preview")
    assert "has changed since you opened it" in toasts(client.get(answer.location).text)[0]
    assert shop.store.product_by_sku("CUP").amount == 20


def test_confirming_twice(client: FreshClient, shop: PracticeShop) -> None:
    integration_id = waiting(client, shop)
    sent = form_data(client.get(f"{LIST}/{integration_id}/preview").text, "run")
    client.post(f"{LIST}/{integration_id}/preview", data=sent)
    again = client.post(f"{LIST}/{integration_id}/preview", data=sent)
    said = toasts(client.get(again.location).text)
    assert said[-1] == "These changes were approved already. They are sent once. Look at the last stock update."


def test_the_csv_is_harmless_to_a_spreadsheet(client: FreshClient, shop: PracticeShop) -> None:
    integration_id = waiting(client, shop)
    answer = client.get(f"{LIST}/{integration_id}/preview/rows.csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert [(row["sku"], row["now"], row["would_be"]) for row in rows] == [("'=EVIL()", "8", "0"), ("CUP", "20", "5")]


def test_a_quantity_of_stock_that_another_shop_sells_too_says_so_and_how_to_keep_that_of_the_shop(
    client: FreshClient, shop: PracticeShop
) -> None:
    """'84 would be 0, because on hand is 0' did not say whose 0 that is, nor what to do where the shop is right."""
    integration_id = waiting(client, shop)
    other, item = make_integration("Tool shop"), db.session.scalars(select(StockItem).where(StockItem.sku == "CUP")).one()
    make_listing(other, "CUP", 5, item=item)
    page = client.get(f"{LIST}/{integration_id}/preview").text
    rows = [words(row.text) for row in elements(page, "tr")][1:]
    assert rows[1].endswith("CUP: on hand 5, reserved 0. Sold in Tool shop too") and "Sold in" not in rows[0]
    listing = next(each["href"] for each in elements(page, "a") if each.text == "CUP")
    assert "CUP" in words(client.get(listing).text)
    assert f'href="/listings?shop={integration_id}"' in page and "Use the shop’s stock" in client.get("/listings").text
