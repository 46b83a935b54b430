"""Suppliers: the list with their feeds, one supplier, adding, changing and removing."""

from __future__ import annotations

from flask import Blueprint, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.feeds.forms import SupplierForm
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, toast
from blueprints.numbers import argument
from blueprints.unreadable import choice
from errors import AppError
from jobs.schedule import start_due_runs
from services.common.paging import slice_of
from services.feeds import overview, removal, suppliers
from services.feeds.overview import SupplierRow
from services.onboarding import feed_setup

bp = Blueprint("suppliers", __name__, url_prefix="/suppliers")
PAGE_SIZE = 50


@bp.get("")
def list_suppliers() -> str:
    state = choice("state", overview.PROBLEMS)
    page = slice_of(overview.list_suppliers(state), argument("page") or 1, PAGE_SIZE)
    return render_template(
        "feeds/list.html", page=page, live=any(feed.live for supplier in page.rows for feed in supplier.feeds), state=state,
        counts=overview.count_states(), drafts=feed_setup.list_unfinished(current_actor()),
        link=lambda number: url_for(".list_suppliers", page=number, state=state or None),
    )  # fmt: skip


@bp.route("/add", methods=["GET", "POST"])
@keeps_input
def add_supplier() -> Answer:
    """A new supplier; its first feed is set up next."""
    form = SupplierForm()
    if form.validate_on_submit() and (supplier_id := _create(form)):
        return go_to(url_for("feed_setup.ask_file", token=feed_setup.begin(supplier_id, current_actor())))
    return form_page("feeds/supplier_form.html", form, supplier=None)


def _create(form: SupplierForm) -> int | None:
    try:
        return suppliers.create_supplier(form.name.data or "", form.lead_days.data, current_actor())
    except AppError as error:
        form.refuse(_at_name(error))
        return None


def _at_name(error: AppError) -> AppError:
    error.field = error.field or "name"
    return error


@bp.get("/<int:supplier_id>")
def show_supplier(supplier_id: int) -> str:
    supplier = overview.get_supplier(supplier_id)
    return render_template("feeds/supplier.html", supplier=supplier, live=any(feed.live for feed in supplier.feeds))


@bp.route("/<int:supplier_id>/edit", methods=["GET", "POST"])
@keeps_input
def edit_supplier(supplier_id: int) -> Answer:
    supplier = overview.get_supplier(supplier_id)
    form = SupplierForm(data={"name": supplier.name, "lead_days": supplier.lead_days})
    if form.validate_on_submit() and _change(form, supplier):
        toast("Saved.")
        return go_to(url_for(".show_supplier", supplier_id=supplier_id))
    return form_page("feeds/supplier_form.html", form, supplier=supplier)


def _change(form: SupplierForm, supplier: SupplierRow) -> bool:
    try:
        suppliers.change_supplier(supplier.id, current_actor(), name=form.name.data or "", lead_days=form.lead_days.data)
    except AppError as error:
        form.refuse(_at_name(error))
        return False
    return True


@bp.route("/<int:supplier_id>/remove", methods=["GET", "POST"])
def remove_supplier(supplier_id: int) -> Answer:
    supplier = overview.get_supplier(supplier_id)
    if request.method == "POST":
        removal.remove_supplier(supplier_id, current_actor())
        start_due_runs()
        toast(f"{supplier.name} is removed.")
        return go_to(url_for(".list_suppliers"))
    consequence = removal.consequence(overview.count_fed([feed.id for feed in supplier.feeds]))
    return render_template(
        "feeds/remove.html", name=supplier.name, consequence=consequence, back=url_for(".show_supplier", supplier_id=supplier_id)
    )
