"""A sync run from claim to end: the lease and its heartbeat, the channel, the act, and what the outcome means for the shop."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask import current_app
from sqlalchemy import select

import logs
from channels.base import Channel, Gate
from errors import AlreadyRunning, AppError, ChannelError, LeaseLost, RunStopped, ShopBusy, SwitchedOff
from extensions import db, writing
from models import Integration, SyncRun
from models.types import utcnow
from services import (
    health,
    incidents,
    integrations,
    linking,
    listings,
    orders,
    push,
    receipts,
    rereading,
    runs,
    undo,
    write_backs,
)
from services.clashes import is_clash
from services.heartbeat import Heartbeat
from services.runs import Lease

log = logging.getLogger(__name__)

WRITING = ("stock", "shipments", "undo")
"""The kinds of run that change something in the shop."""

STOPPED_FOR = timedelta(minutes=5)
"""How long write-backs wait whose run was stopped."""

Report = Callable[[int, int | None], None]


class GiveWay(Exception):
    """Raised inside an act that cannot go on yet: the run goes back into the queue for ``seconds``."""

    def __init__(self, seconds: float):
        super().__init__(f"give way for {seconds} s")
        self.seconds = seconds


@dataclass
class _Slice:
    """One claim's worth of work on a run: ``pause()`` says when to give way, ``tell()`` reports how far it has come."""

    lease: Lease
    gate: Gate
    channel: Channel
    until: float | None
    stopping: Callable[[], bool]
    report: Report | None

    def tell(self) -> None:
        if self.report:
            self.report(self.lease.done, self.lease.total)

    def pause(self) -> bool:
        self.tell()
        return self.stopping() or (self.until is not None and time.monotonic() > self.until)


def work(run_id: int, *, slice_seconds: float | None = None, stopping: Callable[[], bool] = lambda: False, report: Report | None = None) -> SyncRun | None:  # fmt: skip
    """Claim a queued run and work on it until it ends or has to give way. None where there was nothing to claim.

    Every trouble a shop can make ends up on the run's row and in its integration's health; what is not ours
    (a bug, the database away) is raised."""
    lease = runs.claim(run_id)
    if lease is None:
        return None
    with logs.about(run=run_id, integration=lease.integration_id), Heartbeat(lease):
        try:
            _work(lease, lease.gate, slice_seconds, stopping, report)
        except LeaseLost as lost:
            log.warning("run %s: %s", run_id, lost.message)
    db.session.rollback()
    return runs.find_run(run_id)


def perform(run_id: int, *, report: Report | None = None) -> SyncRun | None:
    """Work on a queued run here and now until it is finished; None where somebody else has claimed it."""
    while True:
        run = work(run_id, report=report)
        if run is None or run.state == "finished":
            return run
        time.sleep(1)
        # It may wait for a run inside it whose worker is dead, and there need be no scheduler to release that.
        runs.release_dead_runs()


def _work(
    lease: Lease, gate: Gate, slice_seconds: float | None, stopping: Callable[[], bool], report: Report | None
) -> None:  # fmt: skip
    _plan_next(lease)
    integration = db.session.get_one(Integration, lease.integration_id)
    try:
        _refuse(integration, lease)
        sealed = integration.key_sealed
        channel = integrations.open_channel(integration, gate)
    except AppError as trouble:
        db.session.rollback()
        runs.finish(lease, runs.outcome_of(trouble), trouble)
        if isinstance(trouble, RunStopped):
            _go_on_later(lease)
        else:
            _note_own_trouble(lease, "config", trouble)
        return
    db.session.rollback()
    until = time.monotonic() + slice_seconds if slice_seconds is not None else None
    part = _Slice(lease, gate, channel, until, stopping, report)
    try:
        outcome = ACTS[lease.kind](part)
    except GiveWay as wait:
        db.session.rollback()
        lease.requests = channel.requests
        runs.give_way(lease, wait.seconds)
        return
    except AppError as trouble:
        db.session.rollback()
        lease.requests = channel.requests
        if isinstance(trouble, LeaseLost):
            raise
        runs.finish(lease, runs.outcome_of(trouble), trouble)
        if isinstance(trouble, ChannelError):
            note_failure(lease.integration_id, lease.kind, trouble, sealed)
        else:
            _go_on_later(lease)
        return
    except Exception as error:
        db.session.rollback()
        if is_clash(error):
            log.warning("run %s clashed with another transaction and goes on from its last page", lease.run_id)
            lease.requests = channel.requests
            runs.give_way(lease, 1)
            return
        log.exception("run %s ended in an unexpected error", lease.run_id)
        ours = AppError("Something went wrong inside Cartlink; it has been logged.", "Try again; if it lasts, tell the operator.")
        runs.finish(lease, "failed", ours)
        _note_own_trouble(lease, "internal", ours)
        raise
    finally:
        channel.close()
    lease.requests = channel.requests
    if outcome == "pause":
        runs.give_way(lease)
        return
    runs.finish(lease, outcome)
    note_success(lease.integration_id, lease.kind, heard=channel.requests > 0)
    if report:
        report(lease.done, lease.total)


def _note_own_trouble(lease: Lease, code: str, trouble: AppError) -> None:
    with writing() as session:
        integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
        failures = health.note_own_trouble(integration, lease.kind, code, trouble.message, trouble.advice)
        if lease.kind == "shipments":
            # Unlike the others it has no interval: nothing else would have it tried again.
            integration.shipments_due_at = utcnow() + timedelta(seconds=_wait(failures, trouble))


def _go_on_later(lease: Lease) -> None:
    """What a shipments run that was stopped has left is told by another one, where nothing keeps that from running."""
    if lease.kind == "shipments":
        with writing() as session:
            integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
            integration.shipments_due_at = integration.shipments_due_at or utcnow() + STOPPED_FOR


def _refuse(integration: Integration, lease: Lease) -> None:
    """Raises RunStopped where a run has nothing to do for an integration as it stands. A person may try a rejected key
    again; nobody else does."""
    if integration.removed_at is not None or not integration.enabled:
        raise SwitchedOff("The integration was switched off.")
    if integration.health == "needs_reauthorising" and _by_itself(lease):
        raise RunStopped("The shop does not accept the API key, so nothing is asked of it.", "Reauthorise the integration.")
    if integration.paused_at is not None and lease.actor == "schedule":
        raise RunStopped("The shop has not answered for days, so the integration is paused.", "Resume it to try at once.")
    if lease.kind in WRITING and integration.writes_refused:
        raise RunStopped("The API key may only read, so nothing is sent.", "Reauthorise with the read/write key.")


def _plan_next(lease: Lease) -> None:
    """The next run of this kind is due an interval from now; what happens meanwhile may make it due sooner."""
    with writing() as session:
        integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
        if lease.kind == "shipments":
            integration.shipments_due_at = None
        elif lease.kind == "receipts":
            integration.receipts_due_at = receipts.next_due(utcnow(), integration.shop.zone)
        elif lease.kind != "undo":
            every = timedelta(seconds=getattr(integration, f"{lease.kind}_every"))
            setattr(integration, f"{lease.kind}_due_at", utcnow() + every)


def _orders(part: _Slice) -> str:
    outcome = orders.download_orders(part.lease, part.channel, part.pause)
    if outcome != "pause":
        rereading.read_again(part.lease, part.channel)
        rereading.read_rows(part.lease, part.channel, part.pause)
    return outcome


def _listings(part: _Slice) -> str:
    """Listings, and where the shop's orders are complete, which stock items they take their quantity from."""
    outcome = listings.read_listings(part.lease, part.channel, part.pause)
    if outcome != "pause":
        integration = db.session.get_one(Integration, part.lease.integration_id)
        orders_on, take_stock = integration.orders_on, integration.take_shop_stock
        complete = integration.shop.orders_read_to is not None
        db.session.rollback()
        if complete or not orders_on:
            linking.link_listings(part.lease, part.channel, take_stock, _fresh_orders(part, orders_on))
    return outcome


def _stock(part: _Slice) -> str:
    """Orders before stock: the first order download and the first reading of listings have to be complete, and orders are
    downloaded anew wherever there is anything to push."""
    lease = part.lease
    integration = db.session.get_one(Integration, lease.integration_id)
    orders_on, take_stock, shop = integration.orders_on, integration.take_shop_stock, integration.shop
    first_orders, first_listings = orders_on and shop.orders_read_to is None, shop.listings_read_at is None
    db.session.rollback()
    if orders_on:
        _leave_alone(lease, "orders")
    if first_orders:
        _inside(part, "orders")
    if first_listings:
        _inside(part, "listings")
    if not push.anything_stale(lease.shop_id):
        return push.push_nothing(lease)
    fresh_orders = _fresh_orders(part, orders_on)
    linking.link_listings(lease, part.channel, take_stock, fresh_orders)
    return push.push_stock(lease, part.channel, fresh_orders, part.tell)


def _shipments(part: _Slice) -> str:
    return write_backs.send_due(part.lease, part.channel, part.pause)


def _receipts(part: _Slice) -> str:
    return receipts.take_receipt(part.lease, part.channel, _fresh_orders(part, True))


def _undo(part: _Slice) -> str:
    return undo.restore(part.lease, part.channel)


def _fresh_orders(part: _Slice, orders_on: bool) -> Callable[[], None]:
    """How a run has the shop's orders downloaded before it decides on quantities; nothing where orders are switched off."""
    return (lambda: _inside(part, "orders")) if orders_on else (lambda: None)


def _inside(part: _Slice, kind: str) -> None:
    """Do another kind of run to its end inside this one, as a run of its own. Gives way while another worker has it, or
    where it has to give way itself; ends where the shop has failed the other kind and is not to be asked again yet."""
    part.gate()
    _leave_alone(part.lease, kind)
    try:
        run_id = runs.start_run(part.lease.integration_id, kind, part.lease.run_actor).id
    except AlreadyRunning as live:
        run_id = live.run_id
    inner = runs.claim(run_id)
    if inner is None:
        raise GiveWay(2)
    left = None if part.until is None else max(0.0, part.until - time.monotonic())

    def both() -> None:
        part.gate()
        inner.gate()

    with logs.about(run=run_id), Heartbeat(inner):
        _work(inner, both, left, part.stopping, part.report)
    db.session.rollback()
    run = runs.find_run(run_id)
    if run.state != "finished":
        raise GiveWay(2)
    if run.outcome not in ("done", "partial"):
        _wait_for(part.lease, kind)
        part.gate()
        raise AppError(f"The {kind} run before it ended: {run.error}", run.advice)


def _by_itself(lease: Lease) -> bool:
    """Whether no person has asked for the run."""
    return lease.actor == "schedule" or lease.actor.startswith("run:")


def _leave_alone(lease: Lease, kind: str) -> None:
    """Raises RunStopped where the last run of a kind that this one needs has failed and its next try is not due yet. A person
    may try sooner."""
    if _by_itself(lease) and _backs_off(lease.integration_id, kind):
        _wait_for(lease, kind)
        raise RunStopped(f"The last {kind} run failed, so the shop is left alone until the next one.")


def _backs_off(integration_id: int, kind: str) -> bool:
    """Whether the last run of a kind failed and its next try is not due yet."""
    integration = db.session.get_one(Integration, integration_id)
    due, failures = getattr(integration, f"{kind}_due_at"), integration.failures
    if not failures or due is None or due <= utcnow():
        db.session.rollback()
        return False
    ended = select(SyncRun.outcome).where(
        SyncRun.integration_id == integration_id, SyncRun.kind == kind, SyncRun.state == "finished"
    )
    last = db.session.scalar(ended.order_by(SyncRun.created_at.desc(), SyncRun.id.desc()).limit(1))
    db.session.rollback()
    return last == "failed"


def _wait_for(lease: Lease, kind: str) -> None:
    """A run that needs another kind comes no sooner than that one's next try."""
    with writing() as session:
        integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
        due, own = getattr(integration, f"{kind}_due_at"), getattr(integration, f"{lease.kind}_due_at", None)
        if due is not None and own is not None:
            setattr(integration, f"{lease.kind}_due_at", max(due, own))


ACTS: dict[str, Callable[[_Slice], str]] = {
    "orders": _orders, "stock": _stock, "listings": _listings, "shipments": _shipments, "receipts": _receipts, "undo": _undo,
}  # fmt: skip


def note_success(integration_id: int, kind: str, *, heard: bool) -> None:
    """``heard`` says whether the shop was asked anything: a run that had nothing to ask tells nothing of its health."""
    with writing() as session:
        integration = session.get_one(Integration, integration_id, with_for_update=True)
        setattr(integration, f"{kind}_done_at", utcnow())
        was_bad = health.note_run_good(integration, kind, heard=heard)
        if heard:
            was_bad = was_bad or integration.health == "needs_reauthorising"
            integrations.note_good(integration)
    if was_bad:
        incidents.review(integration_id)


def note_failure(integration_id: int, kind: str, trouble: ChannelError, sealed: bytes) -> None:
    """What a shop's refusal means (design.md, rule 9): a rejected key asks a person and stops the jobs, a key that may only
    read stops stock, anything else is tried again later and later, with jitter. ``sealed`` is the key that was used: what is
    said of a key that has been replaced meanwhile says nothing of the new one. What is wrong with a key is told at once."""
    if _note_failure(integration_id, kind, trouble, sealed):
        incidents.review(integration_id)


def _note_failure(integration_id: int, kind: str, trouble: ChannelError, sealed: bytes) -> bool:
    """Whether it is to be told at once."""
    with writing() as session:
        integration = session.get_one(Integration, integration_id, with_for_update=True)
        if trouble.code in ("wrong_key", "read_only_key") and integration.key_sealed != sealed:
            return False
        failures = health.note_run_bad(integration, kind, trouble)
        if trouble.code == "wrong_key":
            integrations.note_trouble(integration, "needs_reauthorising", trouble.message)
            return True
        if trouble.code == "read_only_key":
            integration.writes_refused = True
            integration.health_message = trouble.message
            return True
        integration.failures += 1
        integrations.note_trouble(integration, "retrying", trouble.message)
        if kind != "undo":
            # By this kind's own failures: that another kind works does not mean that this one may be tried every few seconds.
            wait = _wait(failures, trouble)
            setattr(integration, f"{kind}_due_at", utcnow() + timedelta(seconds=wait))
        return False


def _wait(failures: int, trouble: AppError) -> float:
    """Seconds until the next try: 15, 30, 60 … up to an hour, give or take a fifth; never less than the shop asked for, where
    that is an hour at most."""
    wait = min(3600.0, 15.0 * 2 ** min(failures - 1, 10)) * random.uniform(0.8, 1.2)
    asked = trouble.retry_after if isinstance(trouble, ShopBusy) else None
    return max(wait, min(asked or 0.0, 3600.0))


def slice_seconds() -> float:
    return float(current_app.config["CARTLINK"].slice_seconds)
