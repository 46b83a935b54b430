"""``make test`` draws its long tests, so that each has its turn and none that matters each time is left out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.support import drawing

SEEDS = 60


def item(name: str, *fixtures: str, database: str | None = None, marks: tuple[str, ...] = ()) -> SimpleNamespace:
    """What the rules ask of a collected test."""
    place, _, test = name.partition("::")
    return SimpleNamespace(
        nodeid=f"tests/{place}::{test}" + (f"[{database}]" if database else ""),
        path=drawing.TESTS / place,
        fixturenames=fixtures,
        function=item,
        callspec=SimpleNamespace(params={"database_kind": database}) if database else None,
        get_closest_marker=lambda mark: SimpleNamespace(args=()) if mark in marks else None,
    )


PAGE = item("blueprints/test_one.py::test_page", "app", "browser", database="sqlite")
WORKER = item("jobs/test_one.py::test_worker", "app", "processes", database="sqlite")
SYNC = item("services/orders/test_one.py::test_sync", "app", database="sqlite")
ACT = item("cli/test_one.py::test_act", "app", "practice", database="sqlite")
LONG = [PAGE, WORKER, SYNC, ACT]
GUIDE = item("blueprints/test_guide.py::test_guide", "app", "browser", database="sqlite", marks=("every_time",))
SHORT = item("services/accounts/test_one.py::test_name", "app", database="sqlite")
ALONE = item("channels/test_one.py::test_answer", "practice")
FIRST = [GUIDE, SHORT, ALONE]


def kept(monkeypatch: pytest.MonkeyPatch, seed: int, whole_suite: bool) -> list[str]:
    monkeypatch.setenv("SAMPLE_SEED", str(seed))
    run, left = drawing.draw([*LONG, *FIRST], whole_suite)
    assert len(run) + len(left) == len(LONG) + len(FIRST)
    return [each.nodeid for each in run]


def test_of_the_whole_suite_each_long_test_has_its_turn_and_the_others_run_each_time(monkeypatch):
    runs = [kept(monkeypatch, seed, True) for seed in range(SEEDS)]
    for each in LONG:
        assert 0 < sum(each.nodeid in run for run in runs) < SEEDS / 2
    assert all(each.nodeid in run for run in runs for each in FIRST)


def test_all_of_what_is_named_runs(monkeypatch):
    assert kept(monkeypatch, 1, False) == [each.nodeid for each in [*LONG, *FIRST]]


def test_a_seed_draws_the_same_again(monkeypatch):
    assert kept(monkeypatch, 7, True) == kept(monkeypatch, 7, True)
