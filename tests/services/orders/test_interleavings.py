"""Random schedules of sales, edits, cancellations, stock edits, shipments, kits, pushes and crashes over two shops: whatever the
order of events, the books balance at each step, no push offers more than there is, and in the end shops and desk agree.

A schedule is replayed by its seed: ``pytest -k 'seed and 1234'`` with DEEP=1 (``make deep``), which runs hundreds; ``make test`` runs
a sample."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update

from errors import AppError
from extensions import db, writing
from models import (
    Integration,
    Link,
    Listing,
    Order,
    OrderLine,
    RunItem,
    Shop,
    StockFile,
    StockItem,
    SyncRun,
    WriteBack,
)  # fmt: skip
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services.integrations import settings
from services.listings import manual_links, stock_push
from services.runs import lifecycle
from services.shipping import shipments
from services.stock import files, items
from services.sync import execution
from tests.support.books import books_balance
from tests.support.shops import connect

SEEDS = range(100) if os.environ.get("DEEP") else range(2)
STEPS = 30
LONG_AGO = timedelta(seconds=1)
FAULTS = (
    {"name": "error_after_write", "value": True, "times": 1, "method": "PUT"}, {"name": "reset", "value": "before", "times": 2},
    {"name": "status_500", "value": True, "times": 1}, {"name": "truncate", "value": True, "times": 1},
)  # fmt: skip
IN_A_SHOP = ("sell",) * 4 + ("edit", "cancel", "ship there", "pay", "tamper")
ON_THE_DESK = ("ship here", "ship here", "part", "call off", "mark seen")
ACTS = IN_A_SHOP + ON_THE_DESK + ("set", "file", "bounds", "crash", "crash", "fault") + ("run",) * 6 + ("sold meanwhile",) * 2


class Died(BaseException):
    """A worker killed in the middle: nothing catches it, nothing is tidied up."""


def offer_of(session: Any, listing_id: int) -> int | None:
    """What a listing may offer, worked out from the books by itself: the scarcest part, less the shop's buffer, capped."""
    shop = session.execute(
        select(Shop.stock_buffer, Shop.stock_cap).join(Listing, Listing.shop_id == Shop.id).where(Listing.id == listing_id)
    ).one()
    parts = session.execute(
        select(StockItem.on_hand, StockItem.reserved, StockItem.buffer, Link.units)
        .join(Link, Link.stock_item_id == StockItem.id)
        .where(Link.listing_id == listing_id)
    ).all()
    if not parts:
        return None
    pieces = min(max(0, part.on_hand - part.reserved - part.buffer) // part.units for part in parts)
    offered = max(0, pieces - shop.stock_buffer)
    return offered if shop.stock_cap is None else min(offered, shop.stock_cap)


class Day:
    """Two shops that sell the same three things from one stock, the first of them as a kit as well."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.acts: list[str] = []
        self.shops: list[PracticeShop] = []
        for number in range(2):
            store = Store()
            for sku in ("CUP", "PLATE", "BOWL"):
                store.add_product(sku=sku, name=sku.title(), price=10, amount=12)
            if number == 0:
                store.add_product(sku="SET", name="Set", price=25, amount=4)
            generation = "api" if number and seed % 2 else "addon"
            self.shops.append(PracticeShop(store=store, generation=generation).start())
        self.integrations = [connect(shop, f"Shop {number}") for number, shop in enumerate(self.shops)]
        for integration_id in self.integrations:
            self.run(integration_id, "stock")
        with writing() as session:
            session.get_one(Integration, self.integrations[1]).part_shipped_status = "P"
        kit = db.session.scalar(select(Listing.id).where(Listing.sku == "SET"))
        db.session.rollback()
        manual_links.link_listing(kit, [("CUP", 2), ("BOWL", 1)], "test")

    def close(self) -> None:
        for shop in self.shops:
            shop.stop()

    def step(self) -> None:
        number = self.random.randrange(2)
        act = self.random.choice(ACTS)
        self.acts.append(f"{act} {number}")
        try:
            self.do(act, number)
        except AppError as refused:
            # What a person may not do just now is refused in a sentence, and changes nothing.
            self.acts[-1] += f" ({refused.code})"
        db.session.rollback()

    def do(self, act: str, number: int) -> None:
        chance, integration_id = self.random, self.integrations[number]
        if act in IN_A_SHOP:
            self.in_a_shop(act, number)
        elif act in ON_THE_DESK:
            self.on_the_desk(act)
        elif act == "set":
            items.set_stock(chance.choice(("CUP", "PLATE", "BOWL")), chance.randint(0, 25), "test")
        elif act == "file":
            self.file()
        elif act == "bounds":
            values = {"stock_buffer": chance.randint(0, 2), "stock_cap": chance.choice((None, 5, 15))}
            settings.change_settings(integration_id, values, "test")
        elif act == "fault":
            fault = dict(chance.choice(FAULTS))
            self.shops[number].faults.add(fault.pop("name"), fault.pop("value"), **fault)
        elif act == "crash":
            self.crash(chance.choice(("orders", "stock", "stock", "shipments", "listings")), integration_id)
        elif act == "sold meanwhile":
            with self.in_the_middle(lambda: self.in_a_shop(chance.choice(IN_A_SHOP), chance.randrange(2))):
                self.run(integration_id, chance.choice(("orders", "stock", "stock")))
        else:
            self.run(integration_id, chance.choice(("orders", "stock", "stock", "listings", "shipments")))

    def in_a_shop(self, act: str, number: int) -> None:
        chance, store = self.random, self.shops[number].store
        lines = [(chance.choice(list(store.products)), chance.randint(1, 3)) for _ in range(chance.randint(1, 2))]
        there = chance.choice(list(store.orders)) if store.orders else None
        if act == "sell":
            store.place_order(lines=lines, payment=chance.choice(("P", "P", "A", "Q")))
        elif act == "tamper":
            store.set_amount(chance.choice(list(store.products)), chance.randint(0, 20))
        elif there is None:
            return
        elif act == "edit":
            store.edit_order(there, lines=lines)
        elif act == "cancel":
            store.cancel_order(there)
        else:
            if act == "ship there":
                self.acts.append(f"shipped there {number}")
            store.set_status(there, **{"ship there": {"shipping": "S"}, "pay": {"payment": "P"}}[act])

    def on_the_desk(self, act: str) -> None:
        ids = db.session.scalars(select(Order.id).order_by(Order.id)).all()
        if not ids:
            return
        order_id = self.random.choice(ids)
        lines = db.session.execute(
            select(OrderLine.id, OrderLine.quantity - OrderLine.shipped)
            .where(OrderLine.order_id == order_id)
            .order_by(OrderLine.id)
        ).all()
        db.session.rollback()
        if act == "ship here":
            shipments.ship(order_id, "test", carrier="C", tracking_number=f"T{order_id}")
        elif act == "part":
            shipments.ship(order_id, "test", tracking_number=f"P{order_id}", quantities={lines[0][0]: min(1, lines[0][1])})
        elif act == "call off":
            shipments.cancel_order(order_id, "test")
        else:
            shipments.mark_cancellation_seen([order_id], "test")

    def file(self) -> None:
        """A file of quantities; its worker may die while it reads it or applies it, and another takes it up."""
        rows = "".join(f"{sku},{self.random.randint(0, 25)}\n" for sku in ("CUP", "PLATE", "BOWL"))
        file_id = files.upload(f"sku,quantity\n{rows}".encode(), "x.csv", "test")
        for accept in (False, True):
            if accept:
                files.accept(file_id, False)
            self.until_killed(lambda: files.work(file_id))
            with writing() as session:
                session.execute(update(StockFile).where(StockFile.state != "checked").values(lease_until=utcnow() - LONG_AGO))
            files.work(file_id)
        assert files.get_file(file_id).state == "applied", self.acts

    def run(self, integration_id: int, kind: str) -> SyncRun:
        with self.watched(integration_id):
            run = execution.perform(lifecycle.start_run(integration_id, kind, "test").id)
        assert run is not None
        return run

    def crash(self, kind: str, integration_id: int) -> None:
        """A worker dies in the middle of a run, wherever that is; its lease runs out and the run is released."""
        run_id = lifecycle.start_run(integration_id, kind, "test").id
        with self.watched(integration_id):
            self.until_killed(lambda: execution.perform(run_id))
        with writing() as session:
            session.execute(update(SyncRun).where(SyncRun.state == "running").values(lease_until=utcnow() - LONG_AGO))
        lifecycle.release_dead_runs()
        for left in db.session.scalars(select(SyncRun.id).where(SyncRun.live)).all():
            db.session.rollback()
            execution.perform(left)

    def until_killed(self, work: Callable[[], object]) -> None:
        def die() -> None:
            raise Died

        with self.in_the_middle(die):
            try:
                work()
            except Died:
                self.acts[-1] += " (killed)"
        db.session.rollback()

    @contextmanager
    def in_the_middle(self, act: Callable[[], None]) -> Iterator[None]:
        """Do something at one random statement to come."""
        left, mine = self.random.randint(1, 90), threading.get_ident()

        def count(*_: Any) -> None:
            nonlocal left
            if threading.get_ident() == mine:
                left -= 1
                if left == 0:
                    act()

        event.listen(Engine, "before_cursor_execute", count)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", count)

    @contextmanager
    def watched(self, integration_id: int) -> Iterator[None]:
        """Whatever is sent meanwhile is what the books allow at that moment, and the books know of every order that the shop had
        when the run began."""
        number = self.integrations.index(integration_id)
        shop_id = db.session.get_one(Integration, integration_id).shop_id
        db.session.rollback()
        sold = {str(order_id) for order_id in self.shops[number].store.orders}

        def look(session: Any, *_: Any) -> None:
            sent = [row for row in session.new if isinstance(row, RunItem) and row.listing_id and row.result == "sent"]
            for row in sent:
                assert row.wanted == offer_of(session, row.listing_id), (row.sku, self.acts)
            if sent:
                assert sold <= set(session.scalars(select(Order.external_id).where(Order.shop_id == shop_id))), self.acts

        event.listen(db.session, "after_flush", look)
        try:
            yield
        finally:
            event.remove(db.session, "after_flush", look)

    def settle(self) -> None:
        """The faults are over; everything is downloaded, approved, pushed and sent, until nothing moves any more."""
        for shop in self.shops:
            shop.faults.clear()
        for _ in range(5):
            for integration_id in self.integrations:
                with writing() as session:
                    for row in session.scalars(select(WriteBack).where(WriteBack.state == "waiting")):
                        row.due_at = utcnow()
                for kind in ("orders", "listings", "stock", "shipments"):
                    self.run(integration_id, kind)
                try:
                    stock_push.approve(integration_id, "test")
                except AppError:
                    continue
                self.run(integration_id, "stock")


def everything_agrees(day: Day) -> None:
    db.session.rollback()
    for number, (shop, integration_id) in enumerate(zip(day.shops, day.integrations, strict=True)):
        shop_id = db.session.get_one(Integration, integration_id).shop_id
        orders = db.session.scalars(select(Order).where(Order.shop_id == shop_id)).all()
        assert sorted(order.external_id for order in orders) == sorted(str(order_id) for order_id in shop.store.orders), day.acts
        for order in orders:
            there = shop.store.order(int(order.external_id))
            ordered = sorted((line.sku, line.quantity) for line in order.lines)
            assert ordered == sorted((line.sku, line.amount) for line in there.items), (order.number, day.acts)
        for listing in db.session.scalars(select(Listing).where(Listing.shop_id == shop_id)).all():
            if listing.pushable and listing.links:
                present = shop.store.amount(int(listing.external_id.partition(":")[2]))
                assert present == listing.pushed == offer_of(db.session, listing.id), (listing.sku, day.acts)
        for order_id in shop.store.orders:
            tracking = shop.store.tracking(order_id)
            assert len(tracking) == len(set(tracking)), (tracking, day.acts)
        # A fault may cut off the answer to a change of status; it is never sent a second time for that.
        for order in shop.store.orders.values():
            mails = [mail for mail in shop.store.mails if mail["order_id"] == order.id and mail["changes"].get("shipping") == "S"]
            assert len(mails) <= 1 + day.acts.count(f"shipped there {number}"), day.acts
        assert not shop.failures, shop.failures
        assert not any(request["method"] == "DELETE" for request in shop.requests)
    waiting = db.session.scalars(select(WriteBack).where(WriteBack.state.in_(("waiting", "sending")))).all()
    assert not waiting, (day.acts, [(row.event, row.error) for row in waiting])
    for row in db.session.scalars(select(WriteBack).where(WriteBack.state == "failed")):
        assert row.error_code in ("cancelled", "refused"), (row.error, day.acts)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_day_ends_with_books_and_shops_agreeing(app, seed):
    day = Day(seed)
    try:
        for _ in range(STEPS):
            day.step()
            books_balance(day.acts)
        day.settle()
        books_balance(day.acts)
        everything_agrees(day)
    finally:
        day.close()
