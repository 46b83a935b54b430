"""Shipments from a CSV file: read and judged row by row, shown, and shipped by a worker when a person says yes."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import selectinload

from errors import AppError, Conflict, InvalidInput, LeaseLost, NotFound
from extensions import db, writing
from models import Integration, Order, ShipmentFile
from models.types import utcnow
from services import csv_files, runs, shipments
from services.words import one_line

COLUMNS = {
    "number": ("number", "order", "order number", "order no", "ordernumber"),
    "carrier": ("carrier", "courier", "shipping carrier"),
    "tracking": ("tracking", "tracking number", "tracking no", "trackingnumber", "tracking_number"),
    "shop": ("integration", "shop", "channel"),
}
LEASE = timedelta(seconds=60)
MOST_ROWS = 1000
MOST_BYTES = 1024 * 1024


def read_file(content: bytes, name: str, actor: str) -> ShipmentFile:
    """Read a file and keep what each of its rows would do; nothing is shipped yet. Raises InvalidInput for what is no such file."""
    if len(content) > MOST_BYTES:
        raise InvalidInput("The file is larger than 1 MB.", "Split it into several.")
    rows: list[dict[str, Any]] = []
    for row in csv_files.read(csv_files.opened(lambda: [content])[0], COLUMNS, ("number",)):
        if len(rows) >= MOST_ROWS:
            raise InvalidInput(f"The file has more than {MOST_ROWS:,} rows.", "Split it into several.")
        rows.append(
            {"line": row.line, "problem": "", "order_id": None, **{key: _given(row.cells.get(key, "")) for key in COLUMNS}}
        )
    if not rows:
        raise InvalidInput("The file has no rows.", "Give it one row for each order.")
    _judge(rows)
    with writing() as session:
        file = ShipmentFile(actor=actor, name=name[:200], rows=rows)
        session.add(file)
        session.flush()
        file_id = file.id
    return get_file(file_id)


def _given(cell: str) -> str:
    """A cell; a dash stands for nothing."""
    return "" if cell in ("-", "–") else cell


def get_file(file_id: int) -> ShipmentFile:
    """Raises NotFound."""
    file = db.session.get(ShipmentFile, file_id, populate_existing=True)
    if file is None:
        raise NotFound("That file has been dropped.", "Choose it again.")
    return file


def accept(file_id: int) -> None:
    """Say yes to a file: a worker ships its good rows. Twice is the same as once: raises Conflict for one that was said yes to,
    NotFound for one that is gone."""
    with writing() as session:
        accepted = session.execute(
            update(ShipmentFile)
            .where(ShipmentFile.id == file_id, ShipmentFile.wanted_at.is_(None), ShipmentFile.applied_at.is_(None))
            .values(wanted_at=utcnow())
            .execution_options(synchronize_session=False)
        )
        if accepted.rowcount != 1:
            if session.get(ShipmentFile, file_id) is None:
                raise NotFound("That file has been dropped.", "Choose it again.")
            raise Conflict("That file has been shipped already.", "Its orders show their shipments.")


def _waits() -> tuple[ColumnElement[bool], ...]:
    free = or_(ShipmentFile.lease_until.is_(None), ShipmentFile.lease_until < utcnow())
    return ShipmentFile.wanted_at.is_not(None), ShipmentFile.applied_at.is_(None), free


def due_files() -> list[int]:
    """Files that wait for a worker: said yes to, or left behind by a worker that died."""
    ids = list(db.session.scalars(select(ShipmentFile.id).where(*_waits())))
    db.session.rollback()
    return ids


def work(file_id: int) -> None:
    """Ship the good rows of a file that was said yes to, from where the last worker came to; those that cannot be shipped any
    more are named. A file that somebody else is at is left alone."""
    token = runs.new_token()
    with writing() as session:
        claimed = session.execute(
            update(ShipmentFile)
            .where(ShipmentFile.id == file_id, *_waits())
            .values(token=token, lease_until=utcnow() + LEASE)
            .execution_options(synchronize_session=False)
        )
    if claimed.rowcount != 1:
        return
    file = get_file(file_id)
    actor, refused, done = file.actor, list(file.refused), file.done
    good = [row for row in file.rows if not row["problem"]]
    db.session.rollback()
    try:
        for row in good[done:]:
            done += 1
            hold = partial(_hold, file_id, token, done=done)
            try:
                shipments.ship(row["order_id"], actor, carrier=row["carrier"], tracking_number=row["tracking"], beside=hold)
            except LeaseLost:
                raise
            except AppError as trouble:
                refused.append({"number": row["number"], "reason": trouble.sentence()})
                with writing():
                    hold(refused=refused)
        with writing():
            _hold(file_id, token, applied_at=utcnow(), lease_until=None)
    except LeaseLost:
        return


def _hold(file_id: int, token: str, **values: Any) -> None:
    """Write to the file's row while the lease is ours. Raises LeaseLost. Call it inside ``writing()``."""
    held_on = db.session.execute(
        update(ShipmentFile)
        .where(ShipmentFile.id == file_id, ShipmentFile.token == token, ShipmentFile.applied_at.is_(None))
        .values(**{"lease_until": utcnow() + LEASE, **values})
        .execution_options(synchronize_session=False)
    )
    if held_on.rowcount != 1:
        raise LeaseLost("Another worker has taken this file over.")


def give_back() -> None:
    """Leave what work of this process, or forked from it, was at to the next worker: see ``services.runs.give_back``."""
    with writing() as session:
        session.execute(
            update(ShipmentFile)
            .where(ShipmentFile.applied_at.is_(None), ShipmentFile.token.startswith(runs.HOLDER))
            .values(token="", lease_until=None)
            .execution_options(synchronize_session=False)
        )


def _judge(rows: list[dict[str, Any]]) -> None:
    """Find each row's order and say what is wrong with it."""
    found = _orders({row["number"] for row in rows})
    taken: dict[int, int] = {}
    for row in rows:
        row["problem"] = _problem(row, found, taken)
    db.session.rollback()


def _orders(numbers: set[str]) -> dict[str, list[tuple[Order, str]]]:
    present: dict[str, list[tuple[Order, str]]] = {}
    wanted = sorted(numbers)
    for start in range(0, len(wanted), 400):
        chunk = wanted[start : start + 400]
        query = (
            select(Order, Integration.name)
            .join(Integration, (Integration.shop_id == Order.shop_id) & Integration.removed_at.is_(None))
            .where(or_(Order.number.in_(chunk), func.lower(Order.number).in_([number.lower() for number in chunk])))
            .options(selectinload(Order.lines))
        )
        for order, name in db.session.execute(query):
            present.setdefault(order.number.casefold(), []).append((order, name))
    return present


def _problem(row: dict[str, Any], found: dict[str, list[tuple[Order, str]]], taken: dict[int, int]) -> str:
    number = row["number"].removeprefix("#").strip()
    if not number:
        return "The row has no order number."
    orders = found.get(row["number"].casefold()) or found.get(number.casefold()) or []
    if row["shop"]:
        orders = [(order, name) for order, name in orders if name.casefold() == row["shop"].casefold()]
    if not orders:
        return f"There is no order {number}{' in ' + row['shop'] if row['shop'] else ''}."
    if len(orders) > 1:
        names = ", ".join(sorted(name for _, name in orders))
        return f"Several shops have an order {number}: {names}. Add a column integration."
    order = orders[0][0]
    if order.id in taken:
        return f"Order {number} stands in line {taken[order.id]} already."
    taken[order.id] = row["line"]
    row["order_id"] = order.id
    for name, value in (("carrier", row["carrier"]), ("tracking number", row["tracking"])):
        if csv_files.harmless(value) != value:
            return f"The {name} begins like a formula: {value[:40]}"
    try:
        row["carrier"] = one_line(row["carrier"], shipments.MOST_CARRIER, "carrier", "carrier")
        row["tracking"] = one_line(row["tracking"], shipments.MOST_TRACKING, "tracking number", "tracking number")
    except InvalidInput as wrong:
        return wrong.message
    return shipments.refusal(order)
