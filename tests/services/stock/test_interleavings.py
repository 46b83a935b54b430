"""Random schedules of what a shop and its seller do, in any order: the books balance and the shop ends with what is available.

Each schedule is replayed by its seed. A sample runs with `make test`, many with `make deep`."""

from __future__ import annotations

import os
import random

import pytest
from sqlalchemy import select

from errors import Conflict
from models import Integration, Listing, Order
from practice_shop import PracticeShop, Store
from services.listings import stock_push
from services.runs import lifecycle
from services.stock import items
from services.sync import execution
from tests.support.books import books_balance
from tests.support.shops import connect

pytestmark = pytest.mark.both_databases

SEEDS = range(300) if os.environ.get("DEEP") else range(4)


class Seller:
    """Two shops that sell from one stock, and everything that happens to them."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.shops: list[PracticeShop] = []
        for number in range(2):
            store = Store()
            for sku in ("CUP", "PLATE", "BOWL"):
                store.add_product(sku=sku, name=sku.title(), price=10, amount=12)
            parent = store.add_product(sku=f"SHIRT-{number}", name="Shirt", price=10, amount=0)
            store.add_variant(parent, sku="SHIRT-M", amount=12)
            self.shops.append(PracticeShop(store=store).start())
        self.integrations = [connect(shop, f"Shop {number}") for number, shop in enumerate(self.shops)]

    def close(self) -> None:
        for shop in self.shops:
            shop.stop()

    def buyable(self, store: Store) -> list:
        variants = [(variant.product_id, variant.id) for variant in store.variants.values()]
        parents = {product_id for product_id, _ in variants}
        return [product_id for product_id in store.products if product_id not in parents] + variants

    def step(self) -> str:
        number = self.random.randrange(2)
        store, integration_id = self.shops[number].store, self.integrations[number]
        lines = [(self.random.choice(self.buyable(store)), self.random.randint(1, 3)) for _ in range(self.random.randint(1, 2))]
        orders = list(store.orders)
        act = self.random.choice(("sell", "sell", "sell", "edit", "cancel", "ship", "pay", "reopen", "set", "run", "run", "run"))
        if act == "sell":
            store.place_order(lines=lines, payment=self.random.choice(("P", "Q", "A")), profile=self.random.random() > 0.1)
        elif act == "set":
            for item in self.random.sample(items.list_stock(), k=min(1, len(items.list_stock()))):
                items.set_stock(item.sku, self.random.randint(0, 20), "test")
        elif act == "run":
            self.run(integration_id, self.random.choice(("orders", "stock", "listings")))
        elif orders:
            order_id = self.random.choice(orders)
            if act == "edit":
                store.edit_order(order_id, lines=lines)
            elif act == "cancel":
                store.cancel_order(order_id)
            else:
                changes = {"ship": {"shipping": "S"}, "pay": {"payment": "P"}, "reopen": {"payment": "P", "shipping": "N"}}
                store.set_status(order_id, **changes[act])
        return act

    def run(self, integration_id: int, kind: str) -> None:
        run = execution.perform(lifecycle.start_run(integration_id, kind, "test").id)
        assert run is not None and run.outcome in ("done", "partial", "waiting"), (run.outcome, run.error)

    def settle(self) -> None:
        """Everything is downloaded, approved and pushed, until nothing moves any more."""
        for _ in range(4):
            for integration_id in self.integrations:
                for kind in ("orders", "listings", "stock"):
                    self.run(integration_id, kind)
                try:
                    stock_push.approve(integration_id, "test")
                except Conflict:
                    continue
                self.run(integration_id, "stock")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.sampled(3)
def test_any_order_of_events_ends_with_equal_books(app, db, seed):
    seller = Seller(seed)
    try:
        acts = []
        for _ in range(25):
            acts.append(seller.step())
            books_balance(acts)
        seller.settle()
        books_balance(acts)
        for shop, integration_id in zip(seller.shops, seller.integrations, strict=True):
            shop_id = db.session.get_one(Integration, integration_id).shop_id
            held = sorted(db.session.scalars(select(Order.external_id).where(Order.shop_id == shop_id)))
            assert held == sorted(str(order_id) for order_id in shop.store.orders), acts
            for order in db.session.scalars(select(Order).where(Order.shop_id == shop_id)):
                there = shop.store.order(int(order.external_id))
                assert sum(line.quantity for line in order.lines) == sum(line.amount for line in there.items), acts
            for listing in db.session.scalars(select(Listing).where(Listing.shop_id == shop_id)):
                if listing.pushable and listing.links:
                    kind, _, number = listing.external_id.partition(":")
                    present = shop.store.amount(int(number)) if kind == "product" else shop.store.variant_amount(int(number))
                    assert present == stock_push.wanted_quantity(listing), (listing.sku, acts)
            assert not shop.failures
            assert not any(request["method"] == "DELETE" for request in shop.requests)
    finally:
        seller.close()
