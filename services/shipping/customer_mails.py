"""The warning that a shop mails its customers when the status of an order changes: shown until somebody has shipped once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from extensions import writing
from models import Integration, Order
from models.types import utcnow
from services.common.batches import batches


def note_warning_shown(order_ids: Sequence[int]) -> None:
    """Store that a person has seen the warning on the page from which they shipped these orders."""
    with writing() as session:
        for batch in batches(order_ids):
            shop_ids = select(Order.shop_id).where(Order.id.in_(batch))
            session.execute(
                update(Integration)
                .where(Integration.shop_id.in_(shop_ids), Integration.removed_at.is_(None), Integration.mail_warned_at.is_(None))
                .values(mail_warned_at=utcnow())
                .execution_options(synchronize_session=False)
            )
