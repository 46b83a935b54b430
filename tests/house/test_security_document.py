"""SECURITY.md names tests that are there, and covers the chapters it says it covers."""

from __future__ import annotations

import re

import pytest

from tests.support.processes import ROOT

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
TABLE = TEXT.partition("## ASVS 4.0, level 2")[2]
NAMED = sorted(set(re.findall(r"`(\w+(?:/\w+)?)/(\w+)::(\w+)`", TABLE)))


@pytest.mark.parametrize(("folder", "file", "name"), NAMED, ids=["/".join(one) for one in NAMED])
def test_every_test_it_names_is_there(folder: str, file: str, name: str) -> None:
    source = (ROOT / "tests" / folder / f"test_{file}.py").read_text(encoding="utf-8")
    assert re.search(rf"^ *(def|class) {name}\b", source, re.MULTILINE)


def test_every_chapter_is_covered():
    covered = set(re.findall(r"^\| V(\d+)", TABLE, re.MULTILINE))
    assert covered == {"2", "3", "4", "5", "7", "8", "9", "12", "13", "14"}


def test_every_section_has_a_test_or_a_reason():
    for line in TABLE.splitlines():
        if line.startswith("| V"):
            assert len(line.split("|")[3].strip()) > 5, line
