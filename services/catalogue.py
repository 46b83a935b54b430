"""The kinds of sales channel that can be connected, for pages that must not know the channels."""

from __future__ import annotations

from dataclasses import dataclass

import channels
from channels.base import Status
from models import Integration


@dataclass(frozen=True, slots=True)
class Kind:
    """``logo`` is a path under ``static/``."""

    kind: str
    label: str
    logo: str


def list_kinds() -> list[Kind]:
    return [Kind(each.kind, each.label, each.logo) for each in channels.CHANNELS.values()]


def get_kind(kind: str) -> Kind:
    """Raises NotFound for a kind that is not registered."""
    found = channels.channel_kind(kind)
    return Kind(found.kind, found.label, found.logo)


def statuses_of(integration: Integration) -> list[Status]:
    """A shop's own statuses, or those every shop of its kind has while it has not been asked."""
    if integration.statuses:
        return [Status(*row) for row in integration.statuses]
    return channels.usual_statuses(integration.kind)


def status_rows(statuses: list[Status]) -> list[list[str]]:
    """Statuses as they are stored: (kind, external id, code, name)."""
    return [[status.kind, status.external_id, status.code, status.name] for status in statuses]
