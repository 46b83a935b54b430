from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select

import jobs
from extensions import db
from jobs.evaluations import enqueue_due_evaluations
from models import Integration, Order
from models.types import utcnow
from practice_shop import PracticeShop
from tests.blueprints.pages import complaints, element, form_data, htmx, toasts, words
from tests.blueprints.queues import work_off
from tests.blueprints.rows import add_integration, read_integration
from tests.blueprints.walks import LIST, connect
from tests.support.signed_in import FreshClient


def settings(integration_id: int) -> str:
    return f"{LIST}/{integration_id}/settings"


def order(number: str) -> Order:
    db.session.rollback()
    return db.session.scalars(select(Order).where(Order.number == number)).one()


def save(client: FreshClient, integration_id: int, **changes: object) -> None:
    page = client.get(settings(integration_id)).text
    answer = client.post(settings(integration_id), data=form_data(page, "with_variants", **changes))
    assert (answer.status_code, answer.location) == (303, f"{LIST}/{integration_id}"), complaints(answer.text)


@pytest.fixture
def shop() -> PracticeShop:
    with PracticeShop(products=1, orders=0) as shop:
        product = next(iter(shop.store.products))
        rows = [("tax", "TAX", "Sales tax", 8.0), ("handling", "PACK", "Packing fee", 2.5)]
        shop.store.place_order([(product, 1, 100.0)], shipping_cost=5, surcharges=rows, payment="Q")
        yield shop


def test_saved_unchanged_it_changes_nothing(client: FreshClient) -> None:
    integration_id = add_integration(orders_every=77, work_statuses=[["P", "N"]], surcharge_name="Porto")
    names = [column.name for column in Integration.__table__.c]
    before = {name: getattr(read_integration(integration_id), name) for name in names}
    save(client, integration_id)
    after = {name: getattr(read_integration(integration_id), name) for name in before}
    assert after == before
    assert jobs.queue("checks").is_empty()


def test_a_page_from_before_a_change_replaces_it_only_when_it_is_sent_again(client: FreshClient) -> None:
    integration_id = add_integration()
    before = client.get(settings(integration_id)).text
    save(client, integration_id, stock_buffer="7")
    answer = client.post(settings(integration_id), data=form_data(before, "with_variants", name="New name"))
    assert answer.status_code == 422 and "Somebody has changed these settings" in answer.text
    assert read_integration(integration_id).shop.stock_buffer == 7
    again = client.post(settings(integration_id), data=form_data(answer.text, "with_variants"))
    assert again.status_code == 303
    db.session.rollback()
    changed = read_integration(integration_id)
    assert (changed.name, changed.shop.stock_buffer) == ("New name", 0)


def test_everything_can_be_changed(client: FreshClient) -> None:
    integration_id = add_integration()
    save(
        client, integration_id, name="Neuer Name", use_tax="yes", use_shipping_tax="yes", surcharge_name=" Porto ", with_variants="no",
        with_options="no", with_discounts="no", with_tax_lines="yes", with_notes="no", with_back_orders="no", processed_status="D",
        ready="custom", work=["Q:*"], take_shop_stock="no", safety_limit_percent="50", safety_limit_least="3", orders_every="10", stock_every="15",
    )  # fmt: skip
    seen = read_integration(integration_id)
    assert (seen.name, seen.name_key, seen.surcharge_name, seen.processed_status) == ("Neuer Name", "neuer name", "Porto", "D")
    assert (seen.use_tax, seen.use_shipping_tax, seen.with_tax_lines) == (True, True, True)
    assert not any((seen.with_variants, seen.with_options, seen.with_discounts, seen.with_notes, seen.with_back_orders))
    assert (seen.work_statuses, seen.take_shop_stock) == ([["Q", "*"]], False)
    assert (
        seen.safety_limit_percent,
        seen.safety_limit_least,
        seen.flows["orders"].interval_seconds,
        seen.flows["stock"].interval_seconds,
    ) == (50, 3, 600, 900)
    assert seen.flows["listings"].due_at is not None
    page = client.get(f"{LIST}/{integration_id}").text
    assert toasts(page) == ["Saved. Stored orders are being checked again."]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "Enter a name for this integration."),
        ({"name": "other SHOP"}, "There is an integration called 'other SHOP' already. Choose another name."),
        ({"safety_limit_percent": "0"}, "Enter a whole number from 1 to 100."),
        ({"safety_limit_percent": "many"}, "Not a valid integer value."),
        ({"orders_every": "0"}, "Enter a whole number from 1 to 1,440."),
        ({"ready": "custom", "work": None}, "Choose at least one combination. Otherwise no order becomes ready to ship."),
        ({"since_date": "2999-01-01"}, "The first day is in the future. Choose today or an earlier day."),
        ({"since_date": "0001-01-01"}, "The first day is before there were such shops. Choose a day after 2000."),
    ],
)
def test_bad_answers_change_nothing_and_are_kept(client: FreshClient, changes: dict[str, object], said: str) -> None:
    add_integration("Other shop")
    integration_id = add_integration()
    page = client.get(settings(integration_id)).text
    answer = client.post(settings(integration_id), data=form_data(page, "with_variants", surcharge_name="Kept", **changes))
    assert answer.status_code == 422
    assert said in complaints(answer.text)
    assert element(answer.text, "input", name="surcharge_name")["value"] == "Kept"
    assert read_integration(integration_id).surcharge_name == ""


def test_an_earlier_start_has_the_orders_before_it_downloaded(client: FreshClient, shop: PracticeShop) -> None:
    product = next(iter(shop.store.products))
    shop.store.place_order([(product, 1)], at=datetime.now(UTC) - timedelta(days=60), number="old")
    made = connect(client, shop)
    work_off()
    assert db.session.scalars(select(Order.number)).all() == ["1"]
    save(client, made.id, since_date=(utcnow() - timedelta(days=70)).date().isoformat())
    client.post(f"{LIST}/{made.id}/sync", data={"kind": "orders"})
    work_off()
    assert sorted(db.session.scalars(select(Order.number)).all()) == ["1", "old"]


def test_stored_orders_are_read_again_under_the_new_answers(client: FreshClient, shop: PracticeShop) -> None:
    made = connect(client, shop, use_tax="no", surcharge_name="")
    work_off()
    assert (order("1").items, order("1").items_tax, order("1").shipping, order("1").other) == (
        Decimal(108), Decimal(0), Decimal(5), Decimal("2.5"),
    )  # fmt: skip
    assert order("1").state == "awaiting_payment"
    shop.clear_requests()
    save(client, made.id, use_tax="yes", surcharge_name="PACKING fee", ready="custom", work=["Q:*"])
    assert order("1").items == Decimal(108)
    assert work_off("checks") == 1
    assert (order("1").items, order("1").items_tax, order("1").shipping, order("1").other) == (
        Decimal(100), Decimal(8), Decimal("7.5"), Decimal(0),
    )  # fmt: skip
    assert order("1").state == "ready"
    assert read_integration(made.id).evaluate_due_at is None
    assert shop.requests == []


def test_a_reading_again_that_the_queue_lost_is_made_up_by_a_tick(
    client: FreshClient, shop: PracticeShop, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connect(client, shop, use_tax="no")
    work_off()
    with monkeypatch.context() as away:
        away.setitem(app.extensions, "cartlink.redis", Redis.from_url("unix:///nowhere/at-all"))
        save(client, made.id, use_tax="yes")
    assert "queue does not answer" in " ".join(toasts(client.get(f"{LIST}/{made.id}").text))
    enqueue_due_evaluations()
    enqueue_due_evaluations()
    assert work_off("checks") == 1
    assert order("1").items_tax == Decimal(8)


def test_the_last_stored_orders_follow_the_answers(client: FreshClient, shop: PracticeShop) -> None:
    made = connect(client, shop, use_tax="no")
    work_off()
    page = client.get(settings(made.id)).text
    assert "Items 108.00" in words(element(page, "article").text)
    sent = form_data(page, "with_variants", use_tax="yes")
    part = client.post(f"{settings(made.id)}/import-preview", data=sent, headers=htmx("import-preview")).text
    assert "Items 100.00" in words(element(part, "article").text)
    again = client.post(settings(made.id), data={**sent, "action": "recalculate"})
    assert again.status_code == 200
    assert "Items 100.00" in words(element(again.text, "article").text)
    assert read_integration(made.id).use_tax is False


def test_an_integration_without_own_statuses_offers_the_usual_ones(client: FreshClient) -> None:
    page = client.get(settings(add_integration())).text
    assert words(element(page, "option", value="S", selected="").text) == "Shipped"
    assert element(page, "input", name="work", value="P:*").get("checked") is not None


def test_what_the_shop_has_no_more_is_kept_when_something_else_is_saved(client: FreshClient) -> None:
    integration_id = add_integration(processed_status="42", work_statuses=[["*", "N"], ["P", "GONE"]])
    save(client, integration_id, surcharge_name="Porto")
    seen = read_integration(integration_id)
    assert seen.processed_status == "42"
    assert sorted(seen.work_statuses) == [["*", "N"], ["P", "GONE"]]
    assert "42 (not in the shop any more)" in client.get(settings(integration_id)).text
