"""A person begins the day at Today and sees afterwards who did what, by keyboard alone."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from extensions import db
from models import Integration
from tests.blueprints.rows import add_integration
from tests.support.rows import make_item, make_order

WAIT = 60_000
NAME = "(at => at.innerText || at.getAttribute('aria-label') || at.labels?.[0]?.innerText || '')(document.activeElement)"
"""What the element with the focus is called."""


def tab_to(page: Page, label: str, most: int = 60) -> None:
    """Press Tab until the element with the focus is called so."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if label in page.evaluate(NAME):
            return
    raise AssertionError(f"{label} was not reached with {most} Tabs")


def test_the_day_begins_with_today_and_the_trail_tells_what_was_done(page: Page) -> None:
    expect.set_options(timeout=WAIT)
    integration = db.session.get_one(Integration, add_integration())
    item = make_item("CUP", 5)
    make_order(integration, "1001", [(item, 1)])
    make_order(
        integration,
        "1002",
        [("NEW", 1)],
        state="on_hold",
        held_codes=["unknown_sku"],
        held_reason="SKU NEW is not one of our stock items.",
    )
    page.goto("/")
    expect(page).to_have_url(re.compile("/today$"))
    tab_to(page, "The SKU is not one of our stock items")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row").filter(has_text="1002")).to_have_count(1)
    expect(page.get_by_role("row").filter(has_text="1001")).to_have_count(0)
    page.goto("/orders/held")
    tab_to(page, "On hand now")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 order released.")).to_be_visible()
    page.goto("/today")
    expect(page.get_by_text("No order is on hold.")).to_be_visible()
    page.goto("/activity/changes?of=stock_item")
    row = page.get_by_role("row").filter(has_text="Stock item added")
    expect(row).to_contain_text("NEW")
    expect(row).to_contain_text("owner")
    tab_to(page, "NEW")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Other changes")).to_contain_text("Stock item added")
