"""What a person wants to know of a shop right now: asked by a worker, while their page waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from extensions import db
from models.types import Moment, utcnow


class Lookup(db.Model):
    """``kind`` is find (where is an order?), bring_in (store this one now) or count (older orders). ``asked`` and ``found`` are as
    services/lookups.py writes them. ``state`` is asked (waits for a worker), asking or done.

    ``heard_at`` moves on while a worker is at it, so that a dead one is noticed. Kept for a day."""

    __tablename__ = "lookup"

    id: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(10))
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10), default="asked")
    phase: Mapped[str] = mapped_column(String(200), default="")
    found: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    heard_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)

    __table_args__ = (Index("ix_lookup_created", "created_at"),)
