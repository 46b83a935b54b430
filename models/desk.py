"""What the desk keeps beside orders and stock: drift, oversold pieces, receipts, setting changes, stock files."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models.integration import Shop
from models.stock import Listing, StockItem
from models.types import Moment, utcnow


class Drift(db.Model):
    """A quantity of a shop's that neither we nor its orders explain: somebody changed it there.

    ``state`` is open until a person says whose number counts: ``ours`` or ``theirs``."""

    __tablename__ = "drift"

    id: Mapped[int] = mapped_column(primary_key=True)
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("sync_run.id"))
    seen_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    expected: Mapped[int] = mapped_column()
    found: Mapped[int] = mapped_column()
    state: Mapped[str] = mapped_column(String(10), default="open")
    decided_by: Mapped[str] = mapped_column(String(100), default="")
    decided_at: Mapped[datetime | None] = mapped_column(Moment)

    listing: Mapped[Listing] = relationship()

    __table_args__ = (
        Index("uq_drift_open", "listing_id", unique=True, sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
        Index("ix_drift_listing", "listing_id"),
        Index("ix_drift_run", "run_id", sqlite_where=text("run_id IS NOT NULL"), postgresql_where=text("run_id IS NOT NULL")),
    )  # fmt: skip


class Oversell(db.Model):
    """Two shops sold the last pieces of a stock item before either knew of the other: ``order_id`` lacks ``units`` of them,
    ``other_order_id`` has taken the last."""

    __tablename__ = "oversell"

    id: Mapped[int] = mapped_column(primary_key=True)
    stock_item_id: Mapped[int] = mapped_column(ForeignKey("stock_item.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"))
    other_order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    units: Mapped[int] = mapped_column()
    seen_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)

    stock_item: Mapped[StockItem] = relationship()

    __table_args__ = (UniqueConstraint("order_id", "stock_item_id"),)


class Receipt(db.Model):
    """What a shop says it took on one day, as ``zone`` counts days, against what is stored. ``differences`` are dicts with number,
    reason, ours, theirs; money by currency as text."""

    __tablename__ = "receipt"

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
    run_id: Mapped[int | None] = mapped_column(ForeignKey("sync_run.id"))

    shop: Mapped[Shop] = relationship()

    __table_args__ = (
        UniqueConstraint("shop_id", "day"),
        Index("ix_receipt_run", "run_id", sqlite_where=text("run_id IS NOT NULL"), postgresql_where=text("run_id IS NOT NULL")),
    )

    @property
    def good(self) -> bool:
        return not self.differences


class SettingChange(db.Model):
    """The audit trail: who changed which setting, from what to what. Keys are never in it, only that one was changed."""

    __tablename__ = "setting_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    actor: Mapped[str] = mapped_column(String(100))
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integration.id"), index=True)
    subject: Mapped[str] = mapped_column(String(255), default="")
    name: Mapped[str] = mapped_column(String(50))
    before: Mapped[Any] = mapped_column(JSON, nullable=True)
    after: Mapped[Any] = mapped_column(JSON, nullable=True)


class StockFile(db.Model):
    """A CSV of quantities on its way in: uploaded (its bytes wait for a worker), checked (its rows wait for a yes),
    wanted (a person said yes), applied, refused (``problems`` say why) or dropped. Claimed by lease like a run."""

    __tablename__ = "stock_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    actor: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    state: Mapped[str] = mapped_column(String(10), default="uploaded", index=True)
    add_unknown: Mapped[bool] = mapped_column(default=False)
    size: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    unknown: Mapped[int] = mapped_column(default=0)
    wrong: Mapped[int] = mapped_column(default=0)
    problems: Mapped[list[str]] = mapped_column(JSON, default=list)
    token: Mapped[str] = mapped_column(String(32), default="")
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class StockFilePart(db.Model):
    """A piece of an uploaded file: web and worker may be different machines."""

    __tablename__ = "stock_file_part"

    id: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("stock_file.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column()
    content: Mapped[bytes] = mapped_column(LargeBinary)


class StockFileRow(db.Model):
    """One row of the file, staged. ``stock_item_id`` is None for an unknown SKU; ``before`` is on hand when it was checked."""

    __tablename__ = "stock_file_row"

    id: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("stock_file.id", ondelete="CASCADE"))
    line: Mapped[int] = mapped_column()
    sku: Mapped[str] = mapped_column(String(255))
    quantity: Mapped[int] = mapped_column()
    stock_item_id: Mapped[int | None] = mapped_column(ForeignKey("stock_item.id"))
    before: Mapped[int | None] = mapped_column()
    problem: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (Index("ix_stock_file_row_file_sku", "file_id", "sku"),)
