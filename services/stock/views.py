"""What the stock pages show and change: the list with where each item is listed, one item with its ledger, buffers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select

from errors import Conflict, NotFound
from extensions import db, reading, writing
from models import Allocation, Integration, Link, Listing, Order, OrderLine, RunItem, StockEntry, StockItem, SyncRun
from models.order import OPEN_STATES
from models.sku_key import sku_key
from models.types import hour_of, utcnow
from services.common.batches import in_batches
from services.common.beginnings import begins, names_begin
from services.common.deadlocks import retry_on_deadlock
from services.common.paging import MOST_COUNTED, Page, by_id, page_of
from services.security.audit import About, record_change
from services.shops.finding import marked_name, newest_id_of
from services.stock import items as stock_items
from services.stock import ledger, listing_states, low_stock, skus
from services.stock.quantities import AVAILABLE, AVAILABLE_OF_FEW

PAGE_SIZE = 50
LEDGER_BATCH = 500
SORTS: dict[str, Any] = {
    "sku": (StockItem.sku, StockItem.id), "sku_last": (StockItem.sku.desc(), StockItem.id.desc()),
    "name": (StockItem.name, StockItem.sku, StockItem.id), "name_last": (StockItem.name.desc(), StockItem.sku.desc(), StockItem.id.desc()),
    "scarce": (AVAILABLE, StockItem.sku, StockItem.id),
    "most": (AVAILABLE.desc(), StockItem.sku, StockItem.id), "reserved": (StockItem.reserved.desc(), StockItem.sku, StockItem.id),
    "moved": (StockItem.updated_at.desc(), StockItem.sku, StockItem.id),
}  # fmt: skip
CAUSES = {
    "start": "Opening stock", "set": "Set", "adjusted": "Adjusted", "import": "Set from a file", "feed": "From suppliers",
    "sale": "Sold", "edited": "Order edited", "cancelled": "Order cancelled",
    "reopened": "Order reopened", "shipped": "Shipped", "allocated": "Assigned to a waiting order",
    "undone": "Shipment undone", "voided": "Shipment voided", "released": "Released", "restored": "Stock update undone",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """``listed`` are (integration name, quantity in the shop, listing id)."""

    id: int
    sku: str
    name: str
    on_hand: int
    reserved: int
    buffer: int
    available: int
    listed: tuple[tuple[str, int, int], ...]
    low: bool
    low_at: int | None
    fed: bool = False
    states: dict[int, str] = field(default_factory=dict)
    """Listing id -> in which state its stock update is, for those that do not have the quantity they should offer."""
    shops: dict[int, int] = field(default_factory=dict)
    """Listing id -> integration id."""


def waiting_for_approval(item_id: int | None = None) -> list[tuple[int, str]]:
    """The integrations whose stock update waits for a person's approval, or only those where it changes what is offered of one stock item:
    (id, name)."""
    query = select(Integration.id, Integration.name).where(
        Integration.waiting_run_id.is_not(None), Integration.removed_at.is_(None)
    )  # fmt: skip
    if item_id is not None:
        changes = select(RunItem.id).join(Link, Link.listing_id == RunItem.listing_id).where(
            RunItem.run_id == Integration.waiting_run_id, RunItem.result == "preview", Link.stock_item_id == item_id
        )  # fmt: skip
        query = query.where(changes.exists())
    return [(row[0], row[1]) for row in db.session.execute(query.order_by(Integration.name_key))]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list is filtered by: ``most`` is the maximum available, ``low`` leaves those at or below their low-stock threshold, ``fed`` those
    whose quantity comes from suppliers. ``sort`` is one of ``SORTS``."""

    search: str = ""
    most: int | None = None
    low: bool = False
    sort: str = ""
    fed: bool = False


def list_page(wanted: Wanted = Wanted(), place: str = "") -> Page[Row]:
    return page_of(_matching(wanted), _order(wanted), place, PAGE_SIZE, by_id(_rows))


def count_items(wanted: Wanted) -> int:
    """How many stock items a list has, counted up to one more than ``MOST_COUNTED``."""
    some = _matching(wanted).limit(MOST_COUNTED + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def has_items() -> bool:
    return db.session.scalar(select(StockItem.id).limit(1)) is not None


def quick_search(text: str, most: int) -> list[tuple[int, str, str]]:
    """Stock items whose SKU or name begins with a text, in any spelling of the SKU: (id, SKU, name), at most so many."""
    key = sku_key(text)
    found = names_begin(StockItem.name, text)
    if key:
        found = or_(begins(StockItem.sku_key, key), begins(StockItem.shared_key, key), found)
    ids = select(StockItem.id).where(found).limit(most)
    query = select(StockItem.id, StockItem.sku, StockItem.name).where(StockItem.id.in_(ids)).order_by(StockItem.sku)
    return [(row[0], row[1], row[2]) for row in db.session.execute(query)]


def iter_rows(wanted: Wanted = Wanted()) -> Iterator[list[Row]]:
    return in_batches(_matching(wanted).order_by(*_order(wanted)), _rows)


def _matching(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    query, search, low = select(StockItem.id), wanted.search, wanted.most
    if wanted.low:
        query = query.where(low_stock.marked())
    if wanted.fed:
        query = query.where(StockItem.fed)
    if search:
        query = query.where(skus.found_by(StockItem, search))
    if low is not None:
        query = query.where(low >= AVAILABLE)
    return query


def _order(wanted: Wanted) -> Sequence[Any]:
    order: Sequence[Any] = SORTS.get(wanted.sort, SORTS["scarce" if wanted.low or wanted.most is not None else "sku"])
    if wanted.low and order is SORTS["scarce"]:
        return AVAILABLE_OF_FEW, *order[1:]
    return order


def _rows(ids: Sequence[int]) -> dict[int, Row]:
    listed: dict[int, list[tuple[str, int, int]]] = defaultdict(list)
    places = (
        select(Link.stock_item_id, Integration.name, Listing.quantity, Listing.id, Integration.id, Listing.name, Link.units)
        .join(Listing, Listing.id == Link.listing_id)
        .join(Integration, (Integration.shop_id == Listing.shop_id) & Integration.removed_at.is_(None))
        .where(Link.stock_item_id.in_(ids), Listing.gone_at.is_(None))
        .order_by(Integration.name_key, Listing.id)
    )
    shops: dict[int, int] = {}
    titles: dict[int, set[str]] = defaultdict(set)
    for item_id, name, quantity, listing_id, integration_id, title, units in db.session.execute(places):
        if units == 1:
            titles[item_id].add(title)
        listed[item_id].append((name, quantity, listing_id))
        shops[listing_id] = integration_id
    states = listing_states.of_items(ids)
    default = low_stock.default_threshold()
    items = db.session.scalars(select(StockItem).where(StockItem.id.in_(ids)))
    return {
        item.id: Row(
            item.id,
            item.sku,
            _name(item.name, titles[item.id]),
            item.on_hand,
            item.reserved,
            item.buffer,
            item.available,
            tuple(listed[item.id]),
            low_stock.is_low(item.available, item.low_at, default),
            item.low_at,
            item.fed,
            {listing_id: state for _, listing_id, state in states.get(item.id, ())},
            {listing_id: shops[listing_id] for _, _, listing_id in listed[item.id]},
        )
        for item in items
    }


def _name(name: str, titles: Collection[str]) -> str:
    """With the values of the variant, where its listings have learned them since the item got its name: ``T-shirt (Red, L)``."""
    fuller = {title for title in titles if title and (not name or title.startswith(f"{name} ("))}
    return fuller.pop() if len(fuller) == 1 else name


@dataclass(frozen=True, slots=True)
class Place:
    """A listing that offers units of a stock item: ``units`` are taken by each piece, ``quantity`` is what the shop shows."""

    listing_id: int
    integration_id: int
    shop: str
    name: str
    sku: str
    units: int
    quantity: int


def list_places(item_id: int, limit: int = 100) -> list[Place]:
    """Where a stock item is offered."""
    query = (
        select(Listing.id, Integration.id, Integration.name, Listing.name, Listing.sku, Link.units, Listing.quantity)
        .join(Link, Link.listing_id == Listing.id)
        .join(Integration, (Integration.shop_id == Listing.shop_id) & Integration.removed_at.is_(None))
        .where(Link.stock_item_id == item_id, Listing.gone_at.is_(None))
        .order_by(Integration.name_key, Listing.id)
        .limit(limit)
    )
    return [Place(*row) for row in db.session.execute(query)]


def get_row(item_id: int) -> Row:
    """Raises NotFound."""
    found = _rows([item_id])
    if item_id not in found:
        raise NotFound("There is no such stock item.")
    return found[item_id]


@dataclass(frozen=True, slots=True)
class Entry:
    at: datetime
    actor: str
    cause: str
    on_hand_change: int
    reserved_change: int
    on_hand: int
    reserved: int
    order_id: int | None
    order_number: str
    run_id: int | None
    note: str
    shop: str
    """The integration whose run made the change, empty for a change by a person."""


def list_ledger(item_id: int, place: str = "") -> Page[Entry]:
    """A page of a stock item's ledger, newest first, each line with the numbers it led to. Raises NotFound."""
    return page_of(
        _ledger(item_id), (StockEntry.id.desc(),), place, PAGE_SIZE, lambda found: _entries(found, _led_to(item_id, found))
    )


def iter_ledger(item_id: int) -> Iterator[Entry]:
    """All of it, newest first, for a file, read in batches. Raises NotFound."""
    query, led_to = _ledger(item_id).order_by(StockEntry.id.desc()).limit(LEDGER_BATCH), None
    following = query
    while True:
        with reading():
            found = db.session.execute(following).all()
            led_to = led_to or _led_to(item_id, found)
            entries = _entries(found, led_to)
            last = found[-1][0].id if found else 0
        yield from entries
        if len(found) < LEDGER_BATCH:
            return
        end = entries[-1]
        led_to = end.on_hand - end.on_hand_change, end.reserved - end.reserved_change
        following = query.where(StockEntry.id < last)


def _ledger(item_id: int) -> Select[*tuple[Any, ...]]:
    query = (
        select(StockEntry, Order.number, Integration.name)
        .outerjoin(Order, Order.id == StockEntry.order_id)
        .outerjoin(SyncRun, SyncRun.id == StockEntry.run_id)
        .outerjoin(Integration, Integration.id == SyncRun.integration_id)
    )
    return query.where(StockEntry.stock_item_id == item_id)


def _led_to(item_id: int, found: Sequence[Any]) -> tuple[int, int]:
    """On hand and reserved after the first of these lines of the ledger: the present less all that came later. Raises NotFound."""
    item = db.session.get(StockItem, item_id)
    if item is None:
        raise NotFound("There is no such stock item.")
    newest = found[0][0].id if found else 0
    entry = StockEntry
    later = db.session.execute(
        select(func.coalesce(func.sum(entry.on_hand_change), 0), func.coalesce(func.sum(entry.reserved_change), 0)).where(
            entry.stock_item_id == item_id, entry.id > newest
        )
    ).one()
    return item.on_hand - int(later[0]), item.reserved - int(later[1])


def _entries(found: Sequence[Any], led_to: tuple[int, int]) -> list[Entry]:
    """Neighbouring lines of the ledger, newest first; ``led_to`` is what the first of them led to."""
    on_hand, reserved = led_to
    lines = []
    for row, order_number, shop, *_ in found:
        lines.append(
            Entry(row.at, row.actor, CAUSES.get(row.cause, row.cause), row.on_hand_change, row.reserved_change, on_hand, reserved,
                  row.order_id, order_number or "", row.run_id, row.note, shop or "")
        )  # fmt: skip
        on_hand, reserved = on_hand - row.on_hand_change, reserved - row.reserved_change
    return lines


def levels(item_id: int, since: datetime) -> list[tuple[datetime, int, int]]:
    """How a stock item's numbers went since a moment, oldest first: (when, on hand, available) after the changes of each hour, which is as fine
    as a chart of thirty days, and at the moment itself where there was a ledger by then. Raises NotFound."""
    item = db.session.get(StockItem, item_id)
    if item is None:
        raise NotFound("There is no such stock item.")
    query = (
        select(func.max(StockEntry.at), func.sum(StockEntry.on_hand_change), func.sum(StockEntry.reserved_change))
        .where(StockEntry.stock_item_id == item_id, StockEntry.at >= since)
        .group_by(hour_of(StockEntry.at))
        .order_by(func.max(StockEntry.at).desc())
    )
    entries = select(StockEntry.at).where(StockEntry.stock_item_id == item_id)
    first = db.session.scalar(entries.order_by(StockEntry.id).limit(1))
    on_hand, reserved = item.on_hand, item.reserved
    found = []
    for at, by_hand, by_reserved in db.session.execute(query):
        found.append((at, on_hand, max(0, on_hand - reserved - item.buffer)))
        on_hand, reserved = on_hand - int(by_hand), reserved - int(by_reserved)
    if first is None or first < since:
        found.append((since, on_hand, max(0, on_hand - reserved - item.buffer)))
    return found[::-1]


def list_holders(item_id: int, limit: int = 100) -> list[tuple[int, str, str, int, int]]:
    """The open orders that take from a stock item: (order id, number, integration name with a mark if it was removed, units wanted, units
    reserved)."""
    wanted = (OrderLine.quantity - OrderLine.shipped) * Allocation.units
    query = (
        select(Order.id, Order.number, Integration.name, Integration.removed_at, wanted, Allocation.reserved)
        .join(OrderLine, OrderLine.order_id == Order.id)
        .join(Allocation)
        .outerjoin(Integration, Integration.id == newest_id_of(Order))
        .where(Allocation.stock_item_id == item_id, Order.state.in_(OPEN_STATES), wanted > 0)
        .order_by(Order.placed_at, OrderLine.id)
        .limit(limit)
    )
    return [
        (order_id, number, marked_name(name or "", removed_at), wants, reserved)
        for order_id, number, name, removed_at, wants, reserved in db.session.execute(query)
    ]


@retry_on_deadlock
def change_item(item_id: int, *, on_hand: int, buffer: int, was: int, actor: str) -> None:
    """Set on hand and buffer of a stock item. ``was`` is the number on hand that the person saw.

    Raises NotFound, InvalidInput, or Conflict where stock has moved meanwhile; nothing is changed then."""
    stock_items.check_quantity(on_hand)
    stock_items.check_quantity(buffer)
    with writing():
        item = ledger.load_items([item_id]).get(item_id)
        if item is None:
            raise NotFound("There is no such stock item.")
        if item.fed and on_hand == was:
            # Only the buffer was edited; what is on hand follows from offers and may have moved.
            on_hand = was = item.on_hand
        if item.on_hand != was and item.on_hand != on_hand:
            raise Conflict(f"{item.sku} has changed to {item.on_hand} meanwhile; nothing was set.", "Look again, then set it.")
        moved = item.buffer != buffer
        record_change(stock_items.CHANGED, About(item.id, item.sku), {"buffer": (item.buffer, buffer)}, actor)
        item.buffer = buffer
        item.updated_at = utcnow() if moved else item.updated_at
        if not stock_items.put_on_hand([(item, on_hand)], ledger.Reason(actor, "set")) and moved:
            ledger.request_push([item.id])
