"""How the harnesses connect a practice shop, and enter its key again. The check of the connection is taken for granted: it is not what
they test."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from channels.base import Check
from services.integrations import lifecycle
from services.integrations.lifecycle import NewIntegration
from services.onboarding import reauthorise

KEY = "practice-full-key"


def add(url: str, generation: str, name: str, since: datetime, **more: Any) -> tuple[int, int]:
    """Add an integration. Returns its id and that of its shop."""
    new = NewIntegration("xcart", name, url, KEY, since=since, **more)
    integration = lifecycle.add_integration(new, _passed(url, generation), "test")
    return integration.id, integration.shop_id


def enter_key(integration_id: int, url: str, generation: str) -> None:
    """A person enters the shop's key."""
    reauthorise.apply_reauthorisation(integration_id, _passed(url, generation), KEY, [], "test")


def _passed(url: str, generation: str) -> Check:
    return Check("ok", "It works.", endpoint=url, generation=generation)
