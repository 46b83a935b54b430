"""Products that a reading lacks are shown with the approval, on the pages and by command."""

from __future__ import annotations

import pytest

from practice_shop import PracticeShop, Store
from services.listings import losses
from tests.blueprints.pages import form_data, toasts, words
from tests.blueprints.queues import work_off
from tests.blueprints.walks import LIST, connect
from tests.support.shops import do
from tests.support.signed_in import FreshClient

pytestmark = pytest.mark.one_database


def test_the_missing_products_are_shown_and_approved(client: FreshClient) -> None:
    store = Store()
    for number in range(6):
        store.add_product(sku=f"SKU-{number}", name=f"Thing {number}", price=1, amount=10)
    with PracticeShop(store=store) as shop:
        made = connect(client, shop)
        work_off()
        assert "Nothing was missing" in words(client.get(f"{LIST}/{made.id}/missing").text)
        for sku in ("SKU-0", "SKU-1", "SKU-2"):
            store.delete_product(store.product_by_sku(sku).id)
        do(made.id, "listings")
        assert "The shop listed 3 of 6 known products and variants." in words(client.get(f"{LIST}/{made.id}").text)
        page = client.get(f"{LIST}/{made.id}/missing").text
        assert "SKU-0" in page and "SKU-3" not in page and "These products were deleted" in page
        assert "SKU-0" in client.get("/listings?state=missing").text
        answer = client.post(f"{LIST}/{made.id}/missing", data=form_data(page, "gone"))
        assert toasts(client.get(answer.location).text) == ["3 listings counted as deleted in the shop."]
        assert losses.pending(made.id) is None
