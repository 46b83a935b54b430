"""The list of stock items, which can be edited in place, and one item with its stock history."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, render_template, url_for
from htmx_flask import request
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.charts import draw_levels
from blueprints.downloads import download
from blueprints.files import csv_file
from blueprints.htmx import back_to, fragment, go_to, toast, wants_fragment
from blueprints.stock.forms import StockFilter, typed_item
from blueprints.tables import table_of
from errors import AppError, Conflict, InvalidInput
from jobs.schedule import start_due_runs
from models.types import utcnow
from services.common.whole_numbers import read
from services.stock import items, low_stock, views

bp = Blueprint("stock", __name__, url_prefix="/stock")
DAYS = 30
"""How many days the chart of a stock item shows."""


@bp.get("")
def list_stock() -> str:
    form = StockFilter(request.args)
    page = views.list_page(form.wanted(), request.args.get("page", ""))
    chosen = form.chosen()
    return render_template(
        "stock/list.html", page=page, table=table_of("stock", "stock.list_stock", form), filters=chosen,
        back=request.full_path.rstrip("?"), approvals=views.waiting_for_approval(), counts={} if form.narrowed_beside("state", "low") else _counts(),
        link=lambda number: url_for(".list_stock", page=number, **chosen),
    )  # fmt: skip


def _counts() -> dict[str, int]:
    """Of the tabs."""
    return {
        "low": views.count_items(views.Wanted(low=True)),
        "0": views.count_items(views.Wanted(most=0)),
        "fed": views.count_items(views.Wanted(fed=True)),
    }


@bp.get("/stock.csv")
@download
def download_stock() -> Response:
    form = StockFilter(request.args)
    rows = (
        (row.sku, row.on_hand, row.name, row.reserved, row.buffer, row.available)
        for batch in views.iter_rows(form.wanted()) for row in batch
    )  # fmt: skip
    return csv_file("stock.csv", ("sku", "quantity", "name", "reserved", "buffer", "available"), rows)


@bp.post("")
def add_stock_item() -> tuple[str, int] | Response | AnyResponse:
    try:
        added = items.add_stock_item(actor=current_actor(), **typed_item())
    except AppError as wrong:
        return render_template("stock/add.html", wrong=wrong, typed=request.form, listing=None), wrong.status
    start_due_runs()
    toast("The stock item was added.")
    return go_to(url_for(".show_item", item_id=added.item_id))


@bp.get("/new")
def show_add() -> str:
    return render_template("stock/add.html", wrong=None, typed={}, listing=None)


@bp.get("/<int:item_id>")
def show_item(item_id: int) -> str:
    return _item_page(item_id)


def _item_page(item_id: int, wrong: AppError | None = None) -> str:
    """With ``wrong`` the threshold that was typed is refused, and kept."""
    row, now = views.get_row(item_id), utcnow()
    levels = views.levels(item_id, now - timedelta(days=DAYS))
    return render_template(
        "stock/item.html", row=row, page=views.list_ledger(item_id, request.args.get("page", "")), chart=draw_levels(levels, now),
        approvals=views.waiting_for_approval(item_id), holders=views.list_holders(item_id), places=views.list_places(item_id),
        default=low_stock.default_threshold(), back=url_for(".show_item", item_id=item_id), wrong=wrong,
        link=lambda number: url_for(".show_item", item_id=item_id, page=number, _anchor="ledger"),
    )  # fmt: skip


@bp.get("/<int:item_id>/ledger.csv")
@download
def download_ledger(item_id: int) -> Response:
    header = ("at", "who", "cause", "on_hand_change", "reserved_change", "on_hand", "reserved", "order", "note")
    rows = (
        (entry.at.isoformat(timespec="seconds"), entry.actor, entry.cause, entry.on_hand_change, entry.reserved_change, entry.on_hand,
         entry.reserved, entry.order_number, entry.note)
        for entry in views.iter_ledger(item_id)
    )  # fmt: skip
    return csv_file("ledger.csv", header, rows)


@bp.post("/<int:item_id>/threshold")
def set_threshold(item_id: int) -> tuple[str, int] | Response | AnyResponse:
    """Empty takes the default."""
    try:
        low_stock.set_threshold(item_id, _threshold(), current_actor())
    except InvalidInput as wrong:
        return _item_page(item_id, wrong), wrong.status
    toast("Saved.")
    return go_to(url_for(".show_item", item_id=item_id))


@bp.route("/low", methods=["GET", "POST"])
def set_default_threshold() -> str | tuple[str, int] | Response | AnyResponse:
    if request.method == "GET":
        return render_template("stock/low.html", default=low_stock.default_threshold(), wrong=None)
    try:
        low_stock.set_default(_threshold(), current_actor())
    except AppError as wrong:
        return render_template("stock/low.html", default=request.form.get("threshold"), wrong=wrong), wrong.status
    toast("Saved. The list of low stock follows in a moment.")
    return go_to(url_for(".list_stock"))


def _threshold() -> int | None:
    """Raises InvalidInput."""
    text = request.form.get("threshold", "").strip()
    return read(text, "threshold") if text else None


@bp.post("/<int:item_id>")
def change_item(item_id: int) -> Response | AnyResponse:
    """Answers a line of the list with the line as it is now, also where nothing was set because it has changed meanwhile."""
    try:
        _set(item_id)
    except Conflict as moved:
        if not request.htmx:
            raise
        toast(moved.sentence(), "danger")
    row = views.get_row(item_id)
    if wants_fragment(f"line-{item_id}"):
        table = table_of("stock", "stock.list_stock", StockFilter())
        return fragment("stock/_line.html", row=row, table=table, back=request.form.get("back", ""))
    return go_to(back_to(url_for(".list_stock")))


def _set(item_id: int) -> None:
    views.change_item(
        item_id, on_hand=read(request.form.get("on_hand", ""), "on_hand"), buffer=read(request.form.get("buffer", ""), "buffer"),
        was=read(request.form.get("was", ""), "was"), actor=current_actor(),
    )  # fmt: skip
    start_due_runs()
    row = views.get_row(item_id)
    toast(f"{row.sku}: {row.on_hand} on hand, {row.available} available.")
