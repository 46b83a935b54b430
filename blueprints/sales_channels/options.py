"""What the option pages of a set-up and of a connected shop have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from blueprints.sales_channels.forms import ANY, OptionsForm, as_answer
from errors import InvalidInput
from models.types import utcnow
from services import catalogue, evidence, integrations, rehearsal
from services.drafts import OpenDraft
from services.evidence import Proposal
from services.rehearsal import RehearsedOrder

DEFAULT_WORK = [f"P:{ANY}", f"A:{ANY}"]
SHIPPED = "S"
MONEY = ("use_tax", "use_shipping_tax", "surcharge_name")


PASTE_KEY = {
    "api": "Copy the read/write key from ‘Settings’, ‘API’ in your shop and paste it here.",
    "addon": "Copy the value of ‘API key (read/write)’ from your shop and paste it here.",
}
"""By generation."""
ADVICE = {
    "unreachable": "Check the website end point, and whether the shop is up.",
    "timeout": "The shop is slow or overloaded. Try again.",
    "busy": "Try again in a minute.",
    "maintenance": "Try again when the shop is back.",
    "broken": "Try again. If it lasts, the shop's own error log says why.",
}
"""What to do about a verdict while a person waits; elsewhere the jobs keep trying by themselves."""


PATIENCE = timedelta(seconds=30)
"""How long a check may wait for a worker, or its worker be silent, before a person is told that it does not come to an end."""


@dataclass(frozen=True, slots=True)
class Site:
    """What was made of an address; ``complaint`` says why it cannot be used, ``endpoint`` is empty then."""

    endpoint: str
    admin: str
    complaint: str


def is_late(draft: OpenDraft) -> bool:
    return draft.heard_at is not None and utcnow() - draft.heard_at > PATIENCE


def site_of(kind: str, typed: str) -> Site:
    if not typed.strip():
        return Site("", "", "")
    try:
        endpoint, script = integrations.normalise(kind, typed)
    except InvalidInput as error:
        return Site("", "", error.sentence())
    return Site(endpoint, f"{endpoint}/{script}", "")


def complaint_of(check: dict[str, Any]) -> InvalidInput:
    """A check that went wrong, as what is wrong with a field."""
    verdict = check["verdict"]
    if verdict in ("wrong_key", "read_only_key"):
        return InvalidInput(check["message"], PASTE_KEY[check.get("generation") or "addon"], field="api_key")
    return InvalidInput(check["message"], ADVICE.get(verdict, check.get("advice", "")), field="endpoint")


def check_of(draft: OpenDraft | None, site: Site) -> dict[str, Any]:
    """The last check of a draft, where it was of this very address; else empty."""
    check = draft.found.get("check", {}) if draft else {}
    return check if site.endpoint and check.get("endpoint") == site.endpoint else {}


def statuses(rows: list[list[str]]) -> list[Any]:
    return [SimpleNamespace(kind=kind, external_id=ident, code=code, name=name) for kind, ident, code, name in rows]


def draft_form(draft: OpenDraft) -> OptionsForm:
    """The form with what was sent, else with what was answered before, else with what is proposed."""
    proposed = proposals(draft)
    shipping = [row for row in draft.found["statuses"] if row[0] == "shipping"]
    codes = [row[2] or row[1] for row in shipping]
    kept = dict(draft.answers.get("options") or {})
    if kept.get("since_date"):
        kept["since_date"] = date.fromisoformat(kept["since_date"])
    form = OptionsForm(
        data={
            **{name: as_answer(proposed[name].value) for name in OptionsForm.SWITCHES},
            "use_tax": as_answer(draft.answers.get("use_tax")),
            "use_shipping_tax": as_answer(draft.answers.get("use_shipping_tax")),
            "surcharge_name": draft.answers.get("surcharge_name", ""),
            "processed_status": SHIPPED if SHIPPED in codes else codes[0] if codes else "",
            "since": "days",
            "work": DEFAULT_WORK,
            **kept,
        }
    )
    form.name_channel(catalogue.get_kind(draft.kind).label)
    form.set_statuses(statuses(draft.found["statuses"]))
    return form


def to_keep(form: OptionsForm) -> dict[str, Any]:
    """What was answered so far, whether it can be used or not, so that a set-up can be gone on with."""
    kept = {field.name: field.data for field in form if field.name != "csrf_token"}
    kept["since_date"] = kept["since_date"].isoformat() if kept["since_date"] else ""
    return kept


def proposals(draft: OpenDraft) -> dict[str, Proposal]:
    return evidence.propose(draft.found)


def suggested_form(draft: OpenDraft, form: OptionsForm) -> OptionsForm:
    """The form with the proposed answers on tax and shipping put in."""
    for name, proposal in proposals(draft).items():
        if name in MONEY:
            form[name].data = proposal.value if name == "surcharge_name" else as_answer(proposal.value)
    return form


def differs(draft: OpenDraft, form: OptionsForm) -> list[tuple[str, Proposal]]:
    """The proposals on tax and shipping that the present answers do not follow, with their labels."""
    found = []
    for name, proposal in proposals(draft).items():
        if name not in MONEY:
            continue
        wanted = proposal.value if name == "surcharge_name" else as_answer(proposal.value)
        if (form[name].data or "") != wanted:
            found.append((form[name].label.text, proposal))
    return found


def rehearse_draft(draft: OpenDraft, form: OptionsForm) -> list[RehearsedOrder]:
    answers = {**form.answers(), "statuses": draft.found["statuses"]}
    return rehearsal.rehearse(draft.kind, draft.found["orders"], answers)


def moment_of(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
