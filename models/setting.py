"""Settings of the whole installation that people change on a page. What an operator sets is in config.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow


class Setting(Model):
    """One value by its name; a name that is not there has its default."""

    __tablename__ = "setting"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    changed_at: Mapped[datetime] = mapped_column(Moment, default=utcnow, onupdate=utcnow)
    changed_by: Mapped[str] = mapped_column(String(100), default="")
