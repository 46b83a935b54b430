"""Parcels that come after an order was shipped, and files that come again."""

from __future__ import annotations

from services.shipping import file_check, files, sheet, shipments, undo
from tests.blueprints.pages import counted_queries
from tests.support.rows import make_integration, make_item, make_order
from tests.support.shops import do, products, settled, states


def read(text: str):
    return files.read_file(text.encode(), "x.csv", "test")


def ship(file) -> None:
    files.accept(file.id)
    files.work(file.id)
    undo.hold_back(file.batch, undo.write_backs.AT_ONCE)


def test_a_parcel_of_an_order_that_has_shipped_is_sent_to_the_shop_once(app, db, shop):
    ids = products(shop)
    number = shop.store.place_order(lines=[(ids["CUP"], 2)])
    integration = settled(shop)
    ship(read(f"number,carrier,tracking\n{number},DHL,T1\n"))
    do(integration, "shipments")
    assert states() == ["shipped"] and shop.store.tracking(number) == ["T1"]
    # The program's next export names both parcels, and the first one in another spelling.
    file = read(f"number,carrier,tracking\n{number},DHL,t 1\n{number},DHL,T2\n{number},DHL,T3\n")
    assert [(row["problem"], row.get("parcel")) for row in file.rows] == [
        (f"Order {number} has a parcel with the tracking number t 1 already.", None), ("", True), ("", True),
    ]  # fmt: skip
    ship(file)
    do(integration, "shipments")
    assert files.get_file(file.id).refused == []
    assert shop.store.tracking(number) == ["T1", "T2", "T3"]
    again = read(f"number,carrier,tracking\n{number},DHL,T2\n{number},DHL,T3\n{number},DHL,\n")
    assert [row["problem"] for row in again.rows] == [
        f"Order {number} has a parcel with the tracking number T2 already.",
        f"Order {number} has a parcel with the tracking number T3 already.", f"Order {number} has been shipped already.",
    ]  # fmt: skip


def test_problems_are_counted_by_cause(app, db, shop):
    ids = products(shop)
    number = shop.store.place_order(lines=[(ids["CUP"], 1)])
    settled(shop)
    rows = read(f"number,tracking\n997,T1\n998,T2\n#999,T3\n{number},1.2E+20\n{number},1.3E+20\n;\n").rows
    assert file_check.causes(rows) == [
        ("There is no such order.", 4),
        ("… is a number that a spreadsheet has shortened: digits are lost. Format the column as text in the spreadsheet, enter the value again, and save the file.", 2),
    ]  # fmt: skip


def test_a_file_and_a_sheet_ask_no_more_for_more_orders(app, db):
    shop, cup = make_integration(), make_item("CUP", 1000)
    orders = [make_order(shop, str(1001 + each), [(cup, 1)]) for each in range(24)]
    for order in orders[::2]:
        shipments.ship(order.id, "test", tracking_number=f"T{order.number}")
    ids = [order.id for order in orders]

    def asked(number: int) -> tuple[int, int]:
        db.session.rollback()
        rows = [f"{each},DHL,P{each}\n" for each in range(1001, 1001 + number)]
        with counted_queries() as of_file:
            read("number,carrier,tracking\n" + "".join(rows))
        with counted_queries() as of_sheet:
            sheet.sheet_of(ids[:number], "test", with_customers=True)
        return len(of_file), len(of_sheet)

    assert asked(24) == asked(4)
