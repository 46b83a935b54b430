"""The steps that set up a feed, or change where its file is and how it is read. Only the last step makes or changes a feed."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Blueprint, make_response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.column_choice import Choice, column_page, is_preview
from blueprints.expired import keeps_input
from blueprints.feeds import answers
from blueprints.feeds.forms import FileForm, RulesForm
from blueprints.forms import Answer
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.stock.quantity_columns import posted_choice, shown_choice
from errors import AppError, InvalidInput, QueueAway, TooMany
from jobs.checks import start_check
from services.feeds import overview
from services.onboarding import drafts, feed_setup
from services.onboarding.drafts import DraftGone, OpenDraft
from services.stock import file_columns, file_rows

bp = Blueprint("feed_setup", __name__, url_prefix="/suppliers")
SET_UP = "/set-up/<token>"


@bp.errorhandler(DraftGone)
def leave_for_list(error: DraftGone) -> Answer:
    toast(error.message, "info")
    return go_to(url_for("suppliers.list_suppliers"))


def _draft(token: str) -> OpenDraft:
    return feed_setup.open_setup(token, current_actor())


def _about(draft: OpenDraft, step: int) -> dict[str, Any]:
    """What the frame of every step shows."""
    return {"draft": draft, "token": draft.token, "step": step, "supplier": overview.get_supplier(draft.answers["supplier_id"])}


@bp.post("/<int:supplier_id>/feeds")
def begin(supplier_id: int) -> Answer:
    return go_to(url_for(".ask_file", token=feed_setup.begin(supplier_id, current_actor())))


@bp.post("/feeds/<int:feed_id>/change")
def begin_change(feed_id: int) -> Answer:
    """To the first step; for other columns at once to the check, which reads the file's first rows."""
    token = feed_setup.begin_change(feed_id, current_actor())
    if request.form.get("part") == "columns":
        start_check(token, current_actor())
        return go_to(url_for(".watch_check", token=token))
    return go_to(url_for(".ask_file", token=token))


@bp.route(f"{SET_UP}/file", methods=["GET", "POST"])
@keeps_input
def ask_file(token: str) -> Answer:
    """Where the file is. ‘Next’ starts the check in a worker."""
    draft = _draft(token)
    form = FileForm(data=answers.of_place(draft.answers))
    if form.validate_on_submit():
        try:
            feed_setup.keep_place(draft, current_actor(), answers.place(form), answers.typed_secret(form))
            start_check(token, current_actor())
            return go_to(url_for(".watch_check", token=token))
        except (InvalidInput, QueueAway, TooMany) as error:
            answers.refuse(form, error)
    elif not form.is_submitted():
        answers.show_failure(form, draft)
    return _file_page(form, _draft(token))


def _file_page(form: FileForm, draft: OpenDraft) -> Answer:
    page = render_template(
        "feeds/step_file.html",
        form=form,
        has_secret=feed_setup.has_secret(draft),
        secret_last4=answers.last4(draft),
        **_about(draft, 1),
    )
    return make_response(page, 422 if form.is_submitted() else 200)


@bp.get(f"{SET_UP}/check")
def watch_check(token: str) -> Answer:
    draft = _draft(token)
    if draft.good:
        return go_to(url_for(".ask_columns", token=token))
    key = draft.found.get("key") if draft.state == "done" else None
    if not key and draft.state in ("", "done"):
        return go_to(url_for(".ask_file", token=token))
    late = draft.is_late
    context = {"key": key, "late": late, "live": not key and not late, **_about(draft, 2)}
    if wants_fragment("check"):
        return fragment("feeds/_check.html", announce="Compare the host key." if key else draft.phase, **context)
    return render_template("feeds/step_check.html", **context)


@bp.post(f"{SET_UP}/host-key")
def confirm_key(token: str) -> Answer:
    """The host key that the person has compared; the check goes on with it."""
    feed_setup.confirm_key(_draft(token), request.form.get("fingerprint", ""), current_actor())
    start_check(token, current_actor())
    return go_to(url_for(".watch_check", token=token))


@bp.route(f"{SET_UP}/columns", methods=["GET", "POST"])
def ask_columns(token: str) -> Answer:
    draft = _draft(token)
    if not draft.good:
        return go_to(url_for(".ask_file", token=token))
    choice = posted_choice() if request.method == "POST" else shown_choice(feed_setup.suggested(draft))
    if not is_preview() and choice.wrong is None:
        try:
            feed_setup.keep_columns(draft, current_actor(), choice.chosen, choice.options)
            return go_to(url_for(".ask_rules", token=token))
        except InvalidInput as wrong:
            choice = Choice(choice.chosen, choice.options, wrong)
    return _columns_page(draft, choice)


def _columns_page(draft: OpenDraft, choice: Choice) -> Answer:
    headings, rows = draft.found["headings"], draft.found["rows"]
    read = partial(file_columns.sample, headings, rows, most=file_rows.MOST)
    return column_page(
        "feeds/step_columns.html", headings, file_columns.FIELDS, choice, read, found=draft.found, preview=is_preview(),
        form_url=request.path, next_label="Next", remembered=False, **_about(draft, 3),
    )  # fmt: skip


@bp.route(f"{SET_UP}/rules", methods=["GET", "POST"])
@keeps_input
def ask_rules(token: str) -> Answer:
    """The last step. It makes the feed, whose first fetch waits for approval."""
    draft = _draft(token)
    if not draft.good or draft.answers.get("columns") is None:
        return go_to(url_for(".ask_columns", token=token))
    form = RulesForm(data=answers.of_rules(answers.present_rules(draft)))
    if form.validate_on_submit() and (feed_id := _save(draft, form)):
        return go_to(url_for("feeds.show_feed", feed_id=feed_id))
    page = render_template("feeds/step_rules.html", form=form, **_about(draft, 4))
    return make_response(page, 422 if form.is_submitted() else 200)


def _save(draft: OpenDraft, form: RulesForm) -> int | None:
    """The id of the feed. If it is refused, the form shows why."""
    try:
        feed_id = feed_setup.save(draft, current_actor(), answers.rules(form))
    except AppError as error:
        answers.refuse(form, error)
        return None
    # A tick may have been faster.
    answers.fetch(feed_id, quiet=True)
    return feed_id


@bp.post(f"{SET_UP}/cancel")
def cancel(token: str) -> Answer:
    drafts.discard(token, current_actor())
    toast("Nothing was changed.", "info")
    return go_to(url_for("suppliers.list_suppliers"))
