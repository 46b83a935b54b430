"""Orders that the shop shows as cancelled, declined, refunded or as another order when a write-back is about to mark them as
shipped.

Such a write-back ends as ``failed`` with the code ``called_off``. That blocks the order, even if later readings show another
status, until a person decides: mark it as handled, or try again where the shop has changed the order back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sqlalchemy import ColumnElement, literal_column, select, update
from sqlalchemy.orm import Session

from channels.base import Order as ShopOrder
from channels.base import Outline
from errors import Conflict, OrderCalledOff
from extensions import db, reading
from models import FlowKind, Order, Shop, WriteBack
from models.types import utcnow
from services.common.batches import batches
from services.order_basics import holds, identity
from services.order_basics.holds import Rules
from services.shops import flows

CODE = OrderCalledOff.code


def is_blocking() -> ColumnElement[bool]:
    """The condition on WriteBack that it blocks its order."""
    # Written out, not bound: SQLite takes a partial index only where it can read that the rows are in it.
    return (WriteBack.state == literal_column("'failed'")) & (WriteBack.error_code == CODE)


def blocked(order_id: int) -> WriteBack | None:
    """The newest write-back that blocks an order; None where it is not blocked."""
    query = select(WriteBack).where(WriteBack.order_id == order_id, is_blocking()).order_by(WriteBack.id.desc())
    return db.session.scalar(query.limit(1))


def blocked_among(order_ids: Collection[int]) -> dict[int, WriteBack]:
    """``blocked`` of those of many orders that are blocked, by order id, in a statement for each five hundred."""
    found: dict[int, WriteBack] = {}
    query, ids = select(WriteBack).where(is_blocking()).order_by(WriteBack.id), sorted(order_ids)
    for batch in batches(ids):
        rows = db.session.scalars(query.where(WriteBack.order_id.in_(batch)))
        found |= {row.order_id: row for row in rows}
    return found


def blocking_of(updates: Sequence[WriteBack]) -> WriteBack | None:
    """``blocked`` for an order all of whose write-backs have been read already, oldest first."""
    return next((row for row in reversed(updates) if row.state == "failed" and row.error_code == CODE), None)


def compare_with(order_id: int) -> Callable[[ShopOrder | Outline], None]:
    """A check for Channel.put_shipment that the shop shows the order that is stored; an outline is of an order that the shop cannot
    print. It raises OrderCalledOff where the shop uses the order's id for another one, or where that is not clear."""

    def check(shown: ShopOrder | Outline) -> None:
        if isinstance(shown, Outline):
            _refuse_unseen(order_id)
        with reading():
            order = db.session.get_one(Order, order_id)
            found = identity.compare_outline(order, shown) if isinstance(shown, Outline) else identity.compare_order(order, shown)
        if found == identity.REUSED:
            raise OrderCalledOff(identity.USED_AGAIN)
        if found == identity.UNCLEAR:
            raise OrderCalledOff("The shop shows another order under this order's id, or a changed one: nothing was sent.")

    return check


def _refuse_unseen(order_id: int) -> None:
    """An order that the shop cannot print is taken for the stored one, unless the shop was just found to use ids again."""
    with reading():
        set_back_at = db.session.scalar(
            select(Shop.set_back_at).join(Order, Order.shop_id == Shop.id).where(Order.id == order_id)
        )
    if set_back_at is not None:
        raise OrderCalledOff("The shop cannot show this order, and it uses order ids again for other orders: nothing was sent.")


def read_again_soon(session: Session, order_id: int, integration_id: int) -> None:
    """Have a blocked order read again by the next order run, so that its page shows what the shop shows. Call it inside a
    transaction."""
    session.get_one(Order, order_id).reread_due = True
    flows.make_due(flows.of_integration(integration_id), FlowKind.ORDERS)


def ask_again_soon(session: Session, order_id: int, integration_id: int) -> None:
    """Have the next order run ask for an order that the shop did not have when a write-back read it (services/orders/deletions.py). Call it
    inside a transaction."""
    session.get_one(Order, order_id).seen_at = None
    flows.make_due(flows.of_integration(integration_id), FlowKind.ORDERS)


def changed_back(order: Order, rules: Rules | None) -> bool:
    """Whether the shop no longer shows a blocked order as called off, by a reading made after it was blocked. ``rules`` are those of its
    shop."""
    # Whatever the shipping status is: X-Cart's payment status alone says that an order is called off.
    return not order.reread_due and (rules is None or rules.stage(order.payment_status, "") != "cancelled")


def may_try_again(row: WriteBack) -> None:
    """Raises Conflict for a write-back that blocks its order while the shop still shows the order as called off."""
    if row.error_code != CODE or row.state != "failed":
        return
    order = db.session.get_one(Order, row.order_id)
    if order.reread_due:
        raise Conflict(
            f"Order {order.number} has not been read from the shop since it was stopped.",
            "Wait for the next download of orders, or mark the order as handled.",
        )
    if not changed_back(order, holds.rules_for_shop(order.shop_id)):
        raise Conflict(
            f"The shop still shows order {order.number} as cancelled, declined or refunded.",
            "Mark it as handled, or change its payment status in the shop first.",
        )


def mark_handled(order_ids: Sequence[int], actor: str) -> set[int]:
    """Store a person's decision that nothing more is sent for these orders; returns those that were blocked. Call it inside
    ``writing()``."""
    ids = set(db.session.scalars(select(WriteBack.order_id).where(WriteBack.order_id.in_(order_ids), is_blocking())))
    db.session.execute(
        update(WriteBack)
        .where(WriteBack.order_id.in_(ids), is_blocking())
        .values(state="handled", finished_at=utcnow(), actor=actor)
        .execution_options(synchronize_session=False)
    )
    return ids
