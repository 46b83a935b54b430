"""What is inside a file that was fetched: gzip, ZIP files with one file in them, workbooks, and what is none of these."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
import zlib
from collections.abc import Callable

import pytest

from channels.hiding import Scrubber
from channels.remote_files import FileLimits, failures
from channels.remote_files.contents import CHUNK, Intake, Source, finish, gunzipped

TABLE = b"sku,qty\nCUP,5\n"
SOURCE = Source("feeds.example", FileLimits(max_unpacked=1024 * 1024), lambda: None, Scrubber())


def finished(body: bytes, name: str = "stock.csv") -> tuple[bytes, str, str]:
    """What is in the file in the end, its name, and its digest."""
    intake = Intake(SOURCE, 10**9)
    intake.add(body)
    kept, name = finish(intake, name, SOURCE)
    with kept.file:
        body = kept.file.read()
        assert kept.size == len(body) and (kept is intake or intake.file.closed)
        return body, name, kept.digest


def zipped(*members: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return file.getvalue()


def changed(body: bytes, change: Callable[[bytearray], None]) -> bytes:
    copy = bytearray(body)
    change(copy)
    return bytes(copy)


def test_what_is_packed_is_unpacked_and_has_the_digest_of_what_is_inside():
    plain = finished(TABLE)
    assert plain[:2] == (TABLE, "stock.csv")
    assert finished(gzip.compress(TABLE), "Stock.CSV.gz") == (TABLE, "Stock.CSV", plain[2])
    assert finished(gzip.compress(TABLE[:5]) + gzip.compress(TABLE[5:]) + bytes(600)) == plain
    assert finished(zipped(("out/list.txt", TABLE)), "x.zip") == (TABLE, "list.txt", plain[2])
    assert finished(zipped(("list.txt", TABLE), how=zipfile.ZIP_STORED))[0] == TABLE


def test_what_macos_and_folders_add_to_a_zip_file_does_not_count():
    assert (
        finished(zipped(("out/", b""), ("out/a.csv", TABLE), ("__MACOSX/out/._a.csv", b"x"), ("out/.DS_Store", b"x")))[0] == TABLE
    )


def test_a_workbook_stays_a_workbook():
    for first in ("[Content_Types].xml", "mimetype"):
        book = zipped((first, b"x"), ("xl/workbook.xml", b"<x/>"))
        assert finished(book, "a.xlsx")[:2] == (book, "a.xlsx")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (zipped(), "holds no file"),
        (zipped(("a.csv", TABLE), ("b.csv", TABLE)), "holds 2 files"),
        (zipped(("a.csv", TABLE), how=zipfile.ZIP_BZIP2), "unusual"),
        (zipped(("a.csv", TABLE * 99))[40:], ""),
        (changed(zipped(("a.csv", TABLE * 9)), lambda body: body.__setitem__(40, body[40] ^ 255)), "damaged"),
        (gzip.compress(TABLE)[:-9] + bytes(9), "damaged"),
        (changed(gzip.compress(TABLE), lambda body: body.__setitem__(12, 7)), "damaged"),
        (gzip.compress(TABLE) + b"more", "damaged"),
    ],
    ids=["empty", "two", "bzip2", "no beginning", "bytes changed", "no trailer", "gzip changed", "gzip and more"],
)
def test_archives_that_do_not_hold_one_whole_file_are_refused(body, says):
    if not says:
        assert finished(body)[0] == body  # It does not begin like a ZIP file: the reader of tables decides.
        return
    with pytest.raises(failures.ArchiveUnusable) as caught:
        finished(body)
    assert says in caught.value.message and caught.value.advice


def test_a_password_is_named():
    body = zipped(("a.csv", TABLE))
    directory = body.index(b"PK\x01\x02")
    with pytest.raises(failures.ArchiveUnusable, match="password"):
        finished(changed(body, lambda copy: copy.__setitem__(directory + 8, 1)))


@pytest.mark.parametrize("cut", [1, 8, 100])
def test_an_archive_that_ends_too_early_is_cut_and_may_come_whole_later(cut):
    body = random.Random(1).randbytes(1000)
    for packed in (gzip.compress(body), zipped(("a.csv", body)), zipped(("[Content_Types].xml", body))):
        with pytest.raises(failures.FileCut):
            finished(packed[:-cut])


def test_an_archive_that_unpacks_to_too_much_is_refused():
    zeros = bytes(2 * 1024 * 1024)
    for body in (zipped(("a.csv", zeros)), gzip.compress(zeros)):
        assert len(body) < 10_000
        with pytest.raises(failures.FileTooLarge):
            finished(body)


def test_a_zip_file_whose_list_of_files_would_fill_the_memory_is_refused():
    body = zipped(*((f"{number:0100}", b"") for number in range(8_000)), how=zipfile.ZIP_STORED)
    with pytest.raises(failures.ArchiveUnusable, match="more than one file"):
        finished(body)


def test_what_is_inside_is_looked_at_too():
    with pytest.raises(failures.PageInstead):
        finished(gzip.compress(b"<!doctype html><title>Sign in</title>"))
    with pytest.raises(failures.FileEmpty):
        finished(zipped(("a.csv", b"")))


def test_gzip_data_comes_in_pieces_however_it_arrives():
    """Any way to cut it gives the same bytes as Python's module, and no piece is large."""
    chance = random.Random(7)
    for size in (0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK):
        body = bytes(size) if size % 2 else chance.randbytes(size // 2) + bytes(size - size // 2)
        packed = gzip.compress(body, chance.randrange(1, 10)) + gzip.compress(b"end")
        pieces = []
        while packed:
            step = chance.choice([1, 7, 300, 10_000])
            pieces.append(packed[:step])
            packed = packed[step:]
        got = list(gunzipped(iter(pieces), "feeds.example"))
        assert b"".join(got) == body + b"end" and max(map(len, got)) <= CHUNK


def test_no_file_stays_open_when_it_fails(monkeypatch):
    made: list[Intake] = []
    real = Intake.__init__

    def noted(self: Intake, *given: object) -> None:
        real(self, *given)
        made.append(self)

    monkeypatch.setattr(Intake, "__init__", noted)
    for body in (
        b"",
        gzip.compress(b"<html>"),
        zipped(),
        zipped(("a", bytes(2**21))),
        zlib.compress(b"") and gzip.compress(TABLE)[:-3],
    ):
        with pytest.raises(failures.RemoteFileError):
            finished(body)
    assert len(made) > 5 and all(each.file.closed for each in made)
