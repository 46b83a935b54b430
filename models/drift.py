"""Quantities that somebody changed in a shop."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import Model
from models.stock import Listing
from models.types import Moment, Units, utcnow


class Drift(Model):
    """A quantity of a shop's that neither we nor its orders explain: somebody changed it there.

    ``state`` is open until a person says whose number counts: ``ours`` or ``theirs``."""

    __tablename__ = "drift"

    id: Mapped[int] = mapped_column(primary_key=True)
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("sync_run.id"))
    seen_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    expected: Mapped[int] = mapped_column(Units)
    found: Mapped[int] = mapped_column(Units)
    state: Mapped[str] = mapped_column(String(10), default="open")
    decided_by: Mapped[str] = mapped_column(String(100), default="")
    decided_at: Mapped[datetime | None] = mapped_column(Moment)

    listing: Mapped[Listing] = relationship()

    __table_args__ = (
        Index("uq_drift_open", "listing_id", unique=True, sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
        Index("ix_drift_listing", "listing_id"),
        Index("ix_drift_seen", "seen_at", "id"),
        Index("ix_drift_run", "run_id", sqlite_where=text("run_id IS NOT NULL"), postgresql_where=text("run_id IS NOT NULL")),
    )  # fmt: skip
