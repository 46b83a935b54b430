"""Privacy: how long customers' data is kept, and exporting or erasing the data of one order."""

from __future__ import annotations

import json
import logging

from flask import Blueprint, Response, make_response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.expired import keeps_input
from blueprints.htmx import go_to, toast
from blueprints.operations.forms import KeepForm, OrderSearch
from services.operations import privacy
from services.orders import queries

bp = Blueprint("privacy", __name__, url_prefix="/settings/privacy")
log = logging.getLogger("cartlink.security")


@bp.route("", methods=["GET", "POST"])
@keeps_input
def show_privacy() -> Response:
    days = privacy.erased_after()
    form = KeepForm(data={"keep": "forever" if days is None else "days", "days": days or 90})
    if form.validate_on_submit():
        privacy.set_erased_after(form.days.data if form.keep.data == "days" else None, current_actor())
        log.info("%s: customers' data is kept %s", current_actor(), form.days.data or "forever")
        toast("Saved.")
        return go_to(url_for(".show_privacy"))
    page = render_template("operations/privacy.html", form=form, days=days, search=OrderSearch(request.args), **found_orders())
    return make_response(page, 422 if form.is_submitted() else 200)


def found_orders() -> dict[str, object]:
    number = request.args.get("number", "").strip()[:100]
    found = [(order, queries.integration_name(order)) for order in privacy.find_orders(number)]
    return {"number": number, "orders": found}


@bp.get("/orders/<int:order_id>.json")
@download
def export_order(order_id: int) -> Response:
    given = privacy.export_order(order_id)
    log.info("%s exported order %d", current_actor(), order_id)
    answer = Response(json.dumps(given, ensure_ascii=False, indent=1), mimetype="application/json")
    answer.headers.set("Content-Disposition", "attachment", filename=f"order-{order_id}.json")
    return answer


@bp.route("/orders/<int:order_id>/erase", methods=["GET", "POST"])
def erase_order(order_id: int) -> Response | str:
    order = privacy.get_order(order_id)
    shown = order.number or order.external_id
    if request.method == "POST":
        privacy.erase_order(order_id)
        log.info("%s erased the customer's data of order %d", current_actor(), order_id)
        toast(f"The customer’s data of order {shown} is erased.")
        return go_to(url_for(".show_privacy", number=shown))
    return render_template("operations/erase.html", order=order, shown=shown, shop=queries.integration_name(order))
