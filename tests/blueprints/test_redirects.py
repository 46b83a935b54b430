"""Addresses of earlier versions lead to where the pages are now."""

import pytest

from blueprints.redirects import MOVED


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_address_leads_to_a_page(client, app, old, new):
    path = old.replace("<int:id>", "7").replace("<token>", "abc")
    answer = client.get(f"{path}?page=2&q=a%20b")
    assert answer.status_code == 308
    target = new.format(id=7, token="abc")
    assert answer.location == f"{target}?page=2&q=a%20b"
    methods = app.url_map.bind("localhost").allowed_methods(target)
    assert methods, f"there is no page {target}"


def test_a_form_sent_to_an_old_address_keeps_its_method(client):
    answer = client.post("/orders/ticked", data={"act": "ship"})
    assert (answer.status_code, answer.location) == (308, "/orders/selected")
    assert client.post(answer.location, data={"act": "ship"}).status_code == 303


def test_a_former_value_of_a_filter_leads_to_its_new_name(client):
    answer = client.get("/orders?q=a%20%26b&state=untold&page=2")
    assert (answer.status_code, answer.location) == (308, "/orders?q=a+%26b&state=not_sent&page=2")
    assert client.get("/orders/orders.csv?state=untold").location == "/orders/orders.csv?state=not_sent"


def test_other_unknown_addresses_are_not_found(client):
    assert client.get("/orders/ticked/more").status_code == 404
