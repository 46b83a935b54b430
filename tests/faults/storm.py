"""A schedule of the second kind: some seconds of sales and shipments while processes are killed, in real time.

What is done and when is drawn from the seed; who is hit where is up to the machine, so a replay is the same storm, not the
same drop of rain. One fleet lives through many storms; each has its own shops, which are removed in the end."""

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
from errors import AppError
from extensions import db
from models import Integration, Order, StockItem, SyncRun, WriteBack
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services.integrations import lifecycle
from services.listings import stock_push
from services.shipping import shipments, trying_again
from tests.faults import checks, connecting, convergence
from tests.faults.browser import Browser
from tests.faults.day import Failed, bounded
from tests.faults.fleet import PARTS, Fleet, launched
from tests.faults.program_acts import PROGRAM_WEIGHTS, StormProgramActs
from tests.faults.report import Result
from tests.faults.storm_acts import SKUS, WEIGHTS, StormActs
from tests.faults.watched import Watched

ACTS = 12
BEGUN = 0.8
"""The share of storms that begin after the first runs."""
CONVERGE = 120
"""Seconds after the last fault within which everything has to be right."""
LONGEST = 300


ALL = {**WEIGHTS, **PROGRAM_WEIGHTS}


class Storm(StormActs, StormProgramActs):
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
        self.fronts: dict[str, Watched] = {}
        self.exempt: list[tuple[str, str, str]] = []
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
            self.fronts[generation] = Watched(shop.url).start()
            for _ in range(self.chance.randint(4, 20)):
                self._place(shop)
            self._connect(generation)
        self.names = list(self.shops)
        self._begin_program()

    # The frame

    def live(self) -> None:
        """All of it; raises Failed."""
        if self.chance.random() < BEGUN:
            self._wait_for_books()
        self.say("the program begins")
        for act in (self.program_reads, self.program_ships, self.program_stock, self.change_mood):
            act()
        for _ in range(ACTS):
            name = self.chance.choices(list(ALL), weights=list(ALL.values()))[0]
            self.say(name)
            self.events[name] += 1
            getattr(self, name)()
            self.program_reads()
            time.sleep(self.chance.choice((0.0, 0.1, 0.3, 0.6)))
            self.fleet.supervise()
        self._settle()
        found = [each for name, shop in self.shops.items() for each in checks.traffic(name, shop, self.fronts[name])]
        found += self._program_is_right()
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
            if len(known) == len(wanted) and self._surely(self._first_pushes_done):
                break
            self._help(0)
            time.sleep(0.2)
            self.fleet.supervise()
        self.say(f"{len(known)} stock items are there")

    def _first_pushes_done(self) -> bool:
        gates = select(Integration.push_gate).where(Integration.id.in_(self.ids.values()))
        return set(db.session.scalars(gates)) == {"open"}

    def close(self) -> None:
        self._end_program()
        for name, shop in self.shops.items():
            with suppress(AppError, DBAPIError, Failed):
                self._surely(lambda name=name: lifecycle.remove_integration(self.ids[name], "test"))
            self.fronts[name].stop()
            shop.stop()

    def say(self, words: str) -> None:
        self.story.append(f"{time.monotonic() - self.began:5.1f} s {words}")

    def _do(self, act: Callable[[], object]) -> object:
        """An act of a person's, on this installation's services; what may be refused or fail is written into the story."""
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

    # The end

    def _settle(self) -> None:
        self.say("settle")
        for thread in self.waiting:
            thread.join(10)
        for name, shop in self.shops.items():
            shop.faults.clear()
            self.fronts[name].clear()
        deadline = time.monotonic() + CONVERGE
        while not self.fleet.everything_up():
            if time.monotonic() > deadline:
                raise Failed("not everything comes up again")
            time.sleep(0.1)
        self._add_again()
        for name, shop in self.shops.items():
            self._restore(name, shop)
        sites = [checks.Site(name, shop.store, self.shop_ids[name]) for name, shop in self.shops.items()]
        self._converge(sites, deadline)
        deadline = time.monotonic() + CONVERGE
        found, turn = ["not looked yet"], 0
        while found:
            if time.monotonic() > deadline:
                raise Failed("\n".join([*found, *self._surely(self._latest_runs)]))
            time.sleep(0.4)
            self.fleet.supervise()
            self._help(turn)
            turn += 1
            found = self._surely(lambda: checks.everything(sites, timedelta(seconds=8)))

    def _converge(self, sites: list[checks.Site], deadline: float) -> None:
        """No person helps until every pushable listing shows what the books offer. What a lie has hidden waits for the daily
        readings, which a person starts later."""
        found = ["not looked yet"]
        while found:
            if time.monotonic() > deadline and not self.lied:
                raise Failed("\n".join([*found, *self._surely(self._latest_runs)]))
            if time.monotonic() > deadline - CONVERGE / 2 and self.lied:
                break
            time.sleep(0.4)
            self.fleet.supervise()
            found = self._surely(lambda: convergence.found(sites))
        self.exempt = self._surely(lambda: [tuple(each) for site in sites for each in convergence.exempt(site)])

    def _latest_runs(self) -> list[str]:
        """What to look at where it does not get right."""
        query = select(SyncRun).where(SyncRun.integration_id.in_(self.ids.values())).order_by(SyncRun.id.desc()).limit(14)
        found = [
            f"{run.created_at:%H:%M:%S} run {run.id} {run.kind} by {run.actor}: {run.state} {run.outcome}, enqueued {run.enqueues} times, "
            f"{run.counts} {run.error}"
            for run in db.session.scalars(query)
        ]
        for integration in db.session.scalars(select(Integration).where(Integration.id.in_(self.ids.values()))):
            due = {kind: f"{integration.flows[kind].next_at:%H:%M:%S}" for kind in ("orders", "stock")}
            found.append(
                f"{integration.name}: {integration.health}, {integration.health_message} due {due}, now {utcnow():%H:%M:%S}"
            )
        with suppress(RedisError):
            for queue in jobs.QUEUES:
                found.append(f"queue {queue}: {jobs.queue(queue).job_ids}")
        return found

    def _restore(self, name: str, shop: PracticeShop) -> None:
        """People do what they were asked to do: the switch, the key, and a click that says "try it now"."""
        revoked, shop.key = shop.key is None, connecting.KEY

        def go() -> None:
            lifecycle.set_enabled(self.ids[name], True, "test")
            health = db.session.get_one(Integration, self.ids[name], populate_existing=True).health
            db.session.rollback()
            if revoked or health != "connected":
                connecting.enter_key(self.ids[name], self.fronts[name].url, name)

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
                        stock_push.approve(which, "test")
                if failing:
                    connecting.enter_key(which, endpoint, generation)
                if self.lied and turn in (4, 30):
                    with suppress(AppError):
                        jobs.start_run(which, "reconciliation", "user:test")
            cancelled = db.session.scalars(select(Order.id).where(Order.cancel_unseen)).all()
            failed = db.session.scalars(
                select(WriteBack.id).where(
                    WriteBack.state.in_(("failed", "waiting")), WriteBack.shop_id.in_(self.shop_ids.values())
                )
            ).all()
            db.session.rollback()
            if cancelled:
                shipments.mark_cancellation_seen(cancelled, "test")
            if failed and turn % 4 == 3:
                with suppress(AppError):
                    trying_again.try_again(failed, "test")

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
    spared = storm.exempt if storm else []
    return Result("storms", index, time.monotonic() - began, found, story, events, exempt=spared)
