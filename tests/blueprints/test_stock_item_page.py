"""The page of a stock item: where its units are, its threshold, its history in words."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from extensions import db, writing
from models import Allocation, Integration, Listing, RunItem, StockEntry, StockItem
from services.monitoring import low_stock
from services.stock import items
from tests.blueprints.pages import element, elements, form_data, words
from tests.blueprints.rows import add_finished_run
from tests.support.rows import make_integration, make_item, make_listing, make_order
from tests.support.signed_in import sign_in


@pytest.fixture
def item(app) -> int:
    """Ten cups: three reserved by an order, one kept back, offered as a single piece and as a set of two."""
    outlet, market = make_integration("Outlet"), make_integration("Market")
    cup = make_item("CUP", 10, reserved=3, buffer=1)
    order = make_order(outlet, "1001", [(cup, 3)])
    make_listing(outlet, "CUP", 6, item=cup, name="A cup")
    pair = make_listing(market, "PAIR", 3, item=cup, name="A pair of cups")
    item_id, order_id, pair_id, run = cup.id, order.id, pair.id, add_finished_run(outlet.id, kind="listings")
    with writing() as session:
        session.execute(update(Allocation).values(reserved=3))
        session.get_one(Listing, pair_id).links[0].units = 2
        session.add(StockEntry(stock_item_id=item_id, actor=f"run:{run}", cause="start", on_hand_change=10, run_id=run))
        session.add(StockEntry(stock_item_id=item_id, actor="run:1", cause="sale", reserved_change=3, order_id=order_id))
    return item_id


def rows_of(page: str, title: str) -> list[str]:
    inside = [row for row in elements(page, "tr") if any(parent.get("aria-labelledby") == title for parent in row.parents)]
    return [words(row.text) for row in inside][1:]


def test_the_page_says_where_each_unit_is(client, item):
    page = client.get(f"/stock/{item}").text
    assert rows_of(page, "holders-title") == ["1001 Outlet 3 3"]
    assert rows_of(page, "places-title") == ["A pair of cups PAIR Market 2 3", "A cup CUP Outlet 1 6"]
    facts = element(page, "section", aria_labelledby="units-title")
    assert words(facts.text).endswith("Reserved by orders 3 Buffer 1 Available 6 On hand 10")


def test_the_page_says_where_a_stock_update_of_the_item_waits_for_approval(client, item):
    """The list of stock said so; the page of an item showed 6 in the shop and 10 here without a word."""
    outlet_id = db.session.scalar(select(Integration.id).where(Integration.name == "Outlet"))
    run = add_finished_run(outlet_id, kind="stock", outcome="waiting")
    with writing() as session:
        session.get_one(Integration, outlet_id).waiting_run_id = run
        listing = session.scalar(select(Listing.id).where(Listing.sku == "CUP"))
        session.add(RunItem(run_id=run, listing_id=listing, external_id="1", sku="CUP", now=6, wanted=9, result="preview"))
    page = words(client.get(f"/stock/{item}").text)
    assert "Until then this shop does not show what is available here: <a" in page
    assert elements(page, "a", href=f"/settings/sales-channels/{outlet_id}/preview")
    other = make_item("OTHER", 1).id
    assert "needs approval" not in client.get(f"/stock/{other}").text


def test_the_history_is_in_words(client, item):
    items.set_stock("CUP", 12, "user:owner")
    page = client.get(f"/stock/{item}").text
    said = [words(cell.text) for cell in elements(page, "th", scope="row") if "#" not in cell.text]
    assert "Set from 10 to 12" in said
    assert "3 units reserved · order 1001" in said
    assert "Opening stock 10, from Outlet" in said


def test_units_that_an_order_loses_are_not_called_a_change_of_the_stock(client, item):
    """Set below what is reserved, each line of an order that lost units said *Set from 2 to 2*."""
    items.set_stock("CUP", 2, "user:owner")
    said = [words(cell.text) for cell in elements(client.get(f"/stock/{item}").text, "th", scope="row")]
    assert "1 unit no longer reserved · order 1001 less on hand than reserved" in said
    assert "Set from 10 to 2" in said and not any(each.startswith("Set from 2 to 2") for each in said)


def test_a_variant_is_called_by_the_name_its_listing_has_learned(client, item):
    with writing() as session:
        session.get_one(StockItem, item).name = "A cup"
        session.execute(update(Listing).where(Listing.sku == "CUP").values(name="A cup (Red, L)"))
    assert "A cup (Red, L)" in [each.text for each in elements(client.get(f"/stock/{item}").text, "p", _class="soft")]


def test_the_threshold_of_an_item_and_the_default_are_set_on_pages(app, client, item):
    page = client.get(f"/stock/{item}").text
    assert "Low" not in words(element(page, "h1").text)
    client.post(f"/stock/{item}/threshold", data=form_data(page, "threshold", threshold="6"))
    page = client.get(f"/stock/{item}").text
    assert words(element(page, "h1").text) == "CUP Low" and element(page, "input", id="threshold")["value"] == "6"
    low_stock.review()
    page = client.get("/stock").text
    tab = next(each for each in elements(page, "a") if each.text.startswith("Low stock"))
    assert "CUP" in client.get(tab["href"]).text
    for typed in ("-3", "few"):
        refused = client.post(f"/stock/{item}/threshold", data={"threshold": typed})
        assert refused.status_code == 422 and element(refused.text, "h1") and element(refused.text, "div", role="alert")
        assert element(refused.text, "input", id="threshold")["value"] == typed, "what was typed is kept, beside the reason"
    client.post(f"/stock/{item}/threshold", data={"threshold": ""})
    refused = client.post("/stock/low", data={"threshold": "few"})
    assert refused.status_code == 422 and "few" in refused.text
    assert client.post("/stock/low", data=form_data(client.get("/stock/low").text, "threshold", threshold="4")).status_code == 303
    assert element(client.get(f"/stock/{item}").text, "input", id="threshold")["placeholder"] == "4 (default)"
    low_stock.review()
    db.session.rollback()
    assert "CUP" not in client.get("/stock?state=low").text
    viewer = app.test_client()
    sign_in(viewer, "viewer", "viewer")
    assert "4 available or fewer (default)" in words(viewer.get(f"/stock/{item}").text)
    assert viewer.post(f"/stock/{item}/threshold", data={"threshold": "1"}).status_code == 403


def test_the_command_sets_thresholds_and_lists_what_is_low(app, item):
    run = app.test_cli_runner().invoke
    assert run(args=["stock", "threshold", "6", "--sku", "cup"]).output == "CUP: low at 6 available.\n"
    low_stock.review()
    assert "CUP" in run(args=["stock", "list", "--low"]).output
    assert run(args=["stock", "threshold", "none", "--sku", "CUP"]).output == "CUP: the default threshold.\n"
    assert run(args=["stock", "threshold", "2"]).output == "Items without a threshold: low at 2 available.\n"
    low_stock.review()
    assert "CUP" not in run(args=["stock", "list", "--low"]).output


@pytest.mark.parametrize("cause", ["undone", "voided"])
def test_units_that_came_back_and_are_reserved_again_came_back_once(client, item, cause):
    order_id = db.session.scalar(select(StockEntry.order_id).where(StockEntry.order_id.is_not(None)))
    with writing() as session:
        session.add(StockEntry(stock_item_id=item, actor="user:ann", cause=cause, on_hand_change=2, order_id=order_id))
        session.flush()
        session.add(StockEntry(stock_item_id=item, actor="user:ann", cause=cause, reserved_change=2, order_id=order_id))
    page = words(client.get(f"/stock/{item}").text)
    assert page.count(f"Shipment {cause}: 2 units back") == 1
    assert page.count(f"Shipment {cause}: 2 units reserved again") == 1


def test_what_changed_on_hand_stands_in_one_place_and_other_changes_in_another(client, item):
    """What a person had set stood in both, what a file had set only in the stock history."""
    none = words(element(client.get(f"/stock/{item}").text, "section", id="history").text)
    assert "None yet." in none and none.endswith("Show all in the audit trail"), "which may have entries about what is on hand"
    client.post(f"/stock/{item}", data={"on_hand": "12", "buffer": "2", "was": "10"})
    client.post(f"/stock/{item}/threshold", data={"threshold": "3"})
    page = client.get(f"/stock/{item}").text
    assert "Set from 10 to 12" in words(page)
    others = words(element(page, "section", id="history").text)
    assert others.startswith("Other changes") and "Buffer: 1 → 2" in others and "Low-stock threshold changed" in others
    assert "Stock changed" not in others and "who added it by hand" in others
    trail = words(element(client.get(f"/activity/changes?of=stock_item&id={item}").text, "main").text)
    assert "On hand: 10 → 12" in trail and "Buffer: 1 → 2" in trail
