"""What the check asks of an address: one probe for each generation. It recognises a shop and tries what the key may do.

A probe answers with a value. It writes only what changes nothing: a status and an order with the id 0, which no shop has.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from channels.answers import Answer
from channels.base import Credentials
from channels.session import Call, ShopSession
from channels.xcart.addon.client import NOTHING, ORDERS, SHIPPING_STATUSES, Addon, limit, order_by
from channels.xcart.api.client import Api, page_of, target
from channels.xcart.detect.budget import Budget
from channels.xcart.parsing.values import rows_of
from errors import (
    BodyChanged,
    ChannelError,
    ItemGone,
    MethodBlocked,
    NotAShop,
    RowRefused,
    ShopBroken,
    ShopRefused,
    ShopTimeout,
    ShopTooOld,
)

GENERATIONS = {"addon": "X-Cart 5.0–5.4 with the REST API add-on", "api": "X-Cart 5.5 or later"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a probe found at an address.

    ``trouble`` is None if the key may read and write there. ``recognised``: a shop answered as only this generation does.
    ``seconds`` is how long that answer took, ``unfinished`` says that the shop was too slow for the rest of the check.
    ``clock_skew`` (seconds) and ``noise`` are as in the contract."""

    generation: str
    trouble: ChannelError | None = None
    recognised: bool = False
    seconds: float = 0.0
    unfinished: bool = False
    clock_skew: float | None = None
    noise: str = ""


@dataclass(frozen=True, slots=True)
class _Recognised:
    seconds: float
    unfinished: bool = False


def probe(generation: str, site: Credentials, budget: Budget, *, lightly: bool) -> Found:
    """Ask an address as one generation. ``lightly``: recognise a shop and try no right of the key. Raises what the gate raises."""
    trouble: ChannelError | None = None
    seen: _Recognised | None = None
    unfinished = False
    try:
        session = budget.session(site)
    except ChannelError as exc:
        return Found(generation, exc)
    with closing(session):
        try:
            if generation == "api":
                api = Api(session, site)
                seen = _recognise_api(api, site, budget)
                unfinished = seen.unfinished or not lightly and not _try_key_of_api(api, site, budget, seen.seconds)
            else:
                addon = Addon(session, site)
                seen = _recognise_addon(addon, site, budget)
                unfinished = not lightly and not _try_key_of_addon(addon, budget, seen.seconds)
        except ChannelError as exc:
            trouble = exc
    offset = session.clock_offset
    return Found(
        generation, trouble, seen is not None, seen.seconds if seen else 0.0, unfinished,
        round(offset.total_seconds(), 1) if offset is not None else None, session.noise,
    )  # fmt: skip


def _recognise_api(shop: Api, site: Credentials, budget: Budget) -> _Recognised:
    """Raises the error that says why this is no shop of 5.5, or why the key may not read."""
    begun = time.monotonic()
    answer = shop.session.read(target("/orders", page_of(1, 1)), headers=shop.headers, insist=False, within=budget.within)
    seconds = time.monotonic() - begun
    failed: ChannelError | None = None
    rows: list[msgspec.Raw] = []
    try:
        rows = rows_of(shop.checked(answer, "/orders").body, shop.host)
    except ShopBroken as exc:
        # One order that the shop cannot print makes it answer 500, with nothing or with JSON (5.5.0.29, observed).
        if answer.status != 500 or answer.is_page:
            raise
        failed = exc
    if not all(_has(row, "id", "order_number") for row in rows):
        raise no_shop(site)
    if rows:
        return _Recognised(seconds)
    # An empty list says little, because any server may answer so. The API says in its own way that it has no order 0.
    path = "/orders/0"
    [outcome] = _ask(shop.session, [Call("GET", target(path), shop.headers)], budget, seconds)
    if isinstance(outcome, ShopTimeout):
        return _Recognised(seconds, unfinished=True)
    try:
        if isinstance(outcome, Answer):
            shop.checked(outcome, path)
    except ItemGone:
        return _Recognised(seconds)
    except (NotAShop, ShopBroken):
        pass
    raise failed or no_shop(site)


def _try_key_of_api(shop: Api, site: Credentials, budget: Budget, seconds: float) -> bool:
    """Whether the shop answered in time. Raises the error that says why the key may not write."""
    path = "/orders/0/shipping_status"
    [written] = _ask(shop.session, [Call("PUT", target(path), shop.headers, {"code": "S"})], budget, seconds)
    if isinstance(written, ChannelError):
        return False
    try:
        shop.checked(written, path, "PUT", reads_work=True)
    except ShopRefused:
        return True
    raise writes_go_elsewhere(site)


def _recognise_addon(shop: Addon, site: Credentials, budget: Budget) -> _Recognised:
    """Raises the error that says why this is no shop with the add-on, or why the key may not read."""
    begun = time.monotonic()
    rows = rows_of(shop.read(SHIPPING_STATUSES, within=budget.within).body, shop.host)
    # Every shop has statuses, so an empty list is not from a shop.
    if not rows or not all(_has(row, "id", "code", "position") for row in rows):
        raise no_shop(site)
    return _Recognised(time.monotonic() - begun)


def _try_key_of_addon(shop: Addon, budget: Budget, seconds: float) -> bool:
    """Whether the shop answered everything in time. Raises the error that says why the key may not write, or ShopTooOld."""
    nothing = shop.target(NOTHING)
    orders = shop.target(ORDERS, [*order_by("o.order_id"), *limit(0, 1)], "complex")
    calls = [Call("GET", orders), Call("PUT", nothing, {}, {"x": 1}), Call("PUT", nothing, {}, {})]
    paged, written, empty = _ask(shop.session, calls, budget, seconds)
    if isinstance(paged, Answer):
        _check_paging(shop, paged)
    if isinstance(written, Answer):
        # What the shop's own program refuses has arrived, and the key was accepted.
        with suppress(RowRefused):
            shop.checked(written, "PUT", reads_work=True)
    # An add-on that reads JSON refuses an empty object before it looks at anything else. An old one reads no JSON.
    if isinstance(empty, Answer) and empty.status == 200:
        try:
            shop.checked(empty, "PUT", reads_work=True)
        except BodyChanged:
            pass
        else:
            raise ShopTooOld(
                f"The REST API of {shop.host} does not read what Cartlink writes: it is too old, or its host removes the body of "
                "PUT requests."
            )
    return not any(isinstance(each, ShopTimeout) for each in (paged, written, empty))


def _check_paging(shop: Addon, answer: Answer) -> None:
    """Raises ShopTooOld for an add-on that does not give as many rows as it is asked for. One faulty order makes such an
    answer fail or unreadable; that says nothing about the shop."""
    try:
        rows = rows_of(shop.checked(answer).body, shop.host)
    except ShopBroken:
        return
    if len(rows) > 1:
        raise ShopTooOld(f"The REST API of {shop.host} gives all orders at once: it is too old.")


def _ask(session: ShopSession, calls: Sequence[Call], budget: Budget, seconds: float) -> list[Answer | ShopTimeout | ShopBroken]:
    """The outcomes of calls to a shop that took so many seconds for its first answer, asked two at a time. A ShopTimeout is what
    a slow shop did not answer before the time of the check was over, a ShopBroken a read that broke. Raises any other
    ChannelError."""
    outcomes: list[Answer | ShopTimeout | ShopBroken] = []
    for call, outcome in zip(calls, session.many(calls, within=budget.seconds_left), strict=True):
        if (
            isinstance(outcome, Answer)
            or (isinstance(outcome, ShopTimeout) and budget.is_slow(seconds))
            or (isinstance(outcome, ShopBroken) and call.method == "GET")
        ):
            outcomes.append(outcome)
        else:
            raise outcome
    return outcomes


def _has(row: msgspec.Raw, *names: str) -> bool:
    try:
        value = msgspec.json.decode(row)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return isinstance(value, dict) and all(name in value for name in names)


def no_shop(site: Credentials) -> NotAShop:
    return NotAShop(f"{urlsplit(site.endpoint).netloc} answers, but not as an X-Cart shop does.")


def writes_go_elsewhere(site: Credentials) -> MethodBlocked:
    """Reads were answered as a shop does, and something else answers writes, or they are sent away."""
    return MethodBlocked(f"{urlsplit(site.endpoint).netloc} answers reads, but something else answers what Cartlink writes.")
