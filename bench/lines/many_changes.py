"""Many orders that change at once: the requests of the readings that follow, against those of one reading at full pages; also where a
stock run reads them. The worse of both, on either generation of X-Cart."""

from __future__ import annotations

from math import ceil
from typing import Any

from bench.frame import Measured
from bench.place import Place, do
from practice_shop import PracticeShop, Store
from services.runs import lifecycle
from services.sync import execution
from tests.support.shops import connect

PAGE = 100


def measure(place: Place) -> Measured:
    count = place.full_or_quick(2_000, 400)
    rows = [_read(place, generation, kind, count) for generation in ("addon", "api") for kind in ("orders", "stock")]
    worst = max(rows, key=lambda row: row["ratio"])
    return Measured(worst["ratio"], {"readings": rows, "worst": worst})


def _read(place: Place, generation: str, kind: str, count: int) -> dict[str, Any]:
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=5 * count)
    for number in range(count):
        store.place_order([(1, 1)], at=store.now() - 200_000 + number, shipping="S" if number % 2 else "N")
    with PracticeShop(store=store, generation=generation) as shop, place.installation(ORDER_PAGE_SIZE=str(PAGE)):
        integration_id = connect(shop)
        for each in ("orders", "listings", "stock"):
            do(integration_id, each)
        now = store.now() - 5
        for order in store.orders.values():
            order.admin_notes, order.renewed = "packed", now
            store.touch_order(order, renewed=False)
        store.set_amount(1, 4 * count)
        do(integration_id, "listings")
        shop.clear_requests()
        run = execution.perform(lifecycle.start_run(integration_id, kind, "bench").id)
        asked = sum("_path=order&" in each["target"] or "/api/orders?" in each["target"] for each in shop.requests)
        outcome = run.outcome if run is not None else ""
    return {
        "generation": generation, "run": kind, "orders": count, "requests": asked, "outcome": outcome, "ratio": asked / ceil(count / PAGE),
    }  # fmt: skip
