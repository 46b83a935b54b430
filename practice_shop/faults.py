"""Faults that a practice shop can show, each with its own limits, several at once."""

import gzip
import json
import threading
from dataclasses import dataclass, field, replace

from .replies import Reply, error_page, html_page

# What each fault does, and the kind of its value. Shown by the control and in the README.
FAULTS = {
    "latency_ms": (float, "waits this many milliseconds before answering"),
    "status_500": (bool, "answers 500 with the shop's error page, and does nothing"),
    "status": (int, "answers with this status and a page, and does nothing; `retry_after` adds that header"),
    "redirect": (str, "answers 302 to this address, and does nothing"),
    "html": (bool, "answers 200 with a page where JSON belongs, and does nothing"),
    "huge": (int, "streams a JSON list of this many bytes, and does nothing"),
    "reset": (str, "cuts the connection hard: `before` the answer or in the `middle` of it"),
    "truncate": (bool, "sends half of the body, then closes, while Content-Length says more"),
    "bad_json": (bool, "sends the right length of something that is not JSON"),
    "drip": (float, "sends the body slowly: this many seconds for each `chunk` (64) bytes"),
    "slow_headers": (float, "sends the headers slowly: this many seconds for each line"),
    "duplicate_page": (bool, "answers a list with the page it gave last for that path"),
    "shifted_page": (int, "starts pages this many rows late (or early, below 0)"),
    "missing_rows": (int, "leaves this many rows out of the middle of each list"),
    "old_data": (bool, "answers reads with what the shop held when this was set"),
    "clock_skew": (float, "shifts the shop's clock by this many seconds"),
    "before": (
        str,
        "prints this text before each body that is JSON, as PHP does with its messages; the answer is then text/html",
    ),
    "after": (str, "prints this text after each body that is JSON, as a cache plugin does"),
    "sql_error": (bool, "answers as where the shop's database fails in mid-reading, and does nothing"),
    "error_after_write": (bool, "does what a write asks, then answers 500"),
}
PHP_NOTICE = (
    "<br />\n<b>Notice</b>:  Undefined index: sale in <b>/var/www/shop/var/run/classes/Model.php</b> on line <b>88</b><br />\n"
)
SQL_ERROR = "An exception occurred while executing 'SELECT x0_.product_id FROM xlite_products x0_': SQLSTATE[HY000] [2002] Connection refused"
DEFAULTS = {
    "before": PHP_NOTICE,
    "after": "\n<!-- Page cached by a plugin -->\n",
    "reset": "before",
    "huge": 200_000_000,
    "shifted_page": 1,
    "missing_rows": 1,
    "status": 503,
}
WRITES = frozenset({"PUT", "POST", "DELETE", "PATCH"})


@dataclass
class Fault:
    """One fault as it was asked for, and how often it has come up.

    `times` is how often it fires at most, `every` N lets it fire at each N-th request it fits, `match` is a part of
    the target and `method` a verb it is limited to. `chunk` and `retry_after` belong to `drip` and `status`.
    """

    name: str
    value: object
    times: int | None = None
    every: int | None = None
    match: str | None = None
    method: str | None = None
    chunk: int = 64
    retry_after: int | None = None
    seen: int = field(default=0, compare=False)
    fired: int = field(default=0, compare=False)

    def fits(self, request) -> bool:
        if self.method is not None and request.method != self.method.upper():
            return False
        if self.match is not None and self.match not in request.target:
            return False
        return self.name != "error_after_write" or request.method in WRITES

    def comes_up(self, request) -> bool:
        """Count the request, and say whether the fault strikes it."""
        if not self.fits(request) or (self.times is not None and self.fired >= self.times):
            return False
        self.seen += 1
        if self.every is not None and self.seen % self.every:
            return False
        self.fired += 1
        return True

    def as_dict(self) -> dict:
        limits = ("times", "every", "match", "method", "retry_after")
        given = {name: getattr(self, name) for name in limits if getattr(self, name) is not None}
        return {"value": self.value, **given, "fired": self.fired}


class Faults:
    """The faults set on one shop."""

    def __init__(self, on_change):
        self._on_change = on_change
        self._lock = threading.Lock()
        self._faults: dict[str, Fault] = {}

    def add(self, name: str, value=None, **limits) -> None:
        """Set one fault beside the others. Raises ValueError, in a sentence, for what makes no sense."""
        fault = _made(name, value, limits)
        with self._lock:
            self._faults[name] = fault
        self._on_change(self.active())

    def replace(self, faults: dict) -> None:
        """Set exactly these faults: a value each, or an object with `value` and limits. `{}` clears all."""
        made = {}
        for name, given in faults.items():
            limits = dict(given) if isinstance(given, dict) else {"value": given}
            made[name] = _made(name, limits.pop("value", None), limits)
        with self._lock:
            self._faults = made
        self._on_change(self.active())

    def clear(self) -> None:
        self.replace({})

    def active(self) -> dict[str, Fault]:
        with self._lock:
            return dict(self._faults)

    def as_dict(self) -> dict:
        return {name: fault.as_dict() for name, fault in self.active().items()}

    def strike(self, request) -> dict[str, Fault]:
        """The faults that come up at this request."""
        with self._lock:
            return {name: replace(fault) for name, fault in self._faults.items() if fault.comes_up(request)}


def _made(name: str, value, limits: dict) -> Fault:
    if name not in FAULTS:
        raise ValueError(f"There is no fault {name!r}. There are: {', '.join(FAULTS)}.")
    unknown = set(limits) - {"times", "every", "match", "method", "chunk", "retry_after"}
    if unknown:
        raise ValueError(f"{name} cannot be limited by {', '.join(sorted(unknown))}.")
    kind, _ = FAULTS[name]
    if value is None or (value is True and kind is not bool):
        value = DEFAULTS.get(name, True)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"The value of {name} is {'true' if kind is bool else 'a ' + kind.__name__}.")
    if name == "reset" and value not in ("before", "middle"):
        raise ValueError("The value of reset is before or middle.")
    for limit in ("times", "every", "chunk"):
        if limit in limits and (not isinstance(limits[limit], int) or limits[limit] < 1):
            raise ValueError(f"{limit} is a number from 1 up.")
    return Fault(name, value, **limits)


def instead(struck: dict[str, Fault]) -> Reply | None:
    """The answer a fault gives in place of the shop's own, which then does nothing."""
    if "status_500" in struck:
        return error_page()
    if "status" in struck:
        fault = struck["status"]
        headers = {"Content-Type": "text/html; charset=utf-8"}
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        return Reply(fault.value, html_page(f"Status {fault.value}", "Not now.").encode(), headers)
    if "redirect" in struck:
        return Reply(302, b"", {"Content-Type": "text/html; charset=utf-8", "Location": struck["redirect"].value})
    if "sql_error" in struck:
        # X-Cart 5.4, observed: 400 with the SQL in X-REST-Error.
        headers = {"Content-Type": "application/json;charset=utf-8", "X-REST-Error": SQL_ERROR}
        return Reply(400, b"[]", headers)
    if "html" in struck:
        page = html_page("Welcome", "A page where an answer should have been.")
        return Reply(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
    return None


def changed(reply: Reply, struck: dict[str, Fault], again: Reply | None) -> Reply:
    """The shop's own answer with the content faults worked into it. `again` is the list page given last."""
    if "error_after_write" in struck:
        return error_page()
    if "duplicate_page" in struck and again is not None:
        reply = again
    if "missing_rows" in struck:
        reply = _without_rows(reply, struck["missing_rows"].value)
    if ("before" in struck or "after" in struck) and "json" in reply.headers.get("Content-Type", ""):
        reply = _between(reply, struck)
    if "bad_json" in struck and reply.body:
        headers = {name: value for name, value in reply.headers.items() if name not in ("Content-Encoding", "ETag")}
        reply = Reply(reply.status, reply.body[: len(reply.body) // 2] + b'"}]{', headers, reply.sized)
    return reply


def _between(reply: Reply, struck: dict[str, Fault]) -> Reply:
    """The answer with text around it. What is printed before it takes the place of its status and headers: they cannot be sent
    any more."""
    before, after = (struck[name].value if name in struck else "" for name in ("before", "after"))
    kept = {name: value for name, value in reply.headers.items() if name not in ("Content-Encoding", "ETag")}
    body = gzip.decompress(reply.body) if "Content-Encoding" in reply.headers else reply.body
    if before:
        kept = {"Content-Type": "text/html; charset=UTF-8"}
    return Reply(200 if before else reply.status, before.encode() + body + after.encode(), kept)


def _without_rows(reply: Reply, count: int) -> Reply:
    try:
        rows = json.loads(reply.body)
    except ValueError:
        return reply
    if not isinstance(rows, list) or not rows:
        return reply
    middle = max((len(rows) - count) // 2, 0)
    del rows[middle : middle + count]
    body = json.dumps(rows, separators=(",", ":")).encode()
    headers = {name: value for name, value in reply.headers.items() if name != "ETag"}
    if "X-Result-Count" in headers:
        headers["X-Result-Count"] = str(len(rows))
    return Reply(reply.status, body, headers, reply.sized)


def huge_list(size: int):
    """Pieces of a JSON list of about `size` bytes, made as they are sent."""
    filler = "x" * 65000
    sent = 1
    yield b"["
    place = 0
    while sent < size:
        piece = f'{"," if place else ""}{{"order_id":{place + 1},"orderId":{place + 1},"notes":"{filler}"}}'.encode()
        place += 1
        sent += len(piece)
        yield piece
    yield b"]"
