"""How often a token may ask. Requests are counted by the minute in the queue's server, or in memory while it does not answer.

A separate limit counts failed authentication by address, so that guessing slows nobody with a valid token."""

from __future__ import annotations

import math
import time
from contextlib import suppress

from flask import Flask, Response, current_app, g, request
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage

import jobs
from api.problems import Problem
from config import Config
from services.common.client_networks import client_network

WINDOW = 60
EXPENSIVE = 10
"""What a request counts that reads many rows: a search or a report."""
TOGETHER = 5
"""How many times what one token may ask all tokens of one user may ask together."""
FAILURES = 20
"""An address may show a wrong token so many times less often than one token may ask."""
EXTENSION = "cartlink.api_limits"


def init_app(app: Flask, config: Config) -> None:
    shared = RedisStorage("redis://", connection_pool=jobs.counting_pool(config), wrap_exceptions=True, key_prefix="api")
    app.extensions[EXTENSION] = (shared, MemoryStorage())


def count_request(token_id: int, user_id: int, cost: int = 1) -> None:
    """Count a request of a token, and of its user. Raises Problem 429."""
    most, now = current_app.config["CARTLINK"].requests_per_minute, time.time()
    count = _count(f"token:{token_id}", now, cost)
    g.rate_limit = (most, max(0, most - count), _seconds_left(now))
    if count > most:
        raise _too_many("The token has used up its requests for this minute.", now)
    if _count(f"user:{user_id}", now, cost) > TOGETHER * most:
        raise _too_many("The tokens of this user have used up their requests for this minute.", now)


def count_failure() -> None:
    """Count a wrong token. Raises Problem 429 where the address has had too many."""
    now, most = time.time(), current_app.config["CARTLINK"].requests_per_minute // FAILURES
    if _count(f"failed:{client_network(request.remote_addr or '')}", now, 1) > most:
        raise _too_many("Too many requests of this address had a wrong token.", now)


def add_headers(response: Response) -> None:
    """``RateLimit`` and ``RateLimit-Policy``, as the IETF's draft has them."""
    if (limit := g.get("rate_limit")) is not None:
        most, left, seconds = limit
        response.headers["RateLimit-Policy"] = f'"token";q={most};w={WINDOW}'
        response.headers["RateLimit"] = f'"token";r={left};t={seconds}'


def _too_many(detail: str, now: float) -> Problem:
    return Problem(429, "rate_limited", detail, headers={"Retry-After": str(_seconds_left(now))})


def _seconds_left(now: float) -> int:
    return max(1, math.ceil(WINDOW - now % WINDOW))


def _count(who: str, now: float, cost: int) -> int:
    key = f"{who}:{int(now // WINDOW)}"
    storages: tuple[Storage, Storage] = current_app.extensions[EXTENSION]
    with suppress(StorageError):
        return storages[0].incr(key, WINDOW, cost)
    return storages[1].incr(key, WINDOW, cost)
