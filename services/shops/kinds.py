"""The kinds of sales channel that can be connected, for pages that must not know the channels."""

from __future__ import annotations

from dataclasses import dataclass

import channels
from channels.base import Status
from channels.facts import KindFacts
from models import Integration


@dataclass(frozen=True, slots=True)
class Kind:
    """``logo`` is a path under ``static/``. ``facts`` are what holds for every shop of the kind."""

    kind: str
    label: str
    logo: str
    facts: KindFacts


def list_kinds() -> list[Kind]:
    return [get_kind(kind) for kind in channels.CHANNELS]


def get_kind(kind: str) -> Kind:
    """Raises NotFound for a kind that is not registered."""
    found = channels.channel_kind(kind)
    return Kind(found.kind, found.label, found.logo, channels.facts_of(kind))


def order_page(integration: Integration, number: str) -> str:
    """The address of an order in the shop's admin area; empty where it is not known, or where the shop was removed."""
    if integration.removed_at is not None:
        return ""
    facts = channels.facts_of(integration.kind)
    return facts.order_page(integration.endpoint, integration.admin_script, integration.generation, number)


def statuses_of(integration: Integration) -> list[Status]:
    """A shop's own statuses, or those every shop of its kind has while it has not been asked."""
    if integration.statuses:
        return [Status(*row) for row in integration.statuses]
    return channels.usual_statuses(integration.kind)


def status_names(integration: Integration) -> dict[tuple[str, str], str]:
    """The names of a shop's statuses by (kind, code); custom statuses have no code and are known by their id in the shop."""
    return {(status.kind, status.code or status.external_id): status.name for status in statuses_of(integration)}


def status_rows(statuses: list[Status]) -> list[list[str]]:
    """Statuses as they are stored: (kind, external id, code, name)."""
    return [[status.kind, status.external_id, status.code, status.name] for status in statuses]
