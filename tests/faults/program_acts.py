"""What a program does through the API on a day and in a storm, and what has to be true of it afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import func, select, update

from extensions import db, writing
from models import EventDelivery, EventEndpoint, StockEntry
from models.types import utcnow
from services.accounts import tokens
from services.events import endpoints
from tests.faults.fleet import Fleet
from tests.faults.program import MOODS, SECRET, NoAnswer, Program, Receiver, Sent
from tests.support.signed_in import user_called

T = TypeVar("T")
PROGRAM_WEIGHTS = {"program_stock": 4, "program_ships": 3, "program_reads": 2, "change_mood": 4}
PATIENCE = 180
"""Seconds after the last fault within which the program has its answers, its copy and its events."""


def admit(name: str, receiver: Receiver) -> tuple[str, int]:
    """A token for a program, and an endpoint where its receiver is."""
    issued = tokens.create_token(user_called("Olive"), name, sorted(tokens.SCOPES), "test")
    made = endpoints.create_endpoint(name, endpoints.check_address(receiver.url), [], "test", SECRET)
    return issued.token, made.endpoint_id


def effects(sent: Iterable[Sent]) -> list[str]:
    """The acts that were not done as often as their answers say."""
    found = []
    for act in sent:
        times = db.session.scalar(select(func.count()).where(StockEntry.note == act.reference)) if act.reference else 0
        if act.reference and times != (act.status == 200):
            found.append(f"{act.path} was answered {act.status} after {act.tries} tries, and was done {times} times")
    return found


class ProgramActs:
    """The acts that go through the API."""

    chance: random.Random
    story: list[str]
    ids: dict[str, int]
    number: int
    program: Program
    receiver: Receiver
    moods: tuple[str, ...] = MOODS

    def program_stock(self) -> None:
        items = sorted(row_id for (kind, row_id), row in self.program.rows.items() if kind == "stock_item" and self._is_ours(row))
        for _ in range(self.chance.randint(1, 3) if items else 0):
            reference = f"{self.number}-{len(self.program.sent)}"
            delta = self.chance.choice((-3, -1, 2, 5, 9))
            body = {"delta": delta, "reason": "by a program", "reference": reference}
            self.program.act(f"/stock-items/{self.chance.choice(items)}/adjustments", body, f"by a program ({reference})")

    def _is_ours(self, item: dict[str, Any]) -> bool:
        return item["sku"].endswith(f"-{self.number}")

    def program_ships(self) -> None:
        ours = {str(row_id) for row_id in self.ids.values()}
        ready = sorted(
            row_id
            for (kind, row_id), row in self.program.rows.items()
            if kind == "order" and row["state"] == "ready" and self.program.integrations[row_id] in ours
        )
        for order_id in self.chance.sample(ready, min(2, len(ready))):
            self.program.act(f"/orders/{order_id}/shipments", {"carrier": "DHL", "tracking_number": f"T{order_id}"})
        self.story[-1] += f" {len(ready)} ready"

    def program_reads(self) -> None:
        with suppress(NoAnswer):
            self.program.follow()
            self.program.send_again()

    def change_mood(self) -> None:
        self.receiver.mood = self.chance.choice(self.moods)
        self.story[-1] += f" {self.receiver.mood}"


class StormProgramActs(ProgramActs):
    """The same in ``tests.faults.storm.Storm``: the program is another process than the server."""

    fleet: Fleet
    _surely: Callable[..., Any]

    def _begin_program(self) -> None:
        """A token, an endpoint, and the snapshot."""
        self.receiver = Receiver()
        token, self.endpoint_id = self._surely(lambda: admit(f"Program {self.number}", self.receiver))
        self.program = Program(f"http://127.0.0.1:{self.fleet.port}", token)
        self._patiently("a snapshot", lambda: [self.program.take_snapshot()])

    def _end_program(self) -> None:
        with suppress(Exception):
            self._surely(lambda: endpoints.remove_endpoint(self.endpoint_id, "test"))
        self.receiver.close()

    def _program_is_right(self) -> list[str]:
        """Every act has one answer and one effect, the copy equals what the API lists, and the endpoint got every event."""
        self.receiver.mood = "good"
        self._patiently("an answer to every act", lambda: [not self.program.send_again()])
        found = self._surely(lambda: effects(self.program.sent))
        differences = self._patiently("a copy that equals the database", self.program.differences)
        missing = self._patiently("every event at the endpoint", self._undelivered)
        forged = ["a call was not signed as it should be"] if self.receiver.forged else []
        return [*found, *differences, *missing, *forged]

    def _undelivered(self) -> list[str]:
        """What the endpoint lacks. Time passes for what is to be tried again."""

        def go() -> None:
            with writing() as session:
                session.execute(update(EventEndpoint).where(EventEndpoint.id == self.endpoint_id).values(due_at=utcnow()))
                waiting = (EventDelivery.endpoint_id == self.endpoint_id, EventDelivery.state == "waiting")
                session.execute(update(EventDelivery).where(*waiting).values(due_at=utcnow()))

        missing = self.program.heard - self.receiver.ids
        if missing:
            self._surely(go)
            time.sleep(1)
        return [f"the endpoint lacks {len(missing)} of {len(self.program.heard)} events"] if missing else []

    def _patiently(self, what: str, ask: Callable[[], list[Any]]) -> list[str]:
        """Ask until nothing (true) is in the answer; the last answer where that takes too long."""
        until, last = time.monotonic() + PATIENCE, [f"there was never {what}"]
        while time.monotonic() < until:
            self.fleet.supervise()
            with suppress(NoAnswer):
                last = [str(each) for each in ask() if each]
                if not last:
                    return []
            time.sleep(0.4)
        return last
