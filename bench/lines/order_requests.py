"""How many requests a download of N orders takes, counted by the shop: no more than ceil(N / page) + 1, without faults.

The figure is the worst N's requests as a share of what it may take. Under the settings of a new integration; with *Use X-Cart
tax settings* on, tax contained in the prices costs one extra read for each rate the shop has, which the
details show beside it.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from bench.frame import Measured
from bench.place import Place, PracticeShop, connect, do


def measure(place: Place) -> Measured:
    counts = (0, 101) if place.quick else (0, 1, 99, 100, 101, 250, 1_000, 10_000)
    rows: list[dict[str, Any]] = []
    for number in counts:
        shop = place.shop(products=400, orders=number)
        for page in (100, 40):
            rows.append(_download(place, shop, page))
    worst = max(rows, key=lambda row: row["requests"] / row["allowed"])
    taxed = _download(place, place.shop(products=400, orders=counts[-1]), 100, use_tax=True)
    return Measured(worst["requests"] / worst["allowed"], {"downloads": rows, "worst": worst, "with_use_tax": taxed})


def _download(place: Place, shop: PracticeShop, page: int, **settings: Any) -> dict[str, Any]:
    with place.installation(ORDER_PAGE_SIZE=str(page)):
        run = do(connect(shop, **settings), "orders")
        counts = dict(run.counts)
    asked = shop.asked()
    if counts.get("new", 0) != shop.orders or asked.writes:
        raise RuntimeError(f"{counts} of {shop.orders} orders stored, {asked.writes} writes")
    return {
        "orders": shop.orders, "page": page, "requests": asked.total, "allowed": ceil(shop.orders / page) + 1,
        "extra_reads": counts.get("extra_reads", 0),
    }  # fmt: skip
