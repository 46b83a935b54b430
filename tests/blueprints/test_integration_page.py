from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import delete, select

from extensions import db, writing
from models import Incident, Integration, Order, SyncRun
from models.types import utcnow
from tests.blueprints.pages import counted_queries, element, elements, htmx, toasts, words
from tests.blueprints.rows import (
    add_finished_run,
    add_held_order,
    add_incident,
    add_integration,
    add_run,
    change_integration,
    read_integration,
)
from tests.support.signed_in import FreshClient

LIST = "/settings/sales-channels"


def place(integration_id: int) -> str:
    return f"{LIST}/{integration_id}"


def section(page: str, labelled_by: str) -> str:
    return words(element(page, "section", aria_labelledby=labelled_by).text)


def add_orders(integration_id: int, *placed: datetime) -> None:
    with writing() as session:
        shop_id = session.get_one(Integration, integration_id).shop_id
        for number, at in enumerate(placed):
            session.add(Order(shop_id=shop_id, external_id=str(number), number=str(number), placed_at=at, changed_at=at))


def test_the_name_in_the_list_leads_to_it(client: FreshClient) -> None:
    integration_id = add_integration("Gärden shop")
    link = element(client.get(LIST).text, "a", id=f"integration-{integration_id}-name")
    page = client.get(link["href"]).text
    assert words(element(page, "h1").text) == "Gärden shop"
    assert "API key ending in wxyz" in page
    assert "Connected" in page


def test_it_tells_what_is_wrong_and_what_waits(client: FreshClient) -> None:
    integration_id = add_integration(health="needs_reauthorising", health_message="The key is wrong.", waiting_run_id=3)
    add_held_order(integration_id, "1")
    page = client.get(place(integration_id)).text
    assert "Enabled, but stopped until it is reauthorised" in page and "Enabled and active" not in page
    problem = section(page, "problem-title")
    assert problem.startswith("The shop rejects the API key The key is wrong. Choose ‘Reauthorise’ to enter another key.")
    assert "A stock update needs your approval" in section(page, "problems-title")
    # The button stands once: with the problem that it solves.
    assert len([link for link in elements(page, "a") if words(link.text).startswith("Reauthorise")]) == 1
    assert "1 held order" in page
    assert element(page, "a", href=f"{place(integration_id)}/preview")


def test_a_key_that_is_rejected_comes_before_what_it_may_not_do_and_before_a_pause(client: FreshClient) -> None:
    integration_id = add_integration(
        health="needs_reauthorising", health_message="The key is wrong.", writes_refused=True, paused_at=utcnow()
    )
    add_incident(integration_id, cause="key_rejected", facts={"message": "The key is wrong."})
    page = client.get(place(integration_id)).text
    assert section(page, "problem-title").startswith("The shop rejects the API key")
    assert "may only read" not in words(page)
    assert "Enabled, but stopped until it is reauthorised" in page


def test_one_trouble_is_said_once(client: FreshClient) -> None:
    message = "The shop did not answer within 30 seconds."
    integration_id = add_integration(health="retrying", health_message=message)
    with writing() as session:
        since = utcnow() - timedelta(hours=9)
        session.add(
            Incident(
                integration_id=integration_id,
                cause="outage",
                since=since,
                facts={"message": message, "failures": 9},
                remind_at=since,
            )
        )
        for flow in session.get_one(Integration, integration_id).flows.values():
            flow.error, flow.failing_since = message, since
    for kind in ("orders", "stock", "listings"):
        add_finished_run(integration_id, kind=kind, outcome="failed", error=message)
    add_finished_run(integration_id, kind="orders", outcome="failed", error="Something else.")
    page = client.get(place(integration_id)).text
    assert words(page).count(message) == 1
    assert message in section(page, "problem-title")
    assert "Something else." in section(page, "runs-title")
    buttons = [words(button.text) for button in elements(page, "button")]
    assert buttons.count("Try now") == 1
    # Before it has become an incident it is the same.
    with writing() as session:
        session.execute(delete(Incident))
    page = client.get(place(integration_id)).text
    assert words(page).count(message) == 1
    assert section(page, "problem-title").startswith(message)


@pytest.mark.parametrize(("minutes", "shown"), [(1, True), (20, False)])
def test_looks_for_orders_are_counted_only_after_the_last_run(client: FreshClient, minutes: int, shown: bool) -> None:
    """A run reads the orders itself: *Last success 1 minute ago* beside *Checked 1 time today, last 20 minutes ago* contradict each other."""
    integration_id, now = add_integration(), utcnow()
    with writing() as session:
        flow = session.get_one(Integration, integration_id).flows["orders"]
        flow.succeeded_at, flow.polled_at = now - timedelta(minutes=5), now - timedelta(minutes=minutes)
        flow.polls, flow.polled_on = 1, now.date()
    said = words(element(client.get(place(integration_id)).text, "main").text)
    assert "Last success 5 minutes ago" in said and ("Checked 1 time today" in said) is shown


def test_while_it_is_disabled_no_problem_is_shown(client: FreshClient) -> None:
    integration_id = add_integration(enabled=False, health="needs_reauthorising", health_message="The key is wrong.")
    page = client.get(place(integration_id)).text
    assert elements(page, "section", aria_labelledby="problem-title") == []


def test_removing_stands_at_the_foot_in_its_own_section(client: FreshClient) -> None:
    page = client.get(place(add_integration())).text
    titles = [words(title.text) for title in elements(page, "h2") if any(above.tag == "main" for above in title.parents)]
    assert titles[-1] == "Remove this integration"
    assert section(page, "remove-title").endswith("Remove account")


def test_reauthorise_opens_a_window_and_remove_is_red(client: FreshClient) -> None:
    page = client.get(place(add_integration())).text
    link = next(item for item in elements(page, "a") if words(item.text).startswith("Reauthorise"))
    assert link["target"] == "_blank"
    button = next(item for item in elements(page, "button") if words(item.text) == "Remove account")
    assert "btn-danger" in button["class"]


@pytest.mark.parametrize("path", ["/settings", "/reauthorise", "/remove", "/preview", "/preview/rows.csv"])
def test_a_removed_integration_is_not_there(client: FreshClient, path: str) -> None:
    integration_id = add_integration(removed_at=utcnow())
    answer = client.get(place(integration_id) + path)
    assert answer.status_code == 404
    assert "That integration has been removed." in answer.text
    assert element(answer.text, "a", href=LIST) and element(answer.text, "a", href=place(integration_id))


def test_the_page_of_a_removed_integration_says_when_and_by_whom_and_leads_to_its_orders(client: FreshClient) -> None:
    integration_id = add_integration("Old shop")
    add_held_order(integration_id, "1001")
    client.post(f"{place(integration_id)}/remove")
    page = client.get(place(integration_id))
    said = words(element(page.text, "main").text)
    assert page.status_code == 200 and "Old shop Removed" in said
    assert re.search(r"This integration was removed on .+ by owner\.", said), said
    link = next(item for item in elements(page.text, "a") if words(item.text) == "1001")
    assert "Its shop was removed." in client.get(link["href"]).text
    assert client.get(place(999)).status_code == 404 and "There is no such integration." in client.get(place(999)).text


def test_a_removed_integration_leads_to_the_one_that_connects_its_shop_again(client: FreshClient) -> None:
    old = add_integration("Old shop", removed_at=utcnow())
    new = add_integration("New shop")
    change_integration(new, shop_id=read_integration(old).shop_id)
    page = client.get(place(old)).text
    assert element(page, "a", href=place(new)) and element(page, "a", href=f"/orders?shop={new}")


def test_removed_in_another_tab_the_page_leaves_for_the_list(client: FreshClient) -> None:
    integration_id = add_integration(removed_at=utcnow())
    answer = client.get(place(integration_id), headers=htmx("live"))
    assert answer.headers["HX-Redirect"] == LIST
    assert toasts(client.get(LIST).text) == ["That integration has been removed."]


class TestSyncNow:
    @pytest.mark.parametrize("kind", ["orders", "stock"])
    def test_it_starts_a_run_in_the_persons_name(self, client: FreshClient, kind: str) -> None:
        integration_id = add_integration()
        answer = client.post(f"{place(integration_id)}/sync", data={"kind": kind})
        assert (answer.status_code, answer.location) == (303, place(integration_id))
        run = db.session.scalars(select(SyncRun)).one()
        assert (run.kind, run.actor, run.state) == (kind, "user:owner", "queued")

    def test_with_htmx_it_shows_the_run(self, client: FreshClient) -> None:
        integration_id = add_integration()
        part = client.post(f"{place(integration_id)}/sync", data={"kind": "orders"}, headers=htmx("live")).text
        assert element(part, id="live")["hx-trigger"] == "every 2s"
        assert "Order download" in part

    def test_one_under_way_is_not_started_twice(self, client: FreshClient) -> None:
        integration_id = add_integration()
        add_run(integration_id)
        part = client.post(f"{place(integration_id)}/sync", data={"kind": "orders"}, headers=htmx("live")).text
        run = db.session.scalars(select(SyncRun)).one()
        assert toasts(part) == [f"Garden shop: orders are being synced already (run {run.id})."]
        assert len(db.session.scalars(select(SyncRun)).all()) == 1

    def test_without_a_queue_the_run_is_kept(self, client: FreshClient, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        integration_id = add_integration()
        monkeypatch.setitem(app.extensions, "cartlink.redis", Redis.from_url("unix:///nowhere/at-all"))
        part = client.post(f"{place(integration_id)}/sync", data={"kind": "stock"}, headers=htmx("live")).text
        assert "the queue does not answer" in toasts(part)[0]
        assert db.session.scalars(select(SyncRun)).one().state == "queued"

    def test_a_disabled_one_says_that_it_is(self, client: FreshClient) -> None:
        integration_id = add_integration(enabled=False)
        answer = client.post(f"{place(integration_id)}/sync", data={"kind": "orders"})
        assert answer.status_code == 409
        assert "Garden shop is disabled." in answer.text

    def test_nonsense(self, client: FreshClient) -> None:
        assert client.post(f"{place(add_integration())}/sync", data={"kind": "../x"}).status_code == 422


class TestTheSwitches:
    @pytest.mark.parametrize("flow", ["orders", "stock"])
    def test_orders_and_stock_each_have_their_own(self, client: FreshClient, flow: str) -> None:
        integration_id = add_integration()
        part = client.post(f"{place(integration_id)}/flow", data={flow: "no"}, headers=htmx("live")).text
        assert element(part, "button", id=f"flow-{flow}")["aria-checked"] == "false"
        seen = read_integration(integration_id)
        assert (seen.flows["orders"].enabled, seen.flows["stock"].enabled) == (flow != "orders", flow != "stock")
        assert seen.enabled
        client.post(f"{place(integration_id)}/flow", data={flow: "yes"})
        assert read_integration(integration_id).flows[flow].due_at is not None

    def test_the_status_switch_is_here_too(self, client: FreshClient) -> None:
        integration_id = add_integration()
        part = client.post(f"{place(integration_id)}/status", data={"enabled": "no"}, headers=htmx("live")).text
        assert part.lstrip().startswith('<div id="live"')
        assert "nothing is downloaded or sent" in part
        assert "Enabled: Yes → No" in words(element(part, "section", id="history").text)

    @pytest.mark.parametrize("data", [{}, {"orders": "maybe"}, {"orders": "no", "stock": "no"}])
    def test_nonsense_changes_nothing(self, client: FreshClient, data: dict[str, str]) -> None:
        integration_id = add_integration()
        assert client.post(f"{place(integration_id)}/flow", data=data).status_code == 422
        assert read_integration(integration_id).flows["orders"].enabled


def test_new_products_need_not_wait_for_the_reading_of_the_day(client: FreshClient) -> None:
    integration_id = add_integration()
    button = element(client.get(place(integration_id)).text, "button", id="sync-listings")
    assert words(button.text) == "Read listings now"
    client.post(button.parents[-1]["action"], data={"kind": "listings"})
    assert [run.kind for run in db.session.scalars(select(SyncRun))] == ["listings"]


def test_it_asks_again_only_while_something_runs(client: FreshClient) -> None:
    integration_id = add_integration()
    add_finished_run(integration_id)
    assert element(client.get(place(integration_id), headers=htmx("live")).text, id="live").get("hx-trigger") is None
    add_run(integration_id, kind="stock")
    page = client.get(place(integration_id)).text
    assert element(page, id="live")["hx-trigger"] == "every 2s"
    assert 'http-equiv="refresh"' in page


@pytest.mark.both_databases
class TestTheChart:
    def test_a_bar_for_each_day_with_orders_and_a_mark_where_a_run_failed(self, client: FreshClient) -> None:
        integration_id = add_integration()
        noon = utcnow().replace(hour=12, minute=0)
        add_orders(integration_id, noon, noon, noon - timedelta(days=3), noon - timedelta(days=40))
        add_finished_run(integration_id, outcome="failed", finished_at=noon - timedelta(days=3))
        page = client.get(place(integration_id)).text
        assert "3 orders in 30 days, at most 2 a day; runs failed on 1 day." in page
        assert len(elements(page, "rect", **{"class": "chart-bar"})) == 2
        titles = [words(title.text) for title in elements(page, "title") if "failed" in title.text]
        assert len(titles) == 1
        assert titles[0].endswith("1 order, 1 failed run")

    def test_it_follows_a_run_as_the_rest_of_the_page_does(self, client: FreshClient) -> None:
        integration_id = add_integration()
        add_orders(integration_id, utcnow())
        part = client.get(place(integration_id), headers=htmx("live")).text
        assert element(part, "section", id="days")["hx-swap-oob"] == "true"
        assert "1 order in 30 days" in words(element(part, "section", id="days").text)
        assert 'id="history"' not in part
        assert "hx-swap-oob" not in element(client.get(place(integration_id)).text, "section", id="days").attributes

    def test_days_are_those_of_the_reader(self, client: FreshClient) -> None:
        integration_id = add_integration()
        yesterday = utcnow().astimezone(UTC).date() - timedelta(days=1)
        add_orders(integration_id, datetime(yesterday.year, yesterday.month, yesterday.day, 23, 30, tzinfo=UTC))
        client.set_cookie("zone", "Asia/Tokyo")
        page = client.get(place(integration_id)).text
        title_of_day = next(words(title.text) for title in elements(page, "title") if title.text.endswith(": 1 order"))
        following = yesterday + timedelta(days=1)
        assert title_of_day == f"{following.day} {following:%b %Y}: 1 order"


def test_the_page_costs_the_same_with_many_orders_and_runs(client: FreshClient) -> None:
    integration_id = add_integration()
    client.get(place(integration_id))
    with counted_queries() as few:
        client.get(place(integration_id))
    add_orders(integration_id, *(utcnow() - timedelta(hours=number) for number in range(60)))
    for _ in range(20):
        add_finished_run(integration_id)
    with counted_queries() as many:
        client.get(place(integration_id))
    assert len(many) == len(few) <= 13


@pytest.mark.both_databases
class TestSearching:
    @pytest.fixture
    def shops(self, client: FreshClient) -> dict[str, int]:
        return {
            "garden": add_integration("Gärten & Höfe", endpoint="https://garden.example"),
            "kitchen": add_integration(
                "Kitchen_1", endpoint="https://kitchen.example", health="retrying", orders_done_at=utcnow()
            ),
            "cellar": add_integration("Cellar", endpoint="https://cellar.example", enabled=False, health="retrying"),
        }

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("search=g%C3%84rten", ["garden"]),
            ("search=kitchen.example", ["kitchen"]),
            ("search=_", ["kitchen"]),
            ("search=%25", []),
            ("status=enabled", ["garden", "kitchen"]),
            ("status=disabled", ["cellar"]),
            ("status=attention", ["kitchen"]),
            ("status=%27&sort=%27", ["cellar", "garden", "kitchen"]),
            ("sort=health", ["kitchen", "garden", "cellar"]),
            ("sort=oldest", ["cellar", "garden", "kitchen"]),
        ],
    )
    def test_search_filter_and_sort(self, client: FreshClient, shops: dict[str, int], query: str, expected: list[str]) -> None:
        page = client.get(f"{LIST}?{query}").text
        rows = [int(row["id"].removeprefix("integration-")) for row in elements(page, "tr") if row.get("id")]
        assert rows == [shops[name] for name in expected]

    def test_htmx_finds_the_list_and_the_way_back_to_all(self, client: FreshClient, shops: dict[str, int]) -> None:
        page = client.get(f"{LIST}?search=cellar", headers=htmx("list")).text
        assert "Cellar" in element(page, "div", id="list").text and "Kitchen" not in element(page, "div", id="list").text
        assert element(page, "span", id="list-clear").text.strip() == "Clear filters"
        assert "No integration matches" in client.get(f"{LIST}?search=attic", headers=htmx("list")).text

    def test_held_orders_and_waiting_previews_need_attention(self, client: FreshClient, shops: dict[str, int]) -> None:
        add_held_order(shops["garden"], "1")
        change_integration(shops["cellar"], waiting_run_id=1)
        page = client.get(f"{LIST}?status=attention").text
        assert len([row for row in elements(page, "tr") if row.get("id")]) == 3

    def test_the_switch_leads_back_to_the_same_search(self, client: FreshClient, shops: dict[str, int]) -> None:
        page = client.get(f"{LIST}?search=cellar&sort=health").text
        assert element(page, "input", name="back")["value"] == f"{LIST}?search=cellar&sort=health"
