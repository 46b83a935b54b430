"""Save and remove views of lists, and choose their columns."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, abort, render_template, request, url_for
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from blueprints.forms import ListFilter
from blueprints.htmx import back_to, go_to, toast
from blueprints.listings.forms import ListingFilter
from blueprints.orders.forms import OrderFilter
from blueprints.runs.forms import RunFilter
from blueprints.stock.forms import StockFilter
from errors import InvalidInput, NameTaken
from services.accounts import list_views

bp = Blueprint("list_views", __name__, url_prefix="/lists")


@dataclass(frozen=True, slots=True)
class Known:
    endpoint: str
    filters: type[ListFilter]

    @property
    def columns(self) -> list[str]:
        return [column.name for column in self.filters.COLUMNS if not column.fixed]


LISTS = {
    "orders": Known("orders.list_orders", OrderFilter), "stock": Known("stock.list_stock", StockFilter),
    "listings": Known("listings.list_listings", ListingFilter), "runs": Known("runs.list_runs", RunFilter),
}  # fmt: skip


@bp.post("/<name>/views")
def save_view(name: str) -> tuple[str, int] | Response:
    known = LISTS.get(name) or abort(404)
    form = known.filters(MultiDict(parse_qsl(request.form.get("filters", ""))))
    filters = form.chosen()
    title = " ".join(request.form.get("name", "").split())
    try:
        replaced = list_views.save_view(current_user.id, name, title, filters, replace="replace" in request.form)
    except NameTaken as taken:
        return _question(name, known, form, title), taken.status
    except InvalidInput as wrong:
        toast(wrong.sentence(), "warning")
    else:
        toast(f"The view ‘{title}’ was replaced. It has these filters now." if replaced else f"The view ‘{title}’ was saved.")
    return go_to(url_for(known.endpoint, **filters))


def _question(name: str, known: Known, form: ListFilter, title: str) -> str:
    """The page that asks whether to replace a view of this name."""
    view = list_views.view_named(current_user.id, name, title) or abort(409)
    return render_template(
        "accounts/replace_view.html", view=view, title=title, query=urlencode(form.chosen()), list_name=name,
        before=_filters_in_words(known.filters(MultiDict(view.filters))), after=_filters_in_words(form), back=url_for(known.endpoint, **form.chosen()),
    )  # fmt: skip


def _filters_in_words(form: ListFilter) -> str:
    """All filters with the order of the list, so that two views that differ in it alone are not called the same."""
    sort = form.chosen().get("sort")
    order = [str(choice.label) for choice in form["sort"].choices if choice.value == sort] if sort else []
    return ", ".join([*form.in_words(), *order]) or "No filters"


@bp.post("/views/<int:view_id>/remove")
def remove_view(view_id: int) -> Response:
    list_views.remove_view(current_user.id, view_id)
    toast("The view was removed.")
    return go_to(back_to(url_for("orders.list_orders")))


@bp.post("/<name>/columns")
def choose_columns(name: str) -> Response:
    known = LISTS.get(name) or abort(404)
    wanted = set(request.form.getlist("column"))
    chosen = [column for column in known.columns if column in wanted]
    list_views.choose_columns(current_user.id, name, chosen)
    toast("The columns were saved." if chosen else "You selected no columns, so the usual ones are shown.")
    return go_to(back_to(url_for(known.endpoint)))
