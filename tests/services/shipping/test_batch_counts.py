"""What is said about several shipments of one act."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from models.types import utcnow
from services.shipping import batches


def test_a_batch_says_how_many_shops_are_updated() -> None:
    def shipment(order_id: int) -> Any:
        return SimpleNamespace(order_id=order_id, after_write_back_id=None, voided_at=None)

    def update(shop_id: int) -> Any:
        return SimpleNamespace(id=shop_id, shop_id=shop_id, event="shipped", state="waiting", due_at=utcnow(), tried_at=None)

    updates = {1: [update(1)], 2: [update(1)], 3: [update(2)]}
    found = batches._counted("sheet", [shipment(1), shipment(2), shipment(3)], updates, lambda shop_id, event: "")
    assert (found.shops, found.counts["waiting"], found.orders) == (2, 3, [1, 2, 3])
