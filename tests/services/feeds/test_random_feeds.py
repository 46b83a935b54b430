"""Whatever feeds bring, orders take and goes wrong in between: what is on hand of fed items is what the last good offers say less what was shipped
since they were seen, own stock stays, a bad file takes nothing, and shops offer what the books say."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from sqlalchemy import select

from errors import AppError
from extensions import db, reading, writing
from models import FeedRun, Listing, StockItem
from models.types import utcnow
from services.feeds import applying, fed_stock, runs
from services.shipping import shipments, voiding
from services.stock import allocations, items, ledger
from tests.services.feeds.conftest import Feed, csv_of
from tests.support.books import books
from tests.support.remote_files import File, login_page
from tests.support.rows import make_integration, make_listing, make_order

NUMBER = count(1)
FED, OWN = ("A", "B"), "O"
QUANTITY = some.integers(0, 12)
BAD = {
    "login page": lambda body: login_page(),
    "truncated": lambda body: File(body, fault="truncated"),
    "empty": lambda body: File(b""),
    "no rows": lambda body: File(b"sku,quantity\n"),
    "other columns": lambda body: File(body.replace(b"quantity", b"price")),
    "a quote that does not end": lambda body: File(body + b'"'),
    "no file": lambda body: File(b"", status=404),
    "server error": lambda body: File(b"", status=500),
}
PLACES = ("_change_offers", "_add_offers", "_link_known", "_touched")
ACTS = some.one_of(
    some.tuples(some.just("good"), some.integers(0, 1), some.dictionaries(some.sampled_from((*FED, OWN)), QUANTITY, min_size=1)),
    some.tuples(some.just("bad"), some.integers(0, 1), some.sampled_from(sorted(BAD))),
    some.tuples(
        some.just("killed"), some.integers(0, 1), some.dictionaries(some.sampled_from((*FED, OWN)), QUANTITY, min_size=1)
    ),
    some.tuples(some.just("order"), some.sampled_from(FED), some.integers(1, 5)),
    some.tuples(some.just("ship"), some.sampled_from(FED), some.integers(1, 5)),
    some.tuples(some.just("void"), some.just(0), some.just(0)),
    some.tuples(some.just("undo"), some.integers(0, 1), some.just(0)),
    some.tuples(some.just("count"), some.just(0), some.integers(0, 20)),
    some.tuples(some.just("edit"), some.sampled_from(FED), some.integers(0, 20)),
    some.tuples(some.just("push"), some.just(0), some.just(0)),
)


@dataclass
class Offered:
    """The offers of one feed as they should be: quantity and time of each code. ``before`` are those before its last run."""

    feed: Feed
    full: bool
    zeroes: bool
    offers: dict[str, tuple[int, int]] = field(default_factory=dict)
    before: dict[str, tuple[int, int]] | None = None


@dataclass
class Shipment:
    id: int
    sku: str
    at: int
    units: int


class World:
    """The feeds, items and orders of one example, and what should be true of them. Time is a number that each act raises."""

    def __init__(self, make_feed: Callable[..., Feed], zeroes: bool):
        self.tag = f"-{next(NUMBER)}"
        wide: dict[str, Any] = {"zero_percent": 100, "rows_percent": 0, "unreadable_percent": 100}
        self.now, self.own = 0, 7
        self.shipped: list[Shipment] = []
        self.unsure: set[str] = set()
        self.ids = {sku: items.add_stock_item(sku + self.tag, 7, "user:ann").item_id for sku in (*FED, OWN)}
        self.integration = make_integration(f"Shop{self.tag}")
        with reading():
            mine = {sku: db.session.get(StockItem, item_id) for sku, item_id in self.ids.items()}
        for sku in FED:
            make_listing(self.integration, sku + self.tag, 0, item=mine[sku], stale=True)
        self.sides = [
            Offered(make_feed(missing="zero" if zeroes else "keep", **wide), True, zeroes),
            Offered(make_feed(delta=True, priority=2, **wide), False, False),
        ]
        for side in self.sides:
            self.fetch(side, {"A": 5, "B": 5, OWN: 9})
        fed_stock.make_fed([self.ids[sku] for sku in FED], "user:ann")

    def good(self, side: int, rows: dict[str, int]) -> None:
        self.fetch(self.sides[side], rows)

    def fetch(self, side: Offered, rows: dict[str, int]) -> None:
        state = side.feed.fetch(self.file(rows))
        if state == "waiting":
            state = side.feed.approve()
        self.applied(side, rows, state)

    def applied(self, side: Offered, rows: dict[str, int], state: str) -> None:
        self.now += 1
        if state == "unchanged":
            return
        assert state == "done", side.feed.run().error
        side.before = dict(side.offers)
        if side.full:
            for sku, (quantity, at) in side.offers.items():
                side.offers[sku] = (0 if side.zeroes and sku not in rows else quantity, at)
        side.offers |= {sku: (quantity, self.now) for sku, quantity in rows.items()}
        self.unsure -= set(side.offers)

    def file(self, rows: dict[str, int]) -> bytes:
        return csv_of({sku + self.tag: quantity for sku, quantity in rows.items()})

    def bad(self, side: int, fault: str) -> None:
        feed = self.sides[side].feed
        feed.web.files[feed.path] = BAD[fault](self.file(dict.fromkeys((*FED, OWN), 0)))
        state = feed.fetch()
        if fault == "no rows" and not self.sides[side].full:
            # Nothing has changed since, which is no fault. After an undo a person looks at it.
            self.applied(self.sides[side], {}, feed.approve() if state == "waiting" else state)
        else:
            assert state == "failed", fault

    def killed(self, side: int, rows: dict[str, int]) -> None:
        """A worker dies while it applies a run; another one finds it."""
        feed, place = self.sides[side].feed, PLACES[self.now % len(PLACES)]
        feed.serve(self.file(rows))
        run_id = feed.run_id = runs.start(feed.id, "user:ann")
        with mock.patch.object(applying, place, side_effect=SystemExit):
            try:
                runs.work(run_id)
            except SystemExit:
                self.check()
                with writing() as session:
                    session.get(FeedRun, run_id).lease_until = utcnow() - timedelta(seconds=1)
        runs.work(run_id)
        if feed.run().state == "waiting":
            feed.approve()
        self.applied(self.sides[side], rows, feed.run().state)

    def order(self, sku: str, units: int) -> int:
        with reading():
            item = db.session.get(StockItem, self.ids[sku])
        order_id = make_order(self.integration, f"{next(NUMBER)}", [(item, units)]).id
        with writing():
            allocations.pass_on(ledger.load_items([self.ids[sku]]).values(), actor="test")
            ledger.request_push([self.ids[sku]])
        return order_id

    def ship(self, sku: str, units: int) -> None:
        order_id, before = self.order(sku, units), self.on_hand(sku)
        self.now += 1
        try:
            shipment_id = shipments.ship(order_id, "user:ann").shipment_id
        except AppError:
            return  # nothing was left to ship
        self.shipped.append(Shipment(shipment_id, sku, self.now, before - self.on_hand(sku)))

    def void(self, *_: int) -> None:
        if self.shipped:
            shipment = self.shipped.pop()
            voiding.void(shipment.id, "user:ann")
            # What was put back counts until the next file is read.
            self.unsure.add(shipment.sku)

    def undo(self, side: int, _: int) -> None:
        offered = self.sides[side]
        with reading() as session:
            newest = (
                select(FeedRun.id).where(FeedRun.feed_id == offered.feed.id, FeedRun.state == "done").order_by(FeedRun.id.desc())
            )
            run_id = session.scalar(newest)
        if offered.before:
            applying.undo(run_id, "user:ann")
            offered.offers, offered.before = offered.before, None
            self.unsure -= set(offered.offers)

    def count(self, _: int, quantity: int) -> None:
        self.own = quantity
        items.set_stock(OWN + self.tag, quantity, "user:ann")

    def edit(self, sku: str, quantity: int) -> None:
        if quantity != self.on_hand(sku):
            with pytest.raises(AppError):
                items.set_stock(sku + self.tag, quantity, "user:ann")

    def push(self, *_: int) -> None:
        """What a stock run leaves behind."""
        with writing() as session:
            for sku in FED:
                listing = session.scalars(select(Listing).where(Listing.sku == sku + self.tag)).one()
                listing.quantity, listing.stale = session.get(StockItem, self.ids[sku]).available, False

    def on_hand(self, sku: str) -> int:
        with reading() as session:
            return session.get(StockItem, self.ids[sku], populate_existing=True).on_hand

    def expected(self, sku: str) -> int:
        offers = [side.offers[sku] for side in self.sides if sku in side.offers]
        since = min((at for quantity, at in offers if quantity), default=0)
        gone = sum(shipment.units for shipment in self.shipped if shipment.sku == sku and shipment.at > since)
        return max(0, sum(quantity for quantity, _ in offers) - gone)

    def check(self) -> None:
        assert self.on_hand(OWN) == self.own
        for sku in FED:
            if sku not in self.unsure:
                assert self.on_hand(sku) == self.expected(sku), sku
        with reading() as session:
            assert list(books(set(self.ids.values()))) == []
            for sku in FED:
                listing = session.scalars(select(Listing).where(Listing.sku == sku + self.tag)).one()
                assert listing.stale or listing.quantity == session.get(StockItem, self.ids[sku]).available


@pytest.mark.one_database
def test_random_feeds_orders_and_faults_leave_the_books_right(make_feed):
    @settings(
        max_examples=240 if os.environ.get("DEEP") else 3,  # two suppliers each, of which there may be 500
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
        derandomize=not os.environ.get("DEEP"),
    )
    @given(some.booleans(), some.lists(ACTS, min_size=6, max_size=14))
    def explore(zeroes: bool, acts: list[tuple[str, Any, Any]]) -> None:
        world = World(make_feed, zeroes)
        for name, *values in acts:
            getattr(world, name)(*values)
            world.check()

    explore()
