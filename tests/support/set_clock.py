"""A clock that a test sets: what our own code takes for now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import models.types

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class SetClock:
    def __init__(self, start: datetime = MONDAY):
        self.at = start

    def go(self, **length: float) -> datetime:
        """Let time pass: ``clock.go(minutes=31)``."""
        self.at += timedelta(**length)
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    made = SetClock()

    class Moment(datetime):
        @classmethod
        def now(cls, tz=None):
            return made.at.astimezone(tz)

    monkeypatch.setattr(models.types, "datetime", Moment)
    return made
