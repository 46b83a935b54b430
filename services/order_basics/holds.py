"""Evaluation of orders: whether an order is ready, waits for payment, or is on hold and why. Decided from what is stored; no shop is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import selectinload

import channels
from extensions import db, who_acts
from models import HoldChange, Integration, Order, OrderLine, Shop
from models.order import GONE_CODE
from services.common.batches import batches
from services.order_basics.audited import HELD, HOLD_CHANGED, RELEASED, about_order
from services.order_basics.money import plain
from services.security.audit import is_person, record_change

DISAGREE = "The sums disagree by "
"""An amount and its currency follow: pages write them in the reader's language."""

UNKNOWN_SKU, DOUBTFUL_SKU = "unknown_sku", "doubtful_sku"
BEFORE_SKU, AFTER_SKU, BEFORE_NAME = "SKU ", " is not one of our stock items.", "A line has no SKU: "
"""What stands around the SKU or name in the stored reason of an unknown line: held orders are grouped by what is between."""


def unknown_sku(sku: str, name: str) -> str:
    """The reason of a line without a stock item, with its SKU or, if it has none, its name."""
    return f"{BEFORE_SKU}{sku}{AFTER_SKU}" if sku else f"{BEFORE_NAME}{name}."


def unknown_line(reason: str) -> tuple[str, str] | None:
    """The opposite of ``unknown_sku``: (SKU, "") or ("", name) of the line that a reason is about; None for a reason of another kind."""
    if reason.startswith(BEFORE_SKU) and reason.endswith(AFTER_SKU):
        return reason[len(BEFORE_SKU) : -len(AFTER_SKU)], ""
    if reason.startswith(BEFORE_NAME):
        return "", reason[len(BEFORE_NAME) :].removesuffix(".")
    return None


def short(sku: str, missing: int, ordered: int) -> str:
    """The reason of a line of which something is not in stock."""
    return f"{sku}: {missing} of {ordered} not in stock."


def says_short(sentence: str) -> bool:
    """Whether it is a reason of ``short``, also one that was accepted."""
    return re.search(r": \d+ of \d+ not in stock\.\Z", sentence) is not None


class Evaluation(NamedTuple):
    """``state`` of models.order.Order; ``codes`` and ``reasons`` say what holds it, ``reason_codes`` the cause of each reason, ``note``
    what is worth knowing."""

    state: str
    codes: list[str]
    reasons: str
    reason_codes: list[str]
    note: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of an integration that an evaluation depends on."""

    kind: str
    work_statuses: tuple[tuple[str, str], ...]
    with_back_orders: bool

    @classmethod
    def of(cls, integration: Integration) -> Rules:
        pairs = tuple((pair[0].upper(), pair[1].upper()) for pair in integration.work_statuses)
        return cls(integration.kind, pairs, integration.with_back_orders)

    def stage(self, payment_status: str, shipping_status: str) -> str:
        """``open``, ``shipped`` or ``cancelled``, as the kind of channel defines them."""
        return channels.facts_of(self.kind).stage(payment_status, shipping_status)

    def puts_back(self, payment_status: str, shipping_status: str) -> bool | None:
        """Whether the shop has put an order's units back on its own shelf; None where that is not known."""
        return channels.facts_of(self.kind).puts_back(payment_status, shipping_status)

    def stage_of(self, order: Order) -> str:
        """``stage`` of a stored order; an order that a person cancelled here stays cancelled unless the goods have left. So does one whose
        deletion in the shop a person has marked as seen."""
        stage = self.stage_for(order, order.payment_status, order.shipping_status)
        over = order.called_off_at is not None or order.gone_seen_at is not None
        return "cancelled" if stage == "open" and over else stage

    def stage_for(self, order: Order, payment_status: str, shipping_status: str) -> str:
        """``stage`` of a stored order under these statuses: a status whose shipment a person has voided does not count as shipped."""
        stage = self.stage(payment_status, shipping_status)
        return "open" if stage == "shipped" and shipping_status and shipping_status == order.reopened_status else stage

    def is_work(self, payment_status: str, shipping_status: str) -> bool:
        payment, shipping = payment_status.upper(), shipping_status.upper()
        return any(one in ("*", payment) and other in ("*", shipping) for one, other in self.work_statuses)


def as_line(sentence: str) -> str:
    """A reason without line breaks, which a shop's own words may have: reasons are stored one a line."""
    return " ".join(sentence.splitlines())


def evaluate(order: Order, lines: Sequence[OrderLine], rules: Rules) -> Evaluation:
    """Decide the state of an order. Raises nothing: what is wrong with it becomes a reason."""
    held: dict[tuple[str, str], None] = {}
    notes: list[str] = []

    def hold(code: str, reason: str) -> None:
        if code in order.accepted_codes:
            notes.append(f"Accepted: {reason}")
            return
        held[code, as_line(reason)] = None

    stage = rules.stage_of(order)
    for code, doubt in order.doubts:
        hold(code, doubt)
    if order.gone_at is not None and order.superseded_at is None and stage == "open":
        hold(GONE_CODE, "The shop no longer has this order. Mark it as seen to free its stock.")
    for problem in order.problems:
        hold("unreadable", problem)
    if order.difference:
        hold("sums", f"{DISAGREE}{plain(order.difference, order.decimals)} {order.currency}".rstrip() + ".")
    if len(order.currency) != 3 or not order.currency.isalpha():
        hold("currency", f"The currency {order.currency!r} is not known." if order.currency else "The order has no currency.")
    if not order.shipping_address and not order.billing_address:
        hold("address", "The order has no address.")
    # Goods that have left, or never will, need no stock item.
    for line in lines if stage == "open" else ():
        if not line.allocations and line.could_mean:
            hold(DOUBTFUL_SKU, f"SKU {line.sku} could be the stock item {line.could_mean}: link its listing to one of them.")
        elif not line.allocations and not line.uncounted:
            hold(UNKNOWN_SKU, unknown_sku(line.sku, line.name))
    if not lines:
        hold("no_lines", "The order has no lines.")
    if stage == "open":
        for line in lines:
            missing = line.left - line.reserved
            if missing > 0 and line.allocations:
                sentence = short(line.sku, missing, line.quantity)
                if rules.with_back_orders:
                    notes.append(sentence)
                else:
                    hold("short", sentence)
    codes = [code for code, _ in held]
    return Evaluation(
        _state(stage, order, lines, rules, bool(codes)), sorted(set(codes)), "\n".join(reason for _, reason in held), codes,
        "\n".join(notes),
    )  # fmt: skip


def reasons_of(code: str, held_reason: str, reason_codes: Sequence[str]) -> Iterator[str]:
    """The reasons of one cause among those that an order is stored with."""
    return (reason for reason, its_code in zip(held_reason.split("\n"), reason_codes, strict=False) if its_code == code)


def _state(stage: str, order: Order, lines: Sequence[OrderLine], rules: Rules, held: bool) -> str:
    if any(code not in order.accepted_codes for code, _ in order.doubts):
        return "on_hold"
    if stage != "open":
        return stage
    if held:
        return "on_hold"
    if any(line.shipped for line in lines):
        return "shipped" if all(line.shipped >= line.quantity for line in lines) else "part_shipped"
    reopened = order.reopened_status != "" and order.shipping_status == order.reopened_status
    return "ready" if reopened or rules.is_work(order.payment_status, order.shipping_status) else "awaiting_payment"


def apply(order: Order, evaluation: Evaluation) -> None:
    """Store what was decided, and where a hold began, ended or changed, that in the order's history."""
    before = order.held_reason if order.state == "on_hold" else ""
    after = evaluation.reasons if evaluation.state == "on_hold" else ""
    if before != after:
        db.session.add(HoldChange(order_id=order.id, actor=who_acts()[0], before=before, after=after))
        if is_person():
            kind = RELEASED if not after else HOLD_CHANGED if before else HELD
            record_change(kind, about_order(order), {"hold": (before, after)})
    order.state, order.note = evaluation.state, evaluation.note
    order.held_codes, order.held_reason, order.reason_codes = evaluation.codes, evaluation.reasons, evaluation.reason_codes


def evaluate_stored(order_ids: Iterable[int]) -> int:
    """Evaluate stored orders again, after what held them may have been fixed. Returns how many were released.
    Call it inside ``writing()``."""
    ids = sorted(set(order_ids))
    released = 0
    rules_of: dict[int, Rules | None] = {}
    for batch in batches(ids):
        query = select(Order).where(Order.id.in_(batch)).options(selectinload(Order.lines))
        for order in db.session.scalars(query):
            if order.shop_id not in rules_of:
                rules_of[order.shop_id] = rules_for_shop(order.shop_id)
            rules = rules_of[order.shop_id]
            if rules is None:
                continue
            was = order.state
            apply(order, evaluate(order, order.lines, rules))
            released += was == "on_hold" and order.state != "on_hold"
    return released


def rules_for_shop(shop_id: int) -> Rules | None:
    """The rules of the newest integration of a shop, removed ones included: the orders of a removed shop are evaluated by the same rules."""
    integration = db.session.scalar(
        select(Integration).join(Shop).where(Integration.shop_id == shop_id)
        .order_by(Integration.removed_at.is_not(None), Integration.id.desc()).limit(1)
    )  # fmt: skip
    return Rules.of(integration) if integration else None
