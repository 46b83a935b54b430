"""A time zone that is stored but unknown here, as after a move to another machine: pages answer, name it, and say what to choose; work goes on in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from extensions import writing
from models import ExportTarget, Feed, SalesOfDay, Shop, User
from services.feeds import overview, suppliers
from services.orders import export_targets
from services.reports import reconciliation
from tests.blueprints.pages import complaints, element, elements, form_data, words
from tests.support.exports import deliver_to, make_export
from tests.support.rows import make_integration
from tests.support.shops import connect, do
from tests.support.signed_in import FreshClient

pytestmark = pytest.mark.one_database
GONE = "Mars/Base"
SAID = f"The time zone {GONE} is unknown here. Choose another one, such as Europe/London. Until then, times are in"


def forget_zone(model: type) -> None:
    with writing() as session:
        session.execute(update(model).values(zone=GONE))


def main_words(client: FreshClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return words(element(answer.text, "main").text)


def chosen_zone(client: FreshClient, path: str) -> str:
    return next(option["value"] for option in elements(client.get(path).text, "option", selected="") if "/" in option["value"])


def test_an_export_is_sent_in_utc_and_its_pages_say_what_to_choose(client: FreshClient) -> None:
    export_id = make_export()
    deliver_to(export_id, interval_seconds=None, times=["06:00"], zone="Europe/Vienna")
    forget_zone(ExportTarget)
    page, form = f"/orders/export/{export_id}/deliveries", f"/orders/export/{export_id}/delivery"
    shown = main_words(client, page)
    assert "at 06:00 (UTC)" in shown and f"{SAID} UTC." in shown
    assert complaints(client.get(form).text) == [f"{SAID} UTC."]
    assert chosen_zone(client, form) == GONE
    assert client.post(form, data=form_data(client.get(form).text, "zone")).status_code == 422
    export_targets.set_target(export_id, {"enabled": False}, "user:ann")
    assert client.post(form, data=form_data(client.get(form).text, "zone", zone="Asia/Tokyo")).status_code == 303
    target = export_targets.get_target(export_id)
    assert target.zone == "Asia/Tokyo" and SAID not in main_words(client, page)


def test_a_new_delivery_offers_the_readers_zone_whatever_it_is_called(client: FreshClient) -> None:
    client.set_cookie("zone", "US/Eastern")
    assert chosen_zone(client, f"/orders/export/{make_export()}/delivery") == "US/Eastern"


def test_a_feed_is_fetched_in_utc_and_its_pages_say_what_to_choose(client: FreshClient) -> None:
    supplier_id = suppliers.create_supplier("Acme", 3, "user:ann")
    place = {"name": "Stock", "address": "https://supplier.example/stock.csv"}
    feed_id = suppliers.create_feed(supplier_id, "user:ann", **place, times=["06:00"], zone="Europe/Vienna")
    forget_zone(Feed)
    assert f"{SAID} UTC." in main_words(client, f"/suppliers/feeds/{feed_id}")
    assert overview.get_row(feed_id).zone_complaint == f"{SAID} UTC."
    rules = f"/suppliers/feeds/{feed_id}/rules"
    assert complaints(client.get(rules).text) == [f"{SAID} UTC."] and chosen_zone(client, rules) == GONE
    assert client.post(rules, data=form_data(client.get(rules).text, "zone")).status_code == 422
    # A person who changes something else, such as the switch, need not choose another one.
    suppliers.change_feed(feed_id, "user:ann", enabled=False)
    assert f"{SAID} UTC." in main_words(client, f"/suppliers/feeds/{feed_id}")


def test_a_persons_times_are_those_of_the_browser(client: FreshClient) -> None:
    forget_zone(User)
    client.set_cookie("zone", "Asia/Kolkata")
    assert "IST" in client.get("/account").text
    assert f"{SAID} this browser’s time zone." in main_words(client, "/account")


def test_a_shops_orders_and_days_count_in_utc(client: FreshClient, shop) -> None:
    integration_id = connect(shop)
    forget_zone(Shop)
    shop.store.place_order([(1, 1)], at=datetime(2026, 11, 20, 23, 30, tzinfo=UTC))
    assert do(integration_id, "orders").outcome == "done"
    assert do(integration_id, "reconciliation").outcome == "done"
    with writing() as session:
        assert session.query(SalesOfDay).one().day.isoformat() == "2026-11-20"
    assert reconciliation.next_due(datetime(2026, 11, 20, 12, tzinfo=UTC), GONE).date().isoformat() == "2026-11-21"


def test_the_settings_of_a_shop_name_it_and_can_be_saved_without_it(client: FreshClient) -> None:
    integration = make_integration()
    forget_zone(Shop)
    path = f"/settings/sales-channels/{integration.id}/settings"
    assert f"{SAID} UTC." in main_words(client, path) and chosen_zone(client, path) == GONE
    assert client.post(path, data=form_data(client.get(path).text, "zone", stock_buffer="2")).status_code in (302, 303)
