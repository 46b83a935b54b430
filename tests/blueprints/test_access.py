"""Who may use which route: every one states it, and every one keeps to it."""

from __future__ import annotations

import csv
import inspect
import io
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from blueprints.access import ANYONE, CUSTOMERS, OWNER, ROLES, SIGNED_IN, VIEWER
from extensions import db, writing
from models import Order
from models.user import ROLES as USER_ROLES
from services.orders import views
from tests.blueprints.pages import elements, htmx
from tests.support.planted import WORD
from tests.support.signed_in import FreshClient, sign_in
from tests.support.urls import Address, all_that_is_stored, every_address, example_values, page_rules, shown

NOT_ALLOWED = "Your role does not allow this."


@pytest.fixture
def addresses(app: Flask) -> list[Address]:
    return list(every_address(app, example_values(app)))


def needed_for(address: Address) -> str:
    return ROLES.get(address.endpoint, OWNER)


def allowed(address: Address, role: str) -> bool:
    """As a viewer, one who may not see who bought."""
    needed = needed_for(address)
    if role == "viewer" and address.endpoint in CUSTOMERS:
        return False
    return needed in (ANYONE, SIGNED_IN) or USER_ROLES.index(role) <= USER_ROLES.index(needed)


def ask(client: FreshClient, address: Address, **options):
    return client.open(address.path, method=address.method, **options)


def test_every_route_states_its_role(app: Flask) -> None:
    missing = sorted({rule.endpoint for rule in page_rules(app)} - set(ROLES))
    assert not missing, f"Name these in blueprints/access.py, with the least role they need: {missing}"


def test_no_role_is_stated_for_a_route_that_is_not_there(app: Flask) -> None:
    assert set(ROLES) - {rule.endpoint for rule in page_rules(app)} == set()


def test_only_signing_in_and_what_it_looks_like_is_open_to_anyone() -> None:
    assert {endpoint for endpoint, needed in ROLES.items() if needed == ANYONE} == {
        "static", "assets.show_asset", "accounts.first_run", "accounts.sign_in", "accounts.second_step", "accounts.set_password",
        "machines.show_health", "machines.show_readiness", "machines.show_metrics",
    }  # fmt: skip


def test_a_route_that_states_nothing_is_closed_to_all_but_owners(app: Flask) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "open")
    for role, status in (("viewer", 403), ("manager", 403), ("owner", 200)):
        client = app.test_client()
        sign_in(client, role, role)
        assert client.get("/forgotten").status_code == status
    assert app.test_client().get("/forgotten").status_code == 303


@pytest.mark.parametrize("csrf", [True, False])
def test_without_a_sign_in_every_route_asks_for_one_and_nothing_is_changed(
    app: Flask, addresses: list[Address], csrf: bool
) -> None:
    app.config["WTF_CSRF_ENABLED"] = csrf
    before = all_that_is_stored()
    for address in addresses:
        if needed_for(address) == ANYONE:
            continue
        answer = ask(app.test_client(), address)
        assert (answer.status_code, answer.location.split("?")[0]) == (303, "/sign-in"), address
        answer = ask(app.test_client(), address, headers=htmx("x"))
        assert (answer.status_code, answer.text) == (401, ""), address
        assert answer.headers["HX-Redirect"].startswith("/sign-in"), address
    assert all_that_is_stored() == before


@pytest.mark.parametrize("role", ["viewer", "manager"])
def test_what_a_role_may_not_is_refused_and_changes_nothing(app: Flask, addresses: list[Address], role: str) -> None:
    client = app.test_client()
    sign_in(client, role, role)
    before = all_that_is_stored()
    refused = [address for address in addresses if not allowed(address, role)]
    assert refused
    for address in refused:
        for headers in ({}, htmx("x")):
            answer = ask(client, address, headers=headers)
            assert answer.status_code == 403, address
            assert NOT_ALLOWED in answer.text, address
    assert all_that_is_stored() == before


@pytest.mark.parametrize("role", USER_ROLES)
@pytest.mark.sampled(1)
def test_what_a_role_may_is_not_refused(app: Flask, addresses: list[Address], role: str) -> None:
    for address in addresses:
        if allowed(address, role) and needed_for(address) != ANYONE:
            client = app.test_client()
            sign_in(client, "owner" if role == "owner" else role, role)
            answer = ask(client, address)
            assert answer.status_code < 500, address
            assert answer.status_code not in (401, 403), address
            assert not (answer.location or "").startswith("/sign-in?"), address


@pytest.mark.parametrize("role", USER_ROLES)
@pytest.mark.sampled(1)
def test_a_page_offers_nothing_its_reader_may_not_do(app: Flask, addresses: list[Address], role: str) -> None:
    """Every link and form of every page that a role sees leads where that role may go."""
    client = app.test_client()
    sign_in(client, "owner" if role == "owner" else role, role)
    matcher = app.url_map.bind("localhost")
    looked_at = 0
    for address in addresses:
        if address.method != "GET" or not allowed(address, role):
            continue
        answer = ask(client, address)
        if answer.status_code != 200 or answer.mimetype != "text/html":
            continue
        looked_at += 1
        places = [(item["href"], "GET") for item in elements(answer.text, "a") if item.get("href")]
        places += [(item.get("action") or address.path, item.get("method") or "get") for item in elements(answer.text, "form")]
        for place, method in places:
            path = place.split("?")[0].split("#")[0]
            if not path.startswith("/") or path.startswith("/api/"):
                continue
            endpoint, _ = matcher.match(path, method=method.upper().replace("DIALOG", "GET"))
            assert allowed(Address(endpoint, method, path), role), f"{address.path} offers {place} to a {role}"
    assert looked_at >= 6


SEARCHES = (
    "/orders?q=Planted", "/orders?q=planted%40customer.example", "/orders?q=customer.example", "/orders/orders.csv?q=Planted",
    "/orders/orders.csv?q=planted%40customer",
)  # fmt: skip


def fragments_of(app: Flask, address: Address) -> list[str]:
    """What htmx may ask for at an address: the ids its module looks for."""
    source = inspect.getsource(inspect.getmodule(app.view_functions[address.endpoint]))
    ids = re.findall(r'wants_fragment\(f?"([^"]+)"', source)
    return [re.sub("{.*}", address.path.rstrip("/").rpartition("/")[2], each) for each in ids]


def is_personal(text: str) -> bool:
    return WORD in text.lower()


def test_no_viewer_sees_personal_data_of_customers(app: Flask, addresses: list[Address]) -> None:
    """Every page, fragment, file and print-out there is, as a viewer who may not see who bought."""
    client = app.test_client()
    sign_in(client, "viewer", "viewer")
    seen = set()
    for address in addresses:
        if address.method != "GET" or not allowed(address, "viewer"):
            continue
        for headers in ({}, *(htmx(target) for target in fragments_of(app, address))):
            answer = ask(client, address, headers=headers)
            assert answer.status_code == 200 or answer.status_code in (302, 303, 404), address
            assert not is_personal(shown(answer)), address
            seen.add(headers.get("HX-Target") or answer.mimetype)
    assert {"text/html", "text/csv", "runs", "live", "stock-file"} <= seen
    for order_id in orders():
        for page in ("", "/packing-slip", "/print"):
            answer = client.get(f"/orders/{order_id}{page}")
            assert answer.status_code == 200
            assert not is_personal(answer.text), (order_id, page)
        assert client.get(f"/orders/{order_id}/raw").status_code == 403
    for number in ("1001", "planted-tracking", "planted@customer.example"):
        text = client.post("/orders/find", data={"number": number}).text.replace(number, "")
        assert not is_personal(text), number


@pytest.mark.parametrize("address", ["/orders", "/orders/orders.csv", "/orders/1", "/orders/1/raw", "/orders/1/packing-slip", "/orders/1/print"])  # fmt: skip
@pytest.mark.parametrize("who", ["owner", "manager", "a viewer who may"])
def test_who_may_see_who_bought_does(app: Flask, addresses: list[Address], address: str, who: str) -> None:
    client = app.test_client()
    sign_in(client, who, who if who in USER_ROLES else "viewer", sees_customers=True)
    assert is_personal(client.get(address).text)


def test_a_viewer_learns_nothing_of_customers_by_searching_or_sorting(app: Flask, addresses: list[Address]) -> None:
    with writing() as session:
        for order in session.query(Order):
            order.customer = f"{order.id} {order.customer}"
    viewer, manager = app.test_client(), app.test_client()
    sign_in(viewer, "viewer", "viewer")
    sign_in(manager, "manager", "manager")
    for place in SEARCHES:
        assert len(list(shown_orders(manager.get(place).text))) == 5, place
        assert not list(shown_orders(viewer.get(place).text)), place
    by_name = list(shown_orders(manager.get("/orders/orders.csv?sort=customer").text))
    newest = list(shown_orders(manager.get("/orders/orders.csv?sort=newest").text))
    assert by_name != newest
    assert list(shown_orders(viewer.get("/orders?sort=customer").text)) == newest
    assert viewer.get("/orders/orders.csv?sort=customer").status_code == 422
    assert [row.number for row in views.list_page(views.Wanted(sort="customer")).rows] == newest
    assert "sort=customer" not in viewer.get("/orders?sort=customer&q=100").text
    for search in ("1001", "SKU", "#1001"):
        assert "1001" in list(shown_orders(viewer.get("/orders", query_string={"q": search}).text)), search


def shown_orders(text: str) -> Iterator[str]:
    """The numbers of the orders in a list or its file, from first to last."""
    if "<html" in text:
        yield from (item.text for item in elements(text, "a") if re.fullmatch(r"/orders/[0-9]+(\?.*)?", item.get("href") or ""))
    else:
        yield from (row["number"] for row in csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))


def orders() -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(Order.id)))


def test_a_refusal_is_written_down(app: Flask, caplog) -> None:
    client = app.test_client()
    user_id = sign_in(client, "Vera", "viewer")
    client.post("/users/1/disable")
    assert f"user {user_id}, a viewer, was refused POST users.disable_user" in caplog.text


def test_who_may_only_look_changes_nothing_but_what_is_their_own(app: Flask) -> None:
    """Of the routes that take more than questions, a viewer has the account's own, and the question where an order is."""
    acts = {rule.endpoint for rule in page_rules(app) if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}}
    assert {each for each in acts if ROLES[each] == VIEWER} == {
        "lookup.find_order", "exports.download_export", "exports.press_enter",
    }  # fmt: skip
    assert {each.partition(".")[0] for each in acts if ROLES[each] == SIGNED_IN} == {
        "account",
        "accounts",
        "list_views",
        "notifications",
        "preferences",
        "tokens",
    }


def test_keys_users_and_removal_are_for_owners() -> None:
    for endpoint, needed in ROLES.items():
        if endpoint.startswith(("users.", "onboarding.", "reauthorise.", "removal.", "privacy.")):
            assert needed == OWNER, endpoint
