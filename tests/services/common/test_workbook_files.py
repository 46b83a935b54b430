"""Workbooks out: what is written is what a spreadsheet shows, at constant memory."""

from __future__ import annotations

import io
import tracemalloc

import openpyxl
import pytest

from services.common import workbook_files
from services.common.csv_files import as_written
from services.common.workbook_files import rows_out
from services.common.workbooks import Workbook

pytestmark = pytest.mark.one_database
TEXTS = [
    "00123",
    "=1+1",
    "@SUM(A1)",
    " blank ",
    "1e5",
    "12345678901234567890",
    "TRUE",
    "<&>\"'",
    "line\nbreak",
    "茶 ☂ \U0001f600",
    "-",
    "+1",
]


def made(header, rows, numbers=()) -> bytes:
    return b"".join(rows_out("Orders", header, iter(rows), numbers))


def test_texts_are_read_back_as_they_were_by_us_and_as_texts_by_others():
    content = made(["text"], [[text] for text in TEXTS])
    ours = [as_written(cells[0]) for _, cells in Workbook(io.BytesIO(content)).records()]
    assert ours == ["text", *TEXTS]
    cells = [row[0] for row in openpyxl.load_workbook(io.BytesIO(content)).active.iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}, "no number, no date and no formula"


def test_numbers_keep_their_decimals_and_what_would_lose_digits_stays_text():
    content = made(["a", "b"], [["1.50", 3], ["-0.1234", None], ["1234567890123456.78", "x"], ["n/a", 7]], {0})
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)] == [
        [1.5, 3], [-0.1234, None], ["1234567890123456.78", "x"], ["n/a", 7],
    ]  # fmt: skip
    assert [sheet.cell(row, 1).number_format for row in (2, 3)] == ["0.00", "0.0000"]


def test_what_no_workbook_can_hold_is_left_out_or_cut():
    sheet = openpyxl.load_workbook(io.BytesIO(made(["a"], [["a\x00b\x0b\ud800c"], ["x" * 40_000], ["a\r\nb\rc"]]))).active
    found = [row[0].value for row in sheet.iter_rows(min_row=2)]
    assert found[0] == "abc" and len(found[1]) == 32_767 and found[1].endswith("x…") and found[2] == "a\nb\nc"


def test_a_full_sheet_is_followed_by_another_with_the_same_headings(monkeypatch):
    monkeypatch.setattr(workbook_files, "MOST_ROWS", 100)
    for count, lengths in ((98, [99]), (99, [100, 1]), (250, [100, 100, 53]), (0, [1])):
        book = openpyxl.load_workbook(io.BytesIO(made(["n"], [[number] for number in range(count)])))
        assert [sheet.max_row for sheet in book.worksheets] == lengths
        assert {sheet.cell(1, 1).value for sheet in book.worksheets} == {"n"}
        assert [row[0] for sheet in book.worksheets for row in sheet.iter_rows(min_row=2, values_only=True)] == list(range(count))


def test_rows_leave_while_others_are_read_and_memory_does_not_grow():
    read = []

    def rows(count):
        for number in range(count):
            read.append(number)
            yield [f"{number * 7919 % 99991} some text", "1.00"]

    pieces = rows_out("Orders", ["a", "b"], rows(6000), {1})
    tracemalloc.start()
    try:
        assert len(next(pieces)) > 0 and len(read) < 6000, "the first bytes are there before the last row is read"
        for _ in pieces:
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(read) == 6000 and peak < 3_000_000


def test_a_telephone_number_has_no_quote_before_it_and_a_sum_still_has():
    content = made(["phone"], [["+48 12 555"], ["+43 (0)316/55-50"], ["+1+cmd|x"], ["-1+1"]])
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert [row[0].value for row in sheet.iter_rows(min_row=2)] == ["+48 12 555", "+43 (0)316/55-50", "'+1+cmd|x", "'-1+1"]
