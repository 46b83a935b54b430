"""What is kept beside listings and stock items for lists and searches follows from them after every act, whatever a shop calls its products.

Each series of acts is replayed by its seed; ``make deep`` runs many."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest
from sqlalchemy import select

from errors import AppError
from extensions import db
from models import Link, Listing, StockItem
from practice_shop import PracticeShop, Store
from services.integrations import lifecycle
from services.listings import manual_links, renames, views
from services.stock import items
from tests.support.books import books_balance
from tests.support.shops import connect, connect_bare, do

SEEDS = range(60) if os.environ.get("DEEP") else range(2)
STEPS = 25
SKUS = ("CUP", "cup ", "ÇAY", "İST", "ist", "straße", "STRASSE", "é", "e\u0301", "", "美", "\U0001f375", "X" * 32)
NAMES = ("Blue", "İstanbul ıŞ", "ẞ", "ﬁsh", "", "N" * 900, "\U0001f375" * 900)
ACTS = (
    "read", "read", "read", "stock", "orders", "rename", "rename", "name", "add item", "link", "unlink", "link sku", "match", "settle", "take away",
    "connect again", "sell",
)  # fmt: skip


class Desk:
    def __init__(self, shop: PracticeShop, seed: int):
        self.shop, self.store, self.random = shop, shop.store, random.Random(seed)
        self.integration_id = self.random.choice((connect, connect_bare))(shop)

    def some(self, values: Sequence[int]) -> int:
        return self.random.choice(values) if values else 0

    def act(self, act: str) -> None:
        product = self.random.choice(list(self.store.products.values()))
        listing_id = self.some(db.session.scalars(select(Listing.id).order_by(Listing.id)).all())
        sku = self.random.choice(db.session.scalars(select(StockItem.sku).order_by(StockItem.id)).all() or ["none"])
        link_id = self.some(db.session.scalars(select(Link.id).order_by(Link.id)).all())
        db.session.rollback()
        if act in ("read", "stock", "orders"):
            do(self.integration_id, "listings" if act == "read" else act)
        elif act == "rename":
            product.sku = self.random.choice(SKUS)
        elif act == "name":
            product.name = self.random.choice(NAMES)
        elif act == "add item":
            items.add_stock_item(self.random.choice(SKUS), 5, "test", name=self.random.choice(NAMES))
        elif act == "link":
            manual_links.link_listing(listing_id, [(sku, self.random.randint(1, 2))], "test")
        elif act == "unlink":
            manual_links.remove_link(link_id, "test")
        elif act == "link sku":
            manual_links.link_sku(product.sku, sku, "test")
        elif act == "match":
            views.link_matched([row[0] for row in views.match_by_sku().rows], "test")
        elif act == "settle":
            renames.settle(listing_id, self.random.random() < 0.5, "test")
        elif act == "take away":
            product.enabled = False
        elif act == "connect again":
            lifecycle.remove_integration(self.integration_id, "test", keep_reserved=self.random.random() < 0.5)
            self.integration_id = connect_bare(self.shop)
        else:
            self.store.place_order([(product.id, 1)])


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", SEEDS)
def test_a_list_and_the_truth_agree_after_every_act(app, seed):
    drawn = random.Random(seed)
    store = Store()
    for sku in drawn.sample(SKUS, 6):
        store.add_product(sku=sku, name=drawn.choice(NAMES), price=3, amount=4)
    done: list[str] = []
    with PracticeShop(store=store, generation=drawn.choice(("addon", "api"))) as shop:
        desk = Desk(shop, seed)
        for act in [*drawn.choices(ACTS, k=STEPS), "read"]:
            done.append(act)
            try:
                desk.act(act)
            except AppError as refused:
                done.append(refused.message)
            books_balance(done)
    assert db.session.scalar(select(Listing.id).limit(1)) is not None
