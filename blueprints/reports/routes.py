"""Sales by shop and day and by SKU, and the daily receipts."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.files import csv_file
from blueprints.htmx import go_to, toast
from blueprints.numbers import argument
from blueprints.reports.chart import draw
from blueprints.reports.forms import DAY_SORTS, SKU_SORTS, ReceiptFilter
from blueprints.times import reader_zone
from jobs import start_run
from models.types import utcnow
from services import integrations, receipts, reports
from services.paging import slice_of

bp = Blueprint("reports", __name__, url_prefix="/reports")
PAGE_SIZE = 100


def _wanted(sorts: Mapping[str, str]) -> tuple[int, int | None, str, dict[str, str]]:
    """Days, shop id, one of ``sorts``, and all three as arguments of the page's URL. What is none of the choices counts as none."""
    known = reports.shops()
    period = request.args.get("days", "30")
    shop_id = request.args.get("shop", type=int)
    chosen = {"days": period if period in reports.PERIODS else "30"}
    if shop_id in known:
        chosen["shop"] = str(shop_id)
    sort = request.args.get("sort", "")
    if sort and sort in sorts:
        chosen["sort"] = sort
    return reports.PERIODS[chosen["days"]], shop_id if shop_id in known else None, chosen.get("sort", ""), chosen


@bp.get("")
def show_sales() -> str:
    days, shop_id, sort, chosen = _wanted(DAY_SORTS)
    zone = reader_zone()
    rows = reports.sales_by_day(days, zone, shop_id, sort)
    chart = draw(rows, days, utcnow().astimezone(zone).date())
    return render_template(
        "reports/sales.html", page=slice_of(rows, argument("page") or 1, PAGE_SIZE), chart=chart, chosen=chosen, shops=reports.shops(),
        by="day", sorts=DAY_SORTS, link=lambda number: url_for(".show_sales", page=number, **chosen),
    )  # fmt: skip


@bp.get("/skus")
def show_skus() -> str:
    days, shop_id, sort, chosen = _wanted(SKU_SORTS)
    rows = reports.sales_by_sku(days, reader_zone(), shop_id, sort)
    return render_template(
        "reports/skus.html", page=slice_of(rows, argument("page") or 1, PAGE_SIZE), most=max((row.pieces for row in rows), default=1),
        chosen=chosen, shops=reports.shops(), by="sku", sorts=SKU_SORTS,
        link=lambda number: url_for(".show_skus", page=number, **chosen),
    )  # fmt: skip


@bp.get("/sales.csv")
def download_sales() -> Response:
    days, shop_id, sort, _ = _wanted(DAY_SORTS)
    rows = reports.sales_by_day(days, reader_zone(), shop_id, sort)
    return csv_file(
        "sales-by-day.csv", ("day", "shop", "orders", "pieces", "total", "currency"),
        ((row.day.isoformat(), row.shop, row.orders, row.pieces, row.total, row.currency) for row in rows),
    )  # fmt: skip


@bp.get("/skus.csv")
def download_skus() -> Response:
    days, shop_id, sort, _ = _wanted(SKU_SORTS)
    rows = reports.sales_by_sku(days, reader_zone(), shop_id, sort)
    return csv_file(
        "sales-by-sku.csv", ("sku", "name", "orders", "pieces", "total", "currency"),
        ((row.sku, row.name, row.orders, row.pieces, row.total, row.currency) for row in rows),
    )  # fmt: skip


@bp.get("/receipts")
def show_receipts() -> str:
    form = ReceiptFilter(request.args)
    chosen = form.chosen()
    page = receipts.list_page(form.integration_id, argument("page") or 1, different=bool(form.only.data), sort=form.sort.data)
    return render_template(
        "reports/receipts.html", page=page, form=form, filters=chosen, integrations=integrations.list_integrations(), by="receipts",
        link=lambda number: url_for(".show_receipts", page=number, **chosen),
    )  # fmt: skip


@bp.get("/receipts.csv")
def download_receipts() -> Response:
    form = ReceiptFilter(request.args)
    header = ("day", "zone", "integration", "shop_orders", "our_orders", "shop_totals", "our_totals", "differences")
    rows = (
        (receipt.day.isoformat(), receipt.zone, name, receipt.shop_orders, receipt.our_orders, _sums(receipt.shop_totals),
         _sums(receipt.our_totals), "; ".join(f"{each['number']}: {each['reason']}" for each in receipt.differences))
        for receipt, name in receipts.iter_receipts(form.integration_id, different=bool(form.only.data), sort=form.sort.data)
    )  # fmt: skip
    return csv_file("receipts.csv", header, rows)


def _sums(totals: dict[str, str]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in totals.items())


@bp.post("/receipts")
def take_receipt() -> Response | AnyResponse:
    integration = integrations.get_integration(request.form.get("integration", 0, type=int))
    start_run(integration.id, "receipts", current_actor())
    toast(f"Yesterday is being compared with {integration.name}.", "info")
    return go_to(url_for(".show_receipts"))
