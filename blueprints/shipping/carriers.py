"""The carriers: their names, and the links with which parcels are tracked."""

from __future__ import annotations

from flask import Blueprint, Response, g, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, toast
from blueprints.shipping.forms import CarrierForm
from errors import InvalidInput
from models import Carrier
from services.shipping import carriers

bp = Blueprint("carriers", __name__, url_prefix="/settings/carriers")


@bp.get("")
def list_carriers() -> str:
    return render_template("shipping/carriers.html", carriers=carriers.list_carriers())


@bp.route("/new", methods=["GET", "POST"])
@keeps_input
def add_carrier() -> Answer:
    return _edit(CarrierForm(), None)


@bp.route("/<int:carrier_id>", methods=["GET", "POST"])
@keeps_input
def edit_carrier(carrier_id: int) -> Answer:
    kept = carriers.get_carrier(carrier_id)
    return _edit(CarrierForm(name=kept.name, aliases="\n".join(kept.aliases), tracking_url=kept.tracking_url), kept)


@bp.post("/<int:carrier_id>/remove")
def remove_carrier(carrier_id: int) -> Response | AnyResponse:
    carriers.remove_carrier(carrier_id, current_actor())
    toast("The carrier is removed.")
    return go_to(url_for(".list_carriers"))


def _edit(form: CarrierForm, kept: Carrier | None) -> Answer:
    if form.validate_on_submit():
        try:
            aliases = (form.aliases.data or "").splitlines()
            carriers.save_carrier(
                kept.id if kept else None, form.name.data or "", aliases, form.tracking_url.data or "", current_actor()
            )
        except InvalidInput as error:
            form.refuse(error)
        else:
            toast("Saved.")
            return go_to(url_for(".list_carriers"))
    return form_page("shipping/carrier.html", form, kept=kept)


@bp.app_template_global()
def tracking_link(carrier: str, tracking_number: str) -> str:
    """The web address that shows a parcel, or nothing."""
    return links().link(carrier, tracking_number)


def links() -> carriers.Links:
    """The table as it is when a page first needs it, read once a request."""
    if "tracking_links" not in g:
        g.tracking_links = carriers.read_links()
    found: carriers.Links = g.tracking_links
    return found
