"""What a worker leaves to the next one when it has to end a job in the middle."""

from __future__ import annotations

from services import runs, stock_files
from tests.support.rows import make_integration, make_item


def test_what_this_process_holds_is_queued_again_and_the_old_lease_is_worth_nothing(app):
    integration = make_integration()
    lease = runs.claim(runs.start_run(integration.id, "orders", "test").id)
    assert runs.give_back() == [lease.run_id]
    run = runs.find_run(lease.run_id)
    assert (run.state, run.lease_until, run.not_before, run.enqueued_at) == ("queued", None, None, None)
    again = runs.claim(run.id)
    assert again is not None
    assert again.token != lease.token
    assert len(again.token) == 32


def test_what_another_process_holds_stays_with_it(app, monkeypatch):
    integration = make_integration()
    lease = runs.claim(runs.start_run(integration.id, "orders", "test").id)
    monkeypatch.setattr(runs, "HOLDER", "00000000")
    assert runs.give_back() == []
    lease.extend()
    assert runs.find_run(lease.run_id).state == "running"


def test_a_stock_file_under_way_waits_for_the_next_worker(app, db, monkeypatch):
    make_item("CUP", 1)
    file_id = stock_files.upload(b"sku,quantity\nCUP,5\n", "file.csv", "test")

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(stock_files, "_stage", killed)
        try:
            stock_files.work(file_id)
        except KeyboardInterrupt:
            assert stock_files.due_files() == []
    stock_files.give_back()
    assert stock_files.due_files() == [file_id]
    stock_files.work(file_id)
    assert stock_files.get_file(file_id).state == "checked"
