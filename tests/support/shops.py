"""Practice shops connected through the services, and runs done in place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models import SyncRun
from practice_shop import PracticeShop, Store
from services import integrations, runs, sync
from services.integrations import NewIntegration


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


def connect(shop: PracticeShop, name: str = "Shop", **settings) -> int:
    """Connect a shop through the service; its first runs are not done yet."""
    check = integrations.check_shop("xcart", shop.url, shop.key)
    assert check.good, check.message
    since = settings.pop("since", datetime.now(UTC) - timedelta(days=30))
    new = NewIntegration("xcart", name, shop.url, shop.key, since=since, **settings)
    integration_id = integrations.add_integration(new, check, "test").id
    shop.clear_requests()
    return integration_id


def do(integration_id: int, kind: str) -> SyncRun:
    run = sync.perform(runs.start_run(integration_id, kind, "test").id)
    assert run is not None
    return run
