"""Packing slips and pick lists of several orders, as one document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from extensions import db
from models import Integration, Order, OrderLine
from services.order_basics.identity import placed_of
from services.order_basics.labels import Named, labels
from services.orders import list_ids, queries
from services.orders.views import WITH_ALLOCATIONS, Wanted

MOST = 200
"""Orders in one document: a browser lays out that many pages at once without trouble."""


@dataclass(frozen=True, slots=True)
class SlipLine:
    """``pieces`` go into this parcel: those in stock, or all of an order that was shipped. ``later`` are those still to come. ``kit`` are
    (SKU, units in each piece)."""

    sku: str
    name: str
    options: tuple[tuple[str, str], ...]
    kit: tuple[tuple[str, int], ...]
    pieces: int
    later: int


@dataclass(frozen=True, slots=True)
class Slip:
    """One order. ``label`` distinguishes it from others of its number. Where the reader may not see customers, ``address`` is None, and notes
    and chosen options are left out."""

    order_id: int
    number: str
    label: str
    shop: str
    placed_at: datetime | None
    state: str
    address: dict[str, Any] | None
    shipping_method: str
    customer_notes: str
    shop_notes: str
    lines: list[SlipLine]

    @property
    def packed(self) -> list[SlipLine]:
        """What goes into this parcel."""
        return [line for line in self.lines if line.pieces]

    @property
    def to_come(self) -> list[SlipLine]:
        return [line for line in self.lines if line.later]


@dataclass(slots=True)
class Pick:
    """What to take off the shelf: ``pieces`` in all, and for which orders: how many by (number, chosen options and kit). ``short`` are not in
    stock, by the number of the order."""

    sku: str
    name: str
    pieces: int = 0
    orders: Counter[tuple[str, str]] = field(default_factory=Counter)
    short: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Document:
    """``more`` is where the next orders are read from, empty where these are all."""

    slips: list[Slip]
    picks: list[Pick]
    customers: bool
    more: str = ""

    @property
    def not_ready(self) -> list[Slip]:
        """Orders that cannot be shipped now: they should not be packed by mistake."""
        return [slip for slip in self.slips if slip.state not in ("ready", "part_shipped", "shipped")]

    @property
    def incomplete(self) -> list[Slip]:
        """Orders of which something is not in stock."""
        return [slip for slip in self.slips if slip.to_come]


def of_orders(order_ids: Iterable[int], *, with_customers: bool) -> Document:
    """The document of these orders, in the order given, at most ``MOST`` of them. Unknown ids are passed over."""
    return _document(list(dict.fromkeys(order_ids))[:MOST], with_customers)


def of_ready(wanted: Wanted, place: str = "") -> Document:
    """The document of the orders that are ready to ship and match the other filters of a list, the oldest first. ``place`` is
    ``Document.more`` of the document before."""
    page = list_ids.ids_page(replace(wanted, state="ready", sort="oldest"), place, MOST)
    return replace(_document(page.rows, wanted.customers), more=page.next)


def _document(ids: Sequence[int], with_customers: bool) -> Document:
    query = select(Order).where(Order.id.in_(ids)).options(WITH_ALLOCATIONS, *queries.WITHOUT_PAYLOAD)
    found = {order.id: order for order in db.session.scalars(query)}
    orders = [found[order_id] for order_id in ids if order_id in found]
    names = _shop_names({order.shop_id for order in orders})
    called = labels(
        Named(order.id, order.number or order.external_id, names.get(order.shop_id, ""), order.external_id, placed_of(order)) for order in orders
    )  # fmt: skip
    slips = [_slip(order, names.get(order.shop_id, ""), called[order.id], with_customers) for order in orders]
    return Document(slips, _picks(orders, called, with_customers), with_customers)


def _shop_names(shop_ids: set[int]) -> dict[int, str]:
    """By shop, the name of its newest integration: orders of a removed shop can be printed too."""
    query = select(Integration.shop_id, Integration.name).where(Integration.shop_id.in_(shop_ids)).order_by(Integration.id)
    return dict(db.session.execute(query).all())


def _slip(order: Order, shop: str, label: str, with_customers: bool) -> Slip:
    return Slip(
        order.id, order.number or order.external_id, label, shop, placed_of(order), order.state,
        (order.shipping_address or order.billing_address) if with_customers else None, order.shipping_method,
        order.customer_notes if with_customers else "", order.admin_notes if with_customers else "",
        [_slip_line(line, pieces, later, with_customers) for line, pieces, later in _to_pack(order)],
    )  # fmt: skip


def _to_pack(order: Order) -> list[tuple[OrderLine, int, int]]:
    """(line, pieces to pack now, pieces still to come). Nothing is still to come of an order that was shipped or cancelled."""
    if order.state == "shipped":
        pieces = [(line, line.quantity, 0) for line in order.lines]
    elif order.state == "cancelled":
        pieces = [(line, line.left, 0) for line in order.lines]
    else:
        now = {line.id: max(0, line.in_hand) for line in order.lines}
        pieces = [(line, now[line.id], max(0, line.left - now[line.id])) for line in order.lines]
    return [(line, now, later) for line, now, later in pieces if now > 0 or later > 0]


def _slip_line(line: OrderLine, pieces: int, later: int, with_options: bool) -> SlipLine:
    return SlipLine(
        line.sku, line.name, tuple(queries.options_object(line.options).items()) if with_options else (),
        tuple((each.stock_item.sku, each.units) for each in line.allocations) if line.is_kit else (), pieces, later,
    )  # fmt: skip


def _picks(orders: Sequence[Order], called: Mapping[int, str], with_options: bool) -> list[Pick]:
    """By stock item, or by the SKU of the line where it takes from none; kits as what they consist of. ``called`` is what the list calls each
    order."""
    picks: dict[tuple[str, Any], Pick] = {}
    for order in orders:
        number = called[order.id]
        for line, pieces, later in _to_pack(order):
            about = _about(line, pieces, with_options)
            for key, sku, name, units, lacking in _taken(line):
                pick = picks.setdefault((key, sku), Pick(sku, name))
                pick.pieces += pieces * units
                if pieces:
                    pick.orders[number, about] += pieces * units
                if later and lacking:
                    pick.short[number] += lacking
    return sorted(picks.values(), key=lambda pick: (pick.sku.casefold(), pick.name))


def _about(line: OrderLine, pieces: int, with_options: bool) -> str:
    """What else a person who takes it off the shelf has to know: chosen options, and the kit that it is for."""
    options = [f"{name}: {value}" for name, value in queries.options_object(line.options).items()] if with_options else []
    return ", ".join([*options, *([f"for {pieces} × {line.sku or line.name}"] if line.is_kit else [])])


def _taken(line: OrderLine) -> list[tuple[str, str, str, int, int]]:
    """What one piece of a line takes off the shelf: (key, SKU, name, units), and how many units of all that is left are not reserved."""
    if not line.allocations:
        return [(line.sku_key or line.name, line.sku, line.name, 1, 0)]
    plain = len(line.allocations) == 1 and not line.is_kit
    return [
        (f"item {each.stock_item_id}", each.stock_item.sku, (line.name if plain else "") or each.stock_item.name, each.units,
         max(0, line.left * each.units - each.reserved))
        for each in line.allocations
    ]  # fmt: skip
