"""What a hostile shop sends as a page is looked at in a moment, whatever it repeats."""

from __future__ import annotations

import time

import pytest

from channels import pages
from channels.noise import json_in
from channels.remote_files.contents import is_page
from channels.xcart.api.shipments import described_in

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
    "Notice: on line <b>",
    "Notice: x on line\t\t\t\t",
    "Notice: on line" + " " * 40,
    "account!!",
    "SQLSTATE   ",
    "<title>SQLSTATE",
)
BESIDE = (
    "\ufeff",
    "\ufeff \n",
    "/* cached\n",
    "Warning: cached on line \n",
    "Notice: on line <b>\n",
    "# cached\n",
    "[2026-01-01 10:00:00]\n PHP ",
    "cached ",
)
DESCRIPTIONS = (b"<script ", b'<script id="swagger-data"', b'<script id="swagger-data">')


@pytest.mark.parametrize("unit", UNITS)
def test_no_pattern_takes_long(unit: str) -> None:
    page = (unit * (64 * 1024 // len(unit))).encode()
    before = time.process_time()
    for look in (pages.is_challenge, pages.is_suspended, pages.is_maintenance, pages.has_php_messages):
        look(page)
    assert time.process_time() - before < 1


@pytest.mark.parametrize("unit", BESIDE)
def test_what_may_stand_beside_data_is_read_past_in_a_moment(unit: str) -> None:
    body = (unit * (512 * 1024 // len(unit))).encode()
    before = time.process_time()
    assert json_in(body) is None
    assert time.process_time() - before < 1.5


@pytest.mark.parametrize("unit", [b"<!---->", b"<!--a--> ", b"<?xml>", b"<!--", b" \n"])
def test_a_file_of_comments_is_looked_at_in_a_moment(unit: bytes) -> None:
    before = time.process_time()
    assert not is_page(unit * (4096 // len(unit)))
    assert is_page(unit * 3 + b"-->" * (unit == b"<!--") + b"<html>")
    assert time.process_time() - before < 1.5


@pytest.mark.parametrize("unit", DESCRIPTIONS)
def test_a_shops_description_of_itself_is_looked_for_in_a_moment(unit: bytes) -> None:
    before = time.process_time()
    assert described_in(unit * (1024 * 1024 // len(unit))) == b""
    assert time.process_time() - before < 1.5
    assert described_in(b'<script type="a" id="swagger-data" x="y">{"paths": {}}</script>' + unit) == b'{"paths": {}}'


def test_a_message_of_php_ends_at_its_line() -> None:
    far = b"Warning: " + b"x" * 5000 + b" on line 3"
    assert not pages.has_php_messages(far)
    assert pages.has_php_messages(far + b" Notice: y on line x, on line <b>4</b>")
    found = json_in(b"<br />\n<b>Warning</b>:  a on line x on line <b>12</b><br />\n{}Notice: b on line 7")
    assert found is not None and found.value == b"{}" and found.noisy


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
