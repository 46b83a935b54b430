"""Pages in a narrow window: what a finger has to hit, and what must not break into letters."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from extensions import writing
from models import Shipment, ShopTask
from models.types import utcnow
from tests.blueprints.looks import assert_fits, assert_one_primary
from tests.services.reports.test_summary import add_sales
from tests.support.rows import make_integration, make_item, make_listing, make_order

HIT = (
    "button:not(.link-button, .toast-close, .tag-off), select, summary, textarea, a.btn, .tabs a, .sections a, input:not([type=hidden], [type=checkbox], [type=radio]), "
    ".choice-label, .segment"
)
LOW = """(hit) => [...document.querySelectorAll(hit)].filter(each => each.checkVisibility({visibilityProperty: true}))
    .filter(each => { const box = each.getBoundingClientRect(); return box.width > 2 && box.height < 40; })
    .map(each => each.outerHTML.slice(0, 120))"""


def narrow(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(path)


def test_what_a_finger_has_to_hit_is_forty_pixels_high(page: Page) -> None:
    shop = make_integration("Outlet")
    order = make_order(shop, "1001", [(make_item("CUP", 5), 1)])
    make_listing(shop, "CUP", 5)
    settings = f"/settings/sales-channels/{shop.id}"
    for path in (
        "/orders",
        f"/orders/{order.id}",
        "/orders/export",
        "/stock",
        "/activity",
        "/listings/1",
        "/account",
        settings,
        f"{settings}/settings",
        "/reports",
    ):
        narrow(page, path)
        assert page.evaluate(LOW, HIT) == [], path


def test_the_number_of_the_bell_stays_on_one_line(page: Page, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.jinja_env.globals, "count_unread", lambda: 120)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto("/today")
        box = page.locator(".bell-count").bounding_box()
        assert box and box["height"] < 20 and box["x"] + box["width"] <= width
        assert page.locator(".bell-count").inner_text().startswith("99+")


def test_words_in_the_tables_of_the_guide_stay_whole(page: Page) -> None:
    narrow(page, "/guide")
    cell = page.locator(".guide-text td", has_text="Product variants").first
    line = cell.evaluate("cell => parseFloat(getComputedStyle(cell).lineHeight)")
    box = cell.evaluate(
        "cell => { const range = document.createRange(); range.selectNodeContents(cell); return range.getBoundingClientRect().height; }"
    )
    assert box <= 2.2 * line, "two words, at most two lines"


def test_headings_stand_above_the_first_column(page: Page) -> None:
    item = make_item("CUP", 5)
    make_listing(make_integration("Outlet"), "CUP", 5, item=item)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(f"/stock/{item.id}")
        heading, link = page.locator("#places-title"), page.locator("section:has(#places-title) tbody th a").first
        left = heading.evaluate("each => each.getBoundingClientRect().left + parseFloat(getComputedStyle(each).paddingLeft)")
        assert abs(left - link.evaluate("each => each.getBoundingClientRect().left")) < 1, width


def test_an_order_with_something_to_do_in_the_shop_has_one_primary_button(page: Page) -> None:
    order = make_order(make_integration("Outlet"), "1001", [(make_item("CUP", 5), 1)])
    with writing() as session:
        shipment = Shipment(
            order_id=order.id,
            carrier="DHL",
            tracking_number="JJD1",
            actor="user:owner",
            voided_at=utcnow(),
            voided_by="user:owner",
        )
        session.add(shipment)
        session.flush()
        session.add(ShopTask(order_id=order.id, shipment_id=shipment.id, kind="number", value="JJD1", actor="user:owner"))
    narrow(page, f"/orders/{order.id}")
    assert page.get_by_role("button", name="Mark as done").is_visible()
    assert_one_primary(page)


def test_without_javascript_a_message_covers_nothing_and_the_marks_stay_beside_the_name(
    browser: Browser, page: Page, server: str
) -> None:
    make_item("CUP", 5)
    for width in (390, 1280):
        with browser.new_context(
            base_url=server, java_script_enabled=False, storage_state=page.context.storage_state(),
            viewport={"width": width, "height": 844},
        ) as context:  # fmt: skip
            plain = context.new_page()
            plain.goto("/stock")
            expect(plain.locator("#toasts")).to_be_hidden()
            plain.locator("#line-1-on-hand").fill("7")
            plain.locator("#line-1-save").click()
            message, bar, main = (plain.locator(each).bounding_box() for each in (".toast-note", ".topbar", "main"))
            assert message and bar and main
            assert bar["y"] + bar["height"] <= message["y"] and message["y"] + message["height"] <= main["y"]
            assert_fits(plain, f"{width} px")
            plain.goto("/settings/tokens/new")
            name, marks = plain.locator(".brand").bounding_box(), plain.locator(".bar-marks").bounding_box()
            assert name and marks and abs(name["y"] + name["height"] / 2 - marks["y"] - marks["height"] / 2) < 8, width
            assert marks["x"] + marks["width"] <= width and marks["x"] > width / 2


def test_amounts_in_two_currencies_do_not_run_together(page: Page) -> None:
    """'$46,141.22XQQ 40.00' stood there as one."""
    shop = make_integration("Toys", orders_since=datetime(2026, 10, 1, tzinfo=UTC))
    other_shop = make_integration("Garden", orders_since=datetime(2026, 10, 1, tzinfo=UTC))
    add_sales(other_shop.shop_id, [(date(2026, 11, 3), "USD", 1, "9")])
    add_sales(shop.shop_id, [(date(2026, 11, 3), "USD", 1, "10"), (date(2026, 11, 20), "EUR", 1, "8.50")])
    narrow(page, "/reports?days=custom&first=2026-11-01&last=2026-11-30")
    amounts = page.get_by_role("row").filter(has_text="Toys").first.locator(".amount > div").all()
    one, other = (each.bounding_box() for each in amounts[:2])
    assert one is not None and other is not None
    assert other["x"] >= one["x"] + one["width"] + 8 or other["y"] >= one["y"] + one["height"]
