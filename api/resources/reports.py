"""``reports/sales``: orders, pieces and totals by day and shop."""

from __future__ import annotations

from datetime import UTC, date
from typing import Annotated

from msgspec import Meta, Struct

from api.operations import Call, operation
from api.shapes import Amount
from services.reports import sales
from services.reports.periods import last_days


class SalesDay(Struct):
    """One day of one shop in one currency; cancelled orders are left out."""

    day: date
    shop: str
    orders: int
    pieces: int
    total: Amount
    currency: str


class Sales(Struct):
    """Newest day first; a day is one of the shop's time zone."""

    items: list[SalesDay]


class SalesQuery(Struct, kw_only=True):
    days: Annotated[int, Meta(ge=1, le=366, description="How many days, today being the last.")] = 30


@operation(
    "GET", "/reports/sales", "Report sales by day and shop; counts as ten requests", scope="reports:read", query=SalesQuery,
    answers={200: Sales}, expensive=True,
)  # fmt: skip
def report_sales(call: Call) -> Sales:
    rows = sales.sales_by_day(last_days(call.query.days, UTC))
    return Sales([SalesDay(row.day, row.shop, row.orders, row.pieces, row.total, row.currency) for row in rows])
