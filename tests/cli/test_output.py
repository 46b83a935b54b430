"""Tables line up whatever stands in them, and nothing in them moves a terminal's cursor."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import width

from cli.output import Column, printable, write_fields, write_rows

COLUMNS = (Column("NAME", "name", most=12), Column("N", "n", right=True), Column("END", "end"))


def written(*batches: list[dict], as_json: bool = False) -> Result:
    import click

    @click.command()
    def command() -> None:
        write_rows(batches, COLUMNS, as_json=as_json, nothing="There is nothing.")

    return CliRunner().invoke(command, catch_exceptions=False)


def test_columns_line_up_with_wide_and_combining_text():
    rows = [
        {"name": "Jörg", "n": 1, "end": "x"},
        {"name": "東京ショップ", "n": 1000, "end": "x"},
        {"name": "สวัสดี", "n": 7, "end": "x"},
        {"name": "e\u0301cole", "n": 7, "end": "x"},
        {"name": "👩‍👩‍👧", "n": 7, "end": "x"},
    ]
    lines = written(rows).stdout.splitlines()
    assert len({width(line) for line in lines if line.endswith("x")}) == 1
    assert width(lines[0].rstrip()) <= width(lines[1])


def test_a_column_that_may_take_so_much_is_cut_with_a_mark():
    line = written([{"name": "東京東京東京東京東京", "n": 1, "end": "x"}]).stdout.splitlines()[2]
    name = line.split()[0]
    assert name.endswith("…")
    assert width(name) <= 12


def test_what_would_move_the_cursor_or_turn_the_text_is_taken_out():
    shown = written([{"name": "a\x1b[31mred\r\n\tb\u202ec", "n": 1, "end": "x"}]).stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(shown.splitlines()) == 3


def test_later_batches_follow_without_a_second_heading():
    lines = written([{"name": "a", "n": 1, "end": "x"}], [], [{"name": "b" * 12, "n": 2, "end": "x"}]).stdout.splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("b" * 12)


def test_an_empty_list_says_so_to_a_person_and_nothing_to_a_script():
    assert written([], []).stdout == "There is nothing.\n"
    assert written([], [], as_json=True).stdout == ""


def test_json_is_one_object_a_line_with_every_character_kept():
    odd = {"name": 'Ünï\u2028東\x1b\n"', "n": 1, "end": None}
    result = written([odd], [odd], as_json=True)
    lines = result.stdout_bytes.decode("utf-8").split("\n")
    assert lines[2:] == [""]
    assert [json.loads(line) for line in lines[:2]] == [odd, odd]


def test_fields_without_a_value_are_left_out():
    import click

    @click.command()
    def command() -> None:
        write_fields([("name", "x"), ("nothing", ""), ("none", None), ("zero", 0), ("no", False), ("list", ["a", "b"])])

    assert CliRunner().invoke(command, catch_exceptions=False).stdout == "name  x\nzero  0\nno    no\nlist  a, b\n"


@given(st.text())
def test_printable_text_is_one_line_without_controls(words):
    shown = printable(words)
    assert len(shown.splitlines()) <= 1
    assert all(ord(character) >= 32 and not 127 <= ord(character) < 160 for character in shown)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_that_cannot_show_a_character_gets_a_question_mark(encoding):
    import click

    @click.command()
    def command() -> None:
        write_rows([[{"name": "é東", "n": 1, "end": "x"}]], COLUMNS, as_json=False, nothing="")

    result = CliRunner(charset=encoding).invoke(command, catch_exceptions=False)
    assert "?" in result.stdout_bytes.decode(encoding)
