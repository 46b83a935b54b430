"""A schedule of the first kind: what may happen in some days of two shops and one stock, with processes that die in the middle.

Everything is drawn from the schedule's seed, on its own clock, so that the same seed is the same schedule."""

from __future__ import annotations

import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import select

import jobs.schedule
from extensions import db
from models import Integration, Order, SyncRun, WriteBack
from services.listings import stock_push
from services.orders import deletions
from services.shipping import shipments, trying_again
from tests.faults import checks, convergence
from tests.faults.acts import ACTS, Acts
from tests.faults.followed import Copy
from tests.faults.house import House
from tests.faults.report import Result

STEPS = 22
BEGUN = 0.75
"""The share of days that begin when orders and listings are there and the first push is approved."""

LONGEST = 600
"""Seconds after which a schedule is taken to hang."""

NOBODYS = 40
"""Jobs one drain may take: more would be a run that puts itself on the queue for ever."""


class Failed(AssertionError):
    """A schedule whose checks found something."""


class Day(Acts):
    """One schedule from its first event to its last check."""

    def live(self) -> None:
        """All of it; raises Failed."""
        copy = Copy()
        try:
            self._begin_program()
            if self.chance.random() < BEGUN:
                self._begin()
            for number in range(STEPS):
                if number % 3 == 0:
                    self.house.do(copy.follow)
                name = self.chance.choices(list(ACTS), weights=self.weights)[0]
                self._happen(name)
                self._must(list(self.house.do(lambda: [*checks.books(), *checks.strangers()])))
            self._settle()
        except Failed:
            raise
        except Exception as error:
            raise Failed(f"an unhandled {type(error).__name__}: {error}\n{traceback.format_exc()}") from error
        self._must(self.house.do(lambda: checks.everything(self._sites())))
        self._must(self.house.do(lambda: list(copy.differences())))
        self._must(self._program_is_right())
        self._must([f"logged: {line}" for line in self.house.ear.heard])
        for name, shop in self.shops.items():
            self._must(list(checks.traffic(name, shop, self.house.fronts[name])))

    def _begin(self) -> None:
        """The first readings and the first push are done, so that there is something to ship and to push."""
        self.say("begin")
        for _ in range(2):
            self._drain(help=True)
            self.house.clock.step(310)

    def _happen(self, name: str) -> None:
        self.say(name)
        self.events[name] += 1
        getattr(self, name)()

    def _must(self, found: list[str]) -> None:
        if found:
            raise Failed("\n".join(found))

    def _sites(self) -> list[checks.Site]:
        return [checks.Site(name, shop.store, self.shop_ids[name]) for name, shop in self.shops.items()]

    def _settle(self) -> None:
        """The faults are lifted, keys restored and integrations enabled. Time passes; then people do what they were asked to do."""
        self.say("settle")
        self.house.boundaries.reset()
        self.house.clock.error = timedelta(0)
        for name, shop in self.shops.items():
            shop.faults.clear()
            shop.store.most_amount = None
            self.house.fronts[name].clear()
            self.house.fronts[name].date_shift = 0
        self.add_again()
        for name, shop in self.shops.items():
            self._restore_key(name, shop)
        self.enable()
        self.house.change(order_page_size=25, slice_seconds=30)
        self._converge()
        self._must(self._could_be_shipped())
        self.repair()
        self._help()
        for seconds in (0, 310, 310, 4700, *((25 * 3600, 310, 25 * 3600, 310) if self.lied else ())):
            self.house.clock.step(seconds)
            self._drain(help=True)
            self._help()
            if not self.house.do(lambda: checks.everything(self._sites())):
                return

    def _converge(self) -> None:
        """The longest back-off passes and then two intervals, without a person. What was hidden waits for the daily readings, but
        nothing that Cartlink knows of."""
        problems: list[str] = []
        for number, seconds in enumerate((4700, 310, 310, *((25 * 3600, 310, 310, 25 * 3600, 310, 310) if self.lied else ()))):
            self.house.clock.step(seconds)
            self._drain()
            if number >= 2:
                problems = self.house.do(lambda: convergence.found(self._sites()))
                if not problems:
                    break
                if number == 2:
                    self._must(self.house.do(lambda: convergence.unsent(self._sites())))
        self.exempt = self.house.do(lambda: [tuple(one) for site in self._sites() for one in convergence.exempt(site)])
        self._must(problems)

    def _could_be_shipped(self) -> list[str]:
        """Orders that must not be shipped: cancelled ones that their shop cannot print, and equal lines of shipped ones that are gone."""

        def look() -> list[str]:
            problems = []
            for shop, order_id, _ in self.spoiled:
                row = checks.order_here(self.shop_ids[self._name_of(shop)], order_id)
                payment = shop.store.status("payment", shop.store.order(order_id).payment_id)
                if payment.code in ("C", "D") and row is not None and row.state in ("ready", "part_shipped"):
                    problems.append(
                        f"{shop.generation}: order {order_id} is {row.state}, and the shop, which cannot print it, cancelled it"
                    )
            for shop, order_id in self.twins_cut:
                row = checks.order_here(self.shop_ids[self._name_of(shop)], order_id)
                shipping = shop.store.status("shipping", shop.store.order(order_id).shipping_id)
                by_shop = shipping is not None and shipping.code in ("S", "D", "R")
                # A person may have shipped the rest: a second shipment.
                if row is not None and row.state == "shipped" and not by_shop and len(shipments.of_order(row.id)) == 1:
                    problems.append(f"{shop.generation}: order {order_id} counts as shipped, and a line of it was not")
            return problems

        return self.house.do(look)

    def _drain(self, help: bool = False) -> None:
        """Ticks and jobs until nothing is left to do just now. With ``help`` a person says yes to what waits."""
        for _ in range(6):
            self._act(jobs.schedule.tick)
            taken = 0
            while self._job():
                taken += 1
                if taken > NOBODYS:
                    raise Failed("the queue does not get empty")
            if help:
                self._approve_all()
            if not self.house.do(lambda: db.session.scalar(select(SyncRun.id).where(SyncRun.live).limit(1))):
                return
            self.house.clock.step(3)

    def _approve_all(self) -> None:
        for integration_id in self.ids.values():
            if self.house.do(lambda which=integration_id: db.session.get_one(Integration, which).waiting_run_id):
                self._act(lambda which=integration_id: stock_push.approve(which, "test"))

    def _help(self) -> None:
        """What a person is asked to do: cancelled and deleted orders marked as seen, failed write-backs tried again."""

        def go() -> None:
            cancelled = db.session.scalars(select(Order.id).where(Order.cancel_unseen)).all()
            failed = db.session.scalars(select(WriteBack.id).where(WriteBack.state.in_(("failed", "waiting")))).all()
            gone = db.session.scalars(select(Order.id).where(Order.gone_at.is_not(None), Order.gone_seen_at.is_(None))).all()
            db.session.rollback()
            for integration_id in self.ids.values():
                deletions.approve_many(integration_id, "test")
            if gone:
                deletions.mark_seen(gone, "test")
            if cancelled:
                shipments.mark_cancellation_seen(cancelled, "test")
            if failed:
                trying_again.try_again(failed, "test")

        self._act(go)


def live_one(house: House, seed: str, index: int) -> Result:
    """Run one schedule of a seed in a house."""
    began, before = time.monotonic(), house.boundaries.passed.copy()
    found, story, events, day = "", [], Counter(), None
    with bounded(LONGEST):
        try:
            day = Day(house, f"{seed}/{index}")
            story, events = day.story, day.events
            day.live()
        except Failed as failed:
            found = str(failed) or "failed"
        except TimeoutError as late:
            found = str(late)
    if day is not None:
        day._end_program()
    spared = day.exempt if day else []
    return Result("days", index, time.monotonic() - began, found, story, events, house.boundaries.passed - before, spared)


@contextmanager
def bounded(seconds: int, busy: int = 60) -> Iterator[None]:
    """Raises TimeoutError inside where it takes longer, or ``busy`` seconds of the processor: a schedule that hangs has failed,
    one on a machine that does other things has not."""

    def too_long(*_: object) -> None:
        raise TimeoutError(f"the schedule took longer than {seconds} s, or {busy} s of the processor")

    before = [(each, signal.signal(each, too_long)) for each in (signal.SIGALRM, signal.SIGPROF)]
    signal.alarm(seconds)
    signal.setitimer(signal.ITIMER_PROF, busy)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for each, handler in before:
            signal.signal(each, handler)
