"""Saved exports of orders: which orders and columns a file has."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow


class OrderExport(Model):
    """``by`` is ``order`` or ``line``: what a row of the file is. ``columns`` are names of services/orders/export_columns.py, ``format`` one
    of services/orders/export_files.py. ``orders`` is the filter and the order of its rows (services/orders/export_filters.py); None for one
    that was saved before they were, which follows the list it is opened from. ``name_key`` is the name in lower case."""

    __tablename__ = "order_export"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(300), unique=True)
    by: Mapped[str] = mapped_column(String(10))
    columns: Mapped[list[str]] = mapped_column(JSON)
    format: Mapped[str] = mapped_column(String(4), default="csv", server_default="csv")
    orders: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    changed_at: Mapped[datetime] = mapped_column(Moment, default=utcnow, onupdate=utcnow)
    changed_by: Mapped[str] = mapped_column(String(100), default="")
