"""Add-ons older than the observed one, as their program code and release notes have it."""

import pytest

from practice_shop import PracticeShop, Store
from tests.practice_shop.client import Client


@pytest.fixture
def shop():
    store = Store()
    store.add_product(sku="MUG", name="Mug", price=10, amount=10)
    store.add_product(sku="CUP", name="Cup", price=10, amount=10)
    store.place_order([(1, 1)])
    with PracticeShop(store=store) as shop:
        yield shop
        assert shop.failures == []


@pytest.fixture
def client(shop):
    return Client(shop)


def form(client, path, data):
    url = f"{client.shop.url}/admin.php?target=RESTAPI&_path={path}&_key={client.key}"
    return client.session.put(url, data=data, timeout=10)


def test_before_json_bodies_a_json_put_is_ignored_with_a_200(shop, client):
    shop.mode.set(addon_age="5.3")
    assert client.put("product/1", {"amount": 3})["amount"] == 9
    form(client, "product/1", {"model[amount]": "3"})
    assert shop.store.amount(1) == 3
    assert len(client.get("product", cnd=[("limit][0", 0), ("limit][1", 1)])) == 1


def test_the_oldest_has_no_paging_one_key_and_quantities_of_their_own(shop, client):
    shop.mode.set(addon_age="5.1")
    rows = client.get("product", cnd=[("limit][0", 0), ("limit][1", 1)])
    assert len(rows) == 2
    assert "amount" not in rows[0]
    assert client.get("product/1")["inventory"]["amount"] == 9
    form(client, "product/1", {"amount": "3"})
    assert shop.store.amount(1) == 9
    form(client, "product/1", {"inventory[amount]": "3"})
    assert shop.store.amount(1) == 3
    assert "orderId" not in client.get("order", _schema="complex")[0]
    assert Client(shop, shop.read_key).call("GET", "product/1").status_code == 403


def test_only_known_ages_can_be_set(shop):
    with pytest.raises(ValueError, match="addon_age is one of"):
        shop.mode.set(addon_age="4.7")
