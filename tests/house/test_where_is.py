"""The table "Where is …?" of docs/architecture.md names files that exist, and asks no question twice."""

from __future__ import annotations

import re

from tests.support.processes import ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TABLE = TEXT.partition("## Where is …?")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (.+) \| (`.+`) \|$", TABLE, re.MULTILINE)


def test_every_answer_is_a_file():
    paths = [path for _, answer in ROWS for path in re.findall(r"`([^`]+)`", answer)]
    assert len(paths) >= 20
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_no_question_is_asked_twice():
    questions = [question for question, _ in ROWS]
    assert [each for each in questions if questions.count(each) > 1] == []
