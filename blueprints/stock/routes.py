"""The list of stock items, edited in place, and one item with its ledger."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.files import csv_file
from blueprints.htmx import back_to, fragment, go_to, toast, wants_fragment
from errors import AppError
from jobs.schedule import start_due_runs
from services import stock_desk
from services.stock_desk import whole

bp = Blueprint("stock", __name__, url_prefix="/stock")


@bp.get("")
def list_stock() -> str:
    search, low = _wanted()
    page = stock_desk.list_page(search, low, request.args.get("page", 1, type=int))
    chosen = {name: value for name, value in (("q", search), ("low", low)) if value not in ("", None)}
    return render_template(
        "stock/list.html", page=page, search=search, low=low, filters=chosen, back=request.full_path.rstrip("?"),
        link=lambda number: url_for(".list_stock", page=number, **chosen),
    )  # fmt: skip


def _wanted() -> tuple[str, int | None]:
    low = request.args.get("low", type=int)
    return request.args.get("q", "").strip()[:200], low if low is None else min(max(low, 0), 1_000_000)


@bp.get("/stock.csv")
def download_stock() -> Response:
    rows = (
        (row.sku, row.on_hand, row.name, row.reserved, row.buffer, row.available)
        for batch in stock_desk.iter_rows(*_wanted()) for row in batch
    )  # fmt: skip
    return csv_file("stock.csv", ("sku", "quantity", "name", "reserved", "buffer", "available"), rows)


@bp.post("")
def add_item() -> tuple[str, int] | Response | AnyResponse:
    try:
        item_id = stock_desk.add_item(
            request.form.get("sku", ""), request.form.get("name", ""), whole(request.form.get("on_hand", ""), "on_hand"),
            whole(request.form.get("buffer", "0") or "0", "buffer"), current_actor(),
        )  # fmt: skip
    except AppError as wrong:
        return render_template("stock/add.html", wrong=wrong, typed=request.form), wrong.status
    start_due_runs()
    toast("The stock item was added.")
    return go_to(url_for(".show_item", item_id=item_id))


@bp.get("/new")
def show_add() -> str:
    return render_template("stock/add.html", wrong=None, typed={})


@bp.get("/<int:item_id>")
def show_item(item_id: int) -> str:
    return render_template(
        "stock/item.html", row=stock_desk.get_row(item_id), entries=stock_desk.list_ledger(item_id),
        holders=stock_desk.list_holders(item_id), back=url_for(".show_item", item_id=item_id), wrong=None,
    )  # fmt: skip


@bp.get("/<int:item_id>/ledger.csv")
def download_ledger(item_id: int) -> Response:
    entries = stock_desk.list_ledger(item_id, None)
    header = ("at", "who", "cause", "on_hand_change", "reserved_change", "on_hand", "reserved", "order", "note")
    rows = (
        (entry.at.isoformat(timespec="seconds"), entry.actor, entry.cause, entry.on_hand_change, entry.reserved_change, entry.on_hand,
         entry.reserved, entry.order_number, entry.note)
        for entry in entries
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
