"""What is on hand of fed items follows from fresh offers less what was shipped since; codes are linked, made items or ignored; stale feeds count no
more, as chosen."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import select

from errors import Conflict, InvalidInput, NotFound
from extensions import db, reading, writing
from models import Feed, Incident, Offer, StockEntry, StockItem
from models.types import utcnow
from services.feeds import fed_stock, offers, removal, staleness, unknown_codes
from services.monitoring import stale_feeds
from services.shipping import shipments, voiding
from services.stock import allocations, items, ledger
from tests.blueprints.pages import counted_queries
from tests.support.rows import make_integration, make_item, make_order


def offer_id(feed, code: str) -> int:
    with reading() as session:
        return session.scalar(select(Offer.id).where(Offer.feed_id == feed.id, Offer.code == code))


def order_of(item, quantity: int):
    """An open order that has reserved what there is."""
    item_id = item.id
    order = make_order(make_integration(), "1", [(item, quantity)])
    with writing():
        allocations.pass_on(ledger.load_items([item_id]).values(), actor="test")
    return order


def age(feed, **ago) -> None:
    """Make the feed's last file older."""
    with writing() as session:
        session.get(Feed, feed.id).read_at -= timedelta(**ago)


def test_offers_are_summed_or_the_first_counts(make_feed, on_hand):
    item_id = make_item("A", 1).id
    near, far = make_feed(priority=1), make_feed(priority=2)
    near.begin({"A": 4})
    far.begin({"A": 30})
    assert on_hand("A") == 34
    fed_stock.make_fed([item_id], "user:ann", "first")
    assert on_hand("A") == 4
    near.change(zero_percent=100)
    near.fetch({"A": 0})
    assert on_hand("A") == 30
    near.fetch({"A": 2})
    assert on_hand("A") == 2
    assert [(row.supplier, row.quantity, row.counts) for row in offers.of_item(item_id)] == [
        ("Acme", 2, True),
        ("Acme 2", 30, True),
    ]
    fed_stock.make_own([item_id], "user:ann")
    near.fetch({"A": 3})
    assert on_hand("A") == 2


def test_what_was_shipped_is_subtracted_until_an_offer_seen_later_arrives(feed, on_hand):
    item = make_item("A", 5)
    feed.begin({"A": 10, "B": 1})
    shipments.ship(order_of(item, 3).id, "user:ann")
    assert on_hand("A") == 7
    # A file from before the shipment, in which the supplier has another quantity.
    before = feed.row().read_at.replace(microsecond=0)
    with writing() as session:
        session.get(Feed, feed.id).read_at = before - timedelta(seconds=10)
    feed.serve({"A": 9, "B": 1}, last_modified=format_datetime(before - timedelta(seconds=5), usegmt=True))
    assert feed.fetch() == "done"
    assert on_hand("A") == 6
    # The same quantity, seen after it.
    assert feed.fetch({"A": 9, "B": 2}) == "done"
    assert on_hand("A") == 9


def test_a_shipment_taken_back_that_the_offer_has_not_seen_adds_nothing_at_the_next_file(feed, on_hand):
    item = make_item("A", 5)
    feed.begin({"A": 10, "B": 1})
    shipment_id = shipments.ship(order_of(item, 3).id, "user:ann").shipment_id
    feed.fetch({"A": 7, "B": 1})
    assert on_hand("A") == 7
    voiding.void(shipment_id, "user:ann")
    feed.fetch({"A": 7, "B": 2})
    assert on_hand("A") == 7


def test_quantities_that_leave_out_open_orders_get_their_reservations_back(make_feed, on_hand):
    item = make_item("A", 5)
    item_id = item.id
    order_of(item, 3)
    feed = make_feed(excludes_open_orders=True)
    feed.begin({"A": 10, "B": 1})
    with reading() as session:
        item = session.get(StockItem, item_id)
        assert (item.on_hand, item.reserved, item.available) == (13, 3, 10)


def test_fewer_pieces_than_reserved_release_the_newest_orders(feed, on_hand):
    item = make_item("A", 9)
    feed.begin({"A": 9, "B": 1})
    order_of(item, 6)
    feed.fetch({"A": 4, "B": 1})
    with reading() as session:
        item = session.scalars(select(StockItem).where(StockItem.sku == "A")).one()
        assert (item.on_hand, item.reserved) == (4, 4)


def test_codes_are_linked_with_their_units_made_items_or_ignored(feed, on_hand):
    item_id = make_item("OURS", 3).id
    feed.fetch({"X-1": 5, "X-2": 6, "X-3": 7})
    feed.approve()
    assert offers.count(feed.id) == {"unknown": 3, "ignored": 0, "linked": 0, "missing": 0, "": 3}
    offers.link(offer_id(feed, "X-1"), "ours", "user:ann", units=12)
    assert on_hand("OURS") == 3
    fed_stock.make_fed([item_id], "user:ann")
    assert on_hand("OURS") == 60
    offers.create_item(offer_id(feed, "X-2"), "NEW-2", "user:ann", name="New")
    assert on_hand("NEW-2") == 6
    assert offers.ignore([offer_id(feed, "X-3"), offer_id(feed, "X-1")], True, "user:ann") == 1
    assert offers.count(feed.id) == {"unknown": 0, "ignored": 1, "linked": 2, "missing": 0, "": 3}
    assert [row.code for row in offers.list_page(feed.id, "ignored").rows] == ["X-3"]
    with pytest.raises(InvalidInput):
        offers.link(offer_id(feed, "X-3"), "OURS", "user:ann", units=0)
    with pytest.raises(Conflict):
        offers.create_item(offer_id(feed, "X-3"), "ours", "user:ann")
    offers.unlink(offer_id(feed, "X-1"), "user:ann")
    feed.fetch({"X-1": 1, "X-2": 2, "X-3": 3})
    assert (on_hand("OURS"), on_hand("NEW-2")) == (60, 2)
    with reading() as session:
        assert session.get(StockItem, item_id).fed is False


def test_an_item_that_nobody_offers_cannot_be_fed(app):
    with pytest.raises(InvalidInput):
        fed_stock.make_fed([make_item("A", 1).id], "user:ann")


def test_a_stock_item_added_later_is_linked_by_its_sku_at_the_next_file(feed):
    feed.fetch({"A": 5})
    feed.approve()
    item_id = items.add_stock_item("a", 0, "user:ann").item_id
    feed.fetch({"A": 6})
    assert [row.quantity for row in offers.of_item(item_id)] == [6]


@pytest.mark.parametrize(("choice", "stale", "after"), [("keep", 7, 8), ("hold", 3, 11), ("zero", 3, 11)])
def test_a_stale_feed_counts_as_chosen_until_it_brings_something_new(make_feed, on_hand, choice, stale, after):
    make_item("A", 1)
    feed, other = make_feed(when_stale=choice, stale_after_seconds=3600), make_feed()
    feed.begin({"A": 4, "B": 1})
    other.begin({"A": 3, "B": 1})
    assert staleness.due_feeds() == [] and stale_feeds.review() == 0
    age(feed, hours=2)
    assert staleness.due_feeds() == [feed.id]
    staleness.work(feed.id)
    assert on_hand("A") == stale and staleness.due_feeds() == []
    assert stale_feeds.review() == 1 and stale_feeds.review() == 1
    with reading() as session:
        incident = session.scalars(select(Incident)).one()
        assert (incident.cause, [each[1] for each in incident.facts["feeds"]]) == ("feed_stale", ["Acme: Stock"])
    new = {"A": 8 if choice != "keep" else 5, "B": 1}
    assert feed.fetch(new) == "done"
    assert on_hand("A") == after
    assert stale_feeds.review() == 0
    with reading() as session:
        assert session.scalars(select(Incident)).one().resolved_at is not None


def test_removing_a_feed_leaves_the_others_to_feed_an_item(make_feed, on_hand):
    for sku in ("A", "B"):
        make_item(sku, 1)
    one, two = make_feed(), make_feed()
    one.begin({"A": 4, "B": 6})
    two.begin({"A": 3})
    assert (on_hand("A"), on_hand("B")) == (7, 6)
    removal.remove_feed(one.id, "user:ann")
    assert (on_hand("A"), on_hand("B")) == (3, 6)
    with reading() as session:
        assert {item.sku: item.fed for item in session.scalars(select(StockItem))} == {"A": True, "B": False}
        assert "feed" in set(db.session.scalars(select(StockEntry.cause)))
    assert utcnow() > two.row().read_at


def test_unknown_codes_become_items_in_batches_each_all_or_nothing(feed, on_hand, monkeypatch):
    make_item("C", 1)
    codes = {code: number for number, code in enumerate("ABCDEFGH", 1)}
    feed.fetch(codes)
    feed.approve()
    ids = [offer_id(feed, code) for code in codes]
    few, all_of_them = ids[:2], ids[3:]
    with counted_queries() as queries:
        assert unknown_codes.create_items([*few, ids[2]], "user:ann") == unknown_codes.Created(2, ["C: It is linked already."])
    assert (on_hand("A"), on_hand("B"), on_hand("C")) == (1, 2, 1) and len(queries) < 60
    monkeypatch.setattr(unknown_codes, "BATCH", 2)
    make_fed, made = fed_stock.make_fed, []

    def break_in_the_second(item_ids, actor):
        made.append(item_ids)
        make_fed(item_ids, actor)
        if len(made) == 2:
            raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(fed_stock, "make_fed", break_in_the_second)
        with pytest.raises(RuntimeError):
            unknown_codes.create_items(all_of_them, "user:ann")
    with reading() as session:
        assert set(session.scalars(select(StockItem.sku))) == set("ABCDE")
        assert session.scalar(select(Offer.stock_item_id).where(Offer.id == ids[5])) is None
    assert unknown_codes.create_items(all_of_them, "user:ann").created == 3
    assert [on_hand(code) for code in "DEFGH"] == [4, 5, 6, 7, 8]
    with pytest.raises(NotFound):
        unknown_codes.create_items([4711], "user:ann")
