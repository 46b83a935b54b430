"""What a shop holds: plain records, one class a noun.

Money is a float here on purpose: the real shop counts in PHP floats, and its sums carry their noise.
Times are unix seconds.
"""

from dataclasses import dataclass, field
from itertools import count

_REVISIONS = count(0, 1_000_000)
"""Where an order's revision begins: another order under the same id, after a restore, never has the one of the first."""


@dataclass(slots=True)
class Status:
    """One row of the shop's payment or shipping statuses. A code can be None: a merchant's own status."""

    id: int
    code: str | None
    position: int
    name: str


@dataclass(slots=True)
class Product:
    """A product of the catalogue. Its stock is `amount`, unless its variants have their own."""

    id: int
    sku: str | None
    name: str
    price: float
    amount: int
    inventory_enabled: bool = True
    enabled: bool = True
    weight: float = 0.0
    created: int = 0
    updated: int = 0
    arrival: int = 0
    sales: int = 0
    free_shipping: bool = False
    need_process: bool = True
    description: str | None = None
    brief: str | None = None
    categories: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    revision: int = 0
    extra: dict | None = None


@dataclass(slots=True)
class Variant:
    id: int
    product_id: int
    sku: str | None
    price: float
    amount: int
    default_amount: bool = False
    default_price: bool = True
    weight: float = 0.0
    default_weight: bool = True
    default_value: bool = False
    attributes: dict = field(default_factory=dict)


@dataclass(slots=True)
class Surcharge:
    """`include` means: already contained in the prices. `available` False means: shown, not charged."""

    id: int
    type: str
    code: str
    name: str
    value: float
    include: bool = False
    available: bool = True
    weight: int = 0
    class_name: str = ""


@dataclass(slots=True)
class Item:
    """A line of an order, with the price at the time of the sale. `product_id` is None if its product is gone."""

    id: int
    order_id: int
    product_id: int | None
    variant_id: int | None
    sku: str
    name: str
    price: float
    net_price: float
    amount: int
    attributes: tuple[tuple[str, str], ...] = ()
    backordered: int = 0
    discounted: float | None = None
    kept_as: int | None = None

    @property
    def total(self) -> float:
        return self.net_price * self.amount

    @property
    def discounted_subtotal(self) -> float:
        """The line's total with its share of the order's discounts taken off."""
        return self.total if self.discounted is None else self.discounted


@dataclass(slots=True)
class Tracking:
    id: int
    order_id: int | None
    value: str
    at: int


@dataclass(slots=True)
class Transaction:
    id: int
    at: int
    public_id: str
    method: str
    title: str
    status: str
    value: float
    note: str = ""
    type: str = "sale"


@dataclass(slots=True)
class Event:
    """One line of an order's history. `codes` are the old and the new status code of a change."""

    id: int
    at: int
    code: str
    description: str
    data: dict | list | None
    comment: str = ""
    author: str | None = "REST API"
    codes: tuple[str | None, str | None] | None = None


@dataclass(slots=True)
class Address:
    firstname: str
    lastname: str
    street: str
    city: str
    zipcode: str
    country: str
    state: str
    phone: str
    state_name: str = ""
    title: str = ""


@dataclass(slots=True)
class Profile:
    """A customer, or the copy of one that belongs to an order."""

    id: int
    login: str
    anonymous: bool
    added: int
    billing: Address | None = None
    shipping: Address | None = None

    @property
    def full_name(self) -> str:
        return f"{self.billing.firstname} {self.billing.lastname}" if self.billing else ""


@dataclass(slots=True)
class Detail:
    id: int
    name: str
    label: str
    value: str


@dataclass(slots=True)
class Order:
    """An order, or a cart that was never placed. `date` is when it was placed, `renewed` when it last changed."""

    id: int
    number: str | None
    date: int
    renewed: int
    payment_id: int | None
    shipping_id: int | None
    currency: str | None = "USD"
    subtotal: float = 0.0
    total: float = 0.0
    profile: Profile | None = None
    customer: Profile | None = None
    items: list[Item] = field(default_factory=list)
    surcharges: list[Surcharge] = field(default_factory=list)
    trackings: list[Tracking] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    details: list[Detail] = field(default_factory=list)
    coupons: list[str] = field(default_factory=list)
    payment_method: str = "Phone Ordering"
    method_id: int = 1
    method_name: str = "Courier"
    notes: str = ""
    admin_notes: str = ""
    legacy_tracking: str = ""
    stock_status: str | None = ""
    recent: bool = True
    demo: bool = False
    is_cart: bool = False
    revision: int = field(default_factory=lambda: next(_REVISIONS))

    def status_id(self, kind: str) -> int | None:
        """`kind` is "payment" or "shipping"."""
        return self.payment_id if kind == "payment" else self.shipping_id

    def set_status(self, kind: str, id: int | None) -> None:
        if kind == "payment":
            self.payment_id = id
        else:
            self.shipping_id = id
