"""One worker works on a row, under a lease; and waits that grow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from errors import LeaseLost
from extensions import writing
from models import StockFile
from models.types import utcnow
from services.common import claims
from services.common.backoff import MOST_ASKED, wait_for
from services.stock.files import FILES
from tests.services.runs.test_runs import race
from tests.support.processes import wait_until


def a_file() -> int:
    with writing() as session:
        file = StockFile(actor="test")
        session.add(file)
        session.flush()
        return file.id


def test_of_many_workers_one_gets_the_row(app, db):
    file_id = a_file()
    assert sum(claim is not None for claim in race(app, lambda: FILES.claim(file_id, FILES.free()))) == 1


def test_an_expired_lease_lets_another_worker_in_and_the_first_one_out(app, db):
    file_id = a_file()
    first = replace(FILES, seconds=lambda: -1).claim(file_id, FILES.free())
    second = FILES.claim(file_id, FILES.free())
    assert first is not None
    assert second is not None
    with pytest.raises(LeaseLost), writing():
        first.hold(done=5)
    with writing():
        second.end(state="checked", done=7)
    db.session.rollback()
    file = db.session.get_one(StockFile, file_id)
    assert (file.done, file.state, file.token, file.lease_until) == (7, "checked", "", None)


def test_a_claim_that_does_not_fit_changes_nothing(app, db):
    file_id = a_file()
    assert FILES.claim(file_id, StockFile.state == "checked", state="applied") is None
    db.session.rollback()
    assert db.session.get_one(StockFile, file_id).state == "uploaded"


def test_a_heartbeat_keeps_the_lease_while_the_work_is_slow(app, db):
    file_id = a_file()
    short = replace(FILES, seconds=lambda: 6)
    claim = short.claim(file_id)
    assert claim is not None
    db.session.rollback()
    first = db.session.get_one(StockFile, file_id).lease_until

    def extended() -> bool:
        db.session.rollback()
        return db.session.get_one(StockFile, file_id).lease_until > first

    with claim.kept_alive():
        wait_until(extended, 60, "a heartbeat")
        assert FILES.claim(file_id, FILES.free()) is None
        with writing():
            claim.hold()


def test_only_the_claims_of_this_process_are_returned(app, db, monkeypatch):
    own, foreign = a_file(), a_file()
    assert FILES.claim(own) is not None
    with monkeypatch.context() as other:
        other.setattr(claims, "HOLDER", "00000000")
        assert FILES.claim(foreign) is not None
    assert FILES.return_own(StockFile.state == "uploaded") == [own]
    db.session.rollback()
    assert db.session.get_one(StockFile, own).lease_until is None
    assert db.session.get_one(StockFile, foreign).lease_until > utcnow()


@pytest.mark.parametrize(("tries", "most"), [(1, 15), (2, 30), (5, 240), (9, 3600), (10_000, 3600)])
def test_waits_double_up_to_a_limit_and_differ_by_chance(tries, most):
    waits = {wait_for(tries, first=15, most=3600) for _ in range(50)}
    assert timedelta(seconds=most * 0.8) <= min(waits) < max(waits) <= timedelta(seconds=most)


def test_a_shop_may_ask_for_a_longer_wait_but_not_for_any():
    assert wait_for(1, first=15, most=3600, asked=600) == timedelta(seconds=600)
    assert wait_for(1, first=15, most=3600, asked=10**9) == timedelta(seconds=MOST_ASKED)
