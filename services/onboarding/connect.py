"""The last step of adding a shop: create the integration from its draft."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import channels
from channels.base import Check, Credentials, Order
from errors import InvalidInput
from models import Integration
from models.types import utcnow
from services.integrations import lifecycle
from services.integrations.lifecycle import NewIntegration, NotCompared
from services.onboarding import drafts, shop_identity, suggestions
from services.onboarding.checked import open_checked, read_back
from services.onboarding.drafts import OpenDraft

SETTINGS = (
    "with_variants", "with_options", "with_discounts", "with_tax_lines", "with_notes", "with_back_orders", "processed_status",
    "work_statuses",
)  # fmt: skip
"""The answers of the last step that are columns of models.Integration under the same names."""


def connect(draft: OpenDraft, answers: dict[str, Any], since: datetime, *, take_history: bool, zone: str = "") -> Integration:
    """Create the integration of a draft, enabled and with its first runs due, and delete the draft. ``zone`` is the time
    zone of the daily reconciliation if the shop has none yet.

    Raises InvalidInput if end point or key have changed since the check, NameTaken, and
    Conflict if the shop is connected already, or one was connected since the check with which it has to be compared."""
    if not draft.good:
        raise InvalidInput("The connection has not been tested yet.", "Go back one step and choose ‘Next’.")
    history = draft.found.get("history")
    # Another integration may have been connected since the shop was checked.
    shop_identity.refuse_connected(draft.kind, draft.found["check"]["endpoint"], _shown_orders(draft))
    new = NewIntegration(
        kind=draft.kind, name=draft.answers["name"], endpoint=draft.answers["endpoint"], api_key=draft.answers["api_key"],
        use_tax=bool(answers["use_tax"]), use_shipping_tax=bool(answers["use_shipping_tax"]),
        surcharge_name=answers["surcharge_name"], since=since,
        shop_id=history["shop_id"] if history and take_history else None, by_address=False, zone=zone,
        settings={**{name: answers[name] for name in SETTINGS}, "statuses": draft.found.get("statuses", [])},
        compared_at=datetime.fromisoformat(compared) if (compared := draft.found.get("compared_at")) else None,
    )  # fmt: skip
    integration = lifecycle.add_integration(new, read_back(draft.found["check"]), draft.actor)
    for each in drafts.list_drafts(draft.actor):
        if each.answers.get("endpoint") == draft.answers["endpoint"]:
            # Also those in which this person began to add the same shop before.
            drafts.discard(each.token, draft.actor)
    return integration


def connect_checked(new: NewIntegration, check: Check, actor: str) -> Integration:
    """Create an integration as commands and programs ask for it, after a successful ``check``. The shop's last orders are read
    first. Raises as ``connect`` does."""
    for last in (False, False, True):
        compared_at = utcnow()
        channel = open_checked(new.kind, check, new.api_key)
        try:
            shop_identity.refuse_copy(new.kind, check.endpoint, channel, suggestions.last_orders(channel, []))
        finally:
            channel.close()
        try:
            return lifecycle.add_integration(replace(new, compared_at=compared_at), check, actor)
        except NotCompared:
            # Somebody has connected another shop meanwhile: the two are compared.
            if last:
                raise
    raise AssertionError


def _shown_orders(draft: OpenDraft) -> list[Order]:
    """The orders that the check has stored in the draft."""
    parser = channels.open_channel(draft.kind, Credentials(draft.answers["endpoint"], ""))
    return [parser.parse_stored(order["raw"]) for order in draft.found.get("orders", [])]
