"""What one check may spend: requests and seconds. It opens the sessions that the requests go through."""

from __future__ import annotations

import time
from dataclasses import replace

from channels.base import Credentials, Gate, Limits
from channels.guard import Resolver
from channels.session import ShopSession
from errors import ShopBroken, ShopTimeout

MOST_REQUESTS = 8
MOST_SECONDS = 150.0
PATIENCE = 45.0
"""Seconds that one answer may take."""

SLOW = 2.0
"""Seconds an answer takes in a shop that is slow. If such a shop does not answer in time, nothing else is wrong."""


class Budget:
    def __init__(self, limits: Limits, gate: Gate, resolver: Resolver):
        self.spent = 0
        self._until = time.monotonic() + MOST_SECONDS
        self._limits = replace(limits, tries=1, connections=2, connect_timeout=min(5.0, limits.connect_timeout))
        self._gate = gate
        self._resolver = resolver

    @property
    def requests_left(self) -> int:
        return MOST_REQUESTS - self.spent

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._until - time.monotonic())

    @property
    def within(self) -> float:
        """Seconds that the next answer may take. Raises ShopTimeout if the time of the check is over."""
        if self.seconds_left <= 0.05:
            raise ShopTimeout("The shop did not answer all questions of the check in time.")
        return min(self.seconds_left, PATIENCE)

    def is_slow(self, seconds: float) -> bool:
        return seconds >= SLOW

    def session(self, site: Credentials) -> ShopSession:
        return ShopSession(
            site.endpoint, limits=self._limits, gate=self._count, gate_again=self._gate, secrets=[site.api_key],
            resolver=self._resolver,
        )  # fmt: skip

    def _count(self) -> None:
        if self.requests_left <= 0:
            raise ShopBroken("The shop gives no clear answer.")
        self._gate()
        self.spent += 1
