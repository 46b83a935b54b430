"""Linking beside other runs: what could not be linked at one moment is linked by the next stock run, not by the next day's reading."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from extensions import writing
from models import Integration, Link, Listing
from practice_shop import PracticeShop, Store
from services.listings import linking, manual_links, stock_push
from services.listings import reading as listings_reading
from services.runs import lifecycle as runs_lifecycle
from services.runs.lease import Lease
from services.shops import connection
from services.stock import items
from services.sync import execution, schedule
from tests.support.rows import import_stock
from tests.support.shops import connect, do, products

pytestmark = pytest.mark.both_databases


@pytest.fixture
def second_shop():
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    store.add_product(sku="BOWL", name="Bowl", price=7, amount=3)
    with PracticeShop(store=store) as shop:
        yield shop


def begun(db, integration_id: int, kind: str, meanwhile: Callable[[], None] = lambda: None):
    """A run a worker has just begun, and its channel, with what happens before each of its requests."""
    lease = runs_lifecycle.claim(runs_lifecycle.start_run(integration_id, kind, "test").id)
    assert isinstance(lease, Lease)

    def gate() -> None:
        meanwhile()
        lease.gate()

    channel = connection.open_channel(db.session.get_one(Integration, integration_id), gate)
    db.session.rollback()
    return lease, channel


def linked_skus(db, integration_id: int) -> set[str]:
    db.session.rollback()
    shop_id = db.session.get_one(Integration, integration_id).shop_id
    return set(db.session.scalars(select(Listing.sku).join(Link).where(Listing.shop_id == shop_id)))


def test_listings_that_come_in_while_stock_is_pushed_are_linked_by_their_reading(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "orders")
    reading, reader = begun(db, integration_id, "listings")
    assert listings_reading.read_listings(reading, reader, lambda: False) == "done"
    # A stock run that had nothing to link when it began comes to its comparison only now.
    pushing, pusher = begun(db, integration_id, "stock")
    stock_push.push_stock(pushing, pusher, lambda: None)
    linking.link_listings(reading, reader, True, lambda: None)
    assert linked_skus(db, integration_id) == set(products(shop))


def without_shop_stock(shop: PracticeShop) -> int:
    """A shop whose unknown SKUs make no stock items."""
    integration_id = connect(shop, "No own stock")
    with writing() as session:
        session.get_one(Integration, integration_id).take_shop_stock = False
    return integration_id


def test_a_stock_item_that_another_shop_starts_is_linked_at_once(app, db, shop, second_shop):
    second = without_shop_stock(second_shop)
    do(second, "stock")
    assert linked_skus(db, second) == set()
    assert db.session.scalar(select(Listing.id).where(Listing.stale)) is None
    do(connect(shop), "stock")
    started = [runs_lifecycle.find_run(run_id) for run_id in schedule.start_due_runs(kinds=("stock",))]
    assert [execution.perform(run.id).outcome for run in started if run.integration_id == second] == ["done"]
    assert linked_skus(db, second) == {"CUP"}


@pytest.mark.parametrize("sku", ("PLATE", ""))
def test_a_listing_linked_while_it_was_taken_for_unlinked_is_compared(app, db, shop, sku):
    ids = products(shop)
    integration_id = without_shop_stock(shop)
    import_stock(["sku,quantity", "CUP,20", "SAUCER,5"], add_unknown=True)
    do(integration_id, "stock")
    assert linked_skus(db, integration_id) == {"CUP"}
    items.set_stock("CUP", 21, "test")
    with writing() as session:
        plate = session.scalar(select(Listing).where(Listing.sku == "PLATE"))
        plate_id, plate.sku, plate.stale = plate.id, sku, True

    def link_plate() -> None:
        if sku not in linked_skus(db, integration_id):
            manual_links.link_listing(plate_id, [("SAUCER", 1)], "test")

    lease, channel = begun(db, integration_id, "stock", link_plate)
    stock_push.push_stock(lease, channel, lambda: None)
    db.session.rollback()
    assert db.session.get_one(Listing, plate_id).stale
    runs_lifecycle.finish(lease, "done")
    do(integration_id, "stock")
    assert shop.store.amount(ids["PLATE"]) == 5
