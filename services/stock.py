"""Stock items: listed, set, imported from a file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from errors import Conflict, InvalidInput, NotFound
from extensions import db, writing
from models import OrderLine, StockItem
from services import holds, kits, ledger
from services.binding import bind_lines
from services.clashes import done_again

MOST = 2_147_483_647
"""The largest quantity X-Cart stores (5.4 and 5.5, observed: greater ones become this)."""


@dataclass(frozen=True)
class StockSet:
    """What setting stock did: how many items changed and were as they should be, and which SKUs are new."""

    changed: int
    unchanged: int
    added: tuple[str, ...] = ()


def list_stock(search: str = "", limit: int | None = None, offset: int = 0) -> list[StockItem]:
    """Stock items by SKU; ``search`` is a part of the SKU or name."""
    query = select(StockItem).order_by(StockItem.sku)
    if search:
        query = query.where(StockItem.sku.icontains(search, autoescape=True) | StockItem.name.icontains(search, autoescape=True))
    return list(db.session.scalars(query.limit(limit).offset(offset)))


def find_stock_item(sku: str) -> StockItem:
    """Raises NotFound."""
    item = db.session.scalar(select(StockItem).where(StockItem.sku == sku.strip()))
    if item is None:
        raise NotFound(f"There is no stock item with the SKU {sku!r}.", "`flask stock list` shows them.")
    return item


def set_stock(sku: str, quantity: int, actor: str) -> StockItem:
    """Set what is on hand of one stock item. The push to the shops is due afterwards.

    Raises NotFound, or InvalidInput for a quantity no shop could store."""
    quantity = check_quantity(quantity)
    item_id = find_stock_item(sku).id
    _set_one(item_id, quantity, actor)
    return find_stock_item(sku)


@dataclass(frozen=True)
class Added:
    """A new stock item, and how many held orders it released."""

    item_id: int
    released: int


@done_again
def add_stock_item(sku: str, on_hand: int, actor: str, *, name: str = "", buffer: int = 0) -> Added:
    """Make a stock item; every order that waited for its SKU takes from it, the oldest first, and is judged anew. ``on_hand`` is
    what lies here now, what those orders take included.

    Raises InvalidInput, or Conflict where there is such a stock item."""
    sku = sku.strip()
    if not sku or len(sku) > 255 or not sku.isprintable():
        raise InvalidInput("That SKU cannot be used.", "Use 1 to 255 characters that can be shown.", field="sku")
    check_quantity(on_hand)
    check_quantity(buffer)
    with writing() as session:
        if session.scalar(select(StockItem.id).where(StockItem.sku == sku)) is not None:
            raise Conflict(f"There is a stock item {sku} already.", "Open it under Stock.")
        item = StockItem(sku=sku, name=name.strip()[:500], on_hand=0, reserved=0, buffer=buffer)
        session.add(item)
        session.flush()
        ledger.enter(item, actor=actor, cause="start", on_hand=on_hand)
        ledger.mark_stale_skus([sku])
        return Added(item.id, bind_lines({sku: item}, actor=actor))


@done_again
def _set_one(item_id: int, quantity: int, actor: str) -> None:
    with writing():
        put_on_hand([(ledger.load_items([item_id])[item_id], quantity)], actor, "set")


def check_quantity(quantity: int) -> int:
    """Raises InvalidInput."""
    if not 0 <= quantity <= MOST:
        raise InvalidInput(f"{quantity} is not a possible quantity.", f"Use a whole number from 0 to {MOST}.", field="quantity")
    return quantity


def import_stock(lines: Iterable[str], actor: str, *, add_unknown: bool = False) -> StockSet:
    """Set stock from CSV text with the columns ``sku`` and ``quantity`` (comma or semicolon), all rows or none.

    Raises InvalidInput naming the first wrong lines; nothing is changed then."""
    return _import(_read_csv(lines), actor, add_unknown)


@done_again
def _import(wanted: dict[str, int], actor: str, add_unknown: bool) -> StockSet:
    with writing() as session:
        known: dict[str, int] = {}
        skus = sorted(wanted)
        for start in range(0, len(skus), 500):
            for item_id, sku in session.execute(
                select(StockItem.id, StockItem.sku).where(StockItem.sku.in_(skus[start : start + 500]))
            ):
                known[sku] = item_id
        unknown = [sku for sku in skus if sku not in known]
        if unknown and not add_unknown:
            named = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
            raise InvalidInput(
                f"The file names SKUs that are not stock items: {named}.", "Nothing was changed. Take them out, or add them."
            )
        for sku in unknown:
            session.add(StockItem(sku=sku, on_hand=0, reserved=0, buffer=0))
        session.flush()
        if unknown:
            for start in range(0, len(unknown), 500):
                for item_id, sku in session.execute(
                    select(StockItem.id, StockItem.sku).where(StockItem.sku.in_(unknown[start : start + 500]))
                ):
                    known[sku] = item_id
            ledger.mark_stale_skus(unknown)
        items = ledger.load_items(known.values())
        changed = put_on_hand([(item, wanted[item.sku]) for item in items.values()], actor, "import")
        if unknown:
            session.flush()
            added = set(unknown)
            bind_lines({item.sku: item for item in items.values() if item.sku in added}, actor=actor)
    return StockSet(len(changed), len(wanted) - len(changed), tuple(unknown))


def put_on_hand(wanted: Sequence[tuple[StockItem, int]], actor: str, cause: str) -> list[int]:
    """Set what is on hand of locked stock items; answers with the ids of those that changed.

    What is reserved beyond it is given back, newest order first, and what is new goes to the orders that lack it. The number
    of statements does not grow with the number of items: a file of thousands must not keep every other writer waiting."""
    changed = [(item, quantity) for item, quantity in wanted if item.on_hand != quantity]
    orders: list[int] = []
    for item, quantity in changed:
        if quantity < item.reserved:
            orders += _take_back(item, item.reserved - quantity, actor)
    more = {item.id: item for item, quantity in changed if quantity > item.on_hand}
    for item, quantity in changed:
        ledger.enter(item, actor=actor, cause=cause, on_hand=quantity - item.on_hand)
    for item_id in ledger.lacked(more):
        orders += ledger.allot(more[item_id], actor=actor)
    db.session.flush()
    holds.judge_again(orders)
    ids = [item.id for item, _ in changed]
    ledger.mark_stale(ids)
    return ids


def _take_back(item: StockItem, units: int, actor: str) -> list[int]:
    """Nobody can reserve what is not there: the newest lines give theirs back and say that they are short."""
    touched = []
    lines = db.session.scalars(
        select(OrderLine).where(OrderLine.stock_item_id == item.id, OrderLine.reserved > 0).order_by(OrderLine.id.desc())
    )
    for line in lines:
        if units <= 0:
            break
        given = min(line.reserved, units)
        line.reserved -= given
        units -= given
        ledger.enter(item, actor=actor, cause="set", reserved=-given, order_id=line.order_id, note="less on hand than reserved")
        touched.append(line.order_id)
    return touched + kits.take_back(item, units, actor=actor)[1]


def _read_csv(lines: Iterable[str]) -> dict[str, int]:
    """SKU -> quantity. Raises InvalidInput."""
    text = list(lines)
    first = text[0].lstrip("\ufeff") if text else ""
    if not first.strip():
        raise InvalidInput("The file is empty.", "Give it the columns sku and quantity.")
    text[0] = first
    reader = csv.DictReader(text, delimiter=";" if first.count(";") > first.count(",") else ",")
    columns = {(name or "").strip().lower(): name for name in reader.fieldnames or []}
    if "sku" not in columns or "quantity" not in columns:
        raise InvalidInput("The file has no columns named sku and quantity.", "Put sku,quantity in its first line.")
    wanted: dict[str, int] = {}
    wrong: list[str] = []
    try:
        for row in reader:
            sku = (row[columns["sku"]] or "").strip()
            number = (row[columns["quantity"]] or "").strip()
            if not sku and not number:
                continue
            if not sku:
                wrong.append(f"line {reader.line_num}: no SKU")
            elif not number.isascii() or not number.isdigit() or len(number) > 20 or int(number) > MOST:
                wrong.append(f"line {reader.line_num}: {number[:40]!r} is not a whole number from 0 to {MOST}")
            elif sku in wanted:
                wrong.append(f"line {reader.line_num}: {sku} stands in the file twice")
            else:
                wanted[sku] = int(number)
    except csv.Error as cause:
        raise InvalidInput(f"The file cannot be read as CSV: {cause}.") from None
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise InvalidInput(f"Nothing was changed: {'; '.join(wrong[:5])}{more}.", "Mend the file and import it again.")
    if not wanted:
        raise InvalidInput("The file names no stock item.", "Nothing was changed.")
    return wanted
