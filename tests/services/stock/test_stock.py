"""Stock set by hand or from a file, and what it does to orders that reserve it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from errors import InvalidInput, NotFound
from extensions import writing
from models import Integration, Listing, OrderLine, StockEntry, StockItem
from models.types import utcnow
from services.order_basics import holds
from services.stock import allocations, items, ledger
from tests.support.books import books_balance
from tests.support.rows import PLACED, import_stock, make_integration, make_item, make_listing, make_order


def stocked(sku: str, on_hand: int) -> StockItem:
    make_item(sku, 0)
    return items.set_stock(sku, on_hand, "test")


def reserve_all(item: StockItem) -> None:
    item_id = item.id
    with writing() as session:
        locked = ledger.load_items([item_id])[item_id]
        touched = allocations.fill(locked, actor="test")
        session.flush()
        holds.evaluate_stored(touched)


def test_setting_stock_makes_a_push_due_for_the_shops_that_list_it(app, db):
    one, other = make_integration("One"), make_integration("Other")
    item = stocked("CUP", 5)
    listing_id = make_listing(one, "CUP", 5, item=item).id
    with writing() as session:
        for integration in session.scalars(select(Integration)):
            integration.flows["stock"].due_at = utcnow() + timedelta(hours=1)
    items.set_stock("CUP", 7, "test")
    assert db.session.get(Listing, listing_id).stale
    due = {
        integration.name: integration.flows["stock"].due_at <= utcnow() for integration in db.session.scalars(select(Integration))
    }
    assert due == {"One": True, "Other": False}
    assert other.name == "Other"
    books_balance()


def test_setting_the_same_quantity_changes_nothing(app, db):
    stocked("CUP", 5)
    entries = db.session.scalar(select(func.count()).select_from(StockEntry))
    items.set_stock("CUP", 5, "test")
    assert db.session.scalar(select(func.count()).select_from(StockEntry)) == entries


@pytest.mark.parametrize("quantity", [-1, 2_147_483_648])
def test_a_quantity_no_shop_could_store_is_refused(app, quantity):
    stocked("CUP", 5)
    with pytest.raises(InvalidInput):
        items.set_stock("CUP", quantity, "test")
    with pytest.raises(NotFound):
        items.set_stock("CUPS", 5, "test")


def test_less_on_hand_than_reserved_takes_back_from_the_newest_order(app, db):
    shop = make_integration()
    item = stocked("CUP", 5)
    make_order(shop, "1", [(item, 3)], placed_at=PLACED)
    make_order(shop, "2", [(item, 2)], placed_at=PLACED + timedelta(hours=1))
    reserve_all(item)
    items.set_stock("CUP", 4, "test")
    lines = db.session.scalars(select(OrderLine).order_by(OrderLine.id)).all()
    assert [line.reserved for line in lines] == [3, 1]
    assert lines[1].order.note == "CUP: 1 of 2 not in stock."
    assert items.find_stock_item("CUP").available == 0
    books_balance()
    items.set_stock("CUP", 10, "test")
    assert [line.reserved for line in db.session.scalars(select(OrderLine).order_by(OrderLine.id))] == [3, 2]
    assert items.find_stock_item("CUP").available == 5
    books_balance()


def test_a_shop_without_back_orders_holds_what_is_short_until_stock_comes(app, db):
    shop = make_integration(with_back_orders=False)
    item = stocked("CUP", 1)
    order = make_order(shop, "1", [(item, 3)])
    reserve_all(item)
    db.session.refresh(order)
    assert (order.state, order.held_codes) == ("on_hold", ["short"])
    items.set_stock("CUP", 3, "test")
    db.session.refresh(order)
    assert (order.state, order.held_reason) == ("ready", "")


def test_import_sets_all_or_nothing(app, db):
    stocked("CUP", 5)
    stocked("PLATE", 1)
    done = import_stock(["\ufeffSKU;Quantity\n", "CUP;8\n", "PLATE;1\n", "\n"])
    assert (done.changed, done.unchanged, done.added) == (1, 1, 0)
    assert items.find_stock_item("CUP").on_hand == 8
    done = import_stock(["sku,quantity\n", '"Tasse, groß",4\n'], add_unknown=True)
    assert (done.changed, done.added) == (1, 1)
    assert items.find_stock_item("Tasse, groß").on_hand == 4
    books_balance()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("name,amount\nCUP,1\n", "no column named sku"),
        ("sku,quantity\nCUP,-1\n", "Line 2"),
        ("sku,quantity\nCUP,1.5\n", "Line 2"),
        ("sku,quantity\nCUP,²\n", "Line 2"),
        ("sku,quantity\nCUP,99999999999999999999\n", "Line 2"),
        ("sku,quantity\nCUP,1\nCUP,2\n", "is in line 2 already"),
        ("sku,quantity\n,2\n", "no SKU"),
        ("sku,quantity\nCUP\n", "Line 2"),
        ("sku,quantity\nCUP,9\nGHOST,2\n", "GHOST"),
        ("sku,quantity\n", "has no rows"),
    ],
)
def test_a_wrong_file_changes_nothing_and_says_where(app, text, said):
    stocked("CUP", 5)
    with pytest.raises(InvalidInput) as refused:
        import_stock(text.splitlines(keepends=True))
    assert said in refused.value.sentence()
    assert items.find_stock_item("CUP").on_hand == 5


def test_a_stock_item_that_is_added_releases_the_orders_that_waited_for_it(app, db):
    """Also where no listing of any shop carries the SKU any more."""
    shop = make_integration()
    order = make_order(shop, "1", [("GHOST", 2)], state="on_hold")
    import_stock(["sku,quantity\n", "GHOST,9\n"], add_unknown=True)
    db.session.refresh(order)
    assert (order.state, order.held_reason, order.lines[0].reserved) == ("ready", "", 2)
    assert items.find_stock_item("GHOST").available == 7
    books_balance()


def test_a_long_file_is_no_longer_transaction_for_everybody_else(app, db):
    """SQLite has one writer at a time: what is looked up must not grow with the rows, or all others wait in vain."""

    def statements(count: int) -> int:
        executed: list[str] = []
        event.listen(db.engine, "before_cursor_execute", lambda *given: executed.append(given[2].split()[0]))
        rows = [f"{count}-{number},{number + 1}\n" for number in range(count)]
        import_stock(["sku,quantity\n", *rows], add_unknown=True)
        del executed[:]
        rows = [f"{count}-{number},{number + 2}\n" for number in range(count)]
        assert import_stock(["sku,quantity\n", *rows]).changed == count
        return executed.count("SELECT")

    assert statements(300) <= statements(30) + 2
    books_balance()
