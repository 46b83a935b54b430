"""One feed: its state, its settings by section, its runs; fetching it now, and switching it on and off."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.feeds import answers, labels
from blueprints.feeds.forms import RulesForm
from blueprints.forms import Answer, form_page, yes_or_no
from blueprints.htmx import back_to, fragment, go_to, toast, wants_fragment
from errors import AppError, NotFound
from jobs.schedule import start_due_runs
from services.feeds import overview, removal, suppliers

bp = Blueprint("feeds", __name__, url_prefix="/suppliers/feeds")


@bp.get("/<int:feed_id>")
def show_feed(feed_id: int) -> Answer:
    shown = _shown(feed_id, request.args.get("page", ""))
    if wants_fragment("live"):
        return _live(feed_id)
    feed = suppliers.get_feed(feed_id)
    parts = {"file": labels.file_facts(feed), "columns": labels.column_facts(feed), "rules": labels.rule_facts(feed)}
    return render_template("feeds/feed.html", parts=parts, **shown)


def _shown(feed_id: int, place: str = "") -> dict[str, Any]:
    """The state of a feed and its runs."""
    return {
        "row": overview.get_row(feed_id), "page": overview.list_runs(feed_id, place),
        "link": lambda number: url_for(".show_feed", feed_id=feed_id, page=number, _anchor="runs"),
    }  # fmt: skip


def _live(feed_id: int) -> Response:
    shown = _shown(feed_id)
    return fragment("feeds/_live.html", announce=f"{shown['row'].name}: {labels.STATES[shown['row'].state][0]}", **shown)


@bp.get("/<int:feed_id>/row")
def show_row(feed_id: int) -> Response | AnyResponse:
    """The row of the list, while the feed is being fetched."""
    if not wants_fragment(f"feed-{feed_id}"):
        return redirect(url_for("suppliers.list_suppliers"), code=303)
    try:
        row = overview.get_row(feed_id)
    except NotFound:
        # Removed in another tab: the row disappears, and its polling ends.
        return make_response("")
    return fragment("feeds/_feed_row.html", row=row, announce=f"{row.name}: {labels.STATES[row.state][0]}")


@bp.post("/<int:feed_id>/enabled")
def set_enabled(feed_id: int) -> Response | AnyResponse:
    suppliers.change_feed(feed_id, current_actor(), enabled=yes_or_no("enabled"))
    if wants_fragment("live"):
        return _live(feed_id)
    if wants_fragment(f"feed-{feed_id}"):
        return fragment("feeds/_feed_row.html", row=overview.get_row(feed_id))
    return redirect(back_to(url_for(".show_feed", feed_id=feed_id)), code=303)


@bp.post("/<int:feed_id>/fetch")
def fetch_now(feed_id: int) -> Response | AnyResponse:
    answers.fetch(feed_id)
    return _live(feed_id) if wants_fragment("live") else go_to(url_for(".show_feed", feed_id=feed_id))


@bp.route("/<int:feed_id>/rules", methods=["GET", "POST"])
@keeps_input
def edit_rules(feed_id: int) -> Answer:
    """What its quantities mean, its limits, and its schedule."""
    row = overview.get_row(feed_id)
    form = RulesForm(data=answers.of_rules(answers.rules_of(feed_id)))
    if form.validate_on_submit() and _change(feed_id, form):
        toast("Saved.")
        return go_to(url_for(".show_feed", feed_id=feed_id))
    return form_page("feeds/rules.html", form, row=row)


def _change(feed_id: int, form: RulesForm) -> bool:
    try:
        suppliers.change_feed(feed_id, current_actor(), **answers.rules(form))
    except AppError as error:
        answers.refuse(form, error)
        return False
    return True


@bp.route("/<int:feed_id>/remove", methods=["GET", "POST"])
def remove_feed(feed_id: int) -> Answer:
    row = overview.get_row(feed_id)
    if request.method == "POST":
        removal.remove_feed(feed_id, current_actor())
        start_due_runs()
        toast(f"{row.name} is removed.")
        return go_to(url_for("suppliers.show_supplier", supplier_id=row.supplier_id))
    shown: dict[str, Any] = {
        "consequence": removal.consequence(overview.count_fed([feed_id])),
        "back": url_for(".show_feed", feed_id=feed_id),
    }
    return render_template("feeds/remove.html", name=f"{row.name} of {row.supplier}", **shown)
