"""Lists: paged, filtered, sorted, and as many statements for many rows as for few."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta

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
from tests.blueprints.pages import counted_queries, element, elements, next_page, words
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
    assert client.get("/activity/changes?page=99999999999999999999").status_code == 422


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
    assert " on hand went from 10 to 7; 5 are available now." in words(page)


def test_a_filter_that_is_none_filters_nothing_and_breaks_nothing(client):
    integration = make_integration()
    make_order(integration, "1", [("X", 1)])
    for path in ("/orders?state=zzz&age=x&sort=y&shop=99&page=-4", "/stock?low=abc&sort=q", "/listings?sort=x",
                 "/reports/reconciliation?only=x&shop=zz", "/listings/drift?all=7", "/activity/changes?shop=-1", "/reports?days=9&shop=x"):  # fmt: skip
        assert client.get(path).status_code == 422, path
    assert db.session.scalar(select(Order.placed_at)) < datetime.now(UTC)
    assert db.session.scalars(select(Listing)).all() == db.session.scalars(select(Link)).all() == []
    assert db.session.scalar(select(StockItem.id)) is None


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
    assert "On hand is 7, as on " in page and "; 7 are available now." in page


def test_the_audit_trail_says_that_days_are_the_wrong_way_round(client):
    page = words(client.get("/activity/changes?since=2026-12-01&until=2026-11-01").text)
    assert "The last day is before the first day. Change the filters" in page
    assert "The last day is before" not in words(client.get("/activity/changes?since=2026-12-01&until=2026-12-02").text)


def test_a_search_for_an_order_that_is_not_there_leads_to_the_search_in_the_shops(client):
    """Cartlink asks the shops for it under ‘Find an order’, which nobody looks for under ‘More’."""
    page = client.get("/orders?q=1041").text
    assert "Orders that are not downloaded yet are found with Find an order." in words(element(page, "main").text)
    assert any(link["href"] == "/orders/find?q=1041" for link in elements(page, "a"))
    assert "not downloaded yet" not in client.get("/orders?state=ready").text
