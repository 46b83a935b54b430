"""A program that uses the API on a day: it loses answers, sends again with the same key, and its endpoint is often not well. Its requests are
answered inside this process, which dies and fails with all the others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import OperationalError

from extensions import db
from models import EventEndpoint
from services.events import endpoints, sequencer
from tests.faults.boundaries import Crash, made_by_the_suite
from tests.faults.house import House
from tests.faults.program import NoAnswer, Program, Receiver, Sent
from tests.faults.program_acts import ProgramActs, admit, effects

SHARE = 0.5
"""The share of days that have a program."""
KNOWN_FOR = timedelta(hours=60)
"""How long the program sends something again: keys are kept for seven days, and our clock may be wrong by 50 hours either way."""
TURNS = 12


@dataclass
class Answer:
    """As much of ``requests.Response`` as a program uses."""

    status_code: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise AssertionError(f"a program was answered {self.status_code}: {self.text}")


class InsideProgram(Program):
    """``lost`` is called with what an answer was lost for."""

    def __init__(self, house: House, token: str, lost: Callable[[str], None]):
        super().__init__("", token)
        self.house, self.lost, self.token = house, lost, token
        self.began: dict[str, datetime] = {}

    def _request(self, method: str, path: str, **options: Any) -> Any:
        """Raises NoAnswer where the process died, or the database failed."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        client = self.house.app.test_client(use_cookies=False)
        try:
            answer = self.house.do(lambda: client.open(f"/api/v1{path}", method=method, headers=headers, **options), watched=True)
        except Crash as crash:
            self.lost(f"died {crash}")
            raise NoAnswer(str(crash)) from None
        except OperationalError as error:
            if not made_by_the_suite(error):
                raise
            self.lost("database failed")
            raise NoAnswer(str(error)) from None
        if answer.status_code >= 500:
            self.lost(f"answered {answer.status_code}")
            raise NoAnswer(answer.text)
        return Answer(answer.status_code, answer.text)

    def _worth_sending(self) -> Iterator[Sent]:
        for sent in super()._worth_sending():
            if self.house.clock.true <= self.began.setdefault(sent.key, self.house.clock.true) + KNOWN_FOR:
                yield sent


class DayProgramActs(ProgramActs):
    """The part of ``tests.faults.acts.Acts`` that concerns a program. On days without one, its acts do nothing."""

    house: House
    events: Counter[str]
    with_program = False
    number = 0
    moods = ("good", "good", "fails", "cuts", "redirects")
    say: Callable[[str], None]
    _drain: Callable[..., None]

    def _begin_program(self) -> None:
        self.with_program = self.chance.random() < SHARE
        if not self.with_program:
            return
        self.say("a program begins")
        self.receiver = Receiver()
        token, self.endpoint_id = self.house.do(lambda: admit("Program", self.receiver))
        self.program = InsideProgram(self.house, token, self._lost)
        self.program.take_snapshot()

    def _end_program(self) -> None:
        if self.with_program:
            self.receiver.close()

    def _lost(self, why: str) -> None:
        self.events["a program lost an answer"] += 1
        self.story[-1] += f" [{why}]"

    def _is_ours(self, item: dict[str, Any]) -> bool:
        return True

    def program_stock(self) -> None:
        if self.with_program:
            super().program_stock()

    def program_ships(self) -> None:
        if self.with_program:
            super().program_ships()

    def program_reads(self) -> None:
        if self.with_program:
            super().program_reads()

    def change_mood(self) -> None:
        if self.with_program:
            self._bury()
            super().change_mood()

    def _program_is_right(self) -> list[str]:
        """Once nothing fails: every act has one effect, the copy equals what the API lists, and the endpoint got every event."""
        if not self.with_program:
            return []
        self.receiver.mood = "good"
        self._bury()
        self.program.send_again()
        found = self.house.do(lambda: effects(sent for sent in self.program.sent if sent.status))
        self.house.do(sequencer.give_positions)
        found += self.program.differences()
        for _ in range(TURNS):
            missing = self.program.heard - self.receiver.ids
            if not missing:
                break
            self.house.do(self._resume)
            self._drain()
            self.house.clock.step(4 * 3600)
            self.program.follow()
        else:
            found.append(f"the endpoint lacks {len(missing)} of {len(self.program.heard)} events")
        if self.receiver.forged:
            found.append("a call was not signed as it should be")
        return found

    def _bury(self) -> None:
        """Forget the job of deliveries whose worker died. RQ does that after a minute or two, which do not pass on its own clock."""
        name = f"events-{self.endpoint_id}"
        self.house.redis.lrem("rq:queue:messages", 0, name)
        self.house.redis.delete(f"rq:job:{name}")

    def _resume(self) -> None:
        if db.session.get_one(EventEndpoint, self.endpoint_id).paused_at is not None:
            endpoints.resume_endpoint(self.endpoint_id, "test", replay=True)
