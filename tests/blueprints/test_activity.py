from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from extensions import db, writing
from models import Integration, SyncRun
from models.types import utcnow
from practice_shop import PracticeShop
from services.runs import activity, lifecycle
from services.sync import execution
from tests.blueprints.pages import counted_queries, element, elements, htmx, words
from tests.blueprints.rows import add_finished_run, add_integration, add_run, change_run
from tests.support.shops import connect, do
from tests.support.signed_in import FreshClient

ACTIVITY = "/activity"


def texts(html: str) -> dict[int, str]:
    return {int(item["id"].removeprefix("run-")): words(item.text) for item in elements(html, "tr") if item.get("id")}


def test_without_runs_the_page_says_so(client: FreshClient) -> None:
    assert "Nothing has run yet" in client.get(ACTIVITY).text


def test_a_run_says_what_whose_by_whom_how_long_and_what_came_of_it(client: FreshClient) -> None:
    run_id = add_finished_run(add_integration(), actor="cli:ann", counts={"new": 3, "changed": 1, "unchanged": 0}, requests=2)
    text = texts(client.get(ACTIVITY).text)[run_id]
    for part in ("Order download", "Garden shop", "Done", "ann (command line)", "12 s", "3 new, 1 changed"):
        assert part in text
    assert "unchanged" not in text


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("partial", "Partly done"),
        ("waiting", "Replaced"),
        ("failed", "Failed"),
        ("stopped", "Stopped"),
        ("lost", "Interrupted"),
    ],
)
def test_outcomes_in_words(client: FreshClient, outcome: str, said: str) -> None:
    run_id = add_finished_run(add_integration(), outcome=outcome)
    assert said in texts(client.get(ACTIVITY).text)[run_id]


def test_only_the_run_whose_changes_wait_needs_approval(client: FreshClient) -> None:
    integration_id = add_integration()
    replaced, approved, waits = (
        add_finished_run(integration_id, kind="stock", outcome="waiting", counts=counts)
        for counts in ({"preview": 2}, {"preview": 2, "approved": 2}, {"preview": 1})
    )
    with writing() as session:
        session.get_one(Integration, integration_id).waiting_run_id = waits
    page = client.get(ACTIVITY).text
    said = texts(page)
    assert said[replaced].endswith("Replaced") and said[approved].endswith("Approved") and said[waits].endswith("Needs approval")
    assert "Needs approval 1" in words(element(page, id="list-states").text)
    assert list(texts(client.get(f"{ACTIVITY}?outcome=waiting").text)) == [waits]
    assert "Approved" in client.get(f"{ACTIVITY}/{approved}").text
    shown = words(element(client.get(f"/settings/sales-channels/{integration_id}").text, "main").text)
    assert "Stock update Replaced" in shown and "Stock update Approved" in shown and "Stock update Needs approval" in shown


def test_an_error_comes_with_its_advice_and_remarks_can_be_opened(client: FreshClient) -> None:
    run_id = add_finished_run(
        add_integration(),
        outcome="failed",
        error="The API key is wrong.",
        advice="Reauthorise.",
        warnings=["One came twice.", "<b>"],
    )
    page = client.get(ACTIVITY).text
    assert "The API key is wrong. Reauthorise." in texts(page)[run_id]
    assert words(element(page, "a", id=f"run-{run_id}-warnings").text) == "2 warnings"
    assert "&lt;b&gt;" in page


class TestProgress:
    def test_the_fragment_asks_again_until_the_last_run_is_over(self, client: FreshClient) -> None:
        run_id = add_run(add_integration(), state="running", started_at=utcnow(), done=5, total=20)
        part = client.get(ACTIVITY, headers=htmx("runs")).text
        assert part.lstrip().startswith('<div id="runs"')
        assert element(part, id="runs")["hx-trigger"] == "every 2s"
        assert element(part, "progress")["value"] == "5"
        change_run(run_id, state="finished", outcome="done", finished_at=utcnow())
        part = client.get(ACTIVITY, headers=htmx("runs")).text
        assert element(part, id="runs").get("hx-trigger") is None
        assert not elements(part, "progress")

    def test_without_a_total_the_bar_only_shows_that_it_goes_on(self, client: FreshClient) -> None:
        add_run(add_integration(), state="running", started_at=utcnow())
        assert element(client.get(ACTIVITY).text, "progress").get("value") is None

    def test_it_asks_for_the_page_it_is_on(self, client: FreshClient) -> None:
        add_run(add_integration())
        part = client.get(f"{ACTIVITY}?kind=orders&outcome=live").text
        assert element(part, id="runs")["hx-get"] == f"{ACTIVITY}?kind=orders&outcome=live"

    def test_without_javascript_the_page_offers_to_load_it_again_and_keeps_what_is_being_typed(self, client: FreshClient) -> None:
        integration_id = add_integration()
        add_finished_run(integration_id)
        assert 'http-equiv="refresh"' not in client.get(ACTIVITY).text
        add_run(integration_id)
        assert "Load the page again" in client.get(ACTIVITY).text

    def test_htmx_restoring_history_gets_the_page(self, client: FreshClient) -> None:
        headers = {**htmx("runs"), "HX-History-Restore-Request": "true"}
        assert client.get(ACTIVITY, headers=headers).text.startswith("<!doctype html>")


def test_a_run_can_be_stopped(client: FreshClient) -> None:
    run_id = add_run(add_integration(), state="running", started_at=utcnow())
    answer = client.post(f"{ACTIVITY}/{run_id}/stop", data={"back": f"{ACTIVITY}?kind=orders"})
    assert (answer.status_code, answer.location) == (303, f"{ACTIVITY}?kind=orders")
    assert db.session.get_one(SyncRun, run_id).stop_requested
    page = client.get(ACTIVITY).text
    assert "The run stops before its next request" in page
    assert "Stopping" in texts(page)[run_id]


@pytest.mark.both_databases
class TestFilters:
    @pytest.fixture
    def runs(self, client: FreshClient) -> dict[str, int]:
        garden, kitchen = add_integration("Garden shop"), add_integration("KÜCHE 100%")
        return {
            "garden orders": add_finished_run(garden),
            "garden stock": add_finished_run(garden, kind="stock", outcome="failed"),
            "kitchen listings": add_run(kitchen, kind="listings"),
        }

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", {"garden orders", "garden stock", "kitchen listings"}),
            ("?integration=garden", {"garden orders", "garden stock"}),
            ("?integration=k%C3%BCche", {"kitchen listings"}),
            ("?integration=100%25", {"kitchen listings"}),
            ("?integration=_", set()),
            ("?kind=stock", {"garden stock"}),
            ("?outcome=failed", {"garden stock"}),
            ("?outcome=live", {"kitchen listings"}),
            ("?kind=orders&outcome=failed", set()),
            ("?kind=nonsense&outcome=%27", {"garden orders", "garden stock", "kitchen listings"}),
        ],
    )
    def test_by_integration_kind_and_outcome(
        self, client: FreshClient, runs: dict[str, int], query: str, expected: set[str]
    ) -> None:
        shown = set(texts(client.get(ACTIVITY + query).text))
        assert shown == {runs[name] for name in expected}

    def test_the_form_keeps_what_was_chosen(self, client: FreshClient, runs: dict[str, int]) -> None:
        page = client.get(f"{ACTIVITY}?integration=garden&kind=stock").text
        assert element(page, "input", name="integration")["value"] == "garden"
        assert words(element(page, "option", value="stock", selected="").text) == "Stock update"


def test_fifty_runs_a_page_in_one_query(client: FreshClient) -> None:
    """Beside it only who asks, how they see the list, how many runs had each result, and what the bell says."""
    integration_id = add_integration()
    ids = [add_finished_run(integration_id, created_at=utcnow() - timedelta(minutes=number)) for number in range(120)]
    with counted_queries() as queries:
        first = client.get(ACTIVITY).text
    assert len(queries) <= 5
    assert list(texts(first)) == ids[:-51:-1]
    second = client.get(element(first, "a", rel="next")["href"]).text
    assert list(texts(second)) == ids[-51:-101:-1]
    third = client.get(element(second, "a", rel="next")["href"]).text
    assert list(texts(third)) == ids[19::-1]
    assert not elements(third, "a", rel="next")
    again = client.get(element(third, "a", rel="prev")["href"]).text
    assert list(texts(again)) == list(texts(second))
    assert list(texts(client.get(element(again, "a", rel="prev")["href"]).text)) == list(texts(first))


def test_runs_of_a_removed_integration_stay(client: FreshClient) -> None:
    run_id = add_finished_run(add_integration(removed_at=utcnow()))
    assert "Garden shop (removed)" in texts(client.get(ACTIVITY).text)[run_id]


def test_the_runs_are_a_file_as_well(client: FreshClient) -> None:
    integration_id = add_integration()
    add_finished_run(integration_id, kind="orders", counts={"new": 3, "changed": 0}, error="=1+1")
    add_finished_run(integration_id, kind="stock")
    rows = client.get(f"{ACTIVITY}/runs.csv?kind=orders").text.splitlines()
    assert len(rows) == 2 and ',"orders",' in rows[1] and "new: 3" in rows[1] and "'=1+1" in rows[1]


class TestRunsThatFoundNothing:
    """They are folded into one line for each shop and hour, which opens without JavaScript."""

    @staticmethod
    def hour_with(integration_id: int, hours_ago: int, number: int, **given) -> list[int]:
        """Quiet runs within one hour, the oldest first."""
        start = utcnow().replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
        moments = [start + timedelta(minutes=minute) for minute in range(number)]
        return [
            add_finished_run(integration_id, quiet=True, created_at=at, started_at=at, finished_at=at, **given) for at in moments
        ]

    def test_a_shop_and_hour_is_one_line_with_all_its_runs(self, client: FreshClient) -> None:
        shops = add_integration(), add_integration("Other shop")
        earlier = self.hour_with(shops[0], 3, 2)
        mine, other = self.hour_with(shops[0], 2, 4), self.hour_with(shops[1], 2, 3)
        changed = add_finished_run(shops[0], counts={"new": 1})
        page = client.get(ACTIVITY).text
        assert set(texts(page)) == {changed, mine[-1], other[-1], earlier[-1]}
        assert "Nothing new in 4 runs of this hour" in texts(page)[mine[-1]]
        folded = {link["href"] for link in elements(page, "a") if (link["href"] or "").startswith(f"{ACTIVITY}/")}
        assert {f"{ACTIVITY}/{run_id}" for run_id in (*mine, *other, *earlier, changed)} <= folded

    def test_each_run_is_on_exactly_one_page(self, client: FreshClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(activity, "PAGE_SIZE", 2)
        shops = add_integration(), add_integration("Other shop")
        made = [run_id for hour in (4, 3, 2) for shop in shops for run_id in self.hour_with(shop, hour, 3)]
        seen: list[int] = []
        page = activity.list_page()
        while True:
            seen += [run_id for run in page.runs for run_id in (run.id, *(other.id for other in run.others))]
            if page.older is None:
                break
            page = activity.list_page(before=page.older)
        assert sorted(seen) == made
        back = activity.list_page(after=page.runs[0].id)
        assert [len(run.others) for run in back.runs] == [2, 2]

    def test_of_one_type_only_its_runs_are_on_a_line(self, client: FreshClient) -> None:
        integration_id = add_integration()
        orders = self.hour_with(integration_id, 2, 2)
        self.hour_with(integration_id, 2, 3, kind="listings")
        found = activity.list_page(kind="orders").runs
        assert [(run.id, len(run.others)) for run in found] == [(orders[-1], 1)]

    def test_only_what_the_schedule_started_and_what_counted_nothing_is_quiet(self, app: Flask, shop: PracticeShop) -> None:
        integration_id = connect(shop)
        for kind in ("listings", "orders", "orders"):
            do(integration_id, kind)
        assert not db.session.scalars(select(SyncRun).where(SyncRun.quiet)).all()
        run_id = lifecycle.start_run(integration_id, "orders", "schedule").id
        execution.perform(run_id)
        assert db.session.get_one(SyncRun, run_id, populate_existing=True).quiet
