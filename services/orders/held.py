"""The inbox of held orders: grouped by cause. Fixing a cause once releases all of its orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import func, select

from errors import Conflict, InvalidInput
from extensions import db, reading, writing
from models import Integration, Listing, Order, OrderLine
from models.sku_key import sku_key
from services.common.batches import batches
from services.common.deadlocks import retry_on_deadlock
from services.order_basics import holds
from services.order_basics.audited import ACCEPTED, about_order
from services.security.audit import record_change

ACCEPTABLE = ("sums", "currency", "address", "no_lines", "short", "identity", "lines")
"""Causes that a person may accept as they are. An unknown SKU has to be fixed, and what could not be read has to be read."""

WORDS = {
    "doubtful_sku": "The SKU could mean several of our stock items",
    "unknown_sku": "The SKU is not one of our stock items",
    "sums": "The sums disagree",
    "currency": "The currency is not known",
    "address": "There is no address",
    "no_lines": "The order has no lines",
    "short": "There is not enough in stock",
    "identity": "It may be another order under the same id",
    "gone": "The shop no longer has the order",
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
    "gone": "Open the order and mark it as seen. Its stock is free then.",
    "lines": "Compare with the shop which lines were shipped, then accept the order as it is.",
    "unreadable": "Look at the order in the shop. When it is right there, read it again.",
    "doubtful_sku": "Say which of them each SKU is. Its listings take their stock from there.",
}
"""What a person can do, by cause."""
SHOWN = 8
NOTHING = {"": ("", "")}
"""The unknown lines, as ``_unknown`` gives them, of a cause that has none."""


@dataclass
class Group:
    """``order_ids`` are all orders of the cause; ``shown`` are (id, number, integration name) of the first few."""

    code: str
    title: str
    sku: str = ""
    name: str = ""
    listed: bool = False
    order_ids: list[int] = field(default_factory=list)
    shown: list[tuple[int, str, str]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def advice(self) -> str:
        return WHAT_TO_DO.get(self.code, "")

    @property
    def key(self) -> str:
        """What distinguishes it from other groups of its code."""
        return self.sku or self.name

    @property
    def seen(self) -> str:
        """Stands for exactly these orders, so that ``accept_group`` can refuse when others have joined them."""
        return sha256(repr(sorted(self.order_ids)).encode()).hexdigest()[:16]


def groups() -> list[Group]:
    """All causes, those that hold most orders first. An order with two causes is in both groups."""
    rows = db.session.execute(
        select(
            Order.id, Order.number, Order.external_id, Integration.name, Order.held_codes, Order.held_reason, Order.reason_codes
        )
        .join(Integration, (Integration.shop_id == Order.shop_id) & Integration.removed_at.is_(None))
        .where(Order.state == "on_hold")
        .order_by(Order.placed_at, Order.id)
    ).all()
    unknown = _unknown([row.id for row in rows if "unknown_sku" in row.held_codes])
    found: dict[tuple[str, str], Group] = {}
    for row in rows:
        for code in row.held_codes:
            for key, (sku, name) in unknown.get(row.id, NOTHING).items() if code == "unknown_sku" else NOTHING.items():
                title = WORDS.get(code, code)
                if code == "unknown_sku":
                    title = f"SKU {sku} is not one of our stock items" if sku else f"A line has no SKU: {name}"
                group = found.setdefault((code, key), Group(code, title, sku, name))
                group.order_ids.append(row.id)
                if len(group.shown) < SHOWN:
                    group.shown.append((row.id, row.number or row.external_id, row.name))
                if code != "unknown_sku":
                    for reason in holds.reasons_of(code, row.held_reason, row.reason_codes):
                        if reason not in group.reasons and len(group.reasons) < 5:
                            group.reasons.append(reason)
    _note_listed(found.values())
    return sorted(found.values(), key=lambda group: (-len(group.order_ids), group.title))


def _unknown(order_ids: Sequence[int]) -> dict[int, dict[str, tuple[str, str]]]:
    """By order: SKU and name of its unknown lines, one of each SKU however it is spelled, by what groups them. Options give the lines of
    one SKU names of their own."""
    found: dict[int, dict[str, tuple[str, str]]] = defaultdict(dict)
    for batch in batches(order_ids):
        query = select(OrderLine.order_id, OrderLine.sku_key, OrderLine.sku, OrderLine.name).where(
            OrderLine.order_id.in_(batch),
            ~OrderLine.allocations.any(),
            OrderLine.uncounted.is_(False),
            OrderLine.could_mean == "",
        )
        for order_id, key, sku, name in db.session.execute(query):
            found[order_id].setdefault(key or name, (sku, name))
    return found


def _note_listed(found: Iterable[Group]) -> None:
    wanted = [group for group in found if group.sku]
    if wanted:
        keys = [sku_key(group.sku) for group in wanted]
        listed = set(db.session.scalars(select(Listing.sku_key).where(Listing.sku_key.in_(keys))))
        for group in wanted:
            group.listed = sku_key(group.sku) in listed


@retry_on_deadlock
def accept(code: str, order_ids: Sequence[int], actor: str) -> int:
    """Accept what holds these orders as it is; returns how many were released. Raises InvalidInput for a cause that has
    to be fixed."""
    if code not in ACCEPTABLE:
        raise InvalidInput("That cannot be accepted as it is.", "Fix the cause.")
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


def accept_group(code: str, key: str, seen: str, actor: str) -> int | None:
    """``accept`` for the orders of a group as a person saw it: ``seen`` is what ``Group.seen`` was then. Answers None where it
    holds no order any more. Raises Conflict if it holds other orders now."""
    group = group_of(code, key)
    if group is None:
        return None
    if group.seen != seen:
        raise Conflict("Other orders are in that group now than when you opened the page.", "Look at them, then accept again.")
    return accept(code, group.order_ids, actor)


def group_of(code: str, key: str) -> Group | None:
    """The group of a cause as it is now; None where it holds no order. ``key`` is that of the group."""
    return next((group for group in groups() if (group.code, group.key) == (code, key)), None)


def still_held(order_ids: Sequence[int]) -> int:
    """How many of these orders are on hold now."""
    number = 0
    with reading() as session:
        for batch in batches(order_ids):
            query = select(func.count()).select_from(Order).where(Order.id.in_(batch), Order.state == "on_hold")
            number += session.scalar(query) or 0
    return number


def ids_of(code: str, key: str) -> list[int]:
    """The orders that a cause holds now. ``key`` is that of its group."""
    group = group_of(code, key)
    return group.order_ids if group else []
