"""The last step of a set-up: the draft becomes an integration."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from errors import InvalidInput
from models import Integration
from services import drafts, integrations
from services.checks import read_back
from services.drafts import OpenDraft
from services.integrations import NewIntegration

SETTINGS = (
    "with_variants", "with_options", "with_discounts", "with_tax_lines", "with_notes", "with_back_orders", "processed_status",
    "work_statuses",
)  # fmt: skip
"""The answers of the last step that are columns of models.Integration under the same names."""


def connect(draft: OpenDraft, answers: dict[str, Any], since: datetime, *, take_history: bool, zone: str = "") -> Integration:
    """Make the integration that a draft describes, enabled, its first runs due; nothing of the draft is kept. ``zone`` is the time
    zone whose days its receipts count, where the shop has none yet.

    Raises InvalidInput where the shop has not been checked since the end point or the key was changed, NameTaken, and
    Conflict where the shop is connected already."""
    if not draft.good:
        raise InvalidInput("The connection has not been tested yet.", "Go back one step and choose ‘Next’.")
    history = draft.found.get("history")
    new = NewIntegration(
        kind=draft.kind, name=draft.answers["name"], endpoint=draft.answers["endpoint"], api_key=draft.answers["api_key"],
        use_tax=bool(answers["use_tax"]), use_shipping_tax=bool(answers["use_shipping_tax"]),
        surcharge_name=answers["surcharge_name"], since=since,
        shop_id=history["shop_id"] if history and take_history else None, by_address=False, zone=zone,
        settings={**{name: answers[name] for name in SETTINGS}, "statuses": draft.found.get("statuses", [])},
    )  # fmt: skip
    integration = integrations.add_integration(new, read_back(draft.found["check"]), draft.actor)
    drafts.discard(draft.token, draft.actor)
    return integration
