"""The stock of a removed shop is released while the shop is connected again."""

from __future__ import annotations

import threading

from sqlalchemy import func, select

from extensions import db as database
from models import Allocation, AuditEntry, Shop
from services.integrations import lifecycle
from services.stock import items, released
from tests.support.books import books_balance
from tests.support.shops import connect_bare, do, products


def test_a_shop_that_is_connected_again_meanwhile_reserves(app, db, shop, monkeypatch):
    items.add_stock_item("CUP", 20, "test")
    shop.store.place_order([(products(shop)["CUP"], 2)])
    first = connect_bare(shop)
    do(first, "orders")
    lifecycle.remove_integration(first, "test", keep_reserved=True)
    really, threads = released.release, []

    def connect_again() -> None:
        with app.app_context():
            connect_bare(shop)
            database.session.remove()

    def release_slowly(shop_id: int, actor: str) -> None:
        threads.append(threading.Thread(target=connect_again))
        threads[0].start()
        threads[0].join(2)
        really(shop_id, actor)

    monkeypatch.setattr(released, "release", release_slowly)
    lifecycle.release_kept(first, "test")
    threads[0].join(60)
    db.session.rollback()
    assert db.session.scalars(select(Shop.released_at)).all() == [None]
    assert db.session.scalar(select(func.sum(Allocation.reserved))) == 2
    books_balance()


def test_a_release_that_is_asked_for_twice_is_recorded_once(app, db, shop):
    items.add_stock_item("CUP", 20, "test")
    shop.store.place_order([(products(shop)["CUP"], 2)])
    first = connect_bare(shop)
    do(first, "orders")
    lifecycle.remove_integration(first, "test", keep_reserved=True)
    for _ in range(2):
        lifecycle.release_kept(first, "test")
    db.session.rollback()
    recorded = select(func.count()).where(AuditEntry.kind == lifecycle.RELEASED.name)
    assert (released.reserved_units(db.session.scalars(select(Shop.id)).one()), db.session.scalar(recorded)) == (0, 1)
    books_balance()
