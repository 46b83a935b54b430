"""Find an order by its number. If it is not stored, the shop is asked.

Import older orders, by number or by date, with a count first. Functions that ask a shop are called by a worker while a
person waits (services/orders/lookups.py)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select

from channels.base import Channel
from channels.base import Order as ShopOrder
from errors import AppError, ChannelError, Conflict, NotFound
from extensions import db, reading, writing
from models import Integration, Order
from models.sku_key import tidy
from services.common import channel_limits
from services.order_basics import numbers
from services.order_basics.columns import Storing
from services.orders import store
from services.shops import connection, finding, kinds

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
    """Raises NotFound if the text cannot be the number of an order."""
    wanted = tidy(number).removeprefix("#").strip()
    named = numbers.parse(wanted)
    if not (named.numbers or named.external_id) or len(wanted) > 64 or not wanted.isprintable():
        raise NotFound("Enter an order number.", "It is the number the shop shows its customer.")
    return wanted


def find_stored(number: str, integration_id: int | None = None) -> list[Answer]:
    """The stored orders with a number, one answer for each: a shop may have a number twice. No shop is asked. Raises
    NotFound if there is no number."""
    wanted = clean_number(number)
    named = numbers.parse(wanted)
    spelling = wanted if named.numbers else named.external_id
    query = (
        select(Order, Integration)
        .join(Integration, (Integration.shop_id == Order.shop_id) & Integration.removed_at.is_(None))
        .where(or_(Order.number == spelling if named.numbers else False, Order.external_id == spelling))
        .order_by(Integration.name_key, Order.number != spelling, Order.superseded_at.is_not(None), Order.id)
    )
    if integration_id is not None:
        query = query.where(Integration.id == integration_id)
    found: dict[int, list[Answer]] = {}
    by_number: set[int] = set()
    for order, integration in db.session.execute(query):
        if order.number == spelling:
            by_number.add(integration.id)
        elif integration.id in by_number:
            # The shop's own id of another order than the one with this number.
            continue
        found.setdefault(integration.id, []).append(_stored(order, integration))
    return [answer for answers in found.values() for answer in _distinguished(answers)]


def _distinguished(answers: list[Answer]) -> list[Answer]:
    """Where a shop has a number twice, each answer says which order it is about."""
    if len(answers) == 1:
        return answers
    return [replace(answer, sentence=f"The order with the id {answer.external_id}: {answer.sentence}") for answer in answers]


def _stored(order: Order, integration: Integration) -> Answer:
    sentence = _state_sentence(order, integration)
    return Answer(integration.id, integration.name, "stored", sentence, order.id, order.first_seen_at, order.external_id)


def _state_sentence(order: Order, integration: Integration) -> str:
    if order.state == "awaiting_payment":
        names = kinds.status_names(integration)
        status = names.get(("payment", order.payment_status), order.payment_status)
        return f"It still awaits payment: orders whose payment status is {status} do not become work."
    return {
        "on_hold": f"It is on hold: {' '.join(order.held_reason.splitlines())}", "ready": "It is ready to be shipped.",
        "part_shipped": "It has been shipped in part.", "shipped": "It has been shipped.", "cancelled": "It was cancelled.",
    }.get(order.state, "")  # fmt: skip


def present_shops(integration_id: int | None = None) -> list[tuple[int, str]]:
    """The integrations that may be asked, with their names."""
    with reading():
        return [(each.id, each.name) for each in finding.list_integrations() if integration_id in (None, each.id)]


def ask_shop(integration_id: int, number: str) -> Answer:
    """One integration's answer for an order that is not stored; the shop is asked. Raises NotFound for an integration that is
    gone; a shop that does not answer is an answer as well."""
    with reading():
        integration = finding.get_integration(integration_id)
        name, active = integration.name, integration.active
    if not active:
        return Answer(integration_id, name, "unknown", f"{name} is not connected at present, so the shop was not asked.")
    try:
        order = find_in_shop(integration_id, number)
    except AppError as trouble:
        return Answer(integration_id, name, "unknown", f"{name} could not be asked: {trouble.message}")
    if order is None:
        return Answer(integration_id, name, "nowhere", f"{name} has no order {number}.")
    integration = finding.get_integration(integration_id)
    stored = db.session.scalar(_current(Order, integration.shop_id, order.external_id))
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
        named = numbers.parse(number)
        return channel.find_order(number) if named.numbers else channel.read_order(named.external_id)


def bring_in(integration_id: int, external_id: str, actor: str) -> int:
    """Store one order of the shop now, whenever it was placed; returns its id. Raises ChannelError, NotFound, Conflict."""
    with _Channel(integration_id) as channel:
        order = channel.read_order(external_id)
        if order is None:
            raise NotFound("The shop has that order no more.")
        with reading():
            integration = finding.get_integration(integration_id)
            storing = Storing.of(integration, actor, None)
        rows = {}
        if order.surcharges is None:
            try:
                rows = {order.external_id: channel.read_surcharges(order.external_id)}
            except ChannelError as trouble:
                if trouble.concerns != "row":
                    raise
    with writing():
        store.store_orders(replace(storing, since=min(storing.since, order.placed_at)), [order], rows)
    with reading():
        order_id: int | None = db.session.scalar(_current(Order.id, storing.shop_id, order.external_id))
    if order_id is None:
        raise Conflict("The order could not be stored.", "Try again.")
    return order_id


def _current(what: Any, shop_id: int, external_id: str) -> Select[*tuple[Any, ...]]:
    return select(what).where(Order.shop_id == shop_id, Order.external_id == external_id, Order.superseded_at.is_(None))


@dataclass(frozen=True, slots=True)
class Count:
    """How many orders the shop has from a day on that are not stored; ``complete`` is False where counting took too long."""

    orders: int
    complete: bool


def check_older(integration_id: int, since: datetime) -> None:
    """Raises NotFound, or Conflict where that day is not before the present start."""
    with reading():
        start = finding.get_integration(integration_id).orders_since
    if since >= start:
        raise Conflict(
            f"Orders from {start.day} {start:%b %Y} on are imported already.", "Choose an earlier day, or ask for one order."
        )


def count_older(integration_id: int, since: datetime, patience: float = PATIENCE) -> Count:
    """Ask the shop how many orders placed from ``since`` on are not stored; for at most so many seconds.
    Raises ChannelError, NotFound, or Conflict where that day is not before the present start."""
    check_older(integration_id, since)
    with reading():
        integration = finding.get_integration(integration_id)
        start, shop_id = integration.orders_since, integration.shop_id
        stored = db.session.scalar(
            select(func.count())
            .select_from(Order)
            .where(Order.shop_id == shop_id, Order.placed_at >= since, Order.placed_at < start, Order.superseded_at.is_(None))
        )
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
        with reading():
            integration = finding.get_integration(integration_id)
            limits = replace(
                channel_limits.channel_limits(), connect_timeout=5.0, read_timeout=PATIENCE, total_timeout=PATIENCE, tries=1
            )
            self.channel: Channel = connection.open_channel(integration, limits=limits)

    def __enter__(self) -> Channel:
        return self.channel

    def __exit__(self, *trouble: object) -> None:
        self.channel.close()
