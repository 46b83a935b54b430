"""Held orders, grouped by problem, each with the button that fixes it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.htmx import go_to, toast
from blueprints.labels import plural
from blueprints.numbers import argument
from blueprints.orders.again import not_now, reading_again
from blueprints.orders.within import keep_order
from errors import AlreadyRunning, AppError, QueueAway
from jobs import start_run
from jobs.evaluations import enqueue_evaluation
from jobs.schedule import start_due_runs
from models import FlowKind
from services.common import whole_numbers
from services.common.paging import slice_of
from services.listings import manual_links
from services.order_basics import holds
from services.order_basics.audited import about_orders
from services.orders import doubtful_skus, held, rereading
from services.security.audit import About
from services.shops import health
from services.stock import items

bp = Blueprint("held", __name__, url_prefix="/orders/held")
bp.url_defaults(keep_order)
PAGE_SIZE = 20
MOST_AT_ONCE = 200
"""Orders that are evaluated while the user waits; workers do more than that."""


@bp.get("")
def show_held() -> str:
    return _page()


def _page(wrong: AppError | None = None) -> str:
    # What holds the order that the page was opened from comes first.
    groups = sorted(held.groups(), key=lambda group: argument("order") not in group.order_ids)
    page = slice_of(groups, argument("page") or 1, PAGE_SIZE)
    held.add_details(page.rows)
    return render_template(
        "orders/held.html", page=page, wrong=wrong, link=lambda number: url_for(".show_held", page=number),
        doubtful=lambda group: doubtful_skus.choices(group.order_ids), came_from=_came_from(),
    )  # fmt: skip


def _came_from() -> About | None:
    """The order that the page was opened from."""
    order_id = argument("order")
    return next(iter(about_orders([order_id])), None) if order_id else None


@bp.post("/stock-item")
def add_stock_item() -> tuple[str, int] | Response | AnyResponse:
    ids = held.ids_of(holds.UNKNOWN_SKU, request.form.get("sku", ""))
    try:
        on_hand = whole_numbers.read(request.form.get("on_hand", ""), "on_hand")
        added = items.add_stock_item(request.form.get("sku", ""), on_hand, current_actor(), name=request.form.get("name", ""))
    except AppError as wrong:
        return _page(wrong), wrong.status
    start_due_runs()
    return _released(added.released, ids, "The stock item is added.")


@bp.post("/link")
def link_sku() -> tuple[str, int] | Response | AnyResponse:
    sku = request.form.get("sku", "")
    doubtful = request.form.get("code") == holds.DOUBTFUL_SKU
    ids = held.ids_of(holds.DOUBTFUL_SKU, "") if doubtful else held.ids_of(holds.UNKNOWN_SKU, sku)
    try:
        released = manual_links.link_sku(sku, request.form.get("item", ""), current_actor())
    except AppError as wrong:
        return _page(wrong), wrong.status
    start_due_runs()
    return _released(released, ids, "The SKU is matched.")


@bp.post("/accept")
def accept() -> tuple[str, int] | Response | AnyResponse:
    code, key, seen = (request.form.get(name, "") for name in ("code", "key", "seen"))
    try:
        ids, released = held.accept_group(code, key, seen, current_actor())
    except AppError as wrong:
        return _page(wrong), wrong.status
    return _released(released, ids, f"Accepted as {'it is' if len(ids) == 1 else 'they are'}.")


@bp.post("/evaluate")
def evaluate() -> Response | AnyResponse:
    ids = _group()
    if not ids:
        return _released(None)
    if len(ids) > MOST_AT_ONCE:
        for integration_id in rereading.evaluate_later(ids):
            with suppress(QueueAway):
                enqueue_evaluation(integration_id)
        toast(f"{plural(len(ids), 'order')} are being checked again. Come back in a few minutes.", "info")
        return go_to(url_for(".show_held"))
    return _released(rereading.evaluate_orders(ids, current_actor()).released)


@bp.post("/read-again")
def read_again() -> Response | AnyResponse:
    asked = rereading.ask_again(_group())
    start_due_runs()
    toast(*reading_again(asked))
    return go_to(url_for(".show_held"))


@bp.post("/read-listings")
def read_listings() -> Response | AnyResponse:
    """For a product that is new in the shop, so that its listing need not wait for the daily reading."""
    asked, later = [], []
    for integration in held.shops_of(_group()):
        if health.stopped_by(integration, FlowKind.LISTINGS):
            later.append(integration.name)
            continue
        with suppress(AlreadyRunning, QueueAway):
            start_run(integration.id, FlowKind.LISTINGS, current_actor())
        asked.append(integration.name)
    if asked:
        toast(f"The listings of {', '.join(asked)} are being read. Come back in a few minutes.", "info")
    if later:
        toast(not_now(later), "warning")
    if not asked and not later:
        return _released(None)
    return go_to(url_for(".show_held"))


def _group() -> list[int]:
    """The orders that are in the form's group now."""
    return held.ids_of(request.form.get("code", ""), request.form.get("key", ""))


def _released(number: int | None, ids: Sequence[int] = (), done: str = "") -> Response | AnyResponse:
    """``number`` is None where the group holds no order any more, as after the same act in another window. ``ids`` were the orders of the
    group, and ``done`` says what fixed its cause: those that are held after it are held by another one."""
    if number is None:
        toast("No order is held by this any more.", "info")
        return go_to(url_for(".show_held"))
    said = f"{plural(number, 'order')} released." if number else "No order was released."
    left = held.still_held(ids)
    if left:
        said = (
            f"{said if number else done} {plural(left, 'order')} {'is' if left == 1 else 'are'} still on hold for another reason."
        )
    toast(said, "success" if number else "info")
    return go_to(url_for(".show_held"))
