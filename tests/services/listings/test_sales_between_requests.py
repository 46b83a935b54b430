"""A sale at any moment of the first stock run, or of a later one: no unit is counted twice, and none is offered that is sold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from practice_shop import PracticeShop, Store
from services.listings import stock_push
from services.stock import items
from tests.support.shops import connect, do

SOLD = 3
MOST_REQUESTS = 40


class SellingShop(PracticeShop):
    """Sells right after its n-th answer, and once."""

    def __init__(self, sku: str, generation: str):
        store = Store()
        self.product = store.add_product(sku=sku, name="Cup", price=10, amount=20)
        self.answers, self.sell_after = 0, 0
        super().__init__(store=store, generation=generation)

    def answer(self, request, site=None):
        reply = super().answer(request, site)
        self.answers += 1
        if self.answers == self.sell_after:
            self.store.place_order([(self.product, SOLD)])
        return reply

    def sell_at(self, number: int) -> None:
        self.answers, self.sell_after = 0, number


def sell_at_each_request(
    generation: str, before: Callable[[int, str], None], during: Callable[[int], None], on_hand: int, there: int
) -> int:
    """Do the same again and again, with a sale at the first request of ``during``, then at the second, and so on. Each time ``on_hand`` is
    what the books have afterwards and ``there`` what the shop shows. Returns the number of the first request that did not come any more."""
    for number in range(1, MOST_REQUESTS):
        sku = f"CUP-{number}"
        with SellingShop(sku, generation) as shop:
            integration_id = connect(shop, sku)
            before(integration_id, sku)
            shop.sell_at(number)
            during(integration_id)
            answers = shop.answers
            shop.sell_at(0)
            do(integration_id, "orders")
            do(integration_id, "stock")
            if answers < number:
                return number
            item = items.find_stock_item(sku)
            assert (number, item.on_hand, item.reserved, shop.store.amount(shop.product)) == (number, on_hand, SOLD, there)
    raise AssertionError(f"{MOST_REQUESTS} requests were not enough.")


@pytest.mark.parametrize("generation", ("addon", "api"))
@pytest.mark.sampled(2)
def test_a_sale_at_any_moment_of_the_first_stock_run_is_counted_once(app, db, generation):
    def run(integration_id: int) -> None:
        do(integration_id, "stock")

    assert sell_at_each_request(generation, lambda integration_id, sku: None, run, 20, 17) > 4


@pytest.mark.parametrize("generation", ("addon", "api"))
@pytest.mark.sampled(2)
def test_a_sale_at_any_moment_of_a_push_is_never_offered_again(app, db, generation):
    def restock(integration_id: int, sku: str) -> None:
        do(integration_id, "stock")
        items.set_stock(sku, 30, "test")

    def push(integration_id: int) -> None:
        if do(integration_id, "stock").outcome == "waiting":
            stock_push.approve(integration_id, "test")
            do(integration_id, "stock")

    assert sell_at_each_request(generation, restock, push, 30, 27) > 2
