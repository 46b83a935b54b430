"""Pages in a real browser: accessible in every width and scheme."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect
from sqlalchemy import select

from extensions import db, writing
from models import ExportDelivery, ExportDeliveryOrder, Listing, Order, StockItem
from practice_shop import PracticeShop
from services.integrations import lifecycle
from services.listings import manual_links
from services.orders import lookups
from services.shipping import files, shipments
from services.stock import files as stock_files
from services.stock import items
from tests.blueprints.looks import assert_good_in_every_look, some_of, watch
from tests.support.exports import deliver_to, make_export
from tests.support.planted import supply
from tests.support.rows import make_integration, make_order
from tests.support.shops import connect, do, products


def a_lived_in_desk(shop: PracticeShop) -> dict[str, int]:
    """Orders in every state, a kit, drift, a daily reconciliation, files; answers with ids of what the pages need."""
    ids = products(shop)
    store = shop.store
    kit = store.add_product(sku="SET", name="Tea set " + "verylongnamewithoutanyblank" * 2, price=30, amount=5)
    for days in (0, 1, 1, 2, 5, 9):
        store.place_order(
            lines=[(ids["CUP"], 2), (ids["PLATE"], 1)], at=datetime.now(UTC) - timedelta(days=days, minutes=5), shipping_cost=4.5,
            surcharges=[("tax", "VAT", "VAT", 2.1)], notes="Please ring twice.",
        )  # fmt: skip
    store.place_order(lines=[(kit, 1)])
    store.place_order(lines=[(ids["CUP"], 1)], payment="Q")
    cancelled = store.place_order(lines=[(ids["PLATE"], 1)])
    integration_id = connect(shop)
    for kind in ("stock", "reconciliation"):
        do(integration_id, kind)
    unknown = store.add_product(sku="NEW-SKU", name="New", price=2, amount=3)
    store.place_order(lines=[(unknown, 1)])
    store.cancel_order(cancelled)
    store.set_amount(ids["CUP"], 3)
    items.set_stock("CUP", 25, "user:owner")
    do(integration_id, "stock")
    set_id = db.session.scalar(select(Listing.id).where(Listing.sku == "SET"))
    db.session.rollback()
    manual_links.link_listing(set_id, [("CUP", 2), ("PLATE", 1)], "user:owner")
    order_ids = list(db.session.scalars(select(Order.id).order_by(Order.id)))
    db.session.rollback()
    shipments.ship(order_ids[0], "user:owner", carrier="DHL", tracking_number="JJD000390007882823")
    do(integration_id, "shipments")
    file_id = stock_files.upload(b"sku,quantity\nCUP,9\nPLATE,4\nOTHER,1\n", "stock.csv", "user:owner")
    stock_files.work(file_id)
    wrong = stock_files.upload(b"sku,quantity\nCUP,x\n", "wrong.csv", "user:owner")
    stock_files.work(wrong)
    numbers = db.session.scalars(select(Order.number).where(Order.state == "ready")).all()
    db.session.rollback()
    shipping = files.read_file(("number\n" + "\n".join([*numbers, "4711"])).encode(), "ship.csv", "user:owner").id
    lookups_made = [lookups.ask_where("4711", None, "user:owner")]
    lookups.work(lookups_made[0])
    counting = lookups.ask_count(integration_id, datetime.now(UTC) - timedelta(days=90), "user:owner")
    lookups.work(counting)
    lookups_made.append(lookups.ask_where("4712", None, "user:owner"))
    export_id = make_export()
    deliver_to(export_id)
    with writing() as session:
        delivery = ExportDelivery(export_id=export_id, name="Warehouse", by="order", format="csv", columns=["number"], orders=1, key="a",
                                  file_name="warehouse-1.csv", state="failing", error="The mail server does not answer.", advice="Wait.")  # fmt: skip
        session.add(delivery)
        session.flush()
        session.add(ExportDeliveryOrder(delivery_id=delivery.id, position=0, order_id=order_ids[0]))
        delivery_id = delivery.id
    removed = make_integration("Old shop")
    make_order(removed, "9", [])
    lifecycle.remove_integration(removed.id, "user:owner")
    item_id = db.session.scalar(select(StockItem.id).where(StockItem.sku == "CUP"))
    supplied = supply(item_id)
    return {
        "supplier": supplied["supplier_id"], "feed": supplied["feed_id"], "feed_run": supplied["feed_run.run_id"], "offer": supplied["offer_id"],
        "integration": integration_id, "shipped": order_ids[0], "ready": order_ids[1], "cancelled": order_ids[8], "held": order_ids[9],
        "file": file_id, "export": export_id, "delivery": delivery_id, "wrong": wrong, "shipping": shipping, "item": item_id, "listing": set_id, "kit": order_ids[6],
        "removed": removed.id, "answered": lookups_made[0], "asked": lookups_made[1], "counted": counting,
    }  # fmt: skip


def paths(ids: dict[str, int]) -> list[str]:
    return [
        "/orders", f"/orders/{ids['shipped']}", f"/orders/{ids['ready']}", f"/orders/{ids['cancelled']}", f"/orders/{ids['held']}",
        f"/orders/{ids['kit']}", f"/orders/{ids['ready']}/raw", f"/orders/{ids['ready']}/packing-slip", f"/orders/{ids['ready']}/print",
        "/orders/print", "/settings/printed-documents", "/settings/api", "/settings/api/stock-items", "/settings/carriers", "/settings/carriers/new", "/settings/carriers/1",
        f"/orders/tag?order={ids['ready']}", "/orders/export?by=line",
        f"/orders/export/{ids['export']}/deliveries", f"/orders/export/{ids['export']}/delivery", f"/orders/export/deliveries/{ids['delivery']}",
        "/orders/held", "/orders/find", *(f"/orders/find/{ids[which]}" for which in ("answered", "asked", "counted")),
        "/orders/tracking-numbers", f"/orders/tracking-numbers/{ids['shipping']}", "/stock", "/stock?low=5", "/stock/low",
        "/stock/new", f"/stock/{ids['item']}", "/stock/files", f"/stock/files/{ids['file']}", f"/stock/files/{ids['wrong']}",
        "/suppliers", "/suppliers/add", f"/suppliers/{ids['supplier']}", f"/suppliers/{ids['supplier']}/edit", f"/suppliers/{ids['supplier']}/remove",
        f"/suppliers/feeds/{ids['feed']}", f"/suppliers/feeds/{ids['feed']}/rules", f"/suppliers/feeds/{ids['feed']}/remove",
        f"/suppliers/runs/{ids['feed_run']}", "/suppliers/unknown-codes", f"/suppliers/unknown-codes/{ids['offer']}", f"/stock/{ids['item']}/suppliers",
        "/listings", f"/listings/{ids['listing']}", f"/listings/{ids['listing']}/stock-item", "/listings/match", "/listings/drift", "/reports", "/reports/skus",
        "/reports/reconciliation", "/activity/3", "/activity/changes", "/today", "/guide", "/search?search=CUP", f"/settings/sales-channels/{ids['integration']}/settings",
        f"/settings/sales-channels/{ids['removed']}",
    ]  # fmt: skip


def test_every_page_of_the_desk_is_accessible_in_every_look(page: Page, shop) -> None:
    ids = a_lived_in_desk(shop)
    wrong = watch(page)
    for path in some_of(paths(ids)):
        page.goto(path)
        assert_good_in_every_look(page)
    assert not wrong


def test_stock_is_edited_in_place_without_a_reload(page: Page, shop) -> None:
    integration_id = connect(shop)
    do(integration_id, "stock")
    wrong = watch(page)
    page.goto("/stock")
    page.evaluate("window.stillTheSamePage = true")
    field = page.get_by_label("On hand of CUP")
    field.fill("31")
    field.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("CUP: 31 on hand, 31 available.")
    assert page.evaluate("window.stillTheSamePage")
    db.session.rollback()
    assert items.find_stock_item("CUP").on_hand == 31
    assert not wrong
