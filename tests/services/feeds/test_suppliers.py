"""Suppliers and feeds are set up, changed and removed; secrets stay inside."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from errors import InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import AuditEntry, Feed, FeedRun, Offer, StockItem
from models.types import utcnow
from services.feeds import overview, removal, suppliers
from tests.support.rows import make_item

URL = "https://supplier.example/stock.csv"


def make_feed(**values) -> int:
    supplier_id = suppliers.create_supplier("Acme", 3, "user:ann")
    return suppliers.create_feed(supplier_id, "user:ann", **{"name": "Stock", "address": URL, "interval_seconds": 3600, **values})


def test_a_supplier_gets_a_feed_that_is_due_and_waits_for_a_person(app):
    feed = suppliers.get_feed(make_feed(auth="basic", user="me", secret="correct horse battery"))
    assert feed.due_at is not None and feed.approved_at is None
    assert suppliers.secret_of(feed) == "correct horse battery"
    assert feed.secret_last4 == "tery" and b"horse" not in feed.secret_encrypted
    [row] = overview.list_suppliers()
    failing = [each for each in row.feeds if each.state == "failing"]
    assert (row.name, row.lead_days, len(row.feeds), len(failing)) == ("Acme", 3, 1, 0)
    assert db.session.scalar(select(Offer.id)) is None
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.kind for entry in entries] == ["supplier.created", "feed.created"]
    assert "horse" not in str([entry.changes for entry in entries])


def test_names_are_taken_once_in_any_case_until_the_supplier_is_removed(app):
    first = suppliers.create_supplier("Acme  Ltd", None, "user:ann")
    with pytest.raises(NameTaken):
        suppliers.create_supplier("ACME ltd", None, "user:ann")
    assert suppliers.find_supplier("acme LTD").id == first
    removal.remove_supplier(first, "user:ann")
    with pytest.raises(NotFound):
        suppliers.get_supplier(first)
    second = suppliers.create_supplier("acme ltd", None, "user:ann")
    other = suppliers.create_supplier("Other", None, "user:ann")
    with pytest.raises(NameTaken):
        suppliers.change_supplier(other, "user:ann", name="Acme Ltd")
    suppliers.change_supplier(second, "user:ann", name="ACME", lead_days=5)
    assert [(row.name, row.lead_days) for row in overview.list_suppliers()] == [("ACME", 5), ("Other", None)]


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"address": "ftp://supplier.example/a.csv"}, "address"),
        ({"address": "https://me:secret@supplier.example/a.csv"}, "address"),
        ({"auth": "basic", "user": "me"}, "secret"),
        ({"auth": "basic", "secret": "long enough"}, "user"),
        ({"auth": "header", "parameter": "X Key", "secret": "long enough"}, "parameter"),
        ({"auth": "header", "parameter": "Host", "secret": "long enough"}, "parameter"),
        ({"auth": "password", "user": "me", "secret": "s"}, "auth"),
        ({"method": "sftp", "auth": "password", "address": "sftp.supplier.example", "user": "me", "secret": "s"}, "path"),
        ({"method": "sftp", "auth": "password", "address": "a b", "path": "/x", "user": "me", "secret": "s"}, "address"),
        ({"method": "sftp", "auth": "key", "address": "h", "path": "/*/x.csv", "user": "me", "secret": "s"}, "path"),
        ({"interval_seconds": 10}, "interval_seconds"),
        ({"zero_percent": 101}, "zero_percent"),
        ({"priority": 0}, "priority"),
        ({"missing": "delete"}, "missing"),
        ({"headings": ["A", "B"], "columns": {"columns": {"sku": "A", "quantity": "C"}}}, "quantity"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_feed_that_cannot_work_is_refused_by_its_field(app, values, field):
    with pytest.raises(InvalidInput) as refused:
        make_feed(**values)
    assert refused.value.field == field


@pytest.mark.one_database
@pytest.mark.config(allow_private_endpoints=())
def test_a_feed_is_fetched_over_tls(app):
    with pytest.raises(InvalidInput) as refused:
        make_feed(address="http://supplier.example/a.csv")
    assert refused.value.field == "address"


def test_a_secret_never_follows_a_feed_to_another_server(app):
    feed_id = make_feed(auth="bearer", secret="a token that is long")
    suppliers.change_feed(feed_id, "user:ann", address="https://supplier.example/other.csv")
    with pytest.raises(InvalidInput) as refused:
        suppliers.change_feed(feed_id, "user:eve", address="https://eve.example/stock.csv")
    assert refused.value.field == "secret"
    suppliers.change_feed(feed_id, "user:ann", address="https://new.example/stock.csv", secret="another token")
    assert suppliers.secret_of(suppliers.get_feed(feed_id)) == "another token"
    suppliers.change_feed(feed_id, "user:ann", auth="none")
    assert suppliers.get_feed(feed_id).secret_encrypted is None


def test_the_audit_trail_shows_an_address_without_its_query(app):
    feed_id = make_feed(address=f"{URL}?customer=4711")
    suppliers.change_feed(feed_id, "user:ann", address=f"{URL}?customer=4712")
    suppliers.change_feed(feed_id, "user:ann", address="https://supplier.example/all.csv?customer=4712")
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.kind.startswith("feed.")).order_by(AuditEntry.id)).all()
    said = [change[1:] for entry in entries for change in entry.changes if change[0] == "address"]
    assert said == [[None, URL], [None, "changed"], [URL, "https://supplier.example/all.csv"]]


def test_another_file_waits_for_a_person_again_and_is_read_as_a_whole(app):
    feed_id = make_feed()
    with writing():
        feed = suppliers.get_feed(feed_id)
        feed.approved_at, feed.etag, feed.digest, feed.succeeded_at = utcnow(), '"1"', "d", utcnow()
    suppliers.change_feed(feed_id, "user:ann", name="All stock", zero_percent=30)
    assert suppliers.get_feed(feed_id).approved_at is not None
    suppliers.change_feed(feed_id, "user:ann", delta=True)
    feed = suppliers.get_feed(feed_id)
    assert (feed.approved_at, feed.etag, feed.digest) == (None, "", "")


def test_disabling_ends_the_schedule_and_enabling_makes_it_due(app):
    feed_id = make_feed()
    suppliers.change_feed(feed_id, "user:ann", enabled=False)
    assert suppliers.get_feed(feed_id).due_at is None
    suppliers.change_feed(feed_id, "user:ann", enabled=True)
    assert suppliers.get_feed(feed_id).due_at <= utcnow()
    changes = db.session.scalars(
        select(AuditEntry.changes).where(AuditEntry.kind == "feed.changed").order_by(AuditEntry.id)
    ).all()
    assert changes == [[["enabled", True, False]], [["enabled", False, True]]]


def test_a_path_that_goes_up_is_refused_where_it_is_new_only(app):
    feed_id = make_feed()
    with pytest.raises(InvalidInput, match="goes up"):
        suppliers.create_feed(
            suppliers.get_feed(feed_id).supplier_id,
            "user:ann",
            name="Other",
            address=f"{URL}/../stock.csv",
            interval_seconds=3600,
        )
    with writing() as session:
        session.get_one(Feed, feed_id).address = "https://supplier.example/../stock.csv"
    suppliers.change_feed(feed_id, "user:ann", enabled=False)
    assert not suppliers.get_feed(feed_id).enabled
    with pytest.raises(InvalidInput, match="goes up"):
        suppliers.change_feed(feed_id, "user:ann", address="https://supplier.example/../other.csv")


def test_a_removed_feed_leaves_its_items_their_stock_as_own_and_its_runs(app):
    feed_id = make_feed(auth="bearer", secret="a token that is long")
    item_id = make_item("A-1", 7).id
    with writing() as session:
        session.get(StockItem, item_id).fed = True
        session.add(Offer(feed_id=feed_id, code="A-1", stock_item_id=item_id, quantity=7, seen_at=utcnow(), changed_at=utcnow()))
        session.add(FeedRun(feed_id=feed_id, state="waiting", actor="schedule"))
    removal.remove_feed(feed_id, "user:ann")
    with pytest.raises(NotFound):
        suppliers.get_feed(feed_id)
    item = db.session.get(StockItem, item_id)
    assert (item.fed, item.on_hand) == (False, 7)
    assert db.session.scalar(select(FeedRun.state)) == "dropped"
    gone = db.session.get(Feed, feed_id)
    assert gone.secret_encrypted is None and gone.due_at is None
