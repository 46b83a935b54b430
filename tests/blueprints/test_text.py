"""What is left in a page of words from outside."""

from __future__ import annotations

import pytest
from markupsafe import Markup

from blueprints.text import LONGEST, harmless
from tests.blueprints.pages import element
from tests.blueprints.rows import add_integration
from tests.support.signed_in import FreshClient


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a plain name", "a plain name"), ("two\nlines\tand a tab", "two\nlines\tand a tab"), ("safe\u202etxt.exe", "safetxt.exe"),
        ("\u2066a\u2069\u200f\u061c", "a"), ("bell\x07 and escape\x1b[31m", "bell\ufffd and escape\ufffd[31m"), ("\x9b31m", "\ufffd31m"),
        ("half a sign \ud83d", "half a sign \ufffd"), ("متجر 店 é \U0001f600", "متجر 店 é \U0001f600"), ("", ""),
    ],
)  # fmt: skip
def test_what_hides_or_turns_is_taken_out(words: str, shown: str) -> None:
    assert harmless(words) == shown


def test_markup_of_ours_stays_markup_and_other_values_stay_what_they_are() -> None:
    assert harmless(Markup("<b>a\u202e</b>")) == Markup("<b>a</b>")
    assert isinstance(harmless(Markup("<b>a\u202e</b>")), Markup)
    assert harmless(7) == 7
    assert harmless(None) is None


def test_a_value_is_cut_and_markup_of_ours_is_not() -> None:
    assert harmless("x" * 10_000_000) == "x" * LONGEST + "…"
    assert len(harmless(Markup("x" * 100_000))) == 100_000


def test_a_page_passes_every_value_through_it(client: FreshClient) -> None:
    add_integration("Shop \u202etxt.exe", health="retrying", health_message="y" * 1_000_000)
    page = client.get("/settings/sales-channels").text
    assert "Shop txt.exe" in element(page, "main").text
    assert len(page) < 60_000
