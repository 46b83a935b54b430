"""Sending 2,000 changed SKUs to an add-on shop that answers 20 ms late, against one PUT per SKU as a simple script does it.

*Ours* is the stock run as a worker does it: orders downloaded first, the shop's present quantities read and compared, the
safety limit checked, quantities sent a hundred a request, each answer compared with what was sent. The changes are a random choice of
the shop's products and variants, imported as a person would import a list. *Theirs* is one ``requests`` session that PUTs
one row after the other to another shop of the same kind and looks at nothing; it is measured on some hundred rows and
scaled, each row costing the same. The safety limit is set high, so that so large a change does not wait for a person.
"""

from __future__ import annotations

import random
import time
from typing import Any

import requests
from flask import Flask
from sqlalchemy import select

from bench.frame import Measured
from bench.pairs import alternate, in_child, ratio, samples
from bench.place import Place, connect, do, let_go
from extensions import db
from models import Link, Listing, StockItem
from services.runs import lifecycle
from services.stock import file_imports
from services.sync import execution

LATENCY = 20


def measure_requests(place: Place) -> Measured:
    """Our requests as a share of one PUT per SKU: at most a fiftieth."""
    found = place.once("stock push", lambda: _measure(place))
    requests_made = max(found["requests"], key=lambda each: each["reads"] + each["writes"])
    total = requests_made["reads"] + requests_made["writes"]
    return Measured(total / found["changes"], {"changes": found["changes"], "requests": found["requests"]})


def measure_speed(place: Place) -> Measured:
    """How many times faster than single PUTs: at least ten."""
    found = place.once("stock push", lambda: _measure(place))
    return Measured(ratio(found["theirs"], found["ours"]), {"changes": found["changes"], **found["samples"]})


def _measure(place: Place) -> dict[str, Any]:
    changes, sample = place.full_or_quick(2_000, 200), place.full_or_quick(300, 50)
    products = changes + changes // 4
    shop = place.shop(products=products, orders=50, latency=LATENCY)
    other = place.shop(products=products, orders=51, latency=LATENCY)
    chance = random.Random(place.seed)
    asked: list[dict[str, int]] = []
    with place.installation() as app:
        integration_id = connect(shop, safety_limit_percent=100)
        for kind in ("orders", "listings", "stock"):
            do(integration_id, kind)
        listings = pushable()

        def ours() -> float:
            change_stock(chance.sample(listings, changes), chance)
            shop.forget_requests()
            let_go()
            seconds = in_child(_push, app, integration_id, changes)
            made = shop.asked()
            asked.append({"reads": made.reads, "writes": made.writes})
            return seconds

        def theirs() -> float:
            rows = [(external_id, chance.randrange(500, 900)) for external_id, _ in chance.sample(listings, sample)]
            return in_child(_single_puts, other.url, other.key, rows) * changes / sample

        # Single PUTs take three quarters of a minute, and two measurements of them differ by less than a hundredth.
        mine, peer = alternate(ours, theirs, place.full_or_quick(2, 1))
    return {"changes": changes, "requests": asked, "ours": mine, "theirs": peer,
            "samples": {**samples(mine, peer), "single_puts_measured": sample, "latency_ms": LATENCY}}  # fmt: skip


def pushable() -> list[tuple[str, str]]:
    """(external id, SKU) of every listing that takes its quantity from a stock item."""
    query = select(Listing.external_id, StockItem.sku).join(Link, Link.listing_id == Listing.id).join(StockItem)
    return [(external_id, sku) for external_id, sku in db.session.execute(query.order_by(Listing.id))]


def change_stock(listings: list[tuple[str, str]], chance: random.Random) -> None:
    """Import a list that changes each of these stock items."""
    skus = [sku for _, sku in listings]
    before: dict[str, int] = {}
    for start in range(0, len(skus), 500):
        query = select(StockItem.sku, StockItem.on_hand).where(StockItem.sku.in_(skus[start : start + 500]))
        before |= dict(db.session.execute(query).all())
    rows = [f"{sku},{before[sku] + chance.randrange(1, 40)}" for sku in skus]
    changed = file_imports.import_now("\n".join(["sku,quantity", *rows]).encode(), "stock.csv", "bench").changed
    if changed != len(skus):
        raise RuntimeError(f"{changed} of {len(skus)} stock items changed")


def _push(app: Flask, integration_id: int, changes: int) -> float:
    run_id = lifecycle.start_run(integration_id, "stock", "bench").id
    let_go()
    started = time.perf_counter()
    run = execution.perform(run_id)
    seconds = time.perf_counter() - started
    if run is None or run.outcome != "done" or run.counts.get("sent") != changes:
        raise RuntimeError(f"The push did not end well: {run and (run.outcome, run.counts, run.error)}")
    return seconds


def _single_puts(url: str, key: str, rows: list[tuple[str, int]]) -> float:
    paths = {"product": "product", "variant": "xc-productvariants-productvariant"}
    started = time.perf_counter()
    with requests.Session() as session:
        for external_id, quantity in rows:
            kind, _, row = external_id.partition(":")
            answer = session.put(
                f"{url}/admin.php",
                params={"target": "RESTAPI", "_key": key, "_path": f"{paths[kind]}/{row}"},
                json={"amount": quantity},
            )
            if answer.json()["amount"] != quantity:
                raise RuntimeError(f"The shop did not take {quantity} for {external_id}: {answer.text[:200]}")
    return time.perf_counter() - started
