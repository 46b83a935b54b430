"""Lists are read page by page from where the page before ended: nothing twice, nothing left out, on both databases, in every order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete, update

from extensions import writing
from models import AuditEntry, DailyReconciliation, Drift, Order, StockEntry, SyncRun
from services.accounts import users
from services.listings import views as listings
from services.monitoring import incident_list
from services.orders import views as orders
from services.reports import reconciliation
from services.runs import activity
from services.security import trail
from services.stock import views as stock
from tests.blueprints.rows import add_incident, add_run
from tests.support.rows import make_integration, make_item, make_listing, make_order
from tests.support.signed_in import user_called

THEN = datetime(2026, 5, 1, tzinfo=UTC)
SIZE = 3


@pytest.fixture
def lived_in(app, monkeypatch):
    """Eight rows of everything, half of them equal in what they can be sorted by."""
    for module in (listings, incident_list, orders, reconciliation, activity, trail, stock, users):
        monkeypatch.setattr(module, "PAGE_SIZE", SIZE)
    shops = [make_integration(name) for name in ("Shop", "Other")]
    for number in range(8):
        shop, half = shops[number % 2], number // 2
        item = make_item(f"SKU-{number}", half)
        listing = make_listing(shop, f"S-{number}", half, item=item, name=f"Name {half}")
        make_order(
            shop, f"N{half}", [(item, 1)], placed_at=THEN + timedelta(days=half), customer=f"Ann {half}", external_id=str(number)
        )
        day = date(2026, 1, 1) + timedelta(days=half)
        with writing() as session:
            session.add_all([
                Drift(listing_id=listing.id, expected=half, found=half, seen_at=THEN + timedelta(days=half)),
                DailyReconciliation(shop_id=shop.shop_id, day=day, shop_orders=1, our_orders=1, differences=[{}] * (half % 2)),
                AuditEntry(at=THEN + timedelta(days=half), actor=f"user:{half}", kind="order.seen", object="order", subject=f"N{half}"),
                StockEntry(stock_item_id=1, actor="test", cause="start", on_hand_change=1),
            ])  # fmt: skip
        run_id = add_run(shop.id, kind=("orders", "stock")[half % 2], state="finished", outcome=("done", "failed")[half % 2])
        add_incident(shop.id, cause=("outage", "key_rejected", "orders_failing", "stock_failing")[half])
        with writing() as session:
            run = session.get_one(SyncRun, run_id)
            run.started_at, run.finished_at = None if number == 3 else THEN, THEN + timedelta(seconds=half)
        user_called(f"user {number}")


def lists():
    """Name -> (a function from a place to a page, all rows in the same order)."""
    found = {}
    for sort in orders.SORTS:
        wanted = orders.Wanted(sort=sort, customers=True)
        found[f"orders {sort}"] = (
            lambda place, wanted=wanted: orders.list_page(wanted, place, SIZE),
            flat(orders.iter_rows(wanted)),
        )
    for sort in listings.SORTS:
        wanted = listings.Wanted(sort=sort)
        found[f"listings {sort}"] = (
            lambda place, wanted=wanted: listings.list_page(wanted, place),
            flat(listings.iter_rows(wanted)),
        )
    for sort in listings.DRIFT_SORTS:
        found[f"drift {sort}"] = (
            lambda place, sort=sort: listings.drift_page(place, sort=sort),
            flat(listings.iter_drift(open_only=True, sort=sort)),
        )
    for sort in stock.SORTS:
        found[f"stock {sort}"] = (
            lambda place, sort=sort: stock.list_page(stock.Wanted(sort=sort), place),
            flat(stock.iter_rows(stock.Wanted(sort=sort))),
        )
    for sort in activity.SORTS:
        found[f"runs {sort}"] = (
            lambda place, sort=sort: activity.list_page(sort=sort, place=place).sorted_page,
            flat(activity.iter_rows(sort=sort)),
        )
    for sort in trail.SORTS:
        found[f"audit {sort}"] = (
            lambda place, sort=sort: trail.list_page(trail.Wanted(sort=sort), place, SIZE),
            [row for batch in trail.iter_entries(trail.Wanted(sort=sort)) for row in batch],
        )
    for sort in reconciliation.SORTS:
        days = list(reconciliation.iter_days(sort=sort))
        found[f"days {sort}"] = lambda place, sort=sort: reconciliation.list_page(sort=sort, place=place), days
    for sort in incident_list.SORTS:
        found[f"incidents {sort}"] = lambda place, sort=sort: incident_list.list_page(place, state="all", sort=sort), None
    found["ledger"] = lambda place: stock.list_ledger(1, place), list(stock.iter_ledger(1))
    found["users"] = lambda place: users.list_users(place), None
    return found


def flat(batches):
    return [row for batch in batches for row in batch]


def key(row):
    row = row[0] if isinstance(row, tuple) and not hasattr(row, "_fields") else row
    return getattr(row, "id", None) or repr(row)


@pytest.mark.both_databases
def test_going_on_and_back_shows_every_row_once_in_every_order(lived_in):
    for name, (page_at, rows) in lists().items():
        page, pages = page_at(""), []
        assert page.previous == "", name
        while True:
            pages.append([key(row) for row in page.rows])
            assert len(pages) < 10, name
            if not page.next:
                break
            page = page_at(page.next)
        seen = [each for found in pages for each in found]
        if rows is not None:
            assert seen == [key(row) for row in rows], name
        assert len(seen) == len(set(seen)) == page.total and len(pages) > 1, name
        for before in reversed(pages[:-1]):
            page = page_at(page.previous)
            assert [key(row) for row in page.rows] == before, name
        assert page.previous == "" and page.next, name


def test_addresses_of_another_kind_show_the_first_page(lived_in):
    first, other = orders.list_page(orders.Wanted()), orders.list_page(orders.Wanted(sort="total"))
    for place in ("2", "-1", "9" * 40, "x.y", "\x00", other.next, first.next[:-1], stock.list_page().next):
        assert [row.id for row in orders.list_page(orders.Wanted(), place).rows] == [row.id for row in first.rows], place


def test_rows_that_come_and_go_move_nothing(lived_in):
    first = orders.list_page(orders.Wanted())
    second = orders.list_page(orders.Wanted(), first.next)
    with writing() as session:
        session.execute(update(Order).where(Order.id == first.rows[-1].id).values(placed_at=THEN - timedelta(days=9)))
    assert [row.id for row in orders.list_page(orders.Wanted(), first.next).rows] == [row.id for row in second.rows]


def test_a_place_whose_rows_are_gone_shows_the_beginning(lived_in):
    first = trail.list_page(trail.Wanted(), size=SIZE)
    with writing() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.id <= 5))
    again = trail.list_page(trail.Wanted(), first.next, SIZE)
    assert [row.id for row in again.rows] == [row.id for row in trail.list_page(trail.Wanted(), size=SIZE).rows]


@pytest.mark.both_databases
@pytest.mark.parametrize(("most", "said"), [(2001, (8, False)), (6, (5, True))])
def test_a_search_says_on_each_page_how_much_it_finds(lived_in, most, said):
    wanted = orders.Wanted(search="ann", customers=True, most_found=most)
    first = orders.list_page(wanted, size=SIZE)
    second = orders.list_page(wanted, first.next, SIZE)
    assert [(page.total, page.more, len(page.rows)) for page in (first, second)] == [(*said, SIZE)] * 2
    assert not {row.id for row in first.rows} & {row.id for row in second.rows}
