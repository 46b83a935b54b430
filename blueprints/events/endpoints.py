"""Event endpoints in the settings: their list, one with its deliveries, and what is done about it. For owners."""

from __future__ import annotations

from flask import Blueprint, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.events.forms import EndpointForm, NewEndpointForm
from blueprints.expired import keeps_input
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, toast
from errors import AppError, InvalidInput
from services.common.whole_numbers import parse
from services.events import endpoints, log, replays
from services.events.types import TYPES

bp = Blueprint("event_endpoints", __name__, url_prefix="/settings/event-endpoints")


@bp.get("")
def list_endpoints() -> Answer:
    rows = [(row, endpoints.state_of(row)) for row in endpoints.list_endpoints()]
    return render_template("events/endpoints.html", rows=rows)


@bp.route("/new", methods=["GET", "POST"])
@keeps_input
def create_endpoint() -> Answer:
    """The secret is shown once, in this response."""
    form, chosen = NewEndpointForm(), request.form.getlist("types")
    if form.validate_on_submit():
        try:
            made = endpoints.create_endpoint(form.name.data, endpoints.check_address(form.url.data), chosen, current_actor())
        except AppError as error:
            form.refuse(error)
        else:
            return show_secret(made)
    return form_page("events/new_endpoint.html", form, types=TYPES, chosen=chosen)


@bp.route("/<int:endpoint_id>", methods=["GET", "POST"])
@keeps_input
def show_endpoint(endpoint_id: int) -> Answer:
    form, chosen = _form_of(endpoint_id), None
    if form.validate_on_submit():
        chosen = request.form.getlist("types")
        values = {"name": form.name.data, "types": chosen, "enabled": form.enabled.data == "yes"}
        try:
            values |= {"address": endpoints.check_address(form.url.data)} if form.url.data else {}
            endpoints.change_endpoint(endpoint_id, current_actor(), **values)
        except InvalidInput as error:
            form.refuse(error)
        else:
            return done(endpoint_id, "Saved.")
    return endpoint_page(endpoint_id, form, chosen)


def _form_of(endpoint_id: int) -> EndpointForm:
    row = endpoints.get_endpoint(endpoint_id)
    return EndpointForm(name=row.name, enabled="yes" if row.enabled else "no")


def endpoint_page(
    endpoint_id: int, form: EndpointForm, chosen: list[str] | None = None, wrong: InvalidInput | None = None
) -> Answer:
    """``chosen`` are the types that were ticked in the form; ``wrong`` is why the form below it was refused."""
    row = endpoints.get_endpoint(endpoint_id)
    sent = replays.last_deliveries(endpoint_id)
    return form_page(
        "events/endpoint.html", form, row=row, state=endpoints.state_of(row), types=TYPES, sent=sent, wrong=wrong,
        chosen=list(row.types) if chosen is None else chosen, attempts=replays.attempts_of([each.id for each in sent]), newest=log.newest_position(),
    )  # fmt: skip


@bp.post("/<int:endpoint_id>/secret")
def rotate_secret(endpoint_id: int) -> Answer:
    return show_secret(endpoints.rotate_secret(endpoint_id, current_actor()))


@bp.post("/<int:endpoint_id>/test")
def send_test(endpoint_id: int) -> Answer:
    replays.send_test(endpoint_id, request.form.get("type", "test"))
    return done(endpoint_id, "A test event is being sent. Its result appears below.")


@bp.post("/<int:endpoint_id>/resume")
def resume_endpoint(endpoint_id: int) -> Answer:
    endpoints.resume_endpoint(endpoint_id, current_actor(), replay=request.form.get("replay") != "no")
    return done(endpoint_id, "Events are sent again.")


@bp.post("/<int:endpoint_id>/replay")
def replay_events(endpoint_id: int) -> Answer:
    first, last = (parse(request.form.get(name, ""), 10**15) for name in ("first", "last"))
    if not first or last is None or last < first:
        wrong = InvalidInput("Enter the first and the last position as whole numbers.", "The last one is not below the first.")
        return endpoint_page(endpoint_id, _form_of(endpoint_id), wrong=wrong)
    chosen = [each for each in (request.form.get("type", ""),) if each]
    number = replays.replay(endpoint_id, replays.Asked(first - 1, last, chosen))
    return done(endpoint_id, f"{number} events are sent once more.")


@bp.post("/deliveries/<int:delivery_id>/retry")
def retry_delivery(delivery_id: int) -> Answer:
    return done(replays.try_again(delivery_id), "The event is sent once more.")


@bp.post("/<int:endpoint_id>/remove")
def remove_endpoint(endpoint_id: int) -> Answer:
    endpoints.remove_endpoint(endpoint_id, current_actor())
    toast("The event endpoint and its deliveries are removed.")
    return go_to(url_for(".list_endpoints"))


def done(endpoint_id: int, sentence: str) -> Answer:
    toast(sentence)
    return go_to(url_for(".show_endpoint", endpoint_id=endpoint_id))


def show_secret(made: endpoints.Secret) -> Answer:
    page = form_page("events/secret.html", None, made=made, doubt=endpoints.doubt_of(made.endpoint_id))
    page.status_code = 200
    page.headers["Cache-Control"] = "no-store"
    return page
