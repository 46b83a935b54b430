from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import db
from models import Draft, Integration, Order
from practice_shop import PracticeShop, Store
from services.monitoring.probes import probe_integration
from services.security import trail, vault
from tests.blueprints.pages import complaints, element, form_data, htmx, toasts, words
from tests.blueprints.queues import work_off
from tests.blueprints.rows import add_integration, change_integration, read_integration
from tests.blueprints.walks import LIST, begin, connect, give_shop
from tests.support.signed_in import FreshClient


@pytest.fixture
def made(client: FreshClient, practice: PracticeShop) -> Integration:
    """A connected shop whose orders are downloaded, and whose key was then rejected."""
    integration = connect(client, practice)
    work_off()
    change_integration(integration.id, health="needs_reauthorising", health_message="The key is wrong.", writes_refused=True)
    return read_integration(integration.id)


def place(integration: Integration) -> str:
    return f"{LIST}/{integration.id}/reauthorise"


def save(client: FreshClient, address: str, **changes: str) -> str:
    """‘Save’, and the wait for the test; answers with the address that follows."""
    page = client.get(address).text
    answer = client.post(address, data=form_data(page, "endpoint", **changes))
    assert answer.status_code == 303, complaints(answer.text)
    work_off("checks")
    return client.get(answer.location).location


def test_it_shows_the_end_point_and_only_the_end_of_the_key(
    client: FreshClient, made: Integration, practice: PracticeShop
) -> None:
    page = client.get(place(made)).text
    assert element(page, "input", name="endpoint")["value"] == practice.url
    assert f"A key ending in ‘{made.key_last4}’ is saved. Leave blank to keep it." in words(page)
    assert (practice.key or "!") not in page
    assert "My addons" in page


def test_save_tests_clears_and_resumes(client: FreshClient, made: Integration, practice: PracticeShop) -> None:
    practice.key = "a-new-key-for-this-shop"
    assert save(client, place(made), api_key=practice.key) == LIST
    seen = read_integration(made.id)
    assert (seen.health, seen.health_message, seen.writes_refused, seen.key_last4) == ("connected", "", False, "shop")
    assert vault.decrypt(seen.key_encrypted) == practice.key
    assert seen.flows["orders"].due_at is not None
    assert recorded(made.id) == [("API key", "–", "changed")]
    assert toasts(client.get(LIST).text) == ["Garden shop is reauthorised."]
    assert db.session.scalars(select(Draft)).all() == []


def recorded(integration_id: int) -> list[tuple[str, str, str]]:
    """What the trail says of the last reauthorisation."""
    found = trail.list_page(trail.Wanted(object="integration", object_id=integration_id)).rows
    return next((entry.changes for entry in found if entry.kind == "integration.reauthorised"), [])


def test_a_key_that_was_not_entered_again_is_not_recorded_as_changed(
    client: FreshClient, made: Integration, practice: PracticeShop
) -> None:
    assert save(client, place(made)) == LIST
    assert recorded(made.id) == []
    assert save(client, place(made), api_key=practice.key or "") == LIST
    assert recorded(made.id) == []
    page = client.get(f"{LIST}/{made.id}").text
    assert "API key" not in page[page.index('id="history"') :].partition("</section>")[0]


def test_a_renamed_admin_script_is_kept(client: FreshClient, practice: PracticeShop) -> None:
    practice.mode.set(admin_script="counter.php")
    step = give_shop(client, begin(client), f"{practice.url}/counter.php", practice.key or "")
    client.post(step, data=form_data(client.get(step).text, "with_variants"))
    made = db.session.scalars(select(Integration)).one()
    page = client.get(place(made)).text
    assert element(page, "input", name="endpoint")["value"] == f"{practice.url}/counter.php"
    assert element(page, "a", href=f"{practice.url}/counter.php")
    practice.key = "a-new-key-for-this-shop"
    work_off()
    assert save(client, place(made), api_key=practice.key) == LIST
    seen = read_integration(made.id)
    assert (seen.endpoint, seen.admin_script, seen.key_last4) == (practice.url, "counter.php", "shop")
    assert probe_integration(made.id).good
    assert read_integration(made.id).admin_script == "counter.php"


def test_what_is_made_of_the_address_is_shown(client: FreshClient, made: Integration) -> None:
    part = client.post(f"{place(made)}/address", data={"endpoint": "new.example/admin.php"}, headers=htmx("address")).text
    assert words(element(part, "strong").text) == "https://new.example"
    assert "My addons" in part


def test_a_blank_key_keeps_the_key(client: FreshClient, made: Integration, practice: PracticeShop) -> None:
    before = vault.decrypt(made.key_encrypted)
    assert save(client, place(made), api_key="") == LIST
    assert vault.decrypt(read_integration(made.id).key_encrypted) == before


def test_a_rejected_key_is_not_called_saved(client: FreshClient, made: Integration) -> None:
    page = client.get(save(client, place(made), api_key="wrong-key-of-some-length")).text
    assert "The key ending in ‘ngth’ does not work and was not saved." in words(page)
    assert "is saved" not in words(page) and "Leave blank" not in words(page)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"api_key": "wrong-key-of-some-length"}, "does not accept the API key"),
        ({"api_key": "practice-read-key"}, "may read but not write"),
        ({"endpoint": "http://127.0.0.1:9"}, "refuses connections"),
    ],
)
@pytest.mark.sampled(2)
def test_what_does_not_work_is_not_saved(client: FreshClient, made: Integration, changes: dict[str, str], said: str) -> None:
    address = save(client, place(made), **changes)
    assert address.startswith(place(made))
    page = client.get(address).text
    assert said in complaints(page)[0]
    assert element(page, "input", name="endpoint")["value"] == changes.get("endpoint", made.endpoint)
    seen = read_integration(made.id)
    assert (seen.endpoint, seen.key_encrypted, seen.health) == (made.endpoint, made.key_encrypted, "needs_reauthorising")


def test_what_cannot_be_an_address_is_not_even_tried(client: FreshClient, made: Integration) -> None:
    page = client.get(place(made)).text
    answer = client.post(place(made), data=form_data(page, "endpoint", endpoint="javascript:alert(1)"))
    assert answer.status_code == 422
    assert "That is no web address." in complaints(answer.text)[0]


def test_cancel_changes_nothing(client: FreshClient, made: Integration) -> None:
    address = save(client, place(made), api_key="wrong-key-of-some-length")
    cancel = element(client.get(address).text, "form", id="cancel")["action"]
    assert client.post(cancel).location == LIST
    assert read_integration(made.id).key_encrypted == made.key_encrypted
    assert db.session.scalars(select(Draft)).all() == []


def test_another_shop_behind_the_end_point_is_refused_with_the_reason(client: FreshClient, made: Integration) -> None:
    with PracticeShop(seed=99) as other:
        address = save(client, place(made), endpoint=other.url, api_key=other.key or "")
        said = complaints(client.get(address).text)[0]
        assert said.startswith(
            f"Another shop answers at {other.url}: it does not have the orders that were downloaded from this one. Stored is order "
        ) and said.endswith(" in its place. Add it as a new sales channel instead.")
        stored = db.session.scalars(select(Order).order_by(Order.placed_at.desc())).first()
        there = other.store.order(int(stored.external_id))
        assert f"order {stored.number} of {stored.placed_at:%d %b %Y, %H:%M} UTC; that shop shows order {there.number} of" in said
    assert read_integration(made.id).endpoint == made.endpoint


def test_the_same_shop_at_a_new_address_passes(client: FreshClient, made: Integration, practice: PracticeShop) -> None:
    with PracticeShop(store=practice.store) as moved:
        assert save(client, place(made), endpoint=moved.url) == LIST
        seen = read_integration(made.id)
        assert seen.endpoint == moved.url
        assert seen.shop_id == made.shop_id
        assert seen.shop.address == moved.url.removeprefix("http://")


def test_while_it_is_tested_the_page_waits(client: FreshClient, made: Integration) -> None:
    page = client.get(place(made)).text
    wait = client.post(place(made), data=form_data(page, "endpoint")).location
    part = client.get(wait, headers=htmx("check")).text
    assert "Waiting for a worker" in words(part)
    assert 'http-equiv="refresh"' in client.get(wait).text
    work_off("checks")
    assert client.get(wait, headers=htmx("check")).headers["HX-Redirect"] == LIST


def test_removed_while_it_was_tested(client: FreshClient, made: Integration) -> None:
    page = client.get(place(made)).text
    wait = client.post(place(made), data=form_data(page, "endpoint")).location
    client.post(f"{LIST}/{made.id}/remove")
    work_off("checks")
    answer = client.get(wait, follow_redirects=False)
    assert answer.status_code in (303, 404)
    assert read_integration(made.id).removed_at is not None
    assert read_integration(made.id).key_encrypted == b""


def test_an_end_point_of_another_integration_is_refused(client: FreshClient, made: Integration, practice: PracticeShop) -> None:
    other = add_integration("Other shop", endpoint="https://elsewhere.example")
    with PracticeShop(store=practice.store) as moved:
        change_integration(other, endpoint=moved.url)
        address = save(client, place(made), endpoint=moved.url)
        assert "That end point belongs to Other shop." in complaints(client.get(address).text)[0]


def of_products(*skus: str) -> Store:
    """A shop with these products and no order."""
    store = Store()
    for sku in skus:
        store.add_product(sku=sku, name=sku, price=10, amount=5)
    return store


@pytest.mark.parametrize(
    ("there", "said"), [(("CUP", "PLATE"), ""), (("CUP", "PLATE", "BOWL"), ""), (("LAMP", "BULB"), "does not have the products")]
)
def test_a_shop_without_orders_is_known_by_its_products_at_a_new_address(
    client: FreshClient, there: tuple[str, ...], said: str
) -> None:
    with PracticeShop(store=of_products("CUP", "PLATE")) as shop, PracticeShop(store=of_products(*there)) as elsewhere:
        made = connect(client, shop)
        work_off()
        address = save(client, place(made), endpoint=elsewhere.url, api_key=elsewhere.key or "")
        if said:
            assert said in complaints(client.get(address).text)[0]
        assert read_integration(made.id).endpoint == (shop.url if said else elsewhere.url)


def test_a_shop_of_which_nothing_is_stored_may_move_anywhere(client: FreshClient) -> None:
    with PracticeShop(store=Store()) as shop, PracticeShop(store=of_products("LAMP")) as elsewhere:
        made = connect(client, shop)
        work_off()
        assert save(client, place(made), endpoint=elsewhere.url, api_key=elsewhere.key or "") == LIST
        assert read_integration(made.id).endpoint == elsewhere.url


def test_a_new_key_is_taken_though_the_stored_orders_were_deleted_there(
    client: FreshClient, made: Integration, practice: PracticeShop
) -> None:
    for order_id in list(practice.store.orders):
        practice.store.delete_order(order_id)
    practice.key = "a-new-key-for-this-shop"
    assert save(client, place(made), api_key=practice.key) == LIST
    assert read_integration(made.id).key_last4 == "shop"
    with PracticeShop(store=of_products("LAMP")) as elsewhere:
        address = save(client, place(made), endpoint=elsewhere.url, api_key=elsewhere.key or "")
        assert "does not have the orders" in complaints(client.get(address).text)[0]


def test_a_shop_without_orders_is_not_moved_to_a_copy_of_another_connected_one(
    client: FreshClient, made: Integration, practice: PracticeShop
) -> None:
    """The orders of the other one would come in twice."""
    with PracticeShop(store=Store()) as shop, PracticeShop(store=practice.store.snapshot()) as copy:
        empty = connect(client, shop, "Empty shop")
        work_off()
        address = save(client, place(empty), endpoint=copy.url, api_key=copy.key or "")
        assert "That shop is connected already, as Garden shop." in complaints(client.get(address).text)[0]
        assert read_integration(empty.id).endpoint == shop.url
