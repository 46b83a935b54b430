"""What a worker leaves to the next one when it has to end a job in the middle."""

from __future__ import annotations

from services.common import claims
from services.runs import lifecycle
from services.stock import file_stage, files
from tests.support.rows import make_integration, make_item


def test_what_this_process_holds_is_queued_again_and_the_old_lease_is_worth_nothing(app):
    integration = make_integration()
    lease = lifecycle.claim(lifecycle.start_run(integration.id, "orders", "test").id)
    assert lifecycle.return_runs() == [lease.run_id]
    run = lifecycle.find_run(lease.run_id)
    assert (run.state, run.lease_until, run.not_before, run.enqueued_at) == ("queued", None, None, None)
    again = lifecycle.claim(run.id)
    assert again is not None
    assert again.token != lease.token
    assert len(again.token) == 32


def test_what_another_process_holds_stays_with_it(app, monkeypatch):
    integration = make_integration()
    lease = lifecycle.claim(lifecycle.start_run(integration.id, "orders", "test").id)
    monkeypatch.setattr(claims, "HOLDER", "00000000")
    assert lifecycle.return_runs() == []
    lease.extend()
    assert lifecycle.find_run(lease.run_id).state == "running"


def test_a_stock_file_under_way_waits_for_the_next_worker(app, db, monkeypatch):
    make_item("CUP", 1)
    file_id = files.upload(b"sku,quantity\nCUP,5\n", "file.csv", "test")

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(file_stage, "stage", killed)
        try:
            files.work(file_id)
        except KeyboardInterrupt:
            assert files.due_files() == []
    files.return_files()
    assert files.due_files() == [file_id]
    files.work(file_id)
    assert files.get_file(file_id).state == "checked"
