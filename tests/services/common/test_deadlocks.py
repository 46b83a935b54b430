"""Transactions that fail only because of another one are tried again; the books then hold what both have done."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from extensions import db as database
from extensions import writing
from models import StockItem
from services.common.deadlocks import retry_on_deadlock
from tests.support.rows import make_item

MOST = 30
"""Seconds that anything here may take."""
SERVICES = Path(__file__).resolve().parents[3] / "services"
REPEATED_BY_ITS_JOB = {"feeds/applying.py: confirm_unchanged"}


@pytest.mark.both_databases
def test_two_that_wait_for_each_other_both_get_done(app, db):
    """Each locks one stock item and, once both have, wants the other's. On SQLite the second waits at the beginning instead."""
    ids = [make_item(sku, on_hand=5).id for sku in ("CUP", "BOWL")]
    on_sqlite = database.engine.dialect.name == "sqlite"
    both_hold_one = threading.Barrier(2)
    tries: list[int] = []
    errors: list[BaseException] = []

    @retry_on_deadlock
    def take_one_of_each(order: list[int]) -> None:
        first = order[0] not in tries
        tries.append(order[0])
        with writing() as session:
            for place, item_id in enumerate(order):
                if place and first and not on_sqlite:
                    both_hold_one.wait(MOST)
                item = session.scalars(select(StockItem).where(StockItem.id == item_id).with_for_update()).one()
                item.on_hand -= 1
                session.flush()

    def beside(order: list[int]) -> None:
        with app.app_context():
            try:
                take_one_of_each(order)
            except Exception as error:
                errors.append(error)
            finally:
                database.session.remove()

    threads = [threading.Thread(target=beside, args=(order,), daemon=True) for order in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(MOST)
    assert (errors, any(thread.is_alive() for thread in threads)) == ([], False)
    assert len(tries) == (2 if on_sqlite else 3)
    database.session.rollback()
    assert [database.session.get_one(StockItem, item_id).on_hand for item_id in ids] == [3, 3]


@pytest.mark.both_databases
def test_an_error_that_a_retry_does_not_fix_is_raised_at_once(app, db):
    tries: list[int] = []

    @retry_on_deadlock
    def ask_for_a_table_that_is_not_there() -> None:
        tries.append(1)
        with writing() as session:
            session.execute(text("SELECT 1 FROM no_such_table"))

    with pytest.raises(Exception, match="no_such_table"):
        ask_for_a_table_that_is_not_there()
    assert tries == [1]


def test_what_locks_stock_items_in_a_transaction_is_retried():
    """A function that was added between the decorator and the function below it took the decorator away."""
    locking = {place for place, node in public_functions() if "lock_items" in text_of(node) and "with writing()" in text_of(node)}
    retried = {
        place
        for place, node in public_functions()
        if any(ast.unparse(each) == "retry_on_deadlock" for each in node.decorator_list)
    }
    assert "feeds/removal.py: remove_feed" in locking
    assert locking - retried == REPEATED_BY_ITS_JOB


def public_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in sorted(SERVICES.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield f"{path.relative_to(SERVICES).as_posix()}: {node.name}", node


def text_of(function: ast.FunctionDef) -> str:
    return "\n".join(ast.unparse(each) for each in function.body)
