"""``stock-items``: the SKUs, what is on hand, the stock history, and changes one by one or in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import select

from api.batches import Batch, RowAnswer, summed_up
from api.decoding import refuse_body
from api.operations import Call, matches, operation
from api.paging import ListQuery, Page, list_page
from api.problems import Fault
from api.reply import Reply
from api.shapes import Body, Search, Sku
from errors import NotFound
from extensions import db, one_transaction
from jobs.schedule import start_due_runs
from models import StockEntry
from models import StockItem as Row
from services.common.deadlocks import retry_on_deadlock
from services.stock import adjustments, items, ledger, low_stock, skus, views
from services.stock.quantities import AVAILABLE


class StockItem(Struct):
    """``available`` = on_hand − reserved − buffer, never below 0. ``low_at`` is its low-stock threshold, null for the default, and ``low`` whether
    it is at or below it. What is on hand of a ``fed`` item follows from suppliers' offers and cannot be set.
    ``version`` changes with what a program may set: on_hand, buffer and low_at."""

    id: str
    sku: str
    name: str
    on_hand: int
    reserved: int
    buffer: int
    available: int
    low_at: int | None
    low: bool
    fed: bool
    updated_at: datetime
    version: str


class StockItemsQuery(ListQuery, kw_only=True):
    sku: Sku | None = None
    search: Search = ""
    low: bool | None = None
    available_max: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None


class Entry(Struct):
    """One line of the stock history: what changed on hand and reserved, by whom, and why."""

    id: str
    at: datetime
    actor: str
    cause: str
    on_hand_change: int
    reserved_change: int
    order_id: str | None
    run_id: str | None
    note: str


@operation("GET", "/stock-items", "List stock items", scope="stock:read", query=StockItemsQuery, answers={200: Page[StockItem]})
def list_stock_items(call: Call) -> Reply:
    wanted: StockItemsQuery = call.query
    query = select(Row.id)
    if wanted.sku is not None:
        found = skus.find_items([wanted.sku]).get(wanted.sku)
        query = query.where(Row.id == (-1 if found is None else found))
    if wanted.search:
        query = query.where(skus.found_by(Row, wanted.search))
    if wanted.low is not None:
        query = query.where(low_stock.marked() if wanted.low else ~low_stock.marked())
    if wanted.available_max is not None:
        query = query.where(wanted.available_max >= AVAILABLE)
    return list_page(call, query, [Row.id], load_items, newest=False)


@operation("GET", "/stock-items/<int:item_id>", "Get a stock item", scope="stock:read", answers={200: StockItem})
def get_stock_item(call: Call, item_id: int) -> StockItem:
    return one_item(item_id)


@operation(
    "GET", "/stock-items/<int:item_id>/entries", "List the stock history of a stock item, newest first", scope="stock:read", query=ListQuery,
    answers={200: Page[Entry]},
)  # fmt: skip
def list_entries(call: Call, item_id: int) -> Reply:
    one_item(item_id)
    return list_page(
        call, select(StockEntry.id).where(StockEntry.stock_item_id == item_id), [StockEntry.id], _entries, newest=True
    )


Quantity = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Delta = Annotated[int, Meta(ge=-(2**31) + 1, le=2**31 - 1)]


class NewStockItem(Body):
    sku: Sku
    name: Annotated[str, Meta(max_length=500)] = ""
    on_hand: Quantity = 0
    buffer: Quantity = 0


class StockItemChanges(Body):
    on_hand: Quantity | UnsetType = UNSET
    buffer: Quantity | UnsetType = UNSET
    low_at: Quantity | None | UnsetType = UNSET


class Adjustment(Body):
    """``delta`` is added to what is on hand. ``reason`` and ``reference`` stand in the stock history."""

    delta: Delta
    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    reference: Annotated[str, Meta(max_length=100)] = ""


class StockRow(Body):
    """One of ``set`` and ``delta``. With ``expected``, the row is done only if that much is on hand."""

    sku: Sku
    set: Quantity | UnsetType = UNSET
    delta: Delta | UnsetType = UNSET
    expected: Quantity | UnsetType = UNSET


class StockBatch(Body):
    """With ``atomic``, all rows are done or none."""

    rows: Annotated[list[StockRow], Meta(min_length=1, max_length=1000)]
    atomic: bool = False


class StockRowAnswer(RowAnswer, kw_only=True):
    """``item`` is the stock item afterwards, null where the SKU means none."""

    sku: str
    item: StockItem | None


@operation(
    "POST", "/stock-items", "Create a stock item; orders that wait for its SKU take from it", scope="stock:write", role="manager",
    body=NewStockItem, answers={201: StockItem},
)  # fmt: skip
def create_stock_item(call: Call) -> Reply:
    new: NewStockItem = call.body
    made = items.add_stock_item(new.sku, new.on_hand, call.actor, name=new.name, buffer=new.buffer)
    return Reply(one_item(made.item_id), 201, {"Location": f"/api/v1/stock-items/{made.item_id}"}, after=_start)


@operation(
    "PATCH", "/stock-items/<int:item_id>", "Set on hand, buffer or low-stock threshold of a stock item", scope="stock:write", role="manager",
    body=StockItemChanges, answers={200: StockItem}, conditional=True,
)  # fmt: skip
def change_stock_item(call: Call, item_id: int) -> Reply:
    _change(item_id, call.body, call.actor)
    return Reply(one_item(item_id), after=_start)


@retry_on_deadlock
def _change(item_id: int, changes: StockItemChanges, actor: str) -> None:
    with one_transaction():
        item = ledger.load_items([item_id]).get(item_id)
        if item is None:
            raise NotFound("There is no such stock item.")
        matches(version_of(item))
        on_hand = item.on_hand if changes.on_hand is UNSET else changes.on_hand
        buffer = item.buffer if changes.buffer is UNSET else changes.buffer
        views.change_item(item_id, on_hand=on_hand, buffer=buffer, was=item.on_hand, actor=actor)
        if changes.low_at is not UNSET:
            low_stock.set_threshold(item_id, changes.low_at, actor)


@operation(
    "POST", "/stock-items/<int:item_id>/adjustments", "Add to what is on hand of a stock item, or take from it", scope="stock:write",
    role="manager", body=Adjustment, answers={200: StockItem},
)  # fmt: skip
def adjust_stock_item(call: Call, item_id: int) -> Reply:
    wanted: Adjustment = call.body
    note = f"{wanted.reason} ({wanted.reference})" if wanted.reference else wanted.reason
    adjustments.adjust(item_id, wanted.delta, call.actor, note)
    return Reply(one_item(item_id), after=_start)


@operation(
    "POST", "/stock-items/batch", "Change up to 1,000 stock items in one transaction", scope="stock:write", role="manager",
    body=StockBatch, answers={200: Batch[StockRowAnswer]},
)  # fmt: skip
def change_stock_items(call: Call) -> Reply:
    batch: StockBatch = call.body
    faults = [
        Fault("one_of", "Give one of set and delta.", f"/rows/{index}")
        for index, row in enumerate(batch.rows)
        if (row.set is UNSET) is (row.delta is UNSET)
    ]
    if faults:
        raise refuse_body(faults)
    wanted = [adjustments.Wanted(row.sku, _given(row.set), _given(row.delta), _given(row.expected)) for row in batch.rows]
    try:
        results = adjustments.change_many(wanted, call.actor, atomic=batch.atomic)
    except adjustments.RowsRefused as refused:
        results = refused.results
    found = load_items({result.item_id for result in results if result.item_id is not None})
    rows = [
        StockRowAnswer(index=index, status=result.state, code=result.code or None, detail=result.sentence or None, sku=row.sku,
                       item=found.get(result.item_id or -1))
        for index, (row, result) in enumerate(zip(batch.rows, results, strict=True))
    ]  # fmt: skip
    return Reply(summed_up(rows, atomic=batch.atomic), after=_start)


def _given(value: int | UnsetType) -> int | None:
    return None if value is UNSET else value


def _start() -> None:
    start_due_runs()


def one_item(item_id: int) -> StockItem:
    """Raises NotFound."""
    found = load_items([item_id]).get(item_id)
    if found is None:
        raise NotFound("There is no such stock item.")
    return found


def load_items(ids: Collection[int]) -> dict[int, StockItem]:
    query = select(Row).where(Row.id.in_(ids)).execution_options(populate_existing=True)
    default = low_stock.default_threshold()
    return {row.id: shown(row, default) for row in db.session.scalars(query)}


def shown(row: Row, default: int | None) -> StockItem:
    """``default`` is the threshold of items without their own."""
    low = low_stock.is_low(row.available, row.low_at, default)
    return StockItem(
        str(row.id), row.sku, row.name, row.on_hand, row.reserved, row.buffer, row.available, row.low_at, low, row.fed, row.updated_at, version_of(row)
    )  # fmt: skip


def version_of(row: Row) -> str:
    """A digest of what a program may change: orders that reserve it leave it as it is."""
    return hashlib.sha256(f"{row.id} {row.on_hand} {row.buffer} {row.low_at}".encode()).hexdigest()[:16]


def _entries(ids: Sequence[int]) -> dict[int, Entry]:
    rows = db.session.scalars(select(StockEntry).where(StockEntry.id.in_(ids)))
    return {
        row.id: Entry(str(row.id), row.at, row.actor, row.cause, row.on_hand_change, row.reserved_change, _text(row.order_id),
                      _text(row.run_id), row.note)
        for row in rows
    }  # fmt: skip


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
