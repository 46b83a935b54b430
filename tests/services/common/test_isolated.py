"""Names that are written from right to left, beside numbers on one line."""

from __future__ import annotations

import pytest

from services.common.text import isolated


@pytest.mark.parametrize("name", ["Cup", "Çay bardağı", "茶", "", "2 × 🍵"])
def test_other_names_stay_as_they_are(name: str) -> None:
    assert isolated(name) == name


@pytest.mark.parametrize("name", ["كوب", "כוס", "Cup كوب"])
def test_a_name_from_right_to_left_is_kept_apart_from_the_number_behind_it(name: str) -> None:
    assert isolated(name) == f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
