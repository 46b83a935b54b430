"""Files of quantities, from the upload until they are applied."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.sku_key import key_of_sku
from models.types import Moment, Units, utcnow


class StockFile(Model):
    """A file of quantities on its way in: columns (a person has to assign its columns), uploaded (its bytes wait for a worker), checked (its
    rows wait for a person to accept them), wanted (a person accepted it), applied, refused (``problems`` say why) or dropped. ``columns``
    are those that a person has assigned, with their options; empty for our own headings, None until they are looked at. ``changed`` items are
    ``zeroed``, ``raised`` or ``lowered``. Of its ``wrong`` rows ``causes`` are pairs of a cause and how many rows have it, and ``layout`` is that of
    the file of them (services/common/wrong_rows.py). ``undoes_id`` is the file that this one takes back. ``last_entry_id`` is the last line of the
    stock ledger when it was applied: what has a higher id came later, whatever the clock says. None for files that older versions applied.
    Claimed by lease like a run; ``lost_workers`` in a row have died in the middle of it."""

    __tablename__ = "stock_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    actor: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    state: Mapped[str] = mapped_column(String(10), default="uploaded", index=True)
    add_unknown: Mapped[bool] = mapped_column(default=False)
    size: Mapped[int] = mapped_column(default=0)
    columns: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    sheet: Mapped[str] = mapped_column(String(100), default="", server_default="")
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    unknown: Mapped[int] = mapped_column(default=0)
    wrong: Mapped[int] = mapped_column(default=0)
    problems: Mapped[list[str]] = mapped_column(JSON, default=list)
    zeroed: Mapped[int] = mapped_column(default=0, server_default="0")
    raised: Mapped[int] = mapped_column(default=0, server_default="0")
    lowered: Mapped[int] = mapped_column(default=0, server_default="0")
    causes: Mapped[list[tuple[str, int]]] = mapped_column(JSON, default=list, server_default="[]")
    layout: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    undoes_id: Mapped[int | None] = mapped_column()
    last_entry_id: Mapped[int | None] = mapped_column()
    token: Mapped[str] = mapped_column(String(32), default="")
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    lost_workers: Mapped[int] = mapped_column(default=0, server_default="0")
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class StockFilePart(Model):
    """A piece of an uploaded file: web and worker may be different machines."""

    __tablename__ = "stock_file_part"

    id: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("stock_file.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column()
    content: Mapped[bytes] = mapped_column(LargeBinary)


class StockFileRow(Model):
    """One row of the file, staged. ``stock_item_id`` is None for an unknown SKU; ``before`` is on hand when it was checked."""

    __tablename__ = "stock_file_row"

    id: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("stock_file.id", ondelete="CASCADE"))
    line: Mapped[int] = mapped_column()
    sku: Mapped[str] = mapped_column(String(255))
    sku_key: Mapped[str] = mapped_column(String(255), default=key_of_sku)
    quantity: Mapped[int] = mapped_column(Units)
    stock_item_id: Mapped[int | None] = mapped_column(ForeignKey("stock_item.id"))
    before: Mapped[int | None] = mapped_column(Units)
    problem: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (Index("ix_stock_file_row_file_sku_key", "file_id", "sku_key"),)


class StockFileWrongRow(Model):
    """A row that cannot be used, with its ``cells`` as they stood in the file. ``cause`` is what it has in common with others."""

    __tablename__ = "stock_file_wrong_row"

    id: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("stock_file.id", ondelete="CASCADE"), index=True)
    line: Mapped[int] = mapped_column()
    cause: Mapped[str] = mapped_column(String(100))
    problem: Mapped[str] = mapped_column(Text)
    cells: Mapped[list[str]] = mapped_column(JSON)
