"""One X-Cart shop of either generation, behind the channel contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from channels.base import (
    Check,
    Credentials,
    Gate,
    Limits,
    ListingPage,
    Order,
    OrderPage,
    ShipmentResult,
    Status,
    StockChange,
    StockResult,
    Surcharge,
)
from channels.guard import Resolver, system_resolver
from channels.session import ShopSession
from channels.xcart import detect
from channels.xcart.addon import Addon
from channels.xcart.addon_listings import AddonListings
from channels.xcart.addon_orders import AddonOrders
from channels.xcart.addon_shipments import AddonShipments
from channels.xcart.addon_stock import AddonStock
from channels.xcart.api import Api
from channels.xcart.api_listings import ApiListings
from channels.xcart.api_orders import ApiOrders
from channels.xcart.api_shipments import ApiShipments
from channels.xcart.api_stock import ApiStock
from channels.xcart.parse import stored_order
from errors import ChannelError

P = TypeVar("P", OrderPage, ListingPage)


class _AddonGeneration:
    """X-Cart 5.0–5.4: the families of acts, over one session."""

    def __init__(self, session: ShopSession, credentials: Credentials):
        shop = Addon(session, credentials)
        self.orders = AddonOrders(shop)
        self.listings = AddonListings(shop)
        self.stock = AddonStock(shop, self.listings)
        self.shipments = AddonShipments(shop)


class _ApiGeneration:
    """X-Cart 5.5 and later: the same families of acts."""

    def __init__(self, session: ShopSession, credentials: Credentials):
        shop = Api(session, credentials)
        self.orders = ApiOrders(shop)
        self.listings = ApiListings(shop)
        self.stock = ApiStock(shop, self.listings)
        self.shipments = ApiShipments(shop)


_Generation = _AddonGeneration | _ApiGeneration
_GENERATIONS: dict[str, type[_Generation]] = {"addon": _AddonGeneration, "api": _ApiGeneration}


class XCart:
    """The channel of one X-Cart shop. ``credentials.generation`` may be empty: the first act then finds it out."""

    normalise = staticmethod(detect.normalise)

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

    @property
    def requests(self) -> int:
        return self._checked + (self._session.requests if self._session is not None else 0)

    def check(self) -> Check:
        found = detect.check(self.credentials, self._limits, self._gate, self._resolver)
        self._checked += found.requests
        return found

    def statuses(self) -> list[Status]:
        return self._shop.shipments.statuses()

    def iter_orders(self, *, placed_since: datetime, start: int = 0, page_size: int | None = None) -> Iterator[OrderPage]:
        return self._timed(self._shop.orders.iter_orders(placed_since=placed_since, start=start, page_size=page_size))

    def iter_changed_orders(
        self, *, changed_since: datetime, start: int = 0, page_size: int | None = None
    ) -> Iterator[OrderPage]:
        return self._timed(self._shop.orders.iter_changed_orders(changed_since=changed_since, start=start, page_size=page_size))

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
        return self._shop.listings.read_quantities(external_ids)

    def put_stock(self, changes: Sequence[StockChange]) -> list[StockResult]:
        return self._shop.stock.put_stock(changes)

    def put_shipment(self, external_id: str, *, status: str, tracking_numbers: Sequence[str] = ()) -> ShipmentResult:
        return self._shop.shipments.put_shipment(external_id, status=status, tracking_numbers=tracking_numbers)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    @property
    def _shop(self) -> _Generation:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _timed(self, pages: Iterator[P]) -> Iterator[P]:
        """The pages with the shop's time at which each was asked for: what happened there before that is in it."""
        while True:
            asked = datetime.now(UTC)
            page = next(pages, None)
            if page is None:
                return
            offset = self._session.clock_offset if self._session is not None else None
            yield replace(page, shop_time=asked + offset if offset is not None else None)

    def _open(self) -> _Generation:
        found = self.credentials
        if found.generation not in _GENERATIONS:
            verdict = self.check()
            if not verdict.generation:
                raise _leaf(verdict)
            found = Credentials(found.endpoint, found.api_key, verdict.generation, verdict.admin_script)
        self._session = ShopSession(
            found.endpoint, limits=self._limits, gate=self._gate, secrets=[found.api_key], resolver=self._resolver
        )
        return _GENERATIONS[found.generation](self._session, found)


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
