"""The user guide, step by step by its visible labels, in a real browser: with JavaScript and without."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select

from extensions import db, writing
from models import Draft, Integration, RunItem
from practice_shop import PracticeShop
from tests.blueprints.looks import half_of_the_looks, watch
from tests.blueprints.queues import work_off
from tests.blueprints.rows import add_finished_run, add_integration, change_integration, read_integration
from tests.support.browser import PATIENCE, session_cookie
from tests.support.shops import connect


@pytest.fixture(params=["with JavaScript", "without JavaScript"])
def guided(request: pytest.FixtureRequest, browser: Browser, server: str, app: Flask) -> Iterator[Page]:
    """A page of a browser that does, or does not, run scripts."""
    context = browser.new_context(base_url=server, java_script_enabled=request.param == "with JavaScript")
    context.set_default_timeout(PATIENCE)
    context.add_cookies([{**session_cookie(app, "owner"), "url": server}])
    yield context.new_page()
    context.close()


def the_integration() -> Integration:
    db.session.rollback()
    return db.session.scalars(select(Integration).where(Integration.removed_at.is_(None))).one()


def open_list(page: Page) -> None:
    """Steps 1 and 2 of each part of the guide."""
    page.goto("/activity")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("main").get_by_role("link", name="Sales channel integration").click()
    expect(page.get_by_role("heading", name="Sales channel integration")).to_be_visible()


def select_answer(page: Page, question: str, answer: str) -> None:
    page.get_by_role("group", name=question, exact=True).get_by_text(answer, exact=True).click()


def add_shop(page: Page, shop: PracticeShop, name: str = "Garden shop") -> None:
    """‘New sales channel integration’, steps 1 to 16."""
    open_list(page)
    page.get_by_role("button", name="Add sales channel").click()
    page.get_by_role("listitem").filter(has_text="X-Cart").get_by_role("button", name="Add").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Website end point").fill(f"{shop.url}/admin.php")
    page.get_by_label("API key").fill(shop.key or "")
    select_answer(page, "Use X-Cart tax settings", "Yes")
    select_answer(page, "Use X-Cart tax settings for shipping", "No")
    page.get_by_label("Shipping surcharge name").fill("Packing fee")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", name="Testing the connection")).to_be_visible()
    assert work_off("checks") == 1
    for option in ("Product variants", "Product options (attributes)", "Discounts and coupons", "Order notes", "Back orders"):
        select_answer(page, option, "Yes")
    select_answer(page, "Several tax lines", "No")
    page.get_by_label("Processed order status").select_option(label="Shipped")
    page.get_by_role("button", name="Next").click()


@pytest.mark.every_time
def test_new_sales_channel_integration(guided: Page) -> None:
    with PracticeShop(orders=8) as shop:
        add_shop(guided, shop)
        row = guided.get_by_role("row").filter(has_text="Garden shop")
        expect(row).to_contain_text("X-Cart")
        expect(row.get_by_role("img", name="X-Cart logo")).to_be_visible()
        expect(row.get_by_role("switch")).to_be_checked()
        expect(row).to_contain_text("Syncing")
        made = the_integration()
        assert (made.enabled, made.use_tax, made.use_shipping_tax, made.surcharge_name) == (True, True, False, "Packing fee")
        assert (made.processed_status, made.with_tax_lines, made.with_variants) == ("S", False, True)
        work_off()
        expect(row).to_contain_text("Connected")


@pytest.mark.every_time
def test_cancel_returns_to_the_list_without_completing(guided: Page) -> None:
    open_list(guided)
    guided.get_by_role("button", name="Add sales channel").click()
    guided.get_by_role("button", name="Add").click()
    guided.get_by_label("Name").fill("Never mind")
    guided.get_by_role("button", name="Next").click()
    guided.get_by_role("button", name="Cancel").click()
    expect(guided.get_by_role("heading", name="Sales channel integration")).to_be_visible()
    expect(guided.get_by_text("No shop is connected yet")).to_be_visible()
    assert db.session.scalars(select(Draft)).all() == []


@pytest.mark.every_time
def test_disable_and_enable(guided: Page) -> None:
    add_integration("Garden shop")
    open_list(guided)
    switch = guided.get_by_role("row").filter(has_text="Garden shop").get_by_role("switch")
    for enabled in (False, True):
        with guided.expect_response(re.compile("/status$")):
            switch.click()
        expect(switch).to_be_checked(checked=enabled)
        assert the_integration().enabled is enabled


@pytest.mark.every_time
def test_remove(guided: Page) -> None:
    add_integration("Garden shop")
    open_list(guided)
    guided.get_by_role("link", name="Garden shop").click()
    guided.get_by_role("button", name="Remove account").click()
    guided.get_by_role("button", name="Cancel").click()
    expect(guided.get_by_role("heading", name="Garden shop", exact=True)).to_be_visible()
    assert the_integration().name == "Garden shop"
    guided.get_by_role("button", name="Remove account").click()
    guided.get_by_role("button", name="OK").click()
    expect(guided.get_by_role("heading", name="Sales channel integration")).to_be_visible()
    expect(guided.get_by_text("No shop is connected", exact=True)).to_be_visible()
    expect(guided.get_by_role("link", name="Garden shop")).to_be_visible()


@pytest.mark.every_time
def test_reauthorise(guided: Page) -> None:
    with PracticeShop(orders=3) as shop:
        integration_id = connect(shop, "Garden shop")
        change_integration(integration_id, health="needs_reauthorising", health_message="The API key was rejected.")
        shop.key = "the-key-after-it-was-changed"
        open_list(guided)
        guided.get_by_role("link", name="Garden shop").click()
        with guided.context.expect_page() as opened:
            guided.get_by_role("link", name="Reauthorise").click()
        window = opened.value
        expect(window.get_by_label("Website end point")).to_have_value(shop.url)
        window.get_by_role("button", name="Cancel").click()
        expect(window.get_by_role("heading", name="Sales channel integration")).to_be_visible()
        assert read_integration(integration_id).health == "needs_reauthorising"
        window.go_back()
        window.get_by_label("API key").fill(shop.key)
        window.get_by_role("button", name="Save").click()
        expect(window.get_by_role("heading", name="Testing the connection")).to_be_visible()
        assert work_off("checks") == 1
        expect(window.get_by_role("heading", name="Sales channel integration")).to_be_visible()
        assert read_integration(integration_id).health == "connected"


def test_the_page_behind_looks_again_when_the_window_is_done(page: Page, browser_context: BrowserContext) -> None:
    with PracticeShop(orders=3) as shop:
        integration_id = connect(shop, "Garden shop")
        change_integration(integration_id, health="needs_reauthorising", health_message="The API key was rejected.")
        page.goto(f"/settings/sales-channels/{integration_id}")
        expect(page.get_by_text("Needs reauthorising")).to_be_visible()
        with browser_context.expect_page() as opened:
            page.get_by_role("link", name="Reauthorise").click()
        opened.value.get_by_role("button", name="Save").click()
        work_off("checks")
        expect(opened.value.get_by_role("heading", name="Sales channel integration")).to_be_visible()
        page.evaluate("window.dispatchEvent(new Event('focus'))")
        expect(page.get_by_text("Needs reauthorising")).to_have_count(0)


def open_preview(page: Page, integration: Integration) -> None:
    run_id = add_finished_run(integration.id, kind="stock", outcome="waiting")
    with writing() as session:
        for number, sku in enumerate(("CUP", "a-very-long-stock-keeping-unit-" * 4)):
            reason = f"{sku}: on hand {number}, reserved 0"
            session.add(RunItem(run_id=run_id, sku=sku, now=20, wanted=number, result="preview", reason=reason))
    change_integration(integration.id, waiting_run_id=run_id)
    page.goto(f"/settings/sales-channels/{integration.id}/preview")


def test_every_page_of_the_guide_is_accessible(page: Page) -> None:
    wrong, look = watch(page), half_of_the_looks(page, "guide")
    with PracticeShop(orders=30) as shop:
        page.goto("/settings/sales-channels/add")
        look()
        page.get_by_role("button", name="Add").click()
        page.get_by_label("Name").fill("x" * 101)
        page.locator("[name=name]").evaluate("field => field.removeAttribute('maxlength')")
        page.get_by_label("Name").fill("x" * 101)
        page.get_by_role("button", name="Next").click()
        expect(page.locator("[data-error-summary]")).to_be_focused()
        look()
        page.get_by_label("Name").fill("Gärden 店 " + "w" * 60)
        page.get_by_role("button", name="Next").click()
        page.get_by_label("Website end point").fill("shop.example/admin.php?target=main")
        page.get_by_label("API key").click()
        expect(page.get_by_text("Cartlink will use https://shop.example")).to_be_visible()
        look()
        page.get_by_label("Website end point").fill(shop.url)
        page.get_by_label("API key").fill("not-the-key-of-this-shop")
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("heading", name="Testing the connection")).to_be_visible()
        look()
        work_off("checks")
        expect(page.locator("[data-error-summary]")).to_be_focused()
        look()
        page.get_by_label("API key").fill(shop.key or "")
        page.get_by_role("button", name="Next").click()
        work_off("checks")
        expect(page.get_by_text("Preview: your last orders")).to_be_visible()
        look()
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text("is connected.")).to_be_visible()
        look()
        work_off()
        made = the_integration()
        place = f"/settings/sales-channels/{made.id}"
        for path in ("", "/settings", "/reauthorise", "/remove", "/preview"):
            page.goto(place + path)
            look()
        open_preview(page, made)
        look()
        page.goto(place)
        page.get_by_role("button", name="Remove account").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        look()
    # The two refusals of the walk show in the console; nothing else does.
    assert [text for text in wrong if "422" not in text] == []


def test_orders_follow_the_answers_without_a_reload(page: Page) -> None:
    with PracticeShop(products=1, orders=0) as shop:
        product = next(iter(shop.store.products))
        shop.store.place_order([(product, 1, 100.0)], surcharges=[("tax", "TAX", "Sales tax", 8.0)])
        page.goto("/settings/sales-channels/add/xcart")
        page.get_by_label("Name").fill("Garden shop")
        page.get_by_role("button", name="Next").click()
        page.get_by_label("Website end point").fill(shop.url)
        page.get_by_label("API key").fill(shop.key or "")
        page.get_by_role("button", name="Next").click()
        work_off("checks")
        order = page.get_by_role("article", name="Order 1")
        expect(order).to_contain_text("108.00")
        page.evaluate("window.stillTheSamePage = true")
        select_answer(page, "Use X-Cart tax settings", "Yes")
        expect(order).to_contain_text("Tax on items")
        expect(page.get_by_role("group", name="Use X-Cart tax settings", exact=True).get_by_label("Yes")).to_be_focused()
        assert page.evaluate("window.stillTheSamePage")


def test_an_address_pasted_with_the_mouse_is_understood_at_once(page: Page) -> None:
    page.goto("/settings/sales-channels/add/xcart")
    page.get_by_label("Name").fill("Garden shop")
    page.get_by_role("button", name="Next").click()
    # Fill tells the page what a paste does: that there is input, without a key pressed.
    page.get_by_label("Website end point").fill("shop.example/admin.php")
    expect(page.get_by_role("complementary", name="Help")).to_contain_text("Cartlink will use https://shop.example")
    expect(page.get_by_label("Website end point")).to_be_focused()


def test_on_a_phone_the_help_stands_below_the_key(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/settings/sales-channels/add/xcart")
    page.get_by_label("Name").fill("Garden shop")
    page.get_by_role("button", name="Next").click()
    places = [
        found.bounding_box()["y"]
        for found in (page.get_by_label("API key", exact=True), page.locator("#address"), page.locator("#use_tax"))
    ]
    assert places == sorted(places)


def test_searching_the_list_needs_no_reload_and_can_be_linked_to(page: Page) -> None:
    for name in ("Garden shop", "Kitchen shop"):
        add_integration(name)
    page.goto("/settings/sales-channels")
    page.evaluate("window.stillTheSamePage = true")
    page.get_by_label("Search", exact=True).press_sequentially("kitchen")
    expect(page.get_by_role("link", name="Garden shop")).to_have_count(0)
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    assert page.evaluate("window.stillTheSamePage")
    assert "search=kitchen" in page.url
    page.reload()
    expect(page.get_by_role("link", name="Kitchen shop")).to_be_visible()
    expect(page.get_by_role("link", name="Garden shop")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("link", name="Garden shop")).to_be_visible()
