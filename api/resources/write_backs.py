"""``write-backs``: what is sent to shops about orders, and what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import select

from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Id, row_id
from extensions import db
from models import Integration
from models import WriteBack as Row


class WriteBack(Struct, kw_only=True):
    """The fields from ``tracking_numbers`` on are left out without customers:read: they may quote a tracking number."""

    id: str
    order_id: str
    event: str
    state: str
    tries: int
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None
    actor: str
    error_code: str
    tracking_numbers: list[str] | UnsetType = UNSET
    note: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    advice: str | UnsetType = UNSET


class WriteBacksQuery(ListQuery, kw_only=True):
    integration: Id | None = None
    order: Id | None = None
    state: Literal["waiting", "sending", "done", "failed", "replaced", "handled", "undone"] | None = None


@operation(
    "GET",
    "/write-backs",
    "List write-backs, newest first",
    scope="orders:read",
    query=WriteBacksQuery,
    answers={200: Page[WriteBack]},
)
def list_write_backs(call: Call) -> Reply:
    wanted: WriteBacksQuery = call.query
    shops = select(Integration.shop_id).where(Integration.removed_at.is_(None))
    if wanted.integration is not None:
        shops = shops.where(Integration.id == row_id(wanted.integration))
    query = select(Row.id).where(Row.shop_id.in_(shops))
    if wanted.order is not None:
        query = query.where(Row.order_id == row_id(wanted.order))
    if wanted.state is not None:
        query = query.where(Row.state == wanted.state)
    return list_page(call, query, [Row.id], lambda ids: _load(ids, call.sees_customers), newest=True)


def _load(ids: Sequence[int], with_customers: bool) -> dict[int, WriteBack]:
    return {row.id: _shown(row, with_customers) for row in db.session.scalars(select(Row).where(Row.id.in_(ids)))}


def write_backs_of(order_ids: Sequence[int], with_customers: bool) -> dict[int, list[WriteBack]]:
    """The write-backs of orders, oldest first, by order."""
    found: dict[int, list[WriteBack]] = defaultdict(list)
    for row in db.session.scalars(select(Row).where(Row.order_id.in_(order_ids)).order_by(Row.id)):
        found[row.order_id].append(_shown(row, with_customers))
    return found


def _shown(row: Row, with_customers: bool) -> WriteBack:
    shown = WriteBack(
        id=str(row.id), order_id=str(row.order_id), event=row.event, state=row.state, tries=row.tries, due_at=row.due_at,
        created_at=row.created_at, finished_at=row.finished_at, actor=row.actor, error_code=row.error_code,
    )  # fmt: skip
    if with_customers:
        shown.tracking_numbers, shown.note, shown.error, shown.advice = (
            list(row.tracking_numbers),
            row.note,
            row.error,
            row.advice,
        )
    return shown
