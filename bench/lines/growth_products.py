"""What a shop's products cost as they grow from 1,000 to 50,000: the reading of its listings, linking them to stock items, and a
push of one in ten of them.

All three are work on each product, so linear is what is hoped for. Linking is the first stock run: each SKU becomes a stock item
with the shop's quantity, is linked, and the push that would change nothing confirms itself.
"""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import select

from bench.frame import Measured
from bench.growth import fitted, processor_seconds, spread_sizes
from bench.lines.stock_push import change_stock, pushable
from bench.pairs import in_child
from bench.place import Place, connect, do, let_go
from extensions import db
from models import SyncRun


def measure_reading(place: Place) -> Measured:
    return _figure(place, "listings")


def measure_linking(place: Place) -> Measured:
    return _figure(place, "linking")


def measure_push(place: Place) -> Measured:
    return _figure(place, "push")


def _figure(place: Place, name: str) -> Measured:
    found = place.once("growth of products", lambda: _measure(place))
    return fitted({size: costs[name] for size, costs in found.items()})


def _measure(place: Place) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    chance = random.Random(place.seed)
    for size in spread_sizes(1_000, place.full_or_quick(50_000, 4_000), 3):
        # One product in five hundred has variants; the largest is the shop that the worker's memory is measured with.
        shop = place.shop(products=size, orders=100, variant_share=0.002)
        with place.installation():
            integration_id = connect(shop, safety_limit_percent=100)
            # Before the orders are there nothing is linked.
            costs = {"listings": in_child(_run, integration_id, "listings", seconds=240)}
            do(integration_id, "orders")
            let_go()
            costs["linking"] = in_child(_run, integration_id, "stock", seconds=240)
            change_stock(chance.sample(pushable(), size // 10), chance)
            let_go()
            costs["push"] = in_child(_run, integration_id, "stock", seconds=240)
            _check(size)
            found[size] = costs
    return found


def _run(integration_id: int, kind: str) -> float:
    return processor_seconds(lambda: do(integration_id, kind))


def _check(size: int) -> None:
    last: dict[str, Any] = (
        db.session.scalar(select(SyncRun.counts).where(SyncRun.kind == "stock").order_by(SyncRun.id.desc())) or {}
    )
    if last.get("sent") != size // 10:
        raise RuntimeError(f"The push did something else: {last}")
