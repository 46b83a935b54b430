"""``reports/sales``: orders, pieces and totals by day and shop."""

from __future__ import annotations

from datetime import UTC, date
from typing import Annotated

from msgspec import Meta, Struct

from api.operations import Call, operation
from api.problems import Fault, Problem
from api.shapes import Amount, Id, row_id
from errors import InvalidInput
from extensions import db
from models import Integration
from services.reports import periods, sales
from services.reports.periods import MOST_DAYS, Period
from services.shops import finding

DAYS = 30


class SalesDay(Struct):
    """One day of one shop in one currency; cancelled orders are left out. ``integration_id`` is null for a shop that was removed."""

    day: date
    integration_id: str | None
    shop: str
    orders: int
    pieces: int
    total: Amount
    currency: str


class Sales(Struct):
    """From ``first`` to ``last``, newest day first. A day is one of the shop's time zone."""

    first: date
    last: date
    items: list[SalesDay]


class SalesQuery(Struct, kw_only=True):
    days: Annotated[int, Meta(ge=1, le=MOST_DAYS, description="How many days; 30 unless there is `first`.")] | None = None
    first: Annotated[date, Meta(description="The first day, of at most ten years.")] | None = None
    last: Annotated[date, Meta(description="The last day; without it today, in UTC.")] | None = None
    integration: Id | None = None


@operation(
    "GET", "/reports/sales", "Report sales by day and shop; counts as ten requests", scope="reports:read", query=SalesQuery,
    answers={200: Sales}, expensive=True, statuses=(404, 422),
)  # fmt: skip
def report_sales(call: Call) -> Sales:
    wanted: SalesQuery = call.query
    shop_id = None if wanted.integration is None else finding.get_integration(row_id(wanted.integration)).shop_id
    period = _period(wanted)
    present = {found: str(found) for found in db.session.scalars(finding.present().with_only_columns(Integration.id))}
    rows = sales.sales_by_day(period, shop_id)
    items = [
        SalesDay(row.day, present.get(row.integration_id), row.shop, row.orders, row.pieces, row.total, row.currency)
        for row in rows
    ]
    return Sales(period.first, period.last, items)


def _period(wanted: SalesQuery) -> Period:
    """Raises Problem 422 for days that make no period."""
    days, last = wanted.days or DAYS, wanted.last.isoformat() if wanted.last else ""
    try:
        if wanted.first is None:
            return periods.ending(wanted.last, days) if wanted.last else periods.last_days(days, UTC)
        if wanted.days is not None:
            raise InvalidInput("Name the first day or the number of days, not both.", field="days")
        return periods.between(wanted.first.isoformat(), last, UTC)
    except InvalidInput as wrong:
        fault = Fault(wrong.code, wrong.sentence(), parameter=wrong.field)
        raise Problem(422, wrong.code, wrong.sentence(), errors=[fault]) from None
