"""Detect shops without new orders: has the shop none, or does the download not work?

A shop's rhythm is learned once a day from the times of its stored orders (services/monitoring/order_rhythm.py). If the time since the
last order is unusual, Cartlink requests newer ones. If the shop has some, they did not arrive here; if it has none, it is quiet; if it does
not answer, that is an outage. Only then people are notified, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from errors import AppError, ChannelError, RunStopped, SwitchedOff
from extensions import db, reading, writing
from models import Flow, FlowKind, Integration, Order, OrderRhythm, Shop
from models.types import utcnow
from services.monitoring import incidents
from services.monitoring.order_rhythm import WEEKS, Assessment, Rhythm
from services.shops import connection, finding, flows, health

LEARN_EVERY = timedelta(days=1)
ASK_EVERY = timedelta(hours=1)
AGAIN = timedelta(minutes=15)
"""When to check again after a download was started, or the shop did not answer."""
ON_ITS_WAY = timedelta(minutes=15)
"""An order younger than this need not have arrived yet."""
MOST_AT_ONCE = 200
PAGE = 25


@dataclass(frozen=True, slots=True)
class _Shop:
    """The state of a shop when its check began."""

    integration_id: int
    shop_id: int
    orders_from: datetime
    orders_every: int
    last: datetime
    rhythm: Rhythm
    verdict: str
    asked_at: datetime | None


def begin_listening() -> None:
    """Start to watch every shop whose first download is complete."""
    unheard = (
        select(Shop.id)
        .join(Integration, Integration.shop_id == Shop.id)
        .where(Integration.removed_at.is_(None), Shop.orders_read_to.is_not(None))
        .where(~select(OrderRhythm.id).where(OrderRhythm.shop_id == Shop.id).exists())
        .limit(MOST_AT_ONCE)
    )
    with reading():
        ids = list(db.session.scalars(unheard))
    if not ids:
        return
    with writing() as session:
        known = set(session.scalars(select(OrderRhythm.shop_id).where(OrderRhythm.shop_id.in_(ids))))
        session.add_all(OrderRhythm(shop_id=shop_id, due_at=utcnow()) for shop_id in ids if shop_id not in known)


def due_looks() -> list[int]:
    """The integrations to check now, the longest due first."""
    query = (
        select(Integration.id)
        .join(OrderRhythm, OrderRhythm.shop_id == Integration.shop_id)
        .join(Flow, (Flow.integration_id == Integration.id) & (Flow.kind == FlowKind.ORDERS))
        .where(OrderRhythm.due_at <= utcnow(), Integration.active, Flow.enabled)
        .order_by(OrderRhythm.due_at)
        .limit(MOST_AT_ONCE)
    )
    with reading():
        return list(db.session.scalars(query))


def look(integration_id: int) -> str:
    """Look whether a shop is silent; returns what came of it: ``usual``, ``quiet`` (odd, and the shop has nothing newer),
    ``missing`` (it has), ``unanswered``, or nothing if there was nothing to look at."""
    seen = _see(integration_id)
    if seen is None:
        return ""
    now = utcnow()
    assessed = seen.rhythm.assess(seen.last, now)
    if not assessed.ask:
        return _keep(seen, "usual", seen.rhythm.next_look(seen.last, now))
    if seen.asked_at is not None and now - seen.asked_at < AGAIN:
        return _keep(seen, seen.verdict, seen.asked_at + AGAIN)
    try:
        missing = _ask(seen)
    except RunStopped:
        return ""
    except ChannelError as trouble:
        _note_trouble(integration_id, trouble)
        return _keep(seen, "unanswered", now + ASK_EVERY, asked=True)
    except AppError:
        return ""
    if missing:
        return _say_missing(seen, missing, now)
    return _say_quiet(seen, assessed, now)


def _see(integration_id: int) -> _Shop | None:
    """Claim a check, and learn the rhythm if that is due. None if another worker has claimed it or there is nothing to learn from."""
    now = utcnow()
    with writing() as session:
        integration = session.get(Integration, integration_id)
        if integration is None or integration.removed_at is not None:
            return None
        row = session.scalar(select(OrderRhythm).where(OrderRhythm.shop_id == integration.shop_id).with_for_update())
        shop = session.get_one(Shop, integration.shop_id)
        if row is None or row.due_at is None or row.due_at > now:
            return None
        row.due_at = now + ASK_EVERY
        last = session.scalar(select(func.max(Order.placed_at)).where(Order.shop_id == shop.id))
        if shop.orders_from is None or last is None or last > now:
            return None
        if row.learned_at is None or now - row.learned_at >= LEARN_EVERY or row.first_hour is None:
            learned = learn(shop.id, shop.orders_from, now)
            row.first_hour, row.hours, row.learned_at = learned.first, list(learned.hours), now
        rhythm = Rhythm(row.first_hour, row.hours)
        return _Shop(
            integration_id,
            shop.id,
            shop.orders_from,
            flows.interval(integration_id, FlowKind.ORDERS),
            last,
            rhythm,
            row.verdict,
            row.asked_at,
        )


def learn(shop_id: int, orders_from: datetime, now: datetime) -> Rhythm:
    """A shop's rhythm from its stored orders of the last weeks."""
    query = select(Order.placed_at).where(Order.shop_id == shop_id, Order.placed_at >= now - timedelta(weeks=WEEKS, hours=1))
    first = db.session.scalar(select(func.min(Order.placed_at)).where(Order.shop_id == shop_id))
    return Rhythm.learned(db.session.scalars(query), now, max(orders_from, first) if first else orders_from)


def _ask(seen: _Shop) -> int:
    """How many orders the shop has that are newer than our last one, are not on their way, and are not here. One request.

    Raises ChannelError, or RunStopped if the integration was switched off meanwhile."""
    with reading():
        integration = finding.get_integration(seen.integration_id)
        channel = connection.open_channel(integration, gate=lambda: _gate(seen.integration_id))
    try:
        page = next(channel.iter_changed_orders(changed_since=seen.last + timedelta(seconds=1), page_size=PAGE), None)
    finally:
        channel.close()
    if page is None:
        return 0
    # The shop's time may come from a proxy, and ours may be wrong: an order is late only if both say so.
    late = min(page.shop_time or utcnow(), utcnow()) - max(ON_ITS_WAY, timedelta(seconds=2 * seen.orders_every))
    newer = {order.external_id for order in page.orders if max(seen.last, seen.orders_from) < order.placed_at <= late}
    with reading():
        known = set(
            db.session.scalars(
                select(Order.external_id).where(
                    Order.shop_id == seen.shop_id, Order.external_id.in_(newer), Order.superseded_at.is_(None)
                )
            )
        )
    return len(newer - known)


def _gate(integration_id: int) -> None:
    with reading() as session:
        integration = session.get(Integration, integration_id)
        active = integration is not None and integration.active
    if not active:
        raise SwitchedOff("The integration was switched off.")


def _note_trouble(integration_id: int, trouble: ChannelError) -> None:
    with writing() as session:
        integration = session.get(Integration, integration_id, with_for_update=True)
        if integration is not None and trouble.code != "wrong_key":
            health.note_no_answer(integration, trouble.code, trouble.message, trouble.advice)
        elif integration is not None:
            flows.make_due(flows.of_integration(integration.id), FlowKind.ORDERS)


def _say_missing(seen: _Shop, missing: int, now: datetime) -> str:
    """The first time, start a download. If it does not bring the orders, open an incident."""
    with writing() as session:
        integration = session.get(Integration, seen.integration_id, with_for_update=True)
        if integration is not None:
            flows.make_due(flows.of_integration(integration.id), FlowKind.ORDERS)
    if seen.verdict == "missing":
        incidents.resolve(seen.integration_id, ("silence",))
        facts = {"count": missing, "gap_hours": _hours(seen, now), "last": seen.last.isoformat()}
        incidents.open_by_hand(seen.integration_id, "orders_missing", seen.last, facts)
    return _keep(seen, "missing", now + AGAIN, asked=True)


def _say_quiet(seen: _Shop, assessed: Assessment, now: datetime) -> str:
    if assessed.alarm:
        facts = {"gap_hours": _hours(seen, now), "usual": assessed.usual, "last": seen.last.isoformat()}
        incidents.open_by_hand(seen.integration_id, "silence", seen.last, facts)
    return _keep(seen, "quiet", now + ASK_EVERY, asked=True)


def _hours(seen: _Shop, now: datetime) -> float:
    return round((now - seen.last) / timedelta(hours=1), 1)


def _keep(seen: _Shop, verdict: str, due: datetime, *, asked: bool = False) -> str:
    with writing() as session:
        row = session.scalar(select(OrderRhythm).where(OrderRhythm.shop_id == seen.shop_id).with_for_update())
        if row is not None:
            row.verdict, row.due_at = verdict, due
            row.asked_at = utcnow() if asked else row.asked_at
    return verdict
