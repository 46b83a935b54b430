"""The tables of orders, stock items, listings and runs: counts, sortable headings, saved views, columns, and their look in a browser."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert

from extensions import db, writing
from models import Order
from models.types import utcnow
from services.accounts import list_views
from services.common.paging import MOST_COUNTED
from services.monitoring.low_stock import review
from services.order_basics import holds
from services.stock.low_stock import set_default
from tests.blueprints.looks import assert_fits, assert_good_in_every_look, watch
from tests.blueprints.pages import element, elements, form_data, toasts, words
from tests.blueprints.rows import add_finished_run
from tests.support.rows import make_integration, make_item, make_listing, make_order
from tests.support.signed_in import sign_in

LISTS = ("/orders", "/stock", "/listings", "/activity")


def tabs(page: str) -> dict[str, str]:
    """The states above a list: label -> count, empty where none is shown."""
    found = [words(item.text) for item in elements(page, "a") if any(each.get("id") == "list-states" for each in item.parents)]
    return {(parts := re.fullmatch(r"(.*?)(?: ([\d,+]+))?", each))[1]: parts[2] or "" for each in found}


def headings(page: str) -> list[str]:
    return [words(item.text) for item in elements(page, "th", scope="col") if "tick" not in (item.get("class") or "")]


def test_every_state_says_how_many_orders_are_in_it(client):
    integration = make_integration()
    for number, state in enumerate(("ready", "ready", "on_hold", "shipped", "cancelled")):
        make_order(integration, str(number), [("X", 1)], state=state)
    assert tabs(client.get("/orders").text) == {
        "All": "", "Ready": "2", "On hold": "1", "Awaiting payment": "0", "Part shipped": "0", "Shipped": "1", "Cancelled": "1",
    }  # fmt: skip


def test_no_more_orders_are_counted_than_a_list_counts(client):
    integration = make_integration()
    model = make_order(integration, "0", [("X", 1)], state="shipped")
    columns = {each.name: getattr(model, each.key) for each in Order.__mapper__.columns if each.name != "id"}
    with writing() as session:
        session.execute(
            insert(Order.__table__), [{**columns, "external_id": f"c{n}", "number": f"{n}"} for n in range(1, MOST_COUNTED + 5)]
        )
    assert tabs(client.get("/orders").text)["Shipped"] == "2,000+"


def test_stock_items_listings_and_runs_are_counted_by_state_too(client):
    shop = make_integration()
    for sku, on_hand in (("LOW", 5), ("NONE", 0), ("MANY", 6)):
        make_item(sku, on_hand)
    set_default(5, "user:ann")
    review()
    assert tabs(client.get("/stock").text) == {"All": "", "Low stock": "2", "Out of stock": "1", "From suppliers": "0"}
    make_listing(shop, "A", 1, item=make_item("A"))
    make_listing(shop, "B", 1)
    make_listing(shop, "C", 1, push_error="The shop refused it.", push_state="refused")
    counted = tabs(client.get("/listings").text)
    assert [counted[name] for name in ("Linked", "Unlinked", "Not stored", "Conflict")] == ["1", "2", "1", "0"]
    for outcome in ("done", "failed", "failed", "lost"):
        add_finished_run(shop.id, outcome=outcome)
    counted = tabs(client.get("/activity").text)
    assert [counted[name] for name in ("Running", "Failed", "Interrupted", "Stopped")] == ["0", "2", "1", "0"]


def test_a_heading_sorts_the_list_both_ways_and_keeps_the_filters(client):
    shop = make_integration()
    for number, total in (("A", 5), ("B", 9), ("C", 7)):
        order = make_order(shop, number, [("X", 1)])
        with writing() as session:
            session.get_one(Order, order.id).total = total
    page = client.get("/orders?state=ready").text
    for direction, expected in (("descending", "BCA"), ("ascending", "ACB")):
        link = next(item for item in elements(page, "a", _class="sort") if words(item.text) == "Total")
        assert parse_qs(urlsplit(link["href"]).query)["state"] == ["ready"]
        page = client.get(link["href"]).text
        head = next(item for item in elements(page, "th", scope="col") if words(item.text) == "Total")
        assert head["aria-sort"] == direction
        assert "".join(words(item.text) for item in elements(page, "th", scope="row")) == expected


def test_an_order_names_its_goods_its_shop_and_the_day_in_one_line(client):
    shop = make_integration("Garden shop")
    placed = utcnow() - timedelta(days=3, hours=1)
    make_order(shop, "1", [(f"Cup {n}", n) for n in range(1, 8)], placed_at=placed)
    page = client.get("/orders", headers={"Accept-Language": "en-GB"}).text
    row = words(next(item for item in elements(page, "tr") if "Garden shop" in item.text).text)
    assert "Cup 1, 2 × Cup 2, 3 × Cup 3, 4 × Cup 4, 3 more" in row
    year = f" {placed.year}" if placed.year != utcnow().year else ""
    assert f"{placed.day} {placed:%b}{year}, {placed:%H:%M}" in row
    assert element(page, "time")["title"].startswith("3 days ago, ")


def test_columns_are_chosen_by_each_user_for_themselves(client, app):
    make_order(make_integration(), "1", [("X", 1)])
    page = client.get("/orders").text
    assert headings(page) == ["Order", "Shop", "Placed", "Customer", "Items", "Total", "State"]
    asked = form_data(page, "column", column=["total", "pieces", "nonsense"], back="/orders?state=ready")
    answer = client.post("/lists/orders/columns", data=asked)
    assert (answer.status_code, answer.location) == (303, "/orders?state=ready")
    assert headings(client.get("/orders").text) == ["Order", "Pieces", "Total", "State"]
    assert headings(client.get("/stock").text) == []
    other = app.test_client()
    sign_in(other, "ann", "viewer")
    assert "Pieces" not in headings(other.get("/orders").text) and "Customer" not in headings(other.get("/orders").text)
    client.post("/lists/orders/columns", data={})
    assert headings(client.get("/orders").text) == headings(page)
    assert client.post("/lists/nothing/columns", data={}).status_code == 404


def test_views_are_saved_replaced_and_removed_by_each_user_for_themselves(client, app):
    make_order(make_integration(), "1", [("X", 1)])
    page = client.get("/orders?state=ready&q=1&sort=oldest").text
    saved = form_data(page, "filters", name="  Old and   ready ")
    answer = client.post("/lists/orders/views", data=saved)
    assert parse_qs(urlsplit(answer.location).query) == {"state": ["ready"], "q": ["1"], "sort": ["oldest"]}
    assert "The view ‘Old and ready’ was saved." in client.get(answer.location).text
    again = {"name": "OLD AND READY", "filters": "state=ready&evil=1&shop=99"}
    asked = client.post("/lists/orders/views", data=again)
    assert asked.status_code == 409 and "A view named ‘Old and ready’ exists" in asked.text
    assert "“1”, Ready to ship, Oldest first" in words(elements(asked.text, "dl")[0].text)
    assert [each["value"] for each in elements(asked.text, "input", id="name")] == ["OLD AND READY"]
    assert list_views.of_list(1, "orders").views[0].name == "Old and ready", "nothing is replaced before a person said so"
    answer = client.post("/lists/orders/views", data=form_data(asked.text, "replace"))
    assert "The view ‘OLD AND READY’ was replaced." in client.get(answer.location).text
    same = client.post("/lists/orders/views", data=again)
    assert same.status_code != 409, "the same filters under the same name replace nothing"
    link = next(item for item in elements(client.get("/orders").text, "a") if words(item.text) == "OLD AND READY")
    assert link["href"] == "/orders?state=ready"
    other = app.test_client()
    sign_in(other, "ann", "viewer")
    assert "OLD AND READY" not in other.get("/orders").text
    view = list_views.of_list(1, "orders").views[0]
    assert other.post(f"/lists/views/{view.id}/remove").status_code == 404
    assert client.post(f"/lists/views/{view.id}/remove", data={"back": "/orders?q=7"}).location == "/orders?q=7"
    db.session.rollback()
    assert list_views.of_list(1, "orders").views == []


@pytest.mark.parametrize(
    ("name", "said"), [(" ", "Give the view a name."), ("x" * 61, "The name is too long: 61 characters, at most 60.")]
)
def test_a_view_without_a_proper_name_is_not_saved(client, name, said):
    answer = client.post("/lists/stock/views", data={"name": name, "filters": "q=cup"})
    assert (answer.status_code, answer.location) == (303, "/stock?q=cup")
    assert toasts(client.get("/stock").text) == [said]


def test_no_more_views_are_saved_than_a_menu_shows(client):
    client.get("/orders")
    for number in range(list_views.MOST_VIEWS):
        list_views.save_view(1, "orders", f"View {number}", {})
    client.post("/lists/orders/views", data={"name": "One more", "filters": ""})
    assert toasts(client.get("/orders").text) == ["There are 30 saved views. Remove one first."]


def fill_lists() -> None:
    shops = [make_integration("Garden shop"), make_integration("Toys")]
    for number in range(60):
        item = make_item(f"SKU-{number:02}", number)
        make_listing(shops[number % 2], item.sku, number, item=item)
        state = ("ready", "shipped", "on_hold")[number % 3]
        make_order(shops[number % 2], f"N{number:02}", [(item, 1), ("A thing with a rather long name " * 3, 2)], state=state, customer="Ann",
                   held_reason="The SKU X of line 2 is no stock item. Add it, or link it to one." if state == "on_hold" else "")  # fmt: skip
        add_finished_run(shops[number % 2].id, outcome=("done", "failed")[number % 2])


def test_lists_are_dense_filter_at_once_and_show_what_can_be_done_with_ticked_rows(page: Page, app) -> None:
    fill_lists()
    wrong = watch(page)
    for width, below in ((1280, 260), (390, 400)):
        page.set_viewport_size({"width": width, "height": 844})
        for path in LISTS:
            page.goto(path)
            row = page.locator("tbody tr").first
            assert (row.bounding_box() or {})["y"] < below, (path, width)
            if width == 1280:
                heights = page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.getBoundingClientRect().height)")
                assert {40 <= height <= 44 for height in heights} == {True}, (path, set(heights))
                page.evaluate("window.scrollTo(0, 700)")
                assert page.locator("thead th").first.evaluate("head => Math.round(head.getBoundingClientRect().top)") == 0, path
                for narrower in (1000, 780):
                    page.set_viewport_size({"width": narrower, "height": 844})
                    assert_fits(page, f"{narrower} px")
                page.set_viewport_size({"width": 1280, "height": 844})
    page.set_viewport_size({"width": 1280, "height": 844})
    page.goto("/orders")
    page.evaluate("window.stillTheSamePage = true")
    page.get_by_role("combobox", name="Shop").select_option("Toys")
    expect(page.locator("tbody tr")).to_have_count(30)
    assert parse_qs(urlsplit(page.url).query) == {"shop": ["2"]}
    page.get_by_label("Number, customer, email, SKU or tracking").press_sequentially("N0")
    expect(page.locator("tbody tr")).to_have_count(5)
    expect(page.locator("#announcer")).to_have_text("5 orders")
    expect(page.get_by_label("Number, customer, email, SKU or tracking")).to_be_focused()
    assert parse_qs(urlsplit(page.url).query) == {"shop": ["2"], "q": ["N0"]}
    expect(page.get_by_role("link", name="Ready")).to_have_attribute("href", re.compile("q=N0"))
    assert page.evaluate("window.stillTheSamePage")
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(30)
    bar = page.get_by_role("group", name="Selected orders")
    expect(bar).not_to_be_visible()
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        page.get_by_role("checkbox", name="Select order N01 of Toys").check()
        expect(bar).to_be_in_viewport(ratio=1)
        expect(bar).to_contain_text("1 selected")
        bar.get_by_role("button", name="Clear").click()
        expect(bar).not_to_be_visible()
    for name in ("Views", "Columns"):
        page.locator("summary", has_text=name).click()
    assert_good_in_every_look(page)
    assert not wrong


def test_lists_are_filtered_without_javascript(browser, server: str, app, page: Page) -> None:
    make_order(make_integration(), "N1", [("X", 1)])
    context = browser.new_context(base_url=server, java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto("/orders")
    plain.get_by_label("Number, customer, email, SKU or tracking").fill("N2")
    plain.get_by_role("button", name="Filter").click()
    expect(plain.get_by_role("heading", name="No order matches")).to_be_visible()
    plain.get_by_role("link", name="Clear filters", exact=True).click()
    plain.get_by_role("checkbox", name="Select order N1 of Shop").check()
    expect(plain.get_by_role("button", name="Ship …")).to_be_visible()
    plain.locator("summary", has_text="Columns").click()
    plain.get_by_role("checkbox", name="Customer", exact=True).uncheck()
    plain.get_by_role("button", name="Save columns").click()
    expect(plain.get_by_role("columnheader", name="Customer")).to_have_count(0)
    context.close()


def test_no_columns_at_all_shows_the_usual_ones_and_says_so(client):
    make_order(make_integration(), "1", [("X", 1)])
    answer = client.post("/lists/orders/columns", data={"back": "/orders"})
    assert "You selected no columns, so the usual ones are shown." in client.get(answer.location).text


def test_a_filter_for_a_number_keeps_its_label_once_it_is_filled(client):
    label = element(client.get("/stock?low=0").text, "label", **{"for": "low"})
    assert words(label.text) == "Maximum available" and "visually-hidden" not in (label["class"] or "")


def test_a_search_says_what_it_found_an_order_by(client):
    """The number that was typed is not on the order's line where it is part of a SKU."""
    make_order(make_integration(), "81", [("CUP-124", 1)])
    assert "SKU: CUP-124" in words(element(client.get("/orders?q=124").text, "tbody").text)
    assert "SKU" not in words(element(client.get("/orders?q=81").text, "tbody").text)
    assert "SKU: CUP-124" in words(element(client.get("/search?search=124").text, "section", aria_labelledby="found-1").text)


def test_the_numbers_of_the_tabs_are_those_of_the_lists_they_lead_to(client):
    """With a shop chosen, 'Ready 24' led to a list of seven."""
    one, other = make_integration(), make_integration("Other shop")
    for number, integration in enumerate((one, other, other)):
        make_order(integration, str(number), [("X", 1)], state="ready")
    assert tabs(client.get("/orders?state=ready&sort=oldest").text)["Ready"] == "3"
    make_listing(one, "A", 1)
    add_finished_run(one.id, outcome="failed")
    for address in (
        f"/orders?shop={other.id}&state=ready",
        "/orders?q=1",
        "/orders?age=7",
        "/stock?q=LOW",
        f"/listings?shop={other.id}",
        "/activity?integration=Other",
    ):
        assert set(tabs(client.get(address).text).values()) == {""}, f"{address}: none is counted for these filters"


def test_an_order_that_is_ready_and_not_all_in_stock_says_so_in_sight(client):
    """It said 'Ready' in colour, and in grey, cut short, that nothing of it is there."""
    shop = make_integration()
    make_order(shop, "1", [("CUP", 3)], note=holds.short("CUP", 2, 3))
    make_order(shop, "2", [("CUP", 1)], note="Accepted: There is no address.")
    rows = {
        each["id"] if each.get("id") else words(each.text): words(each.text)
        for each in elements(client.get("/orders").text, "tr")
    }
    assert [("Not all in stock" in text) for text in rows.values() if "CUP" in text] == [False, True]
