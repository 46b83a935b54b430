"""What waits for a person, a program decides: losses of listings and orders, drift, renames, and orders that may be others."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from extensions import db, writing
from models import Drift, Integration, Listing, Order, OrderLine, Shop, StockItem, WriteBack
from models.types import utcnow
from tests.api.conftest import Program, problem, program
from tests.api.prepared import PREPARED
from tests.support.rows import make_integration, make_item, make_listing, make_order


def state(of: type[Any], **values: Any) -> None:
    with writing() as session:
        session.execute(update(of).values(**values))


def fresh(of: type[Any]) -> Any:
    db.session.rollback()
    return db.session.scalars(select(of).order_by(of.id)).first()


def test_missing_listings_are_approved_as_they_were_seen(erp: Program):
    shop = make_integration()
    make_listing(shop, "A", 3, missed=1)
    make_listing(shop, "B", 3)
    path = f"/integrations/{shop.id}/missing-listings"
    problem(erp.ask("GET", path), 404, "not_found")
    state(Shop, loss_at=utcnow(), loss_count=1, loss_known=2)
    seen = erp.get(path)
    assert (seen["missing"], seen["known"]) == (1, 2)
    assert [row["sku"] for row in erp.items(f"/listings?integration={shop.id}&missing=true")] == ["A"]
    assert [row["sku"] for row in erp.items("/listings?missing=false")] == ["B"]
    problem(erp.post(f"{path}/approve", {"found_at": "2026-01-01T00:00:00Z"}), 409, "conflict")
    for no_time in ("", "2026-01-01T00:00:00"):
        problem(erp.post(f"{path}/approve", {"found_at": no_time}), 400, "invalid_request")
    problem(erp.post(f"{path}/approve"), 415, "unsupported_media_type")
    [lacking] = erp.items(f"/listings?integration={shop.id}&missing=true")
    assert fresh(Listing).gone_at is None and erp.get(f"/listings/{lacking['id']}") == lacking
    assert erp.post(f"{path}/approve", {"found_at": seen["found_at"]}).json == {"listings": 1}
    assert fresh(Listing).gone_at is not None
    problem(erp.ask("GET", f"/listings/{lacking['id']}"), 404, "not_found")
    problem(erp.post(f"{path}/approve", {"found_at": seen["found_at"]}), 409, "conflict")


@pytest.mark.both_databases
def test_deleted_orders_are_approved_as_many_as_were_seen(erp: Program):
    shop = make_integration()
    path = f"/integrations/{shop.id}/deleted-orders"
    problem(erp.ask("GET", path), 404, "not_found")
    state(Shop, many_gone=7)
    assert erp.get(path) == {"orders": 7}
    problem(erp.post(f"{path}/approve", {"orders": 6}), 409, "conflict")
    assert erp.post(f"{path}/approve", {"orders": 7}).json == {"orders": 7}
    assert fresh(Shop).gone_approved_at is not None
    problem(erp.post(f"{path}/approve", {"orders": 7}), 409, "conflict")
    problem(erp.post("/integrations/999999/deleted-orders/approve", {"orders": 7}), 404, "not_found")


def test_a_shop_that_was_set_back_is_marked_as_seen_once(erp: Program):
    shop = make_integration()
    path = f"/integrations/{shop.id}/set-back/mark-seen"
    problem(erp.post(path), 409, "conflict")
    state(Shop, set_back_at=utcnow())
    assert erp.post(path).json["id"] == str(shop.id)
    assert fresh(Shop).set_back_at is None


@pytest.mark.both_databases
@pytest.mark.parametrize(("whose", "on_hand"), [("ours", 9), ("theirs", 7)])
def test_drift_is_settled_once(erp: Program, whose: str, on_hand: int):
    shop = make_integration()
    listing = make_listing(shop, "A", 7, item=make_item("A", 9))
    with writing() as session:
        session.add(Drift(listing_id=listing.id, expected=9, found=7))
    (drift,) = erp.items(f"/drift?integration={shop.id}")
    assert (drift["sku"], drift["expected"], drift["found"], drift["state"]) == ("A", 9, 7, "open")
    settled = erp.post(f"/drift/{drift['id']}/settle", {"whose": whose})
    assert (settled.json["state"], settled.json["decided_by"][:7]) == (whose, "api:ERP")
    assert settled.json == erp.get(f"/drift/{drift['id']}")
    assert fresh(StockItem).on_hand == on_hand
    assert erp.items("/drift") == [] and len(erp.items("/drift?state=all")) == 1
    problem(erp.post(f"/drift/{drift['id']}/settle", {"whose": whose}), 409, "conflict")
    problem(erp.post("/drift/999999/settle", {"whose": whose}), 404, "not_found")


def test_a_kit_cannot_take_the_quantity_of_its_shop(erp: Program):
    shop = make_integration()
    listing = make_listing(shop, "KIT", 7)
    parts = [{"sku": make_item(sku, 9).sku} for sku in ("A", "B")]
    assert erp.post("/links", {"listing_id": str(listing.id), "parts": parts}).status_code == 201
    with writing() as session:
        session.add(Drift(listing_id=listing.id, expected=9, found=7))
    (drift,) = erp.items("/drift")
    assert drift["can_take_theirs"] is False
    problem(erp.post(f"/drift/{drift['id']}/settle", {"whose": "theirs"}), 409, "conflict")


@pytest.mark.parametrize("same_goods", [True, False])
def test_a_renamed_listing_is_settled_once(erp: Program, same_goods: bool):
    listing = make_listing(make_integration(), "NEW", 3, item=make_item("OLD", 5), rename_state="renamed", renamed_from="OLD")
    (seen,) = erp.items("/listings?renamed=true")
    assert (seen["sku"], seen["renamed_from"], seen["rename_state"]) == ("NEW", "OLD", "renamed")
    answer = erp.post(f"/listings/{listing.id}/settle-rename", {"same_goods": same_goods})
    assert (answer.json["rename_state"], len(answer.json["links"])) == ("", int(same_goods))
    assert erp.items("/listings?renamed=true") == [] and len(erp.items("/listings?renamed=false")) == 1
    problem(erp.post(f"/listings/{listing.id}/settle-rename", {"same_goods": same_goods}), 409, "conflict")


@pytest.mark.parametrize("same_order", [True, False])
def test_an_order_in_doubt_is_the_same_or_another(erp: Program, same_order: bool):
    order_id = make_order(
        make_integration(), "1", [(make_item("A", 5), 1)], state="on_hold", held_codes=["identity"],
        doubts=[["identity", "It may be another order."]],
    ).id  # fmt: skip
    path = f"/orders/{order_id}/settle-identity"
    answer = erp.post(path, {"same_order": same_order})
    assert answer.status_code == 200, answer.text
    order = fresh(Order)
    if same_order:
        assert (order.reread_due, "identity" in order.held_codes, order.superseded_at) == (True, False, None)
    else:
        assert order.superseded_at is not None and fresh(Shop).set_back_at is not None
    problem(erp.post(path, {"same_order": same_order}), 409, "conflict")
    problem(erp.post("/orders/999999/settle-identity", {"same_order": same_order}), 404, "not_found")


def test_what_was_done_in_the_shop_and_what_is_sent_again(erp: Program, planted: dict[str, Any]):
    PREPARED["mark_order_entered"](planted)
    path = f"/orders/{planted['order_id']}"
    assert erp.post(f"{path}/mark-entered").status_code == 200
    problem(erp.post(f"{path}/mark-entered"), 409, "conflict")
    with writing() as session:
        session.execute(update(OrderLine).where(OrderLine.order_id == planted["order_id"]).values(shipped=OrderLine.quantity))
    state(WriteBack, state="failed")
    assert erp.post(f"{path}/send-again").status_code == 200
    db.session.rollback()
    newest = select(WriteBack.state).where(WriteBack.order_id == planted["order_id"]).order_by(WriteBack.id.desc()).limit(1)
    assert db.session.scalar(newest) == "waiting"
    state(WriteBack, state="done")
    problem(erp.post(f"{path}/send-again"), 409, "conflict")


def test_flows_are_switched_as_on_the_page(erp: Program):
    shop = make_integration()
    path = f"/integrations/{shop.id}/settings"
    before = erp.get(path)
    assert (before["orders_on"], before["stock_on"]) == (True, True)
    match = {"If-Match": f'"{before["version"]}"'}
    changed = erp.ask("PATCH", path, json={"stock_on": False}, headers=match)
    assert (changed.json["orders_on"], changed.json["stock_on"]) == (True, False)
    problem(erp.ask("PATCH", path, json={"stock_on": True}, headers=match), 412, "version_mismatch")
    flows = {kind: flow.enabled for kind, flow in fresh(Integration).flows.items()}
    assert (flows["orders"], flows["stock"], flows["reconciliation"]) == (True, False, True)


def test_who_changes_stock_need_not_be_who_decides(app: Flask, erp: Program):
    listing = make_listing(make_integration(), "A", 7, item=make_item("A", 9))
    with writing() as session:
        session.add(Drift(listing_id=listing.id, expected=9, found=7))
    drift_id = erp.items("/drift")[0]["id"]
    without = program(app, "stock:write", "listings:write", "listings:read", "orders:write")
    refused = problem(without.post(f"/drift/{drift_id}/settle", {"whose": "ours"}), 403, "scope_missing")
    assert refused["scope"] == "approvals:write"
