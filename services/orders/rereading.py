"""Read orders, or only their money rows, from the shop again, or evaluate their stored copies again.

People ask for that where an order looks wrong, and a change of settings may need money rows. The reading is done at the end of an order run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select, update

from channels.base import Channel
from channels.base import Order as ShopOrder
from errors import ChannelError, ShopBroken, ShopTimeout
from extensions import db, reading, writing
from models import FlowKind, Integration, Order, RunItem
from models.types import utcnow
from services.common.batches import batches
from services.order_basics.audited import READ_AGAIN, about_orders
from services.order_basics.columns import Storing, surcharge_columns
from services.order_basics.money import KnownRates, learn_rates, needs_rows
from services.orders import deletions, evaluation, store, unreadable
from services.runs.lease import Lease
from services.security import audit
from services.security.audit import About, record_changes
from services.shops import flows, health

RECHECK_STARTED = audit.kind("integration.recheck_started", "Another check of its orders started")
MOST_ROWS = 200
"""Orders whose money rows are read in one run: a change of settings is no reason to keep a shop busy for an hour."""
MOST_FAILED = 3
"""Orders that the shop fails for in one run, after which it is taken to be the shop."""
MOST_MARKED = 2000
"""Orders looked at for that in one run."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How many orders of connected shops are to be read again. ``later`` names the integrations whose shops cannot be asked now."""

    orders: int
    later: tuple[str, ...] = ()


def ask_again(order_ids: Sequence[int]) -> Asked:
    """Mark orders of connected shops to be read from them again. The caller starts the order runs."""
    with writing() as session:
        connected = select(Integration.shop_id).where(Integration.removed_at.is_(None))
        found: list[tuple[int, int]] = []
        for batch in batches(order_ids):
            wanted = Order.id.in_(batch), Order.superseded_at.is_(None), Order.shop_id.in_(connected)
            found += [(row.id, row.shop_id) for row in session.execute(select(Order.id, Order.shop_id).where(*wanted))]
            session.execute(update(Order).where(*wanted).values(reread_due=True).execution_options(synchronize_session=False))
        shop_ids = {shop_id for _, shop_id in found}
        record_changes(READ_AGAIN, about_orders([order_id for order_id, _ in found]))
        flows.make_due(flows.of_shops(shop_ids), FlowKind.ORDERS)
        asked = select(Integration).where(Integration.shop_id.in_(shop_ids), Integration.removed_at.is_(None))
        return Asked(
            len(found), tuple(each.name for each in session.scalars(asked.order_by(Integration.name_key)) if cannot_read(each))
        )


def cannot_read(integration: Integration) -> bool:
    """Whether nothing is read from a shop at the moment: it is disabled or paused, its key is not accepted, its orders are switched off, or it
    did not answer last time."""
    return health.stopped_by(integration, FlowKind.ORDERS) != "" or integration.flows[FlowKind.ORDERS].failing


def read_again(lease: Lease, channel: Channel) -> None:
    """Read the marked orders of a shop, one request each, at the end of its order run. An order that the shop no longer has,
    or that cannot be read, is noted and stops no other. Raises ChannelError for a problem of the whole shop, or RunStopped."""
    query = select(Order.id, Order.external_id).where(Order.shop_id == lease.shop_id, Order.reread_due).order_by(Order.id)
    with reading():
        marked = db.session.execute(query).all()
        if not marked:
            return
        integration = db.session.get_one(Integration, lease.integration_id)
        storing = Storing.of(integration, lease.run_actor, lease.run_id)
    for order_id, external_id in marked:
        reason, failing = "", False
        order = None
        try:
            order = channel.read_order(external_id)
        except (ShopBroken, ShopTimeout) as trouble:
            # services/orders/unreadable.py, which comes next, finds out whether it is the order or the shop.
            failing, reason = True, trouble.message
        except ChannelError as trouble:
            if trouble.concerns != "row":
                raise
            reason = trouble.message
        rows = _rows(channel, storing, order, lease) if order is not None else {}
        lease.requests = channel.requests
        with lease.page() as session:
            if failing:
                unreadable.note(lease.shop_id, [(external_id, reason)], at_once=True)
            if order is not None:
                stored = store.store_orders(storing, [order], rows)
                lease.count("changed", stored.changed)
            else:
                if not reason:
                    deletions.mark_gone(storing.holds, order_id)
                reason = reason or "The shop no longer has this order."
                session.add(RunItem(run_id=lease.run_id, external_id=external_id, result="unreadable", reason=reason))
            session.execute(
                update(Order).where(Order.id == order_id).values(reread_due=False).execution_options(synchronize_session=False)
            )
            lease.count("read_again")


def read_rows(lease: Lease, channel: Channel, pause: Callable[[], bool]) -> None:
    """Read the single money rows of orders that need them after a change of settings, one request each, newest first: at
    most MOST_ROWS in one run, and none if other orders explain the sums. The rest stays due for the next run.

    Raises ChannelError for a problem of the whole shop, or RunStopped."""
    query = select(Order.id, Order.external_id, Order.raw).where(Order.shop_id == lease.shop_id, Order.rows_due)
    with reading():
        marked = db.session.execute(query.order_by(Order.placed_at.desc()).limit(MOST_MARKED)).all()
        if not marked:
            return
        storing = Storing.of(db.session.get_one(Integration, lease.integration_id), lease.run_actor, lease.run_id)
    known = KnownRates()
    read: list[int] = []
    failed = 0
    for order_id, external_id, raw in marked:
        if len(read) >= MOST_ROWS or pause():
            break
        rows, again = None, False
        try:
            order = channel.parse_stored(msgspec.json.decode(raw))
            if needs_rows(order, storing.money, known):
                rows = channel.read_surcharges(external_id)
                learn_rates(order, storing.money, rows, known)
        except ChannelError as trouble:
            again = trouble.concerns == "unknown"
            failed = failed + 1 if again else failed
            if trouble.concerns == "shop" or failed >= MOST_FAILED:
                raise
            lease.warn(f"The surcharges of the shop's order {external_id} could not be read. {trouble.message}")
        lease.requests = channel.requests
        with lease.page() as session:
            row = session.get_one(Order, order_id, with_for_update=True)
            row.rows_due = again
            if rows is not None and row.raw == raw:
                row.surcharge_rows = [surcharge_columns(each) for each in rows]
                read.append(order_id)
                lease.count("extra_reads")
    if read:
        evaluation.evaluate_again(lease.integration_id, lease.run_actor, order_ids=read)


def ask_rows_again(shop_id: int, external_ids: Sequence[str]) -> None:
    """Mark orders whose money rows the shop failed to give: the end of the next order run requests them. Call it inside a page."""
    if external_ids:
        named = Order.shop_id == shop_id, Order.external_id.in_(external_ids), Order.superseded_at.is_(None)
        db.session.execute(update(Order).where(*named).values(rows_due=True).execution_options(synchronize_session=False))


def _rows(channel: Channel, storing: Storing, order: ShopOrder, lease: Lease) -> store.Rows:
    if order.surcharges is not None or not needs_rows(order, storing.money, KnownRates()):
        return {}
    try:
        return {order.external_id: channel.read_surcharges(order.external_id)}
    except ChannelError as trouble:
        if trouble.concerns == "shop":
            raise
        lease.warn(f"The surcharges of the shop's order {order.external_id} could not be read. {trouble.message}")
        return {}


def evaluate_later(order_ids: Sequence[int]) -> list[int]:
    """Have a worker evaluate all stored orders of their integrations again. Returns the integrations' ids, for
    the queue; a tick enqueues what is lost on the way."""
    with writing() as session:
        shop_ids: set[int] = set()
        for chunk in batches(order_ids):
            shop_ids |= set(session.scalars(select(Order.shop_id).where(Order.id.in_(chunk)).distinct()))
        present = session.scalars(
            select(Integration)
            .where(Integration.shop_id.in_(shop_ids), Integration.removed_at.is_(None))
            .order_by(Integration.id)
            .with_for_update()
        ).all()
        record_changes(RECHECK_STARTED, [About(each.id, "", each.id) for each in present])
        for integration in present:
            integration.evaluate_due_at = utcnow()
        return [integration.id for integration in present]


def evaluate_orders(order_ids: Sequence[int], actor: str) -> evaluation.Evaluated:
    """Evaluate stored copies of orders of any shop under the present settings; orders of removed integrations are skipped."""
    by_integration: dict[int, list[int]] = defaultdict(list)
    query = (
        select(Integration.id, Order.id)
        .join(Order, Order.shop_id == Integration.shop_id)
        .where(Order.id.in_(order_ids), Integration.removed_at.is_(None))
    )
    with reading():
        for integration_id, order_id in db.session.execute(query):
            by_integration[integration_id].append(order_id)
    orders = released = 0
    for integration_id, ids in by_integration.items():
        done = evaluation.evaluate_again(integration_id, actor, order_ids=ids)
        orders, released = orders + done.orders, released + done.released
    return evaluation.Evaluated(orders, released)
