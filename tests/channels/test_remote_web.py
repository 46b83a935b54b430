"""Files over https: signing in, what is unchanged, and every way in which a server fails."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator

import pytest

from channels.remote_files import Fetched, Unchanged, fetch, put
from tests.support.remote_files import File, WebServer, quick, web_server

TABLE = b"sku,qty\nCUP,5\n"


@pytest.fixture
def web(trusted: ssl.SSLContext) -> Iterator[WebServer]:
    with web_server(trusted) as running:
        running.files["/stock.csv"] = File(TABLE, etag='"1"', last_modified="Fri, 27 Nov 2026 06:00:00 GMT")
        yield running


def test_a_file_comes_whole_and_the_next_time_it_is_unchanged(web):
    with fetch(web.place(), None, quick(web)) as got:
        assert isinstance(got, Fetched) and got.content.read() == TABLE
        assert (got.name, got.size, got.modified and got.modified.isoformat()) == (
            "stock.csv", len(TABLE), "2026-11-27T06:00:00+00:00",
        )  # fmt: skip
    assert fetch(web.place(), got.seen, quick(web)) == Unchanged(got.seen)
    web.files["/stock.csv"] = File(TABLE + b"PLATE,1\n", etag='"2"')
    with fetch(web.place(), got.seen, quick(web)) as other:
        assert other.size > got.size and other.seen.etag == '"2"' and other.modified is None


def test_what_is_put_in_a_folder_replaces_nothing(web):
    place = web.place("/in/")
    assert not put(place, "orders 1.csv", io.BytesIO(TABLE), quick(web)).already
    assert web.put == {"/in/orders%201.csv": TABLE}
    assert put(place, "orders 1.csv", io.BytesIO(TABLE), quick(web)).already
