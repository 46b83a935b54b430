"""Internal notes and tags of one order, and tagging several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor, may_see_customers
from blueprints.files import numbers
from blueprints.htmx import go_to, is_ours, toast
from blueprints.labels import plural
from blueprints.orders.within import keep_list
from errors import AppError
from models import OrderNote
from services.orders import notes, tags, views

bp = Blueprint("notes", __name__, url_prefix="/orders/<int:order_id>")
bp.url_defaults(keep_list)
several = Blueprint("tagging", __name__, url_prefix="/orders")


@dataclass(frozen=True, slots=True)
class Labels:
    """``known`` are the names of tags that the order has not."""

    notes: list[OrderNote]
    tags: list[str]
    known: list[str]


@bp.app_template_global()
def labels_of(order_id: int) -> Labels:
    """Without the notes where the reader may not see customers."""
    found = notes.of_orders([order_id])[order_id] if may_see_customers() else []
    own = tags.of_orders([order_id])[order_id]
    return Labels(found, own, [tag.name for tag in tags.list_tags() if tag.name not in own])


@bp.app_template_global()
def tags_of(rows: Iterable[views.Row]) -> dict[int, list[str]]:
    """The tags of a page of the list, by order."""
    return tags.of_orders([row.id for row in rows])


@bp.post("/notes")
def add_note(order_id: int) -> tuple[str, int] | Response | AnyResponse:
    try:
        notes.add_note(order_id, request.form.get("text", ""), current_actor())
    except AppError as wrong:
        return _again(order_id, wrong)
    return go_to(url_for("order.show_order", order_id=order_id, _anchor="notes"))


@bp.post("/notes/<int:note_id>/remove")
def remove_note(order_id: int, note_id: int) -> Response | AnyResponse:
    notes.remove_note(order_id, note_id, current_actor())
    toast("The note is removed.")
    return go_to(url_for("order.show_order", order_id=order_id, _anchor="notes"))


@several.route("/tag", methods=["GET", "POST"])
def tag_orders() -> str | tuple[str, int] | Response | AnyResponse:
    """Set a tag on the selected orders."""
    given = request.values
    ids, back = numbers(given.getlist("order")), given.get("back", "")
    shown: dict[str, Any] = {
        "ids": ids, "back": back if is_ours(back) else url_for("orders.list_orders"), "known": [tag.name for tag in tags.list_tags()],
        "tag": given.get("tag", ""),
    }  # fmt: skip
    if request.method == "GET":
        return render_template("orders/tag.html", wrong=None, **shown) if ids else _nothing_selected(shown["back"])
    try:
        number = tags.tag_many(ids, shown["tag"], current_actor())
    except AppError as wrong:
        return render_template("orders/tag.html", wrong=wrong, **shown), wrong.status
    toast(f"{plural(number, 'order')} tagged.")
    return go_to(shown["back"])


def _nothing_selected(back: str) -> Response | AnyResponse:
    toast("Select at least one order first.", "warning")
    return go_to(back)


@bp.post("/tags")
def change_tags(order_id: int) -> tuple[str, int] | Response | AnyResponse:
    """``remove`` is the tag whose button was pressed; otherwise ``tag`` is added. One that was taken off is offered for adding again."""
    remove, taken_off = request.form.get("remove"), None
    try:
        if not remove:
            tags.change_tags(order_id, current_actor(), add=[request.form.get("tag", "")])
        elif tags.change_tags(order_id, current_actor(), remove=[remove]).changed:
            taken_off = remove
            toast(f"The tag ‘{remove}’ was taken off. ‘Add tag’ puts it back.")
    except AppError as wrong:
        return _again(order_id, wrong)
    return go_to(url_for("order.show_order", order_id=order_id, _anchor="tags", taken_off=taken_off))


def _again(order_id: int, wrong: AppError) -> tuple[str, int]:
    page = views.order_page(order_id, with_customers=may_see_customers())
    noted = {name: request.form.get(name, "") for name in ("text", "tag")}
    return render_template("orders/order.html", page=page, wrong=wrong, noted=noted), wrong.status
