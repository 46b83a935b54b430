"""What is on hand of a fed stock item is never set by hand: not on pages, by commands, by files, nor by programs."""

from __future__ import annotations

import pytest

from errors import InvalidInput
from extensions import db, writing
from models import StockItem
from services.stock import adjustments, fed, files, items, views
from tests.support.rows import import_stock, make_item


@pytest.fixture
def item_id(app):
    found = make_item("F-1", 5).id
    with writing() as session:
        session.get(StockItem, found).fed = True
    return found


def on_hand(item_id: int) -> int:
    return db.session.get(StockItem, item_id, populate_existing=True).on_hand


def test_edits_are_refused_with_what_to_do_and_the_buffer_is_not(item_id):
    acts = (
        lambda: items.set_stock("f-1", 6, "cli:ann"),
        lambda: adjustments.adjust(item_id, 1, "api:shop", ""),
        lambda: views.change_item(item_id, on_hand=6, buffer=0, was=5, actor="user:ann"),
    )
    for act in acts:
        with pytest.raises(fed.FedStock) as refused:
            act()
        assert "F-1 is fed by suppliers" in refused.value.sentence() and "make it own" in refused.value.sentence()
        assert refused.value.field == "on_hand"
    views.change_item(item_id, on_hand=5, buffer=2, was=5, actor="user:ann")
    item = db.session.get(StockItem, item_id, populate_existing=True)
    assert (item.on_hand, item.buffer) == (5, 2)


def test_a_program_gets_a_result_for_the_row_and_the_others_are_done(item_id):
    own = make_item("O-1", 1).id
    wanted = [adjustments.Wanted("F-1", quantity=9), adjustments.Wanted("O-1", quantity=9), adjustments.Wanted("F-1 ", delta=0)]
    results = adjustments.change_many(wanted, "api:shop", atomic=False)
    assert [(each.state, each.code) for each in results] == [("failed", "fed_item"), ("changed", ""), ("failed", "repeated_sku")]
    assert (on_hand(item_id), on_hand(own)) == (5, 9)


def test_a_file_that_would_change_it_is_refused_with_its_line_and_one_that_says_what_is_there_is_not(item_id):
    own = make_item("O-1", 1).id
    with pytest.raises(InvalidInput) as refused:
        import_stock(["sku,quantity", "O-1,3", "F-1,6"])
    assert "Line 3: F-1 is fed by suppliers" in refused.value.sentence()
    assert (on_hand(item_id), on_hand(own)) == (5, 1)
    import_stock(["sku,quantity", "O-1,3", "F-1,5"])
    assert (on_hand(item_id), on_hand(own)) == (5, 3)


def test_a_file_that_waited_while_its_item_became_fed_leaves_it(app):
    item_id, own = make_item("F-1", 5).id, make_item("O-1", 1).id
    file_id = files.upload(b"sku,quantity\nF-1,6\nO-1,2\n", "stock.csv", "user:ann")
    files.work(file_id)
    with writing() as session:
        session.get(StockItem, item_id).fed = True
    files.accept(file_id, add_unknown=False)
    files.work(file_id)
    assert (on_hand(item_id), on_hand(own)) == (5, 2)
