"""Tracking numbers from a CSV or Excel file: read and checked row by row, shown, and shipped by a worker once a person accepts it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import selectinload

from errors import AppError, Conflict, InvalidInput, LeaseLost, NotFound
from extensions import db, reading, writing
from models import Integration, Order, ShipmentFile
from models.types import among, utcnow
from services.common import csv_files, whole_numbers
from services.common.claims import Claim, Claimable
from services.common.results import changed_rows
from services.common.text import one_line
from services.order_basics import numbers as order_numbers
from services.security import audit
from services.security.audit import About, record_change
from services.shipping import sheet, shipments, undo
from services.shipping.file_columns import ELSE, OTHER, OWN, choose, is_neutral

UPLOADED = audit.kind("shipment_file.uploaded", "Shipment file uploaded")
ACCEPTED = audit.kind("shipment_file.accepted", "Shipment file accepted")
UNDONE = audit.kind("shipment_file.undone", "Undo of a shipment file started")
FILES = Claimable(ShipmentFile.token, ShipmentFile.lease_until, lambda: 120)
MOST_ROWS = 1000
MOST_BYTES = 1024 * 1024
MOST_UNPACKED = 8 * 1024 * 1024
"""Of a workbook: it is read while a person waits."""


def read_file(content: bytes, name: str, actor: str, *, sheet: str = "") -> ShipmentFile:
    """Read a file, or a sheet of it, and keep what each of its rows would do; nothing is shipped yet. Raises InvalidInput for what is
    no such file."""
    if len(content) > MOST_BYTES:
        raise InvalidInput("The file is larger than 1 MB.", "Split it into several.")
    rows: list[dict[str, Any]] = []
    source = csv_files.opened(lambda: [content], sheet=sheet, most=MOST_UNPACKED)[0]
    for row in csv_files.read(source, choose, ("number",)):
        if len(rows) >= MOST_ROWS:
            raise InvalidInput(f"The file has more than {MOST_ROWS:,} rows.", "Split it into several.")
        cells = {key: _given(row.cells.get(key, "")) for key in (*OWN, ELSE, OTHER)}
        other = cells.pop(OTHER)
        cells["number"] = cells["number"] or cells.pop(ELSE, "") or other
        cells.pop(ELSE, None)
        if cells["number"] == cells["id"]:
            # The file has the shop's id alone.
            cells["number"] = ""
        twice = {"other": other} if other and _bare(other) != _bare(cells["number"]) else {}
        rows.append({"line": row.line, "problem": "", "order_id": None, **cells, **twice})
    if not rows:
        raise InvalidInput("The file has no rows.", "Give it one row for each parcel.")
    _check(rows)
    with writing() as session:
        file = ShipmentFile(actor=actor, name=name[:200], rows=rows)
        session.add(file)
        session.flush()
        file_id = file.id
        record_change(UPLOADED, About(file_id, file.name), {"rows": (None, len(rows))}, actor)
    return get_file(file_id)


def _bare(number: str) -> tuple[str, ...]:
    return tuple(spelling.casefold() for spelling in order_numbers.parse(number).numbers[-1:])


def _given(cell: str) -> str:
    """A cell; a dash means an empty one."""
    return "" if cell in ("-", "–") else cell


def get_file(file_id: int) -> ShipmentFile:
    """Raises NotFound."""
    file = db.session.get(ShipmentFile, file_id, populate_existing=True)
    if file is None:
        raise NotFound("That file has been dropped.", "Choose it again.")
    return file


def of_batch(name: str) -> int | None:
    """The id of the file whose shipments have this name of a batch (``ShipmentFile.batch``); None for a sheet's."""
    kind, _, number = name.partition("-")
    return whole_numbers.parse(number) if kind == "file" else None


def accept(file_id: int) -> None:
    """Accept a file: a worker ships its good rows. Raises Conflict for one that was accepted already,
    NotFound for one that is gone."""
    with writing() as session:
        accepted = session.execute(
            update(ShipmentFile)
            .where(ShipmentFile.id == file_id, ShipmentFile.wanted_at.is_(None), ShipmentFile.applied_at.is_(None))
            .values(wanted_at=utcnow())
            .execution_options(synchronize_session=False)
        )
        if changed_rows(accepted) != 1:
            if session.get(ShipmentFile, file_id) is None:
                raise NotFound("That file has been dropped.", "Choose it again.")
            raise Conflict("That file has been shipped already.", "Its orders show their shipments.")
        record_change(ACCEPTED, _about(file_id))


def want_undo(file_id: int, actor: str) -> None:
    """Have a worker undo what a file has shipped and its shop cannot know of. Nothing of it is sent from now on, until that is done.
    Raises NotFound, or Conflict where there is nothing to undo."""
    file = get_file(file_id)
    if file.applied_at is None:
        raise Conflict(
            "That file is not shipped yet." if file.wanted_at is None else "That file is being shipped. Wait until it is done."
        )
    undo.hold_back(file.batch)
    with writing() as session:
        wanted = session.execute(
            update(ShipmentFile)
            .where(ShipmentFile.id == file_id, ShipmentFile.undo_wanted_at.is_(None))
            .values(undo_wanted_at=utcnow(), undo_actor=actor)
            .execution_options(synchronize_session=False)
        )
        if changed_rows(wanted) != 1:
            raise Conflict("That file was undone already.", "Its orders show their shipments.")
        record_change(UNDONE, _about(file_id), actor=actor)


def _about(file_id: int) -> About:
    return About(file_id, db.session.scalar(select(ShipmentFile.name).where(ShipmentFile.id == file_id)) or "")


def _waits() -> tuple[ColumnElement[bool], ...]:
    """Files that are to be shipped, or to be undone."""
    to_ship = (ShipmentFile.wanted_at.is_not(None), ShipmentFile.applied_at.is_(None))
    return (or_(and_(*to_ship), and_(ShipmentFile.undo_wanted_at.is_not(None), ShipmentFile.undone_at.is_(None))),)


def is_at_work(file: ShipmentFile) -> bool:
    """Whether a worker ships it or undoes it, or is about to."""
    ships = file.wanted_at is not None and file.applied_at is None
    return ships or (file.undo_wanted_at is not None and file.undone_at is None)


def notes_of(rows: Sequence[dict[str, Any]]) -> list[sheet.ShopNote]:
    """What the shops of good rows will be sent."""
    return sheet.notes_of({row["order_id"] for row in rows})


def due_files() -> list[int]:
    """Accepted files that no worker has claimed, or whose worker has died."""
    with reading() as session:
        return list(session.scalars(select(ShipmentFile.id).where(*_waits(), FILES.free())))


def work(file_id: int) -> None:
    """Ship the good rows of an accepted file, or undo what a file has shipped, from where the last worker stopped. Rows that can no longer
    be shipped or undone are named. A file that another worker has claimed is left alone."""
    claim = FILES.claim(file_id, *_waits(), FILES.free())
    if claim is None:
        return
    with suppress(LeaseLost):
        if get_file(file_id).undo_wanted_at is not None:
            _undo(file_id, claim)
        else:
            _ship(file_id, claim)


def _undo(file_id: int, claim: Claim) -> None:
    """The newest first. A shipment that was tried in vain is tried again by the next worker. Raises LeaseLost."""
    with reading():
        file = get_file(file_id)
        actor, kept = file.undo_actor, []
    for shipment_id, _, number in undo.of_batch(file.batch):
        try:
            undo.undo(shipment_id, actor, claim.hold)
        except LeaseLost:
            raise
        except AppError as trouble:
            kept.append({"number": number, "reason": trouble.sentence()})
            with writing():
                claim.hold()
    with writing():
        claim.end(undone_at=utcnow(), kept=kept)


def _ship(file_id: int, claim: Claim) -> None:
    """Raises LeaseLost."""
    with reading():
        file = get_file(file_id)
        actor, refused, done = file.actor, list(file.refused), file.done
        good = [row for row in file.rows if not row["problem"]]
    first = {row["order_id"]: row["tracking"] for row in good if not row.get("parcel")}
    for row in good[done:]:
        done += 1
        hold = partial(claim.hold, done=done)
        try:
            act = partial(shipments.add_parcel, after=first[row["order_id"]]) if row.get("parcel") else shipments.ship
            together = shipments.Together(undo.WAIT, file.batch, hold)
            act(row["order_id"], actor, carrier=row["carrier"], tracking_number=row["tracking"], together=together)
        except LeaseLost:
            raise
        except AppError as trouble:
            refused.append({"number": row["number"], "reason": trouble.sentence()})
            with writing():
                hold(refused=refused)
    # All of it has the same time to be undone, however long it was.
    undo.hold_back(file.batch, undo.WAIT)
    with writing():
        claim.end(applied_at=utcnow())


def return_files() -> None:
    """Return the files of this process; see ``services.common.claims.Claimable.return_own``."""
    FILES.return_own(*_waits())


def _check(rows: list[dict[str, Any]]) -> None:
    """Find each row's order and say what is wrong with it."""
    with reading():
        found = _orders([_named(row) for row in rows])
        taken: dict[int, list[dict[str, Any]]] = {}
        # A row without a tracking number says nothing that another row of its order does not say.
        for row in sorted(rows, key=lambda row: not row["tracking"]):
            row["problem"] = _problem(row, found, taken)


MOST_ZEROS = 6
"""Zeros at the beginning of a number that a spreadsheet may have taken away."""


def _with_zeros(number: str) -> list[str]:
    """What a number of digits may have been before a spreadsheet took the zeros at its beginning away."""
    if whole_numbers.parse(number, 10**64) is None:
        return []
    return [number.zfill(len(number) + zeros) for zeros in range(1, MOST_ZEROS + 1)]


def _named(row: dict[str, Any]) -> order_numbers.Named:
    # Files that were uploaded before 0.9.0 have rows without an id.
    return order_numbers.Named((), row["id"]) if row.get("id") else order_numbers.parse(row["number"])


Found = dict[tuple[str, str], list[tuple[Order, str]]]
"""Orders with their integration's name, by ("number", number without regard to case) and ("id", the shop's own id)."""


def _orders(named: list[order_numbers.Named]) -> Found:
    """The orders that a file may mean. What a spreadsheet has changed, and other letter case, is looked for only where nothing is found as
    it was written: no index helps there, and a file has a thousand numbers."""
    present: Found = {}
    numbers = {number for each in named for number in each.numbers}
    _find(Order.external_id, {each.external_id for each in named if each.external_id}, present)
    _find(Order.number, numbers, present)
    absent = {number for number in numbers if ("number", number.casefold()) not in present}
    _find(Order.number, {longer for number in absent for longer in _with_zeros(number)}, present)
    _find(func.lower(Order.number), {number.lower() for number in absent if number.lower() != number.upper()}, present)
    return present


def _find(column: Any, texts: set[str], present: Found) -> None:
    """Add the orders with one of these texts in a column, in one statement."""
    if not texts:
        return
    query = (
        select(Order, Integration.name)
        .join(Integration, (Integration.shop_id == Order.shop_id) & Integration.removed_at.is_(None))
        .where(among(column, "texts"), Order.superseded_at.is_(None))
        .options(selectinload(Order.lines))
    )
    for order, name in db.session.execute(query, {"texts": sorted(texts)}):
        for key in (("number", order.number.casefold()), ("id", order.external_id)):
            if (order, name) not in present.setdefault(key, []):
                present[key].append((order, name))


def _problem(row: dict[str, Any], found: Found, taken: dict[int, list[dict[str, Any]]]) -> str:
    named = _named(row)
    shown = named.numbers[-1] if named.numbers else f"with the id {named.external_id}"
    if not named.numbers and not named.external_id:
        return "The row has no order number."
    if row.get("other"):
        return f"The row names two orders, {shown} and {row['other']}. Delete the column that is not the order's number."
    for cell in (row["number"], row["tracking"]):
        damaged = csv_files.damage(cell)
        if damaged:
            return f"{damaged} {csv_files.AS_TEXT_ADVICE}"
    keys = [("number", number.casefold()) for number in named.numbers] or [("id", named.external_id)]
    orders = next((found[key] for key in keys if key in found), [])
    if row["shop"]:
        in_shop = [(order, name) for order, name in orders if name.casefold() == row["shop"].casefold()]
        orders = in_shop if in_shop or not is_neutral(row["shop"]) else orders
    if row.get("id") and row["number"]:
        numbers = {number.casefold() for number in order_numbers.parse(row["number"]).numbers}
        # Our own list shows the id where the shop could print no number.
        orders = [(order, name) for order, name in orders if (order.number or order.external_id).casefold() in numbers]
    if not orders:
        return f"There is no order {shown}{' in ' + row['shop'] if row['shop'] else ''}.{_zeros_lost(named, found)}"
    if len(orders) > 1:
        return _several(shown, orders)
    order = orders[0][0]
    row["order_id"] = order.id
    before = taken.setdefault(order.id, [])
    before.append(row)
    for name, value in (("carrier", row["carrier"]), ("tracking number", row["tracking"])):
        if csv_files.harmless(value) != value:
            return f"The {name} begins like a formula: {value[:40]}"
    try:
        row["carrier"] = one_line(row["carrier"], shipments.MOST_CARRIER, "carrier", "carrier")
        row["tracking"] = one_line(row["tracking"], shipments.MOST_TRACKING, "tracking number", "tracking number")
    except InvalidInput as wrong:
        return wrong.message
    if len(before) == 1:
        return shipments.refusal(order)
    return _another_parcel(row, before[:-1], shown)


def _zeros_lost(named: order_numbers.Named, found: Found) -> str:
    """What to do where an order with more zeros is there; empty where there is none."""
    longer = [each for number in named.numbers for each in _with_zeros(number) if ("number", each) in found]
    if not longer:
        return ""
    return f" There is an order {longer[0]}: a spreadsheet may have removed the zeros. {csv_files.AS_TEXT_ADVICE}"


def _another_parcel(row: dict[str, Any], before: list[dict[str, Any]], shown: str) -> str:
    """Another row of the same order is another parcel. Returns what is wrong with it, empty if nothing."""
    if before[0]["problem"]:
        return f"Line {before[0]['line']} of order {shown} cannot be used, so this parcel waits for it."
    same = (each for each in before if not row["tracking"] or each["tracking"].casefold() == row["tracking"].casefold())
    if (line := next((each["line"] for each in same), None)) is not None:
        return f"Order {shown} is in line {line} already."
    row["parcel"] = True
    return ""


def _several(shown: str, orders: list[tuple[Order, str]]) -> str:
    """What to say where several orders fit."""
    names = sorted({name for _, name in orders})
    ids = ", ".join(sorted(f"{name} (id {order.external_id})" for order, name in orders))
    if len(names) == len(orders):
        return f"Several shops have an order {shown}: {', '.join(names)}. Add a column integration."
    return (
        f"There are several orders {shown}: {ids}. Write id:{orders[0][0].external_id} instead of the number, or add a column id."
    )
