"""The sample of tests/faults/test_faults.py on PostgreSQL. A separate file: two houses would move one clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import house
from tests.faults.day import live_one
from tests.faults.test_faults import SEED, sound


@pytest.fixture(scope="module")
def server_home() -> Iterator[house.House]:
    with house.opened("postgresql") as opened:
        yield opened


@pytest.mark.parametrize("index", range(100, 102))
@pytest.mark.sampled(1)
@pytest.mark.long
def test_a_sample_of_days_on_postgresql(server_home, index):
    assert sound(live_one(server_home, SEED, index))


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_many_days_on_postgresql(server_home):
    assert all(sound(live_one(server_home, "make deep", index)) for index in range(100))
