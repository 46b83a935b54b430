"""What a hostile shop sends as a page is looked at in a moment, whatever it repeats."""

from __future__ import annotations

import time

import pytest

from channels import pages

UNITS = (
    "<script ",
    "<style>",
    "<script></style>",
    "<title>",
    "<h1 ",
    "Warning: ",
    "<br ",
    "<b>",
    "PHP Notice: x ",
    "</script ",
    " " * 8,
)


@pytest.mark.parametrize("unit", UNITS)
def test_no_pattern_takes_long(unit: str) -> None:
    page = (unit * (64 * 1024 // len(unit))).encode()
    before = time.process_time()
    for look in (pages.is_challenge, pages.is_suspended, pages.is_maintenance, pages.has_php_messages):
        look(page)
    assert time.process_time() - before < 1.5


def test_scripts_and_styles_are_not_read() -> None:
    hidden = b"<html><SCRIPT>closed for maintenance</Script ><style>maintenance mode</style>"
    assert not pages.is_maintenance(hidden)
    assert pages.is_maintenance(hidden + b"We are closed for maintenance")
    assert pages.is_maintenance(b"<script>x</style> closed for maintenance")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'[{"a": 1}]\n<script>let b</script>', "data followed by “<script>let b</script>”"),
        (b'[{"a": 1}][{"customer": "Ann"}]', "two answers in one"),
        (b'[{"a": 1}', "damaged data"),
        (b"<p>x</p>[]", "a web page"),
        (b"[" * 60_000, "damaged data"),
    ],
)
def test_what_came_in_place_of_data_is_named(body: bytes, said: str) -> None:
    assert pages.found_in(body, lambda text, most: text[:most]) == said
