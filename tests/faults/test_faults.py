"""A sample of the fault schedules, and proof that the checks find what they are there for.

``make faults`` runs as many as are wanted; a failure names the command that runs its schedule again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from extensions import db, writing
from models import Integration, Order, Shipment, ShipmentLine, StockEntry, StockItem, SyncRun, WriteBack
from models.types import utcnow
from practice_shop.proxy import Answer, Asked
from services.runs import lifecycle
from services.shipping import shipments
from services.stock import items
from tests.faults import checks, house
from tests.faults.day import Day, live_one
from tests.faults.fleet import tracebacks
from tests.faults.report import Report, Result
from tests.faults.watched import Watched

SEED = "make test"


@pytest.fixture(scope="module")
def home() -> Iterator[house.House]:
    with house.opened("sqlite") as opened:
        yield opened


def sound(result: Result) -> bool:
    """Prints what a failure needs to be looked into."""
    report = Report(SEED, "the sample")
    report.add(result)
    return not result.found


STORIES: dict[int, list[str]] = {}
"""What happened on the days that this process has lived."""


@pytest.mark.parametrize("index", range(6))
@pytest.mark.sampled(2)
def test_a_sample_of_days_on_sqlite(home, index):
    lived = live_one(home, SEED, index)
    STORIES[index] = lived.story
    assert sound(lived)


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_many_days(home):
    assert all(sound(live_one(home, "make deep", index)) for index in range(200))


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_some_storms(kind):
    from tests.faults.storm import live_many

    assert all(sound(result) for result in live_many(kind, "make deep", iter(range(4))))


@pytest.mark.long
def test_a_schedule_is_the_same_each_time(home):
    index = next(iter(STORIES), 3)
    before = STORIES.get(index) or live_one(home, SEED, index).story
    assert before == live_one(home, SEED, index).story


class Quiet(Day):
    """A day on which nothing happens but what a test does, with one shop."""

    def __init__(self, home: house.House):
        super().__init__(home, "quiet/1")
        self._place(next(iter(self.shops.values())).store)
        self._settle()
        self.kept = home.keep_database()
        self.life = home.life

    def found(self) -> str:
        return "\n".join(self.house.do(lambda: checks.everything(self._sites())))

    def write(self, act) -> None:
        def go() -> None:
            with writing() as session:
                act(session)

        self.house.do(go)


@pytest.fixture
def quiet(home) -> Quiet:
    """A day of the test's own, whose shop it may change."""
    day = Quiet(home)
    assert day.found() == ""
    return day


DAYS: list[Quiet] = []


@pytest.fixture
def same_day(home) -> Quiet:
    """A day whose database is as new; for tests that change nothing but the database."""
    if not DAYS or DAYS[0].life is not home.life:
        DAYS[:] = [Quiet(home)]
        assert DAYS[0].found() == ""
    home.bring_back(DAYS[0].kept)
    return DAYS[0]


def any_of(session, model):
    return session.scalars(select(model)).first()


def shop_of(day: Quiet):
    return next(iter(day.shops.values()))


SABOTAGE = {
    "ledger": (lambda s: s.delete(s.scalars(select(StockEntry).where(StockEntry.on_hand_change != 0)).first()), "ledger"),
    "levels": (lambda s: setattr(any_of(s, StockItem), "on_hand", 977), "ledger"),
    "a lost order": (lambda s: setattr(any_of(s, Order), "external_id", "4711"), "held 0 times"),
    "an order's status": (lambda s: setattr(any_of(s, Order), "payment_status", "D"), "here and"),
    "a lease of the dead": (
        lambda s: s.add(
            SyncRun(integration_id=any_of(s, Integration).id, kind="undo", actor="x", state="running", lease_token="t",
                    counts={}, warnings=[], lease_until=utcnow() + timedelta(days=9))
        ),
        "still running",
    ),
    "a leftover token": (lambda s: setattr(any_of(s, SyncRun), "lease_token", "t"), "holds a lease"),
    "a run far away": (lambda s: setattr(any_of(s, Integration).flows["orders"], "due_at", utcnow() + timedelta(days=9)), "far away"),
    "a stranger": (
        lambda s: s.add(StockEntry(stock_item_id=any_of(s, StockItem).id, actor="x", cause="set", run_id=any_of(s, SyncRun).id)),
        "a stranger has written stock_entry rows",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SABOTAGE)
@pytest.mark.sampled(4)
def test_the_checks_find_what_is_wrong_here(same_day, name):
    act, words = SABOTAGE[name]
    same_day.write(act)
    assert words in same_day.found()


def test_the_watch_for_strangers_lets_the_owner_of_a_run_write(same_day):
    def go() -> None:
        run_id = lifecycle.start_run(same_day.ids[same_day.names[0]], "orders", "test").id
        lease = lifecycle.claim(run_id)
        with lease.page() as session:
            item = any_of(session, StockItem)
            session.add(StockEntry(stock_item_id=item.id, actor="x", cause="set", run_id=run_id))
        lifecycle.finish(lease, "done")
        items.set_stock(item.sku, 3, "test")

    same_day.house.do(go)
    assert "stranger" not in same_day.found()


@pytest.mark.long
def test_the_checks_find_a_quantity_that_was_not_delivered(quiet):
    store = shop_of(quiet).store
    store.set_amount(next(iter(store.products)), 999)
    assert "and should have" in quiet.found()


@pytest.mark.long
def test_the_checks_find_what_was_sent_twice_or_never(quiet):
    shop = shop_of(quiet)
    order_id = shop.store.place_order(quiet._lines(shop.store))
    quiet._settle()
    quiet.house.do(lambda: shipments.ship(held_as(order_id), "test", tracking_number="T1"))
    assert "still waits" in quiet.found()
    quiet._settle()
    assert quiet.found() == ""
    quiet.write(lambda session: setattr(any_of(session, WriteBack), "state", "sending"))
    assert "sent by nobody" in quiet.found()
    quiet.write(lambda session: setattr(any_of(session, WriteBack), "state", "done"))
    shop.store.set_status(order_id, shipping="N")
    shop.store.apply_statuses(shop.store.order(order_id), {"shipping": 3})
    shop.store.add_tracking(shop.store.order(order_id), "T1")
    found = quiet.found()
    assert "was marked 2 times" in found
    assert "has the tracking number T1" in found
    quiet.write(lambda session: (session.execute(delete(ShipmentLine)), session.execute(delete(Shipment))))
    assert "nothing of it was shipped here" in quiet.found()


def held_as(order_id: int) -> int:
    return db.session.scalar(select(Order.id).where(Order.external_id == str(order_id)))


def test_the_last_of_a_chain_of_exceptions_decides():
    """A driver's own error comes first in the log; what became of it last says whether a fault explains it."""
    chain = (
        'Traceback (most recent call last):\n  File "a", line 1, in x\nInvalidatePoolError: ()\n\n'
        "During handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "b", line 2, in y\nOperationalError: the server is gone\n'
    )
    alone = "10:00:00 a line of the log\nTraceback (most recent call last):\n  File \"c\", line 3, in z\nKeyError: 'x'\n"
    found = tracebacks(chain + alone + chain)
    assert [error for _, error in found] == [
        "OperationalError: the server is gone",
        "KeyError: 'x'",
        "OperationalError: the server is gone",
    ]
    assert all("InvalidatePoolError" in shown for shown, error in found if "server" in error)
    assert "line of the log" not in found[1][0]


def test_a_write_is_compared_with_what_was_read_before_it_was_sent():
    def read(payment: str) -> None:
        said = {"order_id": 7, "paymentStatus": {"code": payment}, "shippingStatus": {"code": "N"}}
        watched.note(Asked("GET", "/admin.php?_path=order/7", b""), Answer(200, [], json.dumps(said).encode()))

    write = Asked("PUT", "/admin.php?_path=order/7", json.dumps({"shippingStatus": {"code": "S"}}).encode())
    watched = Watched("http://127.0.0.1:9")
    read("P")
    watched.arrive(write)
    read("R")
    watched.note(write, Answer(200, [], b"{}"))
    assert watched.complaints == []
    watched.arrive(write)
    assert watched.complaints == ["order 7 was marked shipped after a read that showed payment R"]
