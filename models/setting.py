"""Settings of the whole installation that people change on a page, and the audit trail of all settings. What an operator sets is in
config.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
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


class SettingChange(Model):
    """The audit trail: who changed which setting, from what to what. Keys are never in it, only that one was changed."""

    __tablename__ = "setting_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    actor: Mapped[str] = mapped_column(String(100))
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integration.id"), index=True)
    subject: Mapped[str] = mapped_column(String(255), default="")
    name: Mapped[str] = mapped_column(String(50))
    before: Mapped[Any] = mapped_column(JSON, nullable=True)
    after: Mapped[Any] = mapped_column(JSON, nullable=True)
