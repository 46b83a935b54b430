"""A sync run from claim to end: its lease, the channel to the shop, its steps, and what its end means for the integration."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import logs
from channels.base import Channel
from config import current_config
from errors import AppError, ChannelError, LeaseLost, RunStopped, SwitchedOff, Unexpected
from extensions import acting, reading
from models import FlowKind, Integration, SyncRun
from models.flow import WRITING
from services.common.collector import seldom_collected
from services.common.deadlocks import is_deadlock
from services.listings import push_results
from services.runs import lifecycle
from services.runs.lease import Lease
from services.runs.outcome import Outcome
from services.shops import connection
from services.sync import outcomes, steps
from services.sync.steps import Pause, Report, Work

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Turn:
    """How long a run may work now: for ``seconds``, or until ``stopping`` says so."""

    seconds: float | None = None
    stopping: Callable[[], bool] = lambda: False
    report: Report | None = None


def work(run_id: int, *, slice_seconds: float | None = None, stopping: Callable[[], bool] = lambda: False, report: Report | None = None) -> SyncRun | None:  # fmt: skip
    """Claim a queued run and work on it until it ends or has to pause. None if there was nothing to claim.

    Every error that a shop can cause ends up on the run's row and in its integration's health. Raises what is not the shop's: a
    mistake in Cartlink, or a database that does not answer."""
    lease = lifecycle.claim(run_id)
    if lease is None:
        return None
    about = logs.about(run=run_id, integration=lease.integration_id)
    with about, acting(lease.run_actor, "run"), lease.kept_alive(), seldom_collected():
        try:
            _work(lease, Turn(slice_seconds, stopping, report))
        except LeaseLost as lost:
            log.warning("run %s: %s", run_id, lost.message)
    with reading():
        return lifecycle.find_run(run_id)


def perform(run_id: int, *, report: Report | None = None) -> SyncRun | None:
    """Work on a queued run here and now until it is finished. None if another worker has claimed it."""
    while True:
        run = work(run_id, report=report)
        if run is None or run.state == "finished":
            return run
        time.sleep(1)
        # It may need a flow whose run's worker is dead, and there may be no scheduler to release that run.
        lifecycle.release_dead_runs()


def _work(lease: Lease, turn: Turn) -> None:
    kind = FlowKind(lease.kind)
    if not steps.begin(lease, kind):
        lifecycle.pause(lease, steps.BUSY_SECONDS)
        return
    try:
        channel, key = _open_channel(lease, kind)
    except AppError as trouble:
        lifecycle.finish(lease, lifecycle.outcome_of(trouble), trouble)
        if isinstance(trouble, RunStopped):
            outcomes.continue_later(lease)
        else:
            outcomes.record_own_trouble(lease, "config", trouble)
        return
    push_results.remember_post(lease.integration_id, channel)
    until = None if turn.seconds is None else time.monotonic() + turn.seconds
    work = Work(lease, channel, key, turn.stopping, until, turn.report)
    try:
        outcome = steps.work_on(work, kind)
    except Pause as pause:
        lease.requests = channel.requests
        lifecycle.pause(lease, pause.seconds)
    except Exception as error:
        lease.requests = channel.requests
        _end_failed(work, kind, error)
    else:
        lease.requests = channel.requests
        _end(work, kind, outcome)
    finally:
        channel.close()


def _open_channel(lease: Lease, kind: FlowKind) -> tuple[Channel, bytes]:
    """The channel to the run's shop and the encrypted key that it uses. Raises RunStopped if there is nothing to do for the integration
    as it is now, or ConfigError."""
    with reading() as session:
        integration = session.get_one(Integration, lease.integration_id)
        _refuse(integration, lease, kind)
        return connection.open_channel(integration, lease.gate), integration.key_encrypted


def _refuse(integration: Integration, lease: Lease, kind: FlowKind) -> None:
    """Raises RunStopped if nothing may be sent for this integration. Only a person may try a rejected key again."""
    if integration.removed_at is not None or not integration.enabled:
        raise SwitchedOff("The integration was switched off.")
    if integration.health == "needs_reauthorising" and lease.automatic:
        raise RunStopped("The shop does not accept the API key, so no request is sent.", "Reauthorise the integration.")
    if integration.paused_at is not None and lease.actor == "schedule":
        raise RunStopped("The shop has not answered for days, so the integration is paused.", "Resume it to try at once.")
    if kind in WRITING and integration.writes_refused:
        raise RunStopped("The API key may only read, so nothing is sent.", "Reauthorise with the read/write key.")


def _end(work: Work, kind: FlowKind, outcome: Outcome) -> None:
    lease, channel = work.lease, work.channel
    if channel.noise:
        lease.warn(channel.noise)
    if outcome == Outcome.PAUSED:
        lifecycle.pause(lease)
        return
    lifecycle.finish(lease, outcome)
    outcomes.record_success(lease.integration_id, kind, answered=channel.requests > 0, waits=outcome == Outcome.WAITING)
    work.tell()


def _end_failed(work: Work, kind: FlowKind, error: Exception) -> None:
    """End a run that has failed. Raises the error again if it is a mistake in Cartlink or if the lease is lost."""
    lease = work.lease
    if isinstance(error, LeaseLost):
        raise error
    if isinstance(error, AppError):
        lifecycle.finish(lease, lifecycle.outcome_of(error), error)
        if isinstance(error, ChannelError):
            outcomes.record_failure(lease.integration_id, kind, error, work.key)
        else:
            outcomes.continue_later(lease)
        return
    if is_deadlock(error):
        log.warning("run %s met a deadlock and continues from its last page", lease.run_id)
        lifecycle.pause(lease, 1)
        return
    log.exception("run %s ended in an unexpected error", lease.run_id)
    ours = Unexpected()
    lifecycle.finish(lease, Outcome.FAILED, ours)
    outcomes.record_own_trouble(lease, "internal", ours)
    raise error


def slice_seconds() -> float:
    return float(current_config().slice_seconds)
