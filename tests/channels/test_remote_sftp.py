"""Files over SFTP: the newest that matches, once it stays the same, from a server that proves itself."""

from __future__ import annotations

import gzip
import io
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from channels.remote_files import HostKey, Place, RemoteFileError, Unchanged, failures, fetch, host_key, latest, put
from errors import InvalidInput, StopRequested
from tests.support.processes import wait_until
from tests.support.remote_files import WHERE, quick, web_server
from tests.support.remote_sftp import SftpServer, key_pair, sftp_server

TABLE = b"sku,qty\nCUP,5\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    with sftp_server(tmp_path) as running:
        yield running


def write(server: SftpServer, name: str, body: bytes = TABLE, mtime: int = 1_790_000_000) -> None:
    path = server.folder / name
    path.write_bytes(body)
    os.utime(path, (mtime, mtime))


def failed(server: SftpServer, place: Place | None = None, **limits: object) -> RemoteFileError:
    with pytest.raises(RemoteFileError) as caught:
        fetch(place or server.place(), None, quick(server, **limits))
    trouble: BaseException | None = caught.value
    while trouble is not None:
        assert server.password not in f"{trouble!r} {trouble} {getattr(trouble, 'advice', '')}"
        trouble = trouble.__cause__ or trouble.__context__
    return caught.value


def got(server: SftpServer, place: Place | None = None, **limits: object) -> bytes:
    with fetch(place or server.place(), None, quick(server, **limits)) as fetched:
        return fetched.content.read()


class TestNewest:
    def test_the_newest_file_that_matches_comes_whole_and_the_next_time_it_is_unchanged(self, server):
        write(server, "stock_3.csv", b"old", 1_790_000_000)
        write(server, "stock_2.csv", TABLE, 1_790_000_100)
        write(server, "other.csv", b"newer, and another", 1_790_000_200)
        place = server.place("/stock_*.csv")
        assert latest(place, quick(server)).name == "stock_2.csv"
        with fetch(place, None, quick(server)) as first:
            assert (first.name, first.content.read()) == ("stock_2.csv", TABLE)
            assert first.modified is not None and first.modified.timestamp() == 1_790_000_100
        assert fetch(place, first.seen, quick(server)) == Unchanged(first.seen)
        write(server, "stock_2.csv", TABLE, 1_790_000_101)
        with fetch(place, first.seen, quick(server)) as again:
            assert again.digest == first.digest

    def test_of_two_of_one_time_the_last_by_name_and_no_folder_or_broken_link(self, server):
        for name in ("a.csv", "b.csv"):
            write(server, name, name.encode())
        (server.folder / "z.csv").mkdir()
        (server.folder / "y.csv").symlink_to("nowhere")
        (server.folder / "x").mkdir()
        assert latest(server.place("/*.csv"), quick(server)).name == "b.csv"
        (server.folder / "x" / "real").write_bytes(b"behind a link")
        (server.folder / "l.csv").symlink_to("x/real")
        assert got(server, server.place("/*.csv")) == b"behind a link"

    def test_a_pattern_is_exact_about_letters_and_knows_classes(self, server):
        for name in ("Stock_1.CSV", "stock_1.csv", "stock_x.csv"):
            write(server, name)
        assert latest(server.place("/stock_[0-9].csv"), quick(server)).name == "stock_1.csv"

    @pytest.mark.parametrize("path", ["/none.csv", "/*.csv", "/none/*.csv", "/none/a.csv", "/folder"])
    def test_what_is_not_there_is_said(self, server, path):
        (server.folder / "folder").mkdir()
        trouble = failed(server, server.place(path))
        assert isinstance(trouble, failures.NoFile) and trouble.retryable

    def test_a_folder_with_too_many_files_is_refused(self, server):
        for number in range(5):
            write(server, f"{number}.csv")
        assert isinstance(failed(server, server.place("/*.csv"), max_entries=3), failures.PlaceAnswered)

    def test_nothing_is_ever_changed_there(self, server):
        write(server, "a.csv")
        got(server, server.place("/*.csv"))
        failed(server, server.place("/b.csv"))
        assert {what for what, _ in server.done} == {"list", "stat", "read"}


class TestWhole:
    def test_a_large_file_comes_whole_in_many_requests(self, server):
        body = os.urandom(3_000_001)
        write(server, "stock.csv", body)
        assert got(server) == body

    def test_what_is_packed_is_unpacked(self, server):
        write(server, "stock.csv.gz", gzip.compress(TABLE))
        with fetch(server.place("/*.gz"), None, quick(server)) as fetched:
            assert (fetched.name, fetched.seen.name, fetched.content.read()) == ("stock.csv", "stock.csv.gz", TABLE)

    def test_a_file_that_grows_between_two_looks_waits(self, server):
        write(server, "stock.csv")
        server.growing = "stock.csv"
        trouble = failed(server)
        assert isinstance(trouble, failures.FileGrowing) and trouble.retryable
        assert "read" not in {what for what, _ in server.done}

    def test_a_file_that_is_replaced_while_it_is_read_waits(self, server):
        write(server, "stock.csv")
        server.at_read = lambda: write(server, "stock.csv", TABLE + b"PLATE,1\n", 1_790_000_500)
        assert isinstance(failed(server), failures.FileGrowing)

    def test_a_file_that_ends_too_early_is_not_used(self, server):
        write(server, "stock.csv", TABLE * 20_000)
        server.short = True
        assert isinstance(failed(server), failures.FileCut)

    def test_an_empty_file_is_none(self, server):
        write(server, "stock.csv", b"")
        assert isinstance(failed(server), failures.FileEmpty)

    def test_a_file_that_is_too_large_is_not_read(self, server):
        write(server, "stock.csv")
        assert isinstance(failed(server, max_bytes=5), failures.FileTooLarge)
        assert "read" not in {what for what, _ in server.done}


class TestSignIn:
    @pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
    def test_a_key_signs_in(self, server, kind):
        private, public = key_pair(kind)
        write(server, "stock.csv")
        server.keys, server.password = [public], ""
        assert got(server, server.place(auth="key", secret=private)) == TABLE

    def test_a_wrong_password_and_a_wrong_key_need_a_person(self, server):
        write(server, "stock.csv")
        server.keys = [key_pair()[1]]
        for place in (server.place(secret="wrong"), server.place(user="other"), server.place(auth="key", secret=key_pair()[0])):
            trouble = failed(server, place)
            assert isinstance(trouble, failures.SignInRefused) and not trouble.retryable and trouble.advice

    def test_a_server_that_takes_no_passwords_says_what_it_takes(self, server):
        server.keys, server.password = [key_pair()[1]], ""
        with pytest.raises(failures.SignInRefused, match="publickey"):
            fetch(server.place(secret="geheim"), None, quick(server))

    def test_the_key_of_a_server_is_shown_as_openssh_does(self, server):
        place = server.place(user="", secret="", host_key="", path="")
        shown = host_key(place, quick(server))
        assert shown.fingerprint == server.host_key.get_fingerprint() and str(shown) == server.confirmed
        assert server.tried == 0

    def test_a_server_whose_key_nobody_has_confirmed_learns_no_password(self, server):
        trouble = failed(server, server.place(host_key=""))
        assert isinstance(trouble, failures.HostKeyUnknown) and not isinstance(trouble, failures.HostKeyChanged)
        assert trouble.key.fingerprint in trouble.message and str(trouble.key) == server.confirmed
        assert server.tried == 0 and not trouble.retryable

    def test_a_server_with_another_key_learns_no_password_and_both_are_named(self, server):
        other = HostKey.parse(key_pair()[1])
        trouble = failed(server, server.place(host_key=str(other)))
        assert isinstance(trouble, failures.HostKeyChanged) and trouble.pinned == other
        assert trouble.key.fingerprint in trouble.message and other.fingerprint in trouble.message
        assert server.tried == 0 and not trouble.retryable
        with pytest.raises(failures.HostKeyChanged):
            put(server.place("/", host_key=str(other)), "a.csv", io.BytesIO(TABLE), quick(server))
        assert server.tried == 0

    @pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
    def test_of_several_keys_a_server_shows_the_one_that_was_confirmed(self, tmp_path, kind):
        with sftp_server(tmp_path, host_keys=("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")) as server:
            write(server, "stock.csv")
            line = next(key.export_public_key().decode() for key in server.host_keys if key.get_algorithm() == kind)
            assert got(server, server.place(host_key=str(HostKey.parse(line)))) == TABLE


class TestAddresses:
    def test_a_name_that_leads_inside_is_refused_before_a_connection(self, server):
        for inside in ("127.0.0.1", "10.1.2.3", "::1"):
            place = replace(server.place(), address=f"sftp.example.com:{server.port}")
            with pytest.raises(failures.PlaceRefused):
                fetch(place, None, quick(), resolver=lambda host, port, inside=inside: [inside])
        with pytest.raises(failures.PlaceRefused):
            host_key(server.place(), quick())
        assert server.connections == 0

    def test_a_server_that_is_not_there_is_tried_again(self, tmp_path):
        with sftp_server(tmp_path) as server:
            place = server.place()
        trouble = failed(server, place)
        assert isinstance(trouble, failures.PlaceUnreachable) and trouble.retryable

    def test_a_server_of_another_kind_is_recognised(self, server):
        with web_server() as web:
            place = replace(server.place(), address=f"{WHERE}:{web.port}")
            with pytest.raises(failures.PlaceBroken, match="as an SFTP server does"):
                fetch(place, None, quick(web))


class TestCaps:
    @pytest.mark.parametrize("where", ["sign-in", "list", "read"])
    def test_a_server_that_stops_answering_is_left(self, server, where):
        write(server, "stock.csv", TABLE * 20_000)
        server.stalling = where
        began = time.monotonic()
        trouble = failed(server, server.place("/*.csv"), stall_seconds=0.5, total_seconds=20)
        assert isinstance(trouble, failures.PlaceTimeout) and trouble.retryable and time.monotonic() - began < 15

    def test_all_of_it_ends_at_the_end_of_the_time(self, server):
        write(server, "stock.csv", TABLE * 20_000)
        server.stalling = "read"
        trouble = failed(server, total_seconds=1.0)
        assert isinstance(trouble, failures.PlaceTimeout) and "within 1 seconds" in trouble.message

    @pytest.mark.parametrize(
        ("flood", "kind"),
        [
            (b"x" * 65536, failures.FileTooLarge),
            (b"x\r\n" * 20_000, failures.PlaceBroken),
            (b"SSH-2.0-x\r\n" + b"\xff" * 65536, failures.RemoteFileError),
        ],
        ids=["one line", "lines", "packets"],
    )
    def test_a_server_that_floods_or_says_nothing_that_fits_is_left(self, flood, kind):
        with socket.create_server((WHERE, 0)) as listener:
            threading.Thread(target=_flood, args=(listener, flood), daemon=True).start()
            place = Place("sftp", f"{WHERE}:{listener.getsockname()[1]}", "/a", "password", "anna", secret="x", host_key="")
            with pytest.raises(RemoteFileError) as caught:
                fetch(place, None, quick(allow_private=("all",), stall_seconds=30, total_seconds=40))
        assert isinstance(caught.value, kind) and not isinstance(caught.value, failures.PlaceTimeout)

    def test_a_stop_ends_it_at_once(self, server):
        write(server, "stock.csv")
        calls = iter([None] * 4)

        def stop() -> None:
            if next(calls, "stop") == "stop":
                raise StopRequested("Stopped.")

        with pytest.raises(StopRequested):
            fetch(server.place(), None, quick(server, look_gap=50), gate=stop)

    def test_no_thread_is_left_behind(self, server):
        # Another test's timer may still run.
        before = set(threading.enumerate())
        write(server, "stock.csv")
        got(server)
        failed(server, server.place(secret="wrong"))
        failed(server, server.place(host_key=""))

        def left() -> list[threading.Thread]:
            new = set(threading.enumerate()) - before
            return [each for each in new if "paramiko" in repr(each) or isinstance(each, threading.Timer)]

        wait_until(lambda: not left(), 10)


class TestPut:
    def test_a_file_is_put_under_its_name_when_it_is_whole(self, server):
        place = server.place("/")
        assert not put(place, "orders.csv", io.BytesIO(TABLE * 9000), quick(server)).already
        assert names(server) == ["orders.csv"] and (server.folder / "orders.csv").read_bytes() == TABLE * 9000
        written = [path for what, path in server.done if what == "write"]
        assert len(written) == 1 and written[0].startswith("/.orders.csv.")
        assert put(place, "orders.csv", io.BytesIO(TABLE * 9000), quick(server)).already
        assert [what for what, _ in server.done].count("write") == 1

    def test_another_file_of_this_name_is_left_as_it_is(self, server):
        write(server, "orders.csv", b"somebody's")
        for body in (TABLE, b"Somebody's"):
            with pytest.raises(failures.PutNameTaken) as caught:
                put(server.place("/"), "orders.csv", io.BytesIO(body), quick(server))
            assert not caught.value.retryable
        assert (server.folder / "orders.csv").read_bytes() == b"somebody's" and names(server) == ["orders.csv"]

    def test_nor_is_one_that_appears_in_the_last_moment_overwritten(self, server):
        server.at_rename = lambda: write(server, "orders.csv", b"somebody's")
        with pytest.raises(failures.PutNameTaken):
            put(server.place("/"), "orders.csv", io.BytesIO(TABLE), quick(server))
        assert (server.folder / "orders.csv").read_bytes() == b"somebody's" and names(server) == ["orders.csv"]

    def test_nor_where_nothing_can_be_renamed(self, server):
        server.no_rename = True
        server.at_write = lambda path: write(server, "orders.csv", b"somebody's") if path == "/orders.csv" else None
        with pytest.raises(failures.PutNameTaken):
            put(server.place("/"), "orders.csv", io.BytesIO(TABLE), quick(server))
        assert (server.folder / "orders.csv").read_bytes() == b"somebody's" and names(server) == ["orders.csv"]

    def test_a_file_that_was_not_stored_whole_is_taken_back(self, server):
        server.keeps = 5
        with pytest.raises(failures.FileCut) as caught:
            put(server.place("/"), "orders.csv", io.BytesIO(TABLE), quick(server))
        assert caught.value.retryable and names(server) == []

    @pytest.mark.parametrize("only", ["only_posix_rename", "no_rename"])
    def test_servers_that_rename_in_another_way_or_not_at_all_get_the_file(self, server, only):
        setattr(server, only, True)
        put(server.place("/"), "orders.csv", io.BytesIO(TABLE), quick(server))
        assert names(server) == ["orders.csv"] and (server.folder / "orders.csv").read_bytes() == TABLE

    def test_a_server_that_takes_nothing_says_so(self, server):
        server.read_only = True
        with pytest.raises(failures.PutRefused, match="write there"):
            put(server.place("/"), "orders.csv", io.BytesIO(TABLE), quick(server))
        server.read_only = False
        with pytest.raises(failures.PutRefused):
            put(server.place("/none"), "orders.csv", io.BytesIO(TABLE), quick(server))
        assert names(server) == []

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\nb"])
    def test_a_name_stays_in_its_folder(self, server, name):
        with pytest.raises(InvalidInput):
            put(server.place("/"), name, io.BytesIO(TABLE), quick(server))
        assert server.connections == 0


def names(server: SftpServer) -> list[str]:
    return sorted(path.name for path in server.folder.iterdir())


def _flood(listener: socket.socket, flood: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        try:
            while True:
                connection.sendall(flood)
        except OSError:
            return
