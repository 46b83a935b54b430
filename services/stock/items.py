"""Stock items: listed, added, set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from errors import Conflict, InvalidInput, NotFound
from extensions import db, writing
from models import StockItem
from models.sku_key import LONGEST, sku_key, tidy
from services.common.batches import batches
from services.common.deadlocks import retry_on_deadlock
from services.order_basics import holds
from services.security import audit
from services.security.audit import About, record_change
from services.stock import allocations, fed, ledger, skus
from services.stock.file_rows import MOST as MOST
from services.stock.ledger import Reason
from services.stock.waiting_lines import allocate_waiting

ADDED = audit.kind("stock_item.added", "Stock item added")
CHANGED = audit.kind("stock_item.changed", "Stock item changed")
ON_HAND_CHANGED = audit.kind("stock_item.on_hand_changed", "Stock changed", elsewhere=True)
"""The stock history shows it, with what files, feeds and orders change."""
IMPORTED = "import"
"""The cause in the ledger of what an imported file sets. The trail has the file."""
FEED = "feed"
"""The cause in the ledger of what follows from suppliers' offers. The runs of feeds say why."""
RECORDED_ELSEWHERE = (IMPORTED, FEED)


def list_stock(search: str = "", *, low: bool = False, limit: int | None = None, offset: int = 0) -> list[StockItem]:
    """Stock items by SKU; ``search`` is a part of the SKU or name, and ``low`` leaves those that are low."""
    query = select(StockItem).order_by(StockItem.sku)
    if low:
        query = query.where(StockItem.low_since.is_not(None))
    if search:
        query = query.where(skus.found_by(StockItem, search))
    return list(db.session.scalars(query.limit(limit).offset(offset)))


def find_stock_item(sku: str) -> StockItem:
    """The stock item that a SKU means, in any spelling. Raises NotFound, or Conflict where it could mean several."""
    named = skus.find_items([sku])
    item_id = named.get(sku)
    item = None if item_id is None else db.session.get(StockItem, item_id, populate_existing=True)
    if several := named.could_mean(sku):
        raise Conflict(f"{tidy(sku)} could be {' or '.join(several)}.", "Give the SKU exactly as the stock item has it.")
    if item is None:
        raise NotFound(f"There is no stock item with the SKU {sku!r}.", "`flask stock list` shows them.")
    return item


def set_stock(sku: str, quantity: int, actor: str) -> StockItem:
    """Set what is on hand of one stock item. The push to the shops is due afterwards.

    Raises NotFound, InvalidInput for a quantity no shop could store, or FedStock for a fed item."""
    quantity = check_quantity(quantity)
    item_id = find_stock_item(sku).id
    _set_one(item_id, quantity, actor)
    return find_stock_item(sku)


@dataclass(frozen=True)
class Added:
    """A new stock item, and how many held orders it released."""

    item_id: int
    released: int


@retry_on_deadlock
def add_stock_item(sku: str, on_hand: int, actor: str, *, name: str = "", buffer: int = 0) -> Added:
    """Add a stock item. Orders that waited for its SKU take from it, the oldest first, and are evaluated again. ``on_hand`` is
    what is here now, including what those orders take.

    Raises InvalidInput, or Conflict where there is such a stock item."""
    sku = tidy(sku)
    if not sku or len(sku) > LONGEST or not sku.isprintable():
        raise InvalidInput("That SKU cannot be used.", "Use 1 to 255 characters that can be shown.", field="sku")
    check_quantity(on_hand)
    check_quantity(buffer)
    with writing() as session:
        check_new(sku)
        item = StockItem(sku=sku, name=name.strip()[:500], on_hand=0, reserved=0, buffer=buffer)
        session.add(item)
        session.flush()
        ledger.enter(item, ledger.Reason(actor, "start"), on_hand=on_hand)
        record_change(ADDED, About(item.id, sku), {"on_hand": (None, on_hand), "buffer": (0, buffer)}, actor)
        ledger.request_linking([sku])
        return Added(item.id, allocate_waiting([item], actor=actor))


def check_new(sku: str) -> None:
    """Raises Conflict where a stock item has this SKU, in any spelling."""
    key = sku_key(sku)
    query = select(StockItem.sku).where((StockItem.sku_key == key) | (StockItem.shared_key == key) | (StockItem.sku == sku))
    present = db.session.scalar(query.limit(1))
    if present is not None:
        raise Conflict(f"There is a stock item {present} already.", "Open it under Stock.")


@retry_on_deadlock
def _set_one(item_id: int, quantity: int, actor: str) -> None:
    with writing():
        put_on_hand([(ledger.load_items([item_id])[item_id], quantity)], Reason(actor, "set"))


def check_quantity(quantity: int) -> int:
    """Raises InvalidInput."""
    if not 0 <= quantity <= MOST:
        raise InvalidInput(f"{quantity} is not a possible quantity.", f"Use a whole number from 0 to {MOST:,}.", field="quantity")
    return quantity


def by_ids(ids: Iterable[int]) -> list[StockItem]:
    """Stock items, not locked."""
    wanted = sorted(set(ids))
    found: list[StockItem] = []
    for batch in batches(wanted):
        found += db.session.scalars(select(StockItem).where(StockItem.id.in_(batch)))
    return found


def put_on_hand(wanted: Sequence[tuple[StockItem, int]], reason: Reason) -> list[int]:
    """Set what is on hand of locked stock items; returns the ids of those that changed.

    What is reserved beyond it is released, newest order first, and new units go to the orders that lack them. The number
    of statements does not grow with the number of items: a file of thousands of rows must not block all other writers.

    Raises FedStock for a fed item, unless the cause is ``feed``."""
    changed = [(item, quantity) for item, quantity in wanted if item.on_hand != quantity]
    if reason.cause != FEED:
        fed.refuse(item for item, _ in changed)
    orders: list[int] = []
    for item, quantity in changed:
        if quantity < item.reserved:
            orders += allocations.take_back(item, item.reserved - quantity, actor=reason.actor)
    more = {item.id: item for item, quantity in changed if quantity > item.on_hand}
    for item, quantity in changed:
        if reason.cause not in RECORDED_ELSEWHERE:
            record_change(ON_HAND_CHANGED, About(item.id, item.sku), {"on_hand": (item.on_hand, quantity)}, reason.actor)
        ledger.enter(item, reason, on_hand=quantity - item.on_hand)
    for item_id in allocations.lacking_items(more):
        orders += allocations.fill(more[item_id], actor=reason.actor)
    db.session.flush()
    holds.evaluate_stored(orders)
    ids = [item.id for item, _ in changed]
    ledger.request_push(ids)
    return ids
