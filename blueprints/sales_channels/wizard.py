"""‘Add sales channel’: the catalogue, and the set-up with an address for each step. Nothing is an integration before the last."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.sales_channels import options
from blueprints.sales_channels.forms import NameForm, OptionsForm, ShopForm, as_answer
from blueprints.times import reader_zone
from errors import AppError, InvalidInput, QueueAway
from jobs.checks import start_check
from jobs.schedule import start_due_runs
from services import catalogue, connecting, drafts, integrations
from services.drafts import DraftGone, OpenDraft

bp = Blueprint("wizard", __name__, url_prefix="/settings/sales-channels/add")

Answer = str | Response | AnyResponse | tuple[str, int]


@bp.errorhandler(DraftGone)
def leave_for_list(error: DraftGone) -> Answer:
    toast(error.message, "info")
    return go_to(url_for("sales_channels.list_integrations"))


def _draft(token: str) -> OpenDraft:
    return drafts.open_draft(token, current_actor(), "add")


@bp.get("")
def show_catalogue() -> Answer:
    return render_template(
        "sales_channels/catalogue.html", kinds=catalogue.list_kinds(), drafts=drafts.list_drafts(current_actor())
    )


@bp.route("/<kind>", methods=["GET", "POST"])
@keeps_input
def begin(kind: str) -> Answer:
    """The name, before there is a draft."""
    known = catalogue.get_kind(kind)
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
    return _name_page(form, catalogue.get_kind(draft.kind), token)


def _free_name(form: NameForm) -> str:
    """The name, clean; empty where it cannot be used, which the form then says."""
    try:
        name = integrations.clean_name(form.name.data or "")
        integrations.refuse_taken_name(name)
    except AppError as error:
        error.field = "name"
        form.refuse(error)
        return ""
    return name


def _name_page(form: NameForm, kind: catalogue.Kind, token: str) -> Answer:
    page = render_template("sales_channels/wizard_name.html", form=form, kind=kind, token=token, step=1)
    return make_response(page, 422 if form.is_submitted() else 200)


@bp.route("/<token>/shop", methods=["GET", "POST"])
@keeps_input
def ask_shop(token: str) -> Answer:
    """The end point, the key and the questions on tax. ‘Next’ has a worker test the connection."""
    draft = _draft(token)
    form = ShopForm(data=_shop_answers(draft))
    form.name_channel(catalogue.get_kind(draft.kind).label)
    if not form.validate_on_submit():
        _show_failure(form, draft)
        return _shop_page(form, draft, 422 if form.is_submitted() else 200)
    draft = _keep_shop(form, draft)
    if not form.complaints():
        try:
            start_check(token, current_actor())
            return go_to(url_for(".watch_check", token=token))
        except QueueAway as error:
            form.refuse(error)
    return _shop_page(form, draft, 422)


def _shop_answers(draft: OpenDraft) -> dict[str, str]:
    answers = draft.answers
    return {
        "endpoint": answers.get("endpoint", ""),
        "use_tax": as_answer(answers.get("use_tax")),
        "use_shipping_tax": as_answer(answers.get("use_shipping_tax")),
        "surcharge_name": answers.get("surcharge_name", ""),
    }


def _keep_shop(form: ShopForm, draft: OpenDraft) -> OpenDraft:
    """Keep what was typed, even where it cannot be used, so that nothing has to be typed twice."""
    endpoint = (form.endpoint.data or "").strip()
    if request.form.get("use") == "moved_to":
        # The address is the one that the shop's answer named, not one that came with the form.
        endpoint = draft.found.get("check", {}).get("moved_to") or endpoint
        form.endpoint.data = endpoint
    key = (form.api_key.data or "").strip() or draft.answers.get("api_key", "")
    kept = drafts.answer(draft.token, current_actor(), endpoint=endpoint, api_key=key, **form.money())
    if not key:
        form.refuse(InvalidInput("Enter the API key.", "The steps beside the field say where it is.", field="api_key"))
    try:
        integrations.normalise(draft.kind, endpoint)
    except InvalidInput as error:
        form.refuse(error)
    return kept


def _show_failure(form: ShopForm, draft: OpenDraft) -> None:
    """After a check that went wrong the step says why, at the field it is about."""
    check = draft.found.get("check", {})
    if form.is_submitted() or not check or draft.good:
        return
    form.refuse(options.complaint_of(check))


def _shop_page(form: ShopForm, draft: OpenDraft, status: int) -> Answer:
    page = render_template(
        "sales_channels/wizard_shop.html", form=form, kind=catalogue.get_kind(draft.kind), token=draft.token, step=2,
        key_last4=integrations.last4(draft.answers.get("api_key", "")), has_key=bool(draft.answers.get("api_key")),
        site=options.site_of(draft.kind, draft.answers.get("endpoint", "")), check=draft.found.get("check", {}),
    )  # fmt: skip
    return make_response(page, status)


@bp.post("/<token>/address")
def show_address(token: str) -> Answer:
    """What is made of the address typed so far, and where its key is to be found."""
    draft = _draft(token)
    site = options.site_of(draft.kind, request.form.get("endpoint", ""))
    kind = catalogue.get_kind(draft.kind)
    return fragment("sales_channels/_address.html", site=site, kind=kind, check=options.check_of(draft, site))


@bp.get("/<token>/check")
def watch_check(token: str) -> Answer:
    draft = _draft(token)
    if draft.state == "done" or not draft.state:
        return go_to(url_for(".ask_options" if draft.good else ".ask_shop", token=token))
    context = {"draft": draft, "late": options.is_late(draft), "step": 2, "kind": catalogue.get_kind(draft.kind), "token": token}
    context["here"], context["back"] = url_for(".watch_check", token=token), url_for(".ask_shop", token=token)
    if wants_fragment("check"):
        return fragment("sales_channels/_check.html", announce=draft.phase, **context)
    return render_template("sales_channels/wizard_check.html", **context)


@bp.route("/<token>/options", methods=["GET", "POST"])
@keeps_input
def ask_options(token: str) -> Answer:
    """What of the shop is used, beside its last orders as they would come in. ‘Next’ makes the integration."""
    draft = _draft(token)
    if not draft.good:
        return go_to(url_for(".ask_shop", token=token))
    form = options.draft_form(draft)
    action = request.form.get("action", "")
    if action == "suggest":
        form = options.suggested_form(draft, form)
    if action or not form.validate_on_submit() or not _connect(draft, form):
        return _options_page(form, draft, 422 if form.is_submitted() and not action else 200)
    return go_to(url_for("sales_channels.list_integrations"))


def _connect(draft: OpenDraft, form: OptionsForm) -> bool:
    """Make the integration; where that is refused, the form says why."""
    since = form.first_moment(reader_zone())
    try:
        take_history = request.form.get("history") != "no"
        made = connecting.connect(draft, form.answers(), since, take_history=take_history, zone=str(reader_zone()))
    except AppError as error:
        form.refuse(error)
        return False
    start_due_runs()
    toast(f"{made.name} is connected. Its orders and listings are being downloaded.")
    return True


def _options_page(form: OptionsForm, draft: OpenDraft, status: int) -> Answer:
    history = draft.found.get("history")
    page = render_template(
        "sales_channels/wizard_options.html", form=form, kind=catalogue.get_kind(draft.kind), token=draft.token, step=3,
        found=draft.found, proposals=options.proposals(draft), orders=options.rehearse_draft(draft, form),
        differs=options.differs(draft, form), history=history, take_history=request.form.get("history") != "no",
        removed_at=options.moment_of(history["removed_at"]) if history else None,
        here=url_for(".show_rehearsal", token=draft.token),
    )  # fmt: skip
    return make_response(page, status)


@bp.post("/<token>/rehearsal")
def show_rehearsal(token: str) -> Answer:
    """The last orders under the answers given so far."""
    draft = _draft(token)
    form = options.draft_form(draft)
    drafts.answer(token, current_actor(), options=options.to_keep(form), **form.money())
    context = {"orders": options.rehearse_draft(draft, form), "found": draft.found}
    return fragment("sales_channels/_rehearsal.html", here=url_for(".show_rehearsal", token=token), **context)


@bp.post("/<token>/cancel")
def cancel(token: str) -> Answer:
    drafts.discard(token, current_actor())
    toast("Nothing was added.", "info")
    return go_to(url_for("sales_channels.list_integrations"))
