"""Deliveries of saved exports: where and when one is sent, each file that was sent, and the orders that each file held."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Boolean, ForeignKey, Index, LargeBinary, String, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.scheduled_place import PlaceColumns, TimetableColumns
from models.types import Moment, utcnow

LIVE_STATES = ("waiting", "failing")
LIVE = text("state IN ('waiting', 'failing')")
"""Files that are not delivered yet."""
FIRST = text("state IN ('waiting', 'failing') AND repeats IS NULL")
FAILING = text("failing_since IS NOT NULL")


class ExportTarget(PlaceColumns, TimetableColumns, Model):
    """Where a saved export is sent, and when (models/scheduled_place.py). ``method`` is ``email`` (to ``recipients``), ``sftp`` (``address`` is
    ``host`` or ``host:port``, ``path`` a folder) or ``https`` (a PUT to ``address``). ``offered_key`` is a host key that the server has shown and
    nobody has confirmed.

    It is never due where there is neither an interval nor a time, nor while it is switched off (``due_at`` is None). ``asked_by`` is
    who wants it sent now, empty if nobody does. With ``only_new`` each order is in one file only; with ``send_empty`` a file without orders is
    sent too. Orders placed before ``placed_since`` are left out.

    ``looked_at`` is when orders were last looked for. ``failures`` counts failures in a row since ``failing_since``; ``error_code``, ``error`` and
    ``advice`` say what the last one was, and ``retry_at`` is when it is tried again. A worker holds the lease that knows ``token``."""

    __tablename__ = "export_target"

    id: Mapped[int] = mapped_column(primary_key=True)
    export_id: Mapped[int] = mapped_column(ForeignKey("order_export.id", ondelete="CASCADE"), unique=True)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    recipients: Mapped[list[str]] = mapped_column(JSON, default=list)
    address: Mapped[str] = mapped_column(String(500), default="", server_default="")
    offered_key: Mapped[str] = mapped_column(Text, default="", server_default="")
    only_new: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    send_empty: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    placed_since: Mapped[datetime | None] = mapped_column(Moment)
    asked_by: Mapped[str] = mapped_column(String(100), default="", server_default="")
    looked_at: Mapped[datetime | None] = mapped_column(Moment)
    failing_since: Mapped[datetime | None] = mapped_column(Moment)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    error_code: Mapped[str] = mapped_column(String(30), default="", server_default="")
    error: Mapped[str] = mapped_column(Text, default="", server_default="")
    advice: Mapped[str] = mapped_column(Text, default="", server_default="")
    retry_at: Mapped[datetime | None] = mapped_column(Moment)
    token: Mapped[str] = mapped_column(String(32), default="", server_default="")
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    changed_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    changed_by: Mapped[str] = mapped_column(String(100), default="", server_default="")

    __table_args__ = (
        Index("ix_export_target_due_at", "due_at"),
        Index("ix_export_target_failing", "failing_since", sqlite_where=FAILING, postgresql_where=FAILING),
    )


class ExportDelivery(Model):
    """One file of a saved export: ``state`` is waiting, failing (tried in vain, and tried again), done, dropped (a person has given it up; its
    orders are in the next file) or empty (there was nothing to send). ``name``, ``by``, ``format`` and ``columns`` are those of the export when
    the file was planned, and ``export_id`` is None once it is removed. ``file_name`` holds the id, so that it is the name of no other file.

    ``trigger`` is schedule or person. ``key`` names its emails; ``reached`` are the mailboxes that have it. ``place`` says where it went.
    ``repeats`` is the delivery whose orders are sent once more. Its content is in parts from the first try until it is delivered or dropped;
    ``size`` and ``digest`` (SHA-256) are of that."""

    __tablename__ = "export_delivery"

    id: Mapped[int] = mapped_column(primary_key=True)
    export_id: Mapped[int | None] = mapped_column(ForeignKey("order_export.id", ondelete="SET NULL"))
    name: Mapped[str] = mapped_column(String(100))
    by: Mapped[str] = mapped_column(String(10))
    format: Mapped[str] = mapped_column(String(4))
    columns: Mapped[list[str]] = mapped_column(JSON)
    file_name: Mapped[str] = mapped_column(String(200), default="", server_default="")
    key: Mapped[str] = mapped_column(String(36))
    trigger: Mapped[str] = mapped_column(String(10), default="schedule")
    actor: Mapped[str] = mapped_column(String(100), default="", server_default="")
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    orders: Mapped[int] = mapped_column(default=0)
    repeats: Mapped[int | None] = mapped_column(ForeignKey("export_delivery.id", ondelete="SET NULL"))
    method: Mapped[str] = mapped_column(String(10), default="", server_default="")
    place: Mapped[str] = mapped_column(Text, default="", server_default="")
    reached: Mapped[list[str]] = mapped_column(JSON, default=list)
    size: Mapped[int | None] = mapped_column()
    digest: Mapped[str] = mapped_column(String(64), default="", server_default="")
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    error_code: Mapped[str] = mapped_column(String(30), default="", server_default="")
    error: Mapped[str] = mapped_column(Text, default="", server_default="")
    advice: Mapped[str] = mapped_column(Text, default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (
        Index("ix_export_delivery_export", "export_id", "id"),
        Index("ix_export_delivery_live", "export_id", "state", sqlite_where=LIVE, postgresql_where=LIVE),
        Index("uq_export_delivery_first", "export_id", unique=True, sqlite_where=FIRST, postgresql_where=FIRST),
        Index("ix_export_delivery_finished", "finished_at"),
    )

    @property
    def live(self) -> bool:
        return self.state in LIVE_STATES


class ExportDeliveryOrder(Model):
    """That a file held an order, at this place among its orders. ``once_for`` is the export that may send the order only once; None for a file
    that repeats another, that was dropped, or of an export that sends all orders each time."""

    __tablename__ = "export_delivery_order"

    delivery_id: Mapped[int] = mapped_column(ForeignKey("export_delivery.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    once_for: Mapped[int | None] = mapped_column(ForeignKey("order_export.id", ondelete="SET NULL"))

    __table_args__ = (Index("uq_export_delivery_order_once", "once_for", "order_id", unique=True),)


class ExportDeliveryPart(Model):
    """A piece of a file that is not delivered yet."""

    __tablename__ = "export_delivery_part"

    delivery_id: Mapped[int] = mapped_column(ForeignKey("export_delivery.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
