"""Which tests a run leaves to ``make deep`` (DEEP=1), which runs all of them.

``make test`` has ten minutes on two slow cores. What takes seconds for each test is drawn, with ``SAMPLE_SEED``: variants of a test, tests of
domain packages on PostgreSQL, and, where no folder or file of tests is named, tests with shops, browsers and processes."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

DATABASES = ("sqlite", "postgresql")
SAMPLED_ON_POSTGRESQL = (
    "events", "feeds", "listings", "monitoring", "notify", "onboarding", "order_basics", "orders", "reports", "shipping", "stock",
)  # fmt: skip
"""The packages of services to which a database is a place to keep rows. What locks, claims and copies rows lies below them. What happens
at the same time, in threads, is tested on PostgreSQL always."""
SHARE_ON_POSTGRESQL = 1 / 4
WITH_SHOPS = ("listings", "order_basics", "orders", "runs", "shipping", "stock", "sync")
"""The packages of services whose tests take a practice shop through several runs in each of their variants: seconds, not moments."""
VARIANTS_WITH_SHOPS = 1
SHARE_WITH_SHOPS = 1 / 4
SHARE_OF_LONG = 1 / 5
"""Of the tests marked ``long`` and those with a browser, real workers or page servers, which take five seconds each."""
TESTS = Path(__file__).parent.parent


def draw(items: list[pytest.Item], whole_suite: bool) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The tests to run, and those that are left to ``make deep``.

    Left are the tests marked ``deep``; on PostgreSQL all but the first variant of a test that has several and three quarters of the tests of
    domain packages, unless they are marked ``both_databases``. Of a test that is marked ``sampled(2)``, two variants run; of one with
    shops, one on SQLite; of a test of pages on both databases, those on one of them. With ``whole_suite``, a quarter of the tests with
    shops and a fifth of the long ones and those with browsers and processes run, and all that are marked ``every_time``."""
    drawn = _drawn_variants(items)
    seen: set[str] = set()
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        runs = item.nodeid in drawn if _variants(item) is not None else _runs(item, seen)
        if whole_suite:
            runs = runs and _random(item.nodeid).random() < _share(item)
        (kept if runs else left).append(item)
    return kept, left


def _drawn_variants(items: list[pytest.Item]) -> set[str]:
    """The ids of the variants of sampled tests that run."""
    variants: dict[str, list[pytest.Item]] = {}
    for item in items:
        if _variants(item) is not None and not item.get_closest_marker("deep"):
            variants.setdefault(_name(item), []).append(item)
    drawn: set[str] = set()
    for name, several in variants.items():
        several_drawn = _random(name).sample(several, min(_variants(several[0]) or 0, len(several)))
        drawn.update(item.nodeid for item in several_drawn)
    return drawn


def _variants(item: pytest.Item) -> int | None:
    """How many variants of this test run; None where all do, or the rules for PostgreSQL say which."""
    mark = item.get_closest_marker("sampled")
    if mark is not None:
        return int(mark.args[0])
    if _database(item) != "sqlite" or item.get_closest_marker("both_databases"):
        return None
    return VARIANTS_WITH_SHOPS if _is_of_a_package(item, WITH_SHOPS) else None


def _runs(item: pytest.Item, seen: set[str]) -> bool:
    """Whether a test runs of which no number of variants is given. ``seen`` is as in ``_is_left_on_postgresql``."""
    return not (item.get_closest_marker("deep") or _is_left_on_postgresql(item, seen) or _is_of_the_other_database(item))


def _is_left_on_postgresql(item: pytest.Item, seen: set[str]) -> bool:
    """Whether a test runs on PostgreSQL and ``seen`` holds another variant of it, which is noted there, or it is not drawn."""
    if _database(item) != "postgresql" or item.get_closest_marker("both_databases"):
        return False
    name = _name(item)
    further = name in seen
    seen.add(name)
    at_once = "races" in _place(item)[-1] or not {"threading", "Thread"}.isdisjoint(item.function.__globals__)
    sampled = _is_of_a_package(item, SAMPLED_ON_POSTGRESQL) and not at_once
    return further or (sampled and _random(name).random() >= SHARE_ON_POSTGRESQL)


def _is_of_the_other_database(item: pytest.Item) -> bool:
    """Whether this is a test of pages that runs on both databases, and the other one is drawn for it."""
    if not item.get_closest_marker("both_databases") or _place(item)[0] != "blueprints":
        return False
    return _database(item) not in (None, _random(_name(item)).choice(DATABASES))


def _share(item: pytest.Item) -> float:
    """How probable it is that a run of the whole suite draws this test."""
    fixtures = set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("every_time"):
        return 1
    if item.get_closest_marker("long") or fixtures & {"browser", "processes"}:
        return SHARE_OF_LONG
    with_shops = _is_of_a_package(item, WITH_SHOPS) or ("app" in fixtures and fixtures & {"shop", "practice"})
    drawn_before = _database(item) == "postgresql" and not item.get_closest_marker("both_databases")
    return SHARE_WITH_SHOPS if with_shops and not drawn_before else 1


def _random(name: str) -> random.Random:
    return random.Random(f"{os.environ['SAMPLE_SEED']} {name}")


def _name(item: pytest.Item) -> str:
    """The name of the test without that of its variant."""
    return item.nodeid.partition("[")[0]


def _database(item: pytest.Item) -> str | None:
    """The kind of database that this variant runs on; None where the test names none."""
    variant = getattr(item, "callspec", None)
    return None if variant is None else variant.params.get("database_kind")


def _is_of_a_package(item: pytest.Item, packages: tuple[str, ...]) -> bool:
    """Whether this is a test of one of these packages of services."""
    place = _place(item)
    return place[0] == "services" and place[1] in packages


def _place(item: pytest.Item) -> tuple[str, ...]:
    """Where a test is, from the folder of the tests."""
    return item.path.relative_to(TESTS).parts
