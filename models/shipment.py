"""Shipments, and what is written back to the shop about them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models.order import Order
from models.types import Moment, utcnow

WAITING = text("state = 'waiting'")
OPEN = text("state IN ('waiting', 'sending')")


class Shipment(db.Model):
    """An order, or some of its lines, handed to a carrier. ``note`` is what a person still has to do about it in the shop."""

    __tablename__ = "shipment"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    carrier: Mapped[str] = mapped_column(String(100), default="")
    tracking_number: Mapped[str] = mapped_column(String(255), default="")
    shipped_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    actor: Mapped[str] = mapped_column(String(100))
    note: Mapped[str] = mapped_column(Text, default="")

    order: Mapped[Order] = relationship()
    lines: Mapped[list[ShipmentLine]] = relationship(order_by="ShipmentLine.id", back_populates="shipment")


class ShipmentLine(db.Model):
    """``sku`` and ``name`` as they were: the shop may take the order line out again later."""

    __tablename__ = "shipment_line"

    id: Mapped[int] = mapped_column(primary_key=True)
    shipment_id: Mapped[int] = mapped_column(ForeignKey("shipment.id", ondelete="CASCADE"), index=True)
    order_line_id: Mapped[int | None] = mapped_column(ForeignKey("order_line.id", ondelete="SET NULL"), index=True)
    sku: Mapped[str] = mapped_column(String(255), default="")
    name: Mapped[str] = mapped_column(Text, default="")
    quantity: Mapped[int] = mapped_column()

    shipment: Mapped[Shipment] = relationship(back_populates="lines")


class WriteBack(db.Model):
    """What the shop is to be told about an order: ``event`` is shipped, part_shipped or cancelled.

    ``state`` is waiting (tried when ``due_at`` is past), sending (a run has claimed it), done, failed (a person has to act)
    or replaced (a later one says the same and more). An order has one waiting write-back at most. ``sent`` is false where the
    shop was there already; ``answer`` is its present status as it answered, ``note`` what a person should know."""

    __tablename__ = "write_back"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"))
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    event: Mapped[str] = mapped_column(String(15))
    tracking_numbers: Mapped[list[str]] = mapped_column(JSON, default=list)
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("sync_run.id"))
    actor: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    status: Mapped[str] = mapped_column(String(40), default="")
    sent: Mapped[bool] = mapped_column(default=False)
    answer: Mapped[str] = mapped_column(String(40), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    error_code: Mapped[str] = mapped_column(String(30), default="")
    error: Mapped[str] = mapped_column(Text, default="")
    advice: Mapped[str] = mapped_column(Text, default="")

    order: Mapped[Order] = relationship()

    __table_args__ = (
        Index("ix_write_back_order", "order_id"),
        Index(
            "ix_write_back_run", "run_id", sqlite_where=text("run_id IS NOT NULL"), postgresql_where=text("run_id IS NOT NULL")
        ),
        Index("uq_write_back_waiting", "order_id", unique=True, sqlite_where=WAITING, postgresql_where=WAITING),
        Index("ix_write_back_due", "shop_id", "due_at", sqlite_where=OPEN, postgresql_where=OPEN),
        Index(
            "ix_write_back_failed", "shop_id", sqlite_where=text("state = 'failed'"), postgresql_where=text("state = 'failed'")
        ),
    )

    @property
    def open(self) -> bool:
        return self.state in ("waiting", "sending")


class ShipmentFile(db.Model):
    """A CSV of shipments that waits for a yes. ``rows`` are as services.shipment_files reads them.

    ``wanted_at`` is when a person said yes; a worker, claimed by lease like a run, then ships row after row: ``done`` counts the
    good ones it has come through, ``refused`` are those that could not be shipped any more, as dicts with number and reason.
    ``applied_at`` is when it came to the end."""

    __tablename__ = "shipment_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    name: Mapped[str] = mapped_column(String(200), default="")
    rows: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    applied_at: Mapped[datetime | None] = mapped_column(Moment)
    wanted_at: Mapped[datetime | None] = mapped_column(Moment)
    done: Mapped[int] = mapped_column(default=0, server_default="0")
    refused: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list, server_default="[]")
    token: Mapped[str] = mapped_column(String(32), default="", server_default="")
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
