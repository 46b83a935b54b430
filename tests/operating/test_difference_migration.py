"""Daily reconciliations from before differences were counted are found by their differences after an upgrade."""

from __future__ import annotations

from datetime import date

import flask_migrate
import pytest

from extensions import db, writing
from models import DailyReconciliation
from services.reports import reconciliation
from tests.support.rows import make_integration


@pytest.mark.both_databases
def test_differences_of_before_are_counted(app):
    shop_id = make_integration().shop_id
    with writing() as session:
        for day, many in ((1, 2), (2, 0), (3, 1)):
            session.add(
                DailyReconciliation(
                    shop_id=shop_id, day=date(2026, 1, day), shop_orders=1, our_orders=1, differences=[{"number": "7"}] * many
                )
            )
    for revision, act in (("0701", flask_migrate.downgrade), ("head", flask_migrate.upgrade)):
        db.session.remove()
        db.engine.dispose()
        act(revision=revision)
    found = reconciliation.list_page(different=True, sort="different").rows
    assert [(row.day.day, row.difference_count) for row, _ in found] == [(1, 2), (3, 1)]
    db.session.rollback()
