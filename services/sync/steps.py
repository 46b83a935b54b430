"""The steps of a sync run: what a run of each kind does, and which other flows it works on first.

Orders come before stock: a run that decides on quantities brings the shop's orders up to date first. That is a step of the same run,
under the same lease. A step holds its flow (``Flow.run_id``), so that no other run reads the same orders at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from channels.base import Channel
from errors import AppError, ChannelError, RunStopped
from extensions import reading, writing
from models import FlowKind, Integration
from models.types import utcnow
from services.listings import linking, push_results, stock_push, undo
from services.listings import reading as listing_reading
from services.orders import deletions, download, rereading, superseding, unreadable
from services.reports import reconciliation
from services.runs import lifecycle
from services.runs.lease import Lease
from services.runs.outcome import Outcome
from services.shipping import write_backs
from services.shops import flows
from services.sync import outcomes

Report = Callable[[int, int | None], None]
BUSY_SECONDS = 2
"""After this time a run tries again that needs a flow which another run works on."""


class Pause(Exception):
    """Raised inside a step that cannot go on yet: the run returns to the queue for ``seconds``."""

    def __init__(self, seconds: float = 0):
        super().__init__(f"pause for {seconds} s")
        self.seconds = seconds


@dataclass
class Work:
    """One time slice of a run: what its steps need. ``key`` is the encrypted API key that the channel uses."""

    lease: Lease
    channel: Channel
    key: bytes
    stopping: Callable[[], bool]
    until: float | None = None
    report: Report | None = None
    started: float = field(default_factory=time.monotonic)

    def tell(self) -> None:
        """Report how far the run has come."""
        if self.report:
            self.report(self.lease.done, self.lease.total)

    def pause(self) -> bool:
        """Whether the run has to pause after this page."""
        self.tell()
        return self.stopping() or (self.until is not None and time.monotonic() > self.until)


def begin(lease: Lease, kind: FlowKind) -> bool:
    """Take a flow for a run and plan the flow's next run. False if another run works on it."""
    if kind == FlowKind.UNDO:
        return True
    with writing() as session:
        integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
        if not flows.take(lease.integration_id, kind, lease.run_id):
            return False
        flow = integration.flows[kind]
        flow.poll_due_at = None
        if kind == FlowKind.SHIPMENTS:
            flow.due_at = None
        elif kind == FlowKind.RECONCILIATION:
            flow.due_at = reconciliation.next_due(utcnow(), integration.shop.zone)
        else:
            flow.due_at = flows.next_interval(flow)
    return True


def work_on(work: Work, kind: FlowKind) -> Outcome:
    """Do a step. Raises Pause, ChannelError, RunStopped, or another AppError."""
    return Outcome(STEPS[kind](work))


def first(work: Work, kind: FlowKind) -> None:
    """Work on another flow before the run's own. Raises Pause if that takes longer than this time slice or another run is at it, and
    AppError if it fails."""
    lease = work.lease
    lease.gate()
    respect_retry(lease, kind)
    begun_at = utcnow()
    if not begin(lease, kind):
        raise Pause(BUSY_SECONDS)
    sent = work.channel.requests
    try:
        with lease.step(kind):
            outcome = work_on(work, kind)
            lease.steps[kind]["outcome"] = outcome
    except ChannelError as trouble:
        outcomes.record_failure(lease.integration_id, kind, trouble, work.key)
        _wait_for(lease, kind)
        raise AppError(f"The {kind} could not be read first: {trouble.message}", trouble.advice) from None
    if outcome == Outcome.PAUSED:
        raise Pause
    outcomes.record_success(lease.integration_id, kind, answered=work.channel.requests > sent)
    lifecycle.finish_queued(lease.integration_id, kind, begun_at, outcome)


def respect_retry(lease: Lease, kind: FlowKind) -> None:
    """Raises RunStopped if a flow that this run needs has failed and its next try is not due yet. A person may try sooner."""
    if not lease.automatic:
        return
    now = utcnow()
    with reading():
        flow = flows.get_flow(lease.integration_id, kind)
        waits = bool(flow.retry_at and flow.retry_at > now and flow.due_at and flow.due_at > now)
    if waits:
        _wait_for(lease, kind)
        raise RunStopped(f"The last {kind} run failed, so the shop is left alone until the next one.")


def _wait_for(lease: Lease, kind: FlowKind) -> None:
    """Let the run's own flow start again no sooner than the next try of a flow that it needs."""
    with writing() as session:
        integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
        other, own = integration.flows[kind], integration.flows.get(lease.kind)
        if own is not None and other.due_at is not None and own.due_at is not None:
            own.due_at = max(other.due_at, own.due_at)


def _orders_first(work: Work) -> Callable[[], None]:
    """How a step has the shop's orders read before it decides on quantities; nothing while orders are switched off."""
    with reading():
        enabled = flows.get_flow(work.lease.integration_id, FlowKind.ORDERS).enabled
    return (lambda: first(work, FlowKind.ORDERS)) if enabled else (lambda: None)


def _orders(work: Work) -> str:
    lease, channel = work.lease, work.channel
    superseding.read_all_again(lease)
    outcome = download.download_orders(lease, channel, work.pause)
    if outcome != Outcome.PAUSED:
        rereading.read_again(lease, channel)
        unreadable.ask_again(lease, channel)
        deletions.ask_unseen(lease, channel, work.pause)
        rereading.read_rows(lease, channel, work.pause)
    return outcome


def _listings(work: Work) -> str:
    """Read the listings, and link them if the shop's orders are complete."""
    outcome = listing_reading.read_listings(work.lease, work.channel, work.pause)
    if outcome != Outcome.PAUSED:
        with reading() as session:
            integration = session.get_one(Integration, work.lease.integration_id)
            take_stock, complete = integration.take_shop_stock, integration.shop.orders_read_to is not None
            orders_on = integration.flows[FlowKind.ORDERS].enabled
        if complete or not orders_on:
            linking.link_listings(work.lease, work.channel, take_stock, _orders_first(work))
    return outcome


def _stock(work: Work) -> str:
    """Orders before stock: the first reading of orders and of listings has to be complete, and orders are read again if there is
    anything to push."""
    lease = work.lease
    with reading() as session:
        integration = session.get_one(Integration, lease.integration_id)
        orders_on, take_stock, shop = integration.flows[FlowKind.ORDERS].enabled, integration.take_shop_stock, integration.shop
        first_orders, first_listings = orders_on and shop.orders_read_to is None, shop.listings_read_at is None
    if orders_on:
        respect_retry(lease, FlowKind.ORDERS)
    if first_orders:
        first(work, FlowKind.ORDERS)
    if first_listings:
        first(work, FlowKind.LISTINGS)
    by_hand = not lease.automatic
    with reading():
        anything_due = stock_push.anything_due(lease.shop_id, by_hand)
    if not anything_due:
        if push_results.say_what_waits(lease):
            raise RunStopped(lease.warnings[-1], "Start the update by hand to try at once.")
        return stock_push.push_nothing(lease)
    orders_first = _orders_first(work)
    linking.link_listings(lease, work.channel, take_stock, orders_first)
    return stock_push.push_stock(lease, work.channel, orders_first, work.tell, by_hand=by_hand)


def _shipments(work: Work) -> str:
    return write_backs.send_due(work.lease, work.channel, work.pause)


def _reconciliation(work: Work) -> str:
    return reconciliation.reconcile(work.lease, work.channel, lambda: first(work, FlowKind.ORDERS))


def _undo(work: Work) -> str:
    return undo.restore(work.lease, work.channel)


STEPS: dict[FlowKind, Callable[[Work], str]] = {
    FlowKind.ORDERS: _orders, FlowKind.STOCK: _stock, FlowKind.LISTINGS: _listings, FlowKind.SHIPMENTS: _shipments,
    FlowKind.RECONCILIATION: _reconciliation, FlowKind.UNDO: _undo,
}  # fmt: skip
