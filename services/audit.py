"""The audit trail: who changed which setting, when, from what to what. Keys are never in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from extensions import db
from models import Integration, SettingChange


@dataclass(frozen=True, slots=True)
class AuditRow:
    at: datetime
    actor: str
    integration: str
    subject: str
    name: str
    before: str
    after: str


NOTE = insert(SettingChange.__table__)
"""A statement instead of a row in the session: whoever clicks a switch is waiting, and it costs a third."""


def note_change(actor: str, integration_id: int | None, name: str, before: Any, after: Any, subject: str = "") -> None:
    """Add a line to the audit trail. Never pass a key: pass that it was changed. Call it inside ``writing()``."""
    if before != after:
        db.session.execute(
            NOTE,
            {"actor": actor, "integration_id": integration_id, "name": name, "before": _plain(before), "after": _plain(after),
             "subject": subject},
        )  # fmt: skip


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def list_changes(integration_id: int | None = None, limit: int = 200) -> list[AuditRow]:
    """The audit trail, newest first."""
    query = (
        select(SettingChange, Integration.name)
        .outerjoin(Integration, Integration.id == SettingChange.integration_id)
        .order_by(SettingChange.id.desc())
        .limit(limit)
    )
    if integration_id is not None:
        query = query.where(SettingChange.integration_id == integration_id)
    return [
        AuditRow(row.at, row.actor, name or "", row.subject, row.name.replace("_", " "), _said(row.before), _said(row.after))
        for row, name in db.session.execute(query)
    ]


def _said(value: Any) -> str:
    if value is True or value is False:
        return "Yes" if value else "No"
    if value is None or value == "":
        return "–"
    if isinstance(value, list):
        return ", ".join(" × ".join(map(str, one)) if isinstance(one, list) else str(one) for one in value)
    return str(value)
