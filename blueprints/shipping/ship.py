"""Ship one order, or some of its lines."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.htmx import go_to, toast
from blueprints.orders.refused import refused
from blueprints.orders.within import keep_list, list_within
from blueprints.shipping.batches import offering_undo
from blueprints.shipping.carriers import links
from errors import AppError, InvalidInput
from jobs.schedule import start_due_runs
from services.common import whole_numbers
from services.order_basics import line_matching
from services.orders import held, list_ids
from services.shipping import batches, customer_mails, outlook, sheet, shipments, undo

bp = Blueprint("shipping", __name__, url_prefix="/orders")
bp.url_defaults(keep_list)


@bp.post("/<int:order_id>/ship")
def ship_order(order_id: int) -> str | tuple[str, int] | Response | AnyResponse:
    batch = batches.new_name()
    try:
        done = _ship(order_id, batch)
    except AppError as wrong:
        return refused(order_id, wrong, typed=request.form)
    customer_mails.note_warning_shown([order_id])
    start_due_runs()
    if not done.event:  # else the banner that offers to undo it says what is sent
        toast(f"Shipped. {outlook.of_order(order_id, done.event)}")
    if request.form.get("then") == "next":
        return go_to(_next(order_id, batch))
    return go_to(list_within().of_order(order_id))


@bp.post("/<int:order_id>/parcels")
def add_parcel(order_id: int) -> str | tuple[str, int] | Response | AnyResponse:
    """A further parcel of an order that was shipped."""
    given = {name: request.form.get(name, "") for name in ("carrier", "tracking")}
    try:
        if not given["tracking"].strip():
            raise InvalidInput("Enter the tracking number of the parcel.", field="tracking")
        shipments.add_parcel(order_id, current_actor(), carrier=given["carrier"], tracking_number=given["tracking"])
    except AppError as wrong:
        return refused(order_id, wrong, adding=given)
    start_due_runs()
    toast("The parcel is added. Its tracking number is sent to the shop.")
    return go_to(list_within().of_order(order_id))


@bp.post("/<int:order_id>/shipped-lines")
def count_shipped(order_id: int) -> str | tuple[str, int] | Response | AnyResponse:
    """How many pieces of each line were shipped, where that was not clear."""
    try:
        held.accept(line_matching.CODE, [order_id], current_actor(), _pieces("shipped-"))
    except AppError as wrong:
        return refused(order_id, wrong, counted=request.form)
    start_due_runs()
    toast("Saved. What is left can be shipped." if not held.still_held([order_id]) else "Saved. The order is still on hold.")
    return go_to(list_within().of_order(order_id))


def _ship(order_id: int, batch: str) -> shipments.Shipped:
    pieces = _pieces()
    try:
        return shipments.ship(
            order_id, current_actor(), carrier=request.form.get("carrier", ""), tracking_number=request.form.get("tracking", ""),
            quantities=pieces, together=shipments.Together(undo.WAIT, batch, partial(_compare, order_id, pieces)),
        )  # fmt: skip
    except InvalidInput:
        # More than is left: what somebody else has shipped meanwhile says more than the number of pieces.
        _compare(order_id, {})
        raise


def _next(order_id: int, batch: str) -> str:
    """The address of the next order to ship, or of the list after the last one; both offer to undo the shipment before."""
    within = list_within()
    following = list_ids.next_to_ship(within.wanted, order_id)
    if following is not None:
        return offering_undo(within.of_order(following), batch)
    toast("No other order of this list is ready to ship.", "info")
    return offering_undo(within.address, batch)


def _compare(order_id: int, pieces: dict[int, int]) -> None:
    """The form names how many pieces were shipped when it was opened: without that, a second press of the button, or a second person
    with the same parcel, ships as many again."""
    seen = whole_numbers.parse(request.form.get("shipped", ""))
    if seen is not None:
        shipments.refuse_unseen(order_id, seen + sum(pieces.values()))


@bp.app_template_global()
def used_carriers() -> list[str]:
    """The carriers used last, the one this person used last first."""
    return sheet.used_carriers(current_actor())


@bp.app_template_global()
def known_carriers(used: list[str]) -> list[str]:
    """The carriers to choose from: those used last, and the others of the table."""
    return sheet.carriers(used, links().names)


def _pieces(prefix: str = "line-") -> dict[int, int]:
    """Units by line id. Raises InvalidInput."""
    pieces: dict[int, int] = {}
    for name, text in request.form.items():
        line_id = whole_numbers.parse(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if line_id is not None:
            pieces[line_id] = whole_numbers.read(text.strip() or "0", name, "number of pieces")
    return pieces
