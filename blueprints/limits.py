"""How often somebody may ask. Two limiters count in the queue's server, and they fail in opposite ways.

``sign_in_limiter`` guards what a guesser would try (passwords, codes): where it cannot count, nobody gets in, with 503.
``reading_limiter`` keeps one person from using up everybody's share: where it cannot count there, it counts in memory.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time

from flask import Flask, Response, current_app, request, session
from flask_limiter import Limiter, RateLimitExceeded
from limits.errors import StorageError

import jobs
from blueprints.access import FILES
from blueprints.actors import current_person
from blueprints.errors import answer
from config import Config
from services import accounts

SECOND_STEP = "second_step"


def by_address() -> str:
    """The network address that asks: of IPv6 the /64, because a household or a guesser has all of it."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "address:unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return f"address:{ipaddress.ip_network((address, 64), strict=False)}"
    return f"address:{address}"


def by_person() -> str:
    """Who is signed in, or else the address."""
    person = current_person()
    return by_address() if person is None else f"user:{person.id}"


def by_name() -> str:
    """The user somebody tries to be. Hashed: what was typed may be anything, a password among it."""
    typed = accounts.key_of(request.form.get("name", "")[:1000])
    return f"name:{hashlib.sha256(typed.encode('utf-8', 'replace')).hexdigest()[:32]}"


def by_name_and_address() -> str:
    return f"{by_name()} {by_address()}"


def by_second_step() -> str:
    """Whose second step it is; without one there is nothing to guess."""
    return f"user:{session.get(SECOND_STEP, {}).get('user', 'nobody')}"


def _requests_a_minute() -> str:
    return f"{current_app.config['CARTLINK'].requests_per_minute} per minute"


sign_in_limiter = Limiter(by_address, key_prefix="sign-in", strategy="moving-window", swallow_errors=False)
reading_limiter = Limiter(
    by_person, key_prefix="reading", application_limits=[_requests_a_minute], in_memory_fallback_enabled=True, swallow_errors=True
)


@reading_limiter.request_filter
def _is_free() -> bool:
    return request.endpoint in FILES


def init_app(app: Flask, config: Config) -> None:
    app.config.update(
        RATELIMIT_STORAGE_URI="redis://",
        RATELIMIT_STORAGE_OPTIONS={"connection_pool": jobs.counting_pool(config), "wrap_exceptions": True},
    )
    for limiter in (sign_in_limiter, reading_limiter):
        limiter.init_app(app)
    app.register_error_handler(RateLimitExceeded, show_too_many)
    app.register_error_handler(StorageError, show_nothing_counted)


def show_too_many(error: RateLimitExceeded) -> Response:
    """429, with the seconds until the next try is worth it."""
    response = answer(429, "That was too many tries in a short time.", "Wait a minute and try again.")
    broken = [limit for limiter in (sign_in_limiter, reading_limiter) for limit in limiter.current_limits if limit.breached]
    if broken:
        response.headers["Retry-After"] = str(max(1, int(broken[0].reset_at - time.time())))
    return response


def show_nothing_counted(error: StorageError) -> Response:
    current_app.logger.warning("a sign-in was turned away, because the queue, which counts the tries, does not answer")
    return answer(
        503,
        "Signing in is not possible now, because the queue, which counts the tries, does not answer.",
        "Try again in a minute.",
    )
