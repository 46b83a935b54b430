"""The list of orders: filtered, exported, and acted on in bulk."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.files import csv_file, numbers
from blueprints.htmx import back_to, go_to, toast
from blueprints.numbers import argument
from blueprints.orders.forms import OrderFilter
from blueprints.words import plural
from jobs.schedule import start_due_runs
from services import desk_settings, order_desk, rereading, shipments

bp = Blueprint("orders", __name__, url_prefix="/orders")


@bp.get("")
def list_orders() -> str:
    wanted = OrderFilter(request.args)
    page = order_desk.list_page(wanted.wanted(), argument("page") or 1)
    chosen = wanted.chosen()
    return render_template(
        "orders/list.html", page=page, form=wanted, filters=chosen, counts=order_desk.counts(),
        warn_mail=desk_settings.mail_untold(),
        link=lambda number: url_for(".list_orders", page=number, **chosen), back=request.full_path.rstrip("?"),
    )  # fmt: skip


@bp.get("/orders.csv")
def download_orders() -> Response:
    wanted = OrderFilter(request.args).wanted()
    rows = (order_desk.row_for_file(row) for batch in order_desk.iter_rows(wanted) for row in batch)
    return csv_file("orders.csv", order_desk.HEADER, rows)


@bp.post("/ticked")
def act_on_ticked() -> Response | AnyResponse:
    ids = numbers(request.form.getlist("order"))
    act = ACTS.get(request.form.get("act", ""))
    if act is None or not ids:
        toast("Tick at least one order, then choose what to do.", "warning")
    else:
        act(ids)
    return go_to(back_to(url_for(".list_orders")))


def _read_again(ids: list[int]) -> None:
    asked = rereading.ask_again(ids)
    start_due_runs()
    toast(f"{plural(asked.orders, 'order')} will be read again from the shop.", "info")


def _evaluate(ids: list[int]) -> None:
    done = rereading.evaluate_orders(ids, current_actor())
    toast(f"{plural(done.orders, 'order')} evaluated again; {plural(done.released, 'order')} released.")


def _acknowledge(ids: list[int]) -> None:
    toast(f"{plural(shipments.acknowledge_cancelling(ids, current_actor()), 'cancelled order')} acknowledged.")


def _ship(ids: list[int]) -> None:
    carrier = request.form.get("carrier", "")
    done, refused = shipments.ship_many([(order_id, carrier, "") for order_id in ids], current_actor())
    start_due_runs()
    if done:
        desk_settings.note_mail_told([each.order_id for each in done])
        toast(f"{plural(len(done), 'order')} shipped; the shop is being told.")
    for each in refused[:5]:
        toast(each.reason, "warning")
    if len(refused) > 5:
        toast(f"{len(refused) - 5} more could not be shipped.", "warning")


ACTS = {"read_again": _read_again, "evaluate": _evaluate, "acknowledge": _acknowledge, "ship": _ship}
