"""What is wrong with the orders of integrations and their write-backs, as troubles that become incidents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text, cast, func, select, text

from extensions import db
from models import Flow, FlowKind, Integration, Order, Shop, WriteBack
from services.stock.listing_states import Trouble

_OPEN = text("write_back.state IN ('waiting', 'sending')")
"""Written out, not bound, so that SQLite takes the partial index of open write-backs."""
HELD_FOR = timedelta(hours=1)
"""Orders on hold shorter than this are being worked on."""


def troubles(now: datetime, waiting_before: datetime, mine: tuple[Any, ...]) -> Iterator[Trouble]:
    """Write-backs the shop refused or did not take since ``waiting_before``, orders on hold, and orders that could not be read or identified, of integrations that fit
    ``mine``."""
    refused = (
        select(Integration.id, func.count(), func.min(WriteBack.finished_at))
        .join(WriteBack, WriteBack.shop_id == Integration.shop_id)
        .where(WriteBack.state == "failed", *mine)
        .group_by(Integration.id)
    )
    for integration_id, count, first in db.session.execute(refused):
        yield integration_id, "write_backs_refused", first or now, {"count": count}, True
    yield from _waiting_write_backs(waiting_before, mine)
    held = select(Integration.id, func.count(), func.min(Order.first_seen_at)).join(Order, Order.shop_id == Integration.shop_id)
    held = held.where(Order.held, *mine).group_by(Integration.id)
    on_hold = db.session.execute(held).all()
    for integration_id, count, first in on_hold:
        yield integration_id, "orders_held", first, {"count": count}, first <= now - HELD_FOR
    if on_hold:
        unreadable = held.where(cast(Order.held_codes, Text).contains('"unreadable"'))
        for integration_id, count, first in db.session.execute(unreadable):
            yield integration_id, "orders_unreadable", first, {"count": count}, True
    nameless = select(Integration.id, Shop.unidentified).join(Shop, Shop.id == Integration.shop_id)
    for integration_id, count in db.session.execute(nameless.where(Shop.unidentified > 0, *mine)):
        yield integration_id, "orders_unidentified", now, {"count": count}, True


def being_sent(shop_id: int) -> dict[str, Any]:
    """As facts, the order about which a shop was being updated when a worker died; empty if there is none."""
    query = select(Order.id, Order.number, Order.external_id).join(WriteBack, WriteBack.order_id == Order.id)
    found = db.session.execute(
        query.where(WriteBack.shop_id == shop_id, text("write_back.state = 'sending'")).order_by(WriteBack.id).limit(1)
    ).one_or_none()
    return {} if found is None else {"order_id": found.id, "order": found.number or found.external_id}


def _waiting_write_backs(before: datetime, mine: tuple[Any, ...]) -> Iterator[Trouble]:
    """Those that were tried and wait for another try, while those of other orders may well be sent."""
    query = (
        select(Integration.id, func.count(), func.min(WriteBack.tried_at))
        .join(WriteBack, WriteBack.shop_id == Integration.shop_id)
        .join(Flow, (Flow.integration_id == Integration.id) & (Flow.kind == FlowKind.SHIPMENTS))
        .where(_OPEN, WriteBack.error_code != "", Flow.enabled, Integration.writes_refused.is_(False), *mine)
        .group_by(Integration.id)
    )
    for integration_id, count, since in db.session.execute(query):
        if since is not None:
            yield integration_id, "write_backs_wait", since, {"count": count}, since <= before
