"""Files of spreadsheets that do not save UTF-8: recognised where words tell, and never changed where they do not."""

from __future__ import annotations

import codecs

import pytest

from errors import InvalidInput
from services.common import letters

RUSSIAN = "sku;название;количество\nLAMP-1;Лампа настольная;5\nЧАШКА-2;Кружка;12\n"
RECOGNISED = [
    (RUSSIAN, "windows-1251"), ("sku;name;qty\nA;Привет;1\n", "windows-1251"), ("артикул;количество\nЛАМПА;5\n", "windows-1251"),
    ("sku;name;qty\nA;Настолна лампа;2\n", "windows-1251"), ("sku;name;qty\nA;Настільна лампа їжак;2\n", "windows-1251"),
    (RUSSIAN, "ibm866"), ("sku;name;qty\nA;Καλημέρα κόσμε;2\nB;Λάμπα;2\n", "windows-1253"),
    ("sku;name;qty\nA;Crème brûlée à la carte;3\nB;Été;1\n", "windows-1252"), ("sku;n;q\nA;Größe, Übergröße;1\n", "windows-1252"),
    ("sku;price\nA–1;5 €\n", "windows-1252"), ("sku;n\nÄ;1\nÖÜ;2\nÉTÉ;3\n", "windows-1252"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name"), RECOGNISED)
def test_they_are_recognised_by_a_few_words(text, name):
    found = letters.as_utf8(text.encode(name))
    assert (found.content.decode(), found.read_as) == (text, name)


@pytest.mark.parametrize("name", letters.NAMES)
def test_a_person_chooses_where_they_are_not(name):
    text = "sku;n\nA;" + {"windows-1252": "Crème", "windows-1250": "Žluťoučký", "windows-1253": "Λάμπα", "windows-1254": "Ağaç", "windows-1255": "שלום",
                          "windows-1256": "مصباح", "windows-1257": "Šviestuvas"}.get(name, "Лампа")  # fmt: skip
    assert letters.as_utf8(text.encode(name), name).content.decode() == text


def test_what_is_utf8_or_no_text_stays_as_it_is_whatever_was_chosen():
    for content in (
        RUSSIAN.encode(),
        codecs.BOM_UTF8 + RUSSIAN.encode(),
        RUSSIAN.encode("utf-16"),
        b"sku,quantity\nA,1\n",
        b"PK\x03\x04\xff",
        b"\xff\0\xfe",
        b"",
    ):
        for chosen in ("", "windows-1251"):
            found = letters.as_utf8(content, chosen)
            assert (found.content, found.read_as) == (content, "")


def test_what_cannot_be_is_refused():
    with pytest.raises(InvalidInput, match="not Greek"):
        letters.as_utf8(b"sku\n\xd2\xff\xaa", "windows-1253")
    with pytest.raises(InvalidInput, match="not offered"):
        letters.as_utf8(b"sku\n", "rot13")
