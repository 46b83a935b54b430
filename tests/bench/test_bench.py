"""The bench prints a line per budget and writes the same as JSON; what it says of a figure follows from figure and budget."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from bench import frame, growth
from bench.frame import Line, Measured
from bench.lines import LINES
from tests.support import forked

PRINTED = re.compile(r"(?P<name>\w+) +(?P<figure>[\d.,]+)( [^≤≥\s]+)? +[≤≥] (?P<budget>[\d.,]+)( \S+)? +(?P<verdict>ok|short)")


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return forked.run(["-m", "bench", *arguments], {**os.environ, **environment}, 220)


@pytest.mark.long
def test_every_line_is_printed_and_written_as_json(tmp_path):
    path = tmp_path / "bench.json"
    run = bench("--quick", "--only", "order_requests", "--only", "page_weight_kb", BENCH_JSON=str(path))
    assert run.returncode == 0, run.stderr
    printed = [PRINTED.fullmatch(line) for line in run.stdout.decode().splitlines()]
    assert all(printed), run.stdout
    written = json.loads(path.read_text())
    assert [line["name"] for line in printed] == [row["name"] for row in written] == ["order_requests", "page_weight_kb"]
    assert [row["budget"] for row in written] == [1, 80]
    for line, row in zip(printed, written, strict=True):
        assert line["verdict"] == ("ok" if row["ok"] else "short")
        assert float(line["figure"]) == pytest.approx(row["figure"], rel=0.02)
        assert row["details"]["machine"]["cores"] == os.cpu_count()
    assert written[0]["figure"] == 1 and len(written[0]["details"]["downloads"]) == 4


def test_a_name_that_is_no_line_is_wrong_usage():
    run = bench("--only", "nonsense")
    assert run.returncode == 2
    assert b"nonsense" in run.stderr and b"order_download_ratio" in run.stderr


def test_names_are_unique_and_budgets_are_those_of_the_design():
    budgets = {line.name: (line.budget, line.at_least) for line in LINES}
    assert len(budgets) == len(LINES)
    assert budgets["order_download_ratio"] == budgets["many_changes_ratio"] == (1.2, False)
    assert budgets["quiet_shop_ratio"] == budgets["quiet_shop_ratio_pg"] == (2.5, False)
    assert budgets["quiet_shop_ms"] == budgets["due_runs_ratio_pg"] == (5, False)
    assert budgets["quiet_shops_held"] == (20_000, True)
    assert budgets["stock_push_requests"] == (1 / 50, False)
    assert budgets["stock_push_speed"] == (20, True)
    assert budgets["feed_ratio"] == (3, False)
    assert budgets["worker_memory_50k"] == (40, False)
    assert budgets["page_weight_kb"] == (80, False)
    assert budgets["list_page_ratio"] == budgets["toggle_ratio"] == budgets["api_list_ratio"] == (1.3, False)
    assert budgets["fairness_ratio"] == (2, False)
    assert {budget for name, (budget, _) in budgets.items() if name.startswith("growth_")} == {0.15, 1.1}


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_exponent_of_a_growth_is_the_power_of_the_size_it_follows(power):
    costs = {size: 0.004 * size**power for size in growth.spread_sizes(1_000, 100_000, 3)}
    assert list(costs) == [1_000, 10_000, 100_000]
    assert growth.exponent(costs) == pytest.approx(power)
    assert growth.fitted(costs).details["milliseconds_by_size"]["1000"] == pytest.approx(4 * 1_000**power)


class QuickPlace:
    seed, quick = 1, True


@pytest.mark.parametrize(
    ("figure", "at_least", "verdict"), [(1.5, False, "ok"), (1.51, False, "short"), (1.49, True, "short"), (1.5, True, "ok")]
)
def test_the_verdict_follows_from_figure_and_budget(capsys, figure, at_least, verdict):
    line = Line("some_line", 1.5, lambda place: Measured(figure), at_least=at_least)
    assert frame.run([line], QuickPlace(), None)
    assert capsys.readouterr().out.split()[-1] == verdict


def test_a_line_that_fails_or_takes_too_long_is_said_and_the_others_are_measured(capsys, tmp_path):
    def fail(place):
        raise RuntimeError("no shop")

    def hang(place):
        while True:
            pass

    def refuse(place):
        raise frame.NotMeasured("Three of 60 shops were not done after 300 s.")

    path = tmp_path / "bench.json"
    lines = [
        Line("failing", 1, fail),
        Line("refusing", 1, refuse),
        Line("hanging", 1, hang, seconds=1),
        Line("good", 1, lambda place: Measured(1)),
    ]
    assert not frame.run(lines, QuickPlace(), path)
    said = capsys.readouterr()
    assert said.out.split()[0] == "good"
    assert "failing could not be measured" in said.err and "no shop" in said.err and "within 1 s" in said.err
    assert "refusing could not be measured: Three of 60 shops were not done after 300 s.\n" in said.err
    assert [row["name"] for row in json.loads(path.read_text())] == ["good"]
