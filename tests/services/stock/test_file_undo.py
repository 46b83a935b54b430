"""The way back after an import of quantities: a file that a person sees before it is applied, and that takes nothing back twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from errors import Conflict
from extensions import writing
from models import StockEntry, StockFile, StockFileRow
from models.types import utcnow
from services.stock import file_results, file_undo, files, ledger
from services.stock import items as stock_items
from tests.blueprints.pages import words
from tests.services.stock.test_stock_files import items, on_hand, read


def applied(content: str) -> StockFile:
    return apply(read(content).id)


def apply(file_id: int) -> StockFile:
    files.work(file_id)
    files.accept(file_id, add_unknown=True)
    files.work(file_id)
    return files.get_file(file_id)


def why_not(file: StockFile) -> str:
    left, why, _ = file_undo.undoable(file)
    assert left == 0
    return why


def ship(sku: str, units: int) -> None:
    item_id = stock_items.find_stock_item(sku).id
    with writing():
        ledger.enter(ledger.load_items([item_id])[item_id], ledger.Reason("run:1", "shipped"), on_hand=-units)


def test_an_import_is_taken_back_less_what_was_shipped_since(app, db):
    items(3)
    file = applied("sku,quantity\nS-000000,50\nS-000001,1\nS-000002,0\nNEW,9\n")
    ship("S-000000", 20)
    assert file_undo.left_to_undo(file.id) == 3
    undo = files.get_file(file_undo.undo_file(file.id, "user:ann"))
    assert (undo.name, on_hand(db, "S-000002")) == ("Undo of stock.csv", 0), "nothing is changed before it was seen"
    assert apply(undo.id).changed == 3
    assert [on_hand(db, sku) for sku in ("S-000000", "S-000001", "S-000002", "NEW")] == [0, 1, 1, 0]


def test_units_sold_since_are_not_given_back(app, db):
    items(1, on_hand=30)
    file = applied("sku,quantity\nS-000000,50\n")
    ship("S-000000", 5)
    apply(file_undo.undo_file(file.id, "user:ann"))
    assert on_hand(db, "S-000000") == 25


def test_nothing_is_taken_back_twice_and_no_newer_count_is_lost(app, db):
    items(2)
    file = applied("sku,quantity\nS-000000,50\nS-000001,60\n")
    stock_items.set_stock("S-000001", 7, "user:ann")
    undo = apply(file_undo.undo_file(file.id, "user:ann"))
    assert (on_hand(db, "S-000000"), on_hand(db, "S-000001")) == (1, 7)
    with pytest.raises(Conflict, match="left to undo"):
        file_undo.undo_file(file.id, "user:ann")
    apply(file_undo.undo_file(undo.id, "user:ann"))
    assert on_hand(db, "S-000000") == 50, "an undo is a file like any other, and is undone like one"


def test_a_file_that_is_not_applied_has_nothing_to_undo(app, db):
    items(1)
    file = read("sku,quantity\nS-000000,50\n")
    assert file_undo.left_to_undo(file.id) == 0
    with pytest.raises(Conflict):
        file_undo.undo_file(file.id, "user:ann")


def test_what_a_file_changed_and_which_file_changed_an_item_can_be_read_afterwards(app, db):
    items(2)
    file = applied("sku,quantity\nS-000000,50\nS-000001,1\nNEW,9\n")
    assert [tuple(row)[1:] for row in file_results.preview_rows(file.id, "applied")] == [("S-000000", 1, 50), ("NEW", None, 9)]
    assert set(db.session.scalars(select(StockEntry.note).where(StockEntry.cause == "import"))) == {"stock.csv"}


def test_units_shipped_after_an_undo_was_shown_are_not_given_back(app, db):
    items(2)
    file = applied("sku,quantity\nS-000000,50\nS-000001,60\n")
    undo_id = file_undo.undo_file(file.id, "user:ann")
    files.work(undo_id)
    ship("S-000000", 20)
    stock_items.set_stock("S-000001", 7, "user:ann")
    files.accept(undo_id, add_unknown=False)
    files.work(undo_id)
    assert (on_hand(db, "S-000000"), on_hand(db, "S-000001")) == (0, 7), "shipped, and counted after the undo was shown"
    assert (files.get_file(undo_id).changed, files.get_file(undo_id).unchanged) == (1, 1)


def test_two_undos_that_were_shown_at_the_same_time_take_nothing_back_twice(app, db):
    items(1, on_hand=30)
    file = applied("sku,quantity\nS-000000,50\n")
    first, second = (file_undo.undo_file(file.id, "user:ann") for _ in range(2))
    apply(first)
    ship("S-000000", 5)
    assert apply(second).changed == 0
    assert on_hand(db, "S-000000") == 25


def test_it_is_said_why_a_file_cannot_be_undone(app, db):
    items(2)
    unchanged, file = applied("sku,quantity\nS-000000,1\n"), applied("sku,quantity\nS-000001,60\n")
    assert why_not(unchanged) == "Nothing is left to undo: this changed no quantity."
    stock_items.set_stock("S-000001", 7, "user:ann")
    assert "set again since" in why_not(file)
    other = applied("sku,quantity\nS-000001,60\n")
    undo_id = apply(file_undo.undo_file(other.id, "user:ann")).id
    assert why_not(other) == "Nothing is left to undo: it was undone."
    with writing() as session:
        session.execute(delete(StockFileRow))
    assert "a week has passed" in why_not(files.get_file(undo_id))


@pytest.mark.both_databases
def test_what_was_set_since_is_known_whatever_the_clock_says(app, db):
    items(3)
    file = applied("sku,quantity\nS-000000,50\nS-000001,60\nS-000002,70\n")
    stock_items.set_stock("S-000001", 7, "user:ann")
    with writing() as session:
        # After the file was applied, the clock was set back by a day.
        session.execute(update(StockFile).values(finished_at=utcnow() + timedelta(days=1)))
    assert file_undo.left_to_undo(file.id) == 2
    stock_items.set_stock("S-000002", 7, "user:ann")
    with writing() as session:
        session.execute(update(StockFile).values(finished_at=utcnow() - timedelta(days=1)))
    assert file_undo.left_to_undo(file.id) == 1, "what the file itself has set is not set since"


def test_a_file_that_an_older_version_applied_is_compared_by_time(app, db):
    items(2)
    file = applied("sku,quantity\nS-000000,50\nS-000001,60\n")
    with writing() as session:
        session.execute(update(StockFile).values(last_entry_id=None))
    stock_items.set_stock("S-000001", 7, "user:ann")
    assert file_undo.left_to_undo(file.id) == 1


def test_an_undo_has_no_columns_to_change(app, db):
    items(1)
    undo_id = file_undo.undo_file(applied("sku,quantity\nS-000000,50\n").id, "user:ann")
    with pytest.raises(Conflict, match="has no columns"):
        files.assign(undo_id, {"sku": "sku", "quantity": "quantity"}, {}, "user:ann")


def test_the_undo_says_that_what_the_file_has_added_stays_in_the_list(app, db, client):
    items(1)
    undo_id = file_undo.undo_file(applied("sku,quantity\nS-000000,50\nNEW,9\n").id, "user:ann")
    files.work(undo_id)
    stays = "The file added 1 stock item: it stays in the list without the pieces from the file."
    assert stays in words(client.get(f"/stock/files/{undo_id}").text)
    files.accept(undo_id, add_unknown=False)
    files.work(undo_id)
    assert stays in words(client.get(f"/stock/files/{undo_id}").text)
    assert stock_items.find_stock_item("NEW").on_hand == 0
    plain = file_undo.undo_file(applied("sku,quantity\nS-000000,60\n").id, "user:ann")
    files.work(plain)
    assert "stays in the list" not in words(client.get(f"/stock/files/{plain}").text)
