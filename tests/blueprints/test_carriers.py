"""Carriers: suggested when orders are shipped, and the links with which parcels are tracked."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from channels import facts_of
from extensions import db, writing
from models import Carrier, Integration, Order, Shipment
from services.security import trail
from services.shipping import carriers
from tests.blueprints.pages import complaints, element, elements, form_data
from tests.support.rows import make_integration, make_item, make_order
from tests.support.signed_in import sign_in

LIST = "/settings/carriers"


@pytest.fixture
def order(app) -> int:
    return make_order(make_integration("Outlet"), "1001", [(make_item("CUP"), 2)]).id


def add_parcel(order_id: int, carrier: str, tracking_number: str) -> None:
    with writing() as session:
        session.add(Shipment(order_id=order_id, carrier=carrier, tracking_number=tracking_number, actor="user:owner"))


@pytest.mark.parametrize(
    ("carrier", "number", "link"),
    [
        ("Royal Mail", "AB 1/2", "https://www.royalmail.com/track-your-item#/tracking-results/AB%201%2F2"),
        ("royal-mail", "AB12", "https://www.royalmail.com/track-your-item#/tracking-results/AB12"),
        ("united parcel service", "1Z", "https://www.ups.com/track?tracknum=1Z"),
        ("Hermes UK", "H1", "https://www.evri.com/track/parcel/H1"),
        ("Hermes", "H1", "https://www.myhermes.de/empfangen/sendungsverfolgung/sendungsinformation/#H1"),
        ("My cousin", "7", ""),
        ("", "7", ""),
        ("UPS", "", ""),
    ],
)
def test_a_parcel_is_tracked_by_the_name_of_its_carrier_or_another_name_of_it(app, carrier, number, link):
    assert carriers.read_links().link(carrier, number) == link


def test_the_parcels_of_an_order_are_links_for_those_who_may_see_customers(app, client, order):
    add_parcel(order, "UPS", "1Z999")
    add_parcel(order, "My cousin", "7")
    page = client.get(f"/orders/{order}").text
    link = element(page, "a", href="https://www.ups.com/track?tracknum=1Z999")
    assert (link["rel"], link["target"]) == ("noopener noreferrer", "_blank")
    assert "My cousin" in page
    viewer = app.test_client()
    sign_in(viewer, "viewer", "viewer")
    page = viewer.get(f"/orders/{order}").text
    assert "UPS" in page and "1Z999" not in page and "ups.com" not in page


def test_carriers_are_suggested_and_none_is_filled_in_before_one_was_used(client, order):
    page = client.get(f"/orders/{order}").text
    assert element(page, "input", id="carrier")["value"] == ""
    suggested = [option["value"] for option in elements(page, "option")]
    assert {"Royal Mail", "DPD", "DHL", "UPS", "FedEx", "USPS", "Evri", "GLS", "Hermes"} <= set(suggested)
    add_parcel(order, "ups", "1Z999")
    page = client.get(f"/orders/{order}").text
    assert element(page, "input", id="carrier")["value"] == "ups"
    suggested = [option["value"] for option in elements(page, "option")]
    assert suggested[0] == "ups" and "UPS" not in suggested
    assert "Royal Mail" in client.get(f"/orders/ship?order={order}").text


def test_a_carrier_is_added_changed_and_removed_and_the_audit_trail_says_so(client, order):
    add_parcel(order, "Bike", "B 1")
    url = "https://bikes.example/?n={number}"
    page = client.get(f"{LIST}/new").text
    sent = form_data(page, "aliases", name="Bike couriers", aliases="Bike\nbike couriers\n", tracking_url=url)
    assert client.post(f"{LIST}/new", data=sent).status_code == 303
    assert element(client.get(f"/orders/{order}").text, "a", href="https://bikes.example/?n=B%201")
    made = db.session.scalar(select(Carrier).where(Carrier.name == "Bike couriers"))
    assert made is not None and made.aliases == ["Bike"]
    page = client.get(f"{LIST}/{made.id}").text
    client.post(f"{LIST}/{made.id}", data=form_data(page, "aliases", tracking_url=""))
    assert "bikes.example" not in client.get(f"/orders/{order}").text
    assert client.post(f"{LIST}/{made.id}/remove", data={}).status_code == 303
    assert "Bike couriers" not in client.get(LIST).text
    kinds = [(row.what, row.subject) for row in trail.list_page(trail.Wanted(object="carrier")).rows]
    assert kinds == [("Carrier removed", "Bike couriers"), *[("Carrier saved", "Bike couriers")] * 2]


@pytest.mark.parametrize(
    ("name", "aliases", "url", "said"),
    [
        ("", "", "", "Enter a name."),
        ("royal mail", "", "", "Another carrier has the name royal mail (Royal Mail)."),
        ("New", "DHL Express", "", "Another carrier has the name DHL Express (DHL)."),
        ("New", "", "https://carrier.example/", "needs {number}"),
        ("New", "", "javascript:alert({number})", "has to be a web address"),
        ("New", "", "https://{number}.example/", "needs {number}"),
        ("New", "\n".join(map(str, range(21))), "", "more than 20 other names"),
    ],
)
def test_what_cannot_be_a_carrier_is_refused_and_the_input_kept(client, name, aliases, url, said):
    sent = form_data(client.get(f"{LIST}/new").text, "aliases", name=name, aliases=aliases, tracking_url=url)
    answer = client.post(f"{LIST}/new", data=sent)
    assert answer.status_code == 422
    assert said in " ".join(complaints(answer.text))
    assert element(answer.text, "input", name="tracking_url")["value"] == url


def test_an_order_is_opened_in_the_admin_area_of_a_shop_whose_path_is_known(client, order):
    link = "http://127.0.0.1:9/admin.php?target=order&order_number=1001"
    assert element(client.get(f"/orders/{order}").text, "a", href=link).text == "Open in the shop"
    for table, values in ((Order, {"gone_at": Order.placed_at}), (Integration, {"generation": "api"})):
        with writing() as session:
            session.query(table).update(values)
        assert "Open in the shop" not in client.get(f"/orders/{order}").text
        with writing() as session:
            session.query(table).update({"gone_at": None} if table is Order else {"generation": "addon"})


def test_the_address_of_an_order_keeps_a_renamed_admin_script_and_escapes_the_number():
    page = facts_of("xcart").order_page
    assert (
        page("https://a.example/shop", "counter.php", "addon", "A&1")
        == "https://a.example/shop/counter.php?target=order&order_number=A%261"
    )
    assert page("https://a.example", "admin.php", "addon", "") == "" == page("https://a.example", "admin.php", "api", "1")
