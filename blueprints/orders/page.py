"""One order: its page, its printed pages, and the two verbs for one that looks wrong."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor, may_see_customers
from blueprints.htmx import go_to, toast
from blueprints.words import plural
from errors import NotFound
from jobs.schedule import start_due_runs
from services import order_desk, rereading, shipments, write_backs

bp = Blueprint("order", __name__, url_prefix="/orders/<int:order_id>")
PRINTED = {"packing-slip": "orders/packing_slip.html", "print": "orders/print.html"}


@bp.get("")
def show_order(order_id: int) -> str:
    return render_template("orders/order.html", page=order_desk.order_page(order_id, with_customers=may_see_customers()))


@bp.get("/raw")
def show_raw(order_id: int) -> str:
    page = order_desk.order_page(order_id, with_customers=may_see_customers())
    return render_template("orders/raw.html", page=page, raw=order_desk.raw_payload(order_id))


@bp.get("/<any('packing-slip', 'print'):kind>")
def print_order(order_id: int, kind: str) -> str:
    return render_template(PRINTED[kind], page=order_desk.order_page(order_id, with_customers=may_see_customers()))


@bp.post("/read-again")
def read_again(order_id: int) -> Response | AnyResponse:
    if not rereading.ask_again([order_id]).integration_ids:
        raise NotFound("The shop of this order was removed.")
    start_due_runs()
    toast("The order is being read again from the shop.", "info")
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/evaluate")
def evaluate(order_id: int) -> Response | AnyResponse:
    done = rereading.evaluate_orders([order_id], current_actor())
    toast("The stored copy was evaluated again" + ("; the order is released." if done.released else "."))
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/acknowledge")
def acknowledge(order_id: int) -> Response | AnyResponse:
    shipments.acknowledge_cancelling([order_id], current_actor())
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/cancel")
def cancel(order_id: int) -> Response | AnyResponse:
    told = shipments.cancel_order(order_id, current_actor())
    start_due_runs()
    toast("The order is cancelled here and its stock is free" + ("; the shop is being told." if told else "."))
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/tell-again")
def tell_again(order_id: int) -> Response | AnyResponse:
    failed = [row.id for row in write_backs.of_order(order_id) if row.state in ("failed", "waiting")]
    number = write_backs.try_again(failed, current_actor())
    start_due_runs()
    toast(f"{plural(number, 'write-back')} tried again.", "info")
    return go_to(url_for(".show_order", order_id=order_id))
