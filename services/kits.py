"""Kits: listings that take from several stock items, or from one several times. Each part of an order line is reserved by itself.

The line has no stock item of its own then; ``reserved`` of the line is how many whole pieces its scarcest part makes.
Everything here is called inside ``writing()``, with the stock items loaded by ``ledger.load_items``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import joinedload, selectinload

from extensions import db
from models import LinePart, Link, Listing, Order, OrderLine, StockItem
from models.types import among
from services import holds, ledger, oversells

Recipe = tuple[tuple[int, int], ...]
"""(stock item id, units a piece) of each part."""


# Asked for every page of orders: made once, on the tables.
_lists, _links = Listing.__table__.c, Link.__table__.c
LINKED_BY_HAND = (
    select(_lists.sku, _lists.id, _links.stock_item_id, _links.units)
    .join_from(Listing.__table__, Link.__table__)
    .where(
        _lists.shop_id == bindparam("shop_id"), among(_lists.sku, "skus"), _links.made_by == "hand",
        _lists.gone_at.is_(None),
    )
    .order_by(_lists.id, _links.stock_item_id)
)  # fmt: skip


def recipes(shop_id: int, skus: Iterable[str]) -> dict[str, Recipe]:
    """The kits among a shop's SKUs: those whose listing is linked to several stock items, or to several units of one."""
    wanted = sorted({sku for sku in skus if sku})
    found: dict[str, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for start in range(0, len(wanted), 500):
        chunk = wanted[start : start + 500]
        for sku, listing_id, item_id, units in db.session.execute(LINKED_BY_HAND, {"shop_id": shop_id, "skus": chunk}):
            found[sku][listing_id].append((item_id, units))
    # Where two listings carry the SKU, which of them was sold is not known: nothing is picked at random.
    single = {sku: tuple(next(iter(each.values()))) for sku, each in found.items() if len(each) == 1}
    return {sku: recipe for sku, recipe in single.items() if len(recipe) > 1 or recipe[0][1] > 1}


def items_of(lines: Iterable[OrderLine]) -> set[int]:
    """The stock items that kit lines take from."""
    return {part.stock_item_id for line in lines if line.stock_item_id is None for part in line.parts}


def bind(line: OrderLine, recipe: Recipe) -> None:
    """Make a line a kit line; what it reserved before has been released."""
    line.stock_item_id = None
    line.parts = [LinePart(stock_item_id=item_id, units=units, reserved=0) for item_id, units in recipe]


def reserve(
    line: OrderLine, items: Mapping[int, StockItem], *, actor: str, cause: str = "sale", run_id: int | None = None
) -> set[int]:
    """Reserve what each part lacks, as far as there is stock; answers with the stock items that moved."""
    moved: set[int] = set()
    for part in line.parts:
        item = items[part.stock_item_id]
        wanted = (line.quantity - line.shipped) * part.units - part.reserved
        units = max(0, min(wanted, item.on_hand - item.reserved))
        if units:
            part.reserved += units
            ledger.enter(item, actor=actor, cause=cause, reserved=units, order_id=line.order_id, run_id=run_id)
            moved.add(item.id)
    _count_pieces(line)
    return moved


def release(
    line: OrderLine, items: Mapping[int, StockItem], *, actor: str, cause: str, keep: int = 0, run_id: int | None = None
) -> set[int]:
    """Give back what is reserved beyond ``keep`` pieces; answers with the stock items that moved."""
    moved: set[int] = set()
    for part in line.parts:
        units = part.reserved - keep * part.units
        if units > 0:
            part.reserved -= units
            ledger.enter(
                items[part.stock_item_id], actor=actor, cause=cause, reserved=-units, order_id=line.order_id, run_id=run_id
            )
            moved.add(part.stock_item_id)
    _count_pieces(line)
    return moved


def ship(
    line: OrderLine, items: Mapping[int, StockItem], *, actor: str, pieces: int | None = None, run_id: int | None = None
) -> set[int]:
    """Take pieces off on hand and off reserved, part by part; what a part lacks comes from what lies there free."""
    pieces = line.quantity - line.shipped if pieces is None else pieces
    if pieces <= 0:
        return set()
    for part in line.parts:
        item, units = items[part.stock_item_id], pieces * part.units
        held = min(part.reserved, units)
        free = max(0, item.on_hand - item.reserved)
        ledger.enter(
            item, actor=actor, cause="shipped", on_hand=-(held + min(units - held, free)), reserved=-held,
            order_id=line.order_id, run_id=run_id,
        )  # fmt: skip
        part.reserved -= held
    line.shipped += pieces
    _count_pieces(line)
    return {part.stock_item_id for part in line.parts}


def _count_pieces(line: OrderLine) -> None:
    line.reserved = min((part.reserved // part.units for part in line.parts), default=0)


def take_back(item: StockItem, units: int, *, actor: str) -> tuple[int, list[int]]:
    """Take units back from kit lines, newest first; answers with how many are still to be found and the orders touched."""
    touched = []
    parts = db.session.scalars(
        select(LinePart).where(LinePart.stock_item_id == item.id, LinePart.reserved > 0)
        .options(selectinload(LinePart.line).selectinload(OrderLine.parts)).order_by(LinePart.id.desc())
    )  # fmt: skip
    for part in parts.all():
        if units <= 0:
            break
        given = min(part.reserved, units)
        part.reserved -= given
        units -= given
        ledger.enter(
            item, actor=actor, cause="set", reserved=-given, order_id=part.line.order_id, note="less on hand than reserved"
        )
        _count_pieces(part.line)
        touched.append(part.line.order_id)
    return units, touched


def expect_sale(shop_id: int, pieces: Mapping[str, int]) -> None:
    """As ledger.expect_sale, for kits: the shop lowers the quantity of the kit's own listing, by pieces."""
    for sku, sold in sorted(pieces.items()):
        if sold:
            db.session.execute(
                update(Listing)
                .where(Listing.shop_id == shop_id, Listing.sku == sku, Listing.expected.is_not(None))
                .values(expected=ledger.lowered(sold))
                .execution_options(synchronize_session=False)
            )


def book(
    line: OrderLine, items: Mapping[int, StockItem], stage: str, *, actor: str, run_id: int | None = None, cause: str = "sale"
) -> set[int]:
    """Bring a kit line's parts to what its order's stage asks for; doing it twice is the same as once."""
    if stage == "open":
        moved = release(line, items, actor=actor, cause="edited", keep=max(0, line.quantity - line.shipped), run_id=run_id)
        return moved | reserve(line, items, actor=actor, cause=cause, run_id=run_id)
    if stage == "shipped":
        return ship(line, items, actor=actor, run_id=run_id)
    return release(line, items, actor=actor, cause="cancelled", run_id=run_id)


def pieces(lines: Iterable[OrderLine]) -> dict[str, int]:
    """Pieces by SKU that a shop takes off its kit listings for these lines."""
    sold: dict[str, int] = defaultdict(int)
    for line in lines:
        if line.stock_item_id is None and line.parts:
            sold[line.sku] += line.quantity
    return sold


def book_new(shop_id: int, external_ids: Sequence[str], known: Mapping[str, Recipe], stage: Callable[[Order], str], *,
             actor: str, run_id: int | None) -> tuple[set[int], int]:  # fmt: skip
    """Bind and reserve the kit lines of orders that have just been stored; answers with the stock items that moved and how many
    of the orders are not held any more. Call it inside ``writing()``."""
    query = (
        select(OrderLine)
        .join(Order)
        .where(Order.shop_id == shop_id, Order.external_id.in_(external_ids), OrderLine.sku.in_(known))
        .options(selectinload(OrderLine.parts), joinedload(OrderLine.order))
        .order_by(Order.placed_at, OrderLine.id)
    )
    lines = list(db.session.scalars(query))
    items = ledger.load_items(item_id for line in lines for item_id, _ in known[line.sku])
    touched: set[int] = set()
    sold: dict[str, int] = defaultdict(int)
    for line in lines:
        bind(line, known[line.sku])
        if stage(line.order) == "open":
            touched |= reserve(line, items, actor=actor, run_id=run_id)
            sold[line.sku] += line.quantity
    db.session.flush()
    expect_sale(shop_id, sold)
    short = {line.order.external_id for line in lines if line.reserved < line.quantity}
    if short:
        oversells.detect(shop_id, sorted(short))
    return touched, holds.judge_again({line.order_id for line in lines})
