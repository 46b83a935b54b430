"""Transactions that fail only because of another one are tried again; the books then hold what both have done."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, text

from extensions import db as database
from extensions import writing
from models import StockItem
from services.common.deadlocks import retry_on_deadlock
from tests.support.rows import make_item

MOST = 30
"""Seconds that anything here may take."""


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
