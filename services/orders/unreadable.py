"""Orders that a shop cannot print: kept on hold under their id, requested again at growing intervals, and completed once they can be
read.

X-Cart 5.5, observed: an order whose product was deleted, with a status without a code, or without a currency makes every page
that holds it answer 500. Its statuses and payments can be read by themselves: so an order that was cancelled in the meantime
does not stay ready. X-Cart 5.4 gives such an order in part.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import msgspec
from sqlalchemy import case, select

from channels.base import Channel, Outline, Suspects
from channels.base import Order as ShopOrder
from errors import ChannelError, ShopBroken, ShopTimeout
from extensions import db, reading, writing
from models import FlowKind, Integration, Order, RunItem, Shop, UnreadableOrder
from models.order import OPEN_STATES
from models.types import utcnow
from services.common import whole_numbers
from services.common.backoff import wait_for
from services.order_basics import identity
from services.order_basics.columns import Storing
from services.order_basics.holds import as_line
from services.orders import store, superseding
from services.runs.lease import Lease
from services.shops import flows

FIRST_WAIT = timedelta(minutes=10)
LONGEST_WAIT = timedelta(days=1)
MOST_ASKED = 10
"""Orders asked for in one run."""
MOST_SUSPECTS = 100
MOST_NAMED = 20


def note(shop_id: int, found: Iterable[tuple[str, str]], *, at_once: bool) -> None:
    """Keep (id, reason) of orders that could not be read. ``at_once``: the run that found them requests them again. Call it
    inside a page."""
    reasons = {external_id: reason for external_id, reason in found if external_id}
    if not reasons:
        return
    query = select(UnreadableOrder).where(UnreadableOrder.shop_id == shop_id, UnreadableOrder.external_id.in_(reasons))
    rows = {row.external_id: row for row in db.session.scalars(query)}
    now = utcnow()
    for external_id, reason in reasons.items():
        if external_id not in rows:
            next_at = now if at_once else now + FIRST_WAIT
            db.session.add(UnreadableOrder(shop_id=shop_id, external_id=external_id, reason=reason, next_at=next_at))
        elif at_once:
            rows[external_id].next_at = now


def suspects(shop_id: int) -> Suspects:
    """The ids that an order the shop cannot print may have."""
    newest = select(Order.external_id).where(Order.shop_id == shop_id).order_by(Order.id.desc()).limit(200)
    with reading():
        numbers = [number for each in db.session.scalars(newest) if (number := whole_numbers.parse(each)) is not None]
        known = (
            select(Order.external_id)
            .where(Order.shop_id == shop_id, Order.superseded_at.is_(None))
            .order_by(case((Order.state.in_(OPEN_STATES), 0), else_=1), Order.changed_at.desc())
            .limit(MOST_SUSPECTS)
        )
        unreadable = (
            select(UnreadableOrder.external_id).where(UnreadableOrder.shop_id == shop_id).order_by(UnreadableOrder.id.desc())
        )
        return Suspects(max(numbers, default=0), tuple(db.session.scalars(known)), tuple(db.session.scalars(unreadable)))


def sentence(ids: Iterable[str]) -> str:
    """The sentence of a run about orders that it skipped; empty if there are none."""
    named = sorted({each for each in ids if each}, key=lambda each: (len(each), each))
    nameless = sum(not each for each in ids)
    parts = []
    if named:
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        parts.append(
            f"The shop fails whenever it is asked for these orders, by its own ids: {', '.join(named[:MOST_NAMED])}{more}. "
            "They are asked for again by themselves. Those that are neither shipped nor cancelled are on hold."
        )
    if nameless:
        parts.append(
            f"Orders the shop cannot show and whose ids are not known: {nameless}. Look in the shop for an order with a deleted "
            "product, a status without a code or no currency."
        )
    return " ".join(parts)


def ask_again(lease: Lease, channel: Channel) -> None:
    """Request the orders that are due. Raises ChannelError if the whole shop has a problem, or RunStopped."""
    query = (
        select(UnreadableOrder.id, UnreadableOrder.external_id)
        .where(UnreadableOrder.shop_id == lease.shop_id, UnreadableOrder.next_at <= utcnow())
        .order_by(UnreadableOrder.next_at)
        .limit(MOST_ASKED)
    )
    with reading():
        due = db.session.execute(query).all()
        if not due:
            return
        storing = Storing.of(db.session.get_one(Integration, lease.integration_id), lease.run_actor, lease.run_id)
    settled = 0
    for row_id, external_id in due:
        order, outline = _read(channel, external_id)
        rows = _rows(channel, order) if order is not None and not order.partial else {}
        lease.requests = channel.requests
        failed = False
        with lease.page():
            if order is not None:
                failed = bool(store.store_orders(storing, [order], rows).failed)
            elif outline is not None:
                _store_outline(storing, channel, external_id, outline)
            else:
                db.session.add(
                    RunItem(
                        run_id=lease.run_id, external_id=external_id, result="unreadable", reason="The shop has this order no more."
                    )
                )  # fmt: skip
            readable = not failed and outline is None and (order is None or not order.partial)
            _settle(lease, row_id, readable=readable)
            settled += readable
    if settled == MOST_ASKED:
        # Others may wait, such as those of an import, and nothing is wrong with them.
        with writing():
            flows.make_due(flows.of_integration(lease.integration_id), FlowKind.ORDERS)


def _read(channel: Channel, external_id: str) -> tuple[ShopOrder | None, Outline | None]:
    """The order, or an outline of it if the shop cannot print it; neither if the shop no longer has it."""
    try:
        return channel.read_order(external_id), None
    except (ShopBroken, ShopTimeout):
        return None, channel.read_outline(external_id)


def _rows(channel: Channel, order: ShopOrder) -> store.Rows:
    if order.surcharges is not None:
        return {}
    try:
        return {order.external_id: channel.read_surcharges(order.external_id)}
    except ChannelError as trouble:
        if trouble.concerns == "shop":
            raise
        return {}


def _settle(lease: Lease, row_id: int, *, readable: bool) -> None:
    """Plan the next time, or end it. Which rows of the list cannot be printed is found out again then."""
    row = db.session.get(UnreadableOrder, row_id)
    if row is None:
        return
    if readable:
        db.session.delete(row)
        db.session.get_one(Shop, lease.shop_id).changes_seen = None
        lease.count("read_again")
        return
    row.next_at = utcnow() + wait_for(row.tries + 1, first=FIRST_WAIT.total_seconds(), most=LONGEST_WAIT.total_seconds())
    row.tries += 1


def _store_outline(storing: Storing, channel: Channel, external_id: str, outline: Outline) -> None:
    """Bring a stored order to what is known of it. Call it inside a page."""
    query = select(Order).where(
        Order.shop_id == storing.shop_id, Order.external_id == external_id, Order.superseded_at.is_(None)
    )  # fmt: skip
    row = db.session.scalar(query)
    if row is None:
        return
    if row.number and identity.compare_outline(row, outline) != identity.SAME and superseding.CODE not in row.accepted_codes:
        # Its statuses are another order's, as after a restore from a backup. Once it can be printed, the two are compared.
        superseding.hold_outlined(storing, external_id, outline)
        return
    raw = msgspec.json.decode(row.raw) if row.raw else {}
    order = channel.outlined(raw, outline)
    if order is not None:
        store.store_orders(storing, [order], {})
        return
    if "unreadable" not in row.held_codes or row.lines:
        return
    row.payment_status = outline.payment_status or row.payment_status
    row.shipping_status = outline.shipping_status or row.shipping_status
    row.placed_at = outline.placed_at or row.placed_at
    about = as_line(outline.about)
    if about and about not in row.held_reason:
        row.held_reason = f"{row.held_reason} {about}"
        row.problems = [row.held_reason]
    stage = storing.holds.stage(row.payment_status, row.shipping_status)
    row.state = "on_hold" if stage == "open" else stage
    row.updated_at = utcnow()
