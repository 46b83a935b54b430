"""The event log: what changed, before and after it has a position, and the row that counts positions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Index, Integer, String, false
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow

Number = BigInteger().with_variant(Integer(), "sqlite")


class EventState(Model):
    """One row. ``position`` is the last one given out, ``dropped_to`` the last one that is no longer kept.
    Positions between ``lost_from`` and ``lost_to`` were given out before the database was replaced by an older copy of itself. On SQLite ``transaction_number``,
    ``actor`` and ``cause`` are those of the transaction that writes (extensions.py: _note_transaction); PostgreSQL knows them itself."""

    __tablename__ = "event_state"

    id: Mapped[int] = mapped_column(primary_key=True)
    transaction_number: Mapped[int] = mapped_column(Number, default=0)
    actor: Mapped[str] = mapped_column(String(100), default="", server_default="")
    cause: Mapped[str] = mapped_column(String(20), default="", server_default="")
    position: Mapped[int] = mapped_column(Number, default=0)
    dropped_to: Mapped[int] = mapped_column(Number, default=0)
    lost_from: Mapped[int] = mapped_column(Number, default=0, server_default="0")
    lost_to: Mapped[int] = mapped_column(Number, default=0, server_default="0")


class EventChange(Model):
    """What one transaction changed of one object, written by the triggers of models/captured.py, and deleted once it is an event.

    ``object`` is that of a table in models.captured.CAPTURED, ``parent_id`` the row it belongs to (an order's shop, a shipment's order). ``act`` is
    ``c`` (created), ``u`` (updated), ``d`` (deleted) or ``x`` (created and deleted). ``was`` and ``now`` are the columns that events show,
    before and after the transaction; ``hidden`` is true if columns changed that events do not show."""

    __tablename__ = "event_change"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    transaction_number: Mapped[int] = mapped_column(Number)
    object: Mapped[str] = mapped_column(String(20))
    object_id: Mapped[int] = mapped_column()
    parent_id: Mapped[int | None] = mapped_column()
    act: Mapped[str] = mapped_column(String(1))
    was: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    now: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    hidden: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    actor: Mapped[str] = mapped_column(String(100), default="", server_default="")
    cause: Mapped[str] = mapped_column(String(20), default="", server_default="")
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)

    __table_args__ = (Index("uq_event_change", "transaction_number", "object", "object_id", unique=True),)


class EventObject(Model):
    """How many events there have been about an object: the next event's ``sequence`` is one more."""

    __tablename__ = "event_object"

    object: Mapped[str] = mapped_column(String(20), primary_key=True)
    object_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(default=0)


class Event(Model):
    """One event. ``position`` is its place in the log, ``key`` names it to programs, ``sequence`` counts the events of its object.
    ``changes`` holds the value before and after for each column that events show; ``hidden`` as in EventChange."""

    __tablename__ = "event"

    position: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(36), unique=True)
    type: Mapped[str] = mapped_column(String(40))
    object: Mapped[str] = mapped_column(String(20))
    object_id: Mapped[int] = mapped_column()
    parent_id: Mapped[int | None] = mapped_column()
    sequence: Mapped[int] = mapped_column()
    changes: Mapped[dict[str, list[Any]]] = mapped_column(JSON, default=dict)
    hidden: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    actor: Mapped[str] = mapped_column(String(100), default="", server_default="")
    cause: Mapped[str] = mapped_column(String(20), default="", server_default="")
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)

    __table_args__ = (Index("ix_event_at", "at"),)
