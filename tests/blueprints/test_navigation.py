"""The main menu, the way to a list by keyboard, the search over everything, shortcuts, and the user guide."""

from __future__ import annotations

import json
import re

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from blueprints import areas, guide, search
from extensions import writing
from models.types import utcnow
from services.listings import views as listings
from services.stock import views as stock
from tests.blueprints.looks import assert_accessible, watch
from tests.blueprints.pages import element, elements, htmx, words
from tests.blueprints.rows import add_integration
from tests.support.rows import make_integration, make_item, make_listing, make_order
from tests.support.signed_in import sign_in


def hits(page: str) -> dict[str, list[str]]:
    """What was found, by the heading above it."""
    found: dict[str, list[str]] = {}
    for item in elements(page):
        if item.tag == "h2" and (item.get("id") or "").startswith("found-"):
            found[words(item.text)] = []
        elif item.tag == "a" and any(each.get("class") == "sheet rows hits" for each in item.parents):
            found[list(found)[-1]].append(words(item.text))
    return found


def test_one_search_finds_orders_stock_items_listings_integrations_and_pages(client: FlaskClient) -> None:
    shop = make_integration("Stockholm")
    item = make_item("STOCK-1")
    make_listing(shop, "STOCK-1", 3, item=item)
    make_order(shop, "1001", [(item, 1)], customer="Ann")
    found = hits(client.get("/search?search=stock").text)
    assert found == {
        "Orders": ["1001"], "Stock items": ["STOCK-1"], "Listings": ["STOCK-1"], "Integrations": ["Stockholm"],
        "Pages": ["Stock", "Add stock item", "Import stock", "Stock changed in the shops", "Low-stock threshold"],
    }  # fmt: skip
    assert hits(client.get("/search?search=ann").text)["Orders"] == ["1001"]
    assert hits(client.get("/search?search=email").text)["Pages"] == ["Notification settings", "Mail server"], (
        "what people call a page counts too"
    )
    assert hits(client.get("/search?search=packing").text)["Pages"] == ["Printed documents"]
    assert "Nothing was found" in client.get("/search?search=nowhere").text
    assert hits(client.get("/search").text) == {}


def test_a_search_shows_a_few_of_each_and_leads_to_all(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = make_integration()
    for number in range(11):
        make_order(shop, f"N{number}", [(make_item(f"CUP-{number:02}"), 1)])
    page = client.get("/search?search=cup").text
    assert {kind: len(found) for kind, found in hits(page).items()} == {"Orders": 8, "Stock items": 8}
    assert element(page, "a", href="/orders?q=cup").text == "Show all 11 orders"
    assert element(page, "a", href="/stock?q=cup").text == "Search all stock items"
    monkeypatch.setattr(search, "MOST_FOUND", 10)
    page = client.get("/search?search=cup").text
    assert hits(page)["Orders"] == [f"N{number}" for number in range(10, 2, -1)]
    assert element(page, "a", href="/orders?q=cup").text == "Show more than 9 orders"


def test_a_search_that_finds_orders_only_says_where_a_part_of_a_name_is_found(client: FlaskClient) -> None:
    """'fork' found an order of NEW-FORK and not the stock item 'Garden fork', as if there were none."""
    item = make_item("NEW-FORK")
    with writing() as session:
        session.merge(item).name = "Garden fork"
    make_order(make_integration(), "132", [("NEW-FORK", 1)])
    page = client.get("/search?search=fork").text
    assert list(hits(page)) == ["Orders"]
    lists = [each["href"] for each in elements(page, "a") if each["href"] in ("/stock?q=fork", "/listings?q=fork")]
    assert lists == ["/stock?q=fork", "/listings?q=fork"]
    assert "NEW-FORK" in client.get(lists[0]).text
    assert "A part of a SKU" not in client.get("/search?search=new-f").text


@pytest.mark.both_databases
def test_stock_items_and_listings_are_found_by_the_beginnings_of_skus_and_names(app) -> None:
    shop, gone = make_integration(), make_integration("Gone", removed_at=utcnow())
    for sku, name in (("TEA-1", "Pot"), ("2", "Tea pot"), ("3", "tea spoon"), ("4", "Steam"), ("TEB", ""), ("5", "T\u00c9A")):
        item = make_item(sku)
        with writing() as session:
            session.merge(item).name = name
        make_listing(shop, sku, 1, name=name)
        make_listing(gone, sku, 1, name=name)
    assert {sku for _, sku, _ in stock.quick_search("tea", 8)} == {"TEA-1", "2", "3"}
    assert {sku for _, sku, _, _ in listings.quick_search("tea", 8)} == {"TEA-1", "2", "3"}
    assert [sku for _, sku, _ in stock.quick_search("t\u00e9a", 8)] == ["5"]
    assert len(stock.quick_search("te", 2)) == len(listings.quick_search("te", 2)) == 2
    assert stock.quick_search("%", 8) == listings.quick_search("_", 8) == []


def test_who_may_not_see_customers_does_not_find_them_and_no_pages_that_are_not_theirs(client: FlaskClient, app) -> None:
    make_order(make_integration(), "1001", [("X", 1)], customer="Zoe")
    viewer = app.test_client()
    sign_in(viewer, "Vera", "viewer")
    assert hits(viewer.get("/search?search=zoe").text) == {}
    assert "Add stock item" not in str(hits(viewer.get("/search?search=stock").text))


def test_the_guide_is_served_with_its_pictures_and_every_area_leads_into_it(client: FlaskClient) -> None:
    page = client.get("/guide").text
    ids = {item["id"] for item in elements(page) if item.get("id")}
    assert "Work on orders" in words(page) and "](" not in page
    for image in (item for item in elements(page, "img") if item["src"].startswith("/guide/")):
        assert client.get(image["src"]).mimetype == "image/png"
    assert {area.section for area in areas.AREAS} | set(areas.MORE_SECTIONS.values()) <= ids
    for area in areas.AREAS[:-1]:  # settings are in each section
        there = page.partition(f'id="{area.section}"')[2]
        assert area.label in words(re.split("<h[23]", there)[0]), f"{area.label} is described in another section"
    for path, section in (
        ("/orders", "work-on-orders"),
        ("/settings/sales-channels/add", "connect-a-shop"),
        ("/account", "notifications"),
    ):
        marks = elements(client.get(path).text, "a", _class="help-mark")
        assert {mark["href"] for mark in marks} == {f"/guide#{section}"}
    for area in areas.AREAS:
        heading = client.get(area.prefix).text.partition("<h1")[2].partition('<div class="page-head')[0]
        assert element(heading, "a", _class="help-mark")["href"] == f"/guide#{area.section}", area.label
    assert client.get("/guide/images/..%2Fuser-guide.md").status_code == client.get("/guide/images/none.png").status_code == 404


def test_what_is_html_in_the_guide_stays_text(app, tmp_path, monkeypatch) -> None:
    (tmp_path / "guide.md").write_text(
        "# Guide\n\n## One <b>two</b>\n\n<script>1</script> [see](api.md) [out](https://x.example)\n"
    )
    monkeypatch.setattr(guide, "GUIDE", tmp_path / "guide.md")
    with app.test_request_context():
        read = guide._read(0, "/guide/images/NAME")
    assert read.title == "Guide" and "<script>" not in read.body
    assert ">see<" in read.body and "api.md" not in read.body and 'href="https://x.example"' in read.body


@pytest.mark.parametrize(
    ("answer", "said"), [("no", "Garden shop: disabled. Disabled"), ("yes", "Garden shop: enabled. Connected")]
)
def test_the_switch_says_the_new_state_and_health(client: FlaskClient, answer: str, said: str) -> None:
    integration_id = add_integration(enabled=answer == "no")
    address = f"/settings/sales-channels/{integration_id}/status"
    shown = client.post(address, data={"enabled": answer}, headers=htmx(f"integration-{integration_id}"))
    assert json.loads(shown.headers["HX-Trigger"])["announce"] == said


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"))


def test_everything_is_within_reach_of_keys_and_thumbs(page: Page, app) -> None:
    shop = make_integration("Garden shop")
    for number in range(3):
        make_order(shop, f"N{number}", [(make_item(f"SKU-{number}"), 1)])
    wrong = watch(page)
    # From the top of the list to the first tick.
    page.goto("/orders")
    tabs = 0
    while "Select order" not in focused(page):
        page.keyboard.press("Tab")
        tabs += 1
        if focused(page) == "Skip to the list":
            page.keyboard.press("Enter")
    print("tabs", tabs)
    assert tabs <= 12
    first = focused(page)
    page.keyboard.press("ArrowDown")
    assert focused(page) not in (first, "") and "Select order" in focused(page)
    page.keyboard.press("ArrowUp")
    assert focused(page) == first
    # Shortcuts, which do nothing while somebody types and can be turned off.
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("checkbox", name="as shortcuts in this browser").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert focused(page) == first
    page.keyboard.press("Control+k")
    everything = page.get_by_role("searchbox", name="Search everything")
    expect(everything).to_be_focused()
    page.keyboard.type("N1/?")
    expect(everything).to_have_value("N1/?")
    everything.fill("N1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    # On a telephone.
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/stock")
    menu = page.get_by_role("button", name="Menu: Stock")
    menu.click()
    for area in areas.AREAS:
        expect(page.get_by_role("link", name=area.label, exact=True)).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Sign out")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("searchbox", name="Search everything")).to_be_in_viewport(ratio=1)
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).not_to_be_visible()
    expect(menu).to_be_focused()
    # A step of a set-up begins at its heading.
    page.goto("/settings/sales-channels/add/xcart")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_contain_text("step 1 of 3: Name")
    assert not wrong
