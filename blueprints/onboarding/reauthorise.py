"""‘Reauthorise’: a new end point or API key, tested before it is saved. It opens in a new window, and works as a page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.onboarding import options
from blueprints.onboarding.forms import ReauthoriseForm
from errors import InvalidInput, QueueAway, TooMany
from jobs.checks import start_check
from models import Integration
from services.onboarding import drafts
from services.onboarding.drafts import DraftGone, OpenDraft
from services.security import vault
from services.shops import connection, finding
from services.shops.kinds import get_kind

bp = Blueprint("reauthorise", __name__, url_prefix="/settings/sales-channels/<int:integration_id>/reauthorise")


@bp.errorhandler(DraftGone)
def leave_for_list(error: DraftGone) -> Response:
    toast("Nothing was changed. That page was finished, cancelled, or not used for more than a day.", "info")
    return go_to(url_for("integrations.list_integrations"))


@bp.route("", methods=["GET", "POST"])
@bp.route("/<token>", methods=["GET", "POST"])
@keeps_input
def reauthorise(integration_id: int, token: str = "") -> Response:
    integration = finding.get_integration(integration_id)
    draft = drafts.open_draft(token, current_actor(), "reauthorise") if token else None
    form = ReauthoriseForm(data={"endpoint": _typed(integration, draft)})
    if form.validate_on_submit():
        token = _keep(form, integration, draft)
        if not form.complaints():
            try:
                start_check(token, current_actor())
                return go_to(url_for(".watch_check", integration_id=integration_id, token=token))
            except (QueueAway, TooMany) as error:
                form.refuse(error)
    elif draft and not form.is_submitted():
        _show_failure(form, draft)
    return _page(form, integration, draft, 422 if form.is_submitted() else 200)


def _keep(form: ReauthoriseForm, integration: Integration, draft: OpenDraft | None) -> str:
    """Store the input in a draft and check the address. Returns the draft's token."""
    endpoint = (form.endpoint.data or "").strip()
    if draft and request.form.get("use") == "moved_to":
        endpoint = draft.found.get("check", {}).get("moved_to") or endpoint
        form.endpoint.data = endpoint
    key = (form.api_key.data or "").strip() or (draft.answers["api_key"] if draft else "")
    answers = {"endpoint": endpoint, "api_key": key}
    try:
        connection.normalise(integration.kind, endpoint)
    except InvalidInput as error:
        form.refuse(error)
    if draft:
        return drafts.answer(draft.token, current_actor(), **answers).token
    return drafts.create("reauthorise", integration.kind, current_actor(), answers, integration.id)


def _show_failure(form: ReauthoriseForm, draft: OpenDraft) -> None:
    check = draft.found.get("check", {})
    if check and not draft.good:
        form.refuse(options.complaint_of(draft.kind, check))


def _page(form: ReauthoriseForm, integration: Integration, draft: OpenDraft | None, status: int) -> Response:
    site = options.site_of(integration.kind, _typed(integration, draft))
    page = render_template(
        "onboarding/reauthorise.html", form=form, integration=integration, token=draft.token if draft else "",
        kind=get_kind(integration.kind), site=site, about_key=_about_key(form, integration, draft),
        check=_what_is_known(integration, draft, site),
    )  # fmt: skip
    return make_response(page, status)


def _about_key(form: ReauthoriseForm, integration: Integration, draft: OpenDraft | None) -> str:
    """What stands at the field of the key: which one is used if it is left blank. One that was just refused is not offered."""
    typed = draft.answers["api_key"] if draft else ""
    last4 = vault.last4(typed) if typed else integration.key_last4
    named = f"key ending in ‘{last4}’" if last4 else "key"
    if form.api_key.errors:
        return f"The {named} does not work{' and was not saved' if typed else ''}."
    return f"A {named} was entered. Leave blank to use it." if typed else f"A {named} is saved. Leave blank to keep it."


def _typed(integration: Integration, draft: OpenDraft | None) -> str:
    return draft.answers["endpoint"] if draft else connection.pasted_address(integration)


def _what_is_known(integration: Integration, draft: OpenDraft | None, site: options.Site) -> dict[str, Any]:
    """The last check if it was of the address in the field, else the integration's generation."""
    return options.check_of(draft, site) or {"generation": integration.generation}


@bp.post("/address")
@bp.post("/<token>/address")
def show_address(integration_id: int, token: str = "") -> Response:
    """The address as Cartlink understands it, and where to find its API key."""
    integration = finding.get_integration(integration_id)
    draft = drafts.open_draft(token, current_actor(), "reauthorise") if token else None
    site = options.site_of(integration.kind, request.form.get("endpoint", ""))
    check = _what_is_known(integration, draft, site)
    return fragment("onboarding/_address.html", site=site, kind=get_kind(integration.kind), check=check)


@bp.get("/<token>/check")
def watch_check(integration_id: int, token: str) -> Response:
    draft = drafts.open_draft(token, current_actor(), "reauthorise")
    integration = finding.get_integration(integration_id)
    if draft.good:
        drafts.discard(token, current_actor())
        toast(f"{integration.name} is reauthorised.")
        return go_to(url_for("integrations.list_integrations"))
    if draft.state == "done" or not draft.state:
        return go_to(url_for(".reauthorise", integration_id=integration_id, token=token))
    shown = _waiting(integration, draft)
    if wants_fragment("check"):
        return fragment("onboarding/_check.html", announce=draft.phase, **shown)
    return make_response(render_template("onboarding/reauthorise_check.html", **shown))


def _waiting(integration: Integration, draft: OpenDraft) -> dict[str, Any]:
    """What the page shows while the check is running."""
    addresses = {"here": ".watch_check", "back": ".reauthorise", "cancel": ".cancel"}
    links = {name: url_for(endpoint, integration_id=integration.id, token=draft.token) for name, endpoint in addresses.items()}
    return {"draft": draft, "late": draft.is_late, "integration": integration, **links}


@bp.post("/cancel")
@bp.post("/<token>/cancel")
def cancel(integration_id: int, token: str = "") -> Response:
    if token:
        drafts.discard(token, current_actor())
    return go_to(url_for("integrations.list_integrations"))
