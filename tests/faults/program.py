"""A program that uses the API while everything fails: it sends again what it got no answer to, with the same key, keeps a copy that began with a
snapshot, and has an endpoint for events that is often not well."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
from standardwebhooks.webhooks import Webhook

from tests.faults.followed import DERIVED, EXPANDED

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LISTS = {
    "order": ("/orders", f"expand={','.join(EXPANDED)}"),
    "stock_item": ("/stock-items", ""),
    "listing": ("/listings", ""),
}
MOODS = ("good", "good", "fails", "cuts", "is slow", "redirects")
Place = tuple[str, str]


class NoAnswer(Exception):
    """The program does not know what became of a request."""


@dataclass
class Sent:
    """An act; ``status`` is 0 as long as the program does not know what became of it. ``reference`` is in the ledger if it was done."""

    path: str
    body: dict[str, Any]
    reference: str = ""
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    tries: int = 0
    status: int = 0


class Receiver:
    """An endpoint for events in a mood. ``ids`` are those it has taken; ``forged`` counts calls that were not signed as they should be."""

    def __init__(self) -> None:
        self.mood, self.ids, self.forged, self.calls = "good", set[str](), 0, 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                receiver.take(self, body, {name.lower(): value for name, value in self.headers.items()})

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def take(self, handler: BaseHTTPRequestHandler, body: bytes, headers: dict[str, str]) -> None:
        self.calls += 1
        mood = self.mood
        if mood == "cuts":
            handler.close_connection = True
            return
        if mood == "is slow":
            time.sleep(2)
        if mood in ("good", "is slow"):
            try:
                self.ids.add(Webhook(SECRET).verify(body, headers)["id"])
            except Exception:
                self.forged += 1
        handler.send_response({"fails": 500, "redirects": 302}.get(mood, 204))
        if mood == "redirects":
            handler.send_header("Location", self.url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Program:
    """``rows`` is its copy, by type and id, as the log stood at ``position``; ``heard`` are the ids of the events it has read,
    ``integrations`` whose each order is."""

    def __init__(self, address: str, token: str):
        self.address, self.position = address, ""
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.rows: dict[Place, Any] = {}
        self.heard: set[str] = set()
        self.integrations: dict[str, str | None] = {}
        self.sent: list[Sent] = []

    # Acts

    def act(self, path: str, body: dict[str, Any], reference: str = "") -> None:
        """Send once; what gets no answer is sent again later."""
        self.sent.append(Sent(path, body, reference))
        self.send_again()

    def send_again(self) -> bool:
        """Send everything that got no answer; true once nothing is left. Now and then, what got one is sent again too: nothing happens."""
        for sent in self._worth_sending():
            sent.tries += 1
            try:
                answer = self._request("POST", sent.path, json=sent.body, headers={"Idempotency-Key": sent.key})
            except NoAnswer:
                continue
            if answer.status_code == 409 and answer.json()["code"] == "idempotency_in_progress":
                continue
            sent.status = sent.status or answer.status_code
            if sent.status != answer.status_code:
                raise AssertionError(
                    f"{sent.path} was answered {sent.status} first and {answer.status_code} later: {answer.text}"
                )
        return all(sent.status for sent in self.sent)

    def _worth_sending(self) -> Iterator[Sent]:
        yield from [each for each in self.sent if not each.status] + self.sent[-2:]

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Raises NoAnswer where the program has to ask again."""
        try:
            answer = self.session.request(method, f"{self.address}/api/v1{path}", timeout=10, **options)
        except requests.RequestException as error:
            raise NoAnswer(str(error)) from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise NoAnswer(answer.text)
        return answer

    # The copy

    def take_snapshot(self) -> None:
        """Remember the position, then read everything once. Raises NoAnswer."""
        position = self._get("/events?limit=1")["newest"]
        self.rows, self.position = self.everything(), position

    def everything(self) -> dict[Place, Any]:
        """All rows as the API lists them. Raises NoAnswer."""
        return {place: row for kind in LISTS for place, row in self._listed(kind)}

    def follow(self) -> None:
        """Read the log to its end, and with a GET each object that an event names. Raises NoAnswer; then it is asked again from the
        same position."""
        while True:
            part = self._get(f"/events?limit=250&after={self.position}")
            self.heard |= {event["id"] for event in part["items"]}
            named = {_place(event) for event in part["items"]}
            if any(kind == "integration" for kind, _ in named):
                # Orders and listings are listed while their integration is there.
                self.rows = {place: row for place, row in self.rows.items() if place[0] == "stock_item"} | {
                    place: row for kind in ("order", "listing") for place, row in self._listed(kind)
                }
            for kind, row_id in named:
                if kind in LISTS:
                    self._read(kind, row_id)
            self.position = part["last"]
            if not part["next"]:
                return

    def differences(self) -> list[str]:
        """How the copy, once it has read all events, differs from what the API lists. Raises NoAnswer."""
        self.follow()
        there = self.everything()
        return [
            f"the program's copy differs at {place}: {_difference(self.rows.get(place), there.get(place))}"
            for place in sorted(there.keys() | self.rows.keys())
            if there.get(place) != self.rows.get(place)
        ]

    def _listed(self, kind: str) -> Iterator[tuple[Place, Any]]:
        path, query = LISTS[kind]
        path = f"{path}?limit=250&{query}".rstrip("&")
        while path:
            page = self._get(path)
            yield from (((kind, row["id"]), self._noted(kind, row)) for row in page["items"])
            path = (page["next"] or "").removeprefix("/api/v1")

    def _read(self, kind: str, row_id: str) -> None:
        path, query = LISTS[kind]
        answer = self._request("GET", f"{path}/{row_id}?{query}".rstrip("?"))
        gone = answer.status_code == 404
        if not gone:
            answer.raise_for_status()
        row = answer.json()
        if gone or (kind == "order" and row["integration_id"] is None):
            self.rows.pop((kind, row_id), None)
        else:
            self.rows[kind, row_id] = self._noted(kind, row)

    def _noted(self, kind: str, row: dict[str, Any]) -> dict[str, Any]:
        """What the copy holds of a row. Whose an order is follows from the integrations (docs/api.md), so it is kept apart."""
        if kind == "order":
            self.integrations[row["id"]] = row["integration_id"]
        return {name: value for name, value in row.items() if name not in DERIVED[kind]}

    def _get(self, path: str) -> Any:
        answer = self._request("GET", path)
        answer.raise_for_status()
        return answer.json()


def _place(event: dict[str, Any]) -> Place:
    place = event["belongs_to"] if event["object"]["type"] in ("shipment", "write_back") else event["object"]
    return place["type"], place["id"]


def _difference(ours: Any, theirs: Any) -> str:
    if ours is None or theirs is None:
        return "it is missing there" if theirs is None else "it is missing in the copy"
    return "; ".join(f"{name}: {ours.get(name)!r}, but {theirs[name]!r}" for name in theirs if ours.get(name) != theirs[name])[
        :300
    ]
