"""The check of a draft in a worker: whether it is a shop, whether the key works, its data, and whether it was connected before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from channels.base import Check
from errors import AppError, LeaseLost
from extensions import acting, reading
from models.types import utcnow
from services.common.claims import Claim
from services.integrations.lifecycle import NewIntegration
from services.onboarding import drafts, feed_check, shop_identity, suggestions
from services.onboarding.checked import open_checked, plain
from services.onboarding.connect import connect_checked
from services.onboarding.drafts import OpenDraft
from services.onboarding.reauthorise import apply_reauthorisation
from services.security import vault
from services.shops import connection, finding
from services.shops.kinds import status_rows


@dataclass(frozen=True, slots=True)
class Progress:
    """A check that is being made, called with what it does now."""

    claim: Claim

    def __call__(self, phase: str) -> None:
        """Raises LeaseLost."""
        drafts.say_phase(self.claim, phase)

    def gate(self) -> None:
        """Before each request to the shop. Raises LeaseLost."""
        drafts.refuse_unneeded(self.claim)


def run_check(draft_id: int, ticket: str) -> None:
    """Check a draft and store the result in it. Does nothing if the check is no longer needed."""
    begun = drafts.begin_check(draft_id, ticket)
    if begun is None:
        return
    draft, claim = begun
    look: Callable[[OpenDraft, Any], dict[str, Any]]
    look = {"add": _look_at_new, "reauthorise": _look_at_known, "connect": _connect, "feed": feed_check.look}[draft.purpose]
    try:
        with claim.kept_alive():
            found = look(draft, Progress(claim))
    except LeaseLost:
        return
    except AppError as error:
        found = {"check": drafts.trouble_of(error)}
    drafts.end_check(claim, found)
    if draft.purpose == "connect":
        drafts.forget_key(draft.id)


def _look_at_new(draft: OpenDraft, say: Progress) -> dict[str, Any]:
    key = draft.answers.get("api_key", "")
    check = _ask(draft.kind, draft.answers.get("endpoint", ""), key, say)
    if not check.good:
        return {"check": plain(check)}
    channel = open_checked(draft.kind, check, key, say.gate)
    try:
        found, orders = suggestions.gather(channel, say)
        found["compared_at"] = utcnow().isoformat()
        shop_identity.refuse_copy(draft.kind, check.endpoint, channel, orders)
        say("Checking whether this shop was connected before")
        history = shop_identity.find_history(draft.kind, check.endpoint, channel, orders)
    finally:
        channel.close()
    if history is not None and history.connected_as:
        raise shop_identity.already_connected(history.connected_as)
    if history is not None:
        found["history"] = {
            "shop_id": history.shop_id, "name": history.name, "orders": history.orders,
            "removed_at": history.removed_at.isoformat() if history.removed_at else "",
        }  # fmt: skip
    return {**found, "check": plain(check)}


def _look_at_known(draft: OpenDraft, say: Progress) -> dict[str, Any]:
    """Check the new end point and key of an integration and that it is the same shop, and save them."""
    with reading():
        integration = finding.get_integration(draft.integration_id or 0)
        key = draft.answers.get("api_key") or vault.decrypt(integration.key_encrypted)
        shop_id = integration.shop_id
    check = _ask(draft.kind, draft.answers.get("endpoint", ""), key, say)
    if not check.good:
        return {"check": plain(check)}
    channel = open_checked(draft.kind, check, key, say.gate)
    try:
        say("Checking that it is the same shop")
        shop_identity.refuse_other_shop(shop_id, check.endpoint, channel)
        if shop_identity.is_empty(shop_id):
            orders = suggestions.last_orders(channel, [])
            shop_identity.refuse_copy(draft.kind, check.endpoint, channel, orders, but=shop_id)
        say("Reading the shop's order statuses")
        statuses = status_rows(channel.statuses())
    finally:
        channel.close()
    apply_reauthorisation(draft.integration_id or 0, check, key, statuses, draft.actor)
    return {"check": plain(check)}


def _connect(draft: OpenDraft, say: Progress) -> dict[str, Any]:
    """Check the shop that a program has named, and connect it."""
    answers = draft.answers
    check = _ask(draft.kind, answers["endpoint"], answers["api_key"], say)
    if not check.good:
        return {"check": plain(check)}
    say("Connecting the shop")
    new = NewIntegration(
        draft.kind, answers["name"], answers["endpoint"], answers["api_key"], answers["use_tax"], answers["use_shipping_tax"],
        answers["surcharge_name"], datetime.fromisoformat(answers["since"]) if answers["since"] else None,
    )  # fmt: skip
    with acting(draft.actor, "api"):
        made = connect_checked(new, check, draft.actor)
    return {"check": plain(check), "integration_id": made.id}


def _ask(kind: str, endpoint: str, key: str, say: Progress) -> Check:
    say("Connecting to the shop. This can take some minutes if the shop is slow")
    return connection.check_shop(kind, endpoint, key, say.gate)
