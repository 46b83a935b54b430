"""Sales by shop and day, sales by SKU, and the daily reconciliation."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints import unreadable
from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.files import csv_file
from blueprints.formats import reader_zone
from blueprints.htmx import go_to, toast
from blueprints.numbers import argument, field
from blueprints.reports import drawing
from blueprints.reports.forms import DayFilter, ReconciliationFilter, SkuFilter
from jobs import start_run
from models import FlowKind
from services.reports import left_out, rankings, reconciliation, sales, summary
from services.shops import finding

bp = Blueprint("reports", __name__, url_prefix="/reports")
PAGE_SIZE = 100


@bp.get("")
def show_sales() -> str:
    form = DayFilter(request.args)
    period, chosen = form.period(reader_zone()), form.chosen()
    seen = summary.summarise(period, form.shop_id)
    return render_template(
        "reports/sales.html", page=sales.day_page(period, form.shop_id, form.sort.data, argument("page") or 1, PAGE_SIZE),
        seen=seen, charts=drawing.charts_of(seen), totals=drawing.totals_of(seen), shops=drawing.shops_of(seen), chosen=chosen,
        form=form, by="day", left_out=left_out.of_period(period, form.shop_id),
        link=lambda number: url_for(".show_sales", page=number, **chosen),
    )  # fmt: skip


@bp.get("/skus")
def show_skus() -> str:
    form = SkuFilter(request.args)
    period, chosen = form.period(reader_zone()), form.chosen()
    asked = (period, form.shop_id, form.sort.data, argument("page") or 1, PAGE_SIZE)
    now = unreadable.choice("count", ("now",)) == "now"
    page, made_at = (sales.sku_page(*asked), None) if now else rankings.sku_page(*asked)
    further = {**chosen, "count": "now"} if now else chosen
    return render_template(
        "reports/skus.html", page=page, made_at=made_at, period=period, most=max((row.pieces for row in page.rows), default=1),
        chosen=chosen, form=form, by="sku", left_out=left_out.of_period(period, form.shop_id),
        link=lambda number: url_for(".show_skus", page=number, **further),
    )  # fmt: skip


@bp.get("/sales.csv")
@download
def download_sales() -> Response:
    form = DayFilter(request.args)
    rows = sales.sales_by_day(form.period(reader_zone()), form.shop_id, form.sort.data)
    return csv_file(
        "sales-by-day.csv", ("day", "shop", "orders", "pieces", "total", "currency"),
        ((row.day.isoformat(), row.shop, row.orders, row.pieces, row.total, row.currency) for row in rows),
    )  # fmt: skip


@bp.get("/skus.csv")
@download
def download_skus() -> Response:
    form = SkuFilter(request.args)
    rows = sales.sales_by_sku(form.period(reader_zone()), form.shop_id, form.sort.data)
    return csv_file(
        "sales-by-sku.csv", ("sku", "name", "orders", "pieces", "total", "currency"),
        ((row.sku, row.name, row.orders, row.pieces, row.total, row.currency) for row in rows),
    )  # fmt: skip


@bp.get("/reconciliation")
def show_reconciliation() -> str:
    form = ReconciliationFilter(request.args)
    chosen = form.chosen()
    page = reconciliation.list_page(
        form.integration_id, request.args.get("page", ""), different=bool(form.only.data), since=form.first, sort=form.sort.data
    )
    return render_template(
        "reports/reconciliation.html", page=page, form=form, filters=chosen, integrations=finding.list_integrations(), by="reconciliation",
        compared=reconciliation.being_compared(),
        link=lambda number: url_for(".show_reconciliation", page=number, **chosen),
    )  # fmt: skip


@bp.get("/reconciliation.csv")
@download
def download_reconciliation() -> Response:
    form = ReconciliationFilter(request.args)
    header = ("day", "zone", "integration", "shop_orders", "our_orders", "shop_totals", "our_totals", "differences")
    rows = (
        (found.day.isoformat(), found.zone, name, found.shop_orders, found.our_orders, _sums(found.shop_totals),
         _sums(found.our_totals), "; ".join(f"{each['number']}: {each['reason']}" for each in found.differences))
        for found, name in reconciliation.iter_days(form.integration_id, different=bool(form.only.data), since=form.first, sort=form.sort.data)
    )  # fmt: skip
    return csv_file("reconciliation.csv", header, rows)


def _sums(totals: dict[str, str]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in totals.items())


@bp.post("/reconciliation")
def reconcile() -> Response | AnyResponse:
    integration = finding.get_integration(field("integration") or 0)
    start_run(integration.id, FlowKind.RECONCILIATION, current_actor())
    toast(f"Yesterday is being compared with {integration.name}.", "info")
    return go_to(url_for(".show_reconciliation"))
