"""Lists are sorted as their readers ask, on the page and in the file."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from extensions import writing
from models import AuditEntry, DailyReconciliation, Drift, Order
from models.types import utcnow
from tests.blueprints.pages import elements, next_page, words
from tests.blueprints.rows import add_incident, add_run
from tests.support.rows import make_integration, make_item, make_listing, make_order


def heads(client, path: str, query: dict[str, object]) -> list[str]:
    """The first cells of a list's rows, from the top."""
    page = client.get(path, query_string=query).get_data(as_text=True)
    return [words(cell.text) for cell in elements(page, "th") if cell.get("scope") == "row"]


def file_rows(client, path: str, query: dict[str, object]) -> list[dict[str, str]]:
    """The rows of a file. One in an order that is not offered is refused, and read in the usual order here."""
    answer = client.get(path, query_string=query)
    if answer.status_code == 422:
        assert "is not a choice of ‘Sort by’" in answer.text
        answer = client.get(path, query_string={**query, "sort": ""})
    return list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))


@pytest.mark.parametrize(
    ("query", "first"),
    [("", "A"), ("sort=scarce", "B"), ("sort=most", "C"), ("sort=reserved", "A"), ("low=3", "B"), ("q=c", "C")],
)
def test_stock_is_sorted_and_filtered(client, query, first):
    make_item("A", 9, reserved=4)
    make_item("B", 1)
    make_item("C", 20)
    page = client.get(f"/stock?{query}").get_data(as_text=True)
    cells = [words(cell.text) for cell in elements(page, "th") if cell.get("scope") == "row"]
    assert cells[0] == first


def test_a_list_by_total_says_that_it_compares_numbers_of_different_currencies(client):
    shop = make_integration()
    make_order(shop, "1", [])
    note = "Sorted by the numbers alone: amounts in different currencies are not converted."
    assert note not in client.get("/orders?sort=total").text
    other, placeholder = make_order(shop, "2", []).id, make_order(shop, "", [], external_id="9").id
    with writing() as session:
        unreadable = session.get_one(Order, placeholder)
        unreadable.currency, unreadable.total = "", Decimal(0)
    assert note not in client.get("/orders?sort=total").text, "no amount of it is known"
    with writing() as session:
        session.get_one(Order, other).currency = "JPY"
    assert all(note in client.get(f"/orders?sort={sort}").text for sort in ("total", "smallest"))
    assert note not in client.get("/orders").text


@pytest.mark.parametrize(
    ("sort", "order"),
    [("", "CBA"), ("oldest", "ABC"), ("sku", "ABC"), ("expected", "ACB"), ("found", "BCA"), ("x'; --", "CBA")],
)
def test_drift_is_sorted(client, sort, order):
    integration = make_integration()
    for days, (sku, expected, found) in enumerate([("A", 9, 1), ("B", 3, 8), ("C", 5, 4)]):
        listing = make_listing(integration, sku, found)
        with writing() as session:
            seen_at = utcnow() + timedelta(days=days - 9)
            session.add(Drift(listing_id=listing.id, expected=expected, found=found, seen_at=seen_at))
    query = {"sort": sort, "shop": integration.id}
    assert [cell[0] for cell in heads(client, "/listings/drift", query)] == list(order)
    assert [row["sku"] for row in file_rows(client, "/listings/drift/drift.csv", query)] == list(order)


@pytest.mark.parametrize(
    ("sort", "order"),
    [("", "EADBC"), ("oldest", "CBDAE"), ("-id", "EADBC")],
)
def test_the_audit_trail_is_sorted(client, sort, order):
    for number, name in enumerate("CBDAE"):
        with writing() as session:
            at = utcnow() - timedelta(days=2) + timedelta(minutes=number)
            session.add(AuditEntry(at=at, actor="user:ann", kind="order.seen", object="order", subject=name))
    query = {"sort": sort, "of": "order"}
    rows = file_rows(client, "/activity/changes.csv", query)
    assert [row["name"] for row in rows] == list(order)
    page = words(client.get("/activity/changes", query_string=query).text)
    assert re.findall(r">([A-E]) <span", page) == list(order)


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("sort", "order"),
    [("", ["3 B", "2 A", "2 B", "1 A"]), ("oldest", ["1 A", "2 A", "2 B", "3 B"]), ("shop", ["2 A", "1 A", "3 B", "2 B"]),
     ("different", ["2 B", "1 A", "3 B", "2 A"]), ("0", ["3 B", "2 A", "2 B", "1 A"])],
)  # fmt: skip
def test_daily_reconciliations_are_sorted(client, sort, order):
    shops = {name: make_integration(name).shop_id for name in "BA"}
    with writing() as session:
        for day, name, many in ((1, "A", 2), (2, "B", 11), (3, "B", 1), (2, "A", 0)):
            different = [{"number": "7", "reason": "The totals differ.", "ours": "1", "theirs": "2"}] * many
            session.add(
                DailyReconciliation(
                    shop_id=shops[name], day=date(2026, 1, day), shop_orders=1, our_orders=1, differences=different
                )
            )
    assert [cell[0] for cell in heads(client, "/reports/reconciliation", {"sort": sort})] == [one[0] for one in order]
    rows = file_rows(client, "/reports/reconciliation.csv", {"sort": sort})
    assert [f"{int(row['day'][-2:])} {row['integration']}" for row in rows] == order


@pytest.mark.parametrize(
    ("sort", "order"),
    [("", [2, 1, 3]), ("newest", [3, 2, 1]), ("oldest", [1, 2, 3]), ("integration", [2, 3, 1]), ("1 desc", [2, 1, 3])],
)
def test_incidents_are_sorted(client, sort, order):
    shops = [make_integration(name).id for name in ("Toys", "Garden", "Shoes")]
    now = utcnow()
    for shop, days, over in zip(shops, (3, 2, 1), (None, None, now), strict=True):
        add_incident(shop, opened_at=now - timedelta(days=days), resolved_at=over)
    page = client.get("/incidents", query_string={"state": "all", "sort": sort}).get_data(as_text=True)
    assert [int(h2["id"].removeprefix("incident-")) for h2 in elements(page, "h2") if h2.get("class") == "row-name"] == order
    assert "Sort by" in words(page) and page.count('value="all" selected') + page.count('selected value="all"') == 1


DAYS = {"": "CBA", "oldest": "ABC", "shop": "CAB", "pieces": "BCA", "total": "ACB", "days": "CBA"}
SKUS = {"": "BCA", "least": "ACB", "sku": "ABC", "total": "ACB", "units": "BCA"}


@pytest.mark.both_databases
def test_reports_are_sorted(client):
    garden, toys = make_integration("Garden"), make_integration("Toys")
    for days, shop, sku, pieces, total in ((3, garden, "A", 1, 90), (2, toys, "B", 9, 10), (1, garden, "C", 4, 50)):
        order = make_order(shop, sku, [(sku, pieces)], placed_at=utcnow() - timedelta(days=days))
        with writing() as session:
            row = session.get_one(Order, order.id)
            row.total = row.lines[0].total = Decimal(total)
    piece_of = {"1": "A", "9": "B", "4": "C"}
    for sort, order in DAYS.items():
        rows = file_rows(client, "/reports/sales.csv", {"sort": sort, "days": 7})
        assert "".join(piece_of[row["pieces"]] for row in rows) == order, sort
        shown = [date.fromisoformat(row["day"]) for row in rows]
        # The table by shop precedes the one by day.
        assert heads(client, "/reports", {"sort": sort, "days": 7})[-3:] == [f"{day.day} {day:%b %Y}" for day in shown], sort
    for sort, order in SKUS.items():
        assert "".join(cell[0] for cell in heads(client, "/reports/skus", {"sort": sort, "days": 7})) == order, sort
        assert "".join(row["sku"] for row in file_rows(client, "/reports/skus.csv", {"sort": sort})) == order, sort
    page = client.get("/reports?sort=total&days=7").get_data(as_text=True)
    assert '<option selected value="total">' in page and "sales.csv?days=7&amp;sort=total" in page


RUNS = {
    "": "DCBA", "oldest": "ABCD", "started": "CBAD", "longest": "BADC", "integration": "DBCA", "kind": "BADC", "outcome": "CBDA",
    "id; --": "DCBA",
}  # fmt: skip


def run_ids(client, query: dict[str, object]) -> list[int]:
    page = client.get("/activity", query_string=query).get_data(as_text=True)
    return [int(item["id"].removeprefix("run-")) for item in elements(page, "tr") if item.get("id")]


@pytest.mark.both_databases
def test_activity_is_sorted(client):
    garden, toys = (make_integration(name).id for name in ("Garden", "Toys"))
    now = utcnow()
    name_of = {}
    for name, shop, kind, outcome, hours, seconds in (
        ("A", toys, "stock", "done", 10, 60), ("B", garden, "orders", "failed", 9, 300), ("C", toys, "reconciliation", "", None, 0),
        ("D", garden, "listings", "partial", 12, 5.5),
    ):  # fmt: skip
        began = now - timedelta(hours=hours) if hours else None
        ended = {"started_at": began, "finished_at": began + timedelta(seconds=seconds), "state": "finished"} if began else {}
        name_of[add_run(shop, kind=kind, outcome=outcome, **ended)] = name
    for sort, order in RUNS.items():
        assert "".join(name_of[run_id] for run_id in run_ids(client, {"sort": sort})) == order, sort
        rows = file_rows(client, "/activity/runs.csv", {"sort": sort})
        assert "".join(name_of[int(row["run"])] for row in rows) == order, sort


def test_sorted_activity_is_paged_and_keeps_its_filters(client):
    shop, other = make_integration("Garden").id, make_integration("Toys").id
    now = utcnow()
    for _ in range(60):
        add_run(shop, state="finished", outcome="done", started_at=now, finished_at=now)
    add_run(other, state="finished", outcome="failed", started_at=now, finished_at=now)
    for sort in ("started", "longest", "outcome"):
        query = {"sort": sort, "integration": "gar"}
        page = client.get("/activity", query_string=query).text
        following = parse_qs(urlsplit(next_page(page)).query)
        first, second = run_ids(client, query), run_ids(client, following)
        assert (len(first), len(second)) == (50, 10) and [*first, *second] == sorted({*first, *second}, reverse=True)
        assert (following["sort"], following["integration"]) == ([sort], ["gar"]) and "60 in all" in words(page)
    assert run_ids(client, {"sort": "outcome", "page": 10**30}) and run_ids(client, {"sort": "outcome", "page": "x"})
