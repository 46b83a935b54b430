"""What ``make run`` says once its parts answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

import local_run.__main__ as run
from local_run.settings import Plan
from local_run.supervisor import Terminal


class Heard:
    """A terminal that keeps what is said on it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.greetings: list[str] = []

    def say(self, text: str, part: str = "run") -> None:
        self.said.append(text)

    def greet(self, text: str) -> None:
        self.greetings.append(text)


def test_the_one_time_code_comes_however_long_the_pages_take_to_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers: Any = iter([False, False, False, True])
    monkeypatch.setattr(run, "HELLO_SECONDS", -1)
    monkeypatch.setattr(run, "listens", lambda port: True)
    monkeypatch.setattr(run, "answers", lambda port: next(answers))
    monkeypatch.setattr(run.time, "sleep", lambda seconds: None)
    heard = Heard()
    plan = Plan(instance=tmp_path, port=8000, practice_port=8081, workers=2, own_queue=True, redis_url="unix:///x", settings={})
    run.say_hello(plan, cast(Terminal, heard), "ABCD-EFGH")
    assert len(heard.said) == 1 and "8000" in heard.said[0]
    assert "one-time code: ABCD-EFGH" in heard.greetings[0]
