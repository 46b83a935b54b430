"""Drafts: what a person has typed so far, before it becomes an integration or changes one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from extensions import db
from models.types import Moment, utcnow


class Draft(db.Model):
    """A new integration being set up (``purpose`` add), or a new end point and key for one (reauthorise).

    ``answers_sealed`` is what the person typed, ``found_sealed`` what the shop said, both Fernet ciphertext of JSON.
    ``check_state`` is empty, ``asked`` (waiting for a worker), ``checking`` or ``done``; ``check_ticket`` names the check whose
    result counts, so that the answer to what was typed before is not taken for the answer to what is there now.
    ``check_asked_at`` moves on while a worker is at the check, so that a dead one is noticed."""

    __tablename__ = "draft"

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(String(43), unique=True)
    purpose: Mapped[str] = mapped_column(String(12))
    kind: Mapped[str] = mapped_column(String(20))
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integration.id"))
    actor: Mapped[str] = mapped_column(String(100), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    answers_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    found_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    check_state: Mapped[str] = mapped_column(String(10), default="")
    check_ticket: Mapped[str] = mapped_column(String(32), default="")
    check_asked_at: Mapped[datetime | None] = mapped_column(Moment)
    phase: Mapped[str] = mapped_column(Text, default="")
