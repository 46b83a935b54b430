"""The list of 1,000 integrations, one switch on it, and what a browser loads to see it.

Requests go to the application itself (WSGI, no server and no network between, which would only hide differences), each in a
separate context, answers compressed as for a browser. 1,000 integrations stand in the database, with 20 orders and 50 listings
each; the page shows fifty. Two that are compared are asked in turn, request by request.

*The page*, against a bare route that renders the same template from the same objects, kept in memory.
*The switch* as htmx sends it, answered with the row as it is now, against a bare route that does the same update and commit in
core SQL and renders the same row from an object in memory. It notes nothing in the audit trail and looks at no other row.
*The door* is what every route of this application stands behind, a bare one too: the session looked up, the request counted in
a Valkey, the form token checked. Both sides of the two comparisons above carry it; what it costs is a separate line: the
bare page behind it, against the same with nobody at the door and the person in memory.
*The weight*: the page and everything it names (style sheets, scripts, icons, pictures, and what the style sheets name), each
once, heads and bodies as they are sent to a browser that takes gzip.
"""

from __future__ import annotations

import contextvars
import re
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from html.parser import HTMLParser
from statistics import median
from typing import Any
from urllib.parse import urljoin

from flask import Flask, g, render_template, request
from flask.testing import FlaskClient
from sqlalchemy import insert, update
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from bench.frame import Measured
from bench.pairs import alternate, in_child, ratio, samples
from bench.place import Place, let_go
from blueprints.integrations.forms import IntegrationFilter
from extensions import writing
from models import Flow, FlowKind, Integration, Listing, Order, Shop, SyncRun
from models.types import utcnow
from services.accounts import sign_ins
from services.integrations import overview
from services.security import vault
from services.shops.flows import AT_ONCE, INTERVALS
from tests.support.signed_in import sign_in

LIST = "/settings/sales-channels"
BROWSER = {"Accept-Encoding": "gzip"}
CSS_URL = re.compile(r"url\(\s*['\"]?(?!data:)([^)'\"]+)", re.I)

Ask = Callable[[], TestResponse]


def measure_list(place: Place) -> Measured:
    found = place.once("pages", lambda: _measure(place))
    return Measured(ratio(*found["list"]), {"integrations": found["integrations"], **samples(*found["list"])})


def measure_toggle(place: Place) -> Measured:
    found = place.once("pages", lambda: _measure(place))
    return Measured(ratio(*found["toggle"]), {"integrations": found["integrations"], **samples(*found["toggle"])})


def measure_door(place: Place) -> Measured:
    found = place.once("pages", lambda: _measure(place))
    return Measured(ratio(*found["door"]), {"integrations": found["integrations"], **samples(*found["door"])})


def measure_weight(place: Place) -> Measured:
    found = place.once("pages", lambda: _measure(place))
    parts = found["weight"]
    return Measured(sum(parts.values()) / 1000, {"bytes": parts})


def _measure(place: Place) -> dict[str, Any]:
    integrations = place.full_or_quick(1_000, 100)
    with place.installation(REDIS_URL=place.queue, REQUESTS_PER_MINUTE="100000") as app:
        fill(integrations)
        let_go()
        # Not inside the context that the installation has entered: each request is to have its own.
        measured = contextvars.Context().run(in_child, _in_process, app, place.full_or_quick(15, 3), seconds=150)
    return {"integrations": integrations, **measured}


def _in_process(app: Flask, times: int) -> dict[str, Any]:
    with app.app_context():
        page = overview.list_page(1)
    _add_bare_routes(app, page)
    client = app.test_client()
    sign_in(client, "owner")
    weight = _weight(client)
    return {"list": _list(client, times), "toggle": _toggle(client, times, page), "door": _door(client, times), "weight": weight}


def _add_bare_routes(app: Flask, page: overview.IntegrationPage) -> None:
    with app.test_request_context():
        form = IntegrationFilter(MultiDict())
    rows = {row.id: row for row in page.rows}

    def show_list() -> str:
        return render_template(
            "integrations/list.html", form=form, drafts=[], page=page, filters={}, back=LIST, link=lambda number: LIST
        )

    def toggle(integration_id: int) -> str:
        enabled, now = request.form["enabled"] == "yes", utcnow()
        with writing() as session:
            session.execute(
                update(Integration.__table__).where(Integration.__table__.c.id == integration_id).values(enabled=enabled)
            )
            if enabled:
                rows_of_flows = Flow.__table__
                session.execute(
                    update(rows_of_flows)
                    .where(rows_of_flows.c.integration_id == integration_id, rows_of_flows.c.kind.in_(AT_ONCE))
                    .values(due_at=now)
                )
            else:
                runs = SyncRun.__table__
                session.execute(
                    update(runs)
                    .where(runs.c.integration_id == integration_id, SyncRun.live, runs.c.state == "queued")
                    .values(state="finished", outcome="stopped", finished_at=now)
                )
        return render_template("integrations/_row.html", row=rows[integration_id])

    app.add_url_rule("/bench/list", view_func=show_list)
    app.add_url_rule("/bench/toggle/<int:integration_id>", view_func=toggle, methods=["POST"])


def _list(client: FlaskClient, times: int) -> tuple[list[float], list[float]]:
    return _in_turn(*(partial(client.get, path, headers=BROWSER) for path in (LIST, "/bench/list")), times)


def _door(client: FlaskClient, times: int) -> tuple[list[float], list[float]]:
    app = client.application
    door = app.before_request_funcs[None]
    with client.session_transaction() as session, app.app_context():
        person = sign_ins.find_person(session["_user_id"])

    def let_in() -> None:
        g._login_user = person

    def ask(guards: list[Callable[[], Any]]) -> TestResponse:
        app.before_request_funcs[None] = guards
        try:
            return client.get("/bench/list", headers=BROWSER)
        finally:
            app.before_request_funcs[None] = door

    return _in_turn(lambda: ask(door), lambda: ask([let_in]), times)


def _toggle(client: FlaskClient, times: int, page: overview.IntegrationPage) -> tuple[list[float], list[float]]:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(LIST).get_data(as_text=True)).group(1)
    wanted: dict[tuple[str, int], str] = {}

    def press(path: str, row_id: int) -> TestResponse:
        word = wanted[path, row_id] = "yes" if wanted.get((path, row_id)) == "no" else "no"
        place = f"integration-{row_id}"
        headers = {**BROWSER, "HX-Request": "true", "HX-Target": place, "HX-Current-URL": LIST}
        return client.post(path.format(row_id), data={"csrf_token": token, "enabled": word, "back": LIST}, headers=headers)

    mine, other = page.rows[0].id, page.rows[1].id
    return _in_turn(lambda: press(f"{LIST}/{{}}/status", mine), lambda: press("/bench/toggle/{}", other), times)


def _in_turn(ours: Ask, theirs: Ask, times: int, requests: int = 10) -> tuple[list[float], list[float]]:
    """So many samples of both, each the median of some requests, in seconds. The two are asked in turn, request by request."""
    one, other = _timed(ours), _timed(theirs)
    alternate(one, other, requests)
    mine, peer = [], []
    for _ in range(times):
        taken = alternate(one, other, requests)
        mine.append(median(taken[0]))
        peer.append(median(taken[1]))
    return mine, peer


def _timed(ask: Ask) -> Callable[[], float]:
    def measured() -> float:
        started = time.perf_counter()
        answer = ask()
        taken = time.perf_counter() - started
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.request.path} answered {answer.status}: {answer.get_data(as_text=True)[:300]}")
        return taken

    return measured


class _Named(HTMLParser):
    """The addresses of what a browser loads with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and {"stylesheet", "icon", "preload", "modulepreload", "manifest"} & set(
            (given.get("rel") or "").split()
        ):
            self.addresses.append(given.get("href") or "")
        elif tag in ("script", "img", "source", "iframe") and given.get("src"):
            self.addresses.append(given["src"] or "")


def _weight(client: FlaskClient) -> dict[str, int]:
    """Bytes by address, for a browser that comes for the first time."""
    parts: dict[str, int] = {}
    waiting = [LIST]
    while waiting:
        address = waiting.pop(0)
        if not address or address in parts or address.startswith(("data:", "#")):
            continue
        answer = client.get(address, headers=BROWSER)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answered {answer.status}")
        head = len(f"HTTP/1.1 {answer.status}\r\n\r\n") + sum(len(f"{name}: {value}\r\n") for name, value in answer.headers)
        parts[address] = head + len(answer.get_data())
        if answer.mimetype == "text/html":
            named = _Named()
            named.feed(client.get(address).get_data(as_text=True))
            waiting += [urljoin(address, each) for each in named.addresses]
        elif answer.mimetype == "text/css":
            waiting += [urljoin(address, each) for each in CSS_URL.findall(client.get(address).get_data(as_text=True))]
    return parts


def fill(number: int) -> None:
    now = utcnow()
    ids = range(1, number + 1)
    with writing() as session:
        session.execute(
            insert(Shop), [{"id": row, "kind": "xcart", "address": f"shop-{row}.example", "orders_read_to": now} for row in ids]
        )
        session.execute(
            insert(Integration),
            [
                {"id": row, "shop_id": row, "kind": "xcart", "name": f"Shop {row:04d}", "name_key": f"shop {row:04d}",
                 "endpoint": f"https://shop-{row}.example", "generation": "addon", "key_encrypted": vault.encrypt("key"),
                 "orders_since": now - timedelta(days=30), "processed_status": "S", "work_statuses": [["P", "*"], ["A", "*"]],
                 "health": "retrying" if row % 20 == 0 else "connected",
                 "health_message": "The shop is closed for maintenance." if row % 20 == 0 else "", "push_gate": "open"}
                for row in ids
            ],
        )  # fmt: skip
        soon = {"orders": lambda row: now + timedelta(minutes=row % 5 + 1), "stock": lambda row: now + timedelta(minutes=5),
                "listings": lambda row: now + timedelta(days=1)}  # fmt: skip
        done = {"orders": lambda row: now - timedelta(minutes=row % 50), "stock": lambda row: now - timedelta(minutes=row % 70)}

        def never(row: object) -> None:
            return None

        session.execute(
            insert(Flow),
            [
                {"integration_id": row, "kind": kind, "interval_seconds": INTERVALS.get(kind), "due_at": soon.get(kind, never)(row),
                 "succeeded_at": done.get(kind, never)(row)}
                for row in ids
                for kind in FlowKind
                if kind != FlowKind.UNDO
            ],
        )  # fmt: skip
        session.execute(
            insert(Order),
            [
                {"shop_id": row, "external_id": str(each), "number": str(each), "placed_at": now - timedelta(hours=each),
                 "changed_at": now, "state": "on_hold" if each == 1 else "shipped"}
                for row in ids
                for each in range(1, 21)
            ],
        )  # fmt: skip
        session.execute(
            insert(Listing),
            [
                {"shop_id": row, "external_id": f"product:{each}", "kind": "product", "sku": f"SKU-{each}", "quantity": 5,
                 "push_error": "The shop refused it." if each == 1 and row % 3 == 0 else ""}
                for row in ids
                for each in range(1, 51)
            ],
        )  # fmt: skip
