"""Practice shops connected through the services, and runs done in place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from channels.base import Check
from extensions import db, writing
from models import Integration, Order, SyncRun
from practice_shop import PracticeShop, Store
from services.integrations import lifecycle
from services.integrations.lifecycle import NewIntegration
from services.listings import previews
from services.runs import lifecycle as runs_lifecycle
from services.shops import connection
from services.sync import execution


@pytest.fixture
def shop():
    """A shop with two products and no orders yet."""
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    store.add_product(sku="PLATE", name="Téller", price=5, amount=8)
    with PracticeShop(store=store) as shop:
        yield shop


def products(shop: PracticeShop) -> dict[str, int]:
    return {product.sku: product.id for product in shop.store.products.values()}


def checked(address: str, key: str) -> Check:
    """The check of a shop that is to be connected. It gives an answer five seconds to begin, which a process that gets no turn on a busy
    machine can miss; then it is asked again."""
    for _ in range(3):
        check = connection.check_shop("xcart", address, key)
        if check.verdict != "timeout":
            break
    assert check.good, check.message
    return check


def connect(shop: PracticeShop, name: str = "Shop", **settings) -> int:
    """Connect a shop through the service; its first runs are not done yet."""
    check = checked(shop.url, shop.key)
    since = settings.pop("since", datetime.now(UTC) - timedelta(days=30))
    new = NewIntegration("xcart", name, shop.url, shop.key, since=since, **settings)
    integration_id = lifecycle.add_integration(new, check, "test").id
    shop.clear_requests()
    return integration_id


def connect_bare(shop: PracticeShop) -> int:
    """Connect a shop whose unknown SKUs do not become stock items."""
    integration_id = connect(shop)
    with writing() as session:
        session.get_one(Integration, integration_id).take_shop_stock = False
    return integration_id


def add(address: str, key: str, name: str = "Shop", **settings) -> int:
    """As ``connect``, for a shop behind something else."""
    check = checked(address, key)
    since = settings.pop("since", datetime.now(UTC) - timedelta(days=30))
    return lifecycle.add_integration(NewIntegration("xcart", name, address, key, since=since, **settings), check, "test").id


def do(integration_id: int, kind: str) -> SyncRun:
    run = execution.perform(runs_lifecycle.start_run(integration_id, kind, "test").id)
    assert run is not None
    return run


def waiting(integration_id: int) -> list[previews.PreviewRow]:
    """The changes that wait for approval."""
    return previews.page_of_rows(previews.preview(integration_id), 1, 100).rows


def settled(shop: PracticeShop, **more) -> int:
    """Connect a shop and do its first stock run."""
    integration_id = connect(shop, **more)
    do(integration_id, "stock")
    return integration_id


def states() -> list[str]:
    """The states of all orders, oldest first."""
    db.session.rollback()
    return list(db.session.scalars(select(Order.state).order_by(Order.id)))


def order_here(there: int) -> int:
    """The id of the order that has this id in its shop."""
    db.session.rollback()
    return db.session.scalar(select(Order.id).where(Order.external_id == str(there)))
