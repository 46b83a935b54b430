"""A proxy that changes a shop's answers by rule, over real HTTP: `python -m practice_shop.proxy --to http://127.0.0.1:8081`.

`faults.py` makes the shop itself misbehave. This proxy sits in front of any shop and does what hosts, caches, firewalls
and plugins do to requests and answers on their way.
"""

import argparse
import http.client
import json
import re
import select
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

CONTROL = "/_proxy"
HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
    ]
)
CUTS = ("", "request", "answer", "middle")
SWALLOWS = ("", "request", "answer")


@dataclass
class Rule:
    """Which requests a rule is for, and what it does to them. Everything is optional.

    For which: `method` is one verb or several with blanks between them. `path` is a pattern (a regular expression, searched
    for in path and query), and so is `sent`, for the body of the request. `first` to `last` are the numbers of the matching requests, counted from 1; without `last` it is
    every one from `first` on. `times` is another way to say `last`: that many from `first` on.

    What it does: `query` changes query parameters (None removes one; `query=""` removes all) and `request_headers` changes
    headers before the shop sees the request. `status`, `headers` (None removes one) and `body` replace parts of the answer;
    `before` and `after` put text around the body. `delay` waits so many seconds first. `cut` closes the connection: `request`
    before the shop sees it, `answer` after the shop has acted, `middle` in the middle of the answer. `swallow` answers in
    the shop's place with `status` (502 if none), `headers` and `body`: with `request` the shop sees nothing, with `answer` it
    has acted.
    """

    method: str = ""
    path: str = ""
    sent: str = ""
    first: int = 1
    last: int | None = None
    times: int | None = None
    query: dict[str, str | None] | str | None = None
    request_headers: dict[str, str | None] = field(default_factory=dict)
    status: int | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    body: str | None = None
    delay: float = 0
    cut: str = ""
    swallow: str = ""
    matched: int = field(default=0, compare=False)
    applied: int = field(default=0, compare=False)

    def __post_init__(self):
        if self.cut not in CUTS or self.swallow not in SWALLOWS:
            raise ValueError(f"cut is one of {CUTS}, swallow one of {SWALLOWS}.")
        if self.query not in (None, "") and not isinstance(self.query, dict):
            raise ValueError('query is an object of parameters, or "" to remove all.')
        if self.times is not None:
            self.last, self.times = self.first + self.times - 1, None
        re.compile(self.path)
        re.compile(self.sent)

    def counts(self, method: str, target: str, body: bytes = b"") -> bool:
        """Count a request that matches; True if the rule applies to it."""
        if (self.method and method not in self.method.upper().split()) or not re.search(self.path, target):
            return False
        if self.sent and not re.search(self.sent, body.decode("utf-8", "replace")):
            return False
        self.matched += 1
        applies = self.first <= self.matched and (self.last is None or self.matched <= self.last)
        self.applied += applies
        return applies


def rule_of(given: dict) -> Rule:
    """A rule from JSON. Raises ValueError for a name it does not know."""
    known = {each.name for each in fields(Rule)} - {"matched", "applied"}
    if unknown := set(given) - known:
        raise ValueError(f"A rule has no {', '.join(sorted(unknown))}. It has: {', '.join(sorted(known))}.")
    return Rule(**given)


@dataclass(frozen=True)
class Asked:
    """A request as the client sent it."""

    method: str
    target: str
    body: bytes


@dataclass
class Answer:
    """What goes back to the client. `headers` are pairs, as a header may come twice."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Proxy:
    """A threaded server in front of a shop. `seen` holds (method, target, status sent) of the last requests.

    Use it in a `with`, or call `start` and `stop`. `change_answer` may be set to a function that takes a method and an
    Answer and returns the Answer to send, for what rules cannot say.
    """

    def __init__(self, to: str, *rules: Rule, port: int = 0, host: str = "127.0.0.1"):
        self.to = to.rstrip("/")
        self.change_answer = None
        self.seen: list[tuple[str, str, int | None]] = []
        self._lock = threading.Lock()
        self._rules = list(rules)
        self._server = _Server((host, port), _Handler)
        self._server.proxy = self
        self._host = host
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host}:{port}{urlsplit(self.to).path}"

    @property
    def rules(self) -> list[Rule]:
        with self._lock:
            return list(self._rules)

    def add(self, **rule) -> Rule:
        """Add a rule after the others; returns it, so that a test can read how often it applied."""
        made = Rule(**rule)
        with self._lock:
            self._rules.append(made)
        return made

    def set(self, *rules: Rule) -> None:
        """Replace all rules; without arguments, everything passes unchanged."""
        with self._lock:
            self._rules = list(rules)

    clear = set

    def matching(self, method: str, target: str, body: bytes = b"") -> list[Rule]:
        """Count the request on every rule, and return those that apply to it, in their order."""
        with self._lock:
            return [rule for rule in self._rules if rule.counts(method, target, body)]

    def arrive(self, asked: Asked) -> None:
        """A request has come and is not passed on yet. A subclass may look at it."""

    def note(self, asked: Asked, answer: Answer | None) -> None:
        """Remember a request and what the client gets for it: None if the connection is cut. A subclass may look closer."""
        with self._lock:
            self.seen.append((asked.method, asked.target, answer.status if answer else None))
            del self.seen[:-10000]

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def move(self, port: int) -> None:
        """Listen at another port instead. Raises OSError when it is taken; the proxy then stays where it is."""
        server = _Server((self._host, port), _Handler)
        self.stop()
        self._server = server
        self._server.proxy = self
        self.start()

    def start(self) -> "Proxy":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join(10)
        self._server.server_close()

    def __enter__(self) -> "Proxy":
        return self.start()

    def __exit__(self, *exc) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: Proxy

    def handle_error(self, request, client_address):
        """Clients that hang up, and shops that are away, are what this proxy is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    asked: Asked
    upstream: http.client.HTTPConnection | None = None

    def log_message(self, format, *args):
        """Nothing goes to the terminal."""

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked = Asked(self.command, self.path, body)
        if self.path.startswith(CONTROL):
            self._send(_controlled(self.server.proxy, self.command, body))
            return
        self.server.proxy.arrive(self.asked)
        rules = self.server.proxy.matching(self.command, self.path, body)
        time.sleep(sum(rule.delay for rule in rules))
        if any(rule.cut == "request" for rule in rules):
            self._cut()
            return
        swallowed = next((rule for rule in rules if rule.swallow), None)
        answer = None
        if swallowed is None or swallowed.swallow == "answer":
            answer = self._ask(rules, body)
            if answer is None:
                self._cut()
                return
        if swallowed is not None:
            answer = Answer(502, [("Content-Type", "text/html; charset=utf-8")], b"<h1>502 Bad Gateway</h1>\n")
        if self.server.proxy.change_answer is not None:
            answer = self.server.proxy.change_answer(self.command, answer)
        for rule in rules:
            answer = changed(answer, rule)
        cut = next((rule.cut for rule in rules if rule.cut), "")
        if cut == "answer":
            self._cut()
        else:
            self._send(answer, half=cut == "middle")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = handle_any

    def _ask(self, rules: list[Rule], body: bytes) -> Answer | None:
        """The shop's own answer; None if the shop cannot be reached or cuts the connection."""
        target, headers = self.path, {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        for rule in rules:
            target = with_query(target, rule.query)
            headers = {name: value for name, value in headers.items() if name.lower() not in _lower(rule.request_headers)}
            headers |= {name: value for name, value in rule.request_headers.items() if value is not None}
        # The proxy changes text, so it asks for text that is not compressed. The shop sees its own name.
        dropped = ("host", "accept-encoding")
        headers = {name: value for name, value in headers.items() if name.lower() not in dropped}
        try:
            connection = self._connection()
            connection.request(self.command, target, body or None, headers)
            reply = connection.getresponse()
            content = reply.read()
        except (OSError, http.client.HTTPException):
            self._forget_upstream()
            return None
        if reply.will_close:
            self._forget_upstream()
        origin = self.server.proxy.to.removesuffix(urlsplit(self.server.proxy.to).path)
        ours = "http://{}:{}".format(*self.server.server_address[:2])
        kept = [(name, value) for name, value in reply.getheaders() if name.lower() not in HOP_BY_HOP]
        # As nginx does with its own back end: a redirect to the shop becomes a redirect to the proxy.
        kept = [(name, value.replace(origin, ours) if name.lower() == "location" else value) for name, value in kept]
        return Answer(reply.status, kept, content)

    def _connection(self) -> http.client.HTTPConnection:
        """The connection to the shop, kept as long as the client keeps its own and the shop has not closed it."""
        if self.upstream is not None and self.upstream.sock is not None and select.select([self.upstream.sock], [], [], 0)[0]:
            self._forget_upstream()
        if self.upstream is None:
            parts = urlsplit(self.server.proxy.to)
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            self.upstream = kind(parts.hostname, parts.port, timeout=120)
            self.upstream.connect()
            self.upstream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.upstream

    def _forget_upstream(self) -> None:
        if self.upstream is not None:
            self.upstream.close()
            self.upstream = None

    def _send(self, answer: Answer, half: bool = False) -> None:
        self.server.proxy.note(self.asked, None if half else answer)
        lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        lines.append(f"Content-Length: {len(answer.body)}")
        if self.close_connection:
            lines.append("Connection: close")
        body = b"" if self.command == "HEAD" or answer.status in (204, 304) else answer.body
        sent = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        self.wfile.write(sent + (body[: len(body) // 2] if half else body))
        if half:
            self.close_connection = True

    def _cut(self) -> None:
        """Reset the connection: the client sees an error, not an end."""
        self.server.proxy.note(self.asked, None)
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def finish(self) -> None:
        self._forget_upstream()
        try:
            super().finish()
        except OSError:
            return


def changed(answer: Answer, rule: Rule) -> Answer:
    """The answer with one rule worked into it."""
    headers = [(name, value) for name, value in answer.headers if name.lower() not in _lower(rule.headers)]
    headers += [(name, value) for name, value in rule.headers.items() if value is not None]
    body = answer.body if rule.body is None else rule.body.encode()
    body = rule.before.encode() + body + rule.after.encode()
    return Answer(rule.status or answer.status, headers, body)


def with_query(target: str, change: dict[str, str | None] | str | None) -> str:
    """A target with parameters changed, added or removed (None). `""` removes the whole query."""
    path, _, query = target.partition("?")
    if change is None or (change == "" and not query):
        return target
    if change == "":
        return path
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in change]
    kept += [(name, value) for name, value in change.items() if value is not None]
    return f"{path}?{urlencode(kept)}" if kept else path


def _lower(headers: dict) -> set[str]:
    return {name.lower() for name in headers}


def _controlled(proxy: Proxy, method: str, body: bytes) -> Answer:
    """`GET /_proxy` shows the rules with their counts and the last requests; `POST /_proxy` sets exactly the rules sent."""
    status, answer = 200, None
    if method == "POST":
        try:
            proxy.set(*(rule_of(each) for each in json.loads(body or b"[]")))
        except (ValueError, TypeError, re.error) as problem:
            status, answer = 400, {"error": str(problem)}
    rules = [{name: value for name, value in vars(rule).items() if value not in (None, "", {}, 0)} for rule in proxy.rules]
    shown = answer or {"to": proxy.to, "rules": rules, "seen": proxy.seen[-20:]}
    return Answer(status, [("Content-Type", "application/json")], json.dumps(shown, indent=1).encode() + b"\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m practice_shop.proxy", description="Change a shop's answers by rule.")
    parser.add_argument("--to", default="http://127.0.0.1:8081", help="the shop's address (default: http://127.0.0.1:8081)")
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free one (default: 8090)")
    parser.add_argument("--rule", action="append", default=[], metavar="JSON", help="a rule, as often as wanted")
    options = parser.parse_args(arguments)
    try:
        rules = [rule_of(json.loads(each)) for each in options.rule]
    except (ValueError, TypeError, re.error) as problem:
        parser.error(str(problem))
    with Proxy(options.to, *rules, port=options.port) as proxy:
        sys.stdout.write(f"{proxy.url} changes answers of {proxy.to}. Rules: GET and POST {CONTROL}. Ctrl-C stops it.\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
