"""Files over SFTP: the newest that matches, once it stays the same, from a server that proves itself."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.remote_files import Unchanged, fetch, host_key, latest, put
from tests.support.remote_files import SftpServer, quick, sftp_server

TABLE = b"sku,qty\nCUP,5\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    with sftp_server(tmp_path) as running:
        yield running


def write(server: SftpServer, name: str, body: bytes = TABLE, mtime: int = 1_790_000_000) -> None:
    path = server.folder / name
    path.write_bytes(body)
    os.utime(path, (mtime, mtime))


def test_the_newest_file_that_matches_comes_whole_and_the_next_time_it_is_unchanged(server):
    write(server, "stock_1.csv", b"old", 1_790_000_000)
    write(server, "stock_2.csv", TABLE, 1_790_000_100)
    write(server, "other.csv", b"newer, and another", 1_790_000_200)
    place = server.place("/stock_*.csv")
    assert latest(place, quick(server)).name == "stock_2.csv"
    with fetch(place, None, quick(server)) as got:
        assert (got.name, got.content.read(), got.modified and got.modified.timestamp()) == ("stock_2.csv", TABLE, 1_790_000_100)
    assert fetch(place, got.seen, quick(server)) == Unchanged(got.seen)
    assert {what for what, _ in server.done} == {"list", "stat", "read"}


def test_the_key_of_a_server_is_shown_as_openssh_does(server):
    assert host_key(server.place(), quick(server)).fingerprint == server.host_key.get_fingerprint()


def test_a_file_is_put_under_its_name_when_it_is_whole(server):
    place = server.place("/")
    assert not put(place, "orders.csv", io.BytesIO(TABLE), quick(server)).already
    assert (server.folder / "orders.csv").read_bytes() == TABLE and len(list(server.folder.iterdir())) == 1
    assert put(place, "orders.csv", io.BytesIO(TABLE), quick(server)).already
