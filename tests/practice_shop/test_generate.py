"""A generated shop is believable, repeatable, quick to make and quick to serve; and the command that runs one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from practice_shop import PracticeShop, Store
from practice_shop.generate import fill
from tests.practice_shop.client import Client, page
from tests.support.processes import wait_until

NOW = 1_800_000_000
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def store():
    return fill(Store(clock=lambda: NOW), products=80, orders=400, days=30, seed=7)


def test_it_holds_what_was_asked_for(store):
    assert (len(store.products), len(store.orders)) == (80, 400)
    assert all(NOW - 30 * 86400 <= order.date <= NOW for order in store.orders.values())
    assert sorted(order.date for order in store.orders.values()) == [order.date for order in store.orders.values()]


def test_the_same_seed_gives_the_same_shop_and_another_seed_another():
    shops = [fill(Store(clock=lambda: NOW), products=10, orders=20, days=3, seed=seed) for seed in (1, 1, 2)]
    sold = [[(order.total, [item.sku for item in order.items]) for order in shop.orders.values()] for shop in shops]
    assert sold[0] == sold[1] != sold[2]


def test_its_sums_add_up_as_a_real_shops_do(store):
    for order in store.orders.values():
        goods = sum(item.net_price * item.amount for item in order.items)
        added = sum(row.value for row in order.surcharges if row.available and not row.include)
        assert order.total == pytest.approx(goods + added, abs=0.005)
    assert any(order.total != round(order.total, 2) for order in store.orders.values()), "real sums carry float noise"


def test_it_has_everything_a_client_has_to_cope_with(store):
    surcharges = [row for order in store.orders.values() for row in order.surcharges]
    assert any(row.type == "tax" and row.include for row in surcharges)
    assert any(row.type == "tax" and not row.include for row in surcharges)
    assert any(row.type == "discount" and row.value < 0 for row in surcharges)
    assert {row.name for row in surcharges if row.type == "handling"} == {"Packing fee", "Insured shipping"}
    assert any(item.product_id is None for item in store.items.values()), "a product sold and deleted"
    assert any(item.variant_id and item.attributes for item in store.items.values())
    assert any(not product.name.isascii() for product in store.products.values())
    assert any(not product.inventory_enabled for product in store.products.values())
    assert any(variant.default_amount for variant in store.variants.values())
    assert any(len(order.trackings) == 2 for order in store.orders.values())
    assert {store.statuses["payment"][order.payment_id].code for order in store.orders.values()} >= {"P", "C", "D", "Q"}


def test_a_large_shop_answers_a_page_the_same_from_memory():
    with PracticeShop(products=5000, orders=2000, days=60) as shop:
        client = Client(shop)
        first = [client.get("order", cnd=page(start, 100), _schema="complex") for start in range(0, 2000, 100)]
        again = [client.get("order", cnd=page(start, 100), _schema="complex") for start in range(0, 2000, 100)]
        assert first == again
        assert len({row["orderId"] for rows in first for row in rows}) == 2000


def test_a_rendered_page_is_made_again_once_what_it_shows_changes():
    store = Store(clock=lambda: NOW)
    store.add_product(sku="MUG", name="Mug", price=10, amount=10)
    order_id = store.place_order([(1, 1)])
    with PracticeShop(store=store) as shop:
        client = Client(shop)

        def row():
            return client.get("order", cnd=page(0, 10), _schema="complex")[0]

        assert row()["items"][0]["name"] == "Mug"
        client.put("product/1", {"translations": [{"code": "en", "name": "Cup"}]})
        assert row()["items"][0]["name"] == "Cup"
        store.set_status(order_id, shipping="S")
        assert row()["shippingStatus"] == "S"
        store.add_tracking(store.order(order_id), "1Z")
        assert row()["trackingNumber"] == "1Z"
        store.delete_product(1)
        assert row()["items"][0]["productId"] is None


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_end_point_and_keys_sells_and_stops_promptly(stop):
    command = [sys.executable, "-m", "practice_shop", "--port", "0", "--products", "5", "--orders", "3", "--seed", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, "--orders-per-minute", "1200", "--key", "K1", "--read-key", "K2"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    try:
        line = process.stdout.readline()
        url = next(word for word in line.split() if word.startswith("http://"))
        assert "K1" in line
        assert "K2" in line
        wait_until(lambda: requests.get(f"{url}/_practice/state", timeout=60).json()["orders"] > 3, 60, "a sale")
        process.send_signal(stop)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait(timeout=60)


def test_a_taken_port_gets_one_clear_sentence():
    with PracticeShop(products=1, orders=0) as shop:
        command = [sys.executable, "-m", "practice_shop", "--port", str(shop.port), "--products", "1", "--orders", "0"]
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=180)
    assert result.returncode == 1
    assert result.stderr.startswith("The practice shop cannot listen on 127.0.0.1:")
    assert "Traceback" not in result.stderr


def test_the_share_of_products_with_variants_can_be_chosen():
    assert not fill(Store(), products=50, orders=5, days=3, seed=1, variant_share=0).variants
    every = fill(Store(), products=50, orders=5, days=3, seed=1, variant_share=1)
    assert set(every.variants_of) >= set(every.products)
