"""The columns that an export of orders can have, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from models import Order, OrderLine, Shipment
from services.common.batches import stamp
from services.order_basics.identity import placed_of
from services.order_basics.money import plain
from services.orders import queries
from services.shipping.carriers import Links


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row of the file is made of. ``line`` is None where a row is an order; ``parcels`` are the shipments of the line, or else of
    the order, without those that were voided; ``numbers_there`` are tracking numbers that only the shop has."""

    order: Order
    line: OrderLine | None
    integration: str
    parcels: Sequence[Shipment]
    numbers_there: Sequence[str]
    tags: Sequence[str]
    notes: Sequence[str]
    links: Links = field(repr=False)


@dataclass(frozen=True, slots=True)
class Column:
    """``personal`` columns are about a customer. ``of`` is ``order``, ``line``, or empty for both. ``number`` columns hold amounts or
    counts, which a workbook takes as numbers; all others hold text, even where it is made of digits."""

    name: str
    label: str
    group: str
    value: Callable[[Facts], Any]
    personal: bool = False
    of: str = ""
    number: bool = False


def _money(name: str) -> Callable[[Facts], str]:
    return lambda facts: plain(getattr(facts.order, name), facts.order.decimals) if facts.order.amounts_known else ""


def _order(name: str) -> Callable[[Facts], Any]:
    return lambda facts: getattr(facts.order, name)


def _line(read: Callable[[OrderLine, int], Any]) -> Callable[[Facts], Any]:
    return lambda facts: "" if facts.line is None else read(facts.line, facts.order.decimals)


def _part(kind: str, name: str) -> Callable[[Facts], str]:
    """A part of the shipping address, which is the billing address where the shop has no other, or of the billing address."""

    def read(facts: Facts) -> str:
        billing = facts.order.billing_address
        found = (facts.order.shipping_address or billing) if kind == "shipping" else billing
        return str((found or {}).get(name) or "")

    return read


def _parcels(read: Callable[[Facts, Shipment], str]) -> Callable[[Facts], str]:
    """A value of each parcel, once each."""
    return lambda facts: ", ".join(dict.fromkeys(value for each in facts.parcels if (value := read(facts, each))))


def _tracking_numbers(facts: Facts) -> str:
    return ", ".join(
        dict.fromkeys([each.tracking_number for each in facts.parcels if each.tracking_number] + [*facts.numbers_there])
    )


def _contents(facts: Facts) -> str:
    return ", ".join(f"{line.quantity} × {line.sku or line.name}" for line in facts.order.lines)


def _chosen(line: OrderLine, decimals: int) -> str:
    return ", ".join(f"{name}: {value}" for name, value in queries.options_object(line.options).items())


PARTS = {"name": "name", "company": "company", "street": "street", "postcode": "postcode", "city": "city", "state": "state",
         "country": "country", "phone": "phone"}  # fmt: skip
"""Parts of an address, as they are stored and as a column is called."""


def _address(kind: str, group: str) -> list[Column]:
    return [
        Column(f"{kind}_{called}", f"{kind.capitalize()} {called}", group, _part(kind, name), personal=True)
        for name, called in PARTS.items()
    ]


ORDER, MONEY, CUSTOMER, ADDRESSES, CONTENT, SHIPPING = "Order", "Money", "Customer", "Addresses", "Content", "Shipping"

_ALL = (
    Column("number", "Number", ORDER, lambda facts: facts.order.number or facts.order.external_id),
    Column("integration", "Shop", ORDER, lambda facts: facts.integration),
    Column("id", "ID in the shop", ORDER, _order("external_id")),
    Column("placed_at", "Placed", ORDER, lambda facts: stamp(placed_of(facts.order)) or ""),
    Column("state", "State", ORDER, _order("state")),
    Column("payment_status", "Payment status", ORDER, _order("payment_status")),
    Column("shipping_status", "Shipping status", ORDER, _order("shipping_status")),
    Column("payment_method", "Payment method", ORDER, _order("payment_method")),
    Column("shipping_method", "Delivery", ORDER, _order("shipping_method")),
    Column("held_because", "Held because", ORDER, _order("held_reason")),
    Column("mark", "Deleted or replaced in the shop", ORDER, _order("mark")),
    Column("tags", "Tags", ORDER, lambda facts: ", ".join(facts.tags)),
    Column("currency", "Currency", MONEY, _order("currency")),
    Column("total", "Total", MONEY, _money("total"), number=True),
    Column("items", "Items", MONEY, _money("items"), number=True),
    Column("items_tax", "Tax on items", MONEY, _money("items_tax"), number=True),
    Column("shipping", "Shipping", MONEY, _money("shipping"), number=True),
    Column("shipping_tax", "Tax on shipping", MONEY, _money("shipping_tax"), number=True),
    Column("discount", "Discount", MONEY, _money("discount"), number=True),
    Column("other", "Other", MONEY, _money("other"), number=True),
    Column("customer", "Customer", CUSTOMER, _order("customer"), personal=True),
    Column("email", "Email", CUSTOMER, _order("email"), personal=True),
    Column("customer_notes", "Customer's note", CUSTOMER, _order("customer_notes"), personal=True),
    Column("shop_notes", "Shop's note", CUSTOMER, _order("admin_notes"), personal=True),
    Column("internal_notes", "Internal notes", CUSTOMER, lambda facts: " / ".join(facts.notes), personal=True),
    *_address("shipping", ADDRESSES),
    *_address("billing", ADDRESSES),
    Column("pieces", "Pieces", CONTENT, lambda facts: sum(line.quantity for line in facts.order.lines), of="order", number=True),
    Column("contents", "Contents", CONTENT, _contents, of="order"),
    Column("line", "Line", CONTENT, _line(lambda line, _: line.position + 1), of="line", number=True),
    Column("sku", "SKU", CONTENT, _line(lambda line, _: line.sku), of="line"),
    Column("item", "Item", CONTENT, _line(lambda line, _: line.name), of="line"),
    Column("options", "Options", CONTENT, _line(_chosen), personal=True, of="line"),
    Column("quantity", "Ordered", CONTENT, _line(lambda line, _: line.quantity), of="line", number=True),
    Column("shipped", "Shipped", CONTENT, _line(lambda line, _: line.shipped), of="line", number=True),
    Column("price", "Price", CONTENT, _line(lambda line, decimals: queries.unit_price(line.price, decimals)), of="line", number=True),
    Column("line_total", "Total of the line", CONTENT, _line(lambda line, decimals: plain(line.total, decimals)), of="line", number=True),
    Column("line_tax", "Tax of the line", CONTENT, _line(lambda line, decimals: plain(line.tax, decimals)), of="line", number=True),
    Column("shipped_at", "Shipped at", SHIPPING, _parcels(lambda _, each: stamp(each.shipped_at) or "")),
    Column("carriers", "Carriers", SHIPPING, _parcels(lambda _, each: each.carrier)),
    Column("tracking_numbers", "Tracking numbers", SHIPPING, _tracking_numbers, personal=True),
    Column("tracking_links", "Tracking links", SHIPPING,
           _parcels(lambda facts, each: facts.links.link(each.carrier, each.tracking_number)), personal=True),
)  # fmt: skip
COLUMNS = {column.name: column for column in _ALL}
FIRST = {
    "order": ("number", "integration", "placed_at", "state", "currency", "total", "customer", "email", *(f"shipping_{part}" for part in PARTS.values()),
              "contents", "carriers", "tracking_numbers"),
    "line": ("number", "integration", "placed_at", "state", "currency", "sku", "item", "options", "quantity", "shipped", "price",
             "line_total", "carriers", "tracking_numbers"),
}  # fmt: skip
"""What is chosen at first, by what a row is."""


def offered(by: str, *, with_customers: bool) -> list[Column]:
    """The columns to choose from."""
    return [each for each in COLUMNS.values() if each.of in ("", by) and (with_customers or not each.personal)]
