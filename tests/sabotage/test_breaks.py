"""Every deliberate break still fits the code, so that ``make sabotage`` breaks what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sabotage.breaks import BREAKS, Edit

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.name)
def test_a_break_fits_the_code(one):
    assert one.trouble(ROOT) == ""
    for path in (part for tests in one.tests for part in tests.split()):
        assert (ROOT / path.partition("::")[0]).exists(), path


def test_a_text_that_is_gone_or_there_twice_fails():
    with pytest.raises(ValueError, match="0 times"):
        Edit("x.py", "a", "b").applied("c")
    with pytest.raises(ValueError, match="2 times"):
        Edit("x.py", "a", "b").applied("aa")
