"""What programs set up of a shop: its settings, the links of its listings, and its removal."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from extensions import db, writing
from models import Allocation, Integration, Shop
from services.security import trail
from tests.api.conftest import Program, problem
from tests.support.rows import make_integration, make_item, make_listing, make_order

pytestmark = pytest.mark.both_databases


def with_version(erp: Program, method: str, path: str, version: str | None = None, **options: Any) -> Any:
    return erp.ask(method, path, headers={"If-Match": f'"{version or erp.get(path.partition("?")[0])["version"]}"'}, **options)


def test_settings_are_changed_as_on_the_page(erp: Program):
    shop = make_integration()
    path = f"/integrations/{shop.id}/settings"
    before = erp.get(path)
    assert (before["use_tax"], before["stock_cap"], before["zone"]) == (False, None, "UTC")
    problem(erp.ask("PATCH", path, json={"use_tax": True}), 428, "precondition_required")
    problem(with_version(erp, "PATCH", path, "x", json={"use_tax": True}), 412, "version_mismatch")
    changes = {
        "use_tax": True,
        "stock_cap": 5,
        "zone": "Europe/Vienna",
        "stock_every": 120,
        "name": "Garden",
        "cancelled_status": "WFA",
    }
    status = next(each for each in before["statuses"] if each["kind"] == "shipping")
    answer = with_version(erp, "PATCH", path, json={**changes, "cancelled_status": status["code"]})
    assert answer.status_code == 200, answer.text
    assert answer.json == {
        **before, **changes, "cancelled_status": status["code"], "version": answer.json["version"],
    }  # fmt: skip
    assert answer.json == erp.get(path) and answer.json["version"] != before["version"]
    row = db.session.get(Integration, shop.id, populate_existing=True)
    assert (row.use_tax, row.shop.stock_cap, row.evaluate_due_at is not None) == (True, 5, True)
    noted = trail.list_page(trail.Wanted(object="integration", object_id=shop.id)).rows
    assert [(entry.actor[:7], ("Use the shop’s tax settings", "No", "Yes") in entry.changes) for entry in noted] == [
        ("api:ERP", True)
    ]
    assert erp.get(f"/integrations/{shop.id}")["name"] == "Garden"


@pytest.mark.one_database
def test_an_unknown_time_zone_is_named_as_on_the_page(erp: Program):
    path = f"/integrations/{make_integration().id}/settings"
    assert erp.get(path)["zone_problem"] == ""
    with writing() as session:
        session.execute(update(Shop).values(zone="Mars/Base"))
    shown = erp.get(path)
    assert shown["zone"] == "Mars/Base"
    assert shown["zone_problem"].startswith("The time zone Mars/Base is unknown here.") and "in UTC" in shown["zone_problem"]


def test_settings_that_cannot_be_are_refused_at_their_field(erp: Program):
    shop, _ = make_integration(), make_integration("Other")
    path = f"/integrations/{shop.id}/settings"
    for body, pointer in (
        ({"zone": "Europe/Nowhere"}, "/zone"), ({"processed_status": "NO"}, "/processed_status"), ({"processed_status": ""}, "/processed_status"),
        ({"work_statuses": [["P", "NO"]]}, "/work_statuses"), ({"orders_since": "1999-01-01T00:00:00Z"}, "/orders_since"),
    ):  # fmt: skip
        found = problem(with_version(erp, "PATCH", path, json=body), 422, "invalid_input")
        assert [fault["pointer"] for fault in found["errors"]] == [pointer], body
    problem(with_version(erp, "PATCH", path, json={"name": "other"}), 409, "name_taken")
    found = problem(with_version(erp, "PATCH", path, json={"stock_every": 1, "stock_cap": -1, "more": 1}), 400, "invalid_request")
    assert sorted(fault["pointer"] for fault in found["errors"]) == ["/more", "/stock_cap", "/stock_every"]


def test_a_listing_is_linked_as_a_kit_and_parts_are_removed(erp: Program):
    shop = make_integration()
    make_item("BOLT", 10)
    make_item("NUT", 20)
    listing = make_listing(shop, "KIT", 0)
    make_order(shop, "1", [("KIT", 2)], state="on_hold", held_codes=["unknown_sku"])
    parts = [{"sku": "bolt"}, {"sku": "NUT", "units": 4}]
    made = erp.post("/links", {"listing_id": str(listing.id), "parts": parts})
    assert made.status_code == 201, made.text
    assert [(link["sku"], link["units"], link["made_by"]) for link in made.json["items"]] == [
        ("BOLT", 1, "hand"),
        ("NUT", 4, "hand"),
    ]
    assert (
        erp.items(made.headers["Location"])
        == made.json["items"]
        == erp.items("/links")
        == erp.items(f"/links?integration={shop.id}")
    )
    assert [link["sku"] for link in erp.items("/links?sku=nut")] == ["NUT"]
    assert erp.get(f"/listings/{listing.id}")["offers"] is not None
    path = f"/links/{made.json['items'][1]['id']}"
    problem(erp.ask("DELETE", path), 428, "precondition_required")
    problem(with_version(erp, "DELETE", path, "x"), 412, "version_mismatch")
    assert with_version(erp, "DELETE", path).status_code == 204
    assert erp.items("/links") == made.json["items"][:1]
    assert with_version(erp, "DELETE", f"/links/{made.json['items'][0]['id']}").status_code == 204
    assert erp.items("/links") == [] and erp.get(f"/listings/{listing.id}")["offers"] is None
    problem(erp.ask("GET", path), 404, "not_found")
    problem(with_version(erp, "DELETE", path, "x"), 404, "not_found")
    problem(erp.post("/links", {"listing_id": str(listing.id), "parts": [{"sku": "NONE"}]}), 404, "not_found")
    problem(erp.post("/links", {"listing_id": "999999", "parts": [{"sku": "NUT"}]}), 404, "not_found")


@pytest.mark.one_database
def test_no_quantities_are_sent_to_a_listing_that_is_switched_off(erp: Program):
    listing = make_listing(make_integration(), "CUP", 3, item=make_item("CUP", 10))
    path = f"/listings/{listing.id}"
    problem(with_version(erp, "PATCH", path, "x", json={"do_not_push": True}), 412, "version_mismatch")
    changed = with_version(erp, "PATCH", path, json={"do_not_push": True})
    assert (changed.status_code, changed.json["do_not_push"]) == (200, True)
    assert with_version(erp, "PATCH", path, json={}).json == changed.json == erp.get(path)
    problem(with_version(erp, "PATCH", "/listings/999999", "x", json={}), 404, "not_found")


@pytest.mark.parametrize("keep", [False, True])
def test_an_integration_is_removed_and_says_what_is_open(erp: Program, keep: bool):
    shop = make_integration()
    make_order(shop, "1", [(make_item("A", 10, reserved=3), 3)])
    with writing() as session:
        session.execute(update(Allocation).values(reserved=3))
    path = f"/integrations/{shop.id}"
    work = erp.get(f"{path}/open-work")
    assert (work["unshipped_orders"], work["reserved_units"]) == (1, 3)
    version = erp.get(path)["version"]
    erp.post(f"{path}/disable")
    target = f"{path}?keep_reserved={str(keep).lower()}"
    problem(with_version(erp, "DELETE", target, version), 412, "version_mismatch")
    assert with_version(erp, "DELETE", target).status_code == 204
    db.session.rollback()
    row = db.session.get(Integration, shop.id)
    assert (row.removed_at is not None, row.key_encrypted) == (True, b"")
    assert db.session.scalar(select(Allocation.reserved)) == (3 if keep else 0)
    problem(erp.ask("GET", path), 404, "not_found")
    problem(with_version(erp, "DELETE", target, "x"), 404, "not_found")
    assert [erp.post(f"{path}/release-stock").status_code for _ in range(2)] == [204, 204]
    db.session.rollback()
    assert db.session.scalar(select(Allocation.reserved)) == 0
    problem(erp.ask("POST", f"/integrations/{make_integration('Other').id}/release-stock"), 404, "not_found")


@pytest.mark.one_database
def test_an_act_on_an_order_can_name_the_version_it_is_about(erp: Program):
    shop = make_integration()
    path = f"/orders/{make_order(shop, '1', [(make_item('A', 10), 3)]).id}"
    version = erp.get(path)["version"]
    line = erp.get(path)["lines"][0]["id"]
    part = {"lines": [{"line_id": line, "quantity": 1}]}
    assert erp.post(f"{path}/shipments", part, headers={"If-Match": f'"{version}"'}).status_code == 201
    assert erp.get(path)["version"] != version
    problem(erp.post(f"{path}/shipments", part, headers={"If-Match": f'"{version}"'}), 412, "version_mismatch")
    problem(erp.post(f"{path}/cancel", headers={"If-Match": f'"{version}"'}), 412, "version_mismatch")
    problem(erp.post(f"{path}/cancel", headers={"If-Match": ""}), 412, "if_match_invalid")
    assert erp.get(path)["state"] == "part_shipped"
