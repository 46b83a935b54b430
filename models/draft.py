"""Drafts: what a person has typed so far, before it becomes an integration or changes one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow


class Draft(Model):
    """A new integration being set up (``purpose`` add), a new end point and key for one (reauthorise), or a feed of a supplier (feed).

    ``answers_encrypted`` is what the person typed, ``found_encrypted`` what the shop said, both Fernet ciphertext of JSON.
    ``check_state`` is empty, ``asked`` (waiting for a worker), ``checking`` or ``done``; ``check_ticket`` names the check whose
    result counts, so that the answer to what was typed before is not taken for the answer to what is there now.
    Until ``lease_until`` the check waits for a worker, or the worker that knows ``check_token`` is at it."""

    __tablename__ = "draft"

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(String(43), unique=True)
    purpose: Mapped[str] = mapped_column(String(12))
    kind: Mapped[str] = mapped_column(String(20))
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integration.id"))
    actor: Mapped[str] = mapped_column(String(100), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    answers_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    found_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    check_state: Mapped[str] = mapped_column(String(10), default="")
    check_ticket: Mapped[str] = mapped_column(String(32), default="")
    check_token: Mapped[str] = mapped_column(String(32), default="", server_default="")
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    phase: Mapped[str] = mapped_column(Text, default="")
