"""Packing slips and pick lists of the selected orders, or of all that are ready to ship, as one printable document."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for

from blueprints.actors import may_see_customers
from blueprints.barcodes import code_128
from blueprints.files import numbers
from blueprints.htmx import is_ours
from blueprints.orders.forms import OrderFilter
from blueprints.unreadable import choice
from models.types import utcnow
from services.orders import printing
from services.orders.printing import Document
from services.orders.seller import get_seller

bp = Blueprint("printing", __name__, url_prefix="/orders/print")
PARTS = {"": "Packing slips and pick list", "slips": "Packing slips", "pick": "Pick list"}
KEPT = ("order", "back", "q", "shop", "state", "age", "tag", "sort")
"""What of an address stays in its links: which orders, by their ids or by the filter of the list. Nothing else: some names
would be arguments of url_for."""


@bp.app_template_global()
def barcode(text: str) -> Any:
    return code_128(text)


@bp.get("")
def show_document() -> str:
    """With ``order``, those orders; otherwise the orders that are ready and match the filters of the list."""
    back = request.args.get("back", "")
    return render_document(_document(), choice("part", PARTS), back if is_ours(back) else url_for("orders.list_orders"))


def _document() -> Document:
    ids = numbers(request.args.getlist("order"))
    if ids:
        return printing.of_orders(ids, with_customers=may_see_customers())
    return printing.of_ready(OrderFilter(request.args).wanted(), request.args.get("page", ""))


def render_document(document: Document, part: str, back: str) -> str:
    """``part`` is one of ``PARTS``."""
    given = {name: request.args.getlist(name) for name in KEPT if name in request.args}
    links = [(label, name == part, _here(given, part=name or None)) for name, label in PARTS.items()]
    return render_template(
        "orders/document.html", document=document, part=part, parts=links, seller=get_seller(), back=back, now=utcnow(),
        more=_here(given, part=part or None, page=document.more) if document.more else "",
    )  # fmt: skip


def _here(given: dict[str, list[str]], **changed: str | None) -> str:
    arguments: dict[str, Any] = {**(request.view_args or {}), **given, **changed}
    return url_for(request.endpoint or "", **arguments)
