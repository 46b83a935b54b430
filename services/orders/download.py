"""Order download: a shop's orders read page by page, each page committed with the cursor that leads to the next.

There are two ways of reading. *From a start date*, in ascending order, continuing where the previous run stopped: this
imports a shop's history. Then *by change*, newest first, back to the watermark: new and changed orders in one request if
little has happened. After an outage this takes many pages, and continues from the last saved one too.

The watermark is the newest change time among the shop's own rows, saved after them, and never later than our clock less the
overlap. The time in a shop's answers may be a proxy's: it can move the watermark back, never ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import func, select

from channels.base import Channel, OrderPage
from channels.base import Order as ShopOrder
from config import current_config
from errors import ChannelError
from extensions import db, reading
from models import DailyReconciliation, FlowKind, Integration, Order, RunItem, Shop
from models.types import utcnow
from services.order_basics import identity
from services.order_basics.columns import READ_UNDER, Storing
from services.order_basics.money import KnownRates, learn_rates, needs_rows
from services.orders import deletions, rereading, store, unreadable
from services.orders.store import Rows, Stored
from services.runs.lease import Lease
from services.shops import flows

OVERLAP = timedelta(minutes=10)
"""How far every read reaches back behind the last one."""

CHANGES_PAGE = 25
"""Rows of the first page when reading by change: mostly nothing has happened, and complex rows are slow for the shop."""

MOST_FAILED = 3
"""Orders in a row whose money rows the shop fails to give."""

MOST_AHEAD = 2**31 - 1
"""Seconds: more the column of a shop's clock does not hold."""
CLOCK_STEP = 30
"""Seconds by which a shop's clock has to differ from what is stored of it before that is changed."""

STEP_BACK = 10
"""Rows before the saved position from which a reading by change goes on: more than a shop deletes between two slices."""

LOOK_BACK = timedelta(days=3)
"""How far the reading that comes before the daily reconciliation reaches back: what a shop left out for a day or two is read then."""

CLOCK_SLIP = timedelta(minutes=1)
"""How far a shop's clock may go back although nobody has set it."""

LONG_AWAY = timedelta(hours=1)
"""After so long without a reading much may have changed: pages are as large as those of a first reading."""


def download_orders(lease: Lease, channel: Channel, pause: Callable[[], bool]) -> str:
    """Bring a shop's orders up to date. Returns ``done``, ``partial`` (a row could not be read), or ``pause`` where
    ``pause()`` was true after a page; the run continues there when it is claimed again.

    Raises ChannelError, or RunStopped from the lease; whole pages are committed by then."""
    integration = db.session.get_one(Integration, lease.integration_id)
    storing = Storing.of(integration, f"run:{lease.run_id}", lease.run_id)
    shop = integration.shop
    known = KnownRates()
    if shop.orders_read_to is None or shop.reading_since is not None:
        return _read_from_start(lease, channel, storing, known, pause)
    return _read_changes(lease, channel, storing, known, pause)


def look_back(lease: Lease) -> None:
    """Have the next order download read again what is known already: a shop that left out rows for a while, returned old
    ones or had a wrong clock may have hidden orders and changes behind the cursor. It reads three days of changes; the first
    time, everything since the start. Once a run, which notes it: a run that paused would otherwise start that reading again each time it continues."""
    if lease.counts.get("days_read_again"):
        return
    with lease.page() as session:
        shop = session.get_one(Shop, lease.shop_id, with_for_update=True)
        if shop.orders_read_to is None or shop.reading_since is not None:
            return
        shop.reading_position, shop.reading_started_at = 0, None
        if session.scalar(select(DailyReconciliation.id).where(DailyReconciliation.shop_id == shop.id).limit(1)) is None:
            shop.reading_since = shop.orders_from
            lease.count("days_read_again", max(1, (utcnow() - (shop.orders_from or utcnow())).days))
        else:
            shop.orders_read_to -= LOOK_BACK
            shop.changes_seen = None
            lease.count("days_read_again", LOOK_BACK.days)


def _read_from_start(lease: Lease, channel: Channel, storing: Storing, known: KnownRates, pause: Callable[[], bool]) -> str:
    with reading():
        shop = db.session.get_one(Shop, storing.shop_id)
        since, position = shop.reading_since or storing.since, shop.reading_position
        page_size = _page_size()
    begun_at = utcnow()
    # A row deleted in the shop meanwhile moves the others up: go back a little behind the last saved page.
    saved, position = position, max(0, position - page_size // 2)
    bad = 0
    for page in channel.iter_orders(placed_since=since, start=position, page_size=page_size):
        read = _read_rows(channel, storing, page.orders, known, lease)
        with lease.page():
            bad += _store_page(lease, channel, storing, page, read)
            shop = db.session.get_one(Shop, storing.shop_id)
            if shop.reading_started_at is None or not shop.reading_position:
                shop.reading_started_at = begun_at
            shop.reading_since, shop.reading_position = since, page.position
            _note_clock(shop, channel, page)
            if page.last:
                # Where a shop that came back is read from an earlier date, changes since it left are still to be read.
                if shop.orders_read_to is None:
                    shop.orders_read_to, shop.changes_seen = _first_watermark(shop, since), None
                    _link_without_stock_run(lease.integration_id)
                begin = max(since, storing.since)
                shop.orders_from = begin if shop.orders_from is None else min(begin, shop.orders_from)
                shop.reading_since, shop.reading_position, shop.reading_started_at = None, 0, None
                _read_earlier(lease.integration_id, shop)
            storing = _under_present_settings(lease, storing)
        if page.last:
            return "partial" if bad else "done"
        # Where a slice is over after each page, going back would else be all that is ever done.
        if pause() and page.position > saved:
            return "pause"
    lease.warn("The shop's list of orders ended before its last page.")
    return "partial"


def _first_watermark(shop: Shop, since: datetime) -> datetime:
    """Up to when changes are known after a first reading: the newest change among the shop's rows, less the time the reading took,
    because what changed during it may lie behind it. Only the length of that time comes from our clock."""
    now = utcnow()
    newest = db.session.scalar(
        select(func.max(Order.changed_at)).where(Order.shop_id == shop.id, Order.number != "", Order.superseded_at.is_(None))
    )
    if newest is None:
        return min(since, now - OVERLAP)
    took = max(timedelta(0), now - (shop.reading_started_at or now))
    return min(newest - took - OVERLAP, now - OVERLAP)


def _note_clock(shop: Shop, channel: Channel, page: OrderPage) -> None:
    """Keep how far the shop's clock is ahead of ours: by the time in its answers, and where its rows are dated later than our
    clock, by these. Small differences are not worth a change of the row."""
    offset = channel.clock_offset
    ahead = 0 if offset is None else round(offset.total_seconds())
    newest = max((order.changed_at for order in page.orders), default=None)
    if newest is not None:
        ahead = max(ahead, round((newest - utcnow()).total_seconds())) if newest > utcnow() else ahead
    ahead = max(-MOST_AHEAD, min(MOST_AHEAD, ahead))
    if shop.clock_ahead is None or abs(ahead - shop.clock_ahead) > CLOCK_STEP:
        shop.clock_ahead = ahead


def _read_earlier(integration_id: int, shop: Shop) -> None:
    """If the start date was moved back during the reading, the orders before it are read next."""
    integration = db.session.get_one(Integration, integration_id)
    if shop.orders_from is not None and integration.orders_since < shop.orders_from:
        shop.reading_since = integration.orders_since
        flows.make_due(flows.of_integration(integration_id), FlowKind.ORDERS)


def _under_present_settings(lease: Lease, storing: Storing) -> Storing:
    """The settings as they are now. If a person changed them during the reading, orders stored under the old ones are
    evaluated again: the evaluation that the change started may have ended before this page."""
    if tuple(db.session.execute(READ_UNDER, {"integration_id": lease.integration_id}).one()) == storing.settings:
        # A shop has its key from its first page on, and always the same.
        return storing if storing.identity_key else replace(storing, identity_key=identity.identity_key(storing.shop_id))
    integration = db.session.get_one(Integration, lease.integration_id, populate_existing=True)
    integration.evaluate_due_at = utcnow()
    return Storing.of(integration, storing.actor, storing.run_id)


def _link_without_stock_run(integration_id: int) -> None:
    """Linking waits for the first order download. If no stock run follows, the next reading of listings does it."""
    if not flows.get_flow(integration_id, FlowKind.STOCK).enabled:
        flows.make_due(flows.of_integration(integration_id), FlowKind.LISTINGS)


def _read_changes(lease: Lease, channel: Channel, storing: Storing, known: KnownRates, pause: Callable[[], bool]) -> str:
    with reading():
        shop = db.session.get_one(Shop, storing.shop_id)
        read_to, position, begun_at = shop.orders_read_to or storing.since, shop.reading_position, shop.reading_started_at
        memory = shop.changes_seen or b""
        away = _away(lease.integration_id)
    page_size = _page_size()
    first_size = min(CHANGES_PAGE, page_size) if memory and not position and away <= LONG_AWAY else page_size
    # What has changed since the saved page lies before it and is read next time; a row deleted meanwhile moves the others up.
    saved, position = position, max(0, position - min(STEP_BACK, page_size // 2))
    bad = nameless = 0
    from_the_top = position == 0
    for page in channel.iter_changed_orders(
        changed_since=read_to - OVERLAP, start=position, page_size=page_size, first_size=first_size, memory=memory,
        suspects=partial(unreadable.suspects, storing.shop_id),
    ):  # fmt: skip
        read = _read_rows(channel, storing, page.orders, known, lease)
        with lease.page():
            bad += _store_page(lease, channel, storing, page, read) + page.passed.count("")
            nameless += sum(not row.external_id for row in page.bad) + page.passed.count("")
            storing = _under_present_settings(lease, storing)
            begun_at = begun_at or max((order.changed_at for order in page.orders if order.change_known), default=None)
            shop = db.session.get_one(Shop, storing.shop_id)
            _note_clock(shop, channel, page)
            if shop.changes_seen != page.memory:
                shop.changes_seen = page.memory
            if page.last and from_the_top and not nameless:
                shown = {
                    *page.recognised,
                    *page.passed,
                    *(row.external_id for row in page.orders),
                    *(row.external_id for row in page.bad),
                }
                deletions.not_shown(storing.shop_id, shown, read_to - OVERLAP)
            if page.last:
                shop.orders_read_to = _watermark(lease, shop, begun_at or read_to, read_to, page.shop_time, away)
                shop.reading_position, shop.reading_started_at = 0, None
                shop.unidentified = nameless
            else:
                shop.reading_position, shop.reading_started_at = page.position, begun_at
        if page.last:
            return "partial" if bad else "done"
        if pause() and page.position > saved:
            return "pause"
    lease.warn("The shop's list of changed orders ended before its last page.")
    return "partial"


def _watermark(
    lease: Lease, shop: Shop, newest: datetime, read_to: datetime, shop_time: datetime | None, away: timedelta
) -> datetime:  # fmt: skip
    """The new watermark. ``newest`` is the newest change the reading began with.

    A shop whose clock was set back dates what it sells from now on before the old watermark. Where the time in its answers says
    so, the watermark goes back by it and by the time since the last reading, and is read from again at once."""
    mark = min(newest, utcnow() - OVERLAP)
    if shop_time is None or shop_time >= mark:
        return mark
    if shop_time >= read_to - CLOCK_SLIP:
        return shop_time
    lease.warn("The shop's clock was set back; its orders since then are read again.")
    flows.make_due(flows.of_integration(lease.integration_id), FlowKind.ORDERS)
    return shop_time - min(away, LOOK_BACK) - OVERLAP


def _away(integration_id: int) -> timedelta:
    """How long ago the last reading of orders ended. Only the length comes from our clock."""
    done_at = flows.get_flow(integration_id, FlowKind.ORDERS).succeeded_at
    return LOOK_BACK if done_at is None else max(timedelta(0), utcnow() - done_at)


@dataclass(frozen=True, slots=True)
class _Read:
    """The single money rows of a page's orders, and the ids of orders whose rows have to be requested again."""

    rows: Rows
    failed: tuple[str, ...] = ()


def _read_rows(channel: Channel, storing: Storing, orders: Sequence[ShopOrder], known: KnownRates, lease: Lease) -> _Read:
    """The single money rows of those orders of a page that are new or changed and whose sums leave something open. An order for which
    the shop fails stops no other; MOST_FAILED of them in a row mean that it is the shop."""
    asking = [order for order in orders if order.surcharges is None and needs_rows(order, storing.money, known)]
    if not asking:
        return _Read({})
    with reading():
        stored = store.stored_digests(storing.shop_id, [order.external_id for order in asking])
    rows: Rows = {}
    failed: list[str] = []
    in_a_row = 0
    for order in asking:
        if stored.get(order.external_id) == store.digest_of(order.raw)[1] or not needs_rows(order, storing.money, known):
            continue
        try:
            rows[order.external_id] = channel.read_surcharges(order.external_id)
        except ChannelError as trouble:
            in_a_row += 1
            if trouble.concerns == "shop" or in_a_row >= MOST_FAILED:
                raise
            if trouble.concerns == "unknown":
                failed.append(order.external_id)
            lease.warn(f"Order {order.number}: its surcharges could not be read. {trouble.message}")
            continue
        in_a_row = 0
        lease.count("extra_reads")
        learn_rates(order, storing.money, rows[order.external_id], known)
    return _Read(rows, tuple(failed))


def _store_page(lease: Lease, channel: Channel, storing: Storing, page: OrderPage, read: _Read) -> int:
    """Store one page and report it on the lease; returns the number of rows that could not be read.
    Call it inside ``lease.page()``."""
    stored = store.store_orders(storing, page.orders, read.rows)
    rereading.ask_rows_again(storing.shop_id, read.failed)
    store.store_unreadable(storing, page.bad, stored)
    for row in page.bad:
        db.session.add(
            RunItem(run_id=lease.run_id, external_id=row.external_id, result="unreadable", reason=row.reason)
        )  # fmt: skip
    unreadable.note(storing.shop_id, [(row.external_id, row.reason) for row in page.bad], at_once=True)
    unreadable.note(storing.shop_id, [(each.external_id, "") for each in page.orders if each.partial], at_once=False)
    if sentence := unreadable.sentence([*(row.external_id for row in page.bad), *page.passed]):
        lease.warn(sentence)
    for row in stored.failed:
        db.session.add(
            RunItem(run_id=lease.run_id, external_id=row.external_id, result="unreadable", reason=row.reason)
        )  # fmt: skip
        lease.warn(f"The shop's order {row.external_id} could not be stored. {row.reason}")
    unreadable.note(storing.shop_id, [(row.external_id, row.reason) for row in stored.failed], at_once=False)
    for warning in page.warnings:
        lease.warn(warning)
    _report(lease, channel, page, stored)
    return len(page.bad) + len(stored.failed)


def _report(lease: Lease, channel: Channel, page: OrderPage, stored: Stored) -> None:
    lease.done += len(page.orders) + len(page.bad)
    lease.requests = channel.requests
    for name in ("new", "changed", "unchanged", "before_start", "held", "unreadable"):
        lease.count(name, getattr(stored, name))


def _page_size() -> int:
    return current_config().order_page_size
