"""What an answer of a shop, or no answer, changes on its integration: health, failures and what is due."""

from __future__ import annotations

from models import FlowKind, Integration
from models.types import utcnow
from services.reports import reconciliation
from services.shipping import write_backs
from services.shops import flows


def make_all_due(integration: Integration) -> None:
    """Call it inside ``writing()``."""
    flows.make_due(flows.of_integration(integration.id), *flows.AT_ONCE)
    daily = flows.get_flow(integration.id, FlowKind.RECONCILIATION)
    daily.due_at = daily.due_at or reconciliation.next_due(utcnow(), integration.shop.zone)
    write_backs.due_again(integration.id)


def note_good(integration: Integration) -> None:
    """The shop answered well: resume a paused integration. Call it inside ``writing()``."""
    if integration.paused_at is not None:
        integration.paused_at = None
        make_all_due(integration)
    integration.pause_warned_at = None
    if not integration.writes_refused:
        flows.plan(integration.id, FlowKind.CONNECTION, None)
    if integration.health != "connected" or integration.health_message:
        integration.health, integration.health_since = "connected", utcnow()
    integration.health_message = ""


def note_trouble(integration: Integration, health: str, message: str) -> None:
    """A key that was rejected stays so until it is accepted: what else fails says nothing about it. Call it inside ``writing()``."""
    if integration.health == "needs_reauthorising" and integration.health_message and health != "connected":
        return
    if integration.health != health:
        integration.health, integration.health_since = health, utcnow()
    integration.health_message = message
