"""The channel contract: what a kind of shop software can be asked, and the plain values it answers with.

No Flask, no SQL, no settings of an integration: a channel says what the shop says. Money is ``Decimal`` rounded to the
order's currency decimals, times are aware ``datetime`` in UTC, text is ``str``.

A channel's methods raise only leaves of ``errors.ChannelError``, and what its ``Gate`` raises.

Nobody changes one of these values. Those of which a download makes tens of thousands are not frozen all the same: a frozen
dataclass takes 25 times as long to make, which was a twelfth of the whole download.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

Gate = Callable[[], None]
"""Called before every request to a shop, and again when a connection had to be made for it, by whichever thread sends it;
raises ``errors.RunStopped`` where no request may go out any more."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a shop is and how to get in. ``endpoint`` is canonical (``https://shop.example/sub``, no trailing slash);
    ``generation`` is ``"addon"``, ``"api"`` or ``""`` while not known; ``admin_script`` is the add-on generation's script."""

    endpoint: str
    api_key: str = field(repr=False)
    generation: str = ""
    admin_script: str = "admin.php"


@dataclass(frozen=True, slots=True)
class Limits:
    """How a channel may use the network. Times in seconds, sizes in bytes.

    ``connections`` is how many requests to one shop may be under way at once where it takes many single ones, ``per_minute``
    how many may go out to it in a minute (0: as many as it takes).

    ``allow_private`` lists the private ``host`` or ``host:port`` an operator permits, ``("all",)`` permits every one."""

    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    total_timeout: float = 180.0
    max_bytes: int = 8 * 1024 * 1024
    tries: int = 3
    backoff: float = 0.5
    allow_private: tuple[str, ...] = ()
    user_agent: str = "Cartlink"
    connections: int = 2
    per_minute: int = 1200


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict on a shop address and key.

    ``verdict`` is ``good`` or the ``code`` of a ChannelError leaf (``wrong_key``, ``read_only_key``, ``addon_missing``,
    ``not_xcart``, ``moved``, ``maintenance``, ``firewall``, ``tls``, ``timeout``, ``unreachable``, ``broken``,
    ``address_refused``, ``too_old``, ``busy``). ``message`` and ``advice`` are sentences for a person."""

    verdict: str
    message: str
    advice: str = ""
    endpoint: str = ""
    generation: str = ""
    admin_script: str = "admin.php"
    moved_to: str = ""
    requests: int = 0
    clock_skew: float | None = None

    @property
    def good(self) -> bool:
        return self.verdict == "good"


@dataclass(frozen=True, slots=True)
class Status:
    """One of the shop's statuses. ``kind`` is ``payment`` or ``shipping``; ``code`` is empty for a custom status."""

    kind: str
    external_id: str
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Surcharge:
    """One money row of an order: ``type`` is shipping, discount, tax or another word of the shop; ``included`` rows are
    already in the item prices, rows not ``available`` do not count."""

    type: str
    code: str
    name: str
    amount: Decimal
    included: bool = False
    available: bool = True


@dataclass(slots=True)
class OrderLine:
    """``price`` is per unit and ``subtotal`` for the quantity, both as the shop states them before order-level tax."""

    sku: str
    name: str
    quantity: int
    price: Decimal
    subtotal: Decimal
    options: tuple[tuple[str, str], ...] = ()
    product_id: str = ""
    variant_id: str = ""


@dataclass(slots=True)
class Address:
    name: str = ""
    company: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Order:
    """An order as the shop states it.

    ``shipping``, ``discount`` (negative), ``tax`` and ``other`` are the shop's sums. ``tax`` counts added and contained
    tax alike. ``surcharges`` are the single rows where they are known, else ``None`` (the add-on's complex schema gives
    sums only; ``read_surcharges`` gives the rows for one more request). ``raw`` is the payload without customer profiles.
    ``problems`` are sentences on fields that could not be read; the order is to be held for a person then."""

    external_id: str
    number: str
    placed_at: datetime
    changed_at: datetime
    currency: str
    decimals: int
    total: Decimal
    shipping: Decimal
    discount: Decimal
    tax: Decimal
    other: tuple[Surcharge, ...]
    lines: tuple[OrderLine, ...]
    payment_status: str
    shipping_status: str
    surcharges: tuple[Surcharge, ...] | None = None
    customer: str = ""
    email: str = ""
    billing_address: Address | None = None
    shipping_address: Address | None = None
    payment_method: str = ""
    shipping_method: str = ""
    customer_notes: str = ""
    admin_notes: str = ""
    tracking_numbers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    raw: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read at all. ``external_id`` is empty where not even that is known; ``raw`` may be None."""

    external_id: str
    reason: str
    raw: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OrderPage:
    """One page of orders. ``position`` is the ``start`` from which the next page is read; ``last`` ends the reading.
    ``requests`` counts what the page cost. ``warnings`` are sentences (rows outside what was asked, a page that came twice).
    ``shop_time`` is the shop's own clock when the page was asked for, None where it does not tell its time."""

    orders: tuple[Order, ...]
    bad: tuple[BadRow, ...]
    position: int
    last: bool
    requests: int = 1
    warnings: tuple[str, ...] = ()
    shop_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A product or variant that has stock. ``external_id`` is unique in the shop (``product:31``, ``variant:5``, or
    ``variant:31/5`` where a shop finds a variant through its product only).

    ``counted`` is False where the shop does not count it; ``own_stock`` is False where a variant takes its product's."""

    external_id: str
    kind: str
    product_id: str
    sku: str
    name: str
    quantity: int
    counted: bool = True
    own_stock: bool = True
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class ListingPage:
    """As OrderPage. ``position`` is opaque text to go on from."""

    listings: tuple[Listing, ...]
    bad: tuple[BadRow, ...]
    position: str
    last: bool
    requests: int = 1
    shop_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class StockChange:
    external_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class StockResult:
    """What became of one StockChange. ``stored`` is the quantity the shop answered with, None where it did not say."""

    external_id: str
    ok: bool
    stored: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ShipmentResult:
    """What became of marking an order shipped. ``sent`` is False where the shop was already there; ``note`` says why, or
    what a person still has to do (a tracking number to be entered by hand)."""

    sent: bool
    shipping_status: str
    tracking_numbers: tuple[str, ...]
    note: str = ""


class Channel(Protocol):
    """One shop, ready to be asked. Every method may raise any leaf of ``errors.ChannelError``; each request first calls
    the gate. ``requests`` counts the requests made so far."""

    requests: int

    def check(self) -> Check:
        """Say whether address and key work, for reading and for writing, changing nothing. Never raises ChannelError."""
        ...

    def statuses(self) -> list[Status]:
        """All payment and shipping statuses, with names where the shop gives them."""
        ...

    def iter_orders(self, *, placed_since: datetime, start: int = 0, page_size: int | None = None) -> Iterator[OrderPage]:
        """Placed orders since a time (inclusive), in an order to which only new ones are appended, from offset ``start``."""
        ...

    def iter_changed_orders(
        self, *, changed_since: datetime, start: int = 0, page_size: int | None = None
    ) -> Iterator[OrderPage]:
        """Orders changed since a time, newest change first; the last page is the first that reaches behind it. ``start`` is the
        ``position`` of an earlier reading's page: what has changed since then is in front of it."""
        ...

    def read_order(self, external_id: str) -> Order | None:
        """One order by the shop's own id; None where the shop has it no more."""
        ...

    def find_order(self, number: str) -> Order | None:
        """One order by the number the merchant sees; None where there is none."""
        ...

    def parse_stored(self, raw: dict[str, Any], surcharges: Sequence[Surcharge] | None = None) -> Order:
        """Read a stored payload again, sending nothing. Raises ShopBroken where it cannot be read."""
        ...

    def read_surcharges(self, external_id: str) -> tuple[Surcharge, ...]:
        """The single money rows of one order: one request, counted."""
        ...

    def iter_listings(
        self, *, start: str = "", page_size: int | None = None, names: bool = True, known: Mapping[str, str] | None = None
    ) -> Iterator[ListingPage]:
        """All products and variants, page by page. ``names`` False allows the channel to call listings by their SKU where
        names cost requests; ``known`` maps variants' external ids to their products' ids, which may save asking for them."""
        ...

    def read_quantities(self, external_ids: Sequence[str]) -> dict[str, int]:
        """The shop's present quantity of the listings named; those the shop has no more are left out."""
        ...

    def put_stock(self, changes: Sequence[StockChange]) -> list[StockResult]:
        """Set quantities, one result per change in the same order. A refused row never fails the others."""
        ...

    def put_shipment(self, external_id: str, *, status: str, tracking_numbers: Sequence[str] = ()) -> ShipmentResult:
        """Mark an order shipped: reads first, never goes backwards, never sends a tracking number twice."""
        ...

    def close(self) -> None: ...
