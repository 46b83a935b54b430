"""Filters, orders and pages of X-Cart 5.5's lists, with what they ignore and what they refuse."""

import random
import re
from datetime import UTC, datetime, timedelta, timezone

DEFAULT_PER_PAGE, MOST_PER_PAGE = 30, 100
LARGEST_INT = 2**63 - 1
_OFFSET = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")


class BadRequest(Exception):
    """A 400 with this sentence in `detail`."""


def paging(query: list[tuple[str, str]]) -> tuple[int, int]:
    """Offset and count of the page asked for. Raises `BadRequest`."""
    given = dict(query)
    page = _leading_int(given.get("page", "1"))
    count = _leading_int(given.get("itemsPerPage", str(DEFAULT_PER_PAGE)))
    if page < 1:
        raise BadRequest("Page should not be less than 1")
    if count < 0:
        raise BadRequest("Limit should not be less than 0")
    if page * max(count, 1) > LARGEST_INT:
        raise BadRequest("Page parameter is too large.")
    count = min(count, MOST_PER_PAGE)
    return (page - 1) * count, count


def _leading_int(text: str) -> int:
    found = re.match(r"\s*[+-]?\d+", text)
    return int(found.group()) if found else 0


def select_orders(store, query: list[tuple[str, str]]) -> list:
    """The orders a list request finds, in its order, not yet cut into pages."""
    tests = [*_date_tests(store, query, "date", lambda order: order.date)]
    if store.newer_api:
        tests += _date_tests(store, query, "lastRenewDate", lambda order: order.renewed)
    for kind in ("payment", "shipping"):
        codes = [value for name, value in query if name in (f"{kind}Status.code", f"{kind}Status.code[]")]
        if codes:
            ids = {status.id for code in codes if (status := store.status_by_code(kind, code))}
            tests.append(lambda order, kind=kind, ids=ids: order.status_id(kind) in ids)
    for name, value in query:
        if name == "profile.login" and value:
            wanted = value.casefold()
            tests.append(lambda order, wanted=wanted: wanted in _login(order))
    found = [order for order in store.orders.values() if not order.is_cart and all(test(order) for test in tests)]
    found.sort(key=lambda order: order.id)
    if store.natural_order == "any":
        random.Random(repr(query)).shuffle(found)
    _sort(found, query, {"date": lambda order: order.date, "lastRenewDate": lambda order: order.renewed})
    return found


def _login(order) -> str:
    return order.profile.login.casefold() if order.profile else ""


def select_products(store, query: list[tuple[str, str]], hide_disabled: bool) -> list:
    """The catalogue in the order asked for. Nothing filters it."""
    found = [product for product in store.products.values() if product.enabled or not hide_disabled]
    found.sort(key=lambda product: product.id)
    columns = {
        "name": lambda product: product.name,
        "price": lambda product: product.price,
        "arrivalDate": lambda product: product.arrival,
    }
    _sort(found, query, columns)
    return found


def _sort(found: list, query: list[tuple[str, str]], columns: dict) -> None:
    for name, direction in reversed(query):
        column = re.fullmatch(r"order\[(\w+)\]", name)
        if column and column[1] in columns and direction.lower() in ("asc", "desc"):
            found.sort(key=columns[column[1]], reverse=direction.lower() == "desc")


def _date_tests(store, query, field: str, column) -> list:
    """Tests for `field[after]` and its kin. A text that is no date filters nothing, and the answer does not say so."""
    compare = {
        "after": lambda value, bound: value >= bound,
        "strictly_after": lambda value, bound: value > bound,
        "before": lambda value, bound: value <= bound,
        "strictly_before": lambda value, bound: value < bound,
    }
    tests = []
    for name, text in query:
        found = re.fullmatch(rf"{field}\[(\w+)\]", name)
        if found and found[1] in compare:
            bound = php_date(text, store.now(), store.server_utc_offset)
            if bound is not None:
                tests.append(lambda row, test=compare[found[1]], bound=bound: test(column(row), bound))
    return tests


def php_date(text: str, now: int, utc_offset: int) -> float | None:
    """Unix seconds of a date as PHP reads it, or None. Empty means now; `@` seconds; without offset server time."""
    text = text.strip()
    if not text or text == "now":
        return now
    if re.fullmatch(r"@-?\d+", text):
        return int(text[1:])
    if not re.match(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)", text):
        return None
    if " " in text and _OFFSET.search(text.split(" ")[-1]) is None and len(text.split(" ")) > 2:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone(timedelta(seconds=utc_offset)) if utc_offset else UTC)
    return moment.timestamp()
