"""Which pieces of an order were shipped, where that is not clear (services/order_basics/line_matching.py): a person says it, line by line.

Without that, an order of two cups of which one had been shipped could show two cups to ship."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from errors import InvalidInput
from extensions import db
from models import Order, OrderLine, Shipment, ShipmentLine, StockItem
from models.sku_key import sku_key
from services.order_basics import holds, line_matching
from services.order_basics.audited import ACCEPTED, about_order
from services.security.audit import record_change
from services.shipping import write_backs
from services.stock import allocations, ledger

Pieces = Mapping[int, int]
"""How many pieces were shipped, by line id."""


@dataclass(frozen=True, slots=True)
class Goods:
    """One item of an order with its lines: how many pieces are ordered, and how many were shipped in all. ``suggested`` is how many of each
    line that may have been."""

    name: str
    lines: list[OrderLine]
    ordered: int
    shipped: int
    suggested: Pieces


def is_unclear(order: Order) -> bool:
    return line_matching.CODE in order.held_codes


def are_counted(order: Order, pieces: Pieces) -> bool:
    """Whether exactly so many pieces of these lines count as shipped."""
    return pieces.items() <= {line.id: line.shipped for line in order.lines}.items()


def goods_of(order: Order) -> list[Goods]:
    """The items of which pieces were shipped, where it is not clear of which lines; nothing where that is clear."""
    if not is_unclear(order):
        return []
    parcels = _in_parcels(order.id)
    lines: defaultdict[str, list[OrderLine]] = defaultdict(list)
    for line in order.lines:
        lines[_key(line.sku, line.name)].append(line)
    found = []
    for key, its in lines.items():
        shipped = max(parcels[key], sum(line.shipped for line in its))
        if shipped:
            name = its[0].sku or its[0].name
            found.append(Goods(name, its, sum(line.quantity for line in its), shipped, _suggested(its, shipped)))
    return found


def _key(sku: str, name: str) -> str:
    return sku_key(sku) or name


def _in_parcels(order_id: int) -> Counter[str]:
    """How many pieces of each item its shipments hold, also of lines that are no longer in the order."""
    query = select(ShipmentLine.sku, ShipmentLine.name, ShipmentLine.quantity).join(Shipment)
    found: Counter[str] = Counter()
    for sku, name, quantity in db.session.execute(query.where(Shipment.order_id == order_id, Shipment.voided_at.is_(None))):
        found[_key(sku, name)] += quantity
    return found


def _suggested(lines: list[OrderLine], shipped: int) -> Pieces:
    """What each line counts already; what no line counts is most likely that of the newest one, which the shop has split off or added
    again."""
    counted = {line.id: min(line.shipped, line.quantity) for line in lines}
    left = shipped - sum(counted.values())
    for line in sorted(lines, key=lambda line: -line.id):
        more = max(0, min(left, line.quantity - counted[line.id]))
        counted[line.id] += more
        left -= more
    return counted


def settle(order: Order, items: Mapping[int, StockItem], actor: str, pieces: Pieces | None = None) -> None:
    """Count these pieces as shipped, as suggested by default, and end the doubt. The order and ``items`` are locked. Raises InvalidInput."""
    found = goods_of(order)
    lines = {line.id: line for goods in found for line in goods.lines}
    wanted = {line_id: units for goods in found for line_id, units in goods.suggested.items()} | dict(pieces or {})
    if wanted.keys() - lines.keys():
        raise InvalidInput(f"Order {order.number} has changed since you looked at it.", "Load the page again.")
    before = {line_id: line.shipped for line_id, line in lines.items()}
    for line_id, units in wanted.items():
        line = lines[line_id]
        if not 0 <= units <= line.quantity:
            raise InvalidInput(f"{line.sku or line.name}: enter a number from 0 to {line.quantity}.", field=f"shipped-{line_id}")
        line.shipped = units
    said = [f"{units} × {lines[line_id].sku or lines[line_id].name}" for line_id, units in wanted.items()]
    was = [f"{before[line_id]} × {lines[line_id].sku or lines[line_id].name}" for line_id in wanted]
    record_change(ACCEPTED, about_order(order), {"accepted": (None, [line_matching.CODE]), "shipped": (was, said)}, actor)
    order.doubts = [doubt for doubt in order.doubts if doubt[0] != line_matching.CODE]
    order.accepted_codes = sorted({*order.accepted_codes, line_matching.CODE})
    _follow(order, items, actor)


def uncount(order: Order, shipment: Shipment, taken_back: ShipmentLine, pieces: int) -> None:
    """Pieces of a shipment that is taken back are not shipped any more, on whichever line of their item ``settle`` has counted them: one that
    counts more than other shipments hold of it."""
    if pieces <= 0 or line_matching.CODE not in order.accepted_codes:
        return
    held = _of_lines(order.id, shipment.id)
    for line in order.lines:
        if _key(line.sku, line.name) == _key(taken_back.sku, taken_back.name):
            fewer = max(0, min(pieces, line.shipped - held[line.id]))
            line.shipped -= fewer
            pieces -= fewer


def _of_lines(order_id: int, without: int) -> Counter[int | None]:
    """How many pieces of each line the shipments of an order hold, leaving out one of them."""
    query = select(ShipmentLine.order_line_id, ShipmentLine.quantity).join(Shipment)
    found: Counter[int | None] = Counter()
    present = (Shipment.order_id == order_id, Shipment.voided_at.is_(None), Shipment.id != without)
    for line_id, quantity in db.session.execute(query.where(*present)):
        found[line_id] += quantity
    return found


def _follow(order: Order, items: Mapping[int, StockItem], actor: str) -> None:
    """Reserve what is left of it, and evaluate it again."""
    offered = {item_id: item.available for item_id, item in items.items()}
    reason = ledger.Reason(actor, "edited")
    rules = holds.rules_for_shop(order.shop_id)
    for line in order.lines:
        allocations.release(line, items, reason, keep=max(0, line.left))
        if rules is not None and rules.stage_of(order) == "open":
            allocations.reserve(line, items, reason)
    if rules is not None:
        holds.apply(order, holds.evaluate(order, order.lines, rules))
    if order.state == "shipped":
        write_backs.plan_rest(order, False, actor)
    allocations.pass_on([items[item_id] for item_id in sorted(items)], actor=actor)
    ledger.request_push(item_id for item_id, item in items.items() if item.available != offered[item_id])
