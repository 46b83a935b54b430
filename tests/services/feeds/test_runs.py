"""A feed is fetched, compared and applied; what is doubtful waits for a person, and what is wrong changes nothing."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import select

from errors import Conflict, LeaseLost
from extensions import db, reading, writing
from models import Feed, FeedRun, FeedRunRow, Listing, Offer, StockEntry, StockItem
from models.types import utcnow
from services.feeds import applying, runs
from tests.support.remote_files import login_page
from tests.support.rows import make_integration, make_item, make_listing

TEN = {f"A-{number}": 10 for number in range(10)}


def rows_of(run_id: int) -> list[tuple]:
    with reading() as session:
        row = FeedRunRow
        return [
            tuple(each)
            for each in session.execute(
                select(row.kind, row.code, row.before, row.quantity).where(row.run_id == run_id).order_by(row.id)
            )
        ]


def test_the_first_run_waits_and_approving_it_feeds_the_items_it_names(feed, on_hand):
    listing = make_listing(make_integration(), "A-1", quantity=3)
    make_item("A-1", 3)
    make_item("B-1", 4)
    assert feed.fetch({"a-1": 7, "X-9": 2}) == "waiting"
    run = feed.run()
    assert [each["code"] for each in run.problems] == ["first_run"]
    assert (run.rows, run.changed, run.unknown, run.zeroed, run.missing) == (2, 2, 1, 0, 0)
    assert (feed.offers(), on_hand("A-1")) == ({}, 3)
    with pytest.raises(Conflict):
        runs.start(feed.id, "user:ann")

    assert feed.approve(make_fed=True) == "done"
    assert (on_hand("A-1"), on_hand("B-1")) == (7, 4)
    with reading() as session:
        entry = session.scalars(select(StockEntry).where(StockEntry.cause == "feed")).one()
        assert (entry.on_hand_change, entry.feed_run_id, entry.note, entry.actor) == (4, run.id, "Acme: Stock", "user:ann")
        assert session.get(Listing, listing.id).stale or not session.get(Listing, listing.id).links
        row = feed.row()
        assert row.approved_at is not None and row.read_at == feed.run().seen_at and row.rows == 2


def test_only_what_differs_is_staged_and_applied_without_a_person(feed, on_hand):
    for sku in TEN:
        make_item(sku, 1)
    feed.begin(TEN)
    assert feed.fetch({**TEN, "A-3": 4, "N-1": 5}) == "done"
    assert rows_of(feed.run_id) == [("changed", "A-3", 10, 4), ("new", "N-1", None, 5)]
    assert (on_hand("A-3"), on_hand("A-4")) == (4, 10)
    assert feed.run().items == 1


def test_an_own_item_keeps_its_stock_whatever_a_feed_offers(feed, on_hand):
    make_item("A-1", 3)
    feed.fetch({"A-1": 7})
    feed.approve()
    feed.fetch({"A-1": 8})
    assert (feed.offers(), on_hand("A-1")) == ({"A-1": 8}, 3)


@pytest.mark.parametrize(
    ("rows", "limit"),
    [
        ({**TEN, **{f"A-{number}": 0 for number in range(3)}}, "zero"),
        ({f"A-{number}": 10 for number in range(7)}, "rows"),
        ({**TEN, "A-1": "many"}, "unreadable"),
        ({**TEN, "A-1": ""}, "unreadable"),
    ],
)
def test_a_safety_limit_makes_a_run_wait_and_dropping_it_changes_nothing(feed, on_hand, rows, limit):
    for sku in TEN:
        make_item(sku, 1)
    feed.begin(TEN)
    assert feed.fetch(rows) == "waiting"
    assert [each["code"] for each in feed.run().problems] == [limit]
    assert feed.offers() == TEN
    runs.drop(feed.run_id, "user:ann")
    assert (feed.offers(), {on_hand(sku) for sku in TEN}) == (TEN, {10})
    # The same file does not ask again, and another one is read.
    assert feed.fetch() == "dropped"
    assert feed.fetch({**TEN, "A-2": 9}) == "done"


def test_what_waits_is_applied_once_a_person_approves_it(feed, on_hand):
    make_item("A-1", 1)
    feed.begin(TEN)
    assert feed.fetch(dict.fromkeys(TEN, 0)) == "waiting"
    assert feed.approve() == "done"
    assert on_hand("A-1") == 0


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b"sku,quantity\n", "empty"),
        (b"code,stock\nA-1,0\n", "columns"),
        (b"sku,quantity\nA-1,0\n" * 3 + b'"', "invalid_input"),
        (b"\x89PNG....", "invalid_input"),
    ],
)
def test_a_file_that_cannot_be_used_fails_with_its_reason_and_changes_nothing(feed, on_hand, body, code):
    make_item("A-1", 1)
    feed.begin(TEN)
    assert feed.fetch(body) == "failed"
    run, row = feed.run(), feed.row()
    assert (run.error_code, row.error_code, row.failures) == (code, code, 1)
    assert run.error and row.failing_since is not None
    assert (feed.offers(), on_hand("A-1"), rows_of(run.id)) == (TEN, 10, [])
    assert feed.fetch({**TEN, "A-1": 9}) == "done"
    assert (feed.row().failures, feed.row().error) == (0, "")


@pytest.mark.one_database
def test_a_login_page_and_a_truncated_file_fail_and_only_what_may_pass_is_tried_again_soon(feed):
    feed.begin(TEN)
    feed.web.files[feed.path] = login_page()
    assert feed.fetch() == "failed"
    assert (feed.run().error_code, feed.row().retry_at) == ("page", None)
    assert "tries again" not in feed.row().advice
    feed.serve(dict.fromkeys(TEN, 0), fault="truncated")
    assert feed.fetch() == "failed"
    assert feed.run().error_code == "cut"
    assert feed.run().advice == feed.row().advice == "Nothing was used of it. Cartlink tries again."
    assert timedelta(seconds=30) < feed.row().retry_at - utcnow() <= timedelta(seconds=120)
    assert feed.offers() == TEN


def test_columns_of_a_supplier_are_assigned_and_read_with_their_transforms(feed, on_hand):
    make_item("A-1", 1)
    body = b"Artikel;Name;Bestand\nA-1;Lampe;In stock\nA-2;Tisch;1.200\nA-3;Stuhl;>50\n"
    assert feed.fetch(body) == "failed"
    row = feed.row()
    assert (row.error_code, row.headings, row.sample[0]) == (
        "columns",
        ["Artikel", "Name", "Bestand"],
        ["A-1", "Lampe", "In stock"],
    )
    options = {"words": {"In stock": 25}, "decimal": ",", "buffer": 5}
    feed.change(columns={"columns": {"sku": "Artikel", "quantity": "Bestand"}, "options": options})
    assert feed.fetch() == "waiting"
    feed.approve(make_fed=True)
    assert feed.offers() == {"A-1": 20, "A-2": 1195, "A-3": 45}
    assert on_hand("A-1") == 20
    assert feed.fetch(b"Artikel;Name\nA-1;Lampe\n") == "failed"
    assert "no column Bestand" in feed.run().error


def test_an_unchanged_file_costs_nothing_and_does_not_make_offers_newer(feed):
    feed.begin(TEN)
    read_at = feed.row().read_at
    assert feed.fetch() == "unchanged"
    assert feed.row().read_at == read_at
    feed.serve(TEN, etag='"1"')
    assert feed.fetch() == "unchanged"
    assert feed.fetch() == "unchanged"
    assert feed.web.asked[-1].headers["if-none-match"] == '"1"'
    modified = (utcnow() + timedelta(seconds=1)).replace(microsecond=0)
    feed.serve(TEN, last_modified=format_datetime(modified, usegmt=True))
    assert feed.fetch() == "unchanged"
    assert feed.row().read_at > read_at


def test_missing_codes_are_kept_unless_the_feed_says_otherwise(make_feed, on_hand):
    for sku in TEN:
        make_item(sku, 1)
    few = dict.fromkeys(list(TEN)[:9], 10)
    keeps, zeroes, later = make_feed(), make_feed(missing="zero"), make_feed(missing="zero_after", missing_after=2)
    for each in (keeps, zeroes, later):
        each.begin(TEN)
        assert each.fetch(few) == "done"
        assert each.run().missing == 1
    assert [each.offers()["A-9"] for each in (keeps, zeroes, later)] == [10, 0, 10]
    assert on_hand("A-9") == 20
    more = {**few, "A-0": 11}
    for each in (keeps, zeroes, later):
        assert each.fetch(more) == "done"
    assert [each.offers()["A-9"] for each in (keeps, zeroes, later)] == [10, 0, 0]
    for each in (keeps, zeroes, later):
        each.fetch(TEN)
    assert [each.offers() for each in (keeps, zeroes, later)] == [TEN] * 3
    assert on_hand("A-9") == 30


def test_a_delta_feed_leaves_what_it_does_not_name(make_feed, on_hand):
    make_item("A-1", 1)
    feed = make_feed(delta=True)
    feed.begin(TEN)
    assert feed.fetch({"A-1": 4}) == "done"
    assert feed.offers() == {**TEN, "A-1": 4}
    assert feed.run().missing == 0


def test_rows_in_another_order_and_twice_are_found(feed):
    feed.begin(TEN)
    backwards = dict(reversed(TEN.items())) | {"A-5": 6}
    assert (
        feed.fetch("\n".join(["sku,quantity", *(f" {code.lower()},{n}" for code, n in backwards.items()), "A-5,6", ""]).encode())
        == "done"
    )
    assert feed.offers() == {**TEN, "A-5": 6}
    assert feed.run().missing == 0
    feed.change(unreadable_percent=50)
    assert (
        feed.fetch(
            b"sku,quantity\n" + b"".join(f"{code},{n}\n".encode() for code, n in TEN.items()) + b"A-5,9\nN,1\nN,2\nM,1\nM,1\n"
        )
        == "done"
    )
    assert feed.offers() == {**TEN, "N": 1, "M": 1}
    assert [kind for kind, *_ in rows_of(feed.run_id)].count("unreadable") == 2


def test_undo_puts_offers_and_stock_back_and_the_next_run_waits(feed, on_hand):
    for sku in TEN:
        make_item(sku, 1)
    make_item("N-1", 2)
    feed.begin(TEN)
    feed.change(missing="zero", zero_percent=5)
    runs.work(runs.start(feed.id, "user:ann"))
    run_id = feed.run_id
    assert feed.fetch({**dict.fromkeys(list(TEN)[:9], 10), "A-1": 3, "N-1": 5}) == "waiting"
    feed.approve(make_fed=True)
    assert [on_hand(sku) for sku in ("A-1", "A-9", "N-1")] == [3, 0, 5]
    with pytest.raises(Conflict):
        applying.undo(run_id, "user:ann")
    applying.undo(feed.run_id, "user:ann")
    assert feed.offers() == TEN
    assert [on_hand(sku) for sku in ("A-1", "A-9", "N-1")] == [10, 10, 2]
    with reading() as session:
        assert session.scalar(select(StockItem.fed).where(StockItem.sku == "N-1")) is False
    with pytest.raises(Conflict):
        applying.undo(feed.run_id, "user:ann")
    assert feed.fetch() == "waiting"


def test_a_worker_that_dies_leaves_the_old_and_the_next_one_does_it_all(feed, on_hand, monkeypatch):
    make_item("A-1", 1)
    feed.begin(TEN)
    feed.serve({**TEN, "A-1": 5})
    for name in ("_change_offers", "_add_offers", "_link_known"):

        def die(*args):
            raise SystemExit

        with monkeypatch.context() as dying:
            dying.setattr(applying, name, die)
            run_id = next(iter(runs.due_runs()), None) or runs.start(feed.id, "user:ann")
            with pytest.raises(SystemExit):
                runs.work(run_id)
        assert (feed.offers(), on_hand("A-1")) == (TEN, 10)
        with writing() as session:
            session.get(FeedRun, run_id).lease_until = utcnow() - timedelta(seconds=1)
    runs.work(run_id)
    assert (feed.offers()["A-1"], on_hand("A-1"), runs.get_run(run_id).state) == (5, 5, "done")


def test_a_worker_that_lost_its_lease_changes_nothing(feed, monkeypatch):
    feed.begin(TEN)
    feed.serve({**TEN, "A-1": 5})
    run_id = runs.start(feed.id, "user:ann")
    compare = applying.apply

    def robbed(claim):
        with writing() as session:
            session.get(FeedRun, run_id).token = "another"
        with pytest.raises(LeaseLost):
            compare(claim)

    monkeypatch.setattr(applying, "apply", robbed)
    runs.work(run_id)
    assert (feed.offers(), runs.get_run(run_id).state) == (TEN, "running")


def test_the_schedule_starts_what_is_due_once_and_a_retry_before_it(make_feed):
    feed = make_feed(interval_seconds=3600)
    feed.serve(TEN)
    [run_id] = runs.start_due()
    assert runs.start_due() == [] and runs.due_runs() == [run_id]
    assert timedelta(minutes=59) < feed.row().due_at - utcnow() <= timedelta(hours=1)
    feed.serve(TEN, fault="truncated")
    runs.work(run_id)
    assert runs.start_due() == []
    with writing() as session:
        session.get(Feed, feed.id).retry_at = utcnow()
    feed.serve(TEN)
    [again] = runs.start_due()
    runs.work(again)
    assert (runs.get_run(again).trigger, runs.get_run(again).state) == ("retry", "waiting")
    with writing() as session:
        session.get(Feed, feed.id).due_at = utcnow()
    assert runs.start_due() == []  # it waits for a person
    runs.approve(again, "user:ann")
    runs.work(again)
    feed.change(enabled=False)
    assert runs.start_due() == []
    feed.change(enabled=True)
    assert len(runs.start_due()) == 1


def test_another_assignment_drops_what_waits_for_a_person(feed):
    assert feed.fetch(TEN) == "waiting"
    feed.change(delta=True)
    assert feed.run().state == "dropped"
    assert feed.fetch() == "waiting"
    with reading() as session:
        assert session.scalar(select(Offer.id)) is None
        assert db.session.scalar(select(FeedRun.state).order_by(FeedRun.id.desc())) == "waiting"
