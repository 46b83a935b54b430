"""Shipments, write-backs, and files of tracking numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import Model
from models.order import Order
from models.types import Moment, Units, utcnow

WAITING = text("state = 'waiting'")
OPEN = text("state IN ('waiting', 'sending')")
FAILED = text("state = 'failed'")
IN_BATCH = text("batch != ''")
NOT_DONE = text("done_at IS NULL")


class Shipment(Model):
    """An order, or some of its lines, handed to a carrier. ``note`` is what a person still has to do about it in the shop;
    ``by_hand`` is true while that is to enter the tracking number, ``entered_at`` when a person marked it as entered.

    ``after_write_back_id`` is the order's newest write-back before it: the later ones may say what is in it. ``batch`` names what was
    shipped together: a review sheet or a file. ``voided_at`` is when it was taken back, ``undone`` whether that was before the shop
    could know of it. ``edits`` are the carrier and tracking number it had before each change, with who changed them and when."""

    __tablename__ = "shipment"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    carrier: Mapped[str] = mapped_column(String(100), default="")
    tracking_number: Mapped[str] = mapped_column(String(255), default="")
    shipped_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    actor: Mapped[str] = mapped_column(String(100))
    note: Mapped[str] = mapped_column(Text, default="")
    by_hand: Mapped[bool] = mapped_column(default=False, server_default=false())
    entered_at: Mapped[datetime | None] = mapped_column(Moment)
    entered_by: Mapped[str] = mapped_column(String(100), default="", server_default="")
    after_write_back_id: Mapped[int | None] = mapped_column()
    batch: Mapped[str] = mapped_column(String(40), default="", server_default="")
    voided_at: Mapped[datetime | None] = mapped_column(Moment)
    voided_by: Mapped[str] = mapped_column(String(100), default="", server_default="")
    undone: Mapped[bool] = mapped_column(default=False, server_default=false())
    edits: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list, server_default="[]")

    __table_args__ = (
        # SQLite takes a partial index only where the query has its condition to the letter.
        Index("ix_shipment_by_hand", "order_id", sqlite_where=text("by_hand = 1"), postgresql_where=text("by_hand")),
        Index("ix_shipment_tracking_number", "tracking_number"),
        Index("ix_shipment_batch", "batch", sqlite_where=IN_BATCH, postgresql_where=IN_BATCH),
    )

    order: Mapped[Order] = relationship()
    lines: Mapped[list[ShipmentLine]] = relationship(order_by="ShipmentLine.id", back_populates="shipment")


class ShipmentLine(Model):
    """``sku`` and ``name`` as they were: the shop may take the order line out again later. ``taken`` are the units that were taken off
    on hand, by the id of the stock item as a text; None in rows from before that was stored."""

    __tablename__ = "shipment_line"

    id: Mapped[int] = mapped_column(primary_key=True)
    shipment_id: Mapped[int] = mapped_column(ForeignKey("shipment.id", ondelete="CASCADE"), index=True)
    order_line_id: Mapped[int | None] = mapped_column(ForeignKey("order_line.id", ondelete="SET NULL"), index=True)
    sku: Mapped[str] = mapped_column(String(255), default="")
    name: Mapped[str] = mapped_column(Text, default="")
    quantity: Mapped[int] = mapped_column(Units)
    taken: Mapped[dict[str, int] | None] = mapped_column(JSON(none_as_null=True))

    shipment: Mapped[Shipment] = relationship(back_populates="lines")


class ShopTask(Model):
    """What a person still has to do in the shop after a shipment was voided or its tracking number changed, because Cartlink takes
    nothing back there. ``kind`` is ``number`` (remove ``value``, a tracking number that was sent) or ``status`` (the order counts as shipped)."""

    __tablename__ = "shop_task"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    shipment_id: Mapped[int] = mapped_column(ForeignKey("shipment.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(10))
    value: Mapped[str] = mapped_column(String(255), default="")
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    actor: Mapped[str] = mapped_column(String(100))
    done_at: Mapped[datetime | None] = mapped_column(Moment)
    done_by: Mapped[str] = mapped_column(String(100), default="")

    __table_args__ = (Index("ix_shop_task_open", "order_id", sqlite_where=NOT_DONE, postgresql_where=NOT_DONE),)


class WriteBack(Model):
    """An update that is sent to the shop about an order: ``event`` is shipped, part_shipped or cancelled.

    ``state`` is waiting (tried when ``due_at`` is past), sending (a run has claimed it), done, failed (a person has to act),
    replaced (``replaced_by``, a later one, says the same and more), handled (a person has decided that it is not sent) or undone (its
    shipment was undone or voided). An order has one waiting write-back at most. ``tried_at`` is when a run first claimed it: from then on the
    shop may know of it. ``sent`` is false where the shop was there already; ``answer`` is its present status as it answered, ``note``
    what a person should know."""

    __tablename__ = "write_back"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"))
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    event: Mapped[str] = mapped_column(String(15))
    tracking_numbers: Mapped[list[str]] = mapped_column(JSON, default=list)
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    tried_at: Mapped[datetime | None] = mapped_column(Moment)
    replaced_by: Mapped[int | None] = mapped_column()
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
        Index("ix_write_back_failed", "shop_id", sqlite_where=FAILED, postgresql_where=FAILED),
    )

    @property
    def open(self) -> bool:
        return self.state in ("waiting", "sending")


class ShipmentFile(Model):
    """A file of tracking numbers that waits for a person to accept it. ``rows`` are as services/shipping/file_rows.py reads them,
    ``read_as`` is the program whose export it was recognised as, or the preset. ``asks`` is true until a person has assigned its columns;
    ``columns`` are these with their options, and ``content`` is there to be read again until the file is accepted. ``layout`` is that of the
    file of rows that cannot be used (services/common/wrong_rows.py); these rows have ``cells``.

    ``wanted_at`` is when a person accepted it; a worker, claimed by lease like a run, then ships row after row: ``done`` counts the
    good ones it has come through, ``refused`` are those that could not be shipped any more, as dicts with line, number, order_id and reason.
    ``applied_at`` is when the last row was done. ``undo_wanted_at`` is when a person asked for all of it to be undone and ``undone_at`` when
    that was done; ``kept`` are the shipments that could not be undone, as ``refused``. ``lost_workers`` in a row have died over one row."""

    __tablename__ = "shipment_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    name: Mapped[str] = mapped_column(String(200), default="")
    asks: Mapped[bool] = mapped_column(default=False, server_default=false())
    columns: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    sheet: Mapped[str] = mapped_column(String(100), default="", server_default="")
    layout: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    read_as: Mapped[str] = mapped_column(String(100), default="", server_default="")
    rows: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    applied_at: Mapped[datetime | None] = mapped_column(Moment)
    wanted_at: Mapped[datetime | None] = mapped_column(Moment)
    done: Mapped[int] = mapped_column(default=0, server_default="0")
    refused: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, server_default="[]")
    token: Mapped[str] = mapped_column(String(32), default="", server_default="")
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    undo_wanted_at: Mapped[datetime | None] = mapped_column(Moment)
    undo_actor: Mapped[str] = mapped_column(String(100), default="", server_default="")
    undone_at: Mapped[datetime | None] = mapped_column(Moment)
    kept: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, server_default="[]")
    lost_workers: Mapped[int] = mapped_column(default=0, server_default="0")

    @property
    def batch(self) -> str:
        """``Shipment.batch`` of what this file has shipped."""
        return f"file-{self.id}"
