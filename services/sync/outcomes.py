"""What the end of a run, or of a step, means for its integration: health, the next try, and what a rejected key stops."""

from __future__ import annotations

from datetime import timedelta

from errors import AppError, ChannelError, ShopBusy
from extensions import writing
from models import FlowKind, Integration
from models.types import utcnow
from services.common.backoff import wait_for
from services.listings import push_results
from services.monitoring import connection_state, incidents, probes
from services.runs.lease import Lease
from services.shops import flows, health

STOPPED_FOR = timedelta(minutes=5)
"""How long write-backs wait whose run was stopped."""


def record_success(integration_id: int, kind: FlowKind, *, answered: bool, waits: bool = False) -> None:
    """``answered`` says whether a request was sent: a run that sends none says nothing about the connection. ``waits`` says that it has changed
    nothing until a person approves it, so that the last success stays the one before."""
    with writing() as session:
        integration = session.get_one(Integration, integration_id, with_for_update=True)
        had_failed = health.note_success(integration, kind, answered=answered, waits=waits)
        if kind in integration.flows:
            integration.flows[kind].run_id = None
        if answered:
            had_failed = had_failed or integration.health == "needs_reauthorising"
            connection_state.note_good(integration)
    if had_failed:
        incidents.review(integration_id)


def record_failure(integration_id: int, kind: FlowKind, trouble: ChannelError, key: bytes) -> None:
    """A rejected key stops the flows and asks a person, a key that may only read stops stock, anything else is tried again later. A probe
    finds out whether the key is accepted again.
    ``key`` is the encrypted key that was used: what is wrong with it says nothing about one that has replaced it meanwhile.
    People are notified of a trouble with the key at once."""
    with writing() as session:
        integration = session.get_one(Integration, integration_id, with_for_update=True)
        if trouble.about_key and integration.key_encrypted != key:
            return
        failures = health.note_failure(integration, kind, trouble)
        if trouble.about_key:
            flows.make_due_by(flows.of_integration(integration_id), FlowKind.CONNECTION, utcnow() + probes.SOON)
        if trouble.code == "wrong_key":
            connection_state.note_trouble(integration, "needs_reauthorising", trouble.message)
        elif trouble.code == "read_only_key":
            integration.writes_refused = True
            connection_state.note_trouble(integration, integration.health, trouble.message)
        else:
            connection_state.note_trouble(integration, "retrying", trouble.message)
            _plan_retry(integration, kind, failures, trouble)
    if trouble.about_key:
        incidents.review(integration_id)


def _plan_retry(integration: Integration, kind: FlowKind, failures: int, trouble: ChannelError) -> None:
    if kind in integration.flows:
        # By this flow's own failures: that another flow works does not mean that this one may be tried every few seconds.
        flow = integration.flows[kind]
        flow.due_at = flow.retry_at = utcnow() + _wait(failures, trouble)
    if trouble.writing and kind == FlowKind.STOCK:
        push_results.plan_after_failure(integration)


def record_own_trouble(lease: Lease, code: str, trouble: AppError) -> None:
    """A run has failed for a reason that is not the shop's; ``code`` is one of ``errors.OWN_CODES``."""
    kind = FlowKind(lease.kind)
    with writing() as session:
        integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
        failures = health.note_own_trouble(integration, kind, code, trouble.message, trouble.advice)
        if kind in (FlowKind.SHIPMENTS, FlowKind.LISTINGS, FlowKind.RECONCILIATION):
            # Nothing else would make them due again before the next day, if at all.
            integration.flows[kind].due_at = utcnow() + _wait(failures, trouble)


def continue_later(lease: Lease) -> None:
    """Plan another run for the write-backs that are left after a shipments run was stopped."""
    if lease.kind == FlowKind.SHIPMENTS:
        with writing() as session:
            integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
            flow = integration.flows[FlowKind.SHIPMENTS]
            flow.due_at = flow.due_at or utcnow() + STOPPED_FOR


def _wait(failures: int, trouble: AppError) -> timedelta:
    return wait_for(failures, first=15, most=3600, asked=trouble.retry_after if isinstance(trouble, ShopBusy) else None)
