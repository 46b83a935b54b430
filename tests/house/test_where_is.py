"""The table "Where is …?" of docs/architecture.md names files that exist."""

from __future__ import annotations

import re

from tests.support.processes import ROOT


def test_every_answer_is_a_file():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Where is …?")[2].partition("\n## ")[0]
    paths = re.findall(r"\| `([a-z_/]+\.py)` \|", table)
    assert len(paths) >= 20
    assert [path for path in paths if not (ROOT / path).is_file()] == []
