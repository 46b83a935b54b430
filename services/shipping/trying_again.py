"""Write-backs that a person has sent again, after a failure that Cartlink does not try again by itself."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from errors import Conflict
from extensions import db, writing
from models import FlowKind, Order, WriteBack
from models.types import utcnow
from services.order_basics.audited import SENT_AGAIN, about_orders
from services.security.audit import record_changes
from services.shipping import called_off, shipments, write_backs
from services.shops import flows


def try_again(ids: Sequence[int], actor: str) -> int:
    """Put failed and waiting write-backs in the queue again, due at once; returns how many.

    Raises Conflict where none is, or where the shop still shows an order as cancelled, declined or refunded."""
    with writing() as session:
        rows = session.scalars(
            select(WriteBack).where(WriteBack.id.in_(ids), WriteBack.state.in_(("failed", "waiting"))).with_for_update()
        ).all()
        if not rows:
            raise Conflict("None of these waits for another try.")
        undone: list[int] = []
        record_changes(SENT_AGAIN, about_orders({row.order_id for row in rows}), actor=actor)
        for row in rows:
            called_off.may_try_again(row)
            later = select(WriteBack.id).where(
                WriteBack.order_id == row.order_id, WriteBack.id > row.id, WriteBack.state != "undone"
            )
            newer = session.scalar(later.order_by(WriteBack.id.desc()).limit(1))
            if row.state == "failed" and newer is not None:
                row.state, row.replaced_by = "replaced", newer
                continue
            if row.event != "cancelled" and not _say_what_is_shipped_now(row):
                row.state, row.finished_at, row.actor = "undone", utcnow(), actor
                undone.append(row.order_id)
                continue
            row.state, row.due_at, row.finished_at, row.tries, row.actor = "waiting", utcnow(), None, 0, actor
            session.flush()
            flows.make_due(flows.of_shops([row.shop_id]), FlowKind.SHIPMENTS)
        orders = select(Order).where(Order.id.in_(undone)).options(selectinload(Order.lines))
        shipments.note_unsent(session.scalars(orders).all() if undone else ())
        return len(rows)


def unsent(order_id: int) -> list[int]:
    """The ids of an order's write-backs that failed or wait."""
    return [row.id for row in write_backs.of_order(order_id) if row.state in ("failed", "waiting")]


def _say_what_is_shipped_now(row: WriteBack) -> bool:
    """Bring what a write-back says to the shipments of today: some may have been voided or changed while it waited for a person. False where
    there is nothing to say."""
    if db.session.scalar(write_backs.present_shipments(row.order_id).limit(1)) is None:
        return False
    row.event = write_backs.shipped_event(db.session.get_one(Order, row.order_id))
    row.tracking_numbers = write_backs.tracking_numbers(row.order_id)
    integration = write_backs.integration_of(row.shop_id)
    return row.event == "shipped" or integration is None or bool(integration.part_shipped_status)
