"""The channel contract: the methods of a kind of shop software, and the plain values they return.

It knows no Flask, no SQL and no settings of an integration: a channel returns what the shop says. Money is ``Decimal`` rounded to the
order's currency decimals, times are aware ``datetime`` in UTC, text is ``str``.

A channel's methods raise only subclasses of ``errors.ChannelError``, and what its ``Gate`` raises.

No code changes one of these values. Those that a download makes by tens of thousands are still not frozen: a frozen
dataclass takes 25 times as long to create, which was a twelfth of the whole download.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from channels.facts import KindFacts
from channels.newest import Newest, NewestPage
from channels.orders import NO_TIME as NO_TIME
from channels.orders import Address as Address
from channels.orders import BadRow as BadRow
from channels.orders import Order as Order
from channels.orders import OrderLine as OrderLine
from channels.orders import Surcharge as Surcharge
from channels.results import ShipmentResult, StockChange, StockResult

Gate = Callable[[], None]
"""Called before every request to a shop, and again when a connection had to be made for it, in the thread that sends it;
raises ``errors.RunStopped`` if no more requests may be sent."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a shop is, and its API key. ``endpoint`` is canonical (``https://shop.example/sub``, no trailing slash);
    ``generation`` is ``"addon"``, ``"api"`` or ``""`` if not known yet; ``admin_script`` is the add-on generation's script;
    ``put_by_post`` is what earlier runs found about POST in place of a blocked PUT (channels/xcart/addon/put_by_post.py)."""

    endpoint: str
    api_key: str = field(repr=False)
    generation: str = ""
    admin_script: str = "admin.php"
    put_by_post: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How a channel may use the network. Times in seconds, sizes in bytes.

    ``connections`` is how many single requests to one shop may run at the same time, ``per_minute``
    how many may be sent to it in a minute (0: no limit).

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


PLAIN_HTTP = "http sends the API key unencrypted. Use https:// if your shop supports it."
"""The warning about an end point without https, before and after its check."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check of a shop's address and key.

    ``verdict`` is ``good`` or the ``code`` of a ChannelError leaf (``wrong_key``, ``read_only_key``, ``addon_missing``,
    ``not_xcart``, ``moved``, ``maintenance``, ``firewall``, ``tls``, ``timeout``, ``unreachable``, ``broken``,
    ``address_refused``, ``too_old``, ``busy``, ``suspended``, ``staging_password``, ``php_messages``, ``database``,
    ``method_blocked``, ``body_changed``). ``message`` and ``advice`` are sentences for a person; ``seconds`` is how long the shop
    took for an answer, ``moved_to`` an address where a shop answered."""

    verdict: str
    message: str
    advice: str = ""
    endpoint: str = ""
    generation: str = ""
    admin_script: str = "admin.php"
    moved_to: str = ""
    requests: int = 0
    clock_skew: float | None = None
    seconds: float = 0.0

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
class OrderPage:
    """One page of orders. ``position`` is the ``start`` from which the next page is read; ``last`` ends the reading.
    ``requests`` counts what the page cost. ``warnings`` are sentences (rows outside what was asked, a page that came twice).
    ``shop_time`` is the time in the shop's answers when the page was asked for, None if it does not give one. A proxy may
    have set it: it must never move a watermark forward.

    Of a reading by change, ``memory`` is what the next one starts from; ``passed`` are the ids of orders that the shop still cannot
    print and that were not asked for ("" where the id is not known). On the last page, ``recognised`` are the ids of all orders of
    the reading that are in their place in the shop's list, also of those that were not read again."""

    orders: tuple[Order, ...]
    bad: tuple[BadRow, ...]
    position: int
    last: bool
    requests: int = 1
    warnings: tuple[str, ...] = ()
    shop_time: datetime | None = None
    memory: bytes = b""
    passed: tuple[str, ...] = ()
    recognised: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspects:
    """Ids that may be the one of an order the shop cannot print: ``highest`` is the highest known one, ``known`` the stored
    orders, the likeliest first, ``unreadable`` those that could not be read before."""

    highest: int
    known: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """What a shop says about an order that it cannot print. Statuses are None if it does not give them; ``placed_at`` is the time of
    its first payment; ``about`` is a sentence for a person."""

    payment_status: str | None = None
    shipping_status: str | None = None
    placed_at: datetime | None = None
    about: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A product or variant that has stock. ``external_id`` is unique in the shop (``product:31``, ``variant:5``, or
    ``variant:31/5`` where a shop finds a variant through its product only).

    A variant's ``name`` is its product's, or empty if that came with another page (services/listings/variant_names.py).
    ``counted`` is False if the shop does not count it; ``own_stock`` is False if a variant takes its product's. ``former_id`` is the
    external id under which an older version of the shop listed the same variant, empty if it is the same."""

    external_id: str
    kind: str
    product_id: str
    sku: str
    name: str
    quantity: int
    counted: bool = True
    own_stock: bool = True
    enabled: bool = True
    former_id: str = ""


@dataclass(frozen=True, slots=True)
class ListingPage:
    """As OrderPage. ``position`` is opaque text to go on from."""

    listings: tuple[Listing, ...]
    bad: tuple[BadRow, ...]
    position: str
    last: bool
    requests: int = 1
    shop_time: datetime | None = None


UNSETTLED = timedelta(seconds=2)
"""A shop's times are whole seconds: an order may change again within the second in which it was seen, and look the same. What changed
less than this before a question is asked about again."""


class Channel(Protocol):
    """One shop. Every method may raise any subclass of ``errors.ChannelError``; each request first calls
    the gate. ``requests`` counts the requests made so far. ``learned`` are facts about the shop that cost requests to find
    out, by name: the caller may keep them and give them to the next channel to the same shop.
    ``put_by_post`` is as in Credentials, as it is known by now; ``remember_post`` is called with each new value, before a request is
    sent that may leave a doubt."""

    facts: KindFacts
    requests: int
    learned: dict[str, str]
    put_by_post: str
    remember_post: Callable[[str], None]

    @property
    def noise(self) -> str:
        """A sentence on what stood beside the data of an answer, such as messages of PHP; empty if nothing did."""
        ...

    def check(self) -> Check:
        """Say whether address and key work, for reading and for writing, changing nothing. Never raises ChannelError."""
        ...

    def statuses(self) -> list[Status]:
        """All payment and shipping statuses, with names where the shop gives them."""
        ...

    def iter_orders(self, *, placed_since: datetime, start: int = 0, page_size: int | None = None) -> Iterator[OrderPage]:
        """Placed orders since a time (inclusive), in an order to which only new ones are appended, from offset ``start``."""
        ...

    def newest_changes(self, count: int = 5, memory: bytes = b"") -> Newest:
        """The orders that changed last, by the cheapest question that tells whether anything has changed: one request. ``memory`` is that of
        the last reading by change: what the shop could not print then is left out."""
        ...

    def newest_page(self, size: int, known: bytes = b"", memory: bytes = b"") -> NewestPage:
        """A page of ``size`` orders that changed last, as a reading gets it, in one request. ``known`` is the digest of an earlier
        one; ``memory`` is as in ``newest_changes``."""
        ...

    def iter_changed_orders(
        self,
        *,
        changed_since: datetime,
        start: int = 0,
        page_size: int | None = None,
        first_size: int | None = None,
        memory: bytes = b"",
        suspects: Callable[[], Suspects] = lambda: Suspects(0),
    ) -> Iterator[OrderPage]:
        """Orders changed since a time, newest change first; the last page is the first that reaches behind it. ``start`` is the
        ``position`` of an earlier reading's page: what has changed since then is in front of it. ``first_size`` is the size of a
        smaller first page.

        ``memory`` is that of the last page before: what has not changed since then is not read again, and orders that could not
        be printed are passed over. ``suspects`` is called where an order cannot be printed and its id has to be found."""
        ...

    @property
    def clock_offset(self) -> timedelta | None:
        """How far the time in the shop's answers is ahead of ours; None if it does not give one. A proxy may have set it."""
        ...

    def read_outline(self, external_id: str) -> Outline:
        """What the shop says of an order that it cannot print. Raises ShopBroken if the shop itself is down."""
        ...

    def outlined(self, raw: dict[str, Any], outline: Outline) -> Order | None:
        """A stored payload read with the statuses of an outline, and with a problem that says so; None if the payload holds no
        order. Sends nothing."""
        ...

    def read_order(self, external_id: str) -> Order | None:
        """One order by the shop's own id; None if the shop has it no more."""
        ...

    def find_order(self, number: str) -> Order | None:
        """One order by the number the merchant sees; None if there is none."""
        ...

    def parse_stored(self, raw: dict[str, Any], surcharges: Sequence[Surcharge] | None = None) -> Order:
        """Read a stored payload again, sending nothing. Raises ShopBroken if it cannot be read."""
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
        """Set quantities, one result per change in the same order. A row that fails never fails the others.

        Raises an error of ChannelError only where no row was stored or refused; otherwise rows that were left out carry it."""
        ...

    def put_shipment(
        self, external_id: str, *, status: str, tracking_numbers: Sequence[str] = (), cancelling: bool = False,
        same_order: Callable[[Order | Outline], None] = lambda shown: None,
    ) -> ShipmentResult:  # fmt: skip
        """Mark an order shipped: reads first, never goes backwards, never sends a tracking number twice.

        ``same_order`` is called with what the shop shows of the order before anything is sent, and raises where that is
        another order; with an outline for an order that the shop cannot print. Raises OrderCalledOff, and sends nothing, where
        the order is cancelled, declined or refunded there, unless ``cancelling`` says that the status means just that."""
        ...

    def close(self) -> None: ...
