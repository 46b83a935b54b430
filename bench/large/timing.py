"""The same pages of the small and of the large installation, asked of processes of their own.

What counts is processor time, which a busy machine does not change much: that of the asking process, in which SQLite works, and that of
PostgreSQL's processes that work for it.
"""

from __future__ import annotations

import contextvars
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from bench.large.place import SMALL, Kept
from bench.pairs import in_child
from extensions import db
from models import Order, SalesOfDay, StockEntry, SyncRun
from models.types import utcnow
from services.accounts import list_views, tokens
from services.reports import rankings
from tests.support.signed_in import sign_in

PAGES = {
    "orders": "/orders", "orders, page 5": "/orders?page={page_of_orders}", "orders by number": "/orders?sort=number",
    "orders by total": "/orders?sort=total", "orders by customer": "/orders?sort=customer", "oldest orders": "/orders?sort=oldest",
    "orders on hold": "/orders?state=on_hold", "open orders": "/orders?state=open", "shipped orders": "/orders?state=shipped",
    "orders not sent": "/orders?state=not_sent", "orders of one shop": "/orders?shop=1", "old orders": "/orders?age=older",
    "search: number": "/orders?q=00000900", "search: rare name": "/orders?q=buyer.777", "search: common name": "/orders?q=m%C3%BCller",
    "search: two words": "/orders?q=anna+m%C3%BCller", "search: email": "/orders?q=example7.com", "search: SKU": "/orders?q=SKU-000001",
    "search: nothing": "/orders?q=nowhere", "search: one letter": "/orders?q=a",
    "search everything": "/search?search=SKU-00000", "held orders": "/orders/held", "find": "/orders/find?q=00000900",
    "stock": "/stock", "stock by scarcity": "/stock?sort=scarce", "stock moved": "/stock?sort=moved", "low stock": "/stock?low=5",
    "search stock": "/stock?q=SKU-0000023", "search stock by name": "/stock?q=bowl", "listings": "/listings",
    "listings by SKU": "/listings?sort=sku", "listings by name": "/listings?sort=name", "unlinked listings": "/listings?state=unlinked",
    "refused listings": "/listings?state=refused", "kits": "/listings?state=kit", "search listings": "/listings?q=SKU-0000023",
    "drift": "/listings/drift", "all drift": "/listings/drift?all=1", "activity": "/activity", "activity, failed": "/activity?outcome=failed",
    "activity of one shop": "/activity?integration=shop+7", "longest runs": "/activity?sort=longest", "runs by shop": "/activity?sort=integration",
    "runs by outcome": "/activity?sort=outcome", "audit trail": "/activity/changes", "today": "/today", "sales, 30 days": "/reports",
    "sales, a year": "/reports?days=365", "SKUs, 30 days": "/reports/skus", "SKUs, a year": "/reports/skus?days=365",
    "reconciliation": "/reports/reconciliation", "reconciliation, different": "/reports/reconciliation?only=different",
    "low stock, listed": "/stock?state=low", "printed order": "/orders/{order}/print",
    "packing slip": "/orders/{order}/packing-slip", "audit trail of orders": "/activity/changes?of=order", "tagged orders": "/orders?tag=1",
    "search everything: a name": "/search?search=m%C3%BCller", "search everything: nothing": "/search?search=nowhere",
    "incidents": "/incidents", "incidents over": "/incidents?state=over", "integrations": "/settings/sales-channels",
    "integration": "/settings/sales-channels/1", "order": "/orders/{order}", "stock item": "/stock/{item}",
    "stock item, page 5": "/stock/{item}?page={page_of_item}", "run": "/activity/{run}",
    "API: orders": "/api/v1/orders", "API: orders on hold": "/api/v1/orders?state=on_hold", "API: runs": "/api/v1/runs",
    "API: listings": "/api/v1/listings", "API: stock": "/api/v1/stock-items", "API: search stock": "/api/v1/stock-items?search=SKU-0000023",
    "saved view: orders": "/orders?shop=1&state=shipped&age=older&sort=total", "saved view: cancelled": "/orders?shop=1&state=cancelled&sort=customer",
    "saved view: on hold": "/orders?shop=1&state=on_hold&sort=oldest", "saved view: search": "/orders?q=anna&state=ready&sort=number",
    "saved view: stock": "/stock?low=50&q=bowl&sort=reserved", "saved view: listings": "/listings?shop=1&state=linked&q=SKU&sort=name",
    "saved view: runs": "/activity?integration=shop+7&outcome=failed&sort=longest", "API: write-backs": "/api/v1/write-backs",
    "API: sales": "/api/v1/reports/sales?days={days}", "metrics": "/metrics",
    "SKUs, 30 days, counted now": "/reports/skus?count=now", "SKUs, a year, counted now": "/reports/skus?days=365&count=now",
}  # fmt: skip
ROWS = 900
"""Rows of a report that is not paged: the same in both installations, over as many days as have them. Twenty shops with an order each day have twenty
times as many in the same days as those with one a month."""
NO_BUDGET = ("SKUs, 30 days, counted now", "SKUs, a year, counted now")
"""For information: what these pages cost where no ranking is kept, and where a person has them counted again."""

VIEWS = {
    "orders": {"state": "shipped", "sort": "total"},
    "stock": {"low": 50},
    "listings": {"state": "linked"},
    "runs": {"sort": "longest"},
}
"""Every list has as many saved views as a person can have; those of ``PAGES`` are opened by their addresses, as from the menu."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of one page: of the small installation, and of the large one."""

    name: str
    small: float
    large: float
    status: int

    @property
    def ratio(self) -> float:
        return self.large / self.small


def timed_pages(kept: Kept, names: Sequence[str], times: int) -> list[Timed]:
    """``times`` answers of each page, on both."""
    found: dict[int, dict[str, tuple[float, int]]] = {}
    for orders in (SMALL, kept.orders):
        with kept.opened(orders) as app:
            db.session.remove()
            db.engine.dispose()
            found[orders] = contextvars.Context().run(in_child, _ask_all, app, names, times, seconds=1800)
    small, large = found[SMALL], found[kept.orders]
    return [Timed(name, small[name][0], large[name][0], large[name][1]) for name in names]


def _ask_all(app: Flask, names: Sequence[str], times: int) -> dict[str, tuple[float, int]]:
    client = app.test_client()
    owner = sign_in(client, "owner", sees_customers=True)
    with app.app_context():
        places = {
            "order": db.session.scalar(select(func.max(Order.id))), "run": db.session.scalar(select(func.max(SyncRun.id))),
            "item": db.session.scalar(
                select(StockEntry.stock_item_id).group_by(StockEntry.stock_item_id).order_by(func.count().desc()).limit(1)
            ),
            "days": _days_with(ROWS),
        }  # fmt: skip
    later = {
        "page_of_orders": _place_of_page(client, "/orders"),
        "page_of_item": _place_of_page(client, f"/stock/{places['item']}"),
    }
    with app.app_context():
        for name, filters in VIEWS.items():
            for number in range(list_views.MOST_VIEWS):
                list_views.save_view(owner, name, f"View {number}", filters)
        token = tokens.create_token(owner, str(time.time_ns()), tokens.allowed_scopes("owner", True), "bench").token
        rankings.make()  # as a job does every hour
        db.session.remove()
    clock, found = _clock(app), {}
    for name in names:
        path = PAGES[name].format(**places, **later)
        headers = {"Authorization": f"Bearer {token}"} if path.startswith("/api") else {"Accept-Encoding": "gzip"}
        taken: list[float] = []
        status = 0
        for _ in range(times + 1):
            started = clock()
            answer: Any = client.get(path, headers=headers)
            answer.get_data()  # a file is made while it is read
            answer.close()
            taken.append((clock() - started) * 1000)
            status = answer.status_code
            if taken[-1] > 3000:
                break
        found[name] = (median(taken[1:] or taken), status)
    return found


def _place_of_page(client: FlaskClient, path: str, number: int = 5) -> str:
    """What an address names that page of a list by, found by going from page to page; empty where the list has one page."""
    for _ in range(number - 1):
        link = re.search(r'rel="next" href="([^"]*)"', client.get(path).text)
        if link is None:
            break
        path = unescape(link[1])
    return quote(parse_qs(urlsplit(path).query).get("page", [""])[0])


def _days_with(rows: int) -> int:
    """Of how many days, today included, the report by day has so many rows, or a few more."""
    first = db.session.scalar(
        select(SalesOfDay.day).where(SalesOfDay.orders > 0).order_by(SalesOfDay.day.desc()).offset(rows - 1).limit(1)
    )
    if first is None:
        raise RuntimeError(f"There are fewer than {rows} days with sales.")
    return (utcnow().date() - first).days + 1


def _clock(app: Flask) -> Callable[[], float]:
    """Seconds of processor time so far."""
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            return time.process_time
        found = db.session.scalars(
            text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'")
        )
        working = [Path(f"/proc/{each}/schedstat") for each in found]
        db.session.remove()
    return lambda: time.process_time() + sum(int(each.read_text().split()[0]) for each in working) / 1e9
