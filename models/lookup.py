"""A question that a person asks a shop: a worker sends it while their page waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow

OPEN = text("state <> 'done'")


class Lookup(Model):
    """``kind`` is find (where is an order?), bring_in (store this one now) or count (older orders). ``asked`` and ``found`` are as
    services/orders/lookups.py writes them. ``state`` is asked (waits for a worker), asking or done.

    Until ``lease_until`` it waits for a worker, or the worker that knows ``token`` is at it. Kept for a day."""

    __tablename__ = "lookup"

    id: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(10))
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10), default="asked")
    phase: Mapped[str] = mapped_column(String(200), default="")
    found: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    token: Mapped[str] = mapped_column(String(32), default="", server_default="")
    lease_until: Mapped[datetime] = mapped_column(Moment, default=utcnow)

    # One open look-up for each person.
    __table_args__ = (
        Index("ix_lookup_created", "created_at"),
        Index("uq_lookup_open", "actor", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
    )
