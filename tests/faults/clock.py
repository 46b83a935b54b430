"""Two clocks that a schedule moves: the true one, which shops keep, and ours, which may be wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from unittest import mock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OURS = ("models", "channels", "services", "jobs")
A_MOMENT = timedelta(milliseconds=1)


class Clock:
    """``error`` is how far our machine's clock is off. Each look at it takes a moment, so that no two are the same."""

    def __init__(self) -> None:
        self.true = START
        self.error = timedelta(0)

    def reset(self) -> None:
        self.true, self.error = START, timedelta(0)

    def now(self, zone: object = UTC) -> datetime:
        self.true += A_MOMENT
        return self.true + self.error

    def shop_time(self) -> float:
        return self.true.timestamp()

    def step(self, seconds: float) -> None:
        self.true += timedelta(seconds=seconds)


@contextmanager
def on(clock: Clock) -> Iterator[None]:
    """Our code reads this clock, and its waits move it instead of taking any time."""

    class Moment(datetime):
        @classmethod
        def now(cls, tz=None):
            return clock.now(tz)

    waits = SimpleNamespace(
        **{name: getattr(time, name) for name in dir(time) if not name.startswith("_")} | {"sleep": clock.step}
    )
    with ExitStack() as stack:
        for module in _our_modules():
            if module.__dict__.get("datetime") is datetime and "now" in _names_used(module):
                stack.enter_context(mock.patch.object(module, "datetime", Moment))
            if module.__dict__.get("time") is time and "sleep" in _names_used(module):
                stack.enter_context(mock.patch.object(module, "time", waits))
        yield


def _our_modules() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in OURS and module is not None]


def _names_used(module: ModuleType) -> set[str]:
    """The attribute names that a module's functions use."""
    names: set[str] = set()
    waiting = [value.__code__ for value in _functions(module)]
    while waiting:
        code = waiting.pop()
        names.update(code.co_names)
        waiting.extend(const for const in code.co_consts if hasattr(const, "co_names"))
    return names


def _functions(module: ModuleType) -> Iterator:
    for value in list(vars(module).values()):
        if getattr(value, "__module__", "") != module.__name__:
            continue
        value = getattr(value, "__wrapped__", value)
        if hasattr(value, "__code__"):
            yield value
        elif isinstance(value, type):
            for part in vars(value).values():
                part = part.fget if isinstance(part, property) else getattr(part, "__func__", part)
                if hasattr(part, "__code__"):
                    yield part
