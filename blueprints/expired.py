"""Forms whose input outlives an expired page: shown once more with what was typed, instead of an error page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

_keepers: set[Callable[..., Any]] = set()


def keeps_input(view: View) -> View:
    """For a view that does nothing before its form is valid. The form checks the token by itself, so where the page has
    expired the view refuses what was sent and shows it again, with a fresh token."""
    _keepers.add(view)
    return view


def shows_input_again(view: Callable[..., Any] | None) -> bool:
    return view in _keepers
