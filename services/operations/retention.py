"""What is deleted, and when: finished runs that nothing refers to, audit lines, sent messages, imported files. Once a day.

Orders, shipments, write-backs, daily reconciliations and the ledger stay for good, and with them every run they name: a stock item's number,
a report and an order's history can be explained after years. Of each kind of run an integration's latest one stays, and of its
stock updates the latest that sent something, with its rows, so that it can be undone.

In batches of one short transaction each: it blocks nobody, and can be stopped at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, exists, not_, or_, select, update
from sqlalchemy.orm import aliased

from config import current_config
from extensions import db, reading, writing
from models import (
    AuditEntry,
    DailyReconciliation,
    Draft,
    Drift,
    IdempotencyKey,
    Integration,
    OrderChange,
    RunItem,
    Setting,
    ShipmentFile,
    StockEntry,
    StockFile,
    StockFilePart,
    StockFileRow,
    StockFileWrongRow,
    SyncRun,
    UserCode,
    UserSession,
    WriteBack,
)
from models.types import utcnow
from services.common import installation
from services.common.batches import batches, delete_in_batches
from services.common.results import changed_rows
from services.events import deliveries, log
from services.feeds import old_runs
from services.monitoring import incidents
from services.notify import outbox
from services.operations import metrics
from services.orders import export_records
from services.shipping import files as shipment_files
from services.stock import file_results

DONE_AT = "retention_done_at"
RUNS_TO = "retention_runs_to"
EVERY = timedelta(days=1)
BATCH = 500
KEYS_KEPT = timedelta(days=7)
"""As api/idempotency.py has it: an older key counts as new."""
NAMING = (StockEntry, OrderChange, WriteBack, DailyReconciliation, Drift)
"""Rows that keep the run they name for good."""

Stopping = Callable[[], bool]


@dataclass
class Forgotten:
    """How many rows of each were forgotten; ``whole`` is False if there was no time for all of it."""

    runs: int = 0
    results: int = 0
    changes: int = 0
    messages: int = 0
    files: int = 0
    keys: int = 0
    events: int = 0
    sign_ins: int = 0
    whole: bool = True

    def sentence(self) -> str:
        counts = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "whole"}
        shown = ", ".join(f"{count} {name.replace('_', '-')}" for name, count in counts.items() if count)
        return f"Forgotten: {shown or 'nothing'}." + ("" if self.whole else " The rest follows.")


def is_due() -> bool:
    """Whether it was last done a day ago or more."""
    last = installation.read_setting(DONE_AT)
    return last is None or datetime.fromisoformat(last) < utcnow() - EVERY


def forget_old(stopping: Stopping = lambda: False) -> Forgotten:
    """Forget what is older than the settings say. Where ``stopping`` answers true it ends at the next batch; what is left is
    done next time."""
    config, done = current_config(), Forgotten()
    acts: tuple[tuple[int, Callable[[datetime, Forgotten, Stopping], None]], ...] = (
        (config.keep_runs_days, _forget_runs),
        (config.keep_runs_days, _forget_feed_runs),
        (config.keep_changes_days, _forget_changes),
        (config.keep_deliveries_days, _forget_messages),
        (config.keep_files_days, _forget_files),
    )
    for days, act in acts:
        if days and not stopping():
            act(utcnow() - timedelta(days=days), done, stopping)
    done.keys = delete_in_batches(IdempotencyKey, IdempotencyKey.created_at < utcnow() - KEYS_KEPT, stopping=stopping)
    done.events = log.forget_old()
    done.messages += deliveries.forget_before(utcnow() - deliveries.KEPT)
    done.sign_ins = _forget_sign_ins()
    done.whole = not stopping()
    if done.whole:
        installation.change_setting(DONE_AT, utcnow().isoformat(), "schedule")
    return done


def _forget_runs(before: datetime, done: Forgotten, stopping: Stopping) -> None:
    # A run is counted for the metrics before it is deleted.
    before = min(before, metrics.rolled_to() or before)
    while not stopping():
        with reading():
            batch = _runs_after(installation.read_setting(RUNS_TO), before)
            ids = [run.id for run in batch if run.idle and not (run.kind == "stock" and _is_last_that_sent(run))]
        if not batch:
            return
        if ids:
            done.results += delete_in_batches(RunItem, RunItem.run_id.in_(ids), stopping=stopping)
            if stopping():
                return
        with writing() as session:
            if ids:
                session.execute(delete(SyncRun).where(SyncRun.id.in_(ids)).execution_options(synchronize_session=False))
            # What stays will not be looked at again: what names a run does so for good.
            _note(RUNS_TO, {"at": batch[-1].finished_at.isoformat(), "id": batch[-1].id})
        done.runs += len(ids)


def _forget_feed_runs(before: datetime, done: Forgotten, stopping: Stopping) -> None:
    done.runs += old_runs.forget_before(before, stopping)


def _runs_after(mark: dict[str, Any] | None, before: datetime) -> Sequence[Any]:
    """The next finished runs in the order of their ends; ``idle`` says that nothing keeps one."""
    run, later = SyncRun, aliased(SyncRun)
    kept = [exists().where(model.run_id == run.id) for model in NAMING]
    kept.append(exists().where(or_(Integration.waiting_run_id == run.id, Integration.approved_run_id == run.id), Integration.id == run.integration_id))  # fmt: skip
    newer = exists().where(later.integration_id == run.integration_id, later.created_at > run.created_at, later.kind == run.kind)
    query = (
        select(run.id, run.finished_at, run.kind, run.integration_id, run.created_at, and_(newer, not_(or_(*kept))).label("idle"))
        .where(run.finished_at < before)
        .order_by(run.finished_at, run.id)
        .limit(BATCH)
    )
    if mark is not None:
        at = datetime.fromisoformat(mark["at"])
        query = query.where(run.finished_at >= at, not_(and_(run.finished_at == at, run.id <= mark["id"])))
    return db.session.execute(query).all()


def _is_last_that_sent(run: Any) -> bool:
    """Whether a stock run is its integration's latest that sent anything."""
    sent = select(RunItem.id).where(RunItem.run_id == run.id, RunItem.result == "sent").limit(1)
    if db.session.scalar(sent) is None:
        return False
    later = (
        select(SyncRun.id)
        .join(RunItem, and_(RunItem.run_id == SyncRun.id, RunItem.result == "sent"))
        .where(SyncRun.integration_id == run.integration_id, SyncRun.created_at > run.created_at, SyncRun.kind == "stock")
        .limit(1)
    )
    return db.session.scalar(later) is None


def _forget_changes(before: datetime, done: Forgotten, stopping: Stopping) -> None:
    done.changes += delete_in_batches(AuditEntry, AuditEntry.at < before, stopping=stopping)


def _forget_messages(before: datetime, done: Forgotten, stopping: Stopping) -> None:
    for forget in (incidents.forget_before, outbox.forget_before, export_records.forget_before):
        if not stopping():
            done.messages += forget(before)


def _forget_files(before: datetime, done: Forgotten, stopping: Stopping) -> None:
    """Drop files that were never approved or refused; of the others delete what is left."""
    with writing() as session:
        session.execute(
            update(StockFile).where(StockFile.state.in_(("checked", "columns")), StockFile.created_at < before)
            .values(state="dropped", finished_at=utcnow()).execution_options(synchronize_session=False)
        )  # fmt: skip
    over = StockFile.state.in_(("applied", "refused", "dropped"))
    with reading():
        ids = list(db.session.scalars(select(StockFile.id).where(over, StockFile.created_at < before)))
    for chunk in batches(ids, BATCH):
        for model in (StockFileRow, StockFileWrongRow, StockFilePart):
            delete_in_batches(model, model.file_id.in_(chunk), stopping=stopping)
        if stopping():
            return
        done.files += delete_in_batches(StockFile, StockFile.id.in_(chunk), stopping=stopping)
    file_results.forget_old(stopping)
    shipment_files.forget_cells(utcnow() - file_results.KEPT)
    done.files += delete_in_batches(ShipmentFile, ShipmentFile.created_at < before, stopping=stopping)


def _forget_sign_ins() -> int:
    """Sessions and one-time codes that are over are of no more use, and abandoned set-ups hold the last
    orders of their shop."""
    now = utcnow()
    with writing() as session:
        return sum(
            changed_rows(
                session.execute(delete(model).where(model.expires_at < now).execution_options(synchronize_session=False))
            )
            for model in (UserSession, UserCode, Draft)
        )


def _note(name: str, value: Any) -> None:
    """Call it inside ``writing()``."""
    setting = db.session.get(Setting, name)
    if setting is None:
        db.session.add(Setting(name=name, value=value, changed_by="schedule"))
    else:
        setting.value, setting.changed_by, setting.changed_at = value, "schedule", utcnow()
