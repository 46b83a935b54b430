"""Today: every number leads to exactly its rows, a new installation is guided, and a feature adds its entry without a change here."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from blueprints.today import registry
from blueprints.today.registry import Entry, Line
from extensions import db, writing
from models import DailyReconciliation, FlowKind, Integration, Order, RunItem, Shop
from models.types import utcnow
from services.accounts import users
from services.integrations import lifecycle
from tests.blueprints.pages import element, elements, words
from tests.blueprints.rows import add_finished_run, add_integration, change_integration
from tests.support.planted import plant
from tests.support.rows import make_item, make_listing, make_order
from tests.support.signed_in import FreshClient, sign_in


@pytest.fixture
def lived_in(app: Flask) -> int:
    """A shop with something for every entry."""
    integration_id = add_integration()
    plant(integration_id)
    integration = db.session.get_one(Integration, integration_id)
    make_item("EMPTY", 0)
    for number in ("2001", "2002"):
        order = make_order(integration, number, [("NOWHERE", 1)], state="on_hold")
        with writing() as session:
            session.execute(
                update(Order).where(Order.id == order.id).values(held_codes=["sums", "unknown_sku"], held_reason="Both.")
            )
    run_id = add_finished_run(integration_id, kind="stock", outcome="waiting")
    make_listing(integration, "GONE", 3, missed=1)
    with writing() as session:
        session.add_all(
            RunItem(run_id=run_id, external_id=str(n), sku=f"S{n}", result="preview", now=1, wanted=2) for n in range(3)
        )
        session.execute(update(Integration).values(waiting_run_id=run_id))
        session.execute(update(Shop).values(loss_at=utcnow(), loss_count=1, loss_known=3))
        session.add(DailyReconciliation(
            shop_id=integration.shop_id, day=utcnow().date() - timedelta(days=9), shop_orders=1, our_orders=0, differences=[{"number": "1"}],
        ))  # fmt: skip
    return integration_id


def lines(page: str) -> dict[str, tuple[str, str]]:
    """The numbers on Today: label -> (number, address)."""
    found = {}
    for link in (each for each in elements(page, "a") if "today-line" in (each.get("class") or "")):
        number, _, label = words(link.text).partition(" ")
        found[label] = number, link["href"]
    return found


def rows_of(client: FreshClient, address: str) -> int:
    """How many rows the page at an address lists."""
    page = client.get(address)
    assert page.status_code == 200, address
    main = page.text[page.text.index('id="main"') :]
    return main.partition("<tbody")[2].partition("</tbody>")[0].count("<tr")


def test_each_number_leads_to_exactly_its_rows(client: FreshClient, lived_in: int) -> None:
    found = lines(client.get("/today").text)
    for label, (number, address) in found.items():
        assert number == str(rows_of(client, address)), (label, address)
    assert {label: number for label, (number, _) in found.items()} == {
        "ready to ship": "1", "shipped in part": "1", "The SKU is not one of our stock items": "3", "The sums disagree": "2",
        "listings in the stock update of Garden shop": "3", "listings missing in Garden shop": "1", "cancelled in the shop, not seen yet": "1",
        "tracking to enter, or something else to do": "1", "out of stock": "1",
        "with differences between shop and Cartlink": "1", "waiting for your approval": "1", "unknown codes": "1",
    }  # fmt: skip


def test_numbers_lead_to_their_rows_for_everybody_and_where_a_shop_is_off_or_removed(client: FreshClient, lived_in: int) -> None:
    def labels() -> set[str]:
        found = lines(client.get("/today").text)
        for label, (number, address) in found.items():
            assert number == str(rows_of(client, address)), (label, address)
        return set(found)

    as_owner = labels()
    sign_in(client, "Mia", "manager")
    assert labels() == as_owner
    sign_in(client, "Vic", "viewer")
    assert labels() <= as_owner
    lifecycle.set_enabled(lived_in, False, "user:owner")
    assert {"disabled"} <= labels() <= as_owner | {"disabled"}, (
        "somebody who looks for orders of this shop sees why there are none"
    )
    lifecycle.remove_integration(lived_in, "user:owner")
    assert labels() == {"out of stock", "waiting for your approval", "unknown codes"}, "nothing of a removed shop is work"


def test_a_shop_that_somebody_has_disabled_is_not_said_not_to_work(client: FreshClient) -> None:
    """It stood on Today, first and in red, for as long as it was disabled."""
    shop_id = add_integration(name="Toy shop", writes_refused=True)
    with writing() as session:
        session.get_one(Integration, shop_id).flows[FlowKind.ORDERS].failing_since = utcnow()
    assert "not working: Toy shop" in lines(client.get("/today").text)
    lifecycle.set_enabled(shop_id, False, "user:owner")
    found = lines(client.get("/today").text)
    assert "not working: Toy shop" not in found and found["disabled"][0] == "1"


def test_a_shop_that_does_not_work_is_named_first_and_what_it_waits_for_is_counted_once(
    client: FreshClient, lived_in: int
) -> None:
    """'2 need attention' stood there while a shop had held orders, and just the same when its orders no longer arrived."""
    page = client.get("/today").text
    assert "No shop has a problem." in words(element(page, "section", aria_labelledby="today-shops").text)
    add_integration(name="Toy shop", health="needs_reauthorising")
    page = client.get("/today").text
    headings = [words(each.text) for each in elements(page, "h2")]
    assert headings.index("Shops") < headings.index("Ready to ship")
    assert lines(page)["not working: Toy shop"] == ("1", "/settings/sales-channels?status=trouble")
    assert rows_of(client, "/settings/sales-channels?status=trouble") == 1
    make_listing(db.session.get_one(Integration, lived_in), "NO", 3, push_state="refused", push_error="It is refused.")
    found = lines(client.get("/today").text)
    assert found["with quantities that the shop refused"] == ("1", "/settings/sales-channels?status=refused")
    assert rows_of(client, "/settings/sales-channels?status=refused") == 1


def test_what_is_left_to_set_up_does_not_stand_before_the_work(client: FreshClient) -> None:
    assert words(elements(client.get("/today").text, "h2")[0].text) == "Start here"
    add_integration()
    headings = [words(each.text) for each in elements(client.get("/today").text, "h2")]
    assert headings.index("Still to set up") > headings.index("Ready to ship")


def test_a_feature_adds_its_entry_and_may_replace_one(
    client: FreshClient, lived_in: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    registry.add(Entry("returns", "Returns", lambda: [Line(7, "to receive", "/orders")], "None.", 15, "orders.list_orders"))
    registry.add(
        Entry("low_stock", "Low stock", lambda: [Line(9, "below their threshold", "/stock")], "None.", 50, "stock.list_stock")
    )
    registry.add(Entry("secret", "Secret", lambda: [Line(1, "for owners", "/users")], "None.", 99, "users.list_users"))
    page = client.get("/today").text
    headings = [words(each.text) for each in elements(page, "h2")]
    assert headings.index("Returns") + 1 == headings.index("On hold")
    assert lines(page)["below their threshold"] == ("9", "/stock") and "out of stock" not in lines(page)
    sign_in(client, "Vic", "viewer")
    assert "Secret" not in client.get("/today").text


def test_a_new_installation_is_guided_by_what_is_left_to_do(client: FreshClient) -> None:
    page = client.get("/today").text
    steps = [words(each.text) for each in elements(page, "h3")]
    assert steps == ["Connect a shop", "Set up email", "Invite someone", "Make a backup"]
    assert [words(each.text) for each in elements(page, "a") if "btn-primary" in (each.get("class") or "")] == ["Connect a shop"]
    assert 'id="today-' not in page, "an entry says nothing before there is anything that it can be about"
    users.create_user("Ben", "viewer", "user:owner")
    sign_in(client, "Ben", "viewer")
    assert "No shop is connected yet." in words(client.get("/today").text)
    sign_in(client, "owner", "owner")
    integration_id = add_integration()
    headings = [words(each.text) for each in elements(client.get("/today").text, "h2")]
    assert "Ready to ship" in headings and not {"Daily reconciliation", "Low stock", "Suppliers", "Exports"} & set(headings)
    change_integration(integration_id, created_at=utcnow() - timedelta(days=2))
    make_item("CUP", 3)
    page = words(client.get("/today").text)
    assert "Yesterday has not been compared yet." in page and "Nothing is low or out of stock." in page
    assert [words(each.text) for each in elements(client.get("/today").text, "h3")] == ["Set up email", "Make a backup"]
    sign_in(client, "Ben", "viewer")
    assert not elements(client.get("/today").text, "h3")


def test_it_asks_no_more_for_many_orders(client: FreshClient, lived_in: int) -> None:
    """Counts stop at a limit, and no statement is sent for each order."""
    from tests.blueprints.test_lists import asked

    before = asked(client, "/today")
    integration = db.session.get_one(Integration, lived_in)
    for number in range(5):
        make_order(integration, f"3{number}", [("NOWHERE", 1)], state="on_hold")
    assert asked(client, "/today") == before <= 30
