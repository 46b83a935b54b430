"""Rows for the page tests, written straight into the tables."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from extensions import db, writing
from models import Incident, IncidentEvent, Integration, Listing, Notification, Order, Shipment, ShipmentLine, Shop, SyncRun
from models.types import utcnow
from services.order_basics import holds, line_matching
from services.shops import flows
from tests.support.rows import change_flows, make_integration, make_item, make_order, of_integration_and_flows


def add_integration(name: str = "Garden shop", **given: Any) -> int:
    """An enabled integration with its own shop, nothing due; answers with its id."""
    with writing() as session:
        shop = Shop(kind="xcart", address=f"{name.casefold()}.example")
        session.add(shop)
        session.flush()
        values = {
            "kind": "xcart", "name": name, "name_key": name.casefold(), "endpoint": "https://shop.example",
            "key_encrypted": b"encrypted", "key_last4": "wxyz", "orders_since": utcnow() - timedelta(days=30), "health": "connected",
            "processed_status": "S", "work_statuses": [["P", "*"], ["A", "*"]],
        }  # fmt: skip
        columns, of_flows = of_integration_and_flows(given)
        integration = Integration(shop_id=shop.id, **{**values, **columns}, flows=flows.new_flows(None))
        change_flows(integration, of_flows)
        session.add(integration)
        session.flush()
        return integration.id


def add_run(integration_id: int, **given: Any) -> int:
    with writing() as session:
        run = SyncRun(
            **{"integration_id": integration_id, "kind": "orders", "actor": "schedule", "counts": {}, "warnings": [], **given}
        )
        session.add(run)
        session.flush()
        return run.id


def add_finished_run(integration_id: int, **given: Any) -> int:
    now = utcnow()
    values = {"state": "finished", "outcome": "done", "started_at": now - timedelta(seconds=12), "finished_at": now}
    return add_run(integration_id, **{**values, **given})


def add_held_order(integration_id: int, number: str) -> None:
    with writing() as session:
        shop_id = session.get_one(Integration, integration_id).shop_id
        now = utcnow()
        session.add(Order(shop_id=shop_id, external_id=number, number=number, placed_at=now, changed_at=now, state="on_hold"))


def add_failed_listing(integration_id: int, sku: str) -> None:
    with writing() as session:
        shop_id = session.get_one(Integration, integration_id).shop_id
        session.add(Listing(shop_id=shop_id, external_id=sku, kind="product", sku=sku, push_error="The shop refused it."))


def add_incident(integration_id: int | None, user_id: int | None = None, **given: Any) -> tuple[int, int]:
    """An open incident, with a notification for a user if one is named; answers with the ids of both."""
    now = utcnow()
    facts = {"code": "timeout", "message": "shop.example stopped answering.", "advice": "", "failures": 7}
    values = {
        "cause": "outage",
        "since": now - timedelta(hours=3),
        "opened_at": now - timedelta(hours=2),
        "facts": facts,
        **given,
    }
    with writing() as session:
        incident = Incident(integration_id=integration_id, remind_at=now + timedelta(hours=20), reopened=0, **values)
        session.add(incident)
        session.flush()
        session.add(IncidentEvent(incident_id=incident.id, kind="opened", at=incident.opened_at))
        notification = Notification(user_id=user_id, incident_id=incident.id, kind="opened") if user_id is not None else None
        if notification is not None:
            session.add(notification)
            session.flush()
        return incident.id, notification.id if notification is not None else 0


def change_run(run_id: int, **given: Any) -> None:
    with writing() as session:
        run = session.get_one(SyncRun, run_id)
        for name, value in given.items():
            setattr(run, name, value)


def change_integration(integration_id: int, **given: Any) -> None:
    with writing() as session:
        integration = session.get_one(Integration, integration_id)
        columns, of_flows = of_integration_and_flows(given)
        for name, value in columns.items():
            setattr(integration, name, value)
        change_flows(integration, of_flows)


def read_integration(integration_id: int) -> Integration:
    db.session.rollback()
    return db.session.get_one(Integration, integration_id)


def unclear_order() -> Order:
    """Two lines of one cup each; one cup was shipped, and the shop has changed the lines since."""
    cup = make_item("CUP", 10, reserved=2)
    order = make_order(make_integration(), "1", [(cup, 1), (cup, 1)])
    with writing() as session:
        shipment = Shipment(order_id=order.id, actor="user:ann", carrier="DHL", tracking_number="T1")
        session.add(shipment)
        session.flush()
        session.add(ShipmentLine(shipment_id=shipment.id, sku="CUP", name="Cup", quantity=1, taken={}))
        row = session.get_one(Order, order.id)
        row.doubts = [line_matching.doubt(["CUP"])]
        session.flush()
        holds.evaluate_stored([row.id])
    return db.session.get_one(Order, order.id)
