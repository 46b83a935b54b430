"""The list of orders, its CSV, and actions on selected orders."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.files import csv_file, numbers
from blueprints.htmx import back_to, go_to, toast
from blueprints.labels import plural
from blueprints.orders.again import reading_again
from blueprints.orders.forms import OrderFilter
from blueprints.shipping.batches import shipped_just_now
from blueprints.tables import table_of
from jobs.schedule import start_due_runs
from services.orders import list_facts, rereading, seen, views
from services.shipping import by_hand

bp = Blueprint("orders", __name__, url_prefix="/orders")


@bp.get("")
def list_orders() -> str:
    wanted = OrderFilter(request.args)
    page = views.list_page(wanted.wanted(), request.args.get("page", ""))
    chosen = wanted.chosen()
    place = {**chosen, **({"page": request.args["page"]} if request.args.get("page") else {})}
    back = url_for(".list_orders", **place)
    return render_template(
        "orders/list.html", page=page, table=table_of("orders", "orders.list_orders", wanted), filters=chosen,
        counts=list_facts.counts(), counted=not wanted.narrowed_beside("state"),
        link=lambda number: url_for(".list_orders", page=number, **chosen), back=back, shipped=shipped_just_now(back), place=urlencode(place) or None,
    )  # fmt: skip


@bp.get("/orders.csv")
@download
def download_orders() -> Response:
    wanted = OrderFilter(request.args).wanted()
    rows = (views.row_for_file(row) for batch in views.iter_rows(wanted) for row in batch)
    return csv_file("orders.csv", views.HEADER, rows)


@bp.post("/selected")
def act_on_selected() -> Response | AnyResponse:
    ids = numbers(request.form.getlist("order"))
    if ids and (page := PAGES.get(request.form.get("act", ""))):
        return go_to(url_for(page, order=ids, back=back_to(url_for(".list_orders"))))
    act = ACTS.get(request.form.get("act", ""))
    if act is None or not ids:
        toast("Select at least one order first.", "warning")
    else:
        act(ids)
    return go_to(back_to(url_for(".list_orders")))


def _read_again(ids: list[int]) -> None:
    asked = rereading.ask_again(ids)
    start_due_runs()
    toast(*reading_again(asked))


def _evaluate(ids: list[int]) -> None:
    done = rereading.evaluate_orders(ids, current_actor())
    toast(f"{plural(done.orders, 'order')} checked again. {plural(done.released, 'order')} released.")


def _mark_seen(ids: list[int]) -> None:
    marked = seen.mark_seen(ids, current_actor())
    start_due_runs()
    toast(f"{plural(marked.cancelled + marked.deleted, 'cancelled or deleted order')} marked as seen.")


def _entered(ids: list[int]) -> None:
    toast(f"{plural(by_hand.mark_entered(ids, current_actor()), 'order')} marked as done in the shop.")


PAGES = {"ship": "sheet.show_sheet", "print": "printing.show_document", "tag": "tagging.tag_orders"}
"""Acts that open a page about the selected orders."""
ACTS = {
    "read_again": _read_again, "evaluate": _evaluate, "mark_seen": _mark_seen, "entered": _entered,
    "acknowledge": _mark_seen,  # sent by pages that were opened before the upgrade from 0.9.0
}  # fmt: skip
