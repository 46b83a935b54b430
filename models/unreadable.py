"""Orders that a shop cannot print."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow


class UnreadableOrder(Model):
    """An order of which the shop's own program fails, by its id there. The order itself is stored too: held, as a placeholder
    or as it was read last. ``next_at`` is when it is asked for again, for the ``tries``-th time."""

    __tablename__ = "unreadable_order"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    external_id: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text, default="")
    tries: Mapped[int] = mapped_column(default=0)
    first_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    next_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)

    __table_args__ = (Index("uq_unreadable_order", "shop_id", "external_id", unique=True),)
