"""The check of a draft, done by a worker while a person waits: is it a shop, is the key right, what does it show, do we know it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import channels
from channels.base import Channel, Check, Credentials
from errors import AppError, Conflict, InvalidInput
from extensions import db
from services import drafts, evidence, identity, integrations, vault
from services.catalogue import status_rows
from services.drafts import OpenDraft
from services.heartbeat import Pulse
from services.reauthorisation import apply_reauthorisation

Say = Callable[[str], None]

BEAT_SECONDS = 5


def run_check(draft_id: int, ticket: str) -> None:
    """Check a draft and keep the answer with it; one whose check is not wanted any more is left alone."""
    draft = drafts.begin_check(draft_id, ticket)
    if draft is None:
        return
    say = partial(drafts.say_phase, draft_id, ticket)
    look = {"add": _look_at_new, "reauthorise": _look_at_known}[draft.purpose]
    try:
        with Pulse(BEAT_SECONDS, partial(drafts.say_alive, draft_id, ticket), f"check-{draft_id}"):
            found = look(draft, say)
    except AppError as error:
        found = {"check": drafts.trouble_of(error)}
    drafts.end_check(draft_id, ticket, found)


def _look_at_new(draft: OpenDraft, say: Say) -> dict[str, Any]:
    key = draft.answers.get("api_key", "")
    check = _ask(draft.kind, draft.answers.get("endpoint", ""), key, say)
    if not check.good:
        return {"check": _plain(check)}
    channel = _open(draft.kind, check, key)
    try:
        found, orders = evidence.gather(channel, say)
        say("Looking whether this shop was connected before")
        history = identity.find_history(draft.kind, check.endpoint, channel, orders)
    finally:
        channel.close()
    if history is not None and history.connected_as:
        raise Conflict(f"That shop is connected already, as {history.connected_as}.", "Open that integration instead.")
    if history is not None:
        found["history"] = {
            "shop_id": history.shop_id, "name": history.name, "orders": history.orders,
            "removed_at": history.removed_at.isoformat() if history.removed_at else "",
        }  # fmt: skip
    return {**found, "check": _plain(check)}


def _look_at_known(draft: OpenDraft, say: Say) -> dict[str, Any]:
    """Check the new end point and key of an integration, make sure that it is the same shop, and save them."""
    integration = integrations.get_integration(draft.integration_id or 0)
    key = draft.answers.get("api_key") or vault.unseal(integration.key_sealed)
    shop_id = integration.shop_id
    db.session.rollback()
    check = _ask(draft.kind, draft.answers.get("endpoint", ""), key, say)
    if not check.good:
        return {"check": _plain(check)}
    channel = _open(draft.kind, check, key)
    try:
        say("Making sure that it is the same shop")
        if not identity.is_same_shop(shop_id, check.endpoint, channel):
            raise InvalidInput(
                f"Another shop answers at {check.endpoint}: it does not have the orders that were downloaded from this one.",
                "Add it as a sales channel of its own instead.", field="endpoint",
            )  # fmt: skip
        say("Reading the shop's order statuses")
        statuses = status_rows(channel.statuses())
    finally:
        channel.close()
    apply_reauthorisation(draft.integration_id or 0, check, key, statuses, draft.actor)
    return {"check": _plain(check)}


def _ask(kind: str, endpoint: str, key: str, say: Say) -> Check:
    say("Asking the shop")
    return integrations.check_shop(kind, endpoint, key)


def _open(kind: str, check: Check, key: str) -> Channel:
    credentials = Credentials(check.endpoint, key.strip(), check.generation, check.admin_script)
    return channels.open_channel(kind, credentials, limits=integrations.channel_limits())


def _plain(check: Check) -> dict[str, Any]:
    return {
        "verdict": check.verdict, "message": check.message, "advice": check.advice, "endpoint": check.endpoint,
        "generation": check.generation, "admin_script": check.admin_script, "moved_to": check.moved_to,
    }  # fmt: skip


def read_back(plain: dict[str, Any]) -> Check:
    """What ``_plain`` wrote."""
    return Check(**{name: plain[name] for name in plain if name in Check.__slots__})
