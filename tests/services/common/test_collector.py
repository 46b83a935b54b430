"""Looking for garbage seldom ends with the block, however it ends."""

from __future__ import annotations

import gc

import pytest

from services.common.collector import OBJECTS, seldom_collected


def test_the_threshold_is_raised_inside_only():
    before = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), seldom_collected():
        assert gc.get_threshold() == (OBJECTS, *before[1:])
        _ = 1 / 0
    assert gc.get_threshold() == before
