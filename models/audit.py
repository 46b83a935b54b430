"""The audit trail: every change that a person or a program made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow


class AuditEntry(Model):
    """One act about one object. ``actor`` is as in models.sync_run (``user:ann``, ``api:erp``, ``cli:root``), ``cause`` where it came in:
    page, api, command, or empty. ``kind`` is a name of services/security/audit.py: KINDS, ``object`` and ``object_id`` say what it is about,
    and ``subject`` names that for people, also when it is gone. ``changes`` are [field, before, after]; secrets are never in it."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    actor: Mapped[str] = mapped_column(String(100))
    cause: Mapped[str] = mapped_column(String(20), default="", server_default="")
    kind: Mapped[str] = mapped_column(String(50))
    object: Mapped[str] = mapped_column(String(20))
    object_id: Mapped[int | None] = mapped_column()
    integration_id: Mapped[int | None] = mapped_column(ForeignKey("integration.id"))
    subject: Mapped[str] = mapped_column(String(255), default="", server_default="")
    changes: Mapped[list[list[Any]]] = mapped_column(JSON, default=list)

    __table_args__ = (
        Index("ix_audit_entry_object", "object", "object_id", "at", "id"),
        Index("ix_audit_entry_integration", "integration_id", "at", "id"),
        Index("ix_audit_entry_actor", "actor", "at", "id"),
        Index("ix_audit_entry_at", "at", "id"),
    )
