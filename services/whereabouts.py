"""Where is order 123? Answered for any number, also of an order that is not stored: then the shop is asked.

And the bringing in of older orders, by number or by date, with a count first. What asks a shop is called by a worker while a
person waits (services/lookups.py)."""

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
from services import catalogue, integrations, order_store
from services.order_columns import Storing

PATIENCE = 12.0
"""Seconds a person waits for one shop."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One integration's answer. ``state`` is stored, there (in the shop, not stored), nowhere or unknown (the shop could not be
    asked); ``order_id`` is the stored order and ``imported_at`` when it came; ``external_id`` is given where the order can be
    brought in."""

    integration_id: int
    integration: str
    state: str
    sentence: str
    order_id: int | None = None
    imported_at: datetime | None = None
    external_id: str = ""


def clean_number(number: str) -> str:
    """Raises NotFound for what can be no order's number."""
    wanted = number.strip().removeprefix("#").strip()
    if not wanted or len(wanted) > 64 or not wanted.isprintable():
        raise NotFound("Type an order's number.", "It is the number the shop shows its customer.")
    return wanted


def find_stored(number: str, integration_id: int | None = None) -> list[Answer]:
    """The answers of integrations that have the order stored; no shop is asked. Raises NotFound for no number."""
    wanted = clean_number(number)
    query = (
        select(Order, Integration)
        .join(Integration, (Integration.shop_id == Order.shop_id) & Integration.removed_at.is_(None))
        .where(or_(Order.number == wanted, Order.external_id == wanted))
        .order_by(Integration.name_key, Order.number != wanted, Order.id)
    )
    if integration_id is not None:
        query = query.where(Integration.id == integration_id)
    found: dict[int, Answer] = {}
    for order, integration in db.session.execute(query):
        found.setdefault(integration.id, _stored(order, integration))
    return list(found.values())


def _stored(order: Order, integration: Integration) -> Answer:
    sentence = _state_sentence(order, integration)
    return Answer(integration.id, integration.name, "stored", sentence, order.id, order.first_seen_at)


def _state_sentence(order: Order, integration: Integration) -> str:
    if order.state == "awaiting_payment":
        names = {(status.kind, status.code or status.external_id): status.name for status in catalogue.statuses_of(integration)}
        status = names.get(("payment", order.payment_status), order.payment_status)
        return f"It still awaits payment: orders whose payment status is {status} do not become work."
    return {
        "on_hold": f"It is on hold: {' '.join(order.held_reason.splitlines())}", "ready": "It is ready to be shipped.",
        "part_shipped": "It has been shipped in part.", "shipped": "It has been shipped.", "cancelled": "It was cancelled.",
    }.get(order.state, "")  # fmt: skip


def present_shops(integration_id: int | None = None) -> list[tuple[int, str]]:
    """The integrations that may be asked, with their names."""
    present = [(each.id, each.name) for each in integrations.list_integrations() if integration_id in (None, each.id)]
    db.session.rollback()
    return present


def ask_shop(integration_id: int, number: str) -> Answer:
    """One integration's answer for an order that is not stored; the shop is asked. Raises NotFound for an integration that is
    gone; a shop that does not answer is an answer as well."""
    integration = integrations.get_integration(integration_id)
    name, active = integration.name, integration.active
    db.session.rollback()
    if not active:
        return Answer(integration_id, name, "unknown", f"{name} is not connected at present, so the shop was not asked.")
    try:
        order = find_in_shop(integration_id, number)
    except AppError as trouble:
        return Answer(integration_id, name, "unknown", f"{name} could not be asked: {trouble.message}")
    if order is None:
        return Answer(integration_id, name, "nowhere", f"{name} has no order {number}.")
    integration = integrations.get_integration(integration_id)
    stored = db.session.scalar(select(Order).where(Order.shop_id == integration.shop_id, Order.external_id == order.external_id))
    if stored is not None:
        return _stored(stored, integration)
    if order.placed_at < integration.orders_since:
        sentence = (
            f"It is in {name}, placed on {order.placed_at.day} {order.placed_at:%b %Y}: before the start date "
            f"({integration.orders_since.day} {integration.orders_since:%b %Y}), so it was not imported."
        )
    else:
        sentence = f"It is in {name} and has not been imported yet; the next download brings it."
    return Answer(integration_id, name, "there", sentence, external_id=order.external_id)


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
    db.session.rollback()
    if order_id is None:
        raise Conflict("The order could not be stored.", "Try again.")
    return order_id


@dataclass(frozen=True, slots=True)
class Count:
    """How many orders the shop has from a day on that are not stored; ``complete`` is False where counting took too long."""

    orders: int
    complete: bool


def check_older(integration_id: int, since: datetime) -> None:
    """Raises NotFound, or Conflict where that day is not before the present start."""
    start = integrations.get_integration(integration_id).orders_since
    db.session.rollback()
    if since >= start:
        raise Conflict(
            f"Orders from {start.day} {start:%b %Y} on are imported already.", "Choose an earlier day, or ask for one order."
        )


def count_older(integration_id: int, since: datetime, patience: float = PATIENCE) -> Count:
    """Ask the shop how many orders placed from ``since`` on are not stored; for at most so many seconds.
    Raises ChannelError, NotFound, or Conflict where that day is not before the present start."""
    check_older(integration_id, since)
    integration = integrations.get_integration(integration_id)
    start, shop_id = integration.orders_since, integration.shop_id
    stored = db.session.scalar(
        select(func.count()).select_from(Order).where(Order.shop_id == shop_id, Order.placed_at >= since, Order.placed_at < start)
    )
    db.session.rollback()
    deadline = time.monotonic() + patience
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
    return Count(max(0, found - (stored or 0)), complete)


class _Channel:
    """The channel to a shop while a person waits: short limits, one try."""

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
