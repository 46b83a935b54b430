"""Sentences for pages and commands about what happens next to a change that has to reach a shop."""

from __future__ import annotations

from extensions import db
from models import FlowKind, Integration, Order
from services.shipping import by_hand, write_backs
from services.shops import health

FIRST = {
    "disabled": "the integration is enabled",
    "off": "write-back is switched on in the integration's settings",
    "key": "you reauthorise the integration: the shop rejects its API key",
    "read_only": "you reauthorise the integration with an API key that may write: the present one may only read",
    "paused": "the shop answers again: the integration is paused",
}
"""What stops write-backs (``health.stopped_by``) -> what has to happen first."""


def of_write_back(shop_id: int, event: str, tracking_number: str = "") -> str:
    """One or two sentences about an order that was shipped or cancelled here. ``event`` is the one of the planned write-back,
    empty where none was planned."""
    integration = write_backs.integration_of(shop_id)
    if integration is None:
        return "It is saved. Its shop is not connected any more, so nothing is sent there."
    if not event:
        return "It is saved; the shop is updated when the whole order has been shipped."
    if first := obstacle(integration, event):
        return f"It is saved; the shop cannot be updated until {first}."
    if event == "cancelled" or not tracking_number:
        return "It is saved; the next run updates the shop."
    if not (tracking := of_tracking(integration)):
        return "It is saved; the next run updates the shop, with the tracking number."
    return f"It is saved; the next run updates the shop. {tracking}"


def of_tracking(integration: Integration) -> str:
    """A sentence where a shop does not take tracking numbers, or perhaps does not; empty where it takes them."""
    takes = by_hand.takes_tracking(integration)
    if takes:
        return ""
    first = (
        "It is not known yet whether this shop takes tracking numbers. If not,"
        if takes is None
        else "This shop takes no tracking numbers:"
    )
    return f"{first} {by_hand.WHERE}"


def of_order(order_id: int, event: str, tracking_number: str = "") -> str:
    """``of_write_back`` for an order's shop."""
    return of_write_back(db.session.get_one(Order, order_id).shop_id, event, tracking_number)


def obstacle_of_shop(shop_id: int, event: str) -> str:
    """A sentence where a shop cannot be updated now; empty where it can."""
    return obstacle_in(write_backs.integration_of(shop_id), event)


def obstacle_in(integration: Integration | None, event: str) -> str:
    """``obstacle_of_shop`` for the integration that a shop is connected by now, None where it was removed."""
    if integration is None:
        return "The shop is not connected any more, so nothing is sent there."
    first = obstacle(integration, event)
    return f"{integration.name} cannot be updated until {first}." if first else ""


def obstacle(integration: Integration, event: str) -> str:
    """What has to happen first, as the end of a sentence; empty where nothing is in the way."""
    stop = health.stopped_by(integration, FlowKind.SHIPMENTS)
    # An outage ends by itself, a setting does not.
    if stop in ("paused", "") and not getattr(integration, write_backs.SETTING[event]):
        return "a status for such orders is chosen in the integration's settings"
    if stop:
        return FIRST[stop]
    if integration.flows[FlowKind.CONNECTION].failing:
        return "the shop answers again"
    if integration.put_by_post == "proven" or health.is_put_blocked(integration):
        return "its host allows the HTTP method PUT: now it blocks it"
    return "write-backs to this shop work again: the last ones failed" if integration.flows[FlowKind.SHIPMENTS].failing else ""
