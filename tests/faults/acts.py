"""What may happen on a day: in the shops, by people, by machines. Each act is a method, drawn by its weight in ``ACTS``."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

import jobs
import jobs.schedule
from channels.base import Check
from errors import AppError
from extensions import db
from models import Integration, Order, OrderLine
from practice_shop import PracticeShop
from services import integrations, push, reauthorisation, shipments, stock
from services.integrations import NewIntegration
from tests.faults.boundaries import COMMITS, DATABASE_ERRORS, PLACES, REQUESTS, Crash, made_by_the_suite
from tests.faults.house import House
from tests.faults.shop_faults import LIES, ONE_PAGE, SHOP_FAULTS

SKUS = ("CUP", "PLATE", "BOWL", "JUG")

ACTS: dict[str, int] = {
    "sell": 10, "edit": 2, "pay": 2, "cancel": 2, "refund": 1, "ship_there": 1, "tamper": 1,
    "set_stock": 4, "ship": 6, "ship_part": 2, "call_off": 1, "acknowledge": 1,
    "tick": 8, "work": 8, "sync_now": 5, "approve": 2, "pass_time": 6,
    "crash": 12, "meanwhile": 6, "database": 3, "jump": 2, "skew": 1,
    "break_shop": 6, "break_page": 2, "lie": 2, "mend_shop": 4, "flush": 2,
    "revoke": 1, "read_only": 1, "give_key": 2, "disable": 1, "enable": 3, "remove": 1, "add_again": 3,
}  # fmt: skip


MOODS: tuple[tuple[str, ...], ...] = (
    (), ("crash", "meanwhile"), ("lie", "crash", "sell"), ("jump", "pass_time", "crash"), ("break_shop", "break_page", "meanwhile"),
    ("remove", "add_again", "disable", "meanwhile"), ("ship", "ship_part", "crash", "break_shop"), ("database", "crash"),
    ("revoke", "give_key", "read_only"),
)  # fmt: skip
"""What a schedule has more of than others: three times its usual weight."""


class Acts:
    """The shops and people of one schedule in a house. ``story`` is what happened, ``events`` how often each sort did."""

    def __init__(self, house: House, seed: str):
        self.house = house
        self.chance = random.Random(seed)
        self.story: list[str] = []
        self.events: Counter[str] = Counter()
        self.lied = False
        """Whether something was hidden that only the daily readings can find."""
        random.seed(seed)
        house.reset(order_page_size=self.chance.choice((2, 3, 25)), slice_seconds=self.chance.choice((0, 30)))
        wanted = self.chance.choice((("addon",), ("api",), ("addon", "api"), ("addon", "api")))
        self.shops = {name: house.open_shop(name) for name in wanted}
        self.ids: dict[str, int] = {}
        self.shop_ids: dict[str, int] = {}
        self.names = list(self.shops)
        mood = self.chance.choice(MOODS)
        self.weights = [weight * (3 if name in mood else 1) for name, weight in ACTS.items()]
        for name, shop in self.shops.items():
            self._furnish(shop)
            self._connect(name)

    def say(self, words: str) -> None:
        clock = self.house.clock
        self.story.append(f"{clock.true:%d %H:%M:%S}{'' if not clock.error else f' ({clock.error})'} {words}")

    def _act(self, act: Callable[[], object], watched: bool = True) -> bool:
        """Something a person or a worker does; answers whether it came to its end. What may go wrong is told in the story."""
        try:
            self.house.do(act, watched=watched)
        except Crash as crash:
            self.events["crashed"] += 1
            self.events[f"crashed {crash}"] += 1
            self.story[-1] += f" [died {crash}]"
        except AppError as refused:
            self.story[-1] += f" [{refused.code}]"
        except OperationalError as error:
            if not made_by_the_suite(error):
                raise
            self.story[-1] += " [database failed]"
        else:
            return True
        return False

    # Shops

    def _furnish(self, shop: PracticeShop) -> None:
        store = shop.store
        for sku in SKUS:
            store.add_product(sku=sku, name=sku.title(), price=10, amount=self.chance.randint(3, 30))
        parent = store.add_product(sku=f"SHIRT-{shop.generation}", name="Shirt", price=12, amount=0)
        store.add_variant(parent, sku="SHIRT-M", amount=12)
        for _ in range(self.chance.randint(0, 7)):
            self._place(store)

    def _place(self, store) -> None:
        self.events["order placed"] += 1
        ghost = self.chance.random() < 0.05 and store is not getattr(self.shops.get("api"), "store", None)
        store.place_order(lines=self._lines(store), payment=self.chance.choice(("P", "P", "P", "A", "Q")), profile=not ghost)

    def _lines(self, store) -> list:
        variants = [(variant.product_id, variant.id) for variant in store.variants.values()]
        parents = {product_id for product_id, _ in variants}
        buyable = [product_id for product_id in store.products if product_id not in parents] + variants
        return [(what, self.chance.randint(1, 3)) for what in self.chance.sample(buyable, self.chance.randint(1, 2))]

    def _any(self) -> str:
        return self.chance.choice(self.names)

    def _an_order_there(self) -> tuple[PracticeShop, int] | None:
        shop = self.shops[self._any()]
        ids = list(shop.store.orders)
        return (shop, self.chance.choice(ids)) if ids else None

    def sell(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            self._place(self.shops[self._any()].store)

    def edit(self) -> None:
        if found := self._an_order_there():
            shop, order_id = found
            shop.store.edit_order(order_id, lines=self._lines(shop.store))

    def pay(self) -> None:
        self._set_payment("P")

    def cancel(self) -> None:
        self._set_payment("C")

    def refund(self) -> None:
        self._set_payment("R")

    def _set_payment(self, code: str) -> None:
        if found := self._an_order_there():
            found[0].store.set_status(found[1], payment=code)

    def ship_there(self) -> None:
        if found := self._an_order_there():
            found[0].store.set_status(found[1], shipping="S")

    def tamper(self) -> None:
        # Somebody changes a quantity in the shop's own pages: the daily reading of all listings finds it.
        self.lied = True
        store = self.shops[self._any()].store
        store.set_amount(
            self.chance.choice([one.id for one in store.products.values() if one.sku in SKUS]), self.chance.randint(0, 20)
        )

    def break_shop(self) -> None:
        self._break(self.chance.choice(SHOP_FAULTS))

    def break_page(self) -> None:
        self._break(self.chance.choice(ONE_PAGE))

    def lie(self) -> None:
        self.lied = True
        self._break(self.chance.choice(LIES))

    def _break(self, fault: dict) -> None:
        name = self._any()
        self.shops[name].faults.replace(fault)
        self.story[-1] += f" {name} {fault}"

    def mend_shop(self) -> None:
        self.shops[self._any()].faults.clear()

    def skew(self) -> None:
        self.lied = True
        name, seconds = self._any(), float(self.chance.choice((-7200, -300, 300, 7200)))
        self.shops[name].faults.replace({"clock_skew": seconds})
        self.story[-1] += f" {name} {seconds}"

    def revoke(self) -> None:
        shop = self.shops[self._any()]
        shop.key = None

    def read_only(self) -> None:
        shop = self.shops[self._any()]
        shop.read_key, shop.key = shop.key or "practice-full-key", "another-full-key-1"

    # People

    def _connect(self, name: str) -> None:
        shop = self.shops[name]
        new = NewIntegration(
            "xcart", f"{name} shop", shop.url, "practice-full-key", since=self.house.clock.now() - timedelta(days=30),
            shop_id=self.shop_ids.get(name),
        )  # fmt: skip
        check = Check("ok", "It works.", endpoint=shop.url, generation=name)

        def go() -> None:
            integration = integrations.add_integration(new, check, "test")
            self.ids[name], self.shop_ids[name] = integration.id, integration.shop_id

        self.house.do(go)

    def set_stock(self) -> None:
        sku, quantity = self.chance.choice((*SKUS, "SHIRT-M")), self.chance.randint(0, 25)
        self._act(lambda: stock.set_stock(sku, quantity, "test"))

    def _an_order(self, *states: str) -> tuple[int, list[tuple[int, int]]] | None:
        """(id, (line id, units left) …) of an order here."""

        def look():
            query = select(Order.id).order_by(Order.id)
            found = db.session.scalars(query.where(Order.state.in_(states)) if states else query).all()
            if not found:
                return None
            order_id = self.chance.choice(found)
            lines = db.session.execute(
                select(OrderLine.id, OrderLine.quantity - OrderLine.shipped).where(OrderLine.order_id == order_id)
            ).all()
            return order_id, [(line_id, left) for line_id, left in lines]

        return self.house.do(look)

    def ship(self) -> None:
        for _ in range(self.chance.randint(1, 2)):
            if found := self._an_order("ready", "part_shipped"):
                self._ship_whole(found[0], f"T{found[0]}" if self.chance.random() < 0.8 else "")

    def _ship_whole(self, order_id: int, number: str) -> None:
        made = self._act(lambda: shipments.ship(order_id, "test", carrier="C", tracking_number=number))
        self.events["shipment made"] += made

    def ship_part(self) -> None:
        if found := self._an_order("ready", "part_shipped"):
            order_id, lines = found
            self.events["shipment made"] += self._act(
                lambda: shipments.ship(
                    order_id, "test", tracking_number=f"P{order_id}-{lines[0][1]}", quantities={lines[0][0]: min(1, lines[0][1])}
                )
            )

    def call_off(self) -> None:
        if found := self._an_order():
            self._act(lambda: shipments.cancel_order(found[0], "test"))

    def acknowledge(self) -> None:
        if found := self._an_order("cancelled"):
            self._act(lambda: shipments.acknowledge_cancelling([found[0]], "test"))

    def approve(self) -> None:
        self._act(lambda: push.approve(self.ids[self._any()], "test"))

    def disable(self) -> None:
        self._act(lambda: integrations.set_enabled(self.ids[self._any()], False, "test"))

    def enable(self) -> None:
        for name in self.names:
            self._act(lambda name=name: integrations.set_enabled(self.ids[name], True, "test"))

    def remove(self) -> None:
        self._act(lambda: integrations.remove_integration(self.ids[self._any()], "test"))

    def add_again(self) -> None:
        for name in self.names:
            if self.house.do(lambda name=name: db.session.get_one(Integration, self.ids[name]).removed_at is not None):
                self._connect(name)

    def give_key(self) -> None:
        for name, shop in self.shops.items():
            self._restore_key(name, shop)

    def _restore_key(self, name: str, shop: PracticeShop) -> None:
        """The shop has a new key, and a person enters it."""
        if shop.key == "practice-full-key":
            return
        shop.key, shop.read_key = "practice-full-key", "practice-read-key"
        check = Check("ok", "It works.", endpoint=shop.url, generation=name)
        self._act(
            lambda: reauthorisation.apply_reauthorisation(self.ids[name], check, "practice-full-key", [], "test"), watched=False
        )

    # Machines

    def tick(self) -> None:
        self._act(jobs.schedule.tick)

    def work(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            if not self._job():
                return

    def _job(self) -> bool:
        done: list[str | None] = []
        try:
            done.append(self.house.take_job())
        except Crash as crash:
            self.events["crashed"] += 1
            self.events[f"crashed {crash}"] += 1
            self.story[-1] += f" [died {crash}]"
            return True
        except OperationalError as error:
            if not made_by_the_suite(error):
                raise
            self.story[-1] += " [database failed]"
            return True
        if done[0] is not None:
            self.story[-1] += f" {done[0]}"
        return done[0] is not None

    def sync_now(self) -> None:
        name, kind = self._any(), self.chance.choice(("orders", "stock", "stock", "listings", "shipments", "receipts"))
        self.story[-1] += f" {name} {kind}"
        if self._act(lambda: jobs.start_run(self.ids[name], kind, "user:test"), watched=False):
            self._job()

    def crash(self) -> None:
        """A process dies at one of its next boundaries: a worker in a run, or the server in the middle of a click."""
        count = self.chance.choice((1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 13, 17, 22, 28))
        places = self.chance.choice((PLACES, PLACES, REQUESTS, COMMITS))
        self.house.boundaries.crash(count, places)
        self.story[-1] += f" at {count} of {'/'.join(places) if places != PLACES else 'any'}"
        self._victim()
        self.house.boundaries.plan = None

    def database(self) -> None:
        name = self.chance.choice(list(DATABASE_ERRORS[self.house.kind]))
        after = self.chance.random() < 0.3
        self.house.boundaries.fail_commit(self.chance.randint(1, 9), DATABASE_ERRORS[self.house.kind][name], after=after)
        self.events[name] += 1
        self.story[-1] += f" {name}{' after the commit' if after else ''}"
        self._victim()
        self.house.boundaries.plan = None

    def meanwhile(self) -> None:
        """While a request is on its way, something happens elsewhere."""
        other = self.chance.choice(
            ("sell", "sell", "edit", "cancel", "set_stock", "ship", "disable", "remove", "come_back", "flush", "taken_over", "jump",
             "revoke", "sell", "set_stock")
        )  # fmt: skip
        self.story[-1] += f": {other},"
        self.events[f"meanwhile {other}"] += 1
        act = getattr(self, other)

        def elsewhere() -> None:
            before, self.house.boundaries.watching = self.house.boundaries.watching, False
            try:
                act()
            finally:
                self.house.boundaries.watching = before

        self.house.boundaries.meanwhile(self.chance.choice((1, 2, 3, 4, 6, 8, 11)), elsewhere)
        self._victim()
        self.house.boundaries.plan = None

    def _victim(self) -> None:
        """What is under way when it happens."""
        kind = self.chance.choice(("click", "job", "job", "job", "run", "run"))
        if kind == "click":
            getattr(self, self.chance.choice(("ship", "set_stock", "tick", "ship_part")))()
            return
        if kind == "run":
            self.sync_now()
            return
        self._act(jobs.schedule.tick, watched=False)
        for _ in range(4):
            if not self._job() or self.house.boundaries.plan is None:
                return

    def come_back(self) -> None:
        """Removed and added again in the middle of it all."""
        self.remove()
        self.add_again()

    def taken_over(self) -> None:
        """Whoever works here has slept for too long: a tick takes its run for dead, and another worker goes on with it."""
        self.house.clock.step(90)
        self._act(jobs.schedule.tick, watched=False)
        for _ in range(6):
            if not self._job():
                return

    def pass_time(self) -> None:
        seconds = self.chance.choice((5, 40, 70, 300, 310, 900, 3700, 3700 * 6, 86400))
        self.house.clock.step(seconds)
        self.story[-1] += f" {seconds} s"

    def jump(self) -> None:
        """Our machine's clock is set wrong, or right again."""
        hours = self.chance.choice((-50, -3, -0.2, 0, 0, 0.2, 3, 50))
        self.house.clock.error = timedelta(hours=hours)
        self.story[-1] += f" {hours} h"

    def flush(self) -> None:
        self.house.redis.flushdb()
