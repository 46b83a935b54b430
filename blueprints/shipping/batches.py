"""What was shipped together: whether the shops were updated yet, and undone while they were not."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.access import may
from blueprints.actors import current_actor
from blueprints.htmx import back_to, fragment, go_to, is_ours, toast, wants_fragment
from blueprints.labels import plural
from jobs.schedule import start_due_runs
from services.shipping import batches, files, undo
from services.shipping.batches import Batch
from services.shipping.undo import Kept

bp = Blueprint("batches", __name__, url_prefix="/orders/shipped")


@bp.get("/<name>")
def show_batch(name: str) -> str | Response:
    batch = batches.get_batch(name)
    back = request.args.get("back", "")
    about = about_batch(batch, back if is_ours(back) else url_for("orders.list_orders"))
    if wants_fragment("shipped"):
        return fragment("shipping/_shipped.html", announce=announcement(batch), shipped=about)
    return render_template("shipping/shipped.html", shipped=about)


@bp.post("/<name>/undo")
def undo_batch(name: str) -> Response | AnyResponse:
    batches.get_batch(name)
    done, kept = undo.undo_batch(name, current_actor())
    say_undone(done, kept)
    start_due_runs()
    back = back_to(url_for("orders.list_orders"))
    return go_to(offering_undo(back, name) if done else back)


def about_batch(batch: Batch, back: str) -> dict[str, object]:
    """What the banner about a batch shows and where its buttons lead. A worker undoes a file: it may have a thousand rows."""
    file_id = files.of_batch(batch.name)
    of_sheet = url_for("batches.undo_batch", name=batch.name)
    return {
        "batch": batch, "back": back,
        "undo": of_sheet if file_id is None else url_for("shipment_files.undo_file", file_id=file_id),
        "again": url_for("sheet.show_sheet", again=batch.name, back=back) if file_id is None else "",
        "poll": url_for("batches.show_batch", name=batch.name, back=back),
    }  # fmt: skip


def offering_undo(address: str, batch: str) -> str:
    """The address of a page that then shows ``shipped_just_now``."""
    return f"{address}{'&' if '?' in address else '?'}{urlencode({'shipped': batch})}"


@bp.app_template_global()
def shipped_just_now(back: str) -> dict[str, object] | None:
    """The banner about what was shipped before this page was opened, if that is known and the reader may undo it."""
    batch = batches.find_batch(request.args.get("shipped", "")) if may("batches.undo_batch") else None
    return None if batch is None else about_batch(batch, back)


@bp.app_template_global()
def shipped_words(batch: Batch) -> str:
    """``3 orders shipped, 1 parcel added``, or ``Shipped`` for one order."""
    orders = len(batch.orders) - batch.parcels_only
    if not batch.parcels:
        return "Shipped" if orders == 1 else f"{plural(orders, 'order')} shipped"
    shipped = [f"{plural(orders, 'order')} shipped"] if orders else []
    return ", ".join([*shipped, f"{plural(batch.parcels, 'parcel')} added"])


def announcement(batch: Batch) -> str:
    """What a screen reader reads out when it changes."""
    if batch.counts["sent"] == batch.total:
        return "The shop was updated."
    return "Sending to the shop." if batch.counts["sending"] else ""


def say_undone(done: int, kept: list[Kept]) -> None:
    if done:
        toast(f"{plural(done, 'shipment')} undone. Nothing was sent to the shop.")
    for each in kept[:5]:
        toast(each.reason, "warning")
    if len(kept) > 5:
        toast(f"{len(kept) - 5} more could not be undone.", "warning")
