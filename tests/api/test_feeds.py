"""Suppliers, their feeds, the runs of these and the offers they bring, for programs."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from extensions import db, writing
from models import Feed, FeedRun
from models.types import utcnow
from services.events import sequencer
from services.feeds import suppliers as services
from tests.api.conftest import Program, problem, program
from tests.support.rows import make_item

pytestmark = pytest.mark.both_databases
URL = "https://supplier.example/stock.csv"


def with_version(erp: Program, method: str, path: str, **options: Any) -> Any:
    return erp.ask(method, path, headers={"If-Match": f'"{erp.get(path)["version"]}"'}, **options)


def test_an_unknown_time_zone_is_named_as_on_the_page(erp: Program):
    supplier = services.create_supplier("ACME", None, "test")
    path = f"/feeds/{services.create_feed(supplier, 'test', name='Stock', address=URL)}"
    assert erp.get(path)["zone_problem"] == ""
    with writing() as session:
        session.execute(update(Feed).values(zone="Mars/Base"))
    shown = erp.get(path)
    assert shown["zone"] == "Mars/Base" and "Until then, times are in UTC." in shown["zone_problem"]


def test_a_supplier_and_its_feed_are_added_changed_and_removed(erp: Program):
    supplier = erp.post("/suppliers", {"name": "ACME", "lead_days": 3})
    assert supplier.status_code == 201 and erp.get(supplier.headers["Location"]) == supplier.json
    problem(erp.post("/suppliers", {"name": "acme"}), 409, "name_taken")
    path = f"/suppliers/{supplier.json['id']}"
    assert with_version(erp, "PATCH", path, json={"lead_days": None}).json["lead_days"] is None
    new = {"supplier_id": supplier.json["id"], "name": "Stock", "address": URL, "auth": "bearer", "secret": "a secret token"}
    made = erp.post("/feeds", new)
    assert made.status_code == 201, made.text
    feed = made.json
    assert (feed["secret_last4"], feed["approved_at"], feed["columns_assigned"]) == ("oken", None, False)
    assert "a secret" not in made.text
    found = problem(erp.post("/feeds", {**new, "name": "Other", "address": "ftp://supplier.example"}), 422, "invalid_input")
    assert [fault["pointer"] for fault in found["errors"]] == ["/address"]
    of_feed = f"/feeds/{feed['id']}"
    changed = with_version(erp, "PATCH", of_feed, json={"times": ["06:00", "18:30"], "zone": "Europe/Vienna", "zero_percent": 30})
    assert (changed.json["times"], changed.json["zero_percent"]) == (["06:00", "18:30"], 30), changed.text
    problem(with_version(erp, "PATCH", of_feed, json={"interval_seconds": 3600}), 422, "invalid_input")
    problem(
        erp.ask("PATCH", of_feed, json={"enabled": False}, headers={"If-Match": f'"{feed["version"]}"'}), 412, "version_mismatch"
    )
    assert [row["id"] for row in erp.items(f"/feeds?supplier={supplier.json['id']}")] == [feed["id"]]
    assert with_version(erp, "DELETE", path).status_code == 204
    problem(erp.ask("GET", of_feed), 404, "not_found")
    assert erp.items("/feeds") == erp.items("/suppliers") == []
    sequencer.give_positions()
    types = [event["type"] for event in erp.get("/events?after=0&limit=250")["items"]]
    assert [each for each in types if each.startswith(("supplier", "feed"))] == [
        "supplier.created", "supplier.changed", "feed.created", "feed.changed", "feed.removed", "supplier.removed",
    ]  # fmt: skip


@pytest.mark.one_database
def test_where_a_file_is_only_an_owner_changes(app: Flask, erp: Program):
    supplier_id = services.create_supplier("ACME", None, "test")
    feed_id = services.create_feed(supplier_id, "test", name="Stock", address=URL)
    manager = program(app, "feeds:read", "feeds:write", user="Mona", role="manager")
    problem(with_version(manager, "PATCH", f"/feeds/{feed_id}", json={"address": URL + "x"}), 403, "role_insufficient")
    assert with_version(manager, "PATCH", f"/feeds/{feed_id}", json={"priority": 2}).json["priority"] == 2
    assert with_version(erp, "PATCH", f"/feeds/{feed_id}", json={"address": URL + "x"}).json["address"] == URL + "x"
    problem(erp.post(f"/feeds/{feed_id}/confirm-host-key", {"host_key": "any"}), 409, "conflict")


@pytest.mark.one_database
def test_a_run_that_waits_is_looked_at_and_decided_once(erp: Program, planted: dict[str, Any]):
    (run,) = erp.items("/feed-runs?state=waiting")
    path = f"/feed-runs/{run['id']}"
    assert [limit["code"] for limit in run["problems"]] == ["first_run"]
    assert [row["code"] for row in erp.items(f"{path}/rows?kind=new")] == ["SKU", "UNKNOWN-1"]
    problem(erp.post(f"/feeds/{run['feed_id']}/fetch"), 409, "conflict")
    assert erp.post(f"{path}/drop").json["state"] == "dropped"
    problem(erp.post(f"{path}/approve", {}), 409, "conflict")
    problem(erp.post(f"{path}/undo"), 409, "conflict")
    fetched = erp.post(f"/feeds/{run['feed_id']}/fetch")
    assert (fetched.status_code, fetched.json["state"]) == (202, "queued")
    assert [each["id"] for each in erp.items(f"/feed-runs?feed={run['feed_id']}")] == [fetched.json["id"], run["id"]]
    with writing() as session:
        session.get_one(FeedRun, int(fetched.json["id"])).state = "waiting"
    approved = erp.post(f"/feed-runs/{fetched.json['id']}/approve", {"make_fed": True})
    assert (approved.status_code, approved.json["state"], approved.json["decided_by"][:7]) == (202, "approved", "api:ERP")


@pytest.mark.one_database
def test_codes_are_linked_ignored_and_become_stock_items(erp: Program, planted: dict[str, Any]):
    (offer,) = erp.items("/offers?linked=false")
    assert (offer["code"], offer["sku"], offer["fed"]) == ("UNKNOWN-1", None, False)
    path = f"/offers/{offer['id']}"
    assert erp.post(f"{path}/ignore", {"ignored": True}).json["ignored"] is True
    assert erp.items("/offers?ignored=true&code=unknown-1")[0]["id"] == offer["id"]
    item = make_item("PAN", 5)
    linked = erp.post(f"{path}/link", {"sku": "pan", "units": 6}).json
    assert (linked["sku"], linked["units"], linked["ignored"]) == ("PAN", 6, False)
    assert erp.items(f"/offers?stock_item={item.id}") == [linked]
    fed = erp.post(f"/stock-items/{item.id}/set-fed", {"fed": True}).json
    assert (fed["fed"], fed["on_hand"]) == (True, 24)
    version = {"If-Match": f'"{fed["version"]}"'}
    refused = erp.ask("PATCH", f"/stock-items/{item.id}", json={"on_hand": 9}, headers=version)
    assert refused.status_code in (409, 422), refused.text
    assert erp.post(f"/stock-items/{item.id}/set-fed", {"fed": False}).json["fed"] is False
    assert erp.post(f"{path}/unlink").json["sku"] is None
    problem(erp.post(f"{path}/unlink"), 409, "conflict")
    assert erp.post(f"{path}/create-item", {}).json["sku"] == "UNKNOWN-1"
    with writing() as session:
        session.get_one(Feed, planted["feed_id"]).removed_at = utcnow()
    db.session.rollback()
    problem(erp.ask("GET", path), 404, "not_found")
