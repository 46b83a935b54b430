"""The review sheet: several orders are shipped with carrier and tracking number each, after a look at what their shops will be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor, may_see_customers
from blueprints.files import numbers
from blueprints.htmx import back_to, go_to, is_ours, toast
from blueprints.shipping.batches import offering_undo
from jobs.schedule import start_due_runs
from services.shipping import batches, customer_mails, sheet, shipments, undo
from services.shipping.same_numbers import Same, same_numbers
from services.shipping.sheet import Row, Sheet

bp = Blueprint("sheet", __name__, url_prefix="/orders/ship")
LEAVE_OUT = "leave-out-"
"""With an order's id, what the button sends that takes it off the sheet."""


@dataclass(frozen=True, slots=True)
class Warnings:
    """What a person has to see before the sheet is shipped: one number for several orders, orders without a number beside others that have
    one, and orders of which something is not in stock."""

    same: Sequence[Same]
    bare: Sequence[Row]
    short: Sequence[Row]


@bp.get("")
def show_sheet() -> str | Response | AnyResponse:
    again = batches.undone_in(request.args.get("again", ""))
    found = _sheet(request.args.getlist("order") or [str(order_id) for order_id in again], again or None)
    back = request.args.get("back", "")
    if not found.rows and not found.refused:
        toast("Select at least one order first.", "warning")
        return go_to(url_for("orders.list_orders"))
    return _page(found, back if is_ours(back) else url_for("orders.list_orders"))


@bp.post("")
def ship_sheet() -> str | tuple[str, int] | Response | AnyResponse:
    found = _sheet(request.form.getlist("order"), _typed())
    back = back_to(url_for("orders.list_orders"))
    changed = _changed(found, back)
    if changed is not None:
        return changed
    wrong = [(row.order_id, name, text, row.number) for row in found.rows for name, text in row.wrong.items()]
    same = same_numbers((row.tracking, row.order_id, f"order {row.number}") for row in found.rows)
    warnings = Warnings(same, _without_number(found), [row for row in found.rows if row.short])
    if wrong or not found.rows:
        return _page(found, back, wrong), 422
    if _unseen(warnings):
        return _page(found, back, (), warnings), 422
    return go_to(_ship(found, back))


def _changed(found: Sheet, back: str) -> str | Response | AnyResponse | None:
    """The sheet without an order that is left out, or with a column of numbers filled in. None where it is to be shipped as it is."""
    column, act = request.form.get("column", ""), request.form.get("act", "")
    if act.startswith(LEAVE_OUT):
        left = [each for each in request.form.getlist("order") if each != act.removeprefix(LEAVE_OUT)]
        return _page(_sheet(left, _typed()), back) if left else go_to(back)
    if act == "fill" or column.strip():
        filled, left_over = sheet.fill_column(found.rows, column)
        return _page(_sheet(request.form.getlist("order"), filled), back, left_over=left_over)
    return None


def _without_number(found: Sheet) -> list[Row]:
    """The orders without a tracking number beside others that have one: a slip in most cases. Where none has one, that is meant."""
    bare = [row for row in found.rows if not row.tracking.strip()]
    return bare if len(bare) < len(found.rows) else []


def _unseen(warnings: Warnings) -> bool:
    """Whether there is something to warn of that the sheet was not sent with already: what a person has seen is meant."""
    form = request.form
    return (
        any(each.sentence() not in form.getlist("same") for each in warnings.same)
        or any(str(row.order_id) not in form.getlist("bare") for row in warnings.bare)
        or any(row.stamp not in form.getlist("short") for row in warnings.short)
    )


def _ship(found: Sheet, back: str) -> str:
    """Ship what is on the sheet; returns the page to go to, which offers to undo it."""
    batch = batches.new_name()
    rows = [(row.order_id, row.carrier, row.tracking) for row in found.rows]
    done, refused = shipments.ship_many(rows, current_actor(), shipments.Together(undo.WAIT, batch))
    customer_mails.note_warning_shown([each.order_id for each in done])
    start_due_runs()
    for each in refused[:5]:
        toast(each.reason, "warning")
    if len(refused) > 5:
        toast(f"{len(refused) - 5} more could not be shipped.", "warning")
    return offering_undo(back, batch) if done else back


def _page(
    found: Sheet, back: str, wrong: Sequence[tuple[int, str, str, str]] = (), warnings: Warnings | None = None, left_over: Sequence[str] = (),
) -> str:  # fmt: skip
    return render_template(
        "shipping/sheet.html", sheet=found, back=back, wrong=wrong, warnings=warnings, left_over=left_over, leave_out=LEAVE_OUT
    )


def _sheet(ids: list[str], typed: dict[int, tuple[str, str]] | None) -> Sheet:
    return sheet.sheet_of(numbers(ids), current_actor(), typed, with_customers=may_see_customers())


def _typed() -> dict[int, tuple[str, str]]:
    form = request.form
    return {each: (form.get(f"carrier-{each}", ""), form.get(f"tracking-{each}", "")) for each in numbers(form.getlist("order"))}
