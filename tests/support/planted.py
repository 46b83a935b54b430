"""A desk that is lived in: rows of every kind it shows, with a customer whose every word can be looked for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from extensions import writing
from models import (
    DailyReconciliation,
    Drift,
    ExportDelivery,
    ExportDeliveryOrder,
    Feed,
    FeedRun,
    FeedRunRow,
    FilePreset,
    Integration,
    Lookup,
    Offer,
    Order,
    OrderChange,
    RunItem,
    Shipment,
    ShipmentFile,
    ShipmentLine,
    ShopTask,
    StockEntry,
    StockFile,
    StockFileRow,
    WriteBack,
)
from models.types import utcnow
from services.events import endpoints, replays
from services.feeds import suppliers
from tests.blueprints.rows import add_finished_run
from tests.support.exports import deliver_to, make_export
from tests.support.rows import make_item, make_listing, make_order

WORD = "lanted"
"""In all that is about the customer, and in nothing else."""
ADDRESS = {
    "name": "Planted Customer", "company": "Planted Ltd", "street": "1 Plantedstreet", "city": "Plantedville", "postcode": "planted-1",
    "state": "Plantedstate", "country": "Plantedland", "phone": "555-planted", "extra": [["Floor", "Planted floor"]],
}  # fmt: skip
EMAIL, NOTE, TRACKING = "planted@customer.example", "Planted note", "planted-tracking"
ABOUT = {
    "customer": "Planted Customer", "email": EMAIL, "billing_address": ADDRESS, "customer_notes": NOTE, "admin_notes": NOTE,
    "tracking_numbers": [TRACKING],
}  # fmt: skip


def plant(integration_id: int) -> dict[str, Any]:
    """Fill the desk of an integration; answers with an id for each variable part of the desk's addresses."""
    with writing() as session:
        integration = session.get_one(Integration, integration_id)
        session.expunge(integration)
    item = make_item("SKU", 10, reserved=1)
    listing = make_listing(integration, "SKU", 9, item=item)
    make_listing(integration, "LOOSE", 3)
    placed = utcnow() - timedelta(days=1)
    states = {"1001": "shipped", "1002": "ready", "1003": "on_hold", "1004": "cancelled", "1005": "part_shipped"}
    orders = {
        number: make_order(integration, number, [(item if number != "1003" else "UNKNOWN", 1)], state=state, placed_at=placed, **ABOUT).id
        for number, state in states.items()
    }  # fmt: skip
    run_id = add_finished_run(integration_id, kind="shipments", counts={"sent": 1})
    for order_id in orders.values():
        _fill(order_id, run_id)
    endpoint_id = endpoints.create_endpoint(
        "Warehouse", endpoints.check_address("https://example.com/hook"), [], "user:owner"
    ).endpoint_id
    return {
        "endpoint_id": endpoint_id, "delivery_id": replays.send_test(endpoint_id, "test"),
        "order_id": orders["1001"], "item_id": item.id, "listing_id": listing.id,
        **supply(item.id), **_exported(orders["1001"]), **_undoable(orders["1001"]), **_beside(listing.id, item.id, orders["1001"], integration.shop_id, run_id),
    }  # fmt: skip


def _fill(order_id: int, run_id: int) -> None:
    """What the shop said, changed and got about an order."""
    with writing() as session:
        order = session.get_one(Order, order_id)
        order.shipping_address, order.raw = ADDRESS, json.dumps({"orderNumber": order.number, "login": EMAIL}).encode()
        if order.state == "on_hold":
            order.held_codes, order.held_reason = ["unknown_sku"], "SKU UNKNOWN is not one of our stock items."
        order.cancel_unseen = order.state == "cancelled"
        for line in order.lines:
            line.options = [["Engraving", "Planted engraving"]]
        before = {name: [value, value] for name, value in ABOUT.items()}
        session.add(OrderChange(order_id=order_id, run_id=run_id, fields={**before, "shipping_address": [None, ADDRESS], "total": ["1", "2"]}))  # fmt: skip
        shipment = Shipment(order_id=order_id, carrier="Courier", tracking_number=TRACKING, actor="user:owner", note=f"Enter {TRACKING} by hand.")  # fmt: skip
        session.add(shipment)
        session.flush()
        line = order.lines[0]
        session.add(ShipmentLine(shipment_id=shipment.id, order_line_id=line.id, sku=line.sku, name=line.name, quantity=1))
        common = {"order_id": order_id, "shop_id": order.shop_id, "event": "shipped", "tracking_numbers": [TRACKING], "actor": "user:owner", "run_id": run_id}  # fmt: skip
        session.add(WriteBack(**common, state="done", sent=True, note=f"The shop did not keep the tracking number {TRACKING}."))
        session.add(WriteBack(**common, state="failed", error=f"The shop refused the request: {TRACKING}.", advice=f"Enter {TRACKING}."))  # fmt: skip
        session.add(WriteBack(**common, state="waiting", due_at=utcnow() + timedelta(days=1)))


def supply(item_id: int, name: str = "ACME") -> dict[str, int]:
    """A supplier with a feed, a run of it that waits, an offer of a stock item and an unknown code."""
    now = utcnow()
    supplier_id = suppliers.create_supplier(name, 2, "user:owner")
    columns = {"columns": {"sku": "sku", "quantity": "quantity"}, "options": {}}
    feed_id = suppliers.create_feed(
        supplier_id,
        "user:owner",
        name="Stock list",
        address="http://127.0.0.1:9/stock.csv",
        interval_seconds=3600,
        columns=columns,
    )
    with writing() as session:
        session.get_one(Feed, feed_id).due_at = now + timedelta(hours=1)
        problems = [{"code": "first_run", "sentence": "Nobody has approved a run of this feed yet."}]
        run = FeedRun(
            feed_id=feed_id, state="waiting", actor="schedule", file_name="stock.csv", file_size=300, started_at=now, rows=2, changed=1,
            unknown=1, unreadable=1, problems=problems,
        )  # fmt: skip
        offers = [
            Offer(feed_id=feed_id, code=code, stock_item_id=item, quantity=4, seen_at=now, changed_at=now)
            for code, item in (("SKU", item_id), ("UNKNOWN-1", None))
        ]
        session.add_all([run, *offers])
        session.flush()
        session.add_all([
            FeedRunRow(run_id=run.id, kind="new", line=2, code="SKU", stock_item_id=item_id, quantity=4),
            FeedRunRow(run_id=run.id, kind="new", line=3, code="UNKNOWN-1", quantity=4),
            FeedRunRow(run_id=run.id, kind="unreadable", line=4, code="X", problem="‘some’ is no clear quantity."),
        ])  # fmt: skip
        return {"supplier_id": supplier_id, "feed_id": feed_id, "feed_run.run_id": run.id, "offer_id": offers[1].id}


def _exported(order_id: int) -> dict[str, Any]:
    """A saved export with a delivery, a file that was delivered and one that waits."""
    export_id = make_export()
    deliver_to(export_id)
    with writing() as session:
        given = {
            "export_id": export_id,
            "name": "Warehouse",
            "by": "order",
            "format": "csv",
            "columns": ["number", "email"],
            "orders": 1,
        }
        done = ExportDelivery(
            **given, key="a", file_name="a.csv", state="done", finished_at=utcnow(), place="ann@partner.example"
        )
        waits = ExportDelivery(**given, key="b", file_name="b.csv", state="failing", error="It is full.", advice="Wait.")
        session.add_all([done, waits])
        session.flush()
        session.add_all(ExportDeliveryOrder(delivery_id=each.id, position=0, order_id=order_id) for each in (done, waits))
        return {
            "export_id": export_id,
            "export_deliveries.delivery_id": done.id,
            "export_delivery_id": done.id,
            "waiting export": waits.id,
        }


def _undoable(order_id: int) -> dict[str, Any]:
    """A further parcel that no shop can know of, and what is left to do in the shop about another."""
    with writing() as session:
        newest = session.scalar(select(func.max(WriteBack.id)).where(WriteBack.order_id == order_id))
        first = session.scalar(select(Shipment.id).where(Shipment.order_id == order_id))
        parcel = Shipment(
            order_id=order_id, tracking_number=TRACKING, actor="user:owner", batch="sheet-of-tests", after_write_back_id=newest
        )
        session.add_all(
            [parcel, ShopTask(order_id=order_id, shipment_id=first, kind="number", value=TRACKING, actor="user:owner")]
        )
        session.flush()
        return {"shipment_id": parcel.id, "batches.name": parcel.batch}


def _beside(listing_id: int, item_id: int, order_id: int, shop_id: int, run_id: int) -> dict[str, int]:
    """Drift, a daily reconciliation, a run's rows, the ledger, and a file each of quantities and of shipments."""
    with writing() as session:
        drift = Drift(listing_id=listing_id, expected=9, found=7)
        stock_file = StockFile(name="stock.csv", actor="user:owner", state="checked", changed=1, unknown=1)
        row = {"line": 2, "number": "1002", "carrier": "Courier", "tracking": TRACKING, "shop": "", "order_id": order_id}
        shipped = ShipmentFile(actor="user:owner", name="shipments.csv", rows=[{**row, "problem": ""}, {**row, "problem": "No."}])
        lookup = Lookup(
            actor="user:owner", kind="find", asked={"number": "1001", "integration": None}, state="done", found={"answers": []}
        )
        preset = FilePreset(
            kind="stock", name="A list", digest="x", headings=["a", "b"], columns={"sku": "a", "quantity": "b"}, options={}
        )
        session.add_all([drift, stock_file, shipped, lookup, preset])
        session.flush()
        session.add_all([
            StockFileRow(file_id=stock_file.id, line=2, sku="SKU", quantity=12, stock_item_id=item_id, before=10),
            StockFileRow(file_id=stock_file.id, line=3, sku="NEW", quantity=12),
            DailyReconciliation(shop_id=shop_id, day=utcnow().date() - timedelta(days=1), shop_orders=2, our_orders=1,
                    differences=[{"number": "1009", "reason": "It is not stored here.", "ours": "", "theirs": "1.00 USD"}]),
            RunItem(run_id=run_id, external_id="1001", sku="Order 1001", result="sent"),
            StockEntry(stock_item_id=item_id, actor="user:owner", cause="sale", reserved_change=1, order_id=order_id),
        ])  # fmt: skip
        return {
            "drift_id": drift.id,
            "stock_files.file_id": stock_file.id,
            "shipping.file_id": shipped.id,
            "lookup_id": lookup.id,
            "preset_id": preset.id,
        }
