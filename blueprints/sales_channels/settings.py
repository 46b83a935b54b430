"""The settings of a connected shop, with the same questions as its set-up."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.htmx import fragment, go_to, toast
from blueprints.sales_channels.forms import SettingsForm, as_answer
from blueprints.times import reader_zone
from errors import AppError, QueueAway
from jobs.evaluations import enqueue_evaluation
from models import Integration
from services import integration_settings, rehearsal
from services.catalogue import get_kind, status_rows, statuses_of
from services.integrations import get_integration

bp = Blueprint("integration_settings", __name__, url_prefix="/settings/sales-channels/<int:integration_id>/settings")


@bp.route("", methods=["GET", "POST"])
@keeps_input
def edit_settings(integration_id: int) -> Response:
    integration = get_integration(integration_id)
    form = _form(integration)
    recalculating = request.form.get("action") == "recalculate"
    if not recalculating and form.validate_on_submit() and _save(integration, form):
        return go_to(url_for("integration.show_integration", integration_id=integration_id))
    page = render_template(
        "sales_channels/settings.html", form=form, integration=integration, kind=get_kind(integration.kind), proposals={}, found={},
        orders=_rehearse(integration, form), here=url_for(".show_rehearsal", integration_id=integration_id),
    )  # fmt: skip
    return make_response(page, 422 if form.is_submitted() and not recalculating else 200)


@bp.post("/rehearsal")
def show_rehearsal(integration_id: int) -> Response:
    """The last stored orders under the answers given so far."""
    integration = get_integration(integration_id)
    orders = _rehearse(integration, _form(integration))
    here = url_for(".show_rehearsal", integration_id=integration_id)
    return fragment("sales_channels/_rehearsal.html", orders=orders, found={}, here=here)


def _form(integration: Integration) -> SettingsForm:
    present: dict[str, Any] = {
        name: as_answer(getattr(integration, name))
        for name in (*SettingsForm.SWITCHES, "use_tax", "use_shipping_tax", "take_shop_stock")
    }
    form = SettingsForm(
        data={
            **present,
            **{
                name: getattr(integration, name)
                for name in ("name", "surcharge_name", "processed_status", "brake_percent", "brake_least")
            },
            "orders_every": integration.orders_every // 60 or 1,
            "stock_every": integration.stock_every // 60 or 1,
            "since": "date",
            "since_date": integration.orders_since.astimezone(reader_zone()).date(),
            "work": [":".join(pair) for pair in integration.work_statuses],
        }
    )
    form.name_channel(get_kind(integration.kind).label)
    form.set_statuses(statuses_of(integration), integration.processed_status, integration.work_statuses)
    return form


def _save(integration: Integration, form: SettingsForm) -> bool:
    """Where the change is refused, the form says why."""
    changes = form.answers()
    if form.orders_every.data == (integration.orders_every // 60 or 1):
        changes.pop("orders_every")
    if form.stock_every.data == (integration.stock_every // 60 or 1):
        changes.pop("stock_every")
    kept = integration.orders_since.astimezone(reader_zone()).date()
    if form.since.data != "date" or form.since_date.data != kept:
        changes["orders_since"] = form.first_moment(reader_zone())
    try:
        again = integration_settings.change_settings(integration.id, changes, current_actor())
    except AppError as error:
        error.field = "since_date" if getattr(error, "field", "") == "since" else "name"
        form.refuse(error)
        return False
    toast("The settings are saved." + (" Stored orders are read again under them." if again else ""))
    if again:
        try:
            enqueue_evaluation(integration.id)
        except QueueAway as error:
            toast(error.message, "warning")
    return True


def _rehearse(integration: Integration, form: SettingsForm) -> list[rehearsal.RehearsedOrder]:
    answers = {**form.answers(), "statuses": status_rows(statuses_of(integration))}
    return rehearsal.rehearse(integration.kind, rehearsal.stored_orders(integration), answers)
