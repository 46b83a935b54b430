"""A feed over SFTP: nothing is read before a person has confirmed the server's key, and the newest file of a pattern counts."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from models.types import utcnow
from services.feeds import fetching, runs, suppliers
from tests.support.remote_sftp import sftp_server


@pytest.mark.one_database
def test_a_feed_waits_for_the_hosts_key_and_reads_the_newest_file(app, tmp_path, monkeypatch):
    limits = fetching.file_limits()
    monkeypatch.setattr(fetching, "file_limits", lambda: replace(limits, look_gap=0.01))
    now = int(utcnow().timestamp())
    for number, name in enumerate(("stock_1.csv", "stock_2.csv")):
        (tmp_path / name).write_text(f"sku,quantity\nA-1,{number + 5}\n")
        os.utime(tmp_path / name, (now - 100 + number, now - 100 + number))
    with sftp_server(tmp_path) as server:
        supplier_id = suppliers.create_supplier("Acme", None, "user:ann")
        feed_id = suppliers.create_feed(
            supplier_id, "user:ann", name="Stock", method="sftp", address=f"127.0.0.1:{server.port}", path="/stock_*.csv", auth="password",
            user=server.user, secret=server.password,
        )  # fmt: skip
        run_id = runs.start(feed_id, "user:ann")
        runs.work(run_id)
        feed = suppliers.get_feed(feed_id)
        assert (runs.get_run(run_id).state, feed.error_code, feed.seen_host_key) == (
            "failed",
            "host_key_unknown",
            server.confirmed,
        )
        assert server.signed_in == 0
        suppliers.confirm_host_key(feed_id, feed.seen_host_key, "user:ann")
        run_id = runs.start(feed_id, "user:ann")
        runs.work(run_id)
        run = runs.get_run(run_id)
        assert (run.state, run.file_name, run.rows) == ("waiting", "stock_2.csv", 1)
        runs.approve(run_id, "user:ann")
        runs.work(run_id)
        feed = suppliers.get_feed(feed_id)
        assert int(feed.read_at.timestamp()) == now - 99
        run_id = runs.start(feed_id, "user:ann")
        runs.work(run_id)
        assert runs.get_run(run_id).state == "unchanged"
        suppliers.change_feed(feed_id, "user:ann", path="/stock_1.csv")
        assert suppliers.get_feed(feed_id).host_key == server.confirmed
