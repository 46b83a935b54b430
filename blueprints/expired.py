"""Forms that are shown again with their input when the page has expired, instead of an error page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

_keepers: set[Callable[..., Any]] = set()


def keeps_input(view: View) -> View:
    """Decorate a view that does nothing before its form is valid. The form checks the token itself. If the page has
    expired, the view shows the input again with a new token."""
    _keepers.add(view)
    return view


def shows_input_again(view: Callable[..., Any] | None) -> bool:
    return view in _keepers
