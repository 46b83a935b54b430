"""How a user sees the lists: the filters they saved under a name, and the columns they chose."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model


class ListView(Model):
    """``list_name`` is the name of a list (blueprints/accounts/list_views.py). With a ``name`` it is a saved view, and ``filters`` are the
    arguments of the list's address. The row without a name holds the ``columns`` that the user chose; no such row, or an empty list, stands
    for the columns that everybody sees at first."""

    __tablename__ = "list_view"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    list_name: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(60), default="")
    name_key: Mapped[str] = mapped_column(String(200), default="")
    filters: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    columns: Mapped[list[str]] = mapped_column(JSON, default=list)

    __table_args__ = (UniqueConstraint("user_id", "list_name", "name_key"),)
