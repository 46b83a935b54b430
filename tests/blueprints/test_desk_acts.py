"""The desk's buttons, as a browser without JavaScript presses them."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from extensions import db, writing
from models import Integration, Listing, Lookup, Order, OrderLine, Shipment, StockFile, StockItem
from services import desk_settings, integration_settings, lookups, runs, schedule, shipment_files, stock, stock_files, sync
from tests.blueprints.pages import element, elements, htmx, words
from tests.support.shops import connect, do, products


@pytest.fixture
def desk(app, shop):
    """A settled shop with three paid orders of one cup each; its integration's id."""
    for _ in range(3):
        shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    integration_id = connect(shop)
    do(integration_id, "stock")
    return integration_id


def orders() -> list[Order]:
    db.session.rollback()
    return list(db.session.scalars(select(Order).order_by(Order.id)))


def work_off(*kinds: str) -> None:
    schedule.start_due_runs(kinds=kinds)
    for run_id in list(db.session.scalars(select(runs.SyncRun.id).where(runs.SyncRun.state == "queued"))):
        sync.perform(run_id)


def test_an_order_is_shipped_from_its_page_and_the_mail_is_spoken_of_once(client, shop, desk):
    order = orders()[0]
    page = client.get(f"/orders/{order.id}").get_data(as_text=True)
    assert "X-Cart mails the customer" in page
    answer = client.post(f"/orders/{order.id}/ship", data={"carrier": "DHL", "tracking": "T1", f"line-{order.lines[0].id}": "1"})
    assert answer.status_code == 303
    assert "the shop is being told" in client.get(answer.location).get_data(as_text=True)
    work_off("shipments")
    assert shop.store.tracking(int(order.external_id)) == ["T1"]
    page = client.get(f"/orders/{order.id}").get_data(as_text=True)
    assert "The shop was told: shipped" in page and "shipped already" in page
    assert "X-Cart mails" not in client.get(f"/orders/{orders()[1].id}").get_data(as_text=True)


@pytest.mark.parametrize("pieces", ["2", "x", "-1", "1.5", "0", "999999999999999999999"])
def test_wrong_pieces_are_answered_with_the_page_and_what_was_typed(client, desk, pieces):
    order = orders()[0]
    answer = client.post(f"/orders/{order.id}/ship", data={"carrier": "My carrier", f"line-{order.lines[0].id}": pieces})
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert element(page, "input", id="carrier")["value"] == "My carrier"
    assert elements(page, role="alert")
    assert db.session.scalar(select(Shipment)) is None


def test_ticked_orders_are_shipped_and_those_that_cannot_be_are_named(client, shop, desk):
    unpaid = shop.store.place_order(lines=[(products(shop)["CUP"], 1)], payment="Q")
    do(desk, "orders")
    ids = [order.id for order in orders()]
    assert "X-Cart mails the customer" in client.get("/orders").get_data(as_text=True)
    answer = client.post("/orders/ticked", data={"order": ids, "act": "ship", "carrier": "DHL", "back": "/orders?state=ready"})
    assert (answer.status_code, answer.location) == (303, "/orders?state=ready")
    page = client.get("/orders").get_data(as_text=True)
    assert "3 orders shipped" in page and f"Order {unpaid} still awaits payment." in page
    assert "X-Cart mails the customer" not in page
    assert "Tick at least one" in client.get(client.post("/orders/ticked", data={}).location).get_data(as_text=True)


def test_a_cancelled_order_is_acknowledged_from_its_page(client, shop, desk):
    order = orders()[0]
    shop.store.cancel_order(int(order.external_id))
    do(desk, "orders")
    page = client.get(f"/orders/{order.id}").get_data(as_text=True)
    assert "The shop has cancelled this order." in page
    assert client.post(f"/orders/{order.id}/ship", data={}).status_code == 409
    client.post(f"/orders/{order.id}/acknowledge")
    assert "The shop has cancelled this order." not in client.get(f"/orders/{order.id}").get_data(as_text=True)


def test_a_csv_ships_many_after_a_preview(client, shop, desk):
    rows = "".join(f"{order.number},DHL,T{order.number}\n" for order in orders())
    file = (io.BytesIO(f"number,carrier,tracking\n{rows}nope,x,y\n".encode()), "shipments.csv")
    answer = client.post("/orders/ship-by-file", data={"file": file}, content_type="multipart/form-data")
    page = client.get(answer.location).get_data(as_text=True)
    assert "3 orders can be shipped, 1 row cannot" in words(page) and "There is no order nope." in page
    assert "nope" in client.get(f"{answer.location}/problems.csv").get_data(as_text=True)
    client.post(answer.location)
    page = client.get(answer.location).get_data(as_text=True)
    assert 'http-equiv="refresh"' in page and "Shipping: 0 of 3" in words(page)
    shipment_files.work(int(answer.location.rpartition("/")[2]))
    assert {order.state for order in orders()} == {"shipped"}
    part = client.get(answer.location, headers=htmx("shipment-file")).get_data(as_text=True)
    assert "3 orders shipped" in words(part) and "data-poll" not in part
    assert client.post(answer.location).status_code == 409
    for content in (b"", b"\x89PNG\r\n", b"a;b\n1;2\n"):
        wrong = client.post(
            "/orders/ship-by-file", data={"file": (io.BytesIO(content), "x.csv")}, content_type="multipart/form-data"
        )
        assert wrong.status_code == 422 and elements(wrong.get_data(as_text=True), role="alert")


def test_stock_is_edited_in_place_and_not_over_what_has_moved(client, desk):
    item = stock.find_stock_item("CUP")
    url = f"/stock/{item.id}"
    answer = client.post(url, data={"on_hand": "50", "buffer": "4", "was": str(item.on_hand)}, headers=htmx(f"stock-{item.id}"))
    assert answer.status_code == 200
    row = answer.get_data(as_text=True)
    assert element(row, "tr")["id"] == f"stock-{item.id}" and "43" in row
    stale = client.post(url, data={"on_hand": "60", "buffer": "4", "was": "20"})
    assert stale.status_code == 409 and "has changed to 50 meanwhile" in stale.get_data(as_text=True)
    for wrong in ("", "x", "-1", "1e3", "99999999999"):
        assert client.post(url, data={"on_hand": wrong, "buffer": "4", "was": "50"}).status_code == 422
    assert stock.find_stock_item("CUP").on_hand == 50


def test_a_stock_file_goes_from_upload_to_applied(client, desk):
    file = (io.BytesIO(b"sku,quantity\nCUP,77\n"), "stock.csv")
    answer = client.post("/stock/files", data={"file": file}, content_type="multipart/form-data")
    assert "Reading the file" in client.get(answer.location).get_data(as_text=True)
    stock_files.work(1)
    page = client.get(answer.location).get_data(as_text=True)
    assert "Set these quantities" in page and "77" in page
    client.post(f"{answer.location}/accept")
    stock_files.work(1)
    assert "Applied" in client.get(answer.location).get_data(as_text=True)
    assert stock.find_stock_item("CUP").on_hand == 77


def test_a_file_over_the_cap_gets_a_page_that_names_the_cap(client, desk):
    large = (io.BytesIO(b"sku,quantity\n" + b"A,1\n" * 4_300_000), "large.csv")
    answer = client.post("/stock/files", data={"file": large}, content_type="multipart/form-data")
    assert answer.status_code in (413, 422) and "MB" in answer.get_data(as_text=True)
    huge = (io.BytesIO(b"x" * (18 * 1024 * 1024)), "huge.csv")
    answer = client.post("/stock/files", data={"file": huge}, content_type="multipart/form-data")
    assert answer.status_code == 413 and re.search(r"\b1[67]\b.* MB", answer.get_data(as_text=True))
    assert db.session.scalar(select(StockFile)) is None


def test_a_held_sku_is_mended_once_in_the_inbox(client, shop, desk):
    there = shop.store.add_product(sku="NEW", name="New thing", price=1, amount=5)
    for _ in range(2):
        shop.store.place_order(lines=[(there, 1)])
    do(desk, "orders")
    page = client.get("/orders/held").get_data(as_text=True)
    assert "SKU NEW is not one of our stock items" in page
    assert client.post("/orders/held/stock-item", data={"sku": "NEW", "on_hand": "many"}).status_code == 422
    answer = client.post("/orders/held/stock-item", data={"sku": "NEW", "on_hand": "5"})
    assert "2 orders released." in client.get(answer.location).get_data(as_text=True)
    assert "No order is held" in client.get("/orders/held").get_data(as_text=True)


def answered(client, answer) -> str:
    """The page that a lookup leads to, while it waits and when a worker has answered it."""
    assert answer.status_code == 303, answer.get_data(as_text=True)[-500:]
    waiting = client.get(answer.location)
    assert 'http-equiv="refresh"' in waiting.get_data(as_text=True)
    part = client.get(answer.location, headers=htmx("lookup"))
    assert element(part.get_data(as_text=True), "div", id="lookup").get("data-poll") is not None
    lookups.work(int(answer.location.rpartition("/")[2]))
    found = client.get(answer.location)
    return (client.get(found.location) if found.location else found).get_data(as_text=True)


def test_a_group_of_held_orders_is_acted_on_by_its_cause(client, shop, desk):
    with writing() as session:
        session.get_one(Integration, desk).with_back_orders = False
    stock.set_stock("PLATE", 0, "test")
    for _ in range(3):
        shop.store.place_order(lines=[(products(shop)["PLATE"], 1)])
    do(desk, "orders")
    page = client.get("/orders/held").get_data(as_text=True)
    assert "There is not enough in stock" in page and "3 orders" in page
    sent = {"code": "short", "key": ""}
    answer = client.post("/orders/held/evaluate", data=sent)
    assert "No order was released by that." in client.get(answer.location).get_data(as_text=True)
    assert "3 orders will be read again" in client.get(client.post("/orders/held/read-again", data=sent).location).get_data(
        as_text=True
    )
    answer = client.post("/orders/held/accept", data=sent)
    assert "3 orders released." in client.get(answer.location).get_data(as_text=True)
    again = client.post("/orders/held/accept", data=sent)
    assert "No order was released by that." in client.get(again.location).get_data(as_text=True)


def test_a_large_group_is_evaluated_by_a_worker(client, shop, desk, monkeypatch):
    monkeypatch.setattr("blueprints.orders.held.MOST_AT_ONCE", 1)
    there = shop.store.add_product(sku="NEW", name="New thing", price=1, amount=5)
    for _ in range(2):
        shop.store.place_order(lines=[(there, 1)])
    do(desk, "orders")
    answer = client.post("/orders/held/evaluate", data={"code": "unknown_sku", "key": "NEW"})
    assert "2 orders are being evaluated" in client.get(answer.location).get_data(as_text=True)
    assert integration_settings.due_evaluations() == [desk]


def test_an_order_is_looked_for_and_brought_in_and_no_page_asks_the_shop(client, shop, desk):
    old = shop.store.place_order(lines=[(products(shop)["CUP"], 1)], at=datetime.now(UTC) - timedelta(days=99))
    shop.clear_requests()
    answer = client.post("/orders/find", data={"number": str(old)})
    since = (datetime.now(UTC) - timedelta(days=100)).date().isoformat()
    counting = client.post("/orders/find/older", data={"integration": desk, "since": since})
    assert not shop.requests
    page = answered(client, counting)
    assert "has 1 order placed since" in words(page) and 'http-equiv="refresh"' not in page
    page = answered(client, answer)
    assert "before the start date" in page
    page = answered(client, client.post("/orders/find/bring-in", data={"integration": desk, "order": str(old)}))
    assert f"Order {old}" in page and "The order was brought in." in page
    stored = client.post("/orders/find", data={"number": str(old)})
    assert "It was imported on" in client.get(stored.location).get_data(as_text=True)
    assert client.post("/orders/find", data={"number": " "}).status_code == 404
    assert client.post("/orders/find/older", data={"integration": desk, "since": "nonsense"}).status_code == 422
    today = datetime.now(UTC).date().isoformat()
    assert client.post("/orders/find/older", data={"integration": desk, "since": today}).status_code == 409
    assert client.get("/orders/find/999").status_code == 404


def test_a_lookup_that_nobody_takes_up_says_so(client, desk):
    answer = client.post("/orders/find", data={"number": "4711"})
    with writing() as session:
        session.scalar(select(Lookup)).heard_at = datetime.now(UTC) - timedelta(minutes=1)
    page = client.get(answer.location).get_data(as_text=True)
    assert "No worker has taken it up." in page and 'http-equiv="refresh"' not in page


def test_a_kit_is_made_on_the_listings_page(client, shop, desk):
    listing = db.session.scalar(select(Listing.id).where(Listing.sku == "PLATE"))
    url = f"/listings/{listing}/links"
    wrong = client.post(url, data={"sku": ["CUP", "NO-SUCH"], "units": ["2", "1"]})
    assert wrong.status_code == 404 and "There is no stock item with the SKU" in wrong.get_data(as_text=True)
    assert client.post(url, data={"sku": ["CUP", "PLATE"], "units": ["2", "1"]}).status_code == 303
    page = client.get("/listings?state=kit").get_data(as_text=True)
    assert "2 × CUP" in words(page)
    client.post("/listings/ticked", data={"listing": [listing], "act": "do_not_push"})
    assert "Pushing is switched off" in client.get(f"/listings/{listing}").get_data(as_text=True)


def test_settings_of_the_desk_are_changed_and_kept_in_the_trail(client, desk):
    url = f"/settings/sales-channels/{desk}/desk"
    good = {"processed_status": "S", "part_shipped_status": "P", "cancelled_status": "WND", "stock_buffer": "1", "stock_cap": "",
            "brake_percent": "30", "brake_least": "5", "shipments_on": "yes"}  # fmt: skip
    assert client.post(url, data={**good, "processed_status": "ZZ"}).status_code == 422
    assert client.post(url, data={**good, "brake_percent": "300"}).status_code == 422
    assert client.post(url, data=good).status_code == 303
    db.session.rollback()
    integration = db.session.get(Integration, desk)
    assert (integration.part_shipped_status, integration.brake_percent, desk_settings.shop_of(desk).stock_buffer) == ("P", 30, 1)
    page = client.get("/activity/settings").get_data(as_text=True)
    assert "Part shipped status" in page and "Brake percent" in page


def test_a_stock_run_is_undone_from_its_page(client, shop, desk):
    stock.set_stock("CUP", 50, "test")
    run = do(desk, "stock")
    page = client.get(f"/activity/{run.id}").get_data(as_text=True)
    assert "Restore 1 quantity" in page
    answer = client.post(f"/activity/{run.id}/undo")
    assert answer.status_code in (303, 503)
    work_off()
    assert shop.store.amount(products(shop)["CUP"]) == 17
    assert client.get("/activity/999").status_code == 404


def test_a_row_that_is_gone_is_a_page_and_no_trace(client, desk):
    with writing() as session:
        session.query(OrderLine).filter(OrderLine.order_id == 3).delete()
    assert client.get("/orders/3").status_code == 200
    for path in ("/orders/999", "/orders/999/raw", "/stock/999", "/listings/999", "/stock/files/999", "/orders/ship-by-file/999"):
        assert client.get(path).status_code == 404, path
    assert db.session.scalar(select(StockItem.id)) is not None
