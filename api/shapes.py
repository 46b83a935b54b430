"""Types that several resources share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from services.common import whole_numbers

Id = Annotated[str, Meta(pattern=r"^[0-9]{1,10}\Z", description="An opaque id.")]
Amount = Annotated[
    str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?\Z", description="A decimal number as text, in the currency beside it.")
]
Sku = Annotated[str, Meta(min_length=1, max_length=255, description="A SKU, in any spelling that means the stock item.")]
Search = Annotated[str, Meta(max_length=100, description="A part of what is searched; counts as ten requests.")]
ZoneProblem = Annotated[
    str,
    Meta(description="What to do about a time zone that is unknown here, empty if it is known. Until then, times are in UTC."),
]
Code = Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")]


def some_of(names: Iterable[str], description: str, max_length: int) -> Meta:
    """Of a parameter that has some of these names, separated by commas. The view says which one it does not know."""
    one = f"({'|'.join(re.escape(name) for name in names)})"
    return Meta(max_length=max_length, description=description, extra_json_schema={"pattern": f"^({one}(,{one})*)?$"})


class Body(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a request sends."""


def row_id(text: str) -> int:
    """The row that an id names; -1, which no row has, for one too large to be an id."""
    number = whole_numbers.parse(text)
    return -1 if number is None else number
