"""A new end point or key for a connected shop, after both were tried."""

from __future__ import annotations

from sqlalchemy import or_, select

from channels.base import Check
from errors import ConfigError, Conflict, NotFound
from extensions import writing
from models import Integration, Shop
from services.integrations.lifecycle import address_of
from services.monitoring import incidents
from services.monitoring.connection_state import make_all_due, note_good
from services.security import audit, vault
from services.security.audit import CHANGED, About, record_change
from services.shops import health

REAUTHORISED = audit.kind("integration.reauthorised", "Reauthorised")


def apply_reauthorisation(integration_id: int, check: Check, key: str, statuses: list[list[str]], actor: str) -> None:
    """Save what a good ``check`` tried, clear what was wrong, and let the jobs resume. The generation may have changed with
    it: a shop that was upgraded stays the same shop. Raises NotFound, or Conflict where another integration has that address."""
    key = key.strip()
    with writing() as session:
        integration = session.get(Integration, integration_id, with_for_update=True)
        if integration is None or integration.removed_at is not None:
            raise NotFound("That integration has been removed.", "Go back to the list of integrations.")
        taken = session.scalar(
            select(Integration)
            .join(Shop)
            .where(
                Integration.id != integration_id,
                Integration.removed_at.is_(None),
                Integration.kind == integration.kind,
                or_(Shop.address == address_of(check.endpoint), Integration.endpoint == check.endpoint),
            )
        )
        if taken is not None:
            raise Conflict(f"That end point belongs to {taken.name}.", "Open that integration instead.")
        same_key = _has_key(integration, key)
        changes = {"end_point": (integration.endpoint, check.endpoint), "generation": (integration.generation, check.generation)}
        record_change(
            REAUTHORISED,
            About(integration_id, "", integration_id),
            changes if same_key else {**changes, "api_key": CHANGED},
            actor,
        )
        integration.endpoint, integration.admin_script = check.endpoint, check.admin_script
        integration.generation, integration.statuses = check.generation, statuses
        integration.shop.address = address_of(check.endpoint)
        integration.key_encrypted, integration.key_last4 = vault.encrypt(key), vault.last4(key)
        integration.writes_refused, integration.put_by_post = False, ""
        health.note_answer(integration)
        note_good(integration)
        make_all_due(integration)
    incidents.review(integration_id)


def _has_key(integration: Integration, key: str) -> bool:
    """Whether an integration has this key already. One that can no longer be decrypted counts as another."""
    try:
        return vault.decrypt(integration.key_encrypted) == key
    except ConfigError:
        return False
