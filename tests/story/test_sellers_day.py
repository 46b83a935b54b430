"""A seller's day over two practice shops that sell from one stock, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select

from extensions import db
from models import Order, SyncRun
from practice_shop import PracticeShop, Store
from services.listings import previews
from services.runs import lifecycle
from services.shipping import files, undo
from services.stock import items
from services.sync import execution, schedule
from tests.blueprints.looks import watch
from tests.support.shops import connect

pytestmark = [pytest.mark.timeout(600), pytest.mark.every_time]
YESTERDAY = datetime.combine(datetime.now(UTC).date() - timedelta(days=1), time(9), UTC)


@pytest.fixture
def two_shops() -> Iterator[tuple[PracticeShop, PracticeShop]]:
    stores = []
    for _ in range(2):
        store = Store()
        store.add_product(sku="CUP", name="Cup", price=10, amount=200)
        store.add_product(sku="PLATE", name="Plate", price=5, amount=100)
        stores.append(store)
    with PracticeShop(store=stores[0]) as one, PracticeShop(store=stores[1]) as two:
        yield one, two


def sell_yesterday(one: Store, two: Store) -> tuple[list[int], int]:
    """21 orders in each shop, of which one in the first names a product that the shop has no more; answers with the first
    shop's orders and with that one."""
    for number in range(20):
        for store in (one, two):
            store.place_order(lines=[(1, 1 + number % 3), (2, 1)], at=YESTERDAY + timedelta(minutes=number), shipping_cost=3)
    extra = one.add_product(sku="LIMITED", name="Limited edition", price=40, amount=2)
    held = one.place_order(lines=[(extra, 1)], at=YESTERDAY + timedelta(hours=1))
    one.delete_product(extra)
    two.place_order(lines=[(1, 2)], at=YESTERDAY + timedelta(hours=1))
    return sorted(one.orders), held


def work_off() -> None:
    """What the workers do: every run that is due or queued, until nothing is left to do."""
    for _ in range(6):
        schedule.start_due_runs()
        queued = list(db.session.scalars(select(SyncRun.id).where(SyncRun.state == "queued")))
        db.session.rollback()
        if not queued:
            return
        for run_id in queued:
            execution.perform(run_id)


def shipping(store: Store, order_id: int) -> str:
    return store.status("shipping", store.order(order_id).shipping_id).code


def row_of(page: Page, number: int) -> Locator:
    """The row of the garden's order with this number; the kitchen has one of the same number."""
    return (
        page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=str(number), exact=True)).filter(has_text="Garden")
    )


def test_a_sellers_day(page: Page, two_shops) -> None:
    one, two = two_shops
    orders, held = sell_yesterday(one.store, two.store)
    first, second = connect(one, "Garden"), connect(two, "Kitchen")
    work_off()
    wrong = watch(page)

    # The shops had different quantities, so what one stock means for both waits for a yes.
    confirmed = 0
    for integration_id in (first, second):
        if previews.waiting_run(integration_id) is not None:
            page.goto(f"/settings/sales-channels/{integration_id}/preview")
            page.get_by_role("button", name="Confirm and send").click()
            confirmed += 1
            work_off()
    assert confirmed

    # Orders have arrived; one is held for an unknown SKU, and released by adding that once.
    page.goto("/orders")
    expect(page.get_by_role("link", name="1 held order")).to_be_visible()
    page.get_by_role("link", name="1 held order").click()
    expect(page.get_by_role("heading", name="SKU LIMITED is not one of our stock items")).to_be_visible()
    page.get_by_label("On hand now").fill("2")
    page.get_by_role("button", name="Add stock item LIMITED").click()
    expect(page.locator("#toasts")).to_contain_text("1 order released.")
    expect(page.get_by_role("heading", name="No order is held")).to_be_visible()

    # One is edited and one cancelled in the shop.
    edited, cancelled = orders[0], orders[1]
    one.store.edit_order(edited, [(1, 4)])
    one.store.cancel_order(cancelled)
    execution.perform(lifecycle.start_run(first, "orders", "user:owner").id)
    page.goto("/orders?q=" + str(edited))
    row_of(page, edited).get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Changed in the shop")).to_be_visible()
    page.goto("/orders?state=cancel_unseen")
    row_of(page, cancelled).get_by_role("link").first.click()
    expect(page.get_by_text("The shop has cancelled this order.")).to_be_visible()
    page.get_by_role("button", name="Mark cancellation as seen").click()
    expect(page.get_by_text("The shop has cancelled this order.")).to_have_count(0)

    # Stock is changed in place and moves on both shops.
    page.goto("/stock?q=CUP")
    page.get_by_label("On hand of CUP").fill("300")
    page.get_by_role("button", name="Save CUP").click()
    expect(page.locator("#toasts")).to_contain_text("CUP: 300 on hand")
    work_off()
    db.session.rollback()
    available = items.find_stock_item("CUP").available
    assert one.store.amount(1) == two.store.amount(1) == available > 0

    # A CSV ships forty; the shops show status and tracking exactly once.
    db.session.rollback()
    open_orders = db.session.scalars(select(Order).where(Order.state == "ready").order_by(Order.shop_id, Order.id)).all()
    shipped = [(order.shop_id, int(order.external_id)) for order in open_orders][:40]
    names = {open_orders[0].shop_id: "Garden", open_orders[-1].shop_id: "Kitchen"}
    db.session.rollback()
    assert len(shipped) == 40
    text = "number;carrier;tracking;integration\n"
    text += "".join(f"{number};DHL;T-{names[shop]}-{number};{names[shop]}\n" for shop, number in shipped)
    text += f"{cancelled + 1000};DHL;X;Garden\n"
    page.goto("/orders")
    page.locator("#more summary").click()
    page.get_by_role("link", name="Import tracking numbers").click()
    page.get_by_label("CSV or Excel file").set_input_files({"name": "today.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("40 orders can be shipped, 1 row cannot")).to_be_visible()
    page.get_by_role("button", name="Ship 40 orders").click()
    for file_id in files.due_files():
        files.work(file_id)
    expect(page.locator("#shipped")).to_contain_text("40 orders shipped. The shops are updated")
    work_off()
    assert {shipping(one.store if names[shop] == "Garden" else two.store, number) for shop, number in shipped} == {"N"}
    undo.hold_back("file-1", timedelta(0))
    work_off()
    work_off()
    stores = {shop: (one.store if name == "Garden" else two.store) for shop, name in names.items()}
    for shop, number in shipped:
        store = stores[shop]
        assert shipping(store, number) == "S"
        assert store.tracking(number) == [f"T-{names[shop]}-{number}"]
        mails = [mail for mail in store.mails if mail["order_id"] == number and "shipping" in mail["changes"]]
        assert [mail["tracking"] for mail in mails] == [[f"T-{names[shop]}-{number}"]]
    assert shipping(one.store, cancelled) == "N"

    # The daily reconciliation of yesterday is green.
    page.goto("/reports/reconciliation")
    for name in ("Garden", "Kitchen"):
        page.get_by_role("button", name=f"Compare yesterday with {name} now").click()
    work_off()
    page.goto("/reports/reconciliation")
    expect(page.get_by_text("Equal")).to_have_count(2)
    page.goto("/reports")
    expect(page.locator("dl.totals")).to_contain_text("41")

    # The stock is the same everywhere at the end, nothing was deleted, and nothing went wrong in the browser.
    db.session.rollback()
    for sku, product in (("CUP", 1), ("PLATE", 2)):
        assert one.store.amount(product) == two.store.amount(product) == items.find_stock_item(sku).available
    for shop in two_shops:
        assert not shop.failures
        assert not any(request["method"] == "DELETE" for request in shop.requests)
    assert held in orders and not wrong
