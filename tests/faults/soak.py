"""``make soak MINUTES=30 SHOPS=25``: a fleet under faults for a while. It has to end with flat memory, no leftover lease and
equal books on both sides."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import psutil
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from errors import AppError
from extensions import db
from models import Integration, Listing, Order, SyncRun, WriteBack
from models.types import utcnow
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Rule
from services.integrations import lifecycle
from services.listings import stock_push
from services.shipping import shipments, trying_again
from services.stock import items
from tests.faults import checks, connecting, convergence
from tests.faults.browser import PAGES, Browser
from tests.faults.fleet import Fleet, launched
from tests.faults.report import grouped
from tests.faults.shop_faults import CHANGED, SHOP_FAULTS, UNWRITTEN
from tests.faults.watched import Watched

SAMPLE_EVERY = 5.0
HARD = 0.33
"""The share of the time in which everything may be killed. After it web, ticks, the first worker and the first scheduler live on,
so that their memory can be compared; everything else goes on as before."""
FIRST, LAST = (0.36, 0.55), (0.8, 1.01)
"""The shares of the time whose memory is compared."""
YOUNG = 20.0
"""Seconds of a process's life that are not looked at."""
GROWTH = 12.0
"""MiB that a process may weigh more in the end."""
CONVERGE = 300
SETTINGS = {"LEASE_SECONDS": "5", "ORDERS_EVERY": "10", "STOCK_EVERY": "10", "ORDER_PAGE_SIZE": "25", "KEEP_RUNS_DAYS": "1"}


@dataclass
class Memory:
    """Resident MiB of a part over time; a part that was started again begins again."""

    samples: dict[int, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def growth(self, began: float, minutes: float) -> list[tuple[int, float, float]]:
        """(pid, MiB at first, MiB in the end) of every process that lived through the time between."""

        def between(samples: list[tuple[float, float]], share: tuple[float, float]) -> list[float]:
            return [size for at, size in samples if share[0] <= (at - began) / (minutes * 60) < share[1]]

        found = []
        for pid, samples in self.samples.items():
            # What was just started still grows into its size.
            grown_up = [(at, size) for at, size in samples if at - samples[0][0] > YOUNG]
            first, last = between(grown_up, FIRST), between(grown_up, LAST)
            if first and last:
                found.append((pid, sum(first) / len(first), sum(last) / len(last)))
        return found


class Soak:
    def __init__(self, fleet: Fleet, shops: int, minutes: float, seed: str):
        self.fleet = fleet
        self.minutes = minutes
        self.chance = random.Random(seed)
        self.events: Counter[str] = Counter()
        self.memory: dict[str, Memory] = defaultdict(Memory)
        self.repaired: dict[int, float] = {}
        self.troubles: list[str] = []
        fleet.database_trouble = fleet.queue_trouble = True
        self.shops: list[PracticeShop] = []
        self.fronts: list[Watched] = []
        self.ids: list[int] = []
        self.shop_ids: list[int] = []
        self.browser = Browser(fleet)
        self.browser.may_be_away = True
        for number in range(shops):
            store = Store()
            for each in range(8):
                # Some things are sold in one shop, some in all of them.
                sku = f"SHARED-{each}" if each < 2 else f"SKU-{number}-{each}"
                store.add_product(sku=sku, name=sku, price=10, amount=500)
            generation = "api" if number % 5 == 4 else "addon"
            shop = PracticeShop(store=store, generation=generation, page_latency=10).start()
            self.shops.append(shop)
            self.fronts.append(Watched(shop.url).start())
            for _ in range(20):
                self._place(shop)
            self._connect(number)

    def _do(self, act: Callable[[], object], insist: bool = False) -> object:
        deadline = time.monotonic() + 60
        while True:
            with self.fleet.app.app_context():
                try:
                    return act()
                except AppError:
                    return None
                except DBAPIError:
                    if not insist or time.monotonic() > deadline:
                        return None
                    self.fleet.supervise()
                    time.sleep(0.2)
                finally:
                    with suppress(DBAPIError):
                        db.session.remove()

    def _connect(self, number: int) -> None:
        url = self.fronts[number].url

        def go() -> None:
            added = connecting.add(url, self.shops[number].generation, f"Shop {number}", utcnow() - timedelta(days=30))
            self.ids.append(added[0])
            self.shop_ids.append(added[1])

        self._do(go, insist=True)

    def _place(self, shop: PracticeShop) -> None:
        self.events["order placed"] += 1
        products = self.chance.sample(list(shop.store.products), self.chance.randint(1, 2))
        shop.store.place_order([(one, self.chance.randint(1, 2)) for one in products], payment=self.chance.choice("PPPA"))

    def run(self) -> None:
        began = time.monotonic()
        until = began + self.minutes * 60
        next_sample, next_fault, next_line = began, began + 15, began + 60
        while (now := time.monotonic()) < until:
            self.fleet.supervise()
            self._trade()
            for number, at in list(self.repaired.items()):
                if now > at:
                    self.shops[number].faults.clear()
                    self.fronts[number].clear()
                    del self.repaired[number]
            if now > next_fault:
                self._fault((now - began) / (self.minutes * 60) < HARD)
                next_fault = now + self.chance.uniform(2, 8)
            if now > next_sample:
                self._sample(now)
                next_sample = now + SAMPLE_EVERY
            if now > next_line:
                print(
                    f"{(now - began) / 60:.0f} min: {sum(self.events.values())} events, {self._progress()}, memory {self._weights()}",
                    flush=True,
                )
                next_line = now + 60
                self.troubles += self.fleet.complaints()
                self.fleet.forget_ended()
            time.sleep(0.2)
        self._sample(time.monotonic())
        self._report(began)

    def _trade(self) -> None:
        for _ in range(self.chance.randint(0, 2)):
            self._place(self.chance.choice(self.shops))
        act = self.chance.random()
        shop = self.chance.choice(self.shops)
        order_id = self.chance.choice(list(shop.store.orders))
        if act < 0.03:
            shop.store.cancel_order(order_id)
            self.events["cancelled there"] += 1
        elif act < 0.05:
            shop.store.set_status(order_id, shipping="S")
            self.events["shipped there"] += 1
        elif act < 0.20:
            sku = (
                f"SHARED-{self.chance.randrange(2)}"
                if act < 0.07
                else f"SKU-{self.chance.randrange(len(self.shops))}-{self.chance.randint(2, 7)}"
            )
            self._do(lambda: items.set_stock(sku, self.chance.randint(200, 900), "soak"))
            self.events["stock set"] += 1
        elif act < 0.35:
            self._do(self._ship)
        elif act < 0.5:
            self.browser.get(self.chance.choice(PAGES))
            self.events["page looked at"] += 1

    def _ship(self) -> None:
        query = select(Order.id).where(Order.state == "ready").order_by(func.random()).limit(3)
        for order_id in db.session.scalars(query).all():
            db.session.rollback()
            shipments.ship(order_id, "soak", tracking_number=f"T{order_id}")
            self.events["shipment made"] += 1

    def _fault(self, hard: bool) -> None:
        number = self.chance.randrange(len(self.shops))
        usual = {"shop": 8, "changed answers": 6, "writes": 6, "kill worker": 3, "kill worker alone": 2, "freeze worker": 1, "kill scheduler": 1, "flush queue": 1,
                 "lock database": 1, "toggle": 3, "revoke": 1}  # fmt: skip
        deadly = {"kill web": 0.5, "kill ticks": 1, "kill queue": 1, "lose queue": 1, "restart database": 1, "full disk": 1}
        faults = usual | deadly if hard else usual
        name = self.chance.choices(list(faults), list(faults.values()))[0]
        self.events[name] += 1
        fleet = self.fleet
        worker = self.chance.choice(("worker-1", "worker-2")) if hard else "worker-2"
        scheduler = self.chance.choice(("scheduler-1", "scheduler-2")) if hard else "scheduler-2"
        if name == "shop":
            self.shops[number].faults.replace(self.chance.choice(SHOP_FAULTS))
            self.repaired[number] = time.monotonic() + self.chance.uniform(2, 30)
        elif name in ("changed answers", "writes"):
            self.fronts[number].set(Rule(**self.chance.choice(CHANGED if name == "changed answers" else UNWRITTEN)))
            self.repaired[number] = time.monotonic() + self.chance.uniform(2, 30)
        elif name == "kill worker":
            fleet.kill(worker)
        elif name == "kill worker alone":
            fleet.kill(worker, whole=False)
        elif name == "freeze worker":
            with fleet.frozen(worker, also_kill=True):
                time.sleep(7)
        elif name == "kill scheduler":
            fleet.kill(scheduler)
        elif name in ("kill web", "kill ticks", "kill queue"):
            fleet.kill(name.removeprefix("kill "))
        elif name == "flush queue":
            fleet.flush_queue()
        elif name == "lose queue":
            fleet.lose_queue()
        elif name == "restart database":
            fleet.restart_database()
        elif name == "lock database":
            fleet.lock_database(2).join(5)
        elif name == "full disk":
            if fleet.has_disk:
                with fleet.full_disk():
                    time.sleep(1)
        elif name == "toggle":
            self.browser.switch(self.ids[number], False)
            time.sleep(0.3)
            self.browser.switch(self.ids[number], True)
        else:
            self.shops[number].key = None
            time.sleep(3)
            self._restore(number)

    def _restore(self, number: int) -> None:
        shop = self.shops[number]
        shop.key = connecting.KEY
        self._do(lambda: lifecycle.set_enabled(self.ids[number], True, "soak"), insist=True)
        url = self.fronts[number].url
        self._do(lambda: connecting.enter_key(self.ids[number], url, shop.generation), insist=True)

    def _sample(self, now: float) -> None:
        for name, started in self.fleet.parts.items():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(started.pid)
                # gunicorn's pages are served by its child.
                each = [*process.children()] if name == "web" else [process]
                for one in each:
                    self.memory[name].samples[one.pid].append((now, one.memory_info().rss / 2**20))

    def _progress(self) -> str:
        """Whether the workers get on: runs that have ended, and those that wait."""
        query = select(SyncRun.state, func.count()).group_by(SyncRun.state)
        counted = self._do(lambda: dict(db.session.execute(query).all())) or {}
        return "runs " + ", ".join(f"{state} {number}" for state, number in sorted(counted.items()))

    def _weights(self) -> str:
        latest = {name: list(memory.samples.values())[-1][-1][1] for name, memory in sorted(self.memory.items())}
        return ", ".join(f"{name} {size:.0f}" for name, size in latest.items()) + " MiB"

    def _report(self, began: float) -> None:
        print("Memory, MiB, of the processes that lived on after the first third:")
        for name, memory in sorted(self.memory.items()):
            grown = memory.growth(began, self.minutes)
            for pid, first, last in grown:
                print(f"  {name:12} pid {pid:6}: {first:6.1f} -> {last:6.1f} ({last - first:+.1f})")
                if name != "queue" and last - first > GROWTH:
                    self.troubles.append(f"{name} grew by {last - first:.1f} MiB")
            if not grown:
                ends = [(samples[0][1], samples[-1][1]) for samples in memory.samples.values() if len(samples) > 3]
                print(
                    f"  {name:12} was started again too often; first -> last of each: "
                    + ", ".join(f"{a:.0f}->{b:.0f}" for a, b in ends)
                )

    def converge(self) -> float:
        """Nothing is wrong any more; answers with the seconds until everything is right, or leaves it in ``troubles``."""
        began = time.monotonic()
        for number, shop in enumerate(self.shops):
            shop.faults.clear()
            self.fronts[number].clear()
            self._restore(number)
        sites = [checks.Site(f"shop {number}", shop.store, self.shop_ids[number]) for number, shop in enumerate(self.shops)]
        self._converge_alone(sites, began)
        turn = 0
        while True:
            self.fleet.supervise()
            self._do(lambda turn=turn: self._help(turn), insist=True)
            turn += 1
            found = self._do(lambda: checks.everything(sites, timedelta(seconds=60)), insist=True)
            if found == []:
                return time.monotonic() - began
            if time.monotonic() - began > 2 * CONVERGE:
                self.troubles += found or ["the database does not answer"]
                return time.monotonic() - began
            time.sleep(2)

    def _converge_alone(self, sites: list[checks.Site], began: float) -> None:
        """No person helps until every pushable listing shows what the books offer."""
        found: list[str] | None = None
        while found != [] and time.monotonic() - began < CONVERGE:
            self.fleet.supervise()
            time.sleep(2)
            found = self._do(lambda: convergence.found(sites), insist=True)
        self.troubles += found or []
        exempt = self._do(lambda: [tuple(each) for site in sites for each in convergence.exempt(site)], insist=True) or []
        for (place, reason), skus in grouped(exempt).items():
            print(f"{place}: exempt because {reason}: {', '.join(skus)}")
        print(f"Without a person it took {time.monotonic() - began:.0f} s.", flush=True)

    def _help(self, turn: int) -> None:
        """A person says yes to previews, and looks at what was cancelled or could not be sent."""
        for which in db.session.scalars(select(Integration.id).where(Integration.waiting_run_id.is_not(None))).all():
            db.session.rollback()
            with suppress(AppError):
                stock_push.approve(which, "soak")
        cancelled = db.session.scalars(select(Order.id).where(Order.cancel_unseen)).all()
        failed = db.session.scalars(select(WriteBack.id).where(WriteBack.state.in_(("failed", "waiting")))).all()
        db.session.rollback()
        if cancelled:
            shipments.mark_cancellation_seen(cancelled, "soak")
        if failed and turn % 5 == 1:
            with suppress(AppError):
                trying_again.try_again(failed, "soak")

    def summary(self) -> None:
        def count() -> dict[str, int]:
            tables = {"orders": Order, "listings": Listing, "write-backs": WriteBack, "sync runs": SyncRun}
            return {name: db.session.scalar(select(func.count()).select_from(model)) or 0 for name, model in tables.items()}

        counted = self._do(count, insist=True) or {}
        outcomes = self._do(
            lambda: dict(db.session.execute(select(SyncRun.outcome, func.count()).group_by(SyncRun.outcome)).all()), insist=True
        )
        print("Held here: " + ", ".join(f"{number} {name}" for name, number in counted.items()))
        print(f"Held there: {sum(len(shop.store.orders) for shop in self.shops)} orders in {len(self.shops)} shops")
        print(f"Runs by outcome: {outcomes}")
        print(f"Requests to the shops: {sum(len(shop.requests) for shop in self.shops)}")
        print("Events: " + ", ".join(f"{name} {count}" for name, count in sorted(self.events.items())))
        print("Started again: " + ", ".join(f"{name} {count}" for name, count in sorted(self.fleet.restarts.items())))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description="A fleet under faults for a while.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--shops", type=int, default=25)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--db", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args(arguments)
    # What is killed all the time is forked; what lives on, whose memory is compared, is started as in an installation.
    with launched(options.db, SETTINGS, forks=("worker-2", "scheduler-2")) as fleet:
        soak = Soak(fleet, options.shops, options.minutes, options.seed)
        try:
            soak.run()
            seconds = soak.converge()
            soak.troubles += soak.fleet.complaints()
            for number, (shop, front) in enumerate(zip(soak.shops, soak.fronts, strict=True)):
                soak.troubles += checks.traffic(f"shop {number}", shop, front)
            print(f"Everything was right {seconds:.0f} s after the last fault." if not soak.troubles else "NOT RIGHT:")
            soak.summary()
        finally:
            for front, shop in zip(soak.fronts, soak.shops, strict=True):
                front.stop()
                shop.stop()
    for trouble in soak.troubles[:40]:
        print(f"  {trouble}")
    return 1 if soak.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
