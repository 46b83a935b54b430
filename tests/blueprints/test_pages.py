"""Every page answers, empty and with data, and none shows a traceback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import select

from models import Integration, Listing, Order, StockItem, SyncRun
from practice_shop import PracticeShop
from services.shipping import shipments
from services.stock import items
from tests.support.shops import connect, do

PATHS = (
    "/orders", "/orders?state=on_hold&q=CUP&age=7&sort=total", "/orders?state=cancel_unseen", "/orders?state=not_sent", "/orders/held",
    "/orders/find", "/orders/tracking-numbers", "/stock", "/stock?low=5&q=C", "/stock/new", "/stock/files", "/listings",
    "/listings?state=conflict", "/listings?state=kit", "/listings/match", "/listings/drift", "/listings/drift?all=1", "/reports",
    "/reports?days=7", "/reports/skus", "/reports/reconciliation", "/activity/changes", "/today",
)  # fmt: skip
FILES = (
    "/orders/orders.csv", "/stock/stock.csv", "/listings/listings.csv", "/listings/drift/drift.csv", "/reports/sales.csv",
    "/reports/skus.csv", "/reports/reconciliation.csv", "/activity/changes.csv", "/activity/runs.csv",
)  # fmt: skip


def lived_in(shop: PracticeShop) -> int:
    ids = {product.sku: product.id for product in shop.store.products.values()}
    shop.store.place_order(lines=[(ids["CUP"], 2), (ids["PLATE"], 1)])
    shop.store.place_order(lines=[(ids["CUP"], 1)], payment="Q")
    gone = shop.store.add_product(sku="=1+1", name="@evil", price=3, amount=0)
    shop.store.place_order(lines=[(gone, 1)])
    cancelled = shop.store.place_order(lines=[(ids["PLATE"], 1)])
    integration_id = connect(shop)
    for kind in ("stock", "reconciliation"):
        do(integration_id, kind)
    shop.store.cancel_order(cancelled)
    do(integration_id, "orders")
    return integration_id


@pytest.mark.parametrize("path", PATHS + FILES)
def test_every_page_answers_on_an_empty_installation(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.get_data(as_text=True)[-600:]


def test_every_page_answers_on_a_lived_in_one(client, shop, db):
    integration_id = lived_in(shop)
    items.set_stock("CUP", 30, "test")
    do(integration_id, "stock")
    order = db.session.scalar(select(Order).order_by(Order.id))
    shipments.ship(order.id, "test", carrier="Courier", tracking_number="T")
    ids = list(db.session.scalars(select(Order.id)))
    item = db.session.scalar(select(StockItem.id))
    listing = db.session.scalar(select(Listing.id))
    shop_id = db.session.scalar(select(Integration.shop_id))
    more = [f"/orders/{order_id}{tail}" for order_id in ids for tail in ("", "/raw", "/packing-slip", "/print")]
    more += [f"/stock/{item}", f"/stock/{item}/ledger.csv", f"/listings/{listing}", f"/reports?shop={shop_id}",
             f"/settings/sales-channels/{integration_id}/settings"]  # fmt: skip
    more += [f"/activity/{number}{tail}" for number in db.session.scalars(select(SyncRun.id)) for tail in ("", "/rows.csv")]
    for path in (*PATHS, *FILES, *more):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.get_data(as_text=True)[-600:])


def test_a_file_makes_formulas_harmless(client, shop):
    lived_in(shop)
    text = client.get("/listings/listings.csv").get_data(as_text=True)
    assert "'=1+1" in text and "'@evil" in text
    assert ",=1+1" not in text


def test_what_the_frame_sets_hides_nothing_that_a_page_is_given() -> None:
    """A name that base.html sets replaces one of the same name in every page: ``here`` once was the address that pages ask again."""
    templates = Path(__file__).resolve().parent.parent.parent / "templates"
    names = set(re.findall(r"{% set (\w+)", (templates / "base.html").read_text(encoding="utf-8")))
    pages = "".join(path.read_text(encoding="utf-8") for path in templates.rglob("*.html") if path.name != "base.html")
    assert {name for name in names if re.search(rf"\b{name}\b", pages)} == set()
