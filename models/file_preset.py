"""Which column of other people's files holds what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow


class FilePreset(Model):
    """``kind`` is ``stock`` or ``shipments``. It is found by ``digest``, that of the ``headings`` (services/presets/columns.py).
    ``columns`` are the titles of the columns by field, ``options`` how their values are read."""

    __tablename__ = "file_preset"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    name: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64))
    headings: Mapped[list[str]] = mapped_column(JSON)
    columns: Mapped[dict[str, str]] = mapped_column(JSON)
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    changed_at: Mapped[datetime] = mapped_column(Moment, default=utcnow, onupdate=utcnow)
    changed_by: Mapped[str] = mapped_column(String(100), default="")

    __table_args__ = (UniqueConstraint("kind", "digest"),)
