"""Five orders with tracking numbers, from the list to *Undo*, with the mouse and with the keyboard alone."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from extensions import db
from models import Order
from tests.blueprints.looks import assert_good_in_every_look, watch
from tests.support.browser import session_cookie
from tests.support.person import Person
from tests.support.shops import connect, do, products

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def five(app, shop) -> list[str]:
    """A shop with five orders to ship; their numbers, as the list shows them."""
    ids = products(shop)
    for number in range(5):
        shop.store.place_order(lines=[(ids["CUP"], 1 + number % 2), (ids["PLATE"], 1)])
    integration_id = connect(shop, "Garden shop")
    do(integration_id, "stock")
    db.session.rollback()
    numbers = list(db.session.scalars(select(Order.number).order_by(Order.placed_at.desc(), Order.id.desc())))
    db.session.rollback()
    return numbers


def numbers_here() -> dict[str, str]:
    """The tracking number of each order's shipments."""
    from models import Shipment

    db.session.rollback()
    query = select(Order.number, Shipment.tracking_number).join(Shipment).where(Shipment.voided_at.is_(None))
    return dict(db.session.execute(query).all())


def look(page: Page, name: str) -> None:
    """Check a page in every look; with LOOKS=folder keep pictures of it."""
    assert_good_in_every_look(page)
    if folder := os.environ.get("LOOKS"):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in (1280, 390):
                page.set_viewport_size({"width": width, "height": 800})
                page.screenshot(path=f"{folder}/{name}-{scheme}-{width}.png", full_page=True)
        page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_five_orders_are_shipped_with_a_pasted_column_and_undone(page: Page, five: list[str]) -> None:
    wrong = watch(page)
    page.goto("/orders?state=ready")
    person = Person(page, "mouse")
    person.tick_all("Select all on this page")
    person.button("Ship …")
    expect(page.get_by_role("heading", level=1, name="Ship 5 orders")).to_be_visible()
    look(page, "sheet")
    page.reload()
    expect(page.get_by_label(f"Tracking number of order {five[0]}")).to_be_focused()
    over = page.locator("[data-left-over]")
    expect(over).to_be_hidden()
    person.paste("\n".join(f"T-{number}" for number in [*five, "over"]))
    expect(over).to_have_text("There are more numbers than orders. Not used: T-over. Compare the numbers with the orders.")
    expect(page.get_by_role("button", name="Ship 5 orders")).to_be_focused()
    person.button("Ship 5 orders")
    expect(page.locator("#shipped")).to_contain_text("5 orders shipped. The shop is updated in")
    print("acts", dict(person.acts))
    assert person.total <= 12
    assert numbers_here() == {number: f"T-{number}" for number in five}
    look(page, "shipped")
    person.button("Undo")
    expect(page.locator("#toasts")).to_contain_text("5 shipments undone.")
    assert numbers_here() == {}
    look(page, "undone")
    assert not wrong


def test_five_orders_are_shipped_with_the_keyboard_and_a_scanner(page: Page, five: list[str]) -> None:
    page.goto("/orders?state=ready")
    person = Person(page)
    person.press("Tab")
    person.press("Tab")
    expect(page.get_by_role("link", name="Skip to the list")).to_be_focused()
    person.press("Enter")
    person.press("Tab")
    expect(page.get_by_role("checkbox", name="Select all on this page")).to_be_focused()
    person.press("Space")
    person.press("Shift+Tab")
    expect(page.get_by_role("button", name="Ship …")).to_be_focused()
    person.press("Enter")
    expect(page.get_by_label(f"Tracking number of order {five[0]}")).to_be_focused()
    for number in five:
        person.scan(f"S-{number}")
    # One parcel too many is named, and its Enter ships nothing.
    page.keyboard.type("S OVER")
    page.keyboard.press("Enter")
    expect(page.locator("[data-left-over]")).to_have_text(
        "There are more numbers than orders. Not used: S OVER. Compare the numbers with the orders."
    )
    assert numbers_here() == {}
    person.press("Enter")
    expect(page.locator("#shipped")).to_contain_text("5 orders shipped.")
    assert numbers_here() == {number: f"S-{number}" for number in five}
    print("keyboard", dict(person.acts))
    assert person.acts.total() <= 13
    # The page begins at what was shipped, so that Undo is the next stop.
    person.press("Tab")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    person.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("5 shipments undone.")


def test_the_sheet_works_on_a_telephone_and_without_javascript(browser: Browser, server: str, app, five: list[str]) -> None:
    context = browser.new_context(base_url=server, java_script_enabled=False, viewport={"width": 390, "height": 800})
    context.add_cookies([{**session_cookie(app, "owner"), "url": server}])
    page = context.new_page()
    page.goto("/orders?state=ready")
    for number in five:
        page.get_by_role("checkbox", name=f"Select order {number} of Garden shop").check()
    page.get_by_role("button", name="Ship …").click()
    # A scanner's Enter ships nothing: it fills in, and the next row is in focus.
    first = page.get_by_label(f"Tracking number of order {five[0]}")
    first.fill("N-0")
    first.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Ship 5 orders")).to_be_visible()
    expect(first).to_have_value("N-0")
    page.get_by_label("Tracking numbers, one a line").fill("N-1\nN-2\nN-3\nN-4")
    page.get_by_role("button", name="Fill in").click()
    page.get_by_role("button", name="Ship 5 orders").click()
    expect(page.locator("#shipped")).to_contain_text("5 orders shipped.")
    assert numbers_here() == {number: f"N-{place}" for place, number in enumerate(five)}
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#toasts")).to_contain_text("5 shipments undone.")
    context.close()
