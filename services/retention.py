"""What is forgotten, and when: finished runs nothing refers to, audit lines, messages sent, files taken in. Once a day.

Orders, shipments, write-backs, receipts and the ledger stay for good, and with them every run they name: a stock item's number,
a report and an order's history can be explained after years. Of each kind of run an integration's latest one stays, and of its
stock updates the latest that sent something, with its rows, so that it can be undone.

In batches of one short transaction each: nobody waits for it, and being stopped in the middle costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import and_, delete, exists, not_, or_, select, update
from sqlalchemy.orm import aliased

from config import Config
from extensions import db, writing
from models import (
    Draft,
    Drift,
    Integration,
    OrderChange,
    Receipt,
    RunItem,
    Setting,
    SettingChange,
    ShipmentFile,
    StockEntry,
    StockFile,
    StockFilePart,
    StockFileRow,
    SyncRun,
    UserCode,
    UserSession,
    WriteBack,
)
from models.types import utcnow
from services import figures, incidents, installation, outbox

DONE_AT = "retention_done_at"
RUNS_TO = "retention_runs_to"
EVERY = timedelta(days=1)
BATCH = 500
MOST_ROWS = 2000
"""Rows that one transaction deletes at most."""
NAMING = (StockEntry, OrderChange, WriteBack, Receipt, Drift)
"""What keeps a run for good by naming it."""

Stopping = Callable[[], bool]


@dataclass
class Forgotten:
    """How many rows of each were forgotten; ``whole`` is False where there was no time for all of it."""

    runs: int = 0
    results: int = 0
    changes: int = 0
    messages: int = 0
    files: int = 0
    sign_ins: int = 0
    whole: bool = True

    def sentence(self) -> str:
        counts = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "whole"}
        told = ", ".join(f"{count} {name.replace('_', '-')}" for name, count in counts.items() if count)
        return f"Forgotten: {told or 'nothing'}." + ("" if self.whole else " The rest follows.")


def is_due() -> bool:
    """Whether it was last done a day ago or more."""
    last = installation.read_setting(DONE_AT)
    return last is None or datetime.fromisoformat(last) < utcnow() - EVERY


def forget_old(stopping: Stopping = lambda: False) -> Forgotten:
    """Forget what is older than the settings say. Where ``stopping`` answers true it ends at the next batch; what is left is
    done next time."""
    config, done = _config(), Forgotten()
    acts: tuple[tuple[int, Callable[[datetime, Forgotten, Stopping], None]], ...] = (
        (config.keep_runs_days, _forget_runs),
        (config.keep_changes_days, _forget_changes),
        (config.keep_deliveries_days, _forget_messages),
        (config.keep_files_days, _forget_files),
    )
    for days, act in acts:
        if days and not stopping():
            act(utcnow() - timedelta(days=days), done, stopping)
    done.sign_ins = _forget_sign_ins()
    done.whole = not stopping()
    if done.whole:
        installation.change_setting(DONE_AT, utcnow().isoformat(), "schedule")
    return done


def _config() -> Config:
    return current_app.config["CARTLINK"]


def _forget_runs(before: datetime, done: Forgotten, stopping: Stopping) -> None:
    # A run is counted for the figures before it is forgotten.
    before = min(before, figures.rolled_to() or before)
    while not stopping() and (batch := _runs_after(installation.read_setting(RUNS_TO), before)):
        ids = [run.id for run in batch if run.idle and not (run.kind == "stock" and _is_last_that_sent(run))]
        db.session.rollback()
        if ids:
            done.results += _delete(RunItem, RunItem.run_id.in_(ids), stopping)
            if stopping():
                return
        with writing() as session:
            if ids:
                session.execute(delete(SyncRun).where(SyncRun.id.in_(ids)).execution_options(synchronize_session=False))
            # What stays will not be looked at again: what names a run does so for good.
            _note(RUNS_TO, {"at": batch[-1].finished_at.isoformat(), "id": batch[-1].id})
        done.runs += len(ids)


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
    done.changes += _delete(SettingChange, SettingChange.at < before, stopping)


def _forget_messages(before: datetime, done: Forgotten, stopping: Stopping) -> None:
    for forget in (incidents.forget_before, outbox.forget_before):
        if not stopping():
            done.messages += forget(before)


def _forget_files(before: datetime, done: Forgotten, stopping: Stopping) -> None:
    """Files whose rows nobody has said yes or no to are dropped; of the others only what was left is forgotten."""
    with writing() as session:
        session.execute(
            update(StockFile).where(StockFile.state == "checked", StockFile.created_at < before)
            .values(state="dropped", finished_at=utcnow()).execution_options(synchronize_session=False)
        )  # fmt: skip
    over = StockFile.state.in_(("applied", "refused", "dropped"))
    ids = list(db.session.scalars(select(StockFile.id).where(over, StockFile.created_at < before)))
    db.session.rollback()
    for start in range(0, len(ids), BATCH):
        chunk = ids[start : start + BATCH]
        for model in (StockFileRow, StockFilePart):
            _delete(model, model.file_id.in_(chunk), stopping)
        if stopping():
            return
        done.files += _delete(StockFile, StockFile.id.in_(chunk), stopping)
    done.files += _delete(ShipmentFile, ShipmentFile.created_at < before, stopping)


def _forget_sign_ins() -> int:
    """Sessions and one-time codes that are over are worth nothing to anybody, and set-ups that were left lying hold the last
    orders of their shop."""
    now = utcnow()
    with writing() as session:
        return sum(
            session.execute(delete(model).where(model.expires_at < now).execution_options(synchronize_session=False)).rowcount
            for model in (UserSession, UserCode, Draft)
        )


def _delete(model: Any, condition: Any, stopping: Stopping) -> int:
    """Delete the rows a condition is true of, in batches from the oldest on; answers with their number."""
    count = 0
    while not stopping():
        ids = list(db.session.scalars(select(model.id).where(condition).order_by(model.id).limit(MOST_ROWS)))
        db.session.rollback()
        if not ids:
            break
        with writing() as session:
            session.execute(delete(model).where(model.id.in_(ids)).execution_options(synchronize_session=False))
        count += len(ids)
    return count


def _note(name: str, value: Any) -> None:
    """Call it inside ``writing()``."""
    setting = db.session.get(Setting, name)
    if setting is None:
        db.session.add(Setting(name=name, value=value, changed_by="schedule"))
    else:
        setting.value, setting.changed_by, setting.changed_at = value, "schedule", utcnow()
