"""Order download: a shop's orders read page by page, each page committed with the cursor that leads to the next.

Two ways of reading. *From a start date*, in ascending order, which takes up where a run before it stopped; it is how a shop's
history comes in. Then *by change*, newest first, back to the time up to which everything is known: new orders and changed
old ones in one request when little has happened; after an outage this takes many pages, and goes on from the last saved one as
well. The cursor keeps the shop's own time, so a wrong clock loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import select

from channels.base import Channel, OrderPage
from channels.base import Order as ShopOrder
from errors import ChannelError
from extensions import db
from models import Integration, Receipt, RunItem, Shop
from models.types import utcnow
from services import order_store
from services.money import KnownRates, learn_rates, needs_rows
from services.order_columns import READ_UNDER, Storing
from services.order_store import Rows, Stored
from services.runs import Lease

OVERLAP = timedelta(minutes=10)
"""How far every read reaches back behind the last one."""

CHANGES_PAGE = 25
"""Rows of a page when reading by change: mostly nothing has happened, and complex rows are slow for the shop."""

STEP_BACK = 10
"""Rows before the saved position from which a reading by change goes on: more than a shop deletes between two slices."""

LOOK_BACK = timedelta(days=3)
"""How far the reading that comes before the daily receipt reaches back: what a shop left out for a day or two is read then."""

CLOCK_SLIP = timedelta(minutes=1)
"""How far a shop's clock may go back without anybody's having set it."""

LONG_AWAY = timedelta(hours=1)
"""After so long without a reading much may have changed: pages are as large as those of a first reading."""


def download_orders(lease: Lease, channel: Channel, pause: Callable[[], bool]) -> str:
    """Bring a shop's orders up to date. Answers ``done``, ``partial`` (a row could not be read), or ``pause`` where
    ``pause()`` asked to give way after a page; the run goes on from there when it is claimed again.

    Raises ChannelError, or RunStopped from the lease; whole pages are committed by then."""
    integration = db.session.get_one(Integration, lease.integration_id)
    storing = Storing.of(integration, f"run:{lease.run_id}", lease.run_id)
    shop = integration.shop
    known = KnownRates()
    if shop.orders_read_to is None or shop.reading_since is not None:
        return _read_from_start(lease, channel, storing, known, pause)
    return _read_changes(lease, channel, storing, known, pause)


def look_back(lease: Lease) -> None:
    """Have the next order download read again what is known already: a shop that for a while left out rows, gave old ones or had
    its clock wrong has hidden orders and changes behind the cursor. Three days of changes; the first time, everything since
    the start. Once a run, which notes it: one that gave way would begin that reading anew each time it goes on."""
    if lease.counts.get("days_read_again"):
        return
    with lease.page() as session:
        shop = session.get_one(Shop, lease.shop_id, with_for_update=True)
        if shop.orders_read_to is None or shop.reading_since is not None:
            return
        shop.reading_position, shop.reading_started_at = 0, None
        if session.scalar(select(Receipt.id).where(Receipt.shop_id == shop.id).limit(1)) is None:
            shop.reading_since = shop.orders_from
            lease.count("days_read_again", max(1, (utcnow() - (shop.orders_from or utcnow())).days))
        else:
            shop.orders_read_to -= LOOK_BACK
            lease.count("days_read_again", LOOK_BACK.days)


def _read_from_start(lease: Lease, channel: Channel, storing: Storing, known: KnownRates, pause: Callable[[], bool]) -> str:
    shop = db.session.get_one(Shop, storing.shop_id)
    since, position = shop.reading_since or storing.since, shop.reading_position
    page_size = _page_size()
    db.session.rollback()
    # A row deleted in the shop meanwhile moves the others up: go back a little behind the last saved page.
    saved, position = position, max(0, position - page_size // 2)
    bad = 0
    for page in channel.iter_orders(placed_since=since, start=position, page_size=page_size):
        rows = _read_rows(channel, storing, page.orders, known, lease)
        with lease.page():
            bad += _store_page(lease, channel, storing, page, rows)
            shop = db.session.get_one(Shop, storing.shop_id)
            if shop.reading_started_at is None or not shop.reading_position:
                shop.reading_started_at = page.shop_time or utcnow()
            shop.reading_since, shop.reading_position = since, page.position
            if page.last:
                # Where a shop that came back is read from an earlier date, changes since it left are still to be read.
                if shop.orders_read_to is None:
                    shop.orders_read_to = shop.reading_started_at
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


def _read_earlier(integration_id: int, shop: Shop) -> None:
    """A start date that was moved back during the reading has the orders before it read next."""
    integration = db.session.get_one(Integration, integration_id)
    if shop.orders_from is not None and integration.orders_since < shop.orders_from:
        shop.reading_since = integration.orders_since
        integration.orders_due_at = utcnow()


def _under_present_settings(lease: Lease, storing: Storing) -> Storing:
    """The settings as they are by now. Where a person has changed them during the reading, what was stored under the old ones
    is evaluated again; the evaluation that the change itself has caused may have been over before this page."""
    if tuple(db.session.execute(READ_UNDER, {"integration_id": lease.integration_id}).one()) == storing.settings:
        return storing
    integration = db.session.get_one(Integration, lease.integration_id, populate_existing=True)
    integration.evaluate_due_at = utcnow()
    return Storing.of(integration, storing.actor, storing.run_id)


def _link_without_stock_run(integration_id: int) -> None:
    """Linking waits for the first order download; where no stock run comes to do it, the next reading of listings does."""
    integration = db.session.get_one(Integration, integration_id)
    if not integration.stock_on:
        integration.listings_due_at = utcnow()


def _read_changes(lease: Lease, channel: Channel, storing: Storing, known: KnownRates, pause: Callable[[], bool]) -> str:
    shop = db.session.get_one(Shop, storing.shop_id)
    read_to, position, begun_at = shop.orders_read_to or storing.since, shop.reading_position, shop.reading_started_at
    db.session.rollback()
    page_size = _page_size() if position or utcnow() - read_to > LONG_AWAY else CHANGES_PAGE
    # What has changed since the saved page lies before it and is read next time; a row deleted meanwhile moves the others up.
    saved, position = position, max(0, position - min(STEP_BACK, page_size // 2))
    bad = 0
    for page in channel.iter_changed_orders(changed_since=read_to - OVERLAP, start=position, page_size=page_size):
        rows = _read_rows(channel, storing, page.orders, known, lease)
        with lease.page():
            bad += _store_page(lease, channel, storing, page, rows)
            storing = _under_present_settings(lease, storing)
            begun_at = begun_at or page.shop_time or utcnow()
            shop = db.session.get_one(Shop, storing.shop_id)
            if page.last:
                shop.orders_read_to = _read_up_to(lease, begun_at, read_to)
                shop.reading_position, shop.reading_started_at = 0, None
            else:
                shop.reading_position, shop.reading_started_at = page.position, begun_at
        if page.last:
            return "partial" if bad else "done"
        if pause() and page.position > saved:
            return "pause"
    lease.warn("The shop's list of changed orders ended before its last page.")
    return "partial"


def _read_up_to(lease: Lease, begun_at: datetime, read_to: datetime) -> datetime:
    """The new cursor. A shop whose clock was ahead and has been set back dates what it sells from now on before the old one: it
    is read again at once, from days ago."""
    if begun_at > read_to - CLOCK_SLIP:
        return max(begun_at, read_to)
    lease.warn("The shop's clock was set back; its orders of the last days are read again.")
    db.session.get_one(Integration, lease.integration_id).orders_due_at = utcnow()
    return begun_at - LOOK_BACK


def _read_rows(channel: Channel, storing: Storing, orders: Sequence[ShopOrder], known: KnownRates, lease: Lease) -> Rows:
    """The single money rows of those orders of a page that are new or changed and whose sums leave something open."""
    asking = [order for order in orders if order.surcharges is None and needs_rows(order, storing.money, known)]
    if not asking:
        return {}
    stored = order_store.stored_digests(storing.shop_id, [order.external_id for order in asking])
    db.session.rollback()
    rows: Rows = {}
    for order in asking:
        if stored.get(order.external_id) == order_store.digest_of(order.raw)[1] or not needs_rows(order, storing.money, known):
            continue
        try:
            rows[order.external_id] = channel.read_surcharges(order.external_id)
        except ChannelError as trouble:
            if trouble.retryable or trouble.code in ("wrong_key", "addon_missing"):
                raise
            lease.warn(f"Order {order.number}: its surcharges could not be read. {trouble.message}")
            continue
        lease.count("extra_reads")
        learn_rates(order, storing.money, rows[order.external_id], known)
    return rows


def _store_page(lease: Lease, channel: Channel, storing: Storing, page: OrderPage, rows: Rows) -> int:
    """Store one page and report it on the lease; answers with the number of rows that could not be read.
    Call it inside ``lease.page()``."""
    stored = order_store.store_orders(storing, page.orders, rows)
    order_store.store_unreadable(storing, page.bad, stored)
    for row in page.bad:
        db.session.add(
            RunItem(run_id=lease.run_id, external_id=row.external_id, result="unreadable", reason=row.reason)
        )  # fmt: skip
    for warning in page.warnings:
        lease.warn(warning)
    _report(lease, channel, page, stored)
    return len(page.bad)


def _report(lease: Lease, channel: Channel, page: OrderPage, stored: Stored) -> None:
    lease.done += len(page.orders) + len(page.bad)
    lease.requests = channel.requests
    for name in ("new", "changed", "unchanged", "before_start", "held", "unreadable"):
        lease.count(name, getattr(stored, name))


def _page_size() -> int:
    return current_app.config["CARTLINK"].order_page_size
