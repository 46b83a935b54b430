"""Each error of a shop says whether it concerns one row, the whole shop, or may be either."""

from __future__ import annotations

import pytest

import errors
from errors import ChannelError

LEAVES = sorted(
    (
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, ChannelError) and each is not ChannelError
    ),
    key=lambda each: each.__name__,
)
ROW = {"ShopRefused", "RowRefused", "NotTaken", "ItemGone", "OrderCalledOff"}
UNKNOWN = {"ShopBroken", "PhpMessages"}
KEY = {"KeyRejected", "ReadOnlyKey"}


@pytest.mark.parametrize("leaf", LEAVES)
def test_what_an_error_concerns(leaf: type[ChannelError]):
    name = leaf.__name__
    assert leaf.concerns == ("row" if name in ROW else "unknown" if name in UNKNOWN else "shop")
    assert leaf.about_key == (name in KEY)
    # A row that the shop has refused needs a person, one that it did not take may be sent again.
    assert leaf.concerns != "row" or leaf.retryable == (name == "NotTaken")
