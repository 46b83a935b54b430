"""Who sells: what stands at the head and the foot of printed documents."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, undefer

from extensions import Model
from models.types import Moment, utcnow


class Seller(Model):
    """One row, with the id 1. ``logo`` is a PNG or JPEG image, None where there is none; it is loaded only where it is asked for
    (``WITH_LOGO``). ``logo_digest`` is a part of its address, so that browsers may keep it."""

    __tablename__ = "seller"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(Text, default="")
    footer: Mapped[str] = mapped_column(Text, default="")
    logo: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    logo_type: Mapped[str] = mapped_column(String(20), default="")
    logo_digest: Mapped[str] = mapped_column(String(20), default="")
    changed_at: Mapped[datetime] = mapped_column(Moment, default=utcnow, onupdate=utcnow)
    changed_by: Mapped[str] = mapped_column(String(100), default="")


WITH_LOGO = undefer(Seller.logo)
