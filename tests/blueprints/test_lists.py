"""Lists: paged, filtered, sorted, and as many statements for many rows as for few."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import insert, select

from extensions import db, writing
from models import (
    Allocation,
    AuditEntry,
    DailyReconciliation,
    Drift,
    FeedRun,
    FeedRunRow,
    Integration,
    Link,
    Listing,
    Offer,
    Order,
    OrderChange,
    OrderLine,
    Oversell,
    StockEntry,
    StockItem,
)
from models.types import utcnow
from services.reports import reconciliation
from services.security import trail
from services.shipping import shipments
from services.shipping.shipments import Together
from services.shipping.undo import WAIT
from services.stock import views
from tests.blueprints.pages import counted_queries, elements, next_page, words
from tests.blueprints.rows import add_incident, add_run
from tests.support.planted import supply
from tests.support.rows import make_integration, make_item, make_listing, make_order
from tests.support.signed_in import user_called


def fill(integration: Integration, start: int, count: int) -> None:
    """So many of everything a list shows."""
    kit = None
    for number in range(start, start + count):
        item = make_item(f"SKU-{number:03}", 10)
        supply(item.id, f"Supplier {number}")
        listing = make_listing(integration, item.sku, 9, item=item)
        if kit is None:
            kit = make_listing(integration, f"SET-{number}", 2, item=item)
        order = make_order(integration, str(number), [(item, 1), (f"X-{number}", 2)], state="on_hold", held_codes=["unknown_sku"])
        with writing() as session:
            part = make_part(order.id, item.id)
            session.add_all([
                part, Drift(listing_id=listing.id, expected=9, found=7),
                DailyReconciliation(shop_id=listing.shop_id, day=date(2026, 1, 1) + timedelta(days=number), shop_orders=1, our_orders=1,
                        differences=[{"number": "7", "reason": "The totals differ.", "ours": "1", "theirs": "2"}] if number % 2 else []),
                AuditEntry(actor="user:ann" if number % 2 else "user:bob", kind="order.seen", object="order", object_id=order.id,
                           integration_id=integration.id, subject=order.number, changes=[["hold", "a", ""]]),
                StockEntry(stock_item_id=item.id, actor="test", cause="start", on_hand_change=10),
                OrderChange(order_id=order.id, fields={"total": ["1", str(number)]}),
            ])  # fmt: skip


def make_part(order_id: int, item_id: int) -> Allocation:
    line = db.session.scalar(select(OrderLine).where(OrderLine.order_id == order_id, ~OrderLine.allocations.any()))
    return Allocation(order_line_id=line.id, stock_item_id=item_id, units=2)


LISTS = (
    "/orders", "/orders/held", "/stock", "/listings", "/listings/drift", "/activity", "/activity/changes", "/reports", "/reports/skus",
    "/reports/reconciliation", "/suppliers", "/suppliers/unknown-codes", "/orders/orders.csv", "/stock/stock.csv", "/listings/listings.csv",
)  # fmt: skip


def assert_asked_as_little(many: dict[str, int], few: dict[str, int]) -> None:
    """Rows that fit on one page are not counted by a statement of their own; more are, by one."""
    assert {path: number for path, number in many.items() if number not in (few[path], few[path] + 1)} == {}


def test_a_list_asks_as_little_for_many_rows_as_for_few(client):
    integration = make_integration()
    fill(integration, 0, 2)
    few = {path: asked(client, path) for path in LISTS}
    fill(integration, 2, 23)
    many = {path: asked(client, path) for path in LISTS}
    assert_asked_as_little(many, few)
    assert max(many.values()) <= 14, many


def test_the_page_of_an_order_asks_as_little_for_many_lines_as_for_few(client):
    integration = make_integration(part_shipped_status="H")
    items = [make_item(f"SKU-{number}", 10) for number in range(30)]
    small = make_order(integration, "1", [(items[0], 1), ("SET", 1)]).id
    large = make_order(integration, "2", [*((item, 1) for item in items), *((f"SET-{n}", 1) for n in range(20))]).id
    for order_id in (small, large):
        with writing() as session:
            for line in session.scalars(select(OrderLine).where(OrderLine.order_id == order_id, ~OrderLine.allocations.any())):
                session.add_all([Allocation(order_line_id=line.id, stock_item_id=item.id, units=2) for item in items[:3]])
    with writing() as session:
        session.add_all([
            Oversell(stock_item_id=item.id, order_id=large if item.id % 2 else small, other_order_id=small if item.id % 2 else large, units=1)
            for item in items[:10]
        ])  # fmt: skip
    assert asked(client, f"/orders/{large}") <= asked(client, f"/orders/{small}")
    assert asked(client, f"/orders/{large}") <= 20
    # Its shipment, its write-back and its integration are read once, whatever is said of them.
    sent = make_order(integration, "3", [(items[0], 1), (items[1], 1)])
    sent_id, part = sent.id, {sent.lines[0].id: 1}
    shipments.ship(sent_id, "user:owner", tracking_number="T1", quantities=part, together=Together(WAIT))
    assert asked(client, f"/orders/{sent_id}") <= 22


def asked(client, path: str) -> int:
    with counted_queries() as queries:
        assert client.get(path).status_code == 200, path
    return len(queries)


def test_the_audit_trail_is_paged_and_searched(client):
    with writing() as session:
        session.execute(
            insert(AuditEntry.__table__),
            [{"at": utcnow() + timedelta(seconds=n), "actor": "user:ann" if n % 2 else "user:bob", "kind": "stock_item.changed",
              "object": "stock_item", "object_id": n, "subject": f"SKU {n}", "changes": [["on_hand", n, n + 1]]} for n in range(120)],
        )  # fmt: skip
    user_called("bob")
    first = client.get("/activity/changes").get_data(as_text=True)
    assert "SKU 119" in words(first) and "SKU 69" not in words(first) and "more than" not in words(first).lower()
    assert client.get("/activity/changes?page=3").text.count("SKU 119") == 1
    found = trail.list_page(trail.Wanted(actor="user:bob")).rows
    assert {row.actor for row in found} == {"user:bob"} and trail.list_page(trail.Wanted(search="sku 7")).total == 11
    rows = list(csv.DictReader(io.StringIO(client.get("/activity/changes.csv?who=user:bob&of=stock_item").text.lstrip("\ufeff"))))
    assert (len(rows), rows[0]["name"], rows[0]["field"], rows[0]["after"]) == (60, "SKU 118", "On hand", "119")
    assert client.get("/activity/changes?page=99999999999999999999").status_code == 200


def test_daily_reconciliations_are_paged_and_those_with_differences_picked_out(client):
    integration = make_integration()
    with writing() as session:
        for n in range(70):
            different = [{"number": "7", "reason": "The totals differ.", "ours": "1", "theirs": "2"}] if n % 10 == 0 else []
            session.add(DailyReconciliation(shop_id=integration.shop_id, day=date(2026, 1, 1) + timedelta(days=n), zone="Europe/Vienna",
                                shop_orders=n, our_orders=n, differences=different))  # fmt: skip
    page = client.get("/reports/reconciliation").text
    for _ in range(2):
        page = client.get(next_page(page)).text
    cells = [words(cell.text) for cell in elements(page, "th") if cell.get("scope") == "row"]
    assert "70 in all" in words(page) and cells[-1] == "1 Jan 2026 Europe/Vienna"
    assert reconciliation.list_page(different=True).total == 7
    only = words(client.get("/reports/reconciliation?only=different").get_data(as_text=True))
    assert "7: The totals differ. 2 in the shop, 1 in Cartlink" in only and "Equal" not in only
    assert len(client.get("/reports/reconciliation.csv?only=different").text.splitlines()) == 8


def test_the_ledger_is_paged_and_every_line_says_what_it_led_to(client, monkeypatch):
    monkeypatch.setattr(views, "LEDGER_BATCH", 40)
    item = make_item("SKU", 120)
    with writing() as session:
        for _ in range(120):
            session.add(StockEntry(stock_item_id=item.id, actor="test", cause="set", on_hand_change=1))
    pages = [views.list_ledger(item.id)]
    while pages[-1].next:
        pages.append(views.list_ledger(item.id, pages[-1].next))
    entries = [entry for page in pages for entry in page.rows]
    assert [entry.on_hand for entry in entries] == list(range(120, 0, -1))
    assert list(views.iter_ledger(item.id)) == entries
    assert len(pages) == 3 and "120 in all" in words(client.get(f"/stock/{item.id}").text)
    assert len(client.get(f"/stock/{item.id}/ledger.csv").text.splitlines()) == 121


def test_levels_are_drawn_from_what_they_were_to_what_they_are(client):
    item = make_item("SKU", 7, reserved=2)
    now = utcnow()
    with writing() as session:
        for days, by in ((60, 10), (20, -6), (10, 3)):
            session.add(
                StockEntry(stock_item_id=item.id, actor="test", cause="set", on_hand_change=by, at=now - timedelta(days=days))
            )
        session.add(StockEntry(stock_item_id=item.id, actor="test", cause="sale", reserved_change=2, at=now - timedelta(days=5)))
    levels = views.levels(item.id, now - timedelta(days=30))
    assert [(on_hand, available) for _, on_hand, available in levels] == [(10, 10), (4, 4), (7, 7), (7, 5)]
    page = client.get(f"/stock/{item.id}").get_data(as_text=True)
    assert " on hand went from 10 to 7, at most 10; 5 are available now." in words(page)


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


def test_a_filter_that_is_none_is_passed_over(client):
    integration = make_integration()
    make_order(integration, "1", [("X", 1)])
    for path in ("/orders?state=zzz&age=x&sort=y&shop=99&page=-4", "/stock?low=abc&sort=q", "/stock?low=99999999999999", "/listings?sort=x",
                 "/reports/reconciliation?only=x&shop=zz", "/listings/drift?all=7", "/activity/changes?shop=-1", "/reports?days=9&shop=x"):  # fmt: skip
        assert client.get(path).status_code == 200, path
    assert db.session.scalar(select(Order.placed_at)) < datetime.now(UTC)
    assert db.session.scalars(select(Listing)).all() == db.session.scalars(select(Link)).all() == []
    assert db.session.scalar(select(StockItem.id)) is None


def heads(client, path: str, query: dict[str, object]) -> list[str]:
    """The first cells of a list's rows, from the top."""
    page = client.get(path, query_string=query).get_data(as_text=True)
    return [words(cell.text) for cell in elements(page, "th") if cell.get("scope") == "row"]


def file_rows(client, path: str, query: dict[str, object]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(client.get(path, query_string=query).text.lstrip("\ufeff"))))


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


def test_the_pages_of_a_feed_and_its_run_ask_as_little_for_many_rows_as_for_few(client):
    ids = supply(make_item("SKU", 1).id)
    paths = (
        f"/suppliers/feeds/{ids['feed_id']}", f"/suppliers/runs/{ids['feed_run.run_id']}", f"/suppliers/runs/{ids['feed_run.run_id']}/rows.csv",
        f"/suppliers/{ids['supplier_id']}", "/stock/1",
    )  # fmt: skip
    few = {path: asked(client, path) for path in paths}
    with writing() as session:
        for number in range(30):
            item = StockItem(sku=f"MORE-{number}", on_hand=1)
            session.add(item)
            session.flush()
            session.add(
                FeedRunRow(
                    run_id=ids["feed_run.run_id"], kind="new", line=number, code=item.sku, stock_item_id=item.id, quantity=1
                )
            )
            session.add(FeedRun(feed_id=ids["feed_id"], state="done", actor="schedule"))
            session.add(
                Offer(
                    feed_id=ids["feed_id"], code=f"M-{number}", stock_item_id=1, quantity=1, seen_at=utcnow(), changed_at=utcnow()
                )
            )
    assert_asked_as_little({path: asked(client, path) for path in paths}, few)
    assert max(few.values()) <= 20, few


def test_an_item_whose_stock_did_not_move_says_so(client):
    item = make_item("CUP", 7)
    page = words(client.get(f"/stock/{item.id}").text)
    assert "on hand has been 7; 7 are available now." in page


def test_the_audit_trail_says_that_days_are_the_wrong_way_round(client):
    page = words(client.get("/activity/changes?since=2026-12-01&until=2026-11-01").text)
    assert "The last day is before the first day. Change the filters" in page
    assert "The last day is before" not in words(client.get("/activity/changes?since=2026-12-01&until=2026-12-02").text)
