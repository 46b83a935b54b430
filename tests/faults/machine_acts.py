"""What machines do on a day: ticks and jobs, crashes, a database that fails, a clock that is wrong."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import OperationalError

import jobs
import jobs.polls
import jobs.schedule
from tests.faults.boundaries import COMMITS, DATABASE_ERRORS, PLACES, REQUESTS, Crash, made_by_the_suite
from tests.faults.house import House


class MachineActs:
    """The part of ``tests.faults.acts.Acts`` that concerns machines."""

    house: House
    chance: random.Random
    story: list[str]
    events: Counter[str]
    ids: dict[str, int]
    _act: Callable[..., bool]
    _any: Callable[[], str]

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
        name, kind = self._any(), self.chance.choice(("orders", "stock", "stock", "listings", "shipments", "reconciliation"))
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

    def crash_shipping(self) -> None:
        """A worker dies while it marks orders as shipped in the shop."""
        self.ship()
        name = self._any()
        if not self._act(lambda: jobs.start_run(self.ids[name], "shipments", "user:test"), watched=False):
            return
        self.house.boundaries.crash(self.chance.choice((2, 3, 4, 5, 6, 8)), self.chance.choice((REQUESTS, COMMITS)))
        for _ in range(4):
            if not self._job() or self.house.boundaries.plan is None:
                break
        self.house.boundaries.plan = None

    def crash_polling(self) -> None:
        """A worker dies in the middle of a batch of polls: with the flows claimed, while shops are asked, or with some answers settled.
        Once its claim is over, the flows are polled by another."""
        self.house.clock.step(310)
        self.house.boundaries.crash(self.chance.choice((1, 2, 2, 3, 4)), self.chance.choice((COMMITS, COMMITS, REQUESTS)))
        if not self._act(lambda: jobs.polls.run(False)):
            self.events["crashed in polls"] += 1
        self.house.boundaries.plan = None
        if self.chance.random() < 0.5:
            self.sell()

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
            ("sell", "sell", "edit", "cancel", "set_stock", "ship", "undo_shipment", "void", "disable", "remove", "come_back", "flush", "taken_over", "jump",
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
            getattr(
                self,
                self.chance.choice(
                    (
                        "ship",
                        "set_stock",
                        "tick",
                        "ship_part",
                        "undo_shipment",
                        "void",
                        "edit_tracking",
                        "program_stock",
                        "program_ships",
                    )
                ),
            )()
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
        """The worker here has slept for too long: a tick takes its run for dead, and another worker goes on with it."""
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
