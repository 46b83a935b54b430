"""‘Add sales channel’: the catalogue, and the steps, each with its own address. Only the last step creates an integration."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.formats import reader_zone
from blueprints.forms import as_answer
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.integrations.forms import OptionsForm
from blueprints.onboarding import options
from blueprints.onboarding.forms import NameForm, ShopForm
from errors import AppError, InvalidInput, QueueAway, TooMany
from jobs.checks import start_check
from jobs.schedule import start_due_runs
from services.integrations import lifecycle
from services.onboarding import check_advice, connect, drafts
from services.onboarding.drafts import DraftGone, OpenDraft
from services.security import vault
from services.shops import connection, kinds

bp = Blueprint("onboarding", __name__, url_prefix="/settings/sales-channels/add")

Answer = str | Response | AnyResponse | tuple[str, int]


@bp.errorhandler(DraftGone)
def leave_for_list(error: DraftGone) -> Answer:
    toast(error.message, "info")
    return go_to(url_for("integrations.list_integrations"))


def _draft(token: str) -> OpenDraft:
    return drafts.open_draft(token, current_actor(), "add")


@bp.get("")
def show_catalogue() -> Answer:
    return render_template("onboarding/catalogue.html", kinds=kinds.list_kinds(), drafts=drafts.list_drafts(current_actor()))


@bp.route("/<kind>", methods=["GET", "POST"])
@keeps_input
def begin(kind: str) -> Answer:
    """The first step, before there is a draft: the name."""
    known = kinds.get_kind(kind)
    form = NameForm()
    if form.validate_on_submit() and (name := _free_name(form)):
        token = drafts.create("add", kind, current_actor(), {"name": name})
        return go_to(url_for(".ask_shop", token=token))
    return _name_page(form, known, "")


@bp.route("/<token>/name", methods=["GET", "POST"])
@keeps_input
def ask_name(token: str) -> Answer:
    draft = _draft(token)
    form = NameForm(data={"name": draft.answers["name"]})
    if form.validate_on_submit() and (name := _free_name(form)):
        drafts.answer(token, current_actor(), name=name)
        return go_to(url_for(".ask_shop", token=token))
    return _name_page(form, kinds.get_kind(draft.kind), token)


def _free_name(form: NameForm) -> str:
    """The cleaned name; empty if it is invalid, and then the form shows why."""
    try:
        name = lifecycle.clean_name(form.name.data or "")
        lifecycle.refuse_taken_name(name)
    except AppError as error:
        error.field = "name"
        form.refuse(error)
        return ""
    return name


def _name_page(form: NameForm, kind: kinds.Kind, token: str) -> Answer:
    page = render_template("onboarding/wizard_name.html", form=form, kind=kind, token=token, step=1)
    return make_response(page, 422 if form.is_submitted() else 200)


@bp.route("/<token>/shop", methods=["GET", "POST"])
@keeps_input
def ask_shop(token: str) -> Answer:
    """End point, API key and the questions about tax. ‘Next’ starts the connection check in a worker."""
    draft = _draft(token)
    form = ShopForm(data=_shop_answers(draft))
    form.name_channel(kinds.get_kind(draft.kind).label)
    if not form.validate_on_submit():
        _show_failure(form, draft)
        return _shop_page(form, draft, 422 if form.is_submitted() else 200)
    draft = _keep_shop(form, draft)
    if not form.complaints():
        try:
            start_check(token, current_actor())
            return go_to(url_for(".watch_check", token=token))
        except (QueueAway, TooMany) as error:
            form.refuse(error)
    return _shop_page(form, draft, 422)


def _shop_answers(draft: OpenDraft) -> dict[str, str]:
    answers = {**draft.answers, **options.accepted(draft)}
    return {
        "endpoint": answers.get("endpoint", ""),
        "use_tax": as_answer(answers.get("use_tax")),
        "use_shipping_tax": as_answer(answers.get("use_shipping_tax")),
        "surcharge_name": answers.get("surcharge_name", ""),
    }


def _key_of(form: ShopForm, draft: OpenDraft) -> str:
    """The key that was entered, or the one of the draft; empty if there is none yet."""
    return (form.api_key.data or "").strip() or str(draft.answers.get("api_key", ""))


def _ask_for_key(form: ShopForm, draft: OpenDraft) -> None:
    if not _key_of(form, draft):
        form.refuse(InvalidInput("Enter the API key.", "The steps next to the field show where to find it.", field="api_key"))


def _keep_shop(form: ShopForm, draft: OpenDraft) -> OpenDraft:
    """Store the input, valid or not, so that nothing has to be entered twice."""
    endpoint = (form.endpoint.data or "").strip()
    if request.form.get("use") == "moved_to":
        # The address comes from the shop's answer, not from the form.
        endpoint = draft.found.get("check", {}).get("moved_to") or endpoint
        form.endpoint.data = endpoint
    kept = drafts.answer(
        draft.token,
        current_actor(),
        endpoint=endpoint,
        api_key=_key_of(form, draft),
        options=options.without_money(draft),
        **form.money(),
    )
    _ask_for_key(form, draft)
    try:
        connection.normalise(draft.kind, endpoint)
    except InvalidInput as error:
        form.refuse(error)
    return kept


def _show_failure(form: ShopForm, draft: OpenDraft) -> None:
    """Show at their fields what is missing, or why the check failed."""
    check = draft.found.get("check", {})
    if form.is_submitted():
        _ask_for_key(form, draft)
    elif check and not draft.good:
        form.refuse(options.complaint_of(draft.kind, check))


def _shop_page(form: ShopForm, draft: OpenDraft, status: int) -> Answer:
    page = render_template(
        "onboarding/wizard_shop.html", form=form, kind=kinds.get_kind(draft.kind), token=draft.token, step=2,
        key_last4=vault.last4(draft.answers.get("api_key", "")), has_key=bool(draft.answers.get("api_key")),
        site=options.site_of(draft.kind, draft.answers.get("endpoint", "")), check=draft.found.get("check", {}),
    )  # fmt: skip
    return make_response(page, status)


@bp.post("/<token>/address")
def show_address(token: str) -> Answer:
    """The address as Cartlink understands it, and where to find its API key."""
    draft = _draft(token)
    site = options.site_of(draft.kind, request.form.get("endpoint", ""))
    kind = kinds.get_kind(draft.kind)
    return fragment("onboarding/_address.html", site=site, kind=kind, check=options.check_of(draft, site))


@bp.get("/<token>/check")
def watch_check(token: str) -> Answer:
    draft = _draft(token)
    if draft.state == "done" or not draft.state:
        return go_to(url_for(".ask_options" if draft.good else ".ask_shop", token=token))
    context: dict[str, Any] = {
        "draft": draft,
        "late": draft.is_late,
        "step": 2,
        "kind": kinds.get_kind(draft.kind),
        "token": token,
    }
    context["here"], context["back"] = url_for(".watch_check", token=token), url_for(".ask_shop", token=token)
    if wants_fragment("check"):
        return fragment("onboarding/_check.html", announce=draft.phase, **context)
    return render_template("onboarding/wizard_check.html", **context)


@bp.route("/<token>/options", methods=["GET", "POST"])
@keeps_input
def ask_options(token: str) -> Answer:
    """The options, with a preview of the last orders. ‘Next’ creates the integration."""
    draft = _draft(token)
    if not draft.good:
        return go_to(url_for(".ask_shop", token=token))
    form = options.draft_form(draft)
    action = request.form.get("action", "")
    if action == "suggest":
        form = options.suggested_form(draft, form)
    if action or not form.validate_on_submit() or not _connect(draft, form):
        return _options_page(form, draft, 422 if form.is_submitted() and not action else 200)
    return go_to(url_for("integrations.list_integrations"))


def _connect(draft: OpenDraft, form: OptionsForm) -> bool:
    """Create the integration. If that is refused, the form shows why."""
    since = form.first_moment(reader_zone())
    try:
        take_history = request.form.get("history") != "no"
        made = connect.connect(draft, form.answers(), since, take_history=take_history, zone=str(reader_zone()))
    except AppError as error:
        form.refuse(error)
        return False
    start_due_runs()
    toast(f"{made.name} is connected. Cartlink is downloading its orders and listings.")
    return True


def _options_page(form: OptionsForm, draft: OpenDraft, status: int) -> Answer:
    history = draft.found.get("history")
    page = render_template(
        "onboarding/wizard_options.html", form=form, kind=kinds.get_kind(draft.kind), token=draft.token, step=3,
        found=draft.found, proposals=options.proposals(draft), orders=options.preview_draft(draft, form),
        offered=options.offered(draft, form), money=options.MONEY, history=history, take_history=request.form.get("history") != "no",
        removed_at=options.moment_of(history["removed_at"]) if history else None,
        here=url_for(".show_import_preview", token=draft.token), further_advice=check_advice.further_advice(draft.found["check"]["advice"]),
        site=options.site_of(draft.kind, draft.answers["endpoint"]),
    )  # fmt: skip
    return make_response(page, status)


@bp.post("/<token>/import-preview")
def show_import_preview(token: str) -> Answer:
    """The last orders as these answers would import them."""
    draft = _draft(token)
    form = options.draft_form(draft)
    drafts.answer(token, current_actor(), options=options.to_keep(form))
    context: dict[str, Any] = {"orders": options.preview_draft(draft, form), "found": draft.found}
    return fragment("integrations/_import_preview.html", here=url_for(".show_import_preview", token=token), **context)


@bp.post("/<token>/cancel")
def cancel(token: str) -> Answer:
    drafts.discard(token, current_actor())
    toast("Nothing was added.", "info")
    return go_to(url_for("integrations.list_integrations"))
