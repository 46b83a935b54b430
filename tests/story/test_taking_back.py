"""What was done is taken back with the keyboard alone, begun on a wide window and ended on a telephone."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import func, select

from extensions import db
from models import Allocation, Order, OrderLine, Shipment
from practice_shop import PracticeShop
from services.shipping import files
from services.stock import items
from services.sync import execution
from tests.blueprints.looks import assert_accessible, watch
from tests.support.shops import do, products, settled

pytestmark = pytest.mark.timeout(240)
WIDE, TELEPHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def press(page: Page, target: Locator, key: str = "Enter") -> None:
    """Reach something with Tab, and press a key on it."""
    for _ in range(120):
        if target.count() and target.first.evaluate("element => element === document.activeElement"):
            page.keyboard.press(key)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {target}")


def tracking_here() -> list[str]:
    db.session.rollback()
    query = select(Shipment.tracking_number).where(Shipment.voided_at.is_(None)).order_by(Shipment.id)
    return list(db.session.scalars(query))


def work_files() -> None:
    """What a worker does."""
    db.session.rollback()
    for file_id in files.due_files():
        files.work(file_id)


def test_a_file_of_tracking_numbers_is_shipped_and_undone(page: Page, shop: PracticeShop) -> None:
    wrong = watch(page)
    ids = products(shop)
    numbers = [shop.store.place_order(lines=[(ids["CUP"], 1)]) for _ in range(2)]
    settled(shop)
    page.set_viewport_size(WIDE)
    page.goto("/orders/tracking-numbers")
    content = "number;carrier;tracking\n" + "".join(f"{number};DHL;SAME\n" for number in numbers)
    # What the window of the system to choose a file does.
    page.locator("input[type=file]").set_input_files({"name": "today.csv", "mimeType": "text/csv", "buffer": content.encode()})
    press(page, page.get_by_role("button", name="Preview"))
    expect(page.get_by_text("2 orders can be shipped")).to_be_visible()
    expect(page.get_by_text(f"SAME is entered for order {numbers[0]} (line 2) and order {numbers[1]} (line 3).")).to_be_visible()
    assert_accessible(page)
    press(page, page.get_by_role("button", name="Ship 2 orders"))
    expect(page.get_by_role("progressbar")).to_be_visible()
    work_files()
    expect(page.locator("#shipped")).to_contain_text("2 orders shipped.")
    assert tracking_here() == ["SAME", "SAME"]
    page.set_viewport_size(TELEPHONE)
    press(page, page.get_by_role("button", name="Undo"))
    expect(page.get_by_role("progressbar")).to_be_visible()
    work_files()
    expect(page.locator("#shipped")).to_contain_text("Undone. Nothing was sent to the shop.")
    assert_accessible(page)
    assert tracking_here() == []
    assert not wrong


def test_a_stock_update_is_undone_after_a_look_at_what_changes(page: Page, shop: PracticeShop) -> None:
    wrong = watch(page)
    ids = products(shop)
    integration_id = settled(shop)
    items.set_stock("CUP", 33, "user:owner")
    pushed = do(integration_id, "stock")
    page.set_viewport_size(WIDE)
    page.goto(f"/activity/{pushed.id}")
    press(page, page.get_by_role("link", name="Undo"))
    expect(page.get_by_role("heading", name="Undo this stock update?")).to_be_visible()
    for table in ("Listings that change in the shop", "Stock items that change here"):
        expect(page.get_by_role("table", name=table).get_by_role("row", name="CUP")).to_contain_text("33")
    assert_accessible(page)
    press(page, page.get_by_role("link", name="Cancel"))
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Undo this stock update?")
    page.set_viewport_size(TELEPHONE)
    press(page, page.get_by_role("link", name="Undo"))
    press(page, page.get_by_label("Here and in the shop"), "ArrowDown")
    expect(page.get_by_label("Here only")).to_be_checked()
    page.keyboard.press("ArrowUp")
    press(page, page.get_by_role("button", name="Undo"))
    expect(page.locator("#toasts")).to_contain_text("Cartlink is restoring the previous quantities.")
    started = int(page.url.rsplit("/", 1)[1])
    execution.perform(started)
    page.goto(f"/activity/{started}")
    expect(page.get_by_text("Done").first).to_be_visible()
    assert_accessible(page)
    assert (shop.store.amount(ids["CUP"]), items.find_stock_item("CUP").on_hand) == (20, 20)
    assert not wrong


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("choice", "size", "kept"), [("Release the stock", WIDE, 0), ("Keep it reserved", TELEPHONE, 3)])
def test_a_shop_is_removed_with_either_choice(
    page: Page, shop: PracticeShop, app: Flask, choice: str, size: dict, kept: int
) -> None:
    wrong = watch(page)
    shop.store.place_order(lines=[(products(shop)["CUP"], 3)])
    integration_id = settled(shop)
    page.set_viewport_size(size)
    page.goto(f"/settings/sales-channels/{integration_id}")
    press(page, page.get_by_role("button", name="Remove account"))
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    assert_accessible(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Remove account")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    expect(page.get_by_role("dialog")).to_contain_text("3 units are reserved for its open orders")
    # While a run is under way the page asks again and again, but not behind the dialog: the answer would be that the shop is gone.
    asked: list[str] = []
    polled = f"/sales-channels/{integration_id}"
    page.on(
        "request",
        lambda request: asked.append(request.url) if request.headers.get("x-poll") and request.url.endswith(polled) else None,
    )
    press(page, page.get_by_role("radio", checked=True), "ArrowDown" if kept else "Space")
    expect(page.get_by_label(choice)).to_be_checked()
    press(page, page.get_by_role("button", name="OK"))
    assert asked == []
    expect(page.get_by_role("heading", name="Sales channel integration")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("is removed. Its orders are kept.")
    db.session.rollback()
    assert db.session.scalar(select(func.coalesce(func.sum(Allocation.reserved), 0))) == kept
    order_id = db.session.scalar(select(Order.id).join(OrderLine))
    page.goto(f"/orders/{order_id}")
    expect(page.get_by_text("The shop of this order was removed")).to_be_visible()
    assert not wrong
