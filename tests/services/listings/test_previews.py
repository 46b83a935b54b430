"""The stock update that waits for approval, read page by page."""

from __future__ import annotations

import pytest

from extensions import db, writing
from models import Integration, RunItem
from services.listings import previews
from services.runs import lifecycle
from tests.support.rows import make_integration

CHANGES = 250


@pytest.fixture
def integration_id(db) -> int:
    """An integration with a run whose changes wait; another result is among its rows."""
    integration = make_integration()
    run_id = lifecycle.start_run(integration.id, "stock", "test").id
    with writing() as session:
        row = {"run_id": run_id, "now": 5, "reason": "on hand 3"}
        for number in reversed(range(CHANGES)):
            session.add(RunItem(**row, external_id=str(number), sku=f"S{number:04}", wanted=number % 2, result="preview"))
        session.add(RunItem(**row, external_id="x", sku="S0000", wanted=0, result="skipped"))
        session.get_one(Integration, integration.id).waiting_run_id = run_id
    return integration.id


def test_a_page_has_its_rows_and_knows_how_many_there_are(integration_id):
    found = previews.preview(integration_id)
    assert (found.changes, found.zeroed) == (CHANGES, CHANGES // 2)
    db.session.expunge_all()
    page = previews.page_of_rows(found, 2, 100)
    assert (len(page.rows), page.number, page.pages, page.total) == (100, 2, 3, CHANGES)
    assert [row.sku for row in (page.rows[0], page.rows[-1])] == ["S0100", "S0199"]
    assert not any(isinstance(each, RunItem) for each in db.session)
    last = previews.page_of_rows(found, 9, 100)
    assert (last.number, len(last.rows), last.goes_on) == (3, 50, False)
    whole = [row.sku for batch in previews.batches_of_rows(found) for row in batch]
    assert whole == [f"S{number:04}" for number in range(CHANGES)]


def test_where_nothing_waits_there_are_no_rows(db):
    found = previews.preview(make_integration().id)
    assert (found.run_id, found.changes, previews.page_of_rows(found, 1, 100).rows) == (None, 0, [])
    assert list(previews.batches_of_rows(found)) == []
