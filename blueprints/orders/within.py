"""The list that an order was opened from: its filters travel with the order's address, so that the way back and the next order keep them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import g, request, url_for
from werkzeug.datastructures import MultiDict

from blueprints.actors import may_see_customers
from blueprints.numbers import argument
from blueprints.orders.forms import OrderFilter
from services.orders.views import Wanted

MOST = 2000
"""Characters of the filters; more are ignored."""


@dataclass(frozen=True, slots=True)
class Within:
    """``filters`` is the list's query with its page, empty for the beginning of the whole list; ``address`` that of the list."""

    filters: str
    address: str
    wanted: Wanted

    def of_order(self, order_id: int) -> str:
        """The address of another order of the list."""
        return url_for("order.show_order", order_id=order_id, list=self.filters or None)


def list_within() -> Within:
    """The list named by the request's argument ``list``."""
    if "list_within" not in g:
        g.list_within = _read()
    found: Within = g.list_within
    return found


def keep_list(endpoint: str, values: dict[str, Any]) -> None:
    """Let the address of an order keep the list while a page or an act of the same order answers: links, forms and redirects alike.
    It is among the ``url_defaults`` of each blueprint under ``/orders/<order_id>``, so that no act has to think of it."""
    if values.get("order_id") is not None and values["order_id"] == (request.view_args or {}).get("order_id"):
        values.setdefault("list", list_within().filters or None)


def _read() -> Within:
    given = request.values.get("list", "")
    if not given:
        return Within("", url_for("orders.list_orders"), Wanted(customers=may_see_customers()))
    named = MultiDict(parse_qsl(given if len(given) <= MOST else ""))
    form = OrderFilter(named)
    chosen = {**form.chosen(), **({"page": named["page"]} if named.get("page") else {})}
    return Within(urlencode(chosen), url_for("orders.list_orders", **chosen), form.wanted())


def keep_order(endpoint: str, values: dict[str, Any]) -> None:
    """Let the pages of held orders keep the order that they were opened from, and its list. It is among the ``url_defaults`` of their
    blueprint."""
    if endpoint.partition(".")[0] == request.blueprint:
        values.setdefault("list", list_within().filters or None)
        values.setdefault("order", argument("order"))
