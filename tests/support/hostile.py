"""A shop that means harm: it answers as the practice shop behind it does, with values of its own slipped into the JSON."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from practice_shop import PracticeShop

MARK = "planted-mark"
MARKUP = f"<{MARK}>\"'><script>alert('{MARK}')</script><img src=x onerror=alert(1)></td></textarea></title><svg onload=alert(1)>"
BIDI = "safe\u202etxt.exe\u2066\u200f\u202dend"
CONTROL = "a\x1b[31m\x07\x08\x9b31mb\r\nX-Injected: yes\u2028\u2029"
FORMULA = "=cmd|' /C calc'!A0"
TEMPLATE = "{{ 7 * 7 }}{% for x in ().__class__.__bases__ %}${7*7}"
LINK = "javascript:alert(1)//"
WORDS = (
    MARKUP,
    BIDI,
    CONTROL,
    FORMULA,
    "@SUM(1+1)",
    "\t=1+1",
    "+1+1",
    "-1+1",
    TEMPLATE,
    LINK,
    "x" * 300,
    "\ud83d",
    "",
    " ",
    "null",
    "\ufeff",
)
WRONG = (None, True, 0, -1, 10**30, 1e308, -0.0, [], {}, [[[]]], {"a": {"b": 1}}, "x", [MARKUP], {MARKUP: MARKUP})
"""Values of a type nobody expects where they stand."""

Change = Callable[[str, Any], Any]
"""Takes a value's name and the value, gives what the shop says instead."""


def slip_in(value: Any, change: Change, name: str = "") -> Any:
    """The value with every leaf of it, and every list and object, passed through ``change``."""
    if isinstance(value, dict):
        value = {key: slip_in(each, change, key) for key, each in value.items()}
    elif isinstance(value, list):
        value = [slip_in(each, change, name) for each in value]
    return change(name, value)


def every_text(words: str, names: frozenset[str]) -> Change:
    """Put ``words`` in the place of every text that is called one of ``names``."""
    return lambda name, value: words if isinstance(value, str) and name in names else value


def at_random(seed: int, share: float) -> Change:
    """Put anything in the place of anything, so often."""
    dice = random.Random(seed)

    def change(name: str, value: Any) -> Any:
        if not name or dice.random() > share:
            return value
        return dice.choice(WORDS) if isinstance(value, str) and dice.random() < 0.5 else dice.choice(WRONG)

    return change


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up on ten million characters does right."""


class HostileShop:
    """``change`` may be set at any time; None passes everything on as it is. Reads only are changed."""

    def __init__(self, behind: PracticeShop):
        self.behind = behind
        self.change: Change | None = None
        self.session = requests.Session()
        self.session.trust_env = False
        self.key = behind.key
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                kept = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() not in ("host", "accept-encoding", "connection")
                }
                answer = shop.session.request(
                    self.command, behind.url + self.path, headers=kept, data=body, allow_redirects=False, timeout=60
                )
                content = shop.answer(self.command, answer)
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in (
                        "content-length",
                        "content-encoding",
                        "transfer-encoding",
                        "connection",
                        "server",
                        "date",
                    ):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = pass_on

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = _QuietServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, answer: requests.Response) -> bytes:
        if self.change is None or method != "GET" or "json" not in answer.headers.get("Content-Type", ""):
            return answer.content
        said = slip_in(answer.json(), self.change)
        # A lone surrogate can be written in JSON, and must not be met with an exception either.
        return json.dumps(said, ensure_ascii=True, allow_nan=True).encode()

    def __enter__(self) -> HostileShop:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.shutdown()
        self.thread.join(10)
        self.server.server_close()
        self.session.close()
