"""Where is order 123? Answered for any number, also of an order that is not stored: the shop is asked while a person waits.

And the bringing in of older orders, by number or by date, with a count first."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, or_, select

from channels.base import Channel
from channels.base import Order as ShopOrder
from errors import AppError, ChannelError, Conflict, NotFound
from extensions import db, writing
from models import Integration, Order
from services import integrations, order_store
from services.order_columns import Storing

PATIENCE = 12.0
"""Seconds a person waits for one shop."""
MOST_SHOPS = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """One integration's answer. ``state`` is stored, there (in the shop, not stored), nowhere or unknown (the shop could not be
    asked); ``order_id`` is the stored order; ``external_id`` is given where the order can be brought in."""

    integration_id: int
    integration: str
    state: str
    sentence: str
    order_id: int | None = None
    external_id: str = ""


def where_is(number: str, integration_id: int | None = None) -> list[Answer]:
    """Each present integration's answer; where the order is stored, the shops are not asked. Raises NotFound for no number."""
    wanted = number.strip().removeprefix("#").strip()
    if not wanted or len(wanted) > 64:
        raise NotFound("Type an order's number.", "It is the number the shop shows its customer.")
    present = integrations.list_integrations()
    if integration_id is not None:
        present = [integration for integration in present if integration.id == integration_id]
    stored = [answer for integration in present for answer in _stored(integration, wanted)]
    if stored:
        return stored
    asked = [(integration.id, integration.name, integration.active) for integration in present[:MOST_SHOPS]]
    db.session.rollback()
    return [_ask(each, name, wanted, active) for each, name, active in asked]


def _stored(integration: Integration, wanted: str) -> list[Answer]:
    query = select(Order).where(Order.shop_id == integration.shop_id, or_(Order.number == wanted, Order.external_id == wanted))
    found = db.session.scalars(query.order_by(Order.number != wanted)).all()
    return [
        Answer(integration.id, integration.name, "stored", _stored_sentence(order, integration), order.id) for order in found[:1]
    ]


def _stored_sentence(order: Order, integration: Integration) -> str:
    words = {
        "on_hold": f"It is on hold: {' '.join(order.held_reason.splitlines())}",
        "awaiting_payment": f"It still awaits payment: its status {order.payment_status} is not one that becomes work.",
        "ready": "It is ready to be shipped.",
        "part_shipped": "It has been shipped in part.",
        "shipped": "It has been shipped.",
        "cancelled": "It was cancelled.",
    }
    seen = order.first_seen_at
    return (
        f"It was imported from {integration.name} on {seen.day} {seen:%b %Y at %H:%M} UTC. {words.get(order.state, '')}".strip()
    )


def _ask(integration_id: int, name: str, wanted: str, active: bool) -> Answer:
    if not active:
        return Answer(integration_id, name, "unknown", f"{name} is not connected at present, so the shop was not asked.")
    try:
        order = find_in_shop(integration_id, wanted)
    except AppError as trouble:
        return Answer(integration_id, name, "unknown", f"{name} could not be asked: {trouble.message}")
    if order is None:
        return Answer(integration_id, name, "nowhere", f"{name} has no order {wanted}.")
    integration = integrations.get_integration(integration_id)
    stored = db.session.scalar(select(Order).where(Order.shop_id == integration.shop_id, Order.external_id == order.external_id))
    if stored is not None:
        return Answer(integration_id, name, "stored", _stored_sentence(stored, integration), stored.id)
    if order.placed_at < integration.orders_since:
        sentence = (
            f"It is in {name}, placed on {order.placed_at.day} {order.placed_at:%b %Y}: before the start date "
            f"({integration.orders_since.day} {integration.orders_since:%b %Y}), so it was not imported."
        )
    else:
        sentence = f"It is in {name} and has not been imported yet; the next download brings it."
    return Answer(integration_id, name, "there", sentence, None, order.external_id)


def find_in_shop(integration_id: int, number: str) -> ShopOrder | None:
    """Raises ChannelError, or NotFound for an integration that is gone."""
    with _Channel(integration_id) as channel:
        return channel.find_order(number)


def bring_in(integration_id: int, external_id: str, actor: str) -> int:
    """Store one order of the shop now, whenever it was placed; answers with its id. Raises ChannelError, NotFound, Conflict."""
    with _Channel(integration_id) as channel:
        order = channel.read_order(external_id)
        if order is None:
            raise NotFound("The shop has that order no more.")
        integration = integrations.get_integration(integration_id)
        storing = Storing.of(integration, actor, None)
        db.session.rollback()
        rows = {}
        if order.surcharges is None:
            try:
                rows = {order.external_id: channel.read_surcharges(order.external_id)}
            except ChannelError as trouble:
                if trouble.retryable:
                    raise
    with writing():
        order_store.store_orders(replace(storing, since=min(storing.since, order.placed_at)), [order], rows)
    order_id = db.session.scalar(select(Order.id).where(Order.shop_id == storing.shop_id, Order.external_id == order.external_id))
    if order_id is None:
        raise Conflict("The order could not be stored.", "Try again.")
    return order_id


@dataclass(frozen=True, slots=True)
class Count:
    """How many orders the shop has from a day on that are not stored; ``complete`` is False where counting took too long."""

    orders: int
    complete: bool
    since: datetime


def count_older(integration_id: int, since: datetime) -> Count:
    """Raises ChannelError, or Conflict where that day is not before the present start."""
    integration = integrations.get_integration(integration_id)
    start, shop_id = integration.orders_since, integration.shop_id
    if since >= start:
        raise Conflict(
            f"Orders from {start.day} {start:%b %Y} on are imported already.", "Choose an earlier day, or ask for one order."
        )
    stored = db.session.scalar(
        select(func.count()).select_from(Order).where(Order.shop_id == shop_id, Order.placed_at >= since, Order.placed_at < start)
    )
    db.session.rollback()
    deadline = time.monotonic() + PATIENCE
    found, complete = 0, False
    with _Channel(integration_id) as channel:
        for page in channel.iter_orders(placed_since=since):
            older = [order for order in page.orders if order.placed_at < start]
            found += len(older)
            if page.last or (page.orders and not older):
                complete = True
                break
            if time.monotonic() > deadline:
                break
    return Count(max(0, found - (stored or 0)), complete, since)


class _Channel:
    """The channel to a shop for a person who waits: short limits, one try."""

    def __init__(self, integration_id: int):
        integration = integrations.get_integration(integration_id)
        limits = replace(
            integrations.channel_limits(), connect_timeout=5.0, read_timeout=PATIENCE, total_timeout=PATIENCE, tries=1
        )
        self.channel: Channel = integrations.open_channel(integration, limits=limits)
        db.session.rollback()

    def __enter__(self) -> Channel:
        return self.channel

    def __exit__(self, *trouble: object) -> None:
        self.channel.close()
