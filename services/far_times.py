"""Times that lie further ahead than any of ours ever do: they were written while this machine's clock was wrong.

A machine that starts with its clock in another year, or hours ahead, plans everything from there. Set right, it would wait for
that day: leases of dead workers would be held, orders not be read, shipments not be told. Each kind of time has a longest
wait; what goes beyond it is brought back, by every tick. A worker that lives keeps its lease: its next sign of life says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from extensions import db, writing
from models import Delivery, Integration, SyncRun, WriteBack
from models.types import utcnow

RETRY = timedelta(minutes=75)
"""An hour of backing off, give or take a fifth, and a little."""
DAY = timedelta(hours=26)
WRITE_BACK = timedelta(hours=8)
DELIVERY = timedelta(hours=10)
IN_QUEUE = timedelta(minutes=5)


def bring_back() -> int:
    """Answers with the number of rows whose time was brought back; usually none, which a few looks into indexes tell."""
    now = utcnow()
    term = timedelta(seconds=current_app.config["CARTLINK"].lease_seconds)
    rules = _rules(now, term)
    wrong = [rule for rule in rules if db.session.scalar(select(exists().where(*rule[1])))]
    db.session.rollback()
    count = 0
    for model, where, values in wrong:
        with writing() as session:
            done = session.execute(update(model).where(*where).values(values).execution_options(synchronize_session=False))
            count += done.rowcount
    return count


def _rules(now: datetime, term: timedelta) -> list[tuple[Any, tuple[ColumnElement[bool], ...], dict[Any, Any]]]:
    """(model, which rows, what they are set to)."""
    running, queued = SyncRun.state == "running", SyncRun.state == "queued"
    rules: list[tuple[Any, tuple[ColumnElement[bool], ...], dict[Any, Any]]] = [
        (SyncRun, (running, SyncRun.lease_until > now + 2 * term + IN_QUEUE), {SyncRun.lease_until: now + term}),
        (SyncRun, (queued, SyncRun.not_before > now + IN_QUEUE), {SyncRun.not_before: None}),
        (SyncRun, (queued, SyncRun.enqueued_at > now + IN_QUEUE), {SyncRun.enqueued_at: None}),
        (WriteBack, (WriteBack.state == "waiting", WriteBack.due_at > now + WRITE_BACK), {WriteBack.due_at: now}),
        (Delivery, (Delivery.state == "waiting", Delivery.due_at > now + DELIVERY), {Delivery.due_at: now}),
        (Delivery, (Delivery.state == "sending", Delivery.lease_until > now + RETRY), {Delivery.lease_until: now}),
    ]
    waits: dict[Any, ColumnElement[bool]] = {
        Integration.orders_due_at: _beyond(Integration.orders_due_at, Integration.orders_every, now, RETRY),
        Integration.stock_due_at: _beyond(Integration.stock_due_at, Integration.stock_every, now, RETRY),
        Integration.listings_due_at: _beyond(Integration.listings_due_at, Integration.listings_every, now, DAY),
        Integration.shipments_due_at: Integration.shipments_due_at > now + WRITE_BACK,
        Integration.receipts_due_at: Integration.receipts_due_at > now + DAY,
        Integration.probe_due_at: Integration.probe_due_at > now + DAY,
    }
    for column, where in waits.items():
        rules.append((Integration, (where, Integration.removed_at.is_(None)), {column: now}))
    return rules


def _beyond(due: Any, every: Any, now: datetime, least: timedelta) -> ColumnElement[bool]:
    """Further ahead than a row's own interval, which a person may have set to a day, or to a month for listings."""
    month = timedelta(days=31)
    steps = [step for step in (DAY, month) if step > least]
    short = and_(due > now + least, every <= least.total_seconds() - 60)
    between = [and_(due > now + step, every <= step.total_seconds() - 60) for step in steps]
    return and_(due > now + least, or_(short, *between))
