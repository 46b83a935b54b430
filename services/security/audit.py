"""The audit trail: who changed which setting, when, from what to what. Keys are never in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, insert, or_, select

from extensions import db
from models import Integration, SettingChange
from services.common.batches import in_batches
from services.common.paging import Page, page_of

PAGE_SIZE = 50
SORTS: dict[str, Any] = {
    "": (SettingChange.id.desc(),), "oldest": (SettingChange.id,), "who": (SettingChange.actor, SettingChange.id.desc()),
    "what": (SettingChange.name, SettingChange.subject, SettingChange.id.desc()),
}  # fmt: skip


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
"""A statement instead of a row in the session: the person who clicks a switch is waiting, and it costs a third."""


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


def list_page(integration_id: int | None = None, search: str = "", place: str = "", sort: str = "") -> Page[AuditRow]:
    """A page of the audit trail, newest first unless ``sort`` is another of ``SORTS``; ``search`` is a part of a setting's name
    or of who changed it."""
    order = SORTS.get(sort, SORTS[""])
    return page_of(_matching(integration_id, search), order, place, PAGE_SIZE, lambda found: [_row(*each[:2]) for each in found])


def iter_changes(integration_id: int | None = None, search: str = "", sort: str = "") -> Iterator[AuditRow]:
    """All of it, in the order of ``list_page``."""
    ids = _matching(integration_id, search).with_only_columns(SettingChange.id).order_by(*SORTS.get(sort, SORTS[""]))
    for batch in in_batches(ids, _load):
        yield from batch


def _load(ids: Sequence[int]) -> dict[int, AuditRow]:
    query = select(SettingChange, Integration.name).outerjoin(Integration, Integration.id == SettingChange.integration_id)
    return {change.id: _row(change, name) for change, name in db.session.execute(query.where(SettingChange.id.in_(ids)))}


def _matching(integration_id: int | None, search: str) -> Select[*tuple[Any, ...]]:
    query = select(SettingChange, Integration.name).outerjoin(Integration, Integration.id == SettingChange.integration_id)
    if integration_id is not None:
        query = query.where(SettingChange.integration_id == integration_id)
    if search:
        found = [SettingChange.name.icontains(search.strip().replace(" ", "_"), autoescape=True)]
        found += [column.icontains(search, autoescape=True) for column in (SettingChange.actor, SettingChange.subject)]
        query = query.where(or_(*found))
    return query


def _row(change: SettingChange, integration: str | None) -> AuditRow:
    return AuditRow(
        change.at, change.actor, integration or "", change.subject, change.name.replace("_", " "), _said(change.before),
        _said(change.after),
    )  # fmt: skip


def _said(value: Any) -> str:
    if value is True or value is False:
        return "Yes" if value else "No"
    if value is None or value == "":
        return "–"
    if isinstance(value, list):
        return ", ".join(" × ".join(map(str, one)) if isinstance(one, list) else str(one) for one in value)
    return str(value)
