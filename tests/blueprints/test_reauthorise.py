from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import db
from models import Draft, Integration
from practice_shop import PracticeShop, Store
from services import vault
from services.integrations import check_integration
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
    assert f"ends in {made.key_last4}" in page
    assert (practice.key or "!") not in page
    assert "My addons" in page


def test_save_tests_clears_and_resumes(client: FreshClient, made: Integration, practice: PracticeShop) -> None:
    practice.key = "a-new-key-for-this-shop"
    assert save(client, place(made), api_key=practice.key) == LIST
    seen = read_integration(made.id)
    assert (seen.health, seen.health_message, seen.writes_refused, seen.key_last4) == ("connected", "", False, "shop")
    assert vault.unseal(seen.key_sealed) == practice.key
    assert seen.orders_due_at is not None
    assert toasts(client.get(LIST).text) == ["Garden shop is reauthorised."]
    assert db.session.scalars(select(Draft)).all() == []


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
    assert check_integration(made.id).good
    assert read_integration(made.id).admin_script == "counter.php"


def test_what_is_made_of_the_address_is_shown(client: FreshClient, made: Integration) -> None:
    part = client.post(f"{place(made)}/address", data={"endpoint": "new.example/admin.php"}, headers=htmx("address")).text
    assert words(element(part, "strong").text) == "https://new.example"
    assert "My addons" in part


def test_a_blank_key_keeps_the_key(client: FreshClient, made: Integration, practice: PracticeShop) -> None:
    before = vault.unseal(made.key_sealed)
    assert save(client, place(made), api_key="") == LIST
    assert vault.unseal(read_integration(made.id).key_sealed) == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"api_key": "wrong-key-of-some-length"}, "does not accept the API key"),
        ({"api_key": "practice-read-key"}, "may read but not write"),
        ({"endpoint": "http://127.0.0.1:9"}, "refuses connections"),
    ],
)
def test_what_does_not_work_is_not_saved(client: FreshClient, made: Integration, changes: dict[str, str], said: str) -> None:
    address = save(client, place(made), **changes)
    assert address.startswith(place(made))
    page = client.get(address).text
    assert said in complaints(page)[0]
    assert element(page, "input", name="endpoint")["value"] == changes.get("endpoint", made.endpoint)
    seen = read_integration(made.id)
    assert (seen.endpoint, seen.key_sealed, seen.health) == (made.endpoint, made.key_sealed, "needs_reauthorising")


def test_what_cannot_be_an_address_is_not_even_tried(client: FreshClient, made: Integration) -> None:
    page = client.get(place(made)).text
    answer = client.post(place(made), data=form_data(page, "endpoint", endpoint="javascript:alert(1)"))
    assert answer.status_code == 422
    assert "That is no web address." in complaints(answer.text)[0]


def test_cancel_changes_nothing(client: FreshClient, made: Integration) -> None:
    address = save(client, place(made), api_key="wrong-key-of-some-length")
    cancel = element(client.get(address).text, "form", id="cancel")["action"]
    assert client.post(cancel).location == LIST
    assert read_integration(made.id).key_sealed == made.key_sealed
    assert db.session.scalars(select(Draft)).all() == []


def test_another_shop_behind_the_end_point_is_refused_with_the_reason(client: FreshClient, made: Integration) -> None:
    with PracticeShop(seed=99) as other:
        address = save(client, place(made), endpoint=other.url, api_key=other.key or "")
        said = complaints(client.get(address).text)[0]
        assert said == (
            f"Another shop answers at {other.url}: it does not have the orders that were downloaded from this one. "
            "Add it as a sales channel of its own instead."
        )
    assert read_integration(made.id).endpoint == made.endpoint


def test_the_same_shop_at_a_new_address_passes(client: FreshClient, made: Integration, practice: PracticeShop) -> None:
    with PracticeShop(store=practice.store) as moved:
        assert save(client, place(made), endpoint=moved.url) == LIST
        seen = read_integration(made.id)
        assert seen.endpoint == moved.url
        assert seen.shop_id == made.shop_id
        assert seen.shop.address == moved.url.removeprefix("http://")


def test_without_an_order_a_shop_is_known_by_its_address(client: FreshClient) -> None:
    store = Store()
    with PracticeShop(store=store) as shop, PracticeShop(store=store) as moved:
        made = connect(client, shop)
        work_off()
        assert save(client, place(made)) == LIST
        address = save(client, place(made), endpoint=moved.url)
        assert "Another shop answers" in complaints(client.get(address).text)[0]


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
    assert read_integration(made.id).key_sealed == b""


def test_an_end_point_of_another_integration_is_refused(client: FreshClient, made: Integration, practice: PracticeShop) -> None:
    other = add_integration("Other shop", endpoint="https://elsewhere.example")
    with PracticeShop(store=practice.store) as moved:
        change_integration(other, endpoint=moved.url)
        address = save(client, place(made), endpoint=moved.url)
        assert "That end point belongs to Other shop." in complaints(client.get(address).text)[0]
