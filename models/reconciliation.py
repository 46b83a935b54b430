"""Daily reconciliations."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from extensions import Model
from models.integration import Shop
from models.types import Moment, utcnow


class DailyReconciliation(Model):
    """What a shop says it took on one day, as ``zone`` counts days, against what is stored. ``differences`` are dicts with number,
    reason, ours, theirs; money by currency as text. ``difference_count`` says how many they are, so that an index finds the days that have some."""

    __tablename__ = "daily_reconciliation"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    day: Mapped[date] = mapped_column(Date)
    zone: Mapped[str] = mapped_column(String(60), default="UTC", server_default="UTC")
    checked_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    shop_orders: Mapped[int] = mapped_column()
    our_orders: Mapped[int] = mapped_column()
    shop_totals: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    our_totals: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    differences: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    difference_count: Mapped[int] = mapped_column(default=0, server_default="0")
    run_id: Mapped[int | None] = mapped_column(ForeignKey("sync_run.id"))

    shop: Mapped[Shop] = relationship()

    __table_args__ = (
        UniqueConstraint("shop_id", "day"),
        Index("ix_daily_reconciliation_day", "day"),
        Index(
            "ix_daily_reconciliation_different",
            "shop_id",
            "day",
            sqlite_where=text("difference_count > 0"),
            postgresql_where=text("difference_count > 0"),
        ),
        Index("ix_daily_reconciliation_differences", "difference_count", "day", "id"),
        Index(
            "ix_daily_reconciliation_run",
            "run_id",
            sqlite_where=text("run_id IS NOT NULL"),
            postgresql_where=text("run_id IS NOT NULL"),
        ),
    )

    @validates("differences")
    def _count(self, _: str, differences: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.difference_count = len(differences)
        return differences

    @property
    def good(self) -> bool:
        return not self.difference_count
