"""The list of stock items, edited in place, and one item with its ledger."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.files import csv_file
from blueprints.htmx import back_to, fragment, go_to, toast, wants_fragment
from blueprints.numbers import argument
from blueprints.stock.chart import draw
from blueprints.stock.forms import StockFilter
from blueprints.times import day
from errors import AppError
from jobs.schedule import start_due_runs
from models.types import utcnow
from services import stock, stock_desk
from services.stock_desk import whole

bp = Blueprint("stock", __name__, url_prefix="/stock")
DAYS = 30
"""How far back the drawing of a stock item goes."""


@bp.get("")
def list_stock() -> str:
    form = StockFilter(request.args)
    page = stock_desk.list_page(form.q.data, form.most, argument("page") or 1, form.sort.data)
    chosen = form.chosen()
    return render_template(
        "stock/list.html", page=page, form=form, filters=chosen, back=request.full_path.rstrip("?"),
        link=lambda number: url_for(".list_stock", page=number, **chosen),
    )  # fmt: skip


@bp.get("/stock.csv")
def download_stock() -> Response:
    form = StockFilter(request.args)
    rows = (
        (row.sku, row.on_hand, row.name, row.reserved, row.buffer, row.available)
        for batch in stock_desk.iter_rows(form.q.data, form.most, form.sort.data) for row in batch
    )  # fmt: skip
    return csv_file("stock.csv", ("sku", "quantity", "name", "reserved", "buffer", "available"), rows)


@bp.post("")
def add_stock_item() -> tuple[str, int] | Response | AnyResponse:
    try:
        added = stock.add_stock_item(
            request.form.get("sku", ""), whole(request.form.get("on_hand", ""), "on_hand"), current_actor(),
            name=request.form.get("name", ""), buffer=whole(request.form.get("buffer", "0") or "0", "buffer"),
        )  # fmt: skip
    except AppError as wrong:
        return render_template("stock/add.html", wrong=wrong, typed=request.form), wrong.status
    start_due_runs()
    toast("The stock item was added.")
    return go_to(url_for(".show_item", item_id=added.item_id))


@bp.get("/new")
def show_add() -> str:
    return render_template("stock/add.html", wrong=None, typed={})


@bp.get("/<int:item_id>")
def show_item(item_id: int) -> str:
    row, now = stock_desk.get_row(item_id), utcnow()
    levels = stock_desk.levels(item_id, now - timedelta(days=DAYS))
    return render_template(
        "stock/item.html", row=row, page=stock_desk.list_ledger(item_id, argument("page") or 1), chart=draw(levels, now, day(levels[0][0])),
        holders=stock_desk.list_holders(item_id), back=url_for(".show_item", item_id=item_id),
        link=lambda number: url_for(".show_item", item_id=item_id, page=number, _anchor="ledger"),
    )  # fmt: skip


@bp.get("/<int:item_id>/ledger.csv")
def download_ledger(item_id: int) -> Response:
    header = ("at", "who", "cause", "on_hand_change", "reserved_change", "on_hand", "reserved", "order", "note")
    rows = (
        (entry.at.isoformat(timespec="seconds"), entry.actor, entry.cause, entry.on_hand_change, entry.reserved_change, entry.on_hand,
         entry.reserved, entry.order_number, entry.note)
        for entry in stock_desk.iter_ledger(item_id)
    )  # fmt: skip
    return csv_file("ledger.csv", header, rows)


@bp.post("/<int:item_id>")
def change_item(item_id: int) -> Response | AnyResponse:
    stock_desk.change_item(
        item_id, on_hand=whole(request.form.get("on_hand", ""), "on_hand"), buffer=whole(request.form.get("buffer", ""), "buffer"),
        was=whole(request.form.get("was", ""), "was"), actor=current_actor(),
    )  # fmt: skip
    start_due_runs()
    row = stock_desk.get_row(item_id)
    toast(f"{row.sku}: {row.on_hand} on hand, {row.available} available.")
    if wants_fragment(f"stock-{item_id}"):
        return fragment("stock/_row.html", row=row, back=request.form.get("back", ""))
    return go_to(back_to(url_for(".list_stock")))
