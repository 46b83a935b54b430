"""The inbox of held orders: a cause, its orders, and the button that mends it once."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.htmx import go_to, toast
from blueprints.numbers import argument
from blueprints.words import plural
from errors import AppError, InvalidInput, QueueAway
from jobs.evaluations import enqueue_evaluation
from jobs.schedule import start_due_runs
from services import held, linking_by_hand, rereading, stock
from services.paging import slice_of

bp = Blueprint("held", __name__, url_prefix="/orders/held")
PAGE_SIZE = 20
MOST_AT_ONCE = 200
"""Orders that are evaluated while a person waits; more are left to the workers."""


@bp.get("")
def show_held() -> str:
    return _page()


def _page(wrong: AppError | None = None) -> str:
    page = slice_of(held.groups(), argument("page") or 1, PAGE_SIZE)
    return render_template("orders/held.html", page=page, wrong=wrong, link=lambda number: url_for(".show_held", page=number))


@bp.post("/stock-item")
def add_stock_item() -> tuple[str, int] | Response | AnyResponse:
    try:
        quantity = request.form.get("on_hand", "").strip()
        if not (quantity.isascii() and quantity.isdigit() and len(quantity) < 12):
            raise InvalidInput(f"{quantity[:20]!r} is not a quantity.", "Use a whole number such as 12.")
        added = stock.add_stock_item(
            request.form.get("sku", ""), int(quantity), current_actor(), name=request.form.get("name", "")
        )
    except AppError as wrong:
        return _page(wrong), wrong.status
    start_due_runs()
    return _released(added.released)


@bp.post("/link")
def link_sku() -> tuple[str, int] | Response | AnyResponse:
    try:
        released = linking_by_hand.link_sku(request.form.get("sku", ""), request.form.get("item", ""), current_actor())
    except AppError as wrong:
        return _page(wrong), wrong.status
    start_due_runs()
    return _released(released)


@bp.post("/accept")
def accept() -> Response | AnyResponse:
    return _released(held.accept(request.form.get("code", ""), _group(), current_actor()))


@bp.post("/evaluate")
def evaluate() -> Response | AnyResponse:
    ids = _group()
    if len(ids) > MOST_AT_ONCE:
        for integration_id in rereading.evaluate_later(ids):
            with suppress(QueueAway):
                enqueue_evaluation(integration_id)
        toast(f"{plural(len(ids), 'order')} are being evaluated; come back in a while.", "info")
        return go_to(url_for(".show_held"))
    return _released(rereading.evaluate_orders(ids, current_actor()).released)


@bp.post("/read-again")
def read_again() -> Response | AnyResponse:
    asked = rereading.ask_again(_group())
    start_due_runs()
    toast(f"{plural(asked.orders, 'order')} will be read again from the shop.", "info")
    return go_to(url_for(".show_held"))


def _group() -> list[int]:
    """The orders of the group that the form names, as they are held now."""
    return held.ids_of(request.form.get("code", ""), request.form.get("key", ""))


def _released(number: int) -> Response | AnyResponse:
    toast(f"{plural(number, 'order')} released." if number else "No order was released by that.", "success" if number else "info")
    return go_to(url_for(".show_held"))
