"""What a program does in a storm through the API, and what has to be true of it afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import func, select, update

from extensions import db, writing
from models import EventDelivery, EventEndpoint, StockEntry
from models.types import utcnow
from services.accounts import tokens
from services.events import endpoints
from tests.faults.fleet import Fleet
from tests.faults.program import MOODS, SECRET, NoAnswer, Program, Receiver
from tests.support.signed_in import user_called

T = TypeVar("T")
PROGRAM_WEIGHTS = {"program_stock": 4, "program_ships": 3, "program_reads": 2, "change_mood": 4}
PATIENCE = 180
"""Seconds after the last fault within which the program has its answers, its copy and its events."""


class ProgramActs:
    """The acts of ``tests.faults.storm.Storm`` that go through the API."""

    fleet: Fleet
    chance: random.Random
    story: list[str]
    number: int
    ids: dict[str, int]
    _surely: Callable[..., Any]

    def _begin_program(self) -> None:
        """A token, an endpoint, and the snapshot."""
        self.receiver = Receiver()

        def go() -> tuple[str, int]:
            issued = tokens.create_token(user_called("Olive"), f"Program {self.number}", sorted(tokens.SCOPES), "test")
            address = endpoints.check_address(self.receiver.url)
            made = endpoints.create_endpoint(f"Program {self.number}", address, [], "test", SECRET)
            return issued.token, made.endpoint_id

        token, self.endpoint_id = self._surely(go)
        self.program = Program(f"http://127.0.0.1:{self.fleet.port}", token)
        self._patiently("a snapshot", lambda: [self.program.take_snapshot()])

    def _end_program(self) -> None:
        with suppress(Exception):
            self._surely(lambda: endpoints.remove_endpoint(self.endpoint_id, "test"))
        self.receiver.close()

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
        self.receiver.mood = self.chance.choice(MOODS)
        self.story[-1] += f" {self.receiver.mood}"

    def _program_is_right(self) -> list[str]:
        """Every act has one answer and one effect, the copy equals what the API lists, and the endpoint got every event."""
        self.receiver.mood = "good"
        self._patiently("an answer to every act", lambda: [not self.program.send_again()])
        found = self._surely(self._effects)
        differences = self._patiently("a copy that equals the database", self.program.differences)
        missing = self._patiently("every event at the endpoint", self._undelivered)
        forged = ["a call was not signed as it should be"] if self.receiver.forged else []
        return [*found, *differences, *missing, *forged]

    def _effects(self) -> list[str]:
        found = []
        for sent in self.program.sent:
            times = db.session.scalar(select(func.count()).where(StockEntry.note == sent.reference)) if sent.reference else 0
            if sent.reference and times != (sent.status == 200):
                found.append(f"{sent.path} was answered {sent.status} after {sent.tries} tries, and was done {times} times")
        return found

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
