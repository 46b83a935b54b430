"""The settings of a connected shop: the questions of its set-up, and those about stock and shipments."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.formats import reader_zone
from blueprints.forms import as_answer
from blueprints.htmx import fragment, go_to, toast
from blueprints.integrations.forms import SettingsForm, ready_data
from errors import AppError, Conflict, QueueAway
from jobs.evaluations import enqueue_evaluation
from jobs.schedule import start_due_runs
from models import Integration
from services.integrations import settings
from services.onboarding import import_preview
from services.shops.finding import get_integration
from services.shops.kinds import get_kind, status_rows, statuses_of

bp = Blueprint("integration_settings", __name__, url_prefix="/settings/sales-channels/<int:integration_id>/settings")


@bp.route("", methods=["GET", "POST"])
@keeps_input
def edit_settings(integration_id: int) -> Response:
    integration = get_integration(integration_id)
    form = _form(integration)
    recalculating = request.form.get("action") == "recalculate"
    seen = request.form.get("seen") or _version(integration)
    if not recalculating and form.validate_on_submit():
        seen = _version(integration)
        if _unmoved(form, seen) and _save(integration, form):
            return go_to(url_for("integration.show_integration", integration_id=integration_id))
    page = render_template(
        "integrations/settings.html", form=form, integration=integration, kind=get_kind(integration.kind), proposals={}, found={},
        orders=_preview(integration, form), here=url_for(".show_import_preview", integration_id=integration_id), seen=seen,
    )  # fmt: skip
    return make_response(page, 422 if form.is_submitted() and not recalculating else 200)


@bp.post("/import-preview")
def show_import_preview(integration_id: int) -> Response:
    """The last stored orders as these answers would import them."""
    integration = get_integration(integration_id)
    orders = _preview(integration, _form(integration))
    here = url_for(".show_import_preview", integration_id=integration_id)
    return fragment("integrations/_import_preview.html", orders=orders, found={}, here=here)


def _shown(integration: Integration) -> dict[str, Any]:
    """The settings as the form shows them: whole minutes, and UTC where no time zone is set."""
    names = (*SettingsForm.ANSWERS, *SettingsForm.NUMBERS, *settings.STATUSES, "name", "surcharge_name", "work_statuses", "zone")
    shown = {name: settings.value_of(integration, name) for name in names}
    for name in ("orders_every", "stock_every"):
        shown[name] = max(1, (settings.value_of(integration, name) or 0) // 60) * 60
    return {**shown, "zone": shown["zone"] or "UTC"}


def _version(integration: Integration) -> str:
    """What the settings are now, for a form to name the ones it was made from."""
    return hashlib.sha256(repr((sorted(_shown(integration).items()), integration.orders_since)).encode()).hexdigest()[:16]


def _unmoved(form: SettingsForm, version: str) -> bool:
    """Whether the settings are those that the form was made from. If somebody has changed them meanwhile, the form says so, and replaces
    them when it is sent again."""
    if request.form.get("seen", version) == version:
        return True
    form.refuse(Conflict(
        "Somebody has changed these settings since you opened the page. Nothing was saved.",
        "Save again to replace all of them with yours, or load the page again to see theirs.",
    ))  # fmt: skip
    return False


def _first_day(integration: Integration) -> date:
    return integration.orders_since.astimezone(reader_zone()).date()


def _form(integration: Integration) -> SettingsForm:
    shown = _shown(integration)
    kind = get_kind(integration.kind)
    form = SettingsForm(
        data={
            **{name: as_answer(value) if isinstance(value, bool) else value for name, value in shown.items()},
            "orders_every": shown["orders_every"] // 60,
            "stock_every": shown["stock_every"] // 60,
            "since": "date",
            "since_date": _first_day(integration),
            **ready_data(kind.facts.ready_choices, integration.work_statuses),
        }
    )
    form.name_channel(kind.label)
    form.set_choices(statuses_of(integration), shown)
    form.set_ready(kind.facts.ready_choices)
    return form


def _save(integration: Integration, form: SettingsForm) -> bool:
    """Save what differs from what the form showed. Where the change is refused, the form says why."""
    shown = _shown(integration)
    changes = {name: value for name, value in form.answers().items() if value != shown[name]}
    if form.since.data != "date" or form.since_date.data != _first_day(integration):
        changes["orders_since"] = form.first_moment(reader_zone())
    try:
        again = settings.change_settings(integration.id, changes, current_actor())
    except AppError as error:
        field = error.field or "name"
        error.field = "since_date" if field == "orders_since" else field
        form.refuse(error)
        return False
    start_due_runs()
    toast("Saved." + (" Stored orders are being checked again." if again else ""))
    if again:
        try:
            enqueue_evaluation(integration.id)
        except QueueAway as error:
            toast(error.message, "warning")
    return True


def _preview(integration: Integration, form: SettingsForm) -> list[import_preview.PreviewOrder]:
    answers = {**form.answers(), "statuses": status_rows(statuses_of(integration))}
    return import_preview.preview_orders(integration.kind, import_preview.stored_orders(integration), answers)
