"""``reconciliations``: what a shop says it took on a day, against what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from msgspec import Struct
from sqlalchemy import select

from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Amount, Id, row_id
from extensions import db
from models import DailyReconciliation, Integration


class ReconciliationDifference(Struct):
    """An order that the shop and Cartlink do not have alike; amounts are texts as they stand in the report."""

    number: str
    reason: str
    ours: str
    theirs: str


class Reconciliation(Struct):
    """``day`` is a day in ``zone``. Totals are amounts by currency."""

    id: str
    integration_id: str
    integration: str
    day: date
    zone: str
    checked_at: datetime
    shop_orders: int
    our_orders: int
    shop_totals: dict[str, Amount]
    our_totals: dict[str, Amount]
    differences: list[ReconciliationDifference]


class ReconciliationsQuery(ListQuery, kw_only=True):
    integration: Id | None = None


@operation(
    "GET", "/reconciliations", "List daily reconciliations, newest first", scope="reports:read", query=ReconciliationsQuery,
    answers={200: Page[Reconciliation]},
)  # fmt: skip
def list_reconciliations(call: Call) -> Reply:
    shops = select(Integration.shop_id).where(Integration.removed_at.is_(None))
    if call.query.integration is not None:
        shops = shops.where(Integration.id == row_id(call.query.integration))
    query = select(DailyReconciliation.id).where(DailyReconciliation.shop_id.in_(shops))
    return list_page(call, query, [DailyReconciliation.day, DailyReconciliation.id], _load, newest=True)


def _load(ids: Sequence[int]) -> dict[int, Reconciliation]:
    here = (Integration.shop_id == DailyReconciliation.shop_id) & Integration.removed_at.is_(None)
    query = select(DailyReconciliation, Integration.id, Integration.name).join(Integration, here)
    found = db.session.execute(query.where(DailyReconciliation.id.in_(ids)))
    return {row.id: _shown(row, integration_id, name) for row, integration_id, name in found}


def _shown(row: DailyReconciliation, integration_id: int, name: str) -> Reconciliation:
    differences = [
        ReconciliationDifference(*(str(each.get(part) or "") for part in ReconciliationDifference.__struct_fields__))
        for each in row.differences
    ]
    return Reconciliation(
        str(row.id), str(integration_id), name, row.day, row.zone, row.checked_at, row.shop_orders, row.our_orders, row.shop_totals,
        row.our_totals, differences,
    )  # fmt: skip
