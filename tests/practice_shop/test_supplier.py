"""The supplier beside the practice shop: its stock list, and what of it changes."""

from __future__ import annotations

import csv
import io
import urllib.error
import urllib.request

import pytest

from channels.remote_files import Place, Unchanged, failures, fetch
from practice_shop import PracticeShop, supplier
from tests.support.remote_files import quick


@pytest.fixture
def shop():
    with PracticeShop(products=40, orders=0) as running:
        yield running
        assert running.failures == []


def rows(body: bytes) -> dict[str, int]:
    table = csv.DictReader(io.StringIO(body.decode()))
    return {row["Supplier SKU"]: int(row["Stock"]) for row in table}


def place(shop: PracticeShop, path: str, **more: str) -> Place:
    return Place("https", f"http://127.0.0.1:{shop.port}{path}", **more)


def test_it_lists_every_sku_of_the_shop_and_a_part_of_them_changes_each_minute(shop):
    now = 1_790_000_000
    before = rows(supplier.stock_list(shop.store, now))
    named = {each.sku for each in (*shop.store.products.values(), *shop.store.variants.values()) if each.sku}
    assert set(before) == named and len(named) > 40
    assert rows(supplier.stock_list(shop.store, now // 60 * 60 + 59)) == before
    changed = [sku for minutes in range(1, 11) for sku, count in rows(supplier.stock_list(shop.store, now + 60 * minutes)).items()
               if count != rows(supplier.stock_list(shop.store, now + 60 * minutes - 60))[sku]]  # fmt: skip
    assert 0.9 * len(named) < len(changed) <= len(named)
    assert sum(count == 0 for count in before.values()) < 0.2 * len(before)


def test_a_client_gets_it_once_and_with_a_sign_in_where_one_is_wanted(shop):
    limits = quick(shop)
    shop.store.now = lambda: 1_790_000_000
    with fetch(place(shop, "/supplier/stock.csv"), None, limits) as got:
        assert rows(got.content.read()) and got.modified is not None
    assert fetch(place(shop, "/supplier/stock.csv"), got.seen, limits) == Unchanged(got.seen)
    with pytest.raises(failures.SignInRefused):
        fetch(place(shop, "/supplier/basic/stock.csv"), None, limits)
    signed = place(shop, "/supplier/basic/stock.csv", auth="basic", user=supplier.USER, secret=supplier.PASSWORD)
    with fetch(signed, None, limits) as again:
        assert again.digest == got.digest
    assert shop.requests == []


@pytest.mark.parametrize(("path", "method", "status"), [("/supplier/x.csv", "GET", 404), ("/supplier/stock.csv", "PUT", 405)])
def test_nothing_else_is_there(shop, path, method, status):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{shop.port}{path}", method=method), timeout=60)
    assert caught.value.code == status
