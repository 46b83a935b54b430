"""What happens in two places at once: no sale is overlooked by the one that writes the same listing, and nobody waits for ever."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import event

from errors import AlreadyRunning, Conflict
from extensions import db as database
from models.flow import SYNCS
from practice_shop import PracticeShop, Store
from services.listings import stock_push
from services.orders import evaluation
from services.runs import lifecycle
from services.stock import items
from services.sync import execution
from tests.support.books import books_balance
from tests.support.rows import import_stock
from tests.support.shops import connect, do, products

pytestmark = pytest.mark.both_databases


def beside(app, act: Callable[[], object]) -> threading.Thread:
    """Do something in another connection; it has a moment to get done before this one goes on."""

    def go() -> None:
        with app.app_context():
            act()
            database.session.remove()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    thread.join(1)
    return thread


@pytest.mark.parametrize(("kind", "before"), [("stock", 15), ("stock", 20), ("listings", 20)], ids=["sent", "confirmed", "read"])
def test_stock_that_moves_while_a_listing_is_written_still_reaches_the_shop(app, db, shop, kind, before):
    """The run writes what it knew; what somebody else has committed meanwhile must not be taken for pushed."""
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 15, "test")
    items.set_stock("CUP", before, "test")
    threads: list[threading.Thread] = []
    listing_written = threading.Event()

    def look(connection, cursor, statement, parameters, context, many) -> None:
        if threading.current_thread() is not threading.main_thread() or threads:
            return
        if statement.startswith("UPDATE listing SET"):
            listing_written.set()
        if listing_written.is_set() and (kind == "listings" or statement.startswith("UPDATE sync_run SET")):
            threads.append(threading.current_thread())
            threads[0] = beside(app, lambda: items.set_stock("CUP", 4, "test"))

    event.listen(db.engine, "before_cursor_execute", look)
    do(integration_id, kind)
    threads[0].join(90)
    do(integration_id, "stock")
    assert shop.store.amount(products(shop)["CUP"]) == 4


def busy_shop(skus: list[str], seed: int) -> PracticeShop:
    """A shop that lists the same things as others in another order."""
    store = Store()
    for sku in random.Random(seed).sample(skus, k=len(skus)):
        store.add_product(sku=sku, name=sku, price=3, amount=50)
    return PracticeShop(store=store).start()


def test_an_order_stored_while_a_file_waits_for_its_stock_item_gets_what_the_file_brings(app, db, shop):
    """It lacks its units when it is stored, just before the file has the lock of the stock item."""
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 0, "test")
    threads: list[threading.Thread] = []

    def buy() -> None:
        product_id = next(number for number, product in shop.store.products.items() if product.sku == "CUP")
        shop.store.place_order(lines=[(product_id, 3)])
        do(integration_id, "orders")

    def look(connection, cursor, statement, parameters, context, many) -> None:
        locks = "FROM stock_item" in statement and "on_hand, stock_item.reserved" in statement and "sku" not in statement
        if locks and not threads and threading.current_thread() is threading.main_thread():
            threads.append(threading.current_thread())
            threads[0] = beside(app, buy)
            if database.engine.dialect.name != "sqlite":  # where the other one waits for this transaction
                threads[0].join(30)

    event.listen(database.engine, "before_cursor_execute", look)
    try:
        import_stock(["sku,quantity\n", "CUP,26\n"])
    finally:
        event.remove(database.engine, "before_cursor_execute", look)
    [thread] = threads
    thread.join(30)
    assert not thread.is_alive()
    books_balance()
    database.session.rollback()
    item = items.find_stock_item("CUP")
    assert (item.on_hand, item.reserved) == (26, 3)


def test_everything_at_once_fails_nothing_and_the_books_balance(app, db):
    """Two shops with one stock, every kind of run, a file imported and settings applied, all at the same time."""
    skus = [f"SKU-{number:02}" for number in range(80)]
    shops = [busy_shop(skus, seed) for seed in (1, 2)]
    integrations = [connect(shop, f"Shop {number}") for number, shop in enumerate(shops)]
    for integration_id in integrations:
        do(integration_id, "stock")
    chance = random.Random(5)
    troubles: list[str] = []
    until = time.monotonic() + 3

    def again_and_again(act: Callable[[], None]) -> None:
        with app.app_context():
            while time.monotonic() < until:
                try:
                    act()
                except (AlreadyRunning, Conflict):
                    time.sleep(0.02)
                except Exception as error:
                    troubles.append(f"{type(error).__name__}: {error}"[:300])
                finally:
                    database.session.remove()

    def sell(shop: PracticeShop) -> None:
        for _ in range(3):
            shop.store.place_order(lines=[(product_id, 1) for product_id in chance.sample(list(shop.store.products), 6)])
        shop.store.set_status(chance.choice(list(shop.store.orders)), shipping="S")
        shop.store.cancel_order(chance.choice(list(shop.store.orders)))
        time.sleep(0.1)

    def work(integration_id: int, kind: str) -> None:
        run = execution.perform(lifecycle.start_run(integration_id, kind, "test").id)
        if run is not None and run.outcome == "waiting":
            stock_push.approve(integration_id, "test")
        elif run is not None and run.outcome not in ("done", "partial"):
            troubles.append(f"{kind}: {run.outcome} {run.error}")

    def bring_in() -> None:
        rows = [f"{sku},{chance.randint(0, 60)}\n" for sku in chance.sample(skus, 40)]
        import_stock(["sku,quantity\n", *rows])

    acts: list[Callable[[], None]] = [bring_in]
    for shop, integration_id in zip(shops, integrations, strict=True):
        acts += [lambda shop=shop: sell(shop), lambda which=integration_id: evaluation.evaluate_again(which, "test")]
        acts += [lambda which=integration_id, kind=kind: work(which, kind) for kind in SYNCS]
    threads = [threading.Thread(target=again_and_again, args=(act,), daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    for shop in shops:
        shop.stop()
    assert not troubles
    books_balance()
