"""What happens on shipping and how much is offered, for one integration."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.htmx import go_to, toast
from blueprints.times import known_places
from errors import InvalidInput
from jobs.schedule import start_due_runs
from services import catalogue, desk_settings, integrations
from services.stock_desk import whole

bp = Blueprint("desk", __name__, url_prefix="/settings/sales-channels/<int:integration_id>/desk")


@bp.get("")
def show_desk_settings(integration_id: int) -> str:
    return _page(integration_id)


@bp.post("")
def change_desk_settings(integration_id: int) -> tuple[str, int] | Response | AnyResponse:
    try:
        desk_settings.change_desk_settings(integration_id, _typed(integration_id), current_actor())
    except InvalidInput as wrong:
        return _page(integration_id, wrong), 422
    start_due_runs()
    toast("The settings are saved.")
    return go_to(url_for("integration.show_integration", integration_id=integration_id))


def _typed(integration_id: int) -> dict[str, Any]:
    """Raises InvalidInput."""
    form = request.form
    known = {status.code or status.external_id for status in _shipping(integration_id)}
    values: dict[str, Any] = {}
    for name in desk_settings.STATUSES:
        chosen = form.get(name, "")
        if chosen and chosen not in known:
            raise InvalidInput("The shop has no such shipping status.", "Choose one of the list.", field=name)
        values[name] = chosen
    for name in desk_settings.NUMBERS:
        values[name] = whole(form.get(name, ""), name)
    cap = form.get("stock_cap", "").strip()
    values["stock_cap"] = whole(cap, "stock_cap") if cap else None
    values["zone"] = form.get("zone", "UTC")
    values["shipments_on"] = form.get("shipments_on") == "yes"
    return values


def _shipping(integration_id: int) -> list[Any]:
    statuses = catalogue.statuses_of(integrations.get_integration(integration_id))
    return [status for status in statuses if status.kind == "shipping"]


def _page(integration_id: int, wrong: InvalidInput | None = None) -> str:
    integration = integrations.get_integration(integration_id)
    shop = desk_settings.shop_of(integration_id)
    values: dict[str, Any] = {
        **{name: getattr(integration, name) for name in (*desk_settings.STATUSES, "brake_percent", "brake_least", "shipments_on")},
        "stock_buffer": shop.stock_buffer, "stock_cap": "" if shop.stock_cap is None else shop.stock_cap,
        "zone": shop.zone or "UTC",
    }  # fmt: skip
    if wrong is not None:
        values.update(request.form.items(), shipments_on=request.form.get("shipments_on") == "yes")
    return render_template(
        "sales_channels/desk.html", integration=integration, values=values, statuses=_shipping(integration_id), wrong=wrong,
        zones=sorted({*known_places(), values["zone"]}),
    )  # fmt: skip
