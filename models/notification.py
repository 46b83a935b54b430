"""Notifications: the bell, each user's preferences, and the outbox of mails."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow

UNREAD = text("read_at IS NULL")
OPEN = text("state IN ('waiting', 'sending')")


class Notification(Model):
    """What a user's bell shows of one incident: its newest event, and whether it was read. An incident has one notification for each user,
    which becomes unread with each event."""

    __tablename__ = "notification"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    incident_id: Mapped[int] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    read_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (
        Index("uq_notification", "user_id", "incident_id", unique=True),
        Index("ix_notification_unread", "user_id", sqlite_where=UNREAD, postgresql_where=UNREAD),
        Index("ix_notification_user_at", "user_id", "at"),
    )


class Preference(Model):
    """Where a user gets notifications, and which. ``choices`` maps a topic of services.notify.incident_texts.TOPICS to the chosen ways
    (``bell``, ``mail``); a topic that is missing has both."""

    __tablename__ = "preference"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), unique=True)
    email: Mapped[str] = mapped_column(String(254), default="")
    choices: Mapped[dict[str, list[str]]] = mapped_column(JSON, default=dict)


class Delivery(Model):
    """One mail of the outbox. It is made in the transaction of what it tells, and stays until it has been sent
    or given up: ``state`` is waiting (tried when ``due_at`` is past), sending (claimed by ``token`` until ``lease_until``),
    done, failed (``error`` says why) or dropped (there is no recipient any more).

    ``key`` names it to the receiver and stays the same with every try. ``about`` is incidents, security or test; ``events`` are
    ids of incident events, which are collected while a mail has not been tried; ``content`` is what else there is to say.
    ``address`` is where it goes; empty for the address that its user has by then."""

    __tablename__ = "delivery"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(36), unique=True)
    about: Mapped[str] = mapped_column(String(10), default="incidents")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    address: Mapped[str] = mapped_column(String(254), default="")
    events: Mapped[list[int]] = mapped_column(JSON, default=list)
    content: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    token: Mapped[str] = mapped_column(String(32), default="")
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    error: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        Index("ix_delivery_open", "due_at", sqlite_where=OPEN, postgresql_where=OPEN),
        Index("ix_delivery_user", "user_id", "id"),
        Index("ix_delivery_finished", "finished_at"),
    )


class KnownBrowser(Model):
    """A browser a user has signed in with. The browser holds a random token in a cookie, the table its SHA-256 only."""

    __tablename__ = "known_browser"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    seen_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)

    __table_args__ = (Index("uq_known_browser", "user_id", "token_hash", unique=True),)
