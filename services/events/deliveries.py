"""Deliveries of events: each endpoint gets its events by itself, at least once, in no certain order.

A worker claims an endpoint, not a delivery: it sends what is due of one endpoint after the other, and what became of several calls is kept
in one transaction. If the worker dies before that, these calls are repeated. A failed call is tried again at growing intervals. If three
calls in a row fail, the endpoint itself waits, so that one that is down costs one call at a time. After three days of failures, or once it
answers 410, it is paused until a person resumes it; its events stay in the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, and_, exists, or_, select

from channels.event_calls import Caller, Outcome
from errors import LeaseLost
from extensions import db, reading, writing
from models import Event, EventAttempt, EventDelivery, EventEndpoint, EventState
from models.types import utcnow
from services.common import backoff, channel_limits
from services.common.batches import delete_in_batches
from services.common.claims import Claim, Claimable
from services.events import endpoints, log, pauses, warnings
from services.security import vault

ENDPOINTS = Claimable(EventEndpoint.token, EventEndpoint.lease_until, lambda: 180)
"""A lease is longer than a batch of calls can take."""
BATCH = 25
BATCH_SECONDS = 3.0
"""After which no further call of a batch begins."""
GIVES_UP = timedelta(days=3)
LEAST_TRIES = 10
"""Failures without which three days do not count: Cartlink itself may have been off for them."""
IN_A_ROW = 3
"""Failed calls after which the endpoint itself waits."""
FIRST_WAIT, LONGEST_WAIT = 30, 4 * 3600
GONE = 410
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pending:
    """Something to send. ``delivery_id`` is None for an event that has no delivery yet."""

    delivery_id: int | None
    position: int | None
    key: str
    type: str
    body: bytes
    tries: int
    since: datetime


def due_endpoints() -> list[int]:
    """The endpoints that something is to be sent to now."""
    with reading():
        return list(db.session.scalars(select(EventEndpoint.id).where(_claimable(), _has_work()).order_by(EventEndpoint.due_at)))


def _claimable() -> ColumnElement[bool]:
    return and_(EventEndpoint.enabled, EventEndpoint.paused_at.is_(None), EventEndpoint.due_at <= utcnow(), ENDPOINTS.free())


def _has_work() -> ColumnElement[bool]:
    waits = exists().where(
        EventDelivery.endpoint_id == EventEndpoint.id, EventDelivery.state == "waiting", EventDelivery.due_at <= utcnow()
    )
    return or_(waits, EventEndpoint.position < select(EventState.position).scalar_subquery())


def work(endpoint_id: int, seconds: float, stopping: Callable[[], bool] = lambda: False) -> int:
    """Send what is due of one endpoint, for so many seconds; returns the number of calls."""
    claim = ENDPOINTS.claim(endpoint_id, _claimable())
    if claim is None:
        return 0
    until, calls, caller = time.monotonic() + seconds, 0, None
    try:
        caller = _caller_of(endpoint_id)
        goes_on = True
        while goes_on and time.monotonic() < until and not stopping():
            with reading():
                pending, read_to = _next(db.session.get_one(EventEndpoint, endpoint_id, populate_existing=True))
            done = _send(caller, pending)
            calls += len(done)
            goes_on = _keep(claim, done, read_to if len(done) == len(pending) else None) and bool(pending)
    except LeaseLost:
        return calls
    finally:
        if caller is not None:
            caller.close()
        with suppress(LeaseLost), writing():
            claim.end()
    return calls


def _caller_of(endpoint_id: int) -> Caller:
    with reading():
        row = endpoints.get_endpoint(endpoint_id)
        url, keys = vault.decrypt(row.url_encrypted), endpoints.secrets_of(row)
    return Caller(url, keys, replace(channel_limits.channel_limits(), max_bytes=64 * 1024, per_minute=0))


def _next(endpoint: EventEndpoint) -> tuple[list[Pending], int]:
    """What is to be sent next: first what is tried again, then events it has not had; and the position that it has had everything up to
    then."""
    query = select(EventDelivery, Event).outerjoin(Event, Event.position == EventDelivery.position)
    query = query.where(
        EventDelivery.endpoint_id == endpoint.id, EventDelivery.state == "waiting", EventDelivery.due_at <= utcnow()
    )
    found = db.session.execute(query.order_by(EventDelivery.due_at).limit(BATCH)).all()
    pending = [_again(delivery, event) for delivery, event in found]
    newest = log.newest_position()
    events = select(Event).where(Event.position > endpoint.position, Event.position <= newest).order_by(Event.position)
    if endpoint.types:
        events = events.where(Event.type.in_(endpoint.types))
    fresh = db.session.scalars(events.limit(BATCH - len(pending))).all() if len(pending) < BATCH else []
    full = len(pending) + len(fresh) >= BATCH
    read_to = (fresh[-1].position if fresh else endpoint.position) if full else newest
    return [*pending, *map(_first, fresh)], read_to


def _again(delivery: EventDelivery, event: Event | None) -> Pending:
    body = msgspec.json.encode(delivery.content if event is None else log.payload(event))
    return Pending(
        delivery.id, delivery.position, delivery.key, delivery.type, body, delivery.tries, delivery.created_at
    )  # fmt: skip


def _first(event: Event) -> Pending:
    return Pending(None, event.position, event.key, event.type, msgspec.json.encode(log.payload(event)), 0, utcnow())


def _send(caller: Caller, pending: Sequence[Pending]) -> list[tuple[Pending, Outcome, datetime]]:
    """Send one after the other, until the time of a batch is over or the endpoint should be left alone."""
    done: list[tuple[Pending, Outcome, datetime]] = []
    until, failed = time.monotonic() + BATCH_SECONDS, 0
    for each in pending:
        if time.monotonic() > until or failed >= IN_A_ROW:
            break
        at = utcnow()
        outcome = caller.call(each.key, each.type, each.body)
        done.append((each, outcome, at))
        failed = 0 if outcome.good else failed + 1
        if outcome.status == GONE or outcome.retry_after is not None:
            break
    return done


def _keep(claim: Claim, done: Sequence[tuple[Pending, Outcome, datetime]], read_to: int | None) -> bool:
    """Keep what became of calls, and move the endpoint on; returns whether it may be called again at once. Raises LeaseLost."""
    with writing() as session:
        claim.hold()
        endpoint = session.get_one(EventEndpoint, claim.row_id, with_for_update=True, populate_existing=True)
        worked = endpoint.paused_at is None
        for pending, outcome, at in done:
            _note_health(endpoint, outcome, at)
            _note_call(endpoint, pending, outcome, at)
        reached = [pending.position for pending, *_ in done if pending.delivery_id is None and pending.position is not None]
        endpoint.position = max([endpoint.position, *reached] if read_to is None else [endpoint.position, read_to])
        warnings.warn(endpoint, utcnow())
        if worked and endpoint.paused_at is not None:
            pauses.begin(endpoint, endpoint.paused_at)
        return endpoint.paused_at is None and endpoint.due_at <= utcnow()


def _note_health(endpoint: EventEndpoint, outcome: Outcome, at: datetime) -> None:
    if outcome.good:
        endpoint.failures, endpoint.failing_since, endpoint.warned, endpoint.error, endpoint.good_at = 0, None, 0, "", at
        return
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or at
    endpoint.error = outcome.error
    if outcome.status == GONE:
        endpoint.paused_at, endpoint.paused_for = at, "gone"
    elif at - endpoint.failing_since >= GIVES_UP and endpoint.failures >= LEAST_TRIES:
        endpoint.paused_at, endpoint.paused_for = at, "failing"
    if endpoint.failures >= IN_A_ROW or outcome.retry_after is not None:
        endpoint.due_at = at + _wait(max(1, endpoint.failures - IN_A_ROW + 1), outcome)


def _note_call(endpoint: EventEndpoint, pending: Pending, outcome: Outcome, at: datetime) -> None:
    delivery = _delivery_of(endpoint.id, pending)
    if delivery is None:
        return
    delivery.tries += 1
    if outcome.good:
        delivery.state, delivery.finished_at = "done", at
    elif at - pending.since >= GIVES_UP and delivery.tries >= LEAST_TRIES and endpoint.failures < IN_A_ROW:
        # The endpoint takes others, only this one it never took.
        delivery.state, delivery.finished_at = "failed", at
    else:
        delivery.due_at = at + _wait(delivery.tries, outcome)
    db.session.add(
        EventAttempt(
            delivery_id=delivery.id, at=at, status=outcome.status, milliseconds=outcome.milliseconds, answer=outcome.answer,
            error=outcome.error,
        )
    )  # fmt: skip


def _delivery_of(endpoint_id: int, pending: Pending) -> EventDelivery | None:
    if pending.delivery_id is not None:
        return db.session.get(EventDelivery, pending.delivery_id)
    delivery = EventDelivery(
        endpoint_id=endpoint_id, position=pending.position, key=pending.key, type=pending.type, tries=0, created_at=pending.since
    )
    db.session.add(delivery)
    db.session.flush()
    return delivery


def _wait(tries: int, outcome: Outcome) -> timedelta:
    return backoff.wait_for(tries, first=FIRST_WAIT, most=LONGEST_WAIT, asked=outcome.retry_after)


def return_endpoints() -> None:
    """Return the claims of this process, so that the next worker continues at once."""
    ENDPOINTS.return_own()


def forget_before(moment: datetime) -> int:
    """Delete deliveries that are over, or of events that are no longer kept."""
    return delete_in_batches(EventDelivery, EventDelivery.created_at < moment)
