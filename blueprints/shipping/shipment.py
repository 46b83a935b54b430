"""One shipment of an order: undone while its shop does not know of it, voided or changed after."""

from __future__ import annotations

from flask import Blueprint, Response, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.orders.refused import refused, show_conflicts
from blueprints.orders.within import keep_list
from blueprints.shipping.batches import announcement
from errors import AppError
from jobs.schedule import start_due_runs
from services.shipping import batches, shipments, undo, voiding

bp = Blueprint("shipment", __name__, url_prefix="/orders/<int:order_id>/shipments/<int:shipment_id>")
bp.url_defaults(keep_list)
show_conflicts(bp)


@bp.get("")
def show_shipment(order_id: int, shipment_id: int) -> Response | AnyResponse:
    if not wants_fragment("shipped"):
        return go_to(url_for("order.show_order", order_id=order_id))
    batch = batches.of_shipment(shipments.find_shipment(order_id, shipment_id))
    return fragment("shipping/_shipped.html", announce=announcement(batch), shipped=about_shipment(order_id, shipment_id, batch))


@bp.post("/undo")
def undo_shipment(order_id: int, shipment_id: int) -> Response | AnyResponse:
    undo.undo(shipments.find_shipment(order_id, shipment_id).id, current_actor())
    toast("The shipment is undone. Nothing was sent to the shop.")
    start_due_runs()
    return go_to(url_for("order.show_order", order_id=order_id))


@bp.post("/void")
def void_shipment(order_id: int, shipment_id: int) -> Response | AnyResponse:
    changed = voiding.void(shipments.find_shipment(order_id, shipment_id).id, current_actor())
    toast(f"The shipment is void and its stock is back.{' See what is left to do in the shop.' if changed.left else ''}")
    start_due_runs()
    return go_to(url_for("order.show_order", order_id=order_id))


@bp.post("/tracking")
def edit_tracking(order_id: int, shipment_id: int) -> tuple[str, int] | Response | AnyResponse:
    given = {name: request.form.get(name, "") for name in ("carrier", "tracking")}
    try:
        found = shipments.find_shipment(order_id, shipment_id)
        changed = voiding.edit_tracking(found.id, current_actor(), carrier=given["carrier"], tracking_number=given["tracking"])
    except AppError as wrong:
        return refused(order_id, wrong, editing=(shipment_id, given))
    toast(f"Saved.{' See what is left to do in the shop.' if changed.left else ''}")
    start_due_runs()
    return go_to(url_for("order.show_order", order_id=order_id))


@bp.app_template_global()
def about_shipment(order_id: int, shipment_id: int, batch: batches.Batch) -> dict[str, object]:
    """What the banner about one shipment shows and where its buttons lead."""
    return {
        "batch": batch, "back": url_for("order.show_order", order_id=order_id),
        "undo": url_for("shipment.undo_shipment", order_id=order_id, shipment_id=shipment_id),
        "poll": url_for("shipment.show_shipment", order_id=order_id, shipment_id=shipment_id),
    }  # fmt: skip
