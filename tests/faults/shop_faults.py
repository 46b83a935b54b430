"""Ways in which a schedule's shops misbehave (practice_shop/faults.py), and rules that change their answers (practice_shop/proxy.py)."""

from __future__ import annotations

from typing import Any

SHOP_FAULTS: tuple[dict[str, Any], ...] = (
    {"reset": "before"}, {"reset": {"value": "before", "times": 2}}, {"reset": {"value": "middle", "times": 2}},
    {"status_500": True}, {"status_500": {"value": True, "times": 1}}, {"status": {"value": 503, "times": 4}},
    {"status": {"value": 503, "retry_after": 120}}, {"status": {"value": 429, "retry_after": 60, "times": 2}},
    {"status": {"value": 502, "every": 3}}, {"truncate": {"value": True, "every": 2}}, {"bad_json": {"value": True, "times": 3}},
    {"html": {"value": True, "times": 2}}, {"error_after_write": True}, {"error_after_write": {"value": True, "times": 1}},
    {"reset": {"value": "before", "method": "PUT"}}, {"reset": {"value": "middle", "method": "PUT", "times": 1}},
    {"latency_ms": {"value": 450.0, "times": 1}}, {"latency_ms": {"value": 450.0, "times": 1, "method": "PUT"}},
)  # fmt: skip
ONE_PAGE: tuple[dict[str, Any], ...] = ({"status_500": {"value": True, "match": "limit%5D%5B0%5D=2"}}, {"status_500": {"value": True, "match": "page=2"}},
            {"status_500": {"value": True, "match": "order/"}}, {"status_500": {"value": True, "match": "product"}})  # fmt: skip
LIES: tuple[dict[str, Any], ...] = (
    {"duplicate_page": {"value": True, "times": 2}}, {"duplicate_page": {"value": True, "every": 2}},
    {"shifted_page": {"value": 1, "times": 2}}, {"shifted_page": {"value": -1, "times": 2}},
    {"missing_rows": {"value": 1, "times": 2}}, {"missing_rows": 2}, {"old_data": True},
)  # fmt: skip

PHP_NOTICE = (
    "<br />\n<b>Notice</b>:  Undefined index: sku in <b>/var/www/shop/var/run/classes/X.php</b> on line <b>31</b><br />\n"
)
CAPTCHA = (
    "<html><head><title>One moment, please...</title></head><body>Please wait while your request is being verified</body></html>"
)
LISTS = r"_path=(order|product)(&|$)|/api/(orders|products)\?"

CHANGED: tuple[dict[str, Any], ...] = (
    {"method": "GET", "before": "\r\n"}, {"method": "GET", "before": "\ufeff"}, {"method": "GET", "before": PHP_NOTICE},
    {"method": "GET", "after": "<!-- Cached by a plugin -->\n"}, {"method": "GET", "before": PHP_NOTICE, "times": 2},
    {"method": "GET", "swallow": "request", "status": 202, "body": CAPTCHA, "times": 3},
    {"method": "GET", "swallow": "request", "status": 200, "body": CAPTCHA, "first": 2, "times": 2},
    {"method": "GET", "swallow": "request", "status": 408, "body": ""}, {"swallow": "request", "status": 421, "times": 1},
    {"swallow": "request", "status": 508, "body": "Resource Limit Is Reached", "times": 4},
    {"swallow": "request", "status": 200, "body": "<title>Account Suspended</title>"},
    {"swallow": "request", "status": 401, "headers": {"WWW-Authenticate": 'Basic realm="staging"'}, "times": 2},
    {"method": "GET", "cut": "request", "first": 3, "times": 2}, {"method": "GET", "cut": "middle", "times": 1},
    {"method": "GET", "delay": 0.45, "times": 1},
)  # fmt: skip
"""Answers that hosts, guards and plugins change on their way."""

UNWRITTEN: tuple[dict[str, Any], ...] = tuple(
    {"method": "PUT", **what, **limits}
    for what in (
        {"swallow": "request", "status": 500}, {"swallow": "request", "status": 502}, {"swallow": "request", "status": 408},
        {"swallow": "request", "status": 202, "body": CAPTCHA}, {"swallow": "request", "status": 200, "body": CAPTCHA},
        {"cut": "request"}, {"cut": "answer"}, {"cut": "middle"}, {"swallow": "answer", "status": 504},
        {"swallow": "request", "status": 403, "body": CAPTCHA}, {"swallow": "request", "status": 405},
        {"swallow": "request", "status": 501}, {"swallow": "request", "status": 404, "body": "<h1>Not Found</h1>"},
        {"before": PHP_NOTICE}, {"request_headers": {"Content-Type": None}},
    )
    for limits in ({}, {"times": 1}, {"times": 3}, {"first": 2, "times": 1})
)  # fmt: skip
"""Faults on writes only: a PUT that fails, is blocked or whose answer is lost. Reads work."""

EMPTIED: tuple[dict[str, Any], ...] = (
    {"method": "GET", "path": LISTS, "body": "[]", "times": 1}, {"method": "GET", "path": LISTS, "body": "[]", "times": 2},
)  # fmt: skip
"""Lists that are suddenly empty."""

POLL = r"_path=order&_cnd%5BorderBy|/orders\?order%5BlastRenewDate.*itemsPerPage=5&page=1$"
"""The question of a poll, of either generation."""
READING = "_path=order&_schema=complex|lastRenewDate%5Bafter"

MISLEADING: tuple[dict[str, Any], ...] = (
    {
        "method": "GET",
        "path": POLL,
        "swallow": "request",
        "status": 200,
        "headers": {"Content-Type": "application/json"},
        "body": "[]",
    },
    {"method": "GET", "path": POLL, "swallow": "request", "status": 500},
    {"method": "GET", "path": READING, "swallow": "request", "status": 500},
    {"method": "GET", "path": READING, "swallow": "request", "status": 503, "times": 4},
)
"""A poll that always finds the same, as from a cache, or fails; and readings that fail while polls are answered well."""
