from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from extensions import db
from models.types import utcnow
from services.integrations import overview
from tests.blueprints.pages import counted_queries, element, elements, htmx, words
from tests.blueprints.rows import (
    add_failed_listing,
    add_held_order,
    add_integration,
    add_run,
    change_integration,
    change_run,
    read_integration,
)
from tests.support.signed_in import FreshClient

LIST = "/settings/sales-channels"


def test_the_page_after_sign_in_is_today(client: FreshClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 302
    assert answer.location == "/today"


def test_settings_leads_to_the_list(client: FreshClient) -> None:
    page = client.get("/settings").text
    links = [link for link in elements(page, "a", href=LIST) if words(link.text) == "Sales channel integration"]
    assert links


def test_without_an_integration_the_list_says_so(client: FreshClient) -> None:
    assert "No shop is connected yet" in client.get(LIST).text


def test_a_row_has_the_four_columns_of_the_guide(client: FreshClient) -> None:
    integration_id = add_integration("Garden shop")
    page = client.get(LIST).text
    assert [words(head.text) for head in elements(page, "th")][:4] == ["Logo", "Type", "Name", "Status"]
    cells = [words(cell.text) for cell in elements(page, "td")]
    assert cells[1] == "X-Cart"
    assert "Garden shop" in cells[2]
    assert element(page, "img")["alt"] == "X-Cart logo"
    switch = element(page, "button", role="switch")
    assert switch["aria-checked"] == "true"
    assert switch["id"] == f"integration-{integration_id}-status"


@pytest.mark.parametrize(
    ("given", "words_of_health"),
    [
        ({"health": "connected"}, "Connected"),
        ({"health": "never_checked"}, "Never checked"),
        ({"health": "retrying", "health_message": "The shop does not answer."}, "Waiting to retry The shop does not answer."),
        ({"health": "needs_reauthorising", "health_message": "The key is wrong."}, "Needs reauthorising The key is wrong."),
        ({"health": "retrying", "enabled": False}, "Disabled"),
    ],
)
def test_health_in_words(client: FreshClient, given: dict[str, object], words_of_health: str) -> None:
    add_integration(**given)
    cell = next(cell for cell in elements(client.get(LIST).text, "td") if cell.get("data-label") == "Health")
    assert words(cell.text) == words_of_health


def test_what_waits_and_when_it_last_synced(client: FreshClient) -> None:
    synced = utcnow() - timedelta(minutes=3)
    integration_id = add_integration(orders_done_at=synced, waiting_run_id=1)
    other = add_integration("Other shop")
    for number in ("1", "2"):
        add_held_order(integration_id, number)
    add_failed_listing(integration_id, "A-1")
    page = client.get(LIST).text
    rows = {row["id"]: words(row.text) for row in elements(page, "tr") if row.get("id")}
    assert "2 held orders 1 failed listing Stock update needs approval" in rows[f"integration-{integration_id}"]
    assert "Orders 3 minutes ago Stock never" in rows[f"integration-{integration_id}"]
    assert rows[f"integration-{other}"].endswith("Nothing")
    waiting = [each["href"] for each in elements(page, "a", _class="wait")]
    for address, row in ((waiting[0], "1"), (waiting[1], "A-1")):
        assert row in words(element(client.get(address).text, "tbody").text), "what waits leads to its list"
    moment = element(page, "time")
    assert moment["datetime"] == synced.isoformat(timespec="seconds")
    assert moment["title"].endswith("UTC")


def test_names_are_shown_as_text(client: FreshClient) -> None:
    add_integration("<script>alert(1)</script> Ünïcode 店")
    page = client.get(LIST).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Ünïcode 店" in page


class TestTheSwitch:
    def test_without_javascript_it_leads_back_to_the_page_it_was_on(self, client: FreshClient) -> None:
        integration_id = add_integration()
        answer = client.post(f"{LIST}/{integration_id}/status", data={"enabled": "no", "back": f"{LIST}?page=2"})
        assert answer.status_code == 303
        assert answer.location == f"{LIST}?page=2"
        assert read_integration(integration_id).enabled is False

    @pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""])
    def test_it_never_leads_elsewhere(self, client: FreshClient, back: str) -> None:
        integration_id = add_integration()
        answer = client.post(f"{LIST}/{integration_id}/status", data={"enabled": "no", "back": back})
        assert answer.location == LIST

    def test_with_htmx_it_answers_with_the_row(self, client: FreshClient) -> None:
        integration_id = add_integration()
        place = f"integration-{integration_id}"
        answer = client.post(f"{LIST}/{integration_id}/status", data={"enabled": "no"}, headers=htmx(place))
        assert answer.status_code == 200
        assert len(answer.data) + len(str(answer.headers)) < 5000
        assert answer.text.startswith("<tr")
        assert element(answer.text, "tr")["id"] == place
        assert element(answer.text, "button", role="switch")["aria-checked"] == "false"
        assert element(answer.text, "input", name="enabled")["value"] == "yes"

    def test_asking_twice_is_the_same_as_once(self, client: FreshClient) -> None:
        integration_id = add_integration()
        for _ in range(2):
            client.post(f"{LIST}/{integration_id}/status", data={"enabled": "no"})
        assert read_integration(integration_id).enabled is False

    def test_enabled_again_it_is_due_at_once(self, client: FreshClient) -> None:
        integration_id = add_integration(enabled=False)
        client.post(f"{LIST}/{integration_id}/status", data={"enabled": "yes"})
        assert read_integration(integration_id).flows["orders"].due_at is not None

    @pytest.mark.parametrize("data", [{}, {"enabled": ""}, {"enabled": "perhaps"}])
    def test_nonsense_changes_nothing(self, client: FreshClient, data: dict[str, str]) -> None:
        integration_id = add_integration()
        assert client.post(f"{LIST}/{integration_id}/status", data=data).status_code == 422
        assert read_integration(integration_id).enabled is True

    def test_an_integration_removed_in_another_tab(self, client: FreshClient) -> None:
        integration_id = add_integration(removed_at=utcnow())
        answer = client.post(
            f"{LIST}/{integration_id}/status", data={"enabled": "no"}, headers=htmx(f"integration-{integration_id}")
        )
        assert answer.status_code == 404
        assert answer.headers["HX-Retarget"] == "#toasts"
        assert "has been removed" in answer.text

    def test_a_get_changes_nothing(self, client: FreshClient) -> None:
        integration_id = add_integration()
        assert client.get(f"{LIST}/{integration_id}/status").status_code == 405
        assert read_integration(integration_id).enabled is True


class TestALiveRow:
    def test_it_asks_again_while_a_run_is_live_and_stops_when_it_is_over(self, client: FreshClient) -> None:
        integration_id = add_integration()
        run_id = add_run(integration_id, state="running", done=120, total=500)
        place = f"integration-{integration_id}"
        row = client.get(f"{LIST}/{integration_id}/row", headers=htmx(place)).text
        assert element(row, "tr")["hx-trigger"] == "every 2s"
        assert "Syncing" in row
        bar = element(row, "progress")
        assert (bar["value"], bar["max"]) == ("120", "500")
        change_run(run_id, state="finished", outcome="done")
        row = client.get(f"{LIST}/{integration_id}/row", headers=htmx(place)).text
        assert element(row, "tr").get("hx-trigger") is None
        assert not elements(row, "progress")

    def test_a_run_that_has_paused_continues_and_shows_no_number_without_its_unit(self, client: FreshClient) -> None:
        add_run(add_integration(), state="queued", done=66)
        said = words(client.get(LIST).text)
        assert "waits to continue" in said and "66" not in said

    def test_it_asks_while_a_run_is_about_to_start_but_not_for_ever(self, client: FreshClient) -> None:
        integration_id = add_integration(orders_due_at=utcnow())
        assert "every 2s" in client.get(LIST).text
        change_integration(integration_id, orders_due_at=utcnow() - timedelta(minutes=5))
        assert "every 2s" not in client.get(LIST).text

    def test_without_javascript_the_page_loads_itself_again(self, client: FreshClient) -> None:
        integration_id = add_integration()
        assert 'http-equiv="refresh"' not in client.get(LIST).text
        add_run(integration_id)
        assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in client.get(LIST).text

    def test_removed_in_another_tab_it_goes_and_stops_asking(self, client: FreshClient) -> None:
        integration_id = add_integration(removed_at=utcnow())
        answer = client.get(f"{LIST}/{integration_id}/row", headers=htmx(f"integration-{integration_id}"))
        assert (answer.status_code, answer.text) == (200, "")

    def test_its_address_in_a_browser_leads_to_the_list(self, client: FreshClient) -> None:
        integration_id = add_integration()
        assert client.get(f"{LIST}/{integration_id}/row").location == LIST


def test_fifty_rows_a_page_in_a_handful_of_queries(client: FreshClient) -> None:
    for number in range(51):
        integration_id = add_integration(f"Shop {number:03}")
        add_run(integration_id)
        add_held_order(integration_id, str(number))
    with counted_queries() as queries:
        page = client.get(LIST).text
    assert len(queries) <= 7, "one of them asks who it is"
    assert len(elements(page, "button", role="switch")) == 50
    assert element(page, "a", rel="next")["href"] == f"{LIST}?page=2"
    last = client.get(f"{LIST}?page=2").text
    assert len(elements(last, "button", role="switch")) == 1
    assert element(last, "a", rel="prev")["href"] == f"{LIST}?page=1"
    assert len(elements(client.get(f"{LIST}?page=99").text, "button", role="switch")) == 1
    assert len(elements(client.get(f"{LIST}?page=x").text, "button", role="switch")) == 50


def test_held_orders_are_counted_within_their_shop_before_there_are_statistics(app: Flask) -> None:
    """Without statistics SQLite would read all held orders again for each row of the list."""
    asked: list[tuple[str, Any]] = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    overview.list_page()
    statement, values = next(each for each in asked if "held_orders" in each[0])
    plan = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    assert any("ix_order_held (shop_id=?)" in row[-1] for row in plan)


def test_a_page_that_is_not_there_is_the_last_one(app: Flask) -> None:
    add_integration("Garden shop")
    page = overview.list_page(7)
    assert (page.number, page.total, [row.name for row in page.rows]) == (1, 1, ["Garden shop"])
