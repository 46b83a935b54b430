"""Quantities as suppliers write them."""

from __future__ import annotations

import time

import pytest

from errors import InvalidInput
from services.stock.file_quantities import Quantity, from_kept, words_in

CLEAR = {
    "": {"5": 5, " 7 ": 7, "5.0": 5, "5,00": 5, "10+": 10, "10 +": 10, ">50": 50, "> 50": 50, "≥3": 3, "1,234,567": 1234567,
         "1.234.567": 1234567, "1 234": 1234, "1'234": 1234, "1\u202f234": 1234, "1,234.00": 1234, "1.234,0": 1234},
    ".": {"1,234": 1234, "1,234.0": 1234, "5.000": 5, "1,234,567": 1234567},
    ",": {"1.234": 1234, "1.234,0": 1234, "5,000": 5},
}  # fmt: skip
UNCLEAR = {
    "": ["", " ", "-", "-3", "5.5", "1,234", "1.234", "12,34", "1,23,456", "<5", "a few", "1e3", "+", ">", "1..2", "٣", "1.234,5", "0x1", "5 pcs"],
    ".": ["1.234", "5,0", "1.234,0", "5.5"],
    ",": ["1,234", "5.0", "1,234.0", "5,5"],
}  # fmt: skip


@pytest.mark.parametrize("decimal", CLEAR)
def test_what_is_clear_is_read_and_nothing_else(decimal):
    quantity = Quantity(decimal=decimal)
    assert {text: quantity.read(text, 10**9) for text in CLEAR[decimal]} == CLEAR[decimal]
    assert {text: quantity.read(text, 10**9) for text in UNCLEAR[decimal]} == dict.fromkeys(UNCLEAR[decimal])


@pytest.mark.parametrize("cell", ["1" + " " * 3900 + "x", ">" + " " * 3900 + "x\ny", "+" * 3900 + "x", "1." * 1900 + "x"])
def test_no_cell_takes_long(cell):
    before = time.process_time()
    assert [Quantity().read(cell, 1000) for _ in range(50)] == [None] * 50
    assert time.process_time() - before < 0.7


def test_words_packs_buffers_and_a_maximum():
    quantity = from_kept(
        {"words": words_in("In stock = 5\n Out of Stock=0\n\n"), "pack": "6", "buffer": "2", "cap": "20", "decimal": ""}
    )
    assert [quantity.read(text, 10**6) for text in ("IN STOCK", "out of stock", "0", "1", "9", "")] == [20, 0, 0, 4, 20, None]
    assert from_kept(quantity.kept()) == quantity
    assert Quantity().read("5000000000", 2**31) is None


@pytest.mark.parametrize(
    "wrong", [{"pack": 0}, {"pack": "x"}, {"cap": -1}, {"words": {"a": "b"}}, {"words": ["a"]}, {"decimal": ";"}, {"buffer": 1.5}]
)
def test_what_cannot_be_meant_is_refused(wrong):
    with pytest.raises(InvalidInput):
        from_kept(wrong)
    with pytest.raises(InvalidInput, match="not a word with its quantity"):
        words_in("In stock")
