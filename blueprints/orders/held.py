"""The inbox of held orders: a cause, its orders, and the button that mends it once."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.files import numbers
from blueprints.htmx import go_to, toast
from blueprints.words import plural
from errors import AppError, InvalidInput
from jobs.schedule import start_due_runs
from services import held, linking_by_hand, rereading

bp = Blueprint("held", __name__, url_prefix="/orders/held")


@bp.get("")
def show_held() -> str:
    return render_template("orders/held.html", groups=held.groups(), wrong=None)


@bp.post("/stock-item")
def add_stock_item() -> tuple[str, int] | Response | AnyResponse:
    try:
        quantity = request.form.get("on_hand", "").strip()
        if not (quantity.isascii() and quantity.isdigit() and len(quantity) < 12):
            raise InvalidInput(f"{quantity[:20]!r} is not a quantity.", "Use a whole number such as 12.")
        released = held.add_stock_item(
            request.form.get("sku", ""), int(quantity), current_actor(), request.form.get("name", "")[:500]
        )
    except AppError as wrong:
        return render_template("orders/held.html", groups=held.groups(), wrong=wrong), wrong.status
    start_due_runs()
    return _released(released)


@bp.post("/link")
def link_sku() -> tuple[str, int] | Response | AnyResponse:
    try:
        released = linking_by_hand.link_sku(request.form.get("sku", ""), request.form.get("item", ""), current_actor())
    except AppError as wrong:
        return render_template("orders/held.html", groups=held.groups(), wrong=wrong), wrong.status
    start_due_runs()
    return _released(released)


@bp.post("/accept")
def accept() -> Response | AnyResponse:
    return _released(held.accept(request.form.get("code", ""), numbers(request.form.getlist("order")), current_actor()))


@bp.post("/evaluate")
def evaluate() -> Response | AnyResponse:
    return _released(rereading.evaluate_orders(numbers(request.form.getlist("order")), current_actor()).released)


@bp.post("/read-again")
def read_again() -> Response | AnyResponse:
    asked = rereading.ask_again(numbers(request.form.getlist("order")))
    start_due_runs()
    toast(f"{plural(asked.orders, 'order')} will be read again from the shop.", "info")
    return go_to(url_for(".show_held"))


def _released(number: int) -> Response | AnyResponse:
    toast(f"{plural(number, 'order')} released." if number else "No order was released by that.", "success" if number else "info")
    return go_to(url_for(".show_held"))
