"""Repair times that are too far in the future: they were written while this machine's clock was wrong.

A machine that starts with its clock in another year, or hours ahead, plans everything from there. Once the clock is right, it would wait
until then: leases of dead workers would not expire, orders would not be read, shipments would not be sent. Each kind of time has a
longest wait; each tick brings back what exceeds it. A worker that is alive keeps its lease: its next heartbeat sets it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, or_, select, update

from config import current_config
from extensions import db, reading, writing
from models import (
    Delivery,
    EventDelivery,
    EventEndpoint,
    ExportTarget,
    Feed,
    Flow,
    FlowKind,
    Integration,
    Listing,
    SyncRun,
    UnreadableOrder,
    WriteBack,
)
from models.types import utcnow
from services.common import timetable
from services.common.results import changed_rows
from services.feeds import suppliers

RETRY = timedelta(minutes=75)
"""The longest back-off is an hour, and workers are not exact."""
DAY = timedelta(hours=26)
POLLED = timedelta(hours=36)
"""For the next run of a flow that is polled."""
WRITE_BACK = timedelta(hours=8)
DELIVERY = timedelta(hours=10)
IN_QUEUE = timedelta(minutes=5)


def bring_back() -> int:
    """Returns the number of rows whose time was repaired. Usually there are none, which a few index look-ups show."""
    now = utcnow()
    term = timedelta(seconds=current_config().lease_seconds)
    rules = _rules(now, term)
    with reading():
        wrong = [rule for rule in rules if db.session.scalar(select(exists().where(*rule[1])))]
    count = 0
    for model, where, values in wrong:
        with writing() as session:
            done = session.execute(update(model).where(*where).values(values).execution_options(synchronize_session=False))
            count += changed_rows(done)
    return count


def _rules(now: datetime, term: timedelta) -> list[tuple[Any, tuple[Any, ...], dict[Any, Any]]]:
    """(model, which rows, what they are set to)."""
    running, queued = SyncRun.state == "running", SyncRun.state == "queued"
    rules: list[tuple[Any, tuple[Any, ...], dict[Any, Any]]] = [
        (SyncRun, (running, SyncRun.lease_until > now + 2 * term + IN_QUEUE), {SyncRun.lease_until: now + term}),
        (SyncRun, (queued, SyncRun.not_before > now + IN_QUEUE), {SyncRun.not_before: None}),
        (SyncRun, (queued, SyncRun.enqueued_at > now + IN_QUEUE), {SyncRun.enqueued_at: None}),
        (WriteBack, (WriteBack.state == "waiting", WriteBack.due_at > now + WRITE_BACK), {WriteBack.due_at: now}),
        (Delivery, (Delivery.state == "waiting", Delivery.due_at > now + DELIVERY), {Delivery.due_at: now}),
        (Listing, (Listing.troubled, exists().where(*_push_is_far(now))), {Listing.push_due_at: now}),
        (UnreadableOrder, (UnreadableOrder.next_at > now + DAY,), {UnreadableOrder.next_at: now}),
        (Delivery, (Delivery.state == "sending", Delivery.lease_until > now + RETRY), {Delivery.lease_until: now}),
    ]
    rules += [
        *_of_exports(now),
        # Offers seen in the future would hide every shipment until then: the file is read again, and says when they were seen.
        (Feed, (Feed.read_at > now + IN_QUEUE,), {Feed.read_at: now, Feed.due_at: now, **suppliers.UNREAD}),
        (Feed, (Feed.due_at > now + timetable.LONGEST,), {Feed.due_at: now}),
        (Feed, (Feed.retry_at > now + RETRY,), {Feed.retry_at: now}),
        (EventEndpoint, (EventEndpoint.due_at > now + DELIVERY,), {EventEndpoint.due_at: now}),
        (EventEndpoint, (EventEndpoint.failing_since > now + IN_QUEUE,), {EventEndpoint.failing_since: now}),
        (EventDelivery, (*_waiting_by_endpoint(), EventDelivery.due_at > now + DELIVERY), {EventDelivery.due_at: now}),
    ]
    connected = exists().where(Integration.id == Flow.integration_id, Integration.removed_at.is_(None))
    waits = {
        FlowKind.ORDERS: case(
            (Flow.poll_due_at.is_not(None), Flow.due_at > now + POLLED),
            else_=_beyond(Flow.due_at, Flow.interval_seconds, now, RETRY),
        ),
        FlowKind.STOCK: _beyond(Flow.due_at, Flow.interval_seconds, now, RETRY),
        FlowKind.LISTINGS: _beyond(Flow.due_at, Flow.interval_seconds, now, DAY),
        FlowKind.SHIPMENTS: Flow.due_at > now + WRITE_BACK,
        FlowKind.RECONCILIATION: Flow.due_at > now + DAY,
        FlowKind.CONNECTION: Flow.due_at > now + DAY,
    }
    for kind, where in waits.items():
        rules.append((Flow, (Flow.kind == kind, where, connected), {Flow.due_at: now}))
    rules.append((Flow, (Flow.poll_due_at > now + RETRY,), {Flow.poll_due_at: now}))
    rules.append((Flow, (Flow.poll_due_at.is_not(None), Flow.page_due_at > now + RETRY), {Flow.page_due_at: now}))
    rules.append((Flow, (Flow.failing_since.is_not(None), Flow.retry_at > now + RETRY), {Flow.retry_at: now}))
    return rules


def _of_exports(now: datetime) -> list[tuple[Any, tuple[Any, ...], dict[Any, Any]]]:
    target = ExportTarget
    rarely = target.interval_seconds > 86_400
    far = case((rarely, target.due_at > now + timedelta(days=9)), else_=target.due_at > now + 2 * DAY)
    return [
        (target, (far,), {target.due_at: now}),
        (target, (target.retry_at > now + WRITE_BACK,), {target.retry_at: None}),
        (target, (target.lease_until > now + RETRY,), {target.lease_until: now}),
    ]


def _waiting_by_endpoint() -> tuple[ColumnElement[bool], ...]:
    """Each endpoint is named, so that the index of its waiting deliveries is used."""
    return EventDelivery.state == "waiting", EventDelivery.endpoint_id.in_(select(EventEndpoint.id))


def _push_is_far(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Whether a quantity waits longer for its next try than one interval of its integration, or an hour."""
    far = _beyond(Listing.push_due_at, Flow.interval_seconds, now, RETRY)
    stock = Flow.integration_id == Integration.id, Flow.kind == FlowKind.STOCK
    return Integration.shop_id == Listing.shop_id, Integration.removed_at.is_(None), *stock, far


def _beyond(due: Any, every: Any, now: datetime, least: timedelta) -> ColumnElement[bool]:
    """Further ahead than the flow's interval, which a person may have set to a day, or to a month for listings."""
    month = timedelta(days=31)
    steps = [step for step in (DAY, month) if step > least]
    short = and_(due > now + least, every <= least.total_seconds() - 60)
    between = [and_(due > now + step, every <= step.total_seconds() - 60) for step in steps]
    return and_(due > now + least, or_(short, *between))
