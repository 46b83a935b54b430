"""The pages of incidents."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.htmx import go_to, toast
from blueprints.monitoring.forms import IncidentFilter
from jobs.schedule import start_due_runs
from services.monitoring import decisions, incident_list, incidents

bp = Blueprint("incidents", __name__, url_prefix="/incidents")


@bp.get("")
def list_incidents() -> str:
    form = IncidentFilter(request.args)
    filters = form.chosen()
    page = incident_list.list_page(
        request.args.get("page", ""), state=form.state.data, integration=form.integration.data, topic=form.topic.data,
        sort=form.sort.data,
    )  # fmt: skip
    return render_template(
        "monitoring/list.html", page=page, form=form, filters=filters,
        link=lambda wanted: url_for(".list_incidents", page=wanted, **filters),
    )  # fmt: skip


@bp.get("/<int:incident_id>")
def show_incident(incident_id: int) -> str:
    return render_template("monitoring/incident.html", seen=incident_list.get_incident(incident_id))


@bp.post("/<int:incident_id>/mute")
def mute(incident_id: int) -> Response:
    incidents.mute(incident_id, current_actor())
    toast("Reminders are off. You get a message when it is over.")
    return go_to(url_for(".show_incident", incident_id=incident_id))


@bp.post("/set-back/<int:integration_id>")
def mark_set_back_seen(integration_id: int) -> Response:
    decisions.mark_set_back_seen(integration_id, current_actor())
    toast("Marked as seen.")
    return go_to(url_for(".list_incidents"))


@bp.post("/deletions/<int:integration_id>")
def approve_deletions(integration_id: int) -> Response:
    decisions.approve_deletions(integration_id, current_actor())
    start_due_runs()
    toast("Approved. The next order download marks the deleted orders.")
    return go_to(url_for(".list_incidents"))
