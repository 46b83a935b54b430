"""Suppliers: whom goods are bought from, and who tells us what they have."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow

PRESENT = text("removed_at IS NULL")


class Supplier(Model):
    """``lead_days`` is how many days goods take from an order to us or to the customer, None if nobody has said. A removed supplier keeps
    its row, its feeds and their runs; its name is free again. ``name_key`` is the name as names are compared."""

    __tablename__ = "supplier"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(200))
    lead_days: Mapped[int | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    changed_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    changed_by: Mapped[str] = mapped_column(String(100), default="", server_default="")
    removed_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (Index("uq_supplier_name_key", "name_key", unique=True, sqlite_where=PRESENT, postgresql_where=PRESENT),)
