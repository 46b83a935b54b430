"""The buttons of pages, as a browser without JavaScript presses them: stock, held orders, lookups, settings and runs."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from extensions import db, writing
from models import Integration, Listing, Lookup, OrderLine, StockFile, StockItem
from services.integrations import settings
from services.orders import lookups
from services.stock import files as stock_files
from services.stock import items, views
from tests.blueprints.desks import work_off
from tests.blueprints.pages import element, form_data, htmx, words
from tests.support.rows import make_item
from tests.support.shops import do, products

pytestmark = pytest.mark.usefixtures("desk")


def test_stock_is_edited_in_place_and_not_over_what_has_moved(client, desk):
    item = items.find_stock_item("CUP")
    url = f"/stock/{item.id}"
    answer = client.post(url, data={"on_hand": "50", "buffer": "4", "was": str(item.on_hand)}, headers=htmx(f"line-{item.id}"))
    assert answer.status_code == 200
    row = answer.get_data(as_text=True)
    assert element(row, "tr")["id"] == f"line-{item.id}" and "43" in row
    stale = client.post(url, data={"on_hand": "60", "buffer": "4", "was": "20"})
    assert stale.status_code == 409 and "has changed to 50 meanwhile" in stale.get_data(as_text=True)
    stale = client.post(url, data={"on_hand": "60", "buffer": "4", "was": "20"}, headers=htmx(f"line-{item.id}"))
    row = stale.get_data(as_text=True)
    assert "has changed to 50 meanwhile" in row and 'value="50"' in row, "the line shows what is true now"
    back = f"/stock/{item.id}"
    on_its_page = client.post(
        url, data={"on_hand": "50", "buffer": "4", "was": "50", "back": back}, headers=htmx(f"stock-{item.id}")
    )
    assert on_its_page.headers["HX-Redirect"] == back, "chart, places and history change too"
    for wrong in ("", "x", "-1", "1e3", "99999999999"):
        assert client.post(url, data={"on_hand": wrong, "buffer": "4", "was": "50"}).status_code == 422
    assert items.find_stock_item("CUP").on_hand == 50


def test_a_stock_file_goes_from_upload_to_applied(client, desk):
    file = (io.BytesIO(b"sku,quantity\nCUP,77\n"), "stock.csv")
    answer = client.post("/stock/files", data={"file": file}, content_type="multipart/form-data")
    assert "Reading the file" in client.get(answer.location).get_data(as_text=True)
    stock_files.work(1)
    page = client.get(answer.location).get_data(as_text=True)
    assert "Set these quantities" in page and "77" in page
    client.post(f"{answer.location}/accept")
    stock_files.work(1)
    page = client.get(answer.location).get_data(as_text=True)
    assert "Applied" in page and "What changed" in page and "Undo …" in page
    assert items.find_stock_item("CUP").on_hand == 77
    assert b'"CUP","20","77"' in client.get(f"{answer.location}/applied.csv").data
    undo = client.post(f"{answer.location}/undo").location
    stock_files.work(2)
    page = client.get(undo).get_data(as_text=True)
    assert "Undo of stock.csv" in page and "Would be" in page and items.find_stock_item("CUP").on_hand == 77
    assert "This is what the undo of" in page and "Undo the file" in page and "Discard the undo" in page
    assert not any(words in page for words in ("what the file would do", "Set these quantities", "Change the columns", ">Line<"))
    assert client.get(f"{undo}/columns").status_code == 409, "an undo has no columns"
    client.post(f"{undo}/accept")
    stock_files.work(2)
    assert items.find_stock_item("CUP").on_hand == 20
    assert "Undone" in client.get(undo).get_data(as_text=True) and "0 unchanged" in client.get(undo).get_data(as_text=True)
    page = client.get(answer.location).get_data(as_text=True)
    assert "Undo …" not in page and "it was undone" in page and f'href="{undo}"' in page


def test_the_page_of_a_stock_file_says_that_its_worker_has_stopped(client, desk):
    """Its bar stood still for minutes without a word."""
    file = (io.BytesIO(b"sku,quantity\nCUP,77\n"), "stock.csv")
    page = client.post("/stock/files", data={"file": file}, content_type="multipart/form-data").location
    assert "No worker is reading it" not in client.get(page).get_data(as_text=True)
    with writing() as session:
        session.get_one(StockFile, 1).lease_until = datetime.now(UTC) + timedelta(seconds=90)
    assert "No worker is reading it at the moment. It goes on by itself" in client.get(page).get_data(as_text=True)


def test_a_stock_file_with_less_than_orders_have_reserved_says_so_first(client, desk):
    """Orders that were ready went on hold, and neither page of the file had said a word."""
    for number in range(7):
        make_item(f"LAMP-{number}", 10, reserved=6)
    rows = "".join(f"LAMP-{number},{5 if number else 6}\n" for number in range(7))
    file = (io.BytesIO(f"sku,quantity\n{rows}".encode()), "stock.csv")
    page = client.post("/stock/files", data={"file": file}, content_type="multipart/form-data").location
    stock_files.work(1)
    shown = words(element(client.get(page).get_data(as_text=True), "main").text)
    assert (
        "6 items would have less on hand than open orders have reserved: LAMP-1, LAMP-2, LAMP-3, LAMP-4, LAMP-5 and 1 more."
        in shown
    )
    assert "The orders that were placed last lose what is missing." in shown
    client.post(f"{page}/accept")
    stock_files.work(1)
    applied = words(element(client.get(page).get_data(as_text=True), "main").text)
    assert "would have less on hand" not in applied and "waits for your approval" in applied


def test_who_accepts_a_stock_file_second_reads_what_has_become_of_it(client, desk):
    file = (io.BytesIO(b"sku,quantity\nCUP,77\n"), "stock.csv")
    page = client.post("/stock/files", data={"file": file}, content_type="multipart/form-data").location
    stock_files.work(1)
    client.post(f"{page}/accept")
    assert "It is being applied already." in client.post(f"{page}/accept").get_data(as_text=True)
    stock_files.work(1)
    assert "It was applied already." in client.post(f"{page}/drop").get_data(as_text=True)


def test_an_undo_that_is_discarded_leads_back_to_its_file(client, desk):
    file = (io.BytesIO(b"sku,quantity\nCUP,77\n"), "stock.csv")
    applied = client.post("/stock/files", data={"file": file}, content_type="multipart/form-data").location
    stock_files.work(1)
    client.post(f"{applied}/accept")
    stock_files.work(1)
    undo = client.post(f"{applied}/undo").location
    stock_files.work(2)
    assert client.post(f"{undo}/drop").location == applied
    assert "This undo was discarded. Nothing was changed." in client.get(undo).get_data(as_text=True)
    assert "Undo …" in client.get(applied).get_data(as_text=True)


def test_a_file_over_the_cap_gets_a_page_that_names_the_cap(client, desk):
    large = (io.BytesIO(b"sku,quantity\n" + b"A,1\n" * 4_300_000), "large.csv")
    answer = client.post("/stock/files", data={"file": large}, content_type="multipart/form-data")
    assert answer.status_code in (413, 422) and "MB" in answer.get_data(as_text=True)
    huge = (io.BytesIO(b"x" * (18 * 1024 * 1024)), "huge.csv")
    answer = client.post("/stock/files", data={"file": huge}, content_type="multipart/form-data")
    assert answer.status_code == 413 and re.search(r"\b1[67]\b.* MB", answer.get_data(as_text=True))
    assert db.session.scalar(select(StockFile)) is None


def test_a_held_sku_is_fixed_once_in_the_inbox(client, shop, desk):
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
    items.set_stock("PLATE", 0, "test")
    for _ in range(3):
        shop.store.place_order(lines=[(products(shop)["PLATE"], 1)])
    do(desk, "orders")
    page = client.get("/orders/held").get_data(as_text=True)
    assert "There is not enough in stock" in page and "3 orders" in page
    sent = {"code": "short", "key": ""}
    answer = client.post("/orders/held/evaluate", data=sent)
    assert "No order was released." in client.get(answer.location).get_data(as_text=True)
    seen = form_data(client.get("/orders/held").text, "seen")["seen"]
    shop.store.place_order(lines=[(products(shop)["PLATE"], 1)])
    do(desk, "orders")
    late = client.post("/orders/held/accept", data={**sent, "seen": seen})
    assert (
        late.status_code == 409 and "Other orders are in that group now" in late.text and "Accept all 4 as they are" in late.text
    )
    assert "4 orders are being read again" in client.get(client.post("/orders/held/read-again", data=sent).location).get_data(
        as_text=True
    )
    answer = client.post("/orders/held/accept", data={**sent, "seen": form_data(late.text, "seen")["seen"]})
    assert "4 orders released." in client.get(answer.location).get_data(as_text=True)
    for act in ("accept", "evaluate"):
        again = client.post(f"/orders/held/{act}", data={**sent, "seen": seen})
        assert "No order is held by this any more." in client.get(again.location).get_data(as_text=True), "in a second window"


def test_a_large_group_is_evaluated_by_a_worker(client, shop, desk, monkeypatch):
    monkeypatch.setattr("blueprints.orders.held.MOST_AT_ONCE", 1)
    there = shop.store.add_product(sku="NEW", name="New thing", price=1, amount=5)
    for _ in range(2):
        shop.store.place_order(lines=[(there, 1)])
    do(desk, "orders")
    answer = client.post("/orders/held/evaluate", data={"code": "unknown_sku", "key": "NEW"})
    assert "2 orders are being checked again" in client.get(answer.location).get_data(as_text=True)
    assert settings.due_evaluations() == [desk]


def test_an_order_is_looked_for_and_brought_in_and_no_page_asks_the_shop(client, shop, desk):
    old = shop.store.place_order(lines=[(products(shop)["CUP"], 1)], at=datetime.now(UTC) - timedelta(days=99))
    shop.clear_requests()
    since = (datetime.now(UTC) - timedelta(days=100)).date().isoformat()
    counting = client.post("/orders/find/older", data={"integration": desk, "since": since})
    assert not shop.requests
    # A second question waits for the answer to the first.
    refused = client.post("/orders/find", data={"number": str(old)})
    assert refused.status_code == 429 and "still open" in refused.text and int(refused.headers["Retry-After"]) > 0
    page = answered(client, counting)
    assert "has 1 order placed since" in words(page) and 'http-equiv="refresh"' not in page
    page = answered(client, client.post("/orders/find", data={"number": str(old)}))
    assert "before the start date" in page
    page = answered(client, client.post("/orders/find/bring-in", data={"integration": desk, "order": str(old)}))
    assert f"Order {old}" in page and "The order was imported." in page
    stored = client.post("/orders/find", data={"number": str(old)})
    assert "It was imported on" in client.get(stored.location).get_data(as_text=True)
    assert client.post("/orders/find", data={"number": " "}).status_code == 404
    assert client.post("/orders/find/older", data={"integration": desk, "since": "nonsense"}).status_code == 422
    assert "Enter a date." in client.post("/orders/find/older", data={"integration": desk, "since": ""}).text
    today = datetime.now(UTC).date().isoformat()
    assert client.post("/orders/find/older", data={"integration": desk, "since": today}).status_code == 409
    assert client.get("/orders/find/999").status_code == 404


def test_a_lookup_that_nobody_takes_up_says_so(client, desk):
    answer = client.post("/orders/find", data={"number": "4711"})
    with writing() as session:
        session.scalar(select(Lookup)).lease_until = datetime.now(UTC) - timedelta(minutes=1)
    page = client.get(answer.location).get_data(as_text=True)
    assert "No worker has started on it." in page and 'http-equiv="refresh"' not in page


def test_a_kit_is_made_on_the_listings_page(client, shop, desk):
    listing = db.session.scalar(select(Listing.id).where(Listing.sku == "PLATE"))
    url = f"/listings/{listing}/links"
    wrong = client.post(url, data={"sku": ["CUP", "NO-SUCH"], "units": ["2", "1"]})
    assert wrong.status_code == 404 and "There is no stock item with the SKU" in wrong.get_data(as_text=True)
    assert client.post(url, data={"sku": ["CUP", "PLATE"], "units": ["2", "1"]}).status_code == 303
    page = client.get("/listings?state=kit").get_data(as_text=True)
    assert "2 × CUP" in words(page)
    client.post("/listings/selected", data={"listing": [listing], "act": "do_not_push"})
    assert "Pushing is switched off" in client.get(f"/listings/{listing}").get_data(as_text=True)


def test_settings_of_stock_and_shipments_are_changed_and_kept_in_the_trail(client, desk):
    url = f"/settings/sales-channels/{desk}/settings"
    shown = form_data(client.get(url).text, "with_variants")
    good = {**shown, "processed_status": "S", "part_shipped_status": "P", "cancelled_status": "WND", "stock_buffer": "1",
            "stock_cap": "", "safety_limit_percent": "30", "safety_limit_least": "5", "shipments_on": "yes"}  # fmt: skip
    assert client.post(url, data={**good, "processed_status": "ZZ"}).status_code == 422
    assert client.post(url, data={**good, "safety_limit_percent": "300"}).status_code == 422
    assert client.post(url, data={**good, "safety_limit_percent": "0"}).status_code == 422
    assert client.post(url, data={**good, "zone": "Middle/Earth"}).status_code == 422
    assert client.post(url, data=good).status_code == 303
    db.session.rollback()
    integration = db.session.get(Integration, desk)
    assert (integration.part_shipped_status, integration.safety_limit_percent, integration.shop.stock_buffer) == ("P", 30, 1)
    page = client.get("/activity/changes").get_data(as_text=True)
    assert "Status of a partly shipped order" in page and "Ask before changing more than this percentage" in page


def test_a_stock_run_is_undone_from_its_page(client, shop, desk):
    items.set_stock("CUP", 50, "test")
    run = do(desk, "stock")
    assert f"/activity/{run.id}/undo" in client.get(f"/activity/{run.id}").get_data(as_text=True)
    asked = client.get(f"/activity/{run.id}/undo").get_data(as_text=True)
    assert "1 listing gets back the quantity from before" in words(asked)
    assert element(asked, "input", id="where-both").get("checked") is not None
    answer = client.post(f"/activity/{run.id}/undo", data=form_data(asked, "where"))
    assert answer.status_code in (303, 503)
    work_off()
    assert shop.store.amount(products(shop)["CUP"]) == 17
    assert items.find_stock_item("CUP").on_hand == 20
    page = client.get(f"/activity/{run.id}").get_data(as_text=True)
    assert f"/activity/{run.id}/undo" not in page and f"Nothing of stock update {run.id} is left to undo. It was undone." in page
    assert re.search(r'Undone here, and in the shop by <a href="/activity/\d+">run \d+</a>\.', page)
    undoing = client.get(re.findall(r'in the shop by <a href="([^"]+)"', page)[0]).text
    assert f'It undoes <a href="/activity/{run.id}">stock update {run.id}</a>.' in undoing
    assert client.get(f"/activity/{run.id}/undo").status_code == 409
    assert client.get("/activity/999").status_code == 404


def test_the_page_of_a_stock_run_says_what_of_it_was_undone(client, shop, desk):
    """After *Here only* the page looked as if nothing had been undone."""
    items.set_stock("CUP", 50, "test")
    run = do(desk, "stock")
    assert "Undone" not in client.get(f"/activity/{run.id}").text
    client.post(f"/activity/{run.id}/undo", data={"where": "here"})
    assert "Undone here." in words(client.get(f"/activity/{run.id}").text)
    work_off()
    client.post(f"/activity/{run.id}/undo", data={"where": "shop"})
    work_off()
    assert "Undone here, and in the shop by " in words(client.get(f"/activity/{run.id}").text)


def test_the_question_before_an_undo_names_what_could_be_oversold(client, shop, desk):
    plate = items.find_stock_item("PLATE")
    views.change_item(plate.id, on_hand=plate.on_hand, buffer=3, was=plate.on_hand, actor="test")
    run = do(desk, "stock")
    asked = words(client.get(f"/activity/{run.id}/undo").get_data(as_text=True))
    assert "1 listing would show more than is available for it here" in asked
    before, available = map(int, re.findall(r'data-label="After">(\d+) <span class="under wrong">(\d+) available<', asked)[0])
    assert before == available + 3


def test_the_question_before_an_undo_names_what_the_shop_has_sold_since(client, shop, desk):
    items.set_stock("CUP", 50, "test")
    items.set_stock("PLATE", 5, "test")
    run = do(desk, "stock")
    shop.store.place_order(lines=[(products(shop)["CUP"], 2)])
    do(desk, "orders")
    asked = words(client.get(f"/activity/{run.id}/undo").get_data(as_text=True))
    assert "1 listing gets back the quantity from before" in asked
    assert (
        "not restored:</strong> 1 listing that has another quantity there since" in asked and "CUP</a>: 45 now, 47 sent" in asked
    )


def test_a_row_that_is_gone_is_a_page_and_no_trace(client, desk):
    with writing() as session:
        session.query(OrderLine).filter(OrderLine.order_id == 3).delete()
    assert client.get("/orders/3").status_code == 200
    for path in (
        "/orders/999",
        "/orders/999/raw",
        "/stock/999",
        "/listings/999",
        "/stock/files/999",
        "/orders/tracking-numbers/999",
    ):
        assert client.get(path).status_code == 404, path
    assert db.session.scalar(select(StockItem.id)) is not None


def test_a_person_says_on_its_page_that_a_renamed_listing_is_other_goods(client, shop, desk):
    shop.store.rename(products(shop)["CUP"], "PLATE")
    do(desk, "listings")
    db.session.rollback()
    listing_id = db.session.scalar(select(Listing.id).where(Listing.rename_state == "decide"))
    assert "Renamed" in client.get("/listings?state=renamed").get_data(as_text=True)
    page = client.get(f"/listings/{listing_id}").get_data(as_text=True)
    assert "Before, it was CUP" in words(page) and "Different item" in page
    assert client.post(f"/listings/{listing_id}/rename", data={"goods": "?"}).status_code == 422
    answer = client.post(f"/listings/{listing_id}/rename", data={"goods": "other"})
    assert answer.status_code == 303
    assert "linked by its new SKU" in client.get(answer.location).get_data(as_text=True)
    assert client.post(f"/listings/{listing_id}/rename", data={"goods": "same"}).status_code == 409
