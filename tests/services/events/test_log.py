"""The event log: what is captured, merged, typed and given positions."""

from __future__ import annotations

import threading
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import text, update

from errors import Gone
from extensions import acting, begin_again, db, one_transaction, writing
from models import Event, EventChange, Order, Shipment, ShipmentLine, StockItem, captured
from models.captured import CAPTURED, LEFT_OUT, TOUCHING
from models.types import utcnow
from services.events import log, sequencer
from services.events.types import TYPES, WORDS
from services.stock import items
from tests.support.rows import make_integration, make_item, make_listing, make_order


def follow(after: int = 0) -> list[dict]:
    """What a program that polls would get."""
    sequencer.give_positions()
    found = [log.payload(event) for event in log.read_after(after, limit=250).events]
    db.session.rollback()
    return found


def types(after: int = 0) -> list[str]:
    return [event["type"] for event in follow(after)]


def test_one_event_for_an_object_and_transaction_with_what_changed_and_who_did_it(app):
    item = make_item("LAMP", 5)
    with acting("user:ann", "page"), writing() as session:
        row = session.get(StockItem, item.id)
        row.on_hand = 4
        session.flush()
        row.on_hand, row.buffer = 3, 1
        session.flush()
    created, changed = follow()
    assert (created["type"], created["sequence"], created["actor"], created["cause"]) == (
        "stock_item.created", 1, "cartlink", "unknown",
    )  # fmt: skip
    assert created["changes"]["sku"] == {"from": None, "to": "LAMP"}
    assert changed["changes"] == {"on_hand": {"from": 5, "to": 3}, "buffer": {"from": 0, "to": 1}}
    assert (changed["type"], changed["sequence"], changed["actor"], changed["cause"]) == (
        "stock_item.changed", 2, "user:ann", "page",
    )  # fmt: skip
    assert changed["object"] == {
        "type": "stock_item", "id": str(item.id), "version": "2", "url": f"/api/v1/stock-items/{item.id}",
    }  # fmt: skip


def test_a_change_is_captured_whatever_statement_makes_it(app):
    integration = make_integration()
    order = make_order(integration, "1", [("A", 1)])
    item = make_item("A", 1)
    newest = len(follow())
    with writing() as session:
        session.execute(update(Order).where(Order.id == order.id).values(state="on_hold", held_codes=["address"]))
    with writing() as session:
        session.connection().execute(update(StockItem.__table__).values(on_hand=0))
    with writing() as session:
        session.execute(text("UPDATE \"order\" SET state = 'ready', customer = 'Jane Roe'"))
    with writing() as session:
        session.execute(text("UPDATE order_line SET shipped = 1"))
    held, out, released, shipped = follow(newest)
    assert held["changes"]["state"] == {"from": "ready", "to": "on_hold"}
    assert [held["type"], out["type"], released["type"], shipped["type"]] == [
        "order.held", "stock_item.out", "order.released", "order.updated",
    ]  # fmt: skip
    assert released["hidden_changes"] and shipped["hidden_changes"] and not shipped["changes"]
    assert "Jane Roe" not in msgspec.json.encode([held, out, released, shipped]).decode()
    assert item.id


def test_what_is_undone_leaves_no_event(app):
    item = make_item("A", 1)
    newest = len(follow())
    with pytest.raises(ZeroDivisionError), writing() as session:
        session.execute(update(StockItem).values(on_hand=7))
        _ = 1 / 0
    with acting("api:ERP", "api"), one_transaction() as session:
        with pytest.raises(ZeroDivisionError), writing():
            session.execute(update(StockItem).values(on_hand=8))
            _ = 1 / 0
        session.execute(update(StockItem).values(buffer=2))
    with writing() as session:
        session.execute(update(StockItem).values(on_hand=9))
        session.execute(update(StockItem).values(on_hand=1))
    (only,) = follow(newest)
    assert only["changes"] == {"buffer": {"from": 0, "to": 2}}
    assert (only["actor"], only["object"]["id"]) == ("api:ERP", str(item.id))
    assert not db.session.query(EventChange).count()


def test_a_transaction_that_begins_again_keeps_what_came_after(app):
    make_item("A", 1)
    newest = len(follow())
    with acting("run:1", "run"), writing() as session:
        session.execute(update(StockItem).values(on_hand=7))
        begin_again()
        session.execute(update(StockItem).values(buffer=2))
    (only,) = follow(newest)
    assert (only["changes"], only["actor"]) == ({"buffer": {"from": 0, "to": 2}}, "run:1")
    with pytest.raises(RuntimeError, match="one act"), one_transaction():
        begin_again()


def test_transactions_are_kept_apart(app):
    make_item("A", 5)
    for number in (4, 5):
        with writing() as session:
            session.execute(update(StockItem).values(on_hand=number))
    assert [event["changes"]["on_hand"] for event in follow(1)] == [{"from": 5, "to": 4}, {"from": 4, "to": 5}]


def test_services_make_the_events_that_programs_wait_for(app):
    integration = make_integration()
    item = make_item("A", 2)
    make_listing(integration, "A", 2, item=item)
    newest = len(follow())
    items.set_stock("A", 0, "user:ann")
    items.set_stock("A", 3, "user:ann")
    found = types(newest)
    assert [name for name in found if name.startswith("stock_item")] == ["stock_item.out", "stock_item.back"]


@pytest.mark.one_database
def test_every_type_that_a_change_can_have_is_documented(app):
    objects = {captured.object for captured in CAPTURED.values()} | {touching.object for touching in TOUCHING.values()}
    assert objects == set(WORDS)
    assert {name.partition(".")[0] for name in TYPES} == objects | {"test"}


@pytest.mark.one_database
def test_every_column_is_shown_or_reported_or_left_out_on_purpose(app):
    whole = {name: {*each.shown, *each.hidden} for name, each in CAPTURED.items() if not each.only}
    whole |= {name: set(each.columns) for name, each in TOUCHING.items()}
    for table, named in whole.items():
        columns = {column.name for column in db.metadata.tables[table].columns if not (column.primary_key or column.foreign_keys)}
        left_out = set(LEFT_OUT.get(table, ()))
        assert not named & left_out
        assert columns - named - left_out == set(), f"{table}: decide whether events report these columns (models/captured.py)"


def test_the_triggers_are_those_of_the_code(app):
    with db.engine.connect() as connection:
        assert captured.in_place(connection)


@pytest.mark.one_database
def test_an_event_stays_small_whatever_a_shop_sends(app):
    make_item("A" * 255, 1)
    with writing() as session:
        session.execute(update(StockItem).values(name="é" * 50_000))
    assert all(len(msgspec.json.encode(event)) < 20_000 for event in follow())


def test_events_are_kept_for_a_while_and_then_gone(app):
    make_item("A", 1)
    make_item("B", 1)
    assert len(follow()) == 2
    with writing() as session:
        session.execute(update(Event).where(Event.position == 1).values(at=utcnow() - timedelta(days=31)))
    assert log.forget_old() == 1
    with pytest.raises(Gone):
        log.read_after(0)
    with pytest.raises(Gone):
        log.read_after(3)
    assert [event.position for event in log.read_after(None).events] == [2]
    assert [event.position for event in log.read_after(1).events] == [2]


@pytest.mark.both_databases
def test_an_event_of_a_transaction_that_commits_late_is_not_missed(app, database_kind):
    """The first writer's change is numbered first by the database and committed last."""
    if database_kind == "sqlite":
        pytest.skip("SQLite takes one writer at a time")
    first, second = make_item("FIRST", 1), make_item("SECOND", 1)
    read_to = len(follow())
    changed, may_commit = threading.Event(), threading.Event()

    def write_late() -> None:
        with app.app_context(), writing() as session:
            session.execute(update(StockItem).where(StockItem.id == first.id).values(on_hand=7))
            changed.set()
            assert may_commit.wait(90)

    first_id, second_id = first.id, second.id
    db.session.rollback()
    late = threading.Thread(target=write_late)
    late.start()
    assert changed.wait(90)
    with writing() as session:
        session.execute(update(StockItem).where(StockItem.id == second_id).values(on_hand=8))
    seen = follow(read_to)
    may_commit.set()
    late.join(90)
    seen += follow(int(seen[-1]["position"]))
    assert [event["object"]["id"] for event in seen] == [str(second_id), str(first_id)]
    assert [int(event["position"]) for event in seen] == [read_to + 1, read_to + 2]


def test_two_sequencers_give_out_each_position_once(app):
    for number in range(40):
        make_item(f"A{number}", 1)
    db.session.rollback()
    counts: list[int] = []

    def give() -> None:
        with app.app_context():
            counts.append(sequencer.give_positions())

    threads = [threading.Thread(target=give) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(counts) == 40
    assert [event["position"] for event in follow()] == [str(number) for number in range(1, 41)]


def test_a_change_of_a_part_names_what_the_whole_belongs_to(app):
    order = make_order(make_integration(), "1", [("A", 1)])
    order_id = order.id
    with writing() as session:
        shipment = Shipment(order_id=order_id, actor="user:ann")
        session.add(shipment)
        session.flush()
        session.add(ShipmentLine(shipment_id=shipment.id, sku="A", name="", quantity=1))
    newest = len(follow())
    with writing() as session:
        session.execute(update(ShipmentLine).values(quantity=2))
    (event,) = follow(newest)
    assert event["belongs_to"] == {"type": "order", "id": str(order_id)}
    assert event["object"]["url"].endswith(f"/orders/{order_id}?expand=shipments")


def test_a_program_that_has_read_what_a_restore_has_lost_has_to_start_again(app):
    make_item("A", 1)
    make_item("B", 1)
    follow()
    backed_up = log.newest_position()
    known = log.read_after(None).events[-1]
    # What was read and changed since the backup is in programs only: the positions and versions would be given out once more.
    log.skip_lost_positions()
    assert log.read_after(backed_up).last == log.newest_position() > backed_up + 1000
    with writing() as session:
        session.execute(update(StockItem).values(on_hand=9))
    follow()
    for lost in (backed_up + 1, backed_up + 500, log.newest_position() - 5):
        with pytest.raises(Gone):
            log.read_after(lost)
    events = log.read_after(backed_up).events
    assert [event.object for event in events] == ["stock_item", "stock_item"]
    assert all(event.sequence > known.sequence + 1000 for event in events)
    assert log.read_after(events[0].position).events == events[1:]
