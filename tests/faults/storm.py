"""A schedule of the second kind: some seconds of sales and shipments while processes are killed, in real time.

What is done and when is drawn from the seed; who is hit where is up to the machine, so a replay is the same storm, not the
same drop of rain. One fleet lives through many storms; each has shops of its own, which are removed in the end."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from threading import Thread

from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, OperationalError

import jobs
from channels.base import Check
from errors import AppError
from extensions import db
from models import Integration, Order, OrderLine, StockItem, SyncRun, WriteBack
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services import integrations, push, reauthorisation, shipments, stock, write_backs
from services.integrations import NewIntegration
from tests.faults import checks
from tests.faults.browser import PAGES, Browser
from tests.faults.day import Failed, bounded
from tests.faults.fleet import PARTS, Fleet, launched
from tests.faults.report import Result
from tests.faults.shop_faults import LIES, ONE_PAGE, SHOP_FAULTS

ACTS = 12
BEGUN = 0.8
"""The share of storms that begin after the first runs."""
CONVERGE = 120
"""Seconds after the last fault within which everything has to be right."""
LONGEST = 300
SKUS = ("CUP", "PLATE", "BOWL")

WEIGHTS: dict[str, int] = {
    "sell": 8, "edit": 2, "pay": 1, "cancel": 2, "ship_there": 1, "set_stock": 4, "ship": 6, "look": 3,
    "toggle": 2, "remove": 1, "come_back": 1, "revoke": 1, "break_shop": 3, "lie": 1, "shop_down": 1, "mend_shop": 2,
    "kill_worker": 4, "kill_worker_alone": 3, "freeze_worker": 2, "kill_ticks": 1, "kill_scheduler": 1, "kill_web": 1,
    "kill_queue": 1, "lose_queue": 1, "flush_queue": 1, "restart_database": 2, "lock_database": 1, "fill_disk": 2,
}  # fmt: skip


class Storm:
    def __init__(self, fleet: Fleet, seed: str, number: int):
        self.fleet = fleet
        self.chance = random.Random(seed)
        self.story: list[str] = []
        self.events: Counter[str] = Counter()
        self.began = time.monotonic()
        self.number = number
        self.lied = False
        self.waiting: list[Thread] = []
        self.shops: dict[str, PracticeShop] = {}
        self.ids: dict[str, int] = {}
        self.shop_ids: dict[str, int] = {}
        fleet.database_trouble = fleet.queue_trouble = False
        self.browser = Browser(fleet)
        for generation in self.chance.choice((("addon",), ("addon", "api"), ("api", "addon"))):
            store = Store()
            for sku in SKUS:
                store.add_product(sku=f"{sku}-{number}", name=sku.title(), price=10, amount=self.chance.randint(20, 90))
            shop = PracticeShop(store=store, generation=generation, page_latency=25).start()
            self.shops[generation] = shop
            for _ in range(self.chance.randint(4, 20)):
                self._place(shop)
            self._connect(generation)
        self.names = list(self.shops)

    # The frame

    def live(self) -> None:
        """All of it; raises Failed."""
        if self.chance.random() < BEGUN:
            self._wait_for_books()
        for _ in range(ACTS):
            name = self.chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
            self.say(name)
            self.events[name] += 1
            getattr(self, name)()
            time.sleep(self.chance.choice((0.0, 0.1, 0.3, 0.6)))
            self.fleet.supervise()
        self._settle()
        found = [
            f"{name}: the practice shop failed at {place}: {error}"
            for name, shop in self.shops.items()
            for place, error in shop.failures
        ]
        found += [
            f"{name}: it was sent a DELETE"
            for name, shop in self.shops.items()
            for one in shop.requests
            if one["method"] == "DELETE"
        ]
        found += self.fleet.complaints()
        found += self.browser.complaints
        if found:
            raise Failed("\n".join(found))

    def _wait_for_books(self) -> None:
        """Most storms hit shops whose orders and stock are there already, with something to ship. Bounded; what is slow is struck
        before that."""
        deadline = time.monotonic() + 20
        wanted = [f"{sku}-{self.number}" for sku in SKUS]
        while time.monotonic() < deadline:
            known = self._surely(lambda: db.session.scalars(select(StockItem.sku).where(StockItem.sku.in_(wanted))).all())
            if len(known) == len(wanted):
                break
            time.sleep(0.2)
            self.fleet.supervise()
        self.say(f"{len(known)} stock items are there")

    def close(self) -> None:
        for name, shop in self.shops.items():
            with suppress(AppError, DBAPIError, Failed):
                self._surely(lambda name=name: integrations.remove_integration(self.ids[name], "test"))
            shop.stop()

    def say(self, words: str) -> None:
        self.story.append(f"{time.monotonic() - self.began:5.1f} s {words}")

    def _do(self, act: Callable[[], object]) -> object:
        """An act of a person's, on this installation's services; what may be refused or fail is told in the story."""
        with self.fleet.app.app_context():
            try:
                return act()
            except AppError as refused:
                self.story[-1] += f" [{refused.code}]"
            except RedisError as away:
                self.story[-1] += f" [{type(away).__name__}]"
            except DBAPIError as error:
                if not self.fleet.database_trouble:
                    raise Failed(f"the database failed: {error}") from error
                self.story[-1] += f" [{type(error.orig).__name__}]"
            finally:
                with suppress(DBAPIError):
                    db.session.remove()
        return None

    def _surely(self, act: Callable[[], object]) -> object:
        """The same, again and again until the database takes it. Bounded."""
        deadline = time.monotonic() + 25
        while True:
            with self.fleet.app.app_context():
                try:
                    return act()
                except OperationalError:
                    if time.monotonic() > deadline:
                        raise
                    self.fleet.supervise()
                    time.sleep(0.2)
                finally:
                    with suppress(DBAPIError):
                        db.session.remove()

    # Shops and people

    def _connect(self, name: str) -> None:
        shop = self.shops[name]
        new = NewIntegration(
            "xcart", f"{name} {self.number}", shop.url, "practice-full-key", since=utcnow() - timedelta(days=30),
            shop_id=self.shop_ids.get(name), by_address=False,
        )  # fmt: skip
        # A port that the shop of an older storm had is not that shop again: it is known by its id, not by its address.
        check = Check("ok", "It works.", endpoint=shop.url, generation=name)

        def go() -> None:
            integration = integrations.add_integration(new, check, "test")
            self.ids[name], self.shop_ids[name] = integration.id, integration.shop_id

        self._surely(go)

    def _place(self, shop: PracticeShop) -> None:
        self.events["order placed"] += 1
        shop.store.place_order(lines=self._lines(shop.store), payment=self.chance.choice(("P", "P", "P", "A")))

    def _lines(self, store: Store) -> list[tuple[int, int]]:
        return [(one, self.chance.randint(1, 2)) for one in self.chance.sample(list(store.products), self.chance.randint(1, 2))]

    def _any(self) -> PracticeShop:
        return self.shops[self.chance.choice(self.names)]

    def sell(self) -> None:
        for _ in range(self.chance.randint(2, 12)):
            self._place(self._any())

    def _with_order(self, act: Callable[[Store, int], object]) -> None:
        store = self._any().store
        if store.orders:
            act(store, self.chance.choice(list(store.orders)))

    def edit(self) -> None:
        self._with_order(lambda store, order_id: store.edit_order(order_id, lines=self._lines(store)))

    def pay(self) -> None:
        self._with_order(lambda store, order_id: store.set_status(order_id, payment="P"))

    def cancel(self) -> None:
        self._with_order(lambda store, order_id: store.cancel_order(order_id))

    def ship_there(self) -> None:
        self._with_order(lambda store, order_id: store.set_status(order_id, shipping="S"))

    def break_shop(self) -> None:
        fault = self.chance.choice((*SHOP_FAULTS, *ONE_PAGE))
        self._any().faults.replace(fault)
        self.story[-1] += f" {fault}"

    def lie(self) -> None:
        self.lied = True
        fault = self.chance.choice([each for each in LIES if "times" in str(each)])
        self._any().faults.replace(fault)
        self.story[-1] += f" {fault}"

    def shop_down(self) -> None:
        shop = self._any()
        shop.stop()
        time.sleep(0.5)
        shop.start()

    def mend_shop(self) -> None:
        self._any().faults.clear()

    def revoke(self) -> None:
        self._any().key = None

    def set_stock(self) -> None:
        sku, quantity = f"{self.chance.choice(SKUS)}-{self.number}", self.chance.randint(0, 60)
        self._do(lambda: stock.set_stock(sku, quantity, "test"))

    def ship(self) -> None:
        def go() -> None:
            query = select(Order.id).where(Order.state == "ready", Order.shop_id.in_(self.shop_ids.values())).order_by(Order.id)
            ready = db.session.scalars(query).all()
            for order_id in self.chance.sample(list(ready), min(len(ready), self.chance.randint(1, 4))):
                part = self.chance.random() < 0.2
                line = db.session.scalar(select(OrderLine.id).where(OrderLine.order_id == order_id)) if part else None
                number = f"{'P' if part else 'T'}{order_id}"
                shipments.ship(order_id, "test", tracking_number=number, quantities={line: 1} if line else None)
                self.events["shipment made"] += 1

        self._do(go)

    def look(self) -> None:
        for page in self.chance.sample(PAGES, 2):
            self.browser.get(page)

    def toggle(self) -> None:
        name = self.chance.choice(self.names)
        self.browser.switch(self.ids[name], False)
        time.sleep(0.4)
        self.browser.switch(self.ids[name], True)

    def remove(self) -> None:
        name = self.chance.choice(self.names)
        self._do(lambda: integrations.remove_integration(self.ids[name], "test"))

    def come_back(self) -> None:
        self.remove()
        self._add_again()

    def _add_again(self) -> None:
        for name in self.names:
            if self._surely(lambda name=name: db.session.get_one(Integration, self.ids[name]).removed_at is not None):
                self._connect(name)

    # Machines

    def kill_worker(self) -> None:
        self.fleet.kill(self.chance.choice(("worker-1", "worker-2")))

    def kill_worker_alone(self) -> None:
        """Its work horse lives on for a little, and may end its page while the lease is its own: no longer."""
        self.fleet.kill(self.chance.choice(("worker-1", "worker-2")), whole=False)

    def freeze_worker(self) -> None:
        """Long enough for its runs to be taken for dead and gone on with by others; then it wakes up."""
        name, kill = self.chance.choice(("worker-1", "worker-2")), self.chance.random() < 0.5
        with self.fleet.frozen(name, also_kill=kill):
            until = time.monotonic() + 3.6
            while time.monotonic() < until:
                if self.chance.random() < 0.3:
                    self._place(self._any())
                time.sleep(0.3)
                self.fleet.supervise()

    def kill_ticks(self) -> None:
        self.fleet.kill("ticks")

    def kill_scheduler(self) -> None:
        self.fleet.kill(self.chance.choice(("scheduler-1", "scheduler-2")))

    def kill_web(self) -> None:
        self.browser.may_be_away = True
        self.fleet.kill("web")

    def kill_queue(self) -> None:
        self.fleet.queue_trouble = True
        self.fleet.kill("queue")

    def lose_queue(self) -> None:
        self.fleet.lose_queue()

    def flush_queue(self) -> None:
        self.fleet.flush_queue()

    def restart_database(self) -> None:
        if self.fleet.kind == "sqlite":
            self.lock_database()
        else:
            self.fleet.restart_database()

    def lock_database(self) -> None:
        self.waiting.append(self.fleet.lock_database(self.chance.choice((0.5, 1.5, 2.5))))

    def fill_disk(self) -> None:
        if not self.fleet.has_disk:
            self.lock_database()
            return
        with self.fleet.full_disk():
            until = time.monotonic() + self.chance.choice((0.6, 1.2, 2.0))
            while time.monotonic() < until:
                self._do(lambda: stock.set_stock(f"CUP-{self.number}", self.chance.randint(0, 60), "test"))
                time.sleep(0.3)
                # What has ended over it stays down: a supervisor would start it again and again.

    # The end

    def _settle(self) -> None:
        self.say("settle")
        for thread in self.waiting:
            thread.join(10)
        for shop in self.shops.values():
            shop.faults.clear()
        deadline = time.monotonic() + CONVERGE
        while not self.fleet.everything_up():
            if time.monotonic() > deadline:
                raise Failed("not everything comes up again")
            time.sleep(0.1)
        self._add_again()
        for name, shop in self.shops.items():
            self._restore(name, shop)
        sites = [checks.Site(name, shop.store, self.shop_ids[name]) for name, shop in self.shops.items()]
        found, turn = ["not looked yet"], 0
        while found:
            if time.monotonic() > deadline:
                raise Failed("\n".join([*found, *self._surely(self._latest_runs)]))
            time.sleep(0.4)
            self.fleet.supervise()
            self._help(turn)
            turn += 1
            found = self._surely(lambda: checks.everything(sites, timedelta(seconds=8)))

    def _latest_runs(self) -> list[str]:
        """What to look at where it does not get right."""
        query = select(SyncRun).where(SyncRun.integration_id.in_(self.ids.values())).order_by(SyncRun.id.desc()).limit(14)
        found = [
            f"{run.created_at:%H:%M:%S} run {run.id} {run.kind} by {run.actor}: {run.state} {run.outcome}, enqueued {run.enqueues} times, "
            f"{run.counts} {run.error}"
            for run in db.session.scalars(query)
        ]
        for integration in db.session.scalars(select(Integration).where(Integration.id.in_(self.ids.values()))):
            due = {kind: f"{getattr(integration, f'{kind}_due_at'):%H:%M:%S}" for kind in ("orders", "stock")}
            found.append(
                f"{integration.name}: {integration.health}, {integration.health_message} due {due}, now {utcnow():%H:%M:%S}"
            )
        with suppress(RedisError):
            for queue in jobs.QUEUES:
                found.append(f"queue {queue}: {jobs.queue(queue).job_ids}")
        return found

    def _restore(self, name: str, shop: PracticeShop) -> None:
        """People do what they were asked to do: the switch, the key, and a click that says "try it now"."""
        check = Check("ok", "It works.", endpoint=shop.url, generation=name)
        revoked, shop.key = shop.key is None, "practice-full-key"

        def go() -> None:
            integrations.set_enabled(self.ids[name], True, "test")
            health = db.session.get_one(Integration, self.ids[name], populate_existing=True).health
            db.session.rollback()
            if revoked or health != "connected":
                reauthorisation.apply_reauthorisation(self.ids[name], check, "practice-full-key", [], "test")

        self._surely(go)

    def _help(self, turn: int) -> None:
        def go() -> None:
            present = select(Integration).where(Integration.id.in_(self.ids.values()), Integration.removed_at.is_(None))
            for integration in db.session.scalars(present).all():
                waits, which = integration.waiting_run_id, integration.id
                failing = integration.health != "connected" and turn % 8 == 7
                generation, endpoint = integration.generation, integration.endpoint
                db.session.rollback()
                if waits:
                    with suppress(AppError):
                        push.approve(which, "test")
                if failing:
                    again = Check("ok", "It works.", endpoint=endpoint, generation=generation)
                    reauthorisation.apply_reauthorisation(which, again, "practice-full-key", [], "test")
                if self.lied and turn in (4, 30):
                    with suppress(AppError):
                        jobs.start_run(which, "receipts", "user:test")
            cancelled = db.session.scalars(select(Order.id).where(Order.cancel_unseen)).all()
            failed = db.session.scalars(
                select(WriteBack.id).where(
                    WriteBack.state.in_(("failed", "waiting")), WriteBack.shop_id.in_(self.shop_ids.values())
                )
            ).all()
            db.session.rollback()
            if cancelled:
                shipments.acknowledge_cancelling(cancelled, "test")
            if failed and turn % 4 == 3:
                with suppress(AppError):
                    write_backs.try_again(failed, "test")

        self._surely(go)


def live_many(kind: str, seed: str, numbers: Iterator[int]) -> Iterator[Result]:
    """Run storms over one fleet; after one that failed it is another fleet."""
    waiting = next(numbers, None)
    while waiting is not None:
        with launched(kind, forks=PARTS) as fleet:
            sound = True
            while sound and waiting is not None:
                result = live_one(fleet, seed, waiting)
                sound = not result.found
                waiting = next(numbers, None)
                yield result


def live_one(fleet: Fleet, seed: str, index: int) -> Result:
    began, restarts = time.monotonic(), fleet.restarts.copy()
    found, story, events, storm = "", [], Counter(), None
    with bounded(LONGEST):
        try:
            storm = Storm(fleet, f"{seed}/{index}", index)
            story, events = storm.story, storm.events
            storm.live()
        except Failed as failed:
            found = str(failed) or "failed"
        except TimeoutError as late:
            found = str(late)
    if storm is not None:
        with bounded(LONGEST):
            storm.close()
    events.update({f"{name} started again": count for name, count in (fleet.restarts - restarts).items()})
    fleet.forget_ended()
    return Result("storms", index, time.monotonic() - began, found, story, events)
