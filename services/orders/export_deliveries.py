"""Deliveries of saved exports: each order once, whatever ends in between.

A worker claims an export and does what is due of it. First a file is planned: in one transaction it gets its name and its orders, which no other
file of this export can hold. Then its content is made and kept, then it is sent, then that is recorded and the content is deleted. If the worker
ends in between, the next one sends the same content under the same name: nothing is lost, and at most a whole file comes twice. Orders that fit
the filter later are in the next file, which is planned when this one is delivered. A failed file is tried again at growing intervals, for as
long as it takes; a person can drop it."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from sqlalchemy import ColumnElement, and_, exists, insert, or_, select

from channels.remote_files.failures import HostKeyUnknown, PlaceBusy
from errors import AppError, InvalidInput, LeaseLost
from extensions import db, reading, writing
from models import ExportDelivery, ExportDeliveryOrder, ExportDeliveryPart, ExportTarget, Order, OrderExport
from models.types import utcnow
from services.common import backoff, timetable
from services.common.batches import batches
from services.common.claims import Claim, Claimable
from services.orders import export_files, export_filters, export_records, export_sending, export_targets, exports
from services.orders.export_records import IS_LIVE
from services.orders.export_sending import MB, MOST_BYTES, Sendable
from services.orders.exports import Placed

log = logging.getLogger(__name__)

TARGETS = Claimable(ExportTarget.token, ExportTarget.lease_until, lambda: 180)
MOST_ORDERS = 50_000
"""Orders in one file. Of only new orders the rest is in another file at once; more of all orders are refused."""
PART = 512 * 1024
new_file = partial(SpooledTemporaryFile, 2 * MB)
"""A file that is on disk only if it is large; it has to be closed."""
FIRST_WAIT, LONGEST_WAIT = 60, 4 * 3600
UNKNOWN = "Cartlink could not make or send the file. Its log says why."


def due_exports() -> list[int]:
    """The exports of which something is to be planned or sent now."""
    with reading():
        return list(db.session.scalars(select(ExportTarget.export_id).where(_is_due(), TARGETS.free()).order_by(ExportTarget.id)))


def _is_due() -> ColumnElement[bool]:
    now, delivery = utcnow(), ExportDelivery
    waits = exists().where(delivery.export_id == ExportTarget.export_id, IS_LIVE)
    may_try = or_(ExportTarget.retry_at.is_(None), ExportTarget.retry_at <= now)
    return and_(may_try, or_(waits, ExportTarget.asked_by != "", and_(ExportTarget.enabled, ExportTarget.due_at <= now)))


def work(export_id: int, stopping: Callable[[], bool] = lambda: False) -> list[int]:
    """Do what is due of one export; returns the ids of the files that were delivered. Does nothing where another worker has it."""
    with reading():
        target_id = db.session.scalar(select(ExportTarget.id).where(ExportTarget.export_id == export_id))
    claim = None if target_id is None else TARGETS.claim(target_id, _is_due(), TARGETS.free())
    done: list[int] = []
    if claim is None:
        return done
    try:
        with claim.kept_alive():
            while not stopping():
                delivery_id = _next(claim, export_id)
                if delivery_id is None or not _deliver(claim, delivery_id):
                    break
                done.append(delivery_id)
        with writing():
            claim.end()
    except LeaseLost:
        log.info("Another worker has taken the export %d over", export_id)
    return done


def _next(claim: Claim, export_id: int) -> int | None:
    """The oldest file that is not delivered yet, or else a new one if it is time for that and there is something to send."""
    with reading():
        query = select(ExportDelivery.id).where(ExportDelivery.export_id == export_id, IS_LIVE).order_by(ExportDelivery.id)
        found = db.session.scalar(query.limit(1))
        due = db.session.scalar(select(ExportTarget.id).where(ExportTarget.export_id == export_id, _is_due()))
    if found is not None or due is None:
        return found
    try:
        return _plan(claim, export_id)
    except AppError as trouble:
        if isinstance(trouble, LeaseLost):
            raise
        _note_failure(claim, None, trouble)
        return None


def _plan(claim: Claim, export_id: int) -> int | None:
    """Plan a file with the orders that fit now; returns its id, None where there is nothing to send. Raises InvalidInput where there are too
    many, and LeaseLost."""
    with reading():
        target = export_targets.get_target(export_id)
        ids = _fitting(exports.get_saved(export_id), target)
        only_new, wanted = target.only_new, target.send_empty or target.asked_by != ""
        if len(ids) > MOST_ORDERS and not only_new:
            raise InvalidInput(
                f"More than {MOST_ORDERS:,} orders fit this export, which is too many for one file.",
                "Send only new orders, or save the export with a filter that fits fewer.",
            )
    with writing() as session:
        claim.hold()
        target, export = export_targets.get_target(export_id), session.get_one(OrderExport, export_id)
        now, plan, asked_by = utcnow(), timetable.of_row(target), target.asked_by
        more = only_new and len(ids) > MOST_ORDERS
        if not more:
            target.asked_by = ""
            if target.due_at is not None and target.due_at <= now:
                target.due_at = None if plan is None else timetable.next_due(plan, now)
        target.looked_at = now
        if not ids and not wanted:
            _note_success(target)
            return None
        delivery = _new_delivery(export, asked_by, now)
        if not ids and not target.send_empty:
            # A person asked for it, and sees that there was nothing.
            delivery.state, delivery.finished_at = "empty", now
        session.add(delivery)
        session.flush()
        delivery.file_name = export_records.name_file(delivery)
        _add_orders(delivery, ids[:MOST_ORDERS], export_id if only_new else None)
        if delivery.state == "empty":
            _note_success(target)
            return None
        return delivery.id


def _fitting(export: OrderExport, target: ExportTarget) -> list[int]:
    """The ids of the orders of the next file, in its order: at most one more than a file holds."""
    wanted = export_filters.wanted_of(export.orders or {}, with_customers=True)
    query = exports.ids_of(wanted, Placed(target.placed_since))
    if target.only_new:
        rows = ExportDeliveryOrder
        query = query.where(~exists().where(rows.once_for == export.id, rows.order_id == Order.id))
    return list(db.session.scalars(query.limit(MOST_ORDERS + 1)))


def _new_delivery(export: OrderExport, asked_by: str, now: datetime) -> ExportDelivery:
    return ExportDelivery(
        export_id=export.id, name=export.name, by=export.by, format=export.format, columns=export.columns, key=str(uuid.uuid4()),
        trigger="person" if asked_by else "schedule", actor=asked_by, created_at=now, state="waiting",
    )  # fmt: skip


def _add_orders(delivery: ExportDelivery, ids: Sequence[int], once_for: int | None) -> None:
    delivery.orders = len(ids)
    rows = [
        {"delivery_id": delivery.id, "position": place, "order_id": each, "once_for": once_for} for place, each in enumerate(ids)
    ]
    for batch in batches(rows, 5000):
        db.session.execute(insert(ExportDeliveryOrder.__table__), batch)


def _deliver(claim: Claim, delivery_id: int) -> bool:
    """Send a file, and record what became of it; returns whether it was delivered. Raises LeaseLost."""
    try:
        with _content(claim, delivery_id) as content:
            with reading():
                file = _sendable(delivery_id)
            if file is None:
                return False

            def reached(address: str) -> None:
                with writing() as session:
                    claim.hold()
                    row = session.get_one(ExportDelivery, delivery_id)
                    row.reached = [*row.reached, address]

            export_sending.send(file, content, reached)
        _note_delivered(claim, delivery_id)
        return True
    except LeaseLost:
        raise
    except AppError as trouble:
        _note_failure(claim, delivery_id, trouble)
    except Exception:
        # Whatever it is, it must not be tried again with each tick.
        log.exception("The delivery %d of an export failed", delivery_id)
        _note_failure(claim, delivery_id, AppError(UNKNOWN, "Ask the person who runs Cartlink."))
    return False


def _sendable(delivery_id: int) -> Sendable | None:
    """None for a file that was dropped meanwhile."""
    row = db.session.get_one(ExportDelivery, delivery_id, populate_existing=True)
    if not row.live or row.export_id is None:
        return None
    target = export_targets.get_target(row.export_id)
    mail = target.method == "email"
    return Sendable(
        row.file_name, row.name, row.orders, row.format, row.key, row.size or 0,
        [each for each in target.recipients if each not in row.reached] if mail else [],
        None if mail else export_targets.place_of(target),
    )  # fmt: skip


def _content(claim: Claim, delivery_id: int) -> IO[bytes]:
    """The content of a file, which is made and kept at the first try. The caller closes it. Raises LeaseLost, or InvalidInput if it is too large."""
    file = cast(IO[bytes], new_file())
    try:
        if not _read_parts(delivery_id, file):
            file.seek(0)
            file.truncate()
            with reading():
                row = export_records.get_delivery(delivery_id)
                spec, kind = exports.make_spec(row.by, row.columns, with_customers=True), row.format
            rows = exports.rows_of(spec, export_records.ids_of(delivery_id))
            with closing(export_files.make_file(kind, spec.columns, rows)) as pieces:
                for piece in pieces:
                    file.write(piece)
                    if file.tell() > MOST_BYTES:
                        raise InvalidInput(f"The file is larger than {MOST_BYTES // MB} MB.", "Choose fewer columns, or drop it.")
            _keep(claim, delivery_id, file)
        return file
    except BaseException:
        file.close()
        raise


def _read_parts(delivery_id: int, file: IO[bytes]) -> bool:
    """Whether the content was kept; then all of it is in the file. Erasing a customer deletes it at any moment."""
    part, position = ExportDeliveryPart, 0
    with reading():
        size = db.session.scalar(select(ExportDelivery.size).where(ExportDelivery.id == delivery_id))
    while True:
        with reading():
            content = db.session.scalar(select(part.content).where(part.delivery_id == delivery_id, part.position == position))
        if content is None:
            return position > 0 and file.tell() == size
        file.write(content)
        position += 1


def _keep(claim: Claim, delivery_id: int, file: IO[bytes]) -> None:
    digest, position = hashlib.sha256(), 0
    file.seek(0)
    with writing() as session:
        claim.hold()
        export_records.forget_content([delivery_id])
        while piece := file.read(PART):
            digest.update(piece)
            values = {"delivery_id": delivery_id, "position": position, "content": piece}
            session.execute(insert(ExportDeliveryPart.__table__).values(values))
            position += 1
        row = session.get_one(ExportDelivery, delivery_id)
        row.size, row.digest = file.tell(), digest.hexdigest()


def _note_delivered(claim: Claim, delivery_id: int) -> None:
    """Raises LeaseLost: then another worker sends the same file again, which is recognised by its name."""
    with writing() as session:
        claim.hold()
        row = session.get_one(ExportDelivery, delivery_id, with_for_update=True)
        target = session.get_one(ExportTarget, claim.row_id)
        row.state, row.finished_at, row.tries = "done", utcnow(), row.tries + 1
        row.method, row.place = target.method, export_targets.place_in_words(target)
        row.error_code = row.error = row.advice = ""
        export_records.forget_content([delivery_id])
        _note_success(target)


def _note_success(target: ExportTarget) -> None:
    values: dict[str, Any] = {"failing_since": None, "failures": 0, "error_code": "", "error": "", "advice": "", "retry_at": None}
    for name, value in values.items():
        setattr(target, name, value)


def _note_failure(claim: Claim, delivery_id: int | None, trouble: AppError) -> None:
    """Raises LeaseLost."""
    with writing() as session:
        claim.hold()
        now = utcnow()
        target = session.get_one(ExportTarget, claim.row_id)
        target.failures += 1
        target.failing_since = target.failing_since or now
        target.retry_at = now + _wait(target.failures, trouble)
        rows: list[ExportTarget | ExportDelivery] = [target]
        if delivery_id is not None:
            row = session.get_one(ExportDelivery, delivery_id)
            if row.live:
                row.state, row.tries = "failing", row.tries + 1
                row.method, row.place = target.method, export_targets.place_in_words(target)
                rows.append(row)
        for each in rows:
            each.error_code, each.error, each.advice = trouble.code, trouble.message, trouble.advice
        if isinstance(trouble, HostKeyUnknown):
            target.offered_key = str(trouble.key)


def _wait(failures: int, trouble: AppError) -> timedelta:
    asked = trouble.retry_after if isinstance(trouble, PlaceBusy) else None
    return backoff.wait_for(failures, first=FIRST_WAIT, most=LONGEST_WAIT, asked=asked)


def return_targets() -> None:
    """Return the claims of this process, so that the next worker continues at once."""
    TARGETS.return_own()
