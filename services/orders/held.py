"""The inbox of held orders: grouped by cause. Fixing a cause once releases all of its orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
from sqlalchemy import Text, cast, func, select

from errors import Conflict, InvalidInput
from extensions import db, reading, writing
from models import Allocation, Integration, Listing, Order, OrderLine, StockItem
from models.order import GONE_CODE
from models.sku_key import sku_key
from services.common.batches import batches
from services.common.deadlocks import retry_on_deadlock
from services.order_basics import holds, line_matching
from services.order_basics.audited import ACCEPTED, about_order
from services.orders import first_reading, list_facts
from services.security.audit import record_change
from services.shipping import shipped_lines
from services.stock import allocations

ACCEPTABLE = ("sums", "currency", "address", "no_lines", "short", "identity", "lines")
"""Causes that a person may accept as they are. An unknown SKU has to be fixed, and what could not be read has to be read."""
DECIDED_ON_ORDER = ("identity", GONE_CODE, line_matching.CODE)
"""Causes that a person decides on the order's own page: the page of held orders only leads there."""

WORDS = {
    holds.DOUBTFUL_SKU: "The SKU could mean several of our stock items",
    holds.UNKNOWN_SKU: "The SKU is not one of our stock items",
    "sums": "The sums disagree",
    "currency": "The currency is not known",
    "address": "There is no address",
    "no_lines": "The order has no lines",
    "short": "There is not enough in stock",
    "identity": "It may be another order under the same id",
    GONE_CODE: "The shop no longer has the order",
    "lines": "It is not clear which of its lines were shipped",
    "unreadable": "Something in the order could not be read",
}
WHAT_TO_DO = {
    "sums": "Compare the total with the shop. If the shop is right, accept the order as it is.",
    "currency": "Correct it in the shop and read the order again, or accept the order as it is.",
    "address": "Enter it in the shop and read the order again. Or accept the order as it is if you know where to send it.",
    "no_lines": "Correct the order in the shop, then read it again.",
    "short": "Add stock, or accept the order as it is and ship what there is.",
    "identity": "Open the order and say whether it is another one.",
    GONE_CODE: "Open the order and mark it as seen. Its stock is free then.",
    "lines": "Open the order and say how many pieces of each line were shipped.",
    "unreadable": "Look at the order in the shop. When it is right there, read it again.",
    holds.DOUBTFUL_SKU: "Choose the stock item that each SKU means. Its listings then take their quantity from that item.",
}
"""What a person can do, by cause."""
WITHOUT_SKU = "Link its listing to a stock item, or add one for it: its orders are released then."
NOT_LISTED = "No listing has this SKU. If its product is new in the shop, read the listings now, or wait for their next reading."
SHOWN = 8
MOST_REASONS = 5


@dataclass
class Group:
    """``order_ids`` are all orders of the cause, the oldest first. ``add_details`` adds what only a page shows: the line's ``name``, how many
    ``pieces`` its orders take, whether a shop has it ``listed``, and of the first few orders in ``shown`` (id, number, integration name),
    ``whys``, the reasons of each by id, and ``short_skus``, the stock items of which there is not enough."""

    code: str
    title: str
    sku: str = ""
    name: str = ""
    pieces: int = 0
    listed: bool = False
    order_ids: list[int] = field(default_factory=list)
    shown: list[tuple[int, str, str]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    whys: dict[int, list[str]] = field(default_factory=dict)
    short_skus: Sequence[str] = ()

    @property
    def advice(self) -> str:
        if self.waits:
            return first_reading.ADVICE
        if self.not_listed:
            return NOT_LISTED
        return WITHOUT_SKU if self.without_sku else WHAT_TO_DO.get(self.code, "")

    @property
    def waits(self) -> bool:
        """Whether its orders wait for the first reading of their shop, and nobody has to do anything."""
        return self.code == first_reading.CODE

    @property
    def not_listed(self) -> bool:
        """Whether no shop was seen to have its SKU."""
        return self.code == holds.UNKNOWN_SKU and bool(self.sku) and not self.listed

    @property
    def without_sku(self) -> bool:
        """Whether its lines have no SKU in the shop. They are known by their name, and by the listing of their product."""
        return self.code == holds.UNKNOWN_SKU and bool(self.name) and not self.sku

    @property
    def decided_on_order(self) -> bool:
        return self.code in DECIDED_ON_ORDER

    @property
    def acceptable(self) -> bool:
        """Whether all of its orders can be accepted at once."""
        return self.code in ACCEPTABLE and not self.decided_on_order

    @property
    def key(self) -> str:
        """What distinguishes it from other groups of its code."""
        return self.sku or self.name

    @property
    def seen(self) -> str:
        """Stands for exactly these orders, so that ``accept_group`` can refuse when others have joined them."""
        return stamp_of(self.order_ids)


def stamp_of(order_ids: Sequence[int]) -> str:
    """A short text that stands for exactly these orders, in any order."""
    return sha256(repr(sorted(order_ids)).encode()).hexdigest()[:16]


def groups() -> list[Group]:
    """All causes, those that hold most orders first, without details. An order with two causes is in both groups. What nobody has to do
    anything about comes last."""
    return sorted(_grouped().values(), key=lambda group: (group.waits, -len(group.order_ids), group.title))


def _grouped() -> dict[tuple[str, str], Group]:
    """All groups by code and key, without details, from the causes and reasons that are stored with the orders. Many orders have the same ones,
    so these are looked at once."""
    causes = (cast(Order.held_codes, Text), Order.held_reason, cast(Order.reason_codes, Text))
    query = select(Order.id, Order.shop_id, *causes).where(Order.held, list_facts.is_present())
    reading = first_reading.shops()
    found: dict[tuple[str, str], Group] = {}
    known: dict[tuple[str, str, str], list[Group]] = {}
    for order_id, shop_id, codes, reason, reason_codes in (
        db.session.connection().execute(query.order_by(Order.placed_at, Order.id)).all()
    ):
        if shop_id in reading and codes == first_reading.ONLY_UNKNOWN:
            key = first_reading.CODE, ""
            found.setdefault(key, Group(first_reading.CODE, first_reading.TITLE)).order_ids.append(order_id)
            continue
        said = codes, reason, reason_codes
        if said not in known:
            known[said] = _groups_of(found, *said)
        for group in known[said]:
            group.order_ids.append(order_id)
    return found


def _groups_of(found: dict[tuple[str, str], Group], codes: str, reason: str, reason_codes: str) -> list[Group]:
    """The groups of orders that are stored with these causes and reasons. Those that are new are added to ``found``."""
    groups_of_order: dict[tuple[str, str], Group] = {}
    for code in msgspec.json.decode(codes):
        if code == holds.UNKNOWN_SKU:
            lines = [line for each in reason.split("\n") if (line := holds.unknown_line(each))]
            for sku, name in lines or [("", "")]:
                title = holds.unknown_sku(sku, name).removesuffix(".") if sku or name else WORDS[code]
                key = code, sku_key(sku) or name
                groups_of_order[key] = found.setdefault(key, Group(code, title, sku, name))
        else:
            group = groups_of_order[code, ""] = found.setdefault((code, ""), Group(code, WORDS.get(code, code)))
            reasons = holds.reasons_of(code, reason, msgspec.json.decode(reason_codes))
            group.reasons = list(dict.fromkeys([*group.reasons, *reasons]))[:MOST_REASONS]
    return list(groups_of_order.values())


def add_details(found: Sequence[Group]) -> None:
    """Add to the groups of a page what only a page shows."""
    query = (
        select(Order.id, Order.number, Order.external_id, Integration.name, Order.held_reason, Order.reason_codes)
        .join(Integration, (Integration.shop_id == Order.shop_id) & Integration.removed_at.is_(None))
        .where(Order.id.in_({each for group in found for each in group.order_ids[:SHOWN]}))
    )
    rows = {row.id: row for row in db.session.execute(query)}
    shown = {row.id: (row.id, row.number or row.external_id, row.name) for row in rows.values()}
    with_sku = {sku_key(group.sku): group for group in found if group.sku}
    there = Listing.sku_key.in_(with_sku), Listing.gone_at.is_(None)
    listed = set(db.session.scalars(select(Listing.sku_key).where(*there)))
    first = [group.order_ids[0] for group in with_sku.values()]
    lines = select(OrderLine.order_id, OrderLine.sku_key, OrderLine.name).where(OrderLine.order_id.in_(first))
    named = {(order_id, key): name for order_id, key, name in db.session.execute(lines.order_by(OrderLine.position.desc()))}
    for group in found:
        group.shown = [shown[each] for each in group.order_ids[:SHOWN] if each in shown]
        if len(group.order_ids) > 1 and len(group.reasons) > 1:
            group.whys = {each[0]: list(holds.reasons_of(group.code, *rows[each[0]][-2:])) for each in group.shown}
        if group.code == "short":
            group.short_skus = _short_skus(group.order_ids[:SHOWN])
    taken = _pieces(list(with_sku))
    for key, group in with_sku.items():
        group.listed, group.name = key in listed, named.get((group.order_ids[0], key), "")
        group.pieces = taken.get(key, 0)


def _short_skus(order_ids: Sequence[int]) -> Sequence[str]:
    """The SKUs of the first few stock items of which these orders need more than they have reserved."""
    query = (
        select(StockItem.sku).join(Allocation).join(OrderLine).where(OrderLine.order_id.in_(order_ids), allocations.LACKING > 0)
    )
    return db.session.scalars(query.distinct().order_by(StockItem.sku).limit(MOST_REASONS)).all()


def _pieces(sku_keys: Sequence[str]) -> dict[str, int]:
    """How many pieces held orders take of each SKU and have not been shipped."""
    held = select(Order.id).where(Order.held, list_facts.is_present())
    query = (
        select(OrderLine.sku_key, func.sum(OrderLine.quantity - OrderLine.shipped))
        .where(OrderLine.sku_key.in_(sku_keys), OrderLine.order_id.in_(held))
        .group_by(OrderLine.sku_key)
    )
    return {key: int(pieces) for key, pieces in db.session.execute(query)}


@retry_on_deadlock
def accept(code: str, order_ids: Sequence[int], actor: str, pieces: shipped_lines.Pieces | None = None) -> int:
    """Accept what holds these orders as it is; returns how many were released. Where it is not clear which lines of an order were shipped,
    ``pieces`` says it, and otherwise it is assumed. Raises InvalidInput for a cause that has to be fixed, and Conflict for pieces other than
    somebody else has said meanwhile."""
    if code not in ACCEPTABLE:
        raise InvalidInput("That cannot be accepted as it is.", "Fix the cause.")
    if code == line_matching.CODE:
        return sum(_settle_lines(order_id, actor, pieces) for order_id in order_ids)
    if pieces is not None:
        raise InvalidInput("Pieces are only given where it is not clear which lines were shipped.", "Leave them out.")
    with writing() as session:
        held = session.scalars(
            select(Order).where(Order.id.in_(order_ids), Order.state == "on_hold").with_for_update()
        ).all()  # fmt: skip
        for order in held:
            if code in order.held_codes:
                record_change(ACCEPTED, about_order(order), {"accepted": (None, [code])}, actor)
                order.accepted_codes = sorted({*order.accepted_codes, code})
                order.reread_due |= code == "identity"
        session.flush()
        return holds.evaluate_stored(order.id for order in held)


def _settle_lines(order_id: int, actor: str, pieces: shipped_lines.Pieces | None) -> bool:
    """Whether the order was released by that."""
    with writing() as session:
        items = allocations.load_items_of(Order.id == order_id)
        query = select(Order).where(Order.id == order_id).with_for_update()
        order = session.scalar(query.execution_options(populate_existing=True))
        if order is None or order.state != "on_hold" or not shipped_lines.is_unclear(order):
            if order is not None and not shipped_lines.are_counted(order, pieces or {}):
                raise Conflict(
                    f"Other pieces of order {order.number} count as shipped by now. What you entered was not saved.",
                    "Look at its lines.",
                )
            return False
        if not allocations.items_of(order.lines) <= items.keys():
            raise Conflict(f"Order {order.number} is changing just now.", "Try again.")
        shipped_lines.settle(order, items, actor, pieces)
        return order.state != "on_hold"


def accept_group(code: str, key: str, seen: str, actor: str) -> tuple[list[int], int | None]:
    """``accept`` for the orders of a group as a person saw it: ``seen`` is what ``Group.seen`` was then. Answers its orders and how many were
    released, which is None where it holds no order any more. Raises Conflict if it holds other orders now."""
    ids = ids_of(code, key)
    if not ids:
        return [], None
    if stamp_of(ids) != seen:
        raise Conflict("Other orders are in that group now than when you opened the page.", "Look at them, then accept again.")
    return ids, accept(code, ids, actor)


def still_held(order_ids: Sequence[int]) -> int:
    """How many of these orders are on hold now."""
    number = 0
    with reading() as session:
        for batch in batches(order_ids):
            query = select(func.count()).select_from(Order).where(Order.id.in_(batch), Order.state == "on_hold")
            number += session.scalar(query) or 0
    return number


def shops_of(order_ids: Sequence[int]) -> list[Integration]:
    """The integrations that the shops of these orders are connected by, by name."""
    found: set[int] = set()
    for batch in batches(order_ids):
        found.update(db.session.scalars(select(Order.shop_id).where(Order.id.in_(batch)).distinct()))
    connected = select(Integration).where(Integration.shop_id.in_(found), Integration.removed_at.is_(None))
    return list(db.session.scalars(connected.order_by(Integration.name_key)))


def ids_of(code: str, key: str) -> list[int]:
    """The orders that a cause holds now. ``key`` is that of its group."""
    return next((group.order_ids for group in _grouped().values() if (group.code, group.key) == (code, key)), [])
