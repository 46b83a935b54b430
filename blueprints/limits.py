"""Rate limits. Two limiters count in the queue's server. They fail in opposite ways.

``sign_in_limiter`` protects passwords and codes from guessing: if it cannot count, nobody can sign in (503).
``reading_limiter`` stops one user from using the share of the others: if it cannot count there, it counts in memory.
"""

from __future__ import annotations

import hashlib
import time

from flask import Flask, Response, current_app, request, session
from flask_limiter import Limiter, RateLimitExceeded
from limits.errors import StorageError

import jobs
from blueprints.access import FILES
from blueprints.actors import current_person
from blueprints.errors import answer
from blueprints.page_requests import is_for_page
from config import Config
from extensions import db
from models import User
from services.accounts import users
from services.common.client_networks import client_network
from services.notify import notifications

SECOND_STEP = "second_step"


def by_address() -> str:
    """The client's network address."""
    return f"address:{client_network(request.remote_addr or '')}"


def by_person() -> str:
    """The user, or without a sign-in the address."""
    person = current_person()
    return by_address() if person is None else f"user:{person.id}"


def by_name() -> str:
    """The user name of a sign-in, in the form that the sign-in compares (``users.key_of``). Hashed: the entry may be
    anything, for example a password.

    A browser with which this user has signed in before is counted separately, so wrong tries from elsewhere do not lock
    it out. A random token in its cookie identifies it, for this user only."""
    key = users.key_of(request.form.get("name", ""))
    return f"name:{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:32]}{_known_browser(key)}"


def by_name_and_address() -> str:
    name = by_name()
    return name if " browser:" in name else f"{name} {by_address()}"


def by_address_or_browser() -> str:
    """The address, or the browser if it is known for this user."""
    name = by_name()
    return name if " browser:" in name else by_address()


def by_second_step() -> str:
    """The user of a second step; without one there is nothing to guess. A known browser is counted separately here too."""
    user_id = session.get(SECOND_STEP, {}).get("user")
    user = db.session.get(User, user_id) if isinstance(user_id, int) else None
    return f"user:{user_id}{_known_browser(user.name_key)}" if user is not None else "user:nobody"


def _known_browser(name_key: str) -> str:
    found = notifications.known_browser(name_key, request.cookies.get(known_browser_cookie(), ""))
    return f" browser:{found}" if found is not None else ""


def known_browser_cookie() -> str:
    return "__Host-cartlink-browser" if current_app.config["CARTLINK"].behind_https else "cartlink-browser"


def _requests_a_minute() -> str:
    return f"{current_app.config['CARTLINK'].requests_per_minute} per minute"


sign_in_limiter = Limiter(by_address, key_prefix="sign-in", strategy="moving-window", swallow_errors=False)
reading_limiter = Limiter(
    by_person, key_prefix="reading", application_limits=[_requests_a_minute], in_memory_fallback_enabled=True, swallow_errors=True
)


@reading_limiter.request_filter
def _is_free() -> bool:
    return request.endpoint in FILES or not is_for_page()


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
    """429, with the seconds until the next try can succeed."""
    response = answer(429, "Too many tries in a short time.", "Wait a minute and try again.")
    broken = [limit for limiter in (sign_in_limiter, reading_limiter) for limit in limiter.current_limits if limit.breached]
    if broken:
        response.headers["Retry-After"] = str(max(1, int(broken[0].reset_at - time.time())))
    return response


def show_nothing_counted(error: StorageError) -> Response:
    if jobs.disk_is_full(error):
        current_app.logger.error("a sign-in was refused because the disk of the queue is full")
        return answer(503, "You cannot sign in now, because the disk of the queue is full.", jobs.FREE_THE_DISK)
    current_app.logger.warning("a sign-in was refused because the queue, which counts the tries, does not answer")
    return answer(
        503,
        "You cannot sign in now, because the queue, which counts the tries, does not answer.",
        "Try again in a minute.",
    )
