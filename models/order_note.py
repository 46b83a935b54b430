"""What people note about orders for each other: internal notes, and tags to find orders by."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow


class OrderNote(Model):
    """One internal note. It may hold personal data, so erasing a customer's data deletes it."""

    __tablename__ = "order_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    actor: Mapped[str] = mapped_column(String(100))


class Tag(Model):
    """A label for orders; ``name_key`` is its name in lower case. A tag that no order has any more is deleted."""

    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    name_key: Mapped[str] = mapped_column(String(120), unique=True)


class OrderTag(Model):
    """That an order has a tag."""

    __tablename__ = "order_tag"

    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True)

    # With the order's id, so that the newest orders of a tag are found at once.
    __table_args__ = (Index("ix_order_tag_tag", "tag_id", "order_id"),)
