"""X-Cart 5.5 cannot print a product without a SKU (observed): it is named, and never counts as gone."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from models import Listing, RunItem
from practice_shop import PracticeShop, Store
from tests.support.shops import connect, do

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize("places", [(0,), (3,), (7,), (2, 3), (0, 7)])
def test_it_is_named_in_the_first_reading_and_kept_in_later_ones(app, db, places):
    store = Store()
    ids = [store.add_product(sku=f"SKU-{number}", name=f"Thing {number}", price=10, amount=5) for number in range(8)]
    variant = store.add_variant(ids[places[0]], sku="RED", amount=3)
    with PracticeShop(store=store, generation="api") as shop:
        integration_id = connect(shop)
        do(integration_id, "listings")
        for place in places:
            store.products[ids[place]].sku = None
            store.touch_product(ids[place])
        for reading in range(3):
            run = do(integration_id, "listings")
            named = {item.external_id for item in db.session.scalars(select(RunItem).where(RunItem.run_id == run.id))}
            assert named == {f"product:{ids[place]}" for place in places}, reading
            assert run.outcome == "partial"
        gone = list(db.session.scalars(select(Listing.external_id).where(Listing.gone_at.is_not(None))))
        assert gone == []
        assert db.session.scalar(select(Listing.id).where(Listing.external_id == f"variant:{ids[places[0]]}/{variant}"))
