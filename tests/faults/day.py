"""A schedule of the first kind: what may happen in some days of two shops and one stock, with processes that die in the middle.

Everything is drawn from the schedule's seed, on a clock of its own, so that the same seed is the same schedule."""

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
from services import push, shipments, write_backs
from tests.faults import checks
from tests.faults.acts import ACTS, Acts
from tests.faults.house import House
from tests.faults.report import Result

STEPS = 22
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
        try:
            for _ in range(STEPS):
                name = self.chance.choices(list(ACTS), weights=self.weights)[0]
                self._happen(name)
                self._must(list(self.house.do(lambda: [*checks.books(), *checks.strangers()])))
            self._settle()
        except Failed:
            raise
        except Exception as error:
            raise Failed(f"an unhandled {type(error).__name__}: {error}\n{traceback.format_exc()}") from error
        self._must(self.house.do(lambda: checks.everything(self._sites())))
        self._must([f"logged: {line}" for line in self.house.ear.heard])
        for name, shop in self.shops.items():
            self._must([f"{name}: the practice shop failed at {target}: {error}" for target, error in shop.failures])
            self._must([f"{name}: it was sent a DELETE" for request in shop.requests if request["method"] == "DELETE"])

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
        """Nothing is wrong any more; people do what they were asked to do, and time passes. Bounded."""
        self.say("settle")
        self.house.boundaries.reset()
        self.house.clock.error = timedelta(0)
        for shop in self.shops.values():
            shop.faults.clear()
        self.add_again()
        for name, shop in self.shops.items():
            self._restore_key(name, shop)
        self.enable()
        self._help()
        self.house.change(order_page_size=25, slice_seconds=30)
        for seconds in (4700, 310, 310, 4700, *((25 * 3600, 310, 25 * 3600, 310) if self.lied else ())):
            self.house.clock.step(seconds)
            self._drain()
            self._help()
            if not self.house.do(lambda: checks.everything(self._sites())):
                return

    def _drain(self) -> None:
        """Ticks and jobs until nothing is left to do just now."""
        for _ in range(6):
            self._act(jobs.schedule.tick)
            taken = 0
            while self._job():
                taken += 1
                if taken > NOBODYS:
                    raise Failed("the queue does not get empty")
            self._approve_all()
            if not self.house.do(lambda: db.session.scalar(select(SyncRun.id).where(SyncRun.live).limit(1))):
                return
            self.house.clock.step(3)

    def _approve_all(self) -> None:
        for integration_id in self.ids.values():
            if self.house.do(lambda which=integration_id: db.session.get_one(Integration, which).waiting_run_id):
                self._act(lambda which=integration_id: push.approve(which, "test"))

    def _help(self) -> None:
        """What a person is asked to do: cancelled orders looked at, failed write-backs tried again."""

        def go() -> None:
            cancelled = db.session.scalars(select(Order.id).where(Order.cancel_unseen)).all()
            failed = db.session.scalars(select(WriteBack.id).where(WriteBack.state.in_(("failed", "waiting")))).all()
            db.session.rollback()
            if cancelled:
                shipments.acknowledge_cancelling(cancelled, "test")
            if failed:
                write_backs.try_again(failed, "test")

        self._act(go)


def live_one(house: House, seed: str, index: int) -> Result:
    """Run one schedule of a seed in a house."""
    began, before = time.monotonic(), house.boundaries.passed.copy()
    found, story, events = "", [], Counter()
    with bounded(LONGEST):
        try:
            day = Day(house, f"{seed}/{index}")
            story, events = day.story, day.events
            day.live()
        except Failed as failed:
            found = str(failed) or "failed"
        except TimeoutError as late:
            found = str(late)
    return Result("days", index, time.monotonic() - began, found, story, events, house.boundaries.passed - before)


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
