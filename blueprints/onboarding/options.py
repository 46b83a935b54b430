"""The steps of connecting a shop: address, connection check, options and their suggestions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

from blueprints.formats import sum_of
from blueprints.forms import YES_NO, as_answer
from blueprints.integrations.forms import OptionsForm, ready_data
from errors import InvalidInput
from services.onboarding import check_advice, import_preview, suggestions
from services.onboarding.drafts import OpenDraft
from services.onboarding.import_preview import PreviewOrder
from services.onboarding.suggestions import Proposal
from services.shops import connection, kinds

MONEY = ("use_tax", "use_shipping_tax", "surcharge_name")


@dataclass(frozen=True, slots=True)
class Site:
    """An address as Cartlink understands it. ``complaint`` says why it cannot be used; then ``endpoint`` is empty."""

    endpoint: str
    admin: str
    complaint: str

    @property
    def warning(self) -> str:
        return check_advice.address_warning(self.endpoint)


@dataclass(frozen=True, slots=True)
class Offer:
    """A suggestion for a question that was answered otherwise: the answer in words, its reason, and whether it is chosen now."""

    answer: str
    reason: str
    chosen: bool


def site_of(kind: str, typed: str) -> Site:
    if not typed.strip():
        return Site("", "", "")
    try:
        endpoint, script = connection.normalise(kind, typed)
    except InvalidInput as error:
        return Site("", "", error.sentence())
    return Site(endpoint, f"{endpoint}/{script}", "")


def complaint_of(kind: str, check: dict[str, Any]) -> InvalidInput:
    """A failed check as the error of a field."""
    verdict = check["verdict"]
    if verdict in ("wrong_key", "read_only_key"):
        advice = kinds.get_kind(kind).facts.key_advice(verdict, check.get("generation", ""))
        return InvalidInput(check["message"], advice, field="api_key")
    return InvalidInput(check["message"], check_advice.advice(verdict, check.get("advice", "")), field="endpoint")


def check_of(draft: OpenDraft | None, site: Site) -> dict[str, Any]:
    """The last check of a draft if it was of this address, else empty."""
    check = draft.found.get("check", {}) if draft else {}
    return check if site.endpoint and check.get("endpoint") == site.endpoint else {}


def statuses(rows: list[list[str]]) -> list[Any]:
    return [SimpleNamespace(kind=kind, external_id=ident, code=code, name=name) for kind, ident, code, name in rows]


def draft_form(draft: OpenDraft) -> OptionsForm:
    """The form with the input, else the earlier answers, else the suggestions."""
    proposed = proposals(draft)
    kind = kinds.get_kind(draft.kind)
    facts = kind.facts
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
            "processed_status": facts.shipped_status if facts.shipped_status in codes else codes[0] if codes else "",
            "since": "days",
            **ready_data(facts.ready_choices, facts.ready_statuses),
            **kept,
        }
    )
    form.name_channel(kind.label)
    form.set_statuses(statuses(draft.found["statuses"]))
    form.set_ready(facts.ready_choices)
    return form


def to_keep(form: OptionsForm) -> dict[str, Any]:
    """The answers so far, valid or not, so that the set-up can be continued."""
    kept = {field.name: field.data for field in form if field.name != "csrf_token"}
    kept["since_date"] = kept["since_date"].isoformat() if kept["since_date"] else ""
    return kept


def accepted(draft: OpenDraft) -> dict[str, Any]:
    """The answers about tax and shipping as the last step left them, by names of columns; empty if it was not reached."""
    kept = draft.answers.get("options") or {}
    return {name: kept[name] if name == "surcharge_name" else kept[name] == "yes" for name in MONEY if kept.get(name) is not None}


def without_money(draft: OpenDraft) -> dict[str, Any]:
    """The answers of the last step that stay when those about tax and shipping are given again."""
    return {name: value for name, value in (draft.answers.get("options") or {}).items() if name not in MONEY}


def proposals(draft: OpenDraft) -> dict[str, Proposal]:
    return suggestions.propose(draft.found, sum_of)


def suggested_form(draft: OpenDraft, form: OptionsForm) -> OptionsForm:
    """The form with the suggested answers about tax and shipping."""
    for name, proposal in proposals(draft).items():
        if name in MONEY:
            form[name].data = proposal.value if name == "surcharge_name" else as_answer(proposal.value)
    return form


def offered(draft: OpenDraft, form: OptionsForm) -> dict[str, Offer]:
    """What the orders suggest about tax and shipping instead of the answers of the step before, by field. A suggestion stays after it
    was accepted, so that it can be taken back."""
    found = {}
    for name, proposal in proposals(draft).items():
        if name not in MONEY:
            continue
        wanted = proposal.value if name == "surcharge_name" else as_answer(proposal.value)
        before = draft.answers.get(name)
        given = before or "" if name == "surcharge_name" else as_answer(before)
        if {given, form[name].data or ""} != {wanted}:
            found[name] = Offer(
                f"‘{wanted}’" if name == "surcharge_name" else YES_NO[wanted], proposal.reason, form[name].data == wanted
            )
    return found


def preview_draft(draft: OpenDraft, form: OptionsForm) -> list[PreviewOrder]:
    answers = {**form.answers(), "statuses": draft.found["statuses"]}
    return import_preview.preview_orders(draft.kind, draft.found["orders"], answers)


def moment_of(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
