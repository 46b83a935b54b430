"""Shipments from a CSV file: read and judged row by row, shown, and shipped when a person says yes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import selectinload

from errors import Conflict, InvalidInput, NotFound
from extensions import db, writing
from models import Integration, Order, ShipmentFile
from models.types import utcnow
from services import csv_files, shipments

COLUMNS = {
    "number": ("number", "order", "order number", "order no", "ordernumber"),
    "carrier": ("carrier", "courier", "shipping carrier"),
    "tracking": ("tracking", "tracking number", "tracking no", "trackingnumber", "tracking_number"),
    "shop": ("integration", "shop", "channel"),
}
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
    file = db.session.get(ShipmentFile, file_id)
    if file is None:
        raise NotFound("That file has been dropped.", "Choose it again.")
    return file


def ship_file(file_id: int, actor: str) -> tuple[list[shipments.Shipped], list[shipments.Refused]]:
    """Ship every row that was good; those that cannot be shipped any more are named. Twice is the same as once: raises
    Conflict for a file that has been shipped."""
    with writing() as session:
        file = session.get(ShipmentFile, file_id, with_for_update=True)
        if file is None:
            raise NotFound("That file has been dropped.", "Choose it again.")
        if file.applied_at is not None:
            raise Conflict("That file has been shipped already.", "Its orders show their shipments.")
        file.applied_at = utcnow()
        good = [(row["order_id"], row["carrier"], row["tracking"]) for row in file.rows if not row["problem"]]
    return shipments.ship_many(good, actor)


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
        row["carrier"] = shipments.clean(row["carrier"], shipments.MOST_CARRIER, "carrier")
        row["tracking"] = shipments.clean(row["tracking"], shipments.MOST_TRACKING, "tracking number")
    except InvalidInput as wrong:
        return wrong.message
    return shipments.refusal(order)
