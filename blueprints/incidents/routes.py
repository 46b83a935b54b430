"""The pages of incidents."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.htmx import go_to, toast
from blueprints.incidents.forms import IncidentFilter
from blueprints.numbers import argument
from services import incident_list, incidents

bp = Blueprint("incidents", __name__, url_prefix="/incidents")


@bp.get("")
def list_incidents() -> str:
    form = IncidentFilter(request.args)
    filters = form.chosen()
    page = incident_list.list_page(
        argument("page") or 1, state=form.state.data, integration=form.integration.data, topic=form.topic.data,
        sort=form.sort.data,
    )  # fmt: skip
    return render_template(
        "incidents/list.html", page=page, form=form, filters=filters,
        link=lambda wanted: url_for(".list_incidents", page=wanted, **filters),
    )  # fmt: skip


@bp.get("/<int:incident_id>")
def show_incident(incident_id: int) -> str:
    return render_template("incidents/incident.html", seen=incident_list.get_incident(incident_id))


@bp.post("/<int:incident_id>/mute")
def mute(incident_id: int) -> Response:
    incidents.mute(incident_id, current_actor())
    toast("No more reminders of this one. You are told when it is over.")
    return go_to(url_for(".show_incident", incident_id=incident_id))
