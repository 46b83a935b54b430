"""One order: its page, its printed pages, and what can be done with it."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor, may_see_customers
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.labels import plural
from blueprints.orders import doubts
from blueprints.orders.again import reading_again
from blueprints.orders.printing import PARTS, render_document
from blueprints.orders.refused import show_conflicts
from blueprints.orders.within import keep_list, list_within
from blueprints.unreadable import choice
from errors import NotFound
from jobs.schedule import start_due_runs
from services.orders import held, identity_decision, printing, rereading, seen, views
from services.orders.seller import get_seller
from services.orders.views import OrderPage
from services.shipping import by_hand, outlook, shipments, trying_again
from services.shops import kinds

bp = Blueprint("order", __name__, url_prefix="/orders/<int:order_id>")
bp.url_defaults(keep_list)
show_conflicts(bp)


bp.app_template_global()(list_within)


@bp.get("")
def show_order(order_id: int) -> str | Response:
    page = views.order_page(order_id, with_customers=may_see_customers())
    if wants_fragment("rereading"):
        done = "" if page.order.reread_due else "Cartlink has asked the shop for this order again."
        return fragment("orders/_rereading.html", announce=done, page=page)
    return render_template("orders/order.html", page=page)


@bp.app_template_global()
def order_in_shop(page: OrderPage) -> str:
    """Where the shop shows this order to its administrators; empty where that is not known or the shop has it no longer."""
    gone = page.order.superseded_at is not None or page.order.gone_at is not None
    return "" if gone else kinds.order_page(page.integration, page.order.number)


@bp.app_template_global()
def beside_the_shop(page: OrderPage) -> list[doubts.Row]:
    return doubts.beside_the_shop(page)


@bp.get("/raw")
def show_raw(order_id: int) -> str:
    page = views.order_page(order_id, with_customers=may_see_customers())
    return render_template("orders/raw.html", page=page, raw=views.raw_payload(order_id))


@bp.get("/print")
def print_order(order_id: int) -> str:
    page = views.order_page(order_id, with_customers=may_see_customers())
    return render_template("orders/print.html", page=page, seller=get_seller(), back=url_for(".show_order", order_id=order_id))


@bp.get("/packing-slip")
def print_slip(order_id: int) -> str:
    document = printing.of_orders([order_id], with_customers=may_see_customers())
    if not document.slips:
        raise NotFound("There is no such order.")
    part = choice("part", PARTS) if "part" in request.args else "slips"
    return render_document(document, part, url_for(".show_order", order_id=order_id))


@bp.post("/read-again")
def read_again(order_id: int) -> Response | AnyResponse:
    asked = rereading.ask_again([order_id])
    if not asked.orders:
        raise NotFound("This order cannot be read again: its shop was removed, or uses its id for another order.")
    start_due_runs()
    toast(*reading_again(asked))
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/evaluate")
def evaluate(order_id: int) -> Response | AnyResponse:
    done = rereading.evaluate_orders([order_id], current_actor())
    after = " and released" if done.released else " and is still on hold" if held.still_held([order_id]) else ""
    toast(f"The order was checked again{after}.", "success" if done.released else "info")
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/mark-seen")
def mark_seen(order_id: int) -> Response | AnyResponse:
    if seen.mark_seen([order_id], current_actor()).deleted:
        toast("Marked as seen. The stock of the order is free.")
        start_due_runs()
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/replace")
def replace(order_id: int) -> Response | AnyResponse:
    identity_decision.settle(order_id, False, current_actor())
    start_due_runs()
    toast("Nothing more is sent for this order. The next download imports the other one.")
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/keep")
def keep(order_id: int) -> Response | AnyResponse:
    identity_decision.settle(order_id, True, current_actor())
    start_due_runs()
    after = " It is still on hold for another reason." if held.still_held([order_id]) else ""
    toast(f"The order is being read again from the shop.{after}", "info")
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/entered")
def mark_entered(order_id: int) -> Response | AnyResponse:
    by_hand.mark_entered([order_id], current_actor())
    toast("The tracking number is marked as entered in the shop.")
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/cancel")
def cancel(order_id: int) -> Response | AnyResponse:
    event = shipments.cancel_order(order_id, current_actor())
    after = f" {outlook.of_order(order_id, event)}" if event else ""
    start_due_runs()
    toast(f"The order is cancelled here and its stock is free.{after}")
    return go_to(url_for(".show_order", order_id=order_id))


@bp.post("/send-again")
def send_again(order_id: int) -> Response | AnyResponse:
    number = trying_again.try_again(trying_again.unsent(order_id), current_actor())
    start_due_runs()
    toast(f"{plural(number, 'shipment update')} tried again.", "info")
    return go_to(url_for(".show_order", order_id=order_id))
