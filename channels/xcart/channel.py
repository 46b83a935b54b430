"""One X-Cart shop of either generation, behind the channel contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from channels.base import (
    Check,
    Credentials,
    Gate,
    Limits,
    ListingPage,
    Order,
    OrderPage,
    Outline,
    Status,
    Surcharge,
    Suspects,
)
from channels.guard import Resolver, system_resolver
from channels.newest import Newest, NewestPage
from channels.results import ShipmentResult, StockChange, StockResult
from channels.session import ShopSession
from channels.xcart import addresses
from channels.xcart.addon.client import Addon
from channels.xcart.addon.listings import AddonListings
from channels.xcart.addon.orders import AddonOrders
from channels.xcart.addon.put_by_post import PutByPost
from channels.xcart.addon.shipments import AddonShipments
from channels.xcart.addon.stock import AddonStock
from channels.xcart.api.client import Api
from channels.xcart.api.listings import ApiListings
from channels.xcart.api.orders import ApiOrders
from channels.xcart.api.shipments import ApiShipments
from channels.xcart.api.stock import ApiStock
from channels.xcart.changes import ChangesQuery
from channels.xcart.detect.check import check
from channels.xcart.facts import FACTS
from channels.xcart.parsing.limits import stock_within
from channels.xcart.parsing.newest import page_of_newest
from channels.xcart.parsing.orders import outlined_order, stored_order
from errors import ChannelError

P = TypeVar("P", OrderPage, ListingPage)


class _AddonGeneration:
    """X-Cart 5.0–5.4: the operations, over one session."""

    def __init__(self, session: ShopSession, credentials: Credentials):
        shop = Addon(session, credentials)
        self.orders = AddonOrders(shop)
        self.listings = AddonListings(shop)
        self.post = PutByPost(shop, self.listings, credentials.put_by_post)
        self.stock = AddonStock(shop, self.listings, self.post)
        self.shipments = AddonShipments(shop)


class _ApiGeneration:
    """X-Cart 5.5 and later: the same operations."""

    def __init__(self, session: ShopSession, credentials: Credentials):
        shop = Api(session, credentials)
        self.orders = ApiOrders(shop)
        self.listings = ApiListings(shop)
        self.stock = ApiStock(shop, self.listings)
        self.shipments = ApiShipments(shop, self.orders.read_outline)


_Generation = _AddonGeneration | _ApiGeneration
_GENERATIONS: dict[str, type[_Generation]] = {"addon": _AddonGeneration, "api": _ApiGeneration}


class XCart:
    """The channel of one X-Cart shop. ``credentials.generation`` may be empty: the first request then detects it."""

    facts = FACTS
    normalise = staticmethod(addresses.normalise)

    def __init__(
        self, credentials: Credentials, *, limits: Limits, gate: Gate = lambda: None, resolver: Resolver = system_resolver
    ):
        self.credentials = credentials
        self._limits = limits
        self._gate = gate
        self._resolver = resolver
        self._checked = 0
        self._session: ShopSession | None = None
        self._opened: _Generation | None = None
        self.learned: dict[str, str] = {}
        self.remember_post: Callable[[str], None] = lambda state: None

    @property
    def requests(self) -> int:
        return self._checked + (self._session.requests if self._session is not None else 0)

    @property
    def put_by_post(self) -> str:
        opened = self._opened
        return opened.post.state if isinstance(opened, _AddonGeneration) else self.credentials.put_by_post

    def check(self) -> Check:
        found = check(self.credentials, self._limits, self._gate, self._resolver)
        self._checked += found.requests
        return found

    def statuses(self) -> list[Status]:
        return self._shop.shipments.statuses()

    def iter_orders(self, *, placed_since: datetime, start: int = 0, page_size: int | None = None) -> Iterator[OrderPage]:
        return self._timed(self._shop.orders.iter_orders(placed_since=placed_since, start=start, page_size=page_size))

    def newest_changes(self, count: int = 5, memory: bytes = b"") -> Newest:
        asked = datetime.now(UTC)
        newest = self._shop.orders.newest_changes(count, memory)
        return replace(newest, shop_time=self._shop_time(asked))

    def newest_page(self, size: int, known: bytes = b"", memory: bytes = b"") -> NewestPage:
        asked = datetime.now(UTC)
        offset, rows, whole = self._shop.orders.newest_rows(size, memory)
        return replace(page_of_newest(rows, known), from_top=offset == 0, whole=whole, shop_time=self._shop_time(asked))

    def _shop_time(self, asked: datetime) -> datetime | None:
        """The shop's time when it was asked at a time of ours."""
        offset = self.clock_offset
        return asked + offset if offset is not None else None

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
        asked = ChangesQuery(int(changed_since.timestamp()), start, page_size, first_size, memory, suspects)
        return self._timed(self._shop.orders.iter_changed_orders(asked))

    def read_outline(self, external_id: str) -> Outline:
        return self._shop.orders.read_outline(external_id)

    def outlined(self, raw: dict[str, Any], outline: Outline) -> Order | None:
        return outlined_order(raw, outline)

    @property
    def noise(self) -> str:
        return self._session.noise if self._session is not None else ""

    @property
    def clock_offset(self) -> timedelta | None:
        return self._session.clock_offset if self._session is not None else None

    def read_order(self, external_id: str) -> Order | None:
        return self._shop.orders.read_order(external_id)

    def find_order(self, number: str) -> Order | None:
        return self._shop.orders.find_order(number)

    def parse_stored(self, raw: dict[str, Any], surcharges: Sequence[Surcharge] | None = None) -> Order:
        return stored_order(raw, surcharges)

    def read_surcharges(self, external_id: str) -> tuple[Surcharge, ...]:
        return self._shop.orders.read_surcharges(external_id)

    def iter_listings(
        self, *, start: str = "", page_size: int | None = None, names: bool = True, known: Mapping[str, str] | None = None
    ) -> Iterator[ListingPage]:
        """``names`` False saves one request a page and calls listings by their SKU; ``known`` maps the external ids of
        variants to their products' ids, which saves asking the shop for them again."""
        return self._timed(self._shop.listings.iter_listings(start=start, page_size=page_size, names=names, known=known))

    def read_quantities(self, external_ids: Sequence[str]) -> dict[str, int]:
        found = self._shop.listings.read_quantities(external_ids)
        return {external_id: stock_within(quantity) for external_id, quantity in found.items()}

    def put_stock(self, changes: Sequence[StockChange]) -> list[StockResult]:
        found = self._shop.stock.put_stock(changes)
        return [each if each.stored is None else replace(each, stored=stock_within(each.stored)) for each in found]

    def put_shipment(
        self, external_id: str, *, status: str, tracking_numbers: Sequence[str] = (), cancelling: bool = False,
        same_order: Callable[[Order | Outline], None] = lambda shown: None,
    ) -> ShipmentResult:  # fmt: skip
        return self._shop.shipments.put_shipment(
            external_id, status=status, tracking_numbers=tracking_numbers, cancelling=cancelling, same_order=same_order
        )

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    @property
    def _shop(self) -> _Generation:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _timed(self, pages: Iterator[P]) -> Iterator[P]:
        """The pages with the time in the shop's answers at which each was asked for."""
        while True:
            asked = datetime.now(UTC)
            page = next(pages, None)
            if page is None:
                return
            yield replace(page, shop_time=self._shop_time(asked))

    def _open(self) -> _Generation:
        found = self.credentials
        if found.generation not in _GENERATIONS:
            verdict = self.check()
            if not verdict.generation:
                raise _leaf(verdict)
            found = Credentials(
                found.endpoint, found.api_key, verdict.generation, verdict.admin_script, self.credentials.put_by_post
            )
        self._session = ShopSession(
            found.endpoint, limits=self._limits, gate=self._gate, secrets=[found.api_key], resolver=self._resolver
        )
        opened = _GENERATIONS[found.generation](self._session, found)
        opened.shipments.learned = self.learned
        if isinstance(opened, _AddonGeneration):
            opened.post.remember = lambda state: self.remember_post(state)
        return opened


def _leaf(verdict: Check) -> ChannelError:
    """The exception of a verdict."""
    for leaf in _leaves(ChannelError):
        if leaf.code == verdict.verdict:
            return leaf(verdict.message, verdict.advice)
    return ChannelError(verdict.message, verdict.advice)


def _leaves(kind: type[ChannelError]) -> Iterator[type[ChannelError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _leaves(child)
