"""Event endpoints: where events are sent, and what became of each delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, LargeBinary, String, Text, text, true
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.event import Number
from models.types import Moment, utcnow

WAITING = text("state = 'waiting'")


class EventEndpoint(Model):
    """An address of a program that gets events. Address and secrets are Fernet ciphertext; ``place`` is the part that may be shown.

    ``types`` are those it gets, all if it is empty. Events up to ``position`` were sent to it or have a waiting delivery.
    ``previous_secret_encrypted`` signs too until ``previous_until``. ``failing_since`` is the first failure since the last success,
    ``failures`` counts them in a row, ``warned`` how many warnings people got about them, and nothing is sent before ``due_at``. ``paused_at`` is set
    while nothing is sent until a person resumes it, ``paused_for`` is ``gone`` (it answered 410) or ``failing``. ``enabled`` is a person's own
    switch. A worker holds the lease that knows ``token``."""

    __tablename__ = "event_endpoint"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    place: Mapped[str] = mapped_column(String(300))
    url_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    secret_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None] = mapped_column(Moment)
    types: Mapped[list[str]] = mapped_column(JSON, default=list)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    position: Mapped[int] = mapped_column(Number, default=0)
    failing_since: Mapped[datetime | None] = mapped_column(Moment)
    failures: Mapped[int] = mapped_column(default=0)
    warned: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    paused_at: Mapped[datetime | None] = mapped_column(Moment)
    paused_for: Mapped[str] = mapped_column(String(10), default="", server_default="")
    good_at: Mapped[datetime | None] = mapped_column(Moment)
    error: Mapped[str] = mapped_column(Text, default="", server_default="")
    token: Mapped[str] = mapped_column(String(32), default="", server_default="")
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    changed_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    changed_by: Mapped[str] = mapped_column(String(100), default="", server_default="")


class EventDelivery(Model):
    """One event, or test, for one endpoint: ``state`` is waiting (tried when ``due_at`` is past), done or failed. ``key`` is the event's and
    the same for every try. ``content`` is the body of a test; that of an event is made of the event at ``position``."""

    __tablename__ = "event_delivery"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("event_endpoint.id", ondelete="CASCADE"))
    position: Mapped[int | None] = mapped_column(Number)
    key: Mapped[str] = mapped_column(String(36))
    type: Mapped[str] = mapped_column(String(40))
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (
        Index("ix_event_delivery_endpoint", "endpoint_id", "id"),
        Index("ix_event_delivery_waiting", "endpoint_id", "due_at", sqlite_where=WAITING, postgresql_where=WAITING),
        Index("ix_event_delivery_created", "created_at"),
    )


class EventAttempt(Model):
    """One try: ``status`` is None if no answer came, ``answer`` its first 1,000 characters, ``error`` what went wrong."""

    __tablename__ = "event_attempt"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("event_delivery.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    status: Mapped[int | None] = mapped_column()
    milliseconds: Mapped[int] = mapped_column(default=0)
    answer: Mapped[str] = mapped_column(Text, default="")
    error: Mapped[str] = mapped_column(Text, default="")
