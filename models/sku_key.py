"""One spelling of a SKU: SKUs are compared by it everywhere.

Shops, files and people write the same SKU in several ways: with a blank at its end, in other letter case, with a non-breaking
space, with an accent as a separate character (NFD). The key of a SKU is the same for all of them. Keys are computed here and
stored beside the SKU, because ``lower()`` and collations differ between Python, SQLite and PostgreSQL.

Runs of blanks inside a SKU count, as they do in X-Cart. Invisible characters (Unicode category Cf: zero-width spaces
and joiners, byte order marks, soft hyphens, marks of direction) are left out: they come from copying and no person types them.
Accents count: ``CAFÉ`` and ``CAFE`` are two SKUs.
"""

from __future__ import annotations

from typing import Any
from unicodedata import category, normalize

from models.types import indexable

LONGEST = 255
"""Characters a SKU column and its key have."""


def tidy(sku: str) -> str:
    """A SKU as we write it ourselves: no white space around it, every other white space a blank, nothing invisible, NFC."""
    if sku.isascii() and sku.isprintable():
        return sku.strip()
    return normalize("NFC", "".join(" " if each.isspace() else each for each in sku if category(each) != "Cf").strip())


def sku_key(sku: str) -> str:
    """What is compared in place of a SKU; empty where the SKU is blank."""
    tidied = tidy(sku)
    lowered = tidied.lower()
    return (lowered if tidied.isascii() else normalize("NFC", lowered))[:LONGEST]


def folded(text: str) -> str:
    """A text in which a part is searched for, or such a part: tidy, and without letter case in any language. The four letters i of
    Turkish are one, as in the search for orders: which of them ``I`` is depends on the language of the text."""
    tidied = tidy(text)
    return tidied.lower() if tidied.isascii() else normalize("NFC", tidied.casefold()).replace("i\u0307", "i").replace("ı", "i")


def search_text(sku: str, name: str) -> str:
    """What a row with a SKU and a name is searched by. No part that a person searches for reaches from one to the other."""
    return indexable(f"{folded(sku)}\n{folded(name)}")


def search_text_of(context: Any) -> str:
    """The default of a column ``searched``."""
    row = context.get_current_parameters()
    return search_text(row.get("sku") or "", row.get("name") or "")


def key_of_sku(context: Any) -> str:
    """The default of a column ``sku_key``: the key of the row's SKU."""
    return sku_key(context.get_current_parameters().get("sku") or "")
