"""What an order is: work, waiting for payment, or held for a person and why. Judged from what is stored, asking no shop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import selectinload

import channels
from extensions import db
from models import Integration, Order, OrderLine, Shop
from services.money import plain


@dataclass(frozen=True, slots=True)
class Verdict:
    """``state`` of models.order.Order; ``codes`` and ``reasons`` say what holds it, ``note`` what is worth knowing."""

    state: str
    codes: list[str]
    reasons: str
    note: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of an integration that a verdict rests on."""

    kind: str
    work_statuses: tuple[tuple[str, str], ...]
    with_back_orders: bool

    @classmethod
    def of(cls, integration: Integration) -> Rules:
        pairs = tuple((pair[0].upper(), pair[1].upper()) for pair in integration.work_statuses)
        return cls(integration.kind, pairs, integration.with_back_orders)

    def stage(self, payment_status: str, shipping_status: str) -> str:
        """``open``, ``shipped`` or ``cancelled``, in the words of the channel's kind."""
        return channels.stage_reader(self.kind)(payment_status, shipping_status)

    def puts_back(self, payment_status: str) -> bool:
        """Whether the shop has put an order's units back on its own shelf: they count as taken off before and after."""
        return channels.put_back_reader(self.kind)(payment_status)

    def stage_of(self, order: Order) -> str:
        """``stage`` of a stored order; one that a person has cancelled here stays cancelled unless the goods have left."""
        stage = self.stage(order.payment_status, order.shipping_status)
        return "cancelled" if stage == "open" and order.called_off_at is not None else stage

    def is_work(self, payment_status: str, shipping_status: str) -> bool:
        payment, shipping = payment_status.upper(), shipping_status.upper()
        return any(one in ("*", payment) and other in ("*", shipping) for one, other in self.work_statuses)


def judge(order: Order, lines: Sequence[OrderLine], rules: Rules) -> Verdict:
    """Raises nothing: whatever is strange becomes a reason."""
    codes: list[str] = []
    reasons: list[str] = []
    notes: list[str] = []

    def hold(code: str, reason: str) -> None:
        if code in order.accepted_codes:
            notes.append(f"Accepted: {reason}")
            return
        codes.append(code)
        reasons.append(reason)

    stage = rules.stage_of(order)
    for problem in order.problems:
        hold("unreadable", problem)
    if order.difference:
        hold("sums", f"The sums disagree by {plain(order.difference, order.decimals)} {order.currency}".rstrip() + ".")
    if len(order.currency) != 3 or not order.currency.isalpha():
        hold("currency", f"The currency {order.currency!r} is not known." if order.currency else "The order has no currency.")
    if not order.shipping_address and not order.billing_address:
        hold("address", "The order has no address.")
    # Goods that have left, or never will, need no stock item.
    for line in lines if stage == "open" else ():
        if line.stock_item_id is None and not line.parts:
            hold(
                "unknown_sku",
                f"SKU {line.sku} is not one of our stock items." if line.sku else f"A line has no SKU: {line.name}.",
            )
    if not lines:
        hold("no_lines", "The order has no lines.")
    if stage == "open":
        for line in lines:
            short = line.quantity - line.shipped - line.reserved
            if short > 0 and (line.stock_item_id is not None or line.parts):
                sentence = f"{line.sku}: {short} of {line.quantity} not in stock."
                if rules.with_back_orders:
                    notes.append(sentence)
                else:
                    hold("short", sentence)
    return Verdict(
        _state(stage, order, lines, rules, bool(codes)), sorted(set(codes)), "\n".join(dict.fromkeys(reasons)), "\n".join(notes)
    )


def _state(stage: str, order: Order, lines: Sequence[OrderLine], rules: Rules, held: bool) -> str:
    if stage != "open":
        return stage
    if held:
        return "on_hold"
    if any(line.shipped for line in lines):
        return "shipped" if all(line.shipped >= line.quantity for line in lines) else "part_shipped"
    return "ready" if rules.is_work(order.payment_status, order.shipping_status) else "awaiting_payment"


def apply(order: Order, verdict: Verdict) -> None:
    order.state, order.held_codes, order.held_reason, order.note = verdict.state, verdict.codes, verdict.reasons, verdict.note


def judge_again(order_ids: Iterable[int]) -> int:
    """Judge stored orders anew, after what held them may have been mended; answers with how many were released.
    Call it inside ``writing()``."""
    ids = sorted(set(order_ids))
    released = 0
    rules_of: dict[int, Rules | None] = {}
    for start in range(0, len(ids), 500):
        with_lines = selectinload(Order.lines).selectinload(OrderLine.parts)
        query = select(Order).where(Order.id.in_(ids[start : start + 500])).options(with_lines)
        for order in db.session.scalars(query):
            if order.shop_id not in rules_of:
                rules_of[order.shop_id] = rules_for_shop(order.shop_id)
            rules = rules_of[order.shop_id]
            if rules is None:
                continue
            was = order.state
            apply(order, judge(order, order.lines, rules))
            released += was == "on_hold" and order.state != "on_hold"
    return released


def rules_for_shop(shop_id: int) -> Rules | None:
    """The rules of the newest integration of a shop, removed ones included: a removed shop's orders are still judged alike."""
    integration = db.session.scalar(
        select(Integration).join(Shop).where(Integration.shop_id == shop_id)
        .order_by(Integration.removed_at.is_not(None), Integration.id.desc()).limit(1)
    )  # fmt: skip
    return Rules.of(integration) if integration else None
