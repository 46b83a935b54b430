"""Random schedules of sales, edits, cancellations, stock edits, shipments, kits, pushes and crashes over two shops: whatever the
order of events, the books balance at each step, and in the end shops and desk agree.

A schedule is replayed by its seed. A sample runs with `make test`, many with `make deep`."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from errors import AppError
from extensions import db, writing
from models import Integration, LinePart, Listing, Order, OrderLine, RunItem, StockEntry, StockItem, SyncRun, WriteBack
from models.order import OPEN_STATES
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services import linking_by_hand, push, runs, shipments, stock, stock_files, sync
from tests.support.shops import connect

STEPS = 30
FAULTS = (
    {"name": "error_after_write", "value": True, "times": 1, "method": "PUT"}, {"name": "reset", "value": "before", "times": 2},
    {"name": "status_500", "value": True, "times": 1}, {"name": "truncate", "value": True, "times": 1},
)  # fmt: skip
ACTS = ("sell",) * 4 + ("edit", "cancel", "ship there", "pay", "ship here", "ship here", "part", "call off", "acknowledge", "set", "file",
                        "tamper", "crash", "fault") + ("run",) * 6  # fmt: skip


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
            self.shops.append(PracticeShop(store=store).start())
        self.integrations = [connect(shop, f"Shop {number}") for number, shop in enumerate(self.shops)]
        for integration_id in self.integrations:
            self.run(integration_id, "stock")
        with writing() as session:
            session.get_one(Integration, self.integrations[1]).part_shipped_status = "P"
        kit = db.session.scalar(select(Listing.id).where(Listing.sku == "SET"))
        db.session.rollback()
        linking_by_hand.link_listing(kit, [("CUP", 2), ("BOWL", 1)], "test")

    def close(self) -> None:
        for shop in self.shops:
            shop.stop()

    def step(self) -> None:
        number = self.random.randrange(2)
        act = self.random.choice(ACTS)
        self.acts.append(f"{act} {number}")
        store = self.shops[number].store
        lines = [(self.random.choice(list(store.products)), self.random.randint(1, 3)) for _ in range(self.random.randint(1, 2))]
        there = [self.random.choice(list(store.orders))] if store.orders else []
        try:
            self.do(act, number, store, lines, there)
        except AppError as refused:
            # What a person may not do just now is refused in a sentence, and changes nothing.
            self.acts[-1] += f" ({refused.code})"
        db.session.rollback()

    def do(self, act: str, number: int, store: Store, lines: list[tuple[int, int]], there: list[int]) -> None:
        chance = self.random
        if act == "sell":
            store.place_order(lines=lines, payment=chance.choice(("P", "P", "A", "Q")))
        elif act == "set":
            stock.set_stock(chance.choice(("CUP", "PLATE", "BOWL")), chance.randint(0, 25), "test")
        elif act == "file":
            rows = "".join(f"{sku},{chance.randint(0, 25)}\n" for sku in ("CUP", "PLATE", "BOWL"))
            file_id = stock_files.upload(f"sku,quantity\n{rows}".encode(), "x.csv", "test")
            stock_files.work(file_id)
            stock_files.accept(file_id, False)
            stock_files.work(file_id)
        elif act == "tamper":
            store.set_amount(chance.choice(list(store.products)), chance.randint(0, 20))
        elif act == "fault":
            fault = dict(chance.choice(FAULTS))
            self.shops[number].faults.add(fault.pop("name"), fault.pop("value"), **fault)
        elif act == "crash":
            self.crash(self.integrations[number])
        elif act == "run":
            self.run(self.integrations[number], chance.choice(("orders", "stock", "stock", "listings", "shipments")))
        elif act in ("ship here", "part", "call off", "acknowledge"):
            self.on_the_desk(act)
        elif there:
            if act == "edit":
                store.edit_order(there[0], lines=lines)
            elif act == "cancel":
                store.cancel_order(there[0])
            else:
                store.set_status(there[0], **{"ship there": {"shipping": "S"}, "pay": {"payment": "P"}}[act])

    def on_the_desk(self, act: str) -> None:
        ids = db.session.scalars(select(Order.id).order_by(Order.id)).all()
        if not ids:
            return
        order_id = self.random.choice(ids)
        lines = db.session.execute(
            select(OrderLine.id, OrderLine.quantity - OrderLine.shipped).where(OrderLine.order_id == order_id)
        ).all()
        db.session.rollback()
        if act == "ship here":
            shipments.ship(order_id, "test", carrier="C", tracking_number=f"T{order_id}")
        elif act == "part":
            shipments.ship(order_id, "test", tracking_number=f"P{order_id}", quantities={lines[0][0]: min(1, lines[0][1])})
        elif act == "call off":
            shipments.cancel_order(order_id, "test")
        else:
            shipments.acknowledge_cancelling([order_id], "test")

    def run(self, integration_id: int, kind: str) -> SyncRun:
        run = sync.perform(runs.start_run(integration_id, kind, "test").id)
        assert run is not None
        if kind == "stock":
            self.nothing_offered_that_is_not_there(run)
        return run

    def crash(self, integration_id: int) -> None:
        """A worker takes a run and dies; its lease runs out."""
        run_id = runs.start_run(integration_id, self.random.choice(("orders", "stock", "shipments")), "test").id
        runs.claim(run_id)
        with writing() as session:
            session.get_one(SyncRun, run_id).lease_until = utcnow() - timedelta(seconds=1)
        assert run_id in runs.release_dead_runs()

    def nothing_offered_that_is_not_there(self, run: SyncRun) -> None:
        """What a push sent is what was available when it was sent; nothing has moved since."""
        db.session.rollback()
        for item in db.session.scalars(select(RunItem).where(RunItem.run_id == run.id, RunItem.result == "sent")):
            listing = db.session.get_one(Listing, item.listing_id)
            assert item.wanted == push.wanted_quantity(listing), (item.sku, self.acts)

    def settle(self) -> None:
        """The faults are over; everything is downloaded, approved, pushed and told, until nothing moves any more."""
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
                    push.approve(integration_id, "test")
                except AppError:
                    continue
                self.run(integration_id, "stock")


def books_balance(acts: list[str]) -> None:
    db.session.rollback()
    for item in db.session.scalars(select(StockItem)).all():
        sums = db.session.execute(
            select(func.sum(StockEntry.on_hand_change), func.sum(StockEntry.reserved_change)).where(
                StockEntry.stock_item_id == item.id
            )
        ).one()
        assert (item.on_hand, item.reserved) == (sums[0] or 0, sums[1] or 0), (item.sku, acts)
        lines = select(OrderLine.reserved, Order.state).join(Order).where(OrderLine.stock_item_id == item.id)
        parts = select(LinePart.reserved, Order.state).join(OrderLine, OrderLine.id == LinePart.order_line_id).join(Order)
        held = [*db.session.execute(lines), *db.session.execute(parts.where(LinePart.stock_item_id == item.id))]
        assert sum(units for units, _ in held) == item.reserved <= item.on_hand, (item.sku, acts)
        assert all(units == 0 or state in OPEN_STATES for units, state in held), (item.sku, acts)
        assert item.available >= 0


def everything_agrees(day: Day) -> None:
    db.session.rollback()
    for shop, integration_id in zip(day.shops, day.integrations, strict=True):
        shop_id = db.session.get_one(Integration, integration_id).shop_id
        held = sorted(db.session.scalars(select(Order.external_id).where(Order.shop_id == shop_id)))
        assert held == sorted(str(order_id) for order_id in shop.store.orders), day.acts
        for listing in db.session.scalars(select(Listing).where(Listing.shop_id == shop_id)).all():
            if listing.pushable and listing.links:
                present = shop.store.amount(int(listing.external_id.partition(":")[2]))
                assert present == push.wanted_quantity(listing), (listing.sku, day.acts)
        for order_id in shop.store.orders:
            tracking = shop.store.tracking(order_id)
            assert len(tracking) == len(set(tracking)), (tracking, day.acts)
        # A fault may cut off the answer to a change of status; it is never sent a second time for that.
        for order in shop.store.orders.values():
            mails = [mail for mail in shop.store.mails if mail["order_id"] == order.id and mail["changes"].get("shipping") == "S"]
            assert len(mails) <= 1 + sum(act.startswith("ship there") for act in day.acts), day.acts
        assert not any(request["method"] == "DELETE" for request in shop.requests)
    waiting = db.session.scalars(select(WriteBack).where(WriteBack.state.in_(("waiting", "sending")))).all()
    assert not waiting, (day.acts, [(row.event, row.error) for row in waiting])
    for row in db.session.scalars(select(WriteBack).where(WriteBack.state == "failed")):
        assert row.error_code in ("cancelled", "refused"), (row.error, day.acts)


def live(seed: int) -> None:
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


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(3))
def test_a_sample_of_days_ends_with_books_and_shops_agreeing(app, seed):
    live(seed)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(20))
def test_many_days_end_with_books_and_shops_agreeing(app, part):
    live(1000 + part)
