"""Events over the API: the log that programs follow."""

from __future__ import annotations

import json

from sqlalchemy import text, update
from standardwebhooks.webhooks import Webhook

from channels import event_calls
from extensions import acting, writing
from models import Event, StockItem
from services.events import deliveries, log, sequencer
from tests.api.conftest import problem, program
from tests.support.receivers import http_receiver
from tests.support.rows import make_integration, make_item, make_order

CUSTOMER = {"customer": "Jane Roe", "email": "jane@example.com", "customer_notes": "Leave it at the gate", "admin_notes": "VIP"}


def test_a_program_follows_the_log_from_a_position(app):
    erp = program(app, "events:read", "stock:read")
    for number in range(5):
        make_item(f"A{number}", 1)
    sequencer.give_positions()
    page = erp.get("/events?limit=2")
    assert [event["position"] for event in page["items"]] == ["1", "2"]
    assert (page["last"], page["newest"]) == ("2", "5")
    seen = page["items"]
    while page["next"]:
        page = erp.get(page["next"])
        seen += page["items"]
    assert [event["position"] for event in seen] == ["1", "2", "3", "4", "5"]
    assert erp.get(seen[0]["object"]["url"])["sku"] == "A0"
    assert erp.get(f"/events?after={page['last']}")["items"] == []
    with acting("user:ann", "page"), writing() as session:
        session.execute(update(StockItem).where(StockItem.sku == "A3").values(on_hand=0))
    sequencer.give_positions()
    (event,) = erp.get(f"/events?after={page['last']}&types=stock_item.out,order.created")["items"]
    assert (event["type"], event["changes"], event["actor"]) == (
        "stock_item.out", {"on_hand": {"from": 1, "to": 0}}, "user:ann",
    )  # fmt: skip


def test_what_is_wrong_with_a_request_is_named(app):
    erp = program(app, "events:read")
    make_item("A", 1)
    sequencer.give_positions()
    with writing() as session:
        session.execute(text("UPDATE event SET at = '2020-01-01 00:00:00'"))
    log.forget_old()
    gone = erp.ask("GET", "/events?after=0")
    assert (gone.status_code, gone.json["code"]) == (410, "gone")
    assert erp.ask("GET", "/events?after=2").status_code == 410
    assert erp.get("/events")["last"] == "1"
    for query in ("after=x", "after=99999999999999999999", "types=order.eaten", "limit=0"):
        assert erp.ask("GET", f"/events?{query}").status_code == 400
    assert {"name": "test", "meaning": "A test that a person asked for."} in erp.items("/event-types")


def test_no_event_holds_a_customers_data(app):
    """Not even for a program that may read customers."""
    erp = program(app)
    order = make_order(make_integration(), "1", [("A", 1)])
    with writing() as session:
        row = session.merge(order, load=True)
        for name, value in CUSTOMER.items():
            setattr(row, name, value)
        row.shipping_address = {"street": "Roe Lane 1"}
        row.tracking_numbers = ["JJD0001"]
        row.state = "on_hold"
    with writing() as session:
        session.execute(text("INSERT INTO shipment (order_id, carrier, tracking_number, shipped_at, actor, note) "
                             "SELECT id, 'DHL', 'JJD0002', placed_at, 'user:ann', 'JJD0002' FROM \"order\""))  # fmt: skip
    sequencer.give_positions()
    found = erp.items("/events")
    assert [event["type"] for event in found] == ["integration.created", "order.created", "order.held", "shipment.created"]
    kept = json.dumps(found) + "".join(str(row.changes) for row in Event.query.all())
    for value in (*CUSTOMER.values(), "Roe Lane", "JJD0001", "JJD0002"):
        assert value not in kept


def test_a_program_gets_events_pushed_and_sees_every_attempt(app):
    erp = program(app)
    secret = event_calls.new_secret()
    with http_receiver() as hook:
        new = {"name": "ERP", "url": hook.url, "secret": secret, "types": ["stock_item.out"]}
        made = erp.post("/event-endpoints", new)
        assert (made.status_code, made.json["state"]) == (201, "working")
        endpoint = made.json["id"]
        assert secret not in made.text and "team=7" not in made.text
        asked = erp.post(f"/event-endpoints/{endpoint}/test", {"type": "stock_item.out"})
        assert asked.status_code == 202
        hook.body = b"thanks"
        assert deliveries.work(int(endpoint), 5) == 1
        assert Webhook(secret).verify(hook.calls[0].body, hook.calls[0].headers)["test"] is True
        (delivery,) = erp.items(f"/deliveries?endpoint={endpoint}")
        (attempt,) = delivery["attempts"]
        assert (delivery["state"], attempt["status"], attempt["answer"]) == ("done", 204, "")
        assert erp.get(f"/deliveries/{delivery['id']}") == delivery
        assert erp.post(f"/deliveries/{delivery['id']}/retry").status_code == 202
        assert [row["id"] for row in erp.items("/deliveries?state=waiting")] == [delivery["id"]]


def test_an_endpoint_is_changed_with_its_version_and_removed(app):
    erp = program(app)
    new = {"name": "ERP", "url": "https://example.com/hook", "secret": event_calls.new_secret()}
    endpoint = erp.post("/event-endpoints", new).json
    path = f"/event-endpoints/{endpoint['id']}"
    stale = erp.ask("PATCH", path, json={"enabled": False}, headers={"If-Match": '"other"'})
    assert stale.status_code == 412
    changed = erp.ask(
        "PATCH", path, json={"enabled": False, "types": ["run.finished"]}, headers={"If-Match": f'"{endpoint["version"]}"'}
    )
    assert (changed.json["state"], changed.json["types"]) == ("disabled", ["run.finished"])
    assert erp.post(f"{path}/resume", {}).status_code == 409
    assert erp.post(f"{path}/rotate-secret", {"secret": "whsec_" + "a" * 40}).status_code in (200, 422)
    assert erp.post(f"{path}/replay", {"after": "0"}).status_code == 409
    assert erp.post("/event-endpoints", {**new, "url": "ftp://example.com"}).status_code == 422
    problem(erp.ask("DELETE", path), 428, "precondition_required")
    problem(erp.ask("DELETE", path, headers={"If-Match": '"x"'}), 412, "version_mismatch")
    assert erp.ask("DELETE", path, headers={"If-Match": f'"{erp.get(path)["version"]}"'}).status_code == 204
    assert erp.ask("GET", path).status_code == 404
