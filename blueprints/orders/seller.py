"""The seller's name, address and logo on printed documents. For owners."""

from __future__ import annotations

from flask import Blueprint, Response, url_for

from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.files import uploaded_image
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, toast
from blueprints.orders.forms import SellerForm
from errors import InvalidInput
from services.orders import images, seller

bp = Blueprint("seller", __name__, url_prefix="/settings/printed-documents")


@bp.route("", methods=["GET", "POST"])
@keeps_input
def change_seller() -> Answer:
    kept = seller.get_seller()
    form = SellerForm(name=kept.name, address=kept.address, footer=kept.footer)
    if form.validate_on_submit():
        try:
            content = uploaded_image("logo", images.MOST_BYTES)
            logo = images.check(content, "logo") if content else None
            seller.change_seller(form.texts(), current_actor(), logo=logo, remove_logo=form.remove_logo.data)
        except InvalidInput as error:
            form.refuse(error)
        else:
            toast("Saved.")
            return go_to(url_for(".change_seller"))
    return form_page("settings/seller.html", form, kept=kept)


@bp.get("/logo")
def show_logo() -> Response:
    kept = seller.get_logo()
    response = Response(kept.logo, mimetype=kept.logo_type)
    response.cache_control.private = True
    response.cache_control.max_age = 3600
    return response
