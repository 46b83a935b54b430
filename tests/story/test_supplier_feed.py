"""From nothing to an item whose quantity comes from a supplier and is offered in a shop, by keyboard alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from practice_shop import PracticeShop
from services.stock import items
from tests.blueprints.feed_walks import FILE
from tests.blueprints.looks import watch
from tests.blueprints.queues import work_off
from tests.support.remote_files import File, web_server
from tests.support.shops import connect, do, products

pytestmark = pytest.mark.timeout(240)
SHOTS = os.environ.get("FEED_SHOTS", "")
"""A folder for pictures of each page, for people who look at them."""


def go(page: Page, name: str) -> None:
    """Press Tab until the link or button of this name has the focus, then Enter."""
    for _ in range(80):
        page.keyboard.press("Tab")
        focus = page.evaluate("document.activeElement.innerText || document.activeElement.getAttribute('aria-label') || ''")
        if " ".join(focus.split()) == name:
            return page.keyboard.press("Enter")
    raise AssertionError(f"{name} was not reached with Tab on {page.url}")


def type_into(page: Page, field: str, text: str) -> None:
    """Press Tab until the field has the focus, then type."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == field:
            page.keyboard.press("ControlOrMeta+A")
            return page.keyboard.type(text)
    raise AssertionError(f"{field} was not reached with Tab on {page.url}")


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            width = (page.viewport_size or {})["width"]
            page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{scheme}.png", full_page=True)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("width", [1280, 390])
def test_a_supplier_feeds_an_item_that_a_shop_offers(page: Page, shop: PracticeShop, width: int) -> None:
    ids = products(shop)
    integration_id = connect(shop)
    do(integration_id, "stock")
    wrong = watch(page)
    page.set_viewport_size({"width": width, "height": 860})
    with web_server() as web:
        web.files["/stock.csv"] = File(FILE)
        page.goto("/suppliers")
        shoot(page, "01-none")
        go(page, "Add supplier")
        expect(page).to_have_url(re.compile("/add$"))
        type_into(page, "name", "ACME")
        type_into(page, "lead_days", "2")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/file$"))
        type_into(page, "name", "Stock list")
        type_into(page, "url", web.url())
        shoot(page, "02-file")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/check$"))
        shoot(page, "03-check")
        assert not web.asked
        work_off("checks")
        expect(page).to_have_url(re.compile("/columns$"))
        expect(page.get_by_role("row").filter(has_text="10+ → 10")).to_be_visible()
        shoot(page, "04-columns")
        go(page, "Next")
        expect(page).to_have_url(re.compile("/rules$"))
        shoot(page, "05-rules")
        go(page, "Add the feed")
        expect(page.get_by_role("heading", name="State")).to_contain_text("Fetching")
        shoot(page, "06-fetching")
        work_off("checks")
    expect(page.get_by_role("heading", name="A run needs your approval")).to_be_visible()
    shoot(page, "07-feed")
    go(page, "See what would change")
    expect(page.get_by_role("heading", name="Nothing has changed yet")).to_be_visible()
    shoot(page, "08-run")
    type_into(page, "make-fed-no", "")
    page.keyboard.press("ArrowDown")
    go(page, "Approve")
    expect(page.get_by_text("Approved. Cartlink is setting the quantities.")).to_be_visible()
    work_off("checks")
    expect(page.get_by_role("heading", name=re.compile("^Run"))).to_contain_text("Done")
    shoot(page, "09-done")
    assert items.find_stock_item("CUP").on_hand == 12 and items.find_stock_item("CUP").fed
    # The shop is updated at once.
    work_off("sync")
    assert shop.store.products[ids["CUP"]].amount == 12
    page.goto("/suppliers")
    shoot(page, "10-list")
    go(page, "Look at them")
    expect(page.get_by_role("heading", name="Unknown codes")).to_be_visible()
    shoot(page, "11-codes")
    go(page, "Link NEW-1 …")
    expect(page.get_by_role("heading", name="Link NEW-1")).to_be_visible()
    type_into(page, "q", "PLATE")
    expect(page.get_by_role("radio", name="PLATE")).to_be_checked()
    shoot(page, "12-code")
    go(page, "Link")
    expect(page.get_by_text("There are no unknown codes")).to_be_visible()
    page.goto("/stock?state=fed")
    shoot(page, "13-stock")
    go(page, "PLATE")
    expect(page.get_by_role("region", name="Offers of suppliers")).to_contain_text("NEW-1")
    shoot(page, "14-item")
    assert items.find_stock_item("PLATE").on_hand == 17
    assert not wrong
