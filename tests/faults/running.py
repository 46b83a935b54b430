"""Run schedules, print what fails with the command that replays it, and a summary at the end.

N schedules are mixed: every twelfth with real processes, the others in process. Each is drawn from the seed and its number,
so that one is the same whether it is run alone or among thousands."""

from __future__ import annotations

import argparse
import multiprocessing
import queue
import signal
import sys
from collections.abc import Iterator

from tests.faults.report import Report, Result
from tests.support.processes import die_with_parent

EVERY = 12
"""One schedule in so many is with real processes."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Run fault schedules.")
    parser.add_argument("--n", type=int, default=60, help="how many schedules (default: 60)")
    parser.add_argument("--seed", default="1", help="the same seed gives the same schedules (default: 1)")
    parser.add_argument("--db", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument(
        "--kind", choices=("mixed", "days", "storms", "processes"), default="mixed",
        help="days are in process, storms (or processes) with real processes",
    )  # fmt: skip
    parser.add_argument("--only", type=int, help="run just this schedule of the seed")
    parser.add_argument("--jobs", type=int, default=2, help="schedules side by side (default: 2)")
    parser.add_argument("--stop-after", type=int, default=10, help="stop after so many failures (default: 10)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    report = Report(options.seed, options.db)
    days, storms = share(options)
    halves = [(kind, numbers) for kind, numbers in (("days", days), ("storms", storms)) if numbers]
    for kind, numbers in halves:
        run_all(kind, numbers, options, report)
    return report.close()


def share(options: argparse.Namespace) -> tuple[list[int], list[int]]:
    """Which numbers are days and which storms."""
    kind = "storms" if options.kind == "processes" else options.kind
    if options.only is not None:
        return ([options.only], []) if kind != "storms" else ([], [options.only])
    numbers = list(range(options.n))
    if kind == "mixed":
        return [each for each in numbers if each % EVERY], [each for each in numbers if not each % EVERY]
    return (numbers, []) if kind == "days" else ([], numbers)


def run_all(kind: str, numbers: list[int], options: argparse.Namespace, report: Report) -> None:
    """Hand the schedules out to processes of our own, each with an installation it uses again and again."""
    context = multiprocessing.get_context("spawn")
    todo, done = context.Queue(), context.Queue()
    for number in numbers:
        todo.put(number)
    count = min(max(1, options.jobs), len(numbers))
    hands = [context.Process(target=work, args=(kind, options.db, options.seed, todo, done), daemon=False) for _ in range(count)]
    for hand in hands:
        hand.start()
    left = len(numbers)
    try:
        while left:
            try:
                result = done.get(timeout=5)
            except queue.Empty:
                if not any(hand.is_alive() for hand in hands):
                    report.add(Result(kind, -1, 0.0, "the processes that run the schedules have ended early"))
                    break
                continue
            left -= 1
            report.add(result)
            if len(report.failures) >= options.stop_after:
                break
    finally:
        for hand in hands:
            hand.terminate()
        for hand in hands:
            hand.join(30)


def work(kind: str, database: str, seed: str, todo, done) -> None:
    """Run schedules until there are none left."""
    die_with_parent()
    # Asked to end, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    live = live_days if kind == "days" else live_storms
    live(database, seed, todo, done)


def numbers_of(todo) -> Iterator[int]:
    while True:
        try:
            yield todo.get(timeout=1)
        except queue.Empty:
            return


def live_days(database: str, seed: str, todo, done) -> None:
    from tests.faults import house
    from tests.faults.day import live_one

    with house.opened(database) as home:
        for index in numbers_of(todo):
            done.put(live_one(home, seed, index))


def live_storms(database: str, seed: str, todo, done) -> None:
    from tests.faults.storm import live_many

    for result in live_many(database, seed, numbers_of(todo)):
        done.put(result)
