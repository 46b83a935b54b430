"""A stock item's offers side by side, and where its quantity comes from: our own count, or suppliers."""

from __future__ import annotations

from flask import Blueprint, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.forms import Answer, yes_or_no
from blueprints.htmx import go_to, toast
from jobs.schedule import start_due_runs
from services.feeds import fed_stock, item_pages
from services.stock import views

bp = Blueprint("feed_items", __name__, url_prefix="/stock")


@bp.app_template_global()
def fed_of(item_id: int) -> item_pages.Fed:
    """What the page of a stock item shows of its offers."""
    return item_pages.get_fed(item_id)


@bp.route("/<int:item_id>/suppliers", methods=["GET", "POST"])
def switch(item_id: int) -> Answer:
    """Make an own item fed, or a fed item own, after a confirmation."""
    if request.method == "GET":
        return render_template("feeds/switch_item.html", row=views.get_row(item_id), fed=item_pages.get_fed(item_id))
    fed = yes_or_no("fed")
    (fed_stock.make_fed if fed else fed_stock.make_own)([item_id], current_actor())
    start_due_runs()
    toast("Its quantity comes from suppliers now." if fed else "It is an own item now.")
    return go_to(url_for("stock.show_item", item_id=item_id))


@bp.post("/<int:item_id>/fed-rule")
def set_rule(item_id: int) -> Answer:
    """How the offers of several feeds make its quantity."""
    fed_stock.make_fed([item_id], current_actor(), request.form.get("rule") or "?")
    start_due_runs()
    toast("Saved.")
    return go_to(url_for("stock.show_item", item_id=item_id))
