"""What is forgotten after its time, and what never is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

import jobs
from extensions import db as database
from extensions import writing
from jobs import retention as job
from jobs import schedule
from models import (
    AuditEntry,
    DailyReconciliation,
    Draft,
    Drift,
    Incident,
    OrderChange,
    RunItem,
    ShipmentFile,
    StockEntry,
    StockFile,
    StockFileRow,
    SyncRun,
    UserCode,
)
from models.types import utcnow
from services.onboarding import drafts
from services.operations import metrics, retention
from services.stock import files
from tests.support.rows import make_integration, make_item, make_listing, make_order

pytestmark = pytest.mark.both_databases
LONG_AGO = utcnow() - timedelta(days=200)


def ended_run(integration, kind: str = "orders", *, days: float = 200, **values) -> int:
    at = utcnow() - timedelta(days=days)
    integration_id = integration.id
    with writing() as session:
        given = {"state": "finished", "outcome": "done", "actor": "schedule", "created_at": at, "finished_at": at} | values
        run = SyncRun(integration_id=integration_id, kind=kind, **given)
        session.add(run)
        session.flush()
        return run.id


def add(*rows) -> None:
    with writing() as session:
        session.add_all(rows)


def kept() -> set[int]:
    database.session.rollback()
    return set(database.session.scalars(select(SyncRun.id)))


def forget() -> retention.Forgotten:
    metrics.roll_up()
    return retention.forget_old()


def test_an_idle_run_is_forgotten_with_its_rows_and_its_sum_stays(app):
    integration = make_integration()
    old, last = ended_run(integration, requests=2), ended_run(integration, days=150, requests=3)
    add(*(RunItem(run_id=old, sku=str(number), result="unreadable") for number in range(5)))
    young = ended_run(integration, days=10, requests=5)
    done = forget()
    assert (done.runs, done.results, done.whole) == (2, 5, True)
    assert kept() == {young}
    assert last not in kept()
    assert metrics.read_metrics().requests == {str(integration.id): 10}
    assert forget().runs == 0


def test_a_run_that_something_names_stays_and_so_does_the_latest_of_each_kind(app):
    integration = make_integration()
    item = make_item("CUP")
    order, listing = make_order(integration, "1", [(item, 1)]), make_listing(integration, "CUP", 1)
    named = [ended_run(integration) for _ in range(6)]
    add(
        StockEntry(stock_item_id=item.id, actor="x", cause="sale", run_id=named[0]),
        OrderChange(order_id=order.id, run_id=named[1], fields={}),
        DailyReconciliation(shop_id=integration.shop_id, day=LONG_AGO.date(), shop_orders=0, our_orders=0, run_id=named[2]),
        Drift(listing_id=listing.id, run_id=named[3], expected=1, found=2),
    )
    with writing() as session:
        session.get(type(integration), integration.id).waiting_run_id = named[4]
    latest = {ended_run(integration, kind, days=100) for kind in ("orders", "stock", "listings")}
    forget()
    assert kept() == {*named[:5], *latest}


def test_the_latest_stock_run_that_sent_something_can_be_undone_for_good(app):
    integration = make_integration()
    first, second = (ended_run(integration, "stock", days=days) for days in (300, 250))
    add(*(RunItem(run_id=run_id, sku="CUP", result="sent", now=1, stored=2) for run_id in (first, second)))
    idle = [ended_run(integration, "stock", days=days) for days in (200, 180, 5)]
    forget()
    assert kept() == {second, idle[-1]}
    assert database.session.scalar(select(func.count()).select_from(RunItem)) == 1


def test_what_is_at_work_or_not_counted_yet_stays(app):
    integration = make_integration()
    live = ended_run(integration, state="running", outcome="", finished_at=None, lease_token="x", lease_until=utcnow())
    first, second = ended_run(integration, "stock"), ended_run(integration, "stock", days=10)
    # Without a roll-up nothing is forgotten beyond what has been counted; the first roll-up counts all.
    assert metrics.roll_up() == 2
    retention.forget_old()
    assert kept() == {live, second}
    assert first not in kept()


def test_audit_lines_messages_files_and_codes_go_after_their_time(app):
    integration = make_integration()
    make_item("CUP")
    drafts.create("add", "xcart", "user:ann", {"name": "Begun"})
    add(
        AuditEntry(at=utcnow() - timedelta(days=800), actor="x", kind="order.seen", object="order", subject="old"),
        AuditEntry(at=LONG_AGO, actor="x", kind="order.seen", object="order", subject="young"),
        Incident(integration_id=integration.id, cause="wrong_key", since=LONG_AGO, opened_at=LONG_AGO, resolved_at=LONG_AGO),
        Incident(integration_id=integration.id, cause="outage", since=LONG_AGO, opened_at=LONG_AGO),
        ShipmentFile(actor="x", created_at=LONG_AGO, rows=[]),
        ShipmentFile(actor="x", rows=[]),
        UserCode(purpose="password", code_hash=b"1", expires_at=LONG_AGO),
        Draft(token="x", purpose="add", kind="xcart", actor="x", expires_at=LONG_AGO, answers_encrypted=b"with a customer"),
    )
    old, young = (files.upload(b"sku,quantity\nCUP,5\n", "file.csv", "test") for _ in range(2))
    for file_id in (old, young):
        files.work(file_id)
    with writing() as session:
        session.get(StockFile, old).created_at = LONG_AGO
    done = forget()
    assert (done.changes, done.messages, done.files, done.sign_ins) == (1, 1, 2, 2)
    assert [draft.token == "x" for draft in database.session.query(Draft)] == [False]
    assert list(database.session.scalars(select(AuditEntry.subject).where(AuditEntry.actor == "x"))) == ["young"]
    assert list(database.session.scalars(select(Incident.cause))) == ["outage"]
    assert list(database.session.scalars(select(StockFile.id))) == [young]
    assert database.session.scalar(select(func.count()).select_from(StockFileRow)) == 1


@pytest.mark.config(keep_runs_days=0, keep_changes_days=0, keep_deliveries_days=0, keep_files_days=0)
def test_nought_days_keep_everything(app):
    integration = make_integration()
    runs = {ended_run(integration), ended_run(integration, days=1)}
    add(AuditEntry(at=LONG_AGO, actor="x", kind="order.seen", object="order"))
    done = forget()
    assert (done.runs, done.changes) == (0, 0)
    assert kept() == runs


def test_stopped_in_the_middle_it_goes_on_next_time(app, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    integration = make_integration()
    at = LONG_AGO
    with writing() as session:
        rows = [
            {"integration_id": integration.id, "kind": "orders", "state": "finished", "outcome": "done", "actor": "x",
             "finished_at": at + timedelta(seconds=number), "created_at": at + timedelta(seconds=number)} for number in range(45)
        ]  # fmt: skip
        session.execute(insert(SyncRun), rows)
    metrics.roll_up()
    asked = iter([False] * 8)
    done = retention.forget_old(lambda: next(asked, True))
    assert not done.whole
    assert 0 < done.runs < 44
    assert retention.is_due()
    again = retention.forget_old()
    assert again.whole
    assert (done.runs + again.runs, len(kept())) == (44, 1)
    assert not retention.is_due()


@pytest.mark.one_database
def test_a_tick_has_it_done_once_a_day(app, commands):
    make_integration(orders_due_at=None, stock_due_at=None, listings_due_at=None, enabled=False)
    for _ in range(2):
        schedule.tick()
    assert jobs.queue("sync").job_ids.count("forgetting") == 1
    job.run()
    assert not retention.is_due()
    assert commands.done("retention", "run") == "Forgotten: nothing.\n"
    assert "90 days" in commands.done("retention", "show")
