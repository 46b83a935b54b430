"""``python -m tests.sabotage``: break a copy of the code, run suites until one finds it, and print what it took.

Days of the fault suite run first, then the test files a break names. A break that nothing finds is a gap in a suite, and the
command fails. The first row breaks nothing: what a suite finds there is no finding elsewhere."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.sabotage.breaks import BREAKS, Break

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "instance", "__pycache__", ".pytest_cache", ".ruff_cache", "*.sqlite*", ".import_linter_cache"
)
DAYS = 40
CONTROL = 10
"""Days of the row that breaks nothing, at most: ``make faults`` runs many more."""
LONGEST = 900
"""Seconds one suite may take on a break."""

NOTHING = "nothing is broken"
PLACE = re.compile(r"(?<=<!-- sabotage -->\n).*?(?=<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """What became of one break: which suite found it, after how many schedules or in which test, and with which words."""

    name: str
    suite: str
    after: str
    words: str
    seconds: float

    @property
    def row(self) -> str:
        return f"| {self.name} | {self.suite or '**nothing**'} | {self.after} | {self.words.replace('|', '/')} |"


def copied(broken: Break, folder: Path) -> Path:
    """A copy of the code with the break in it. Raises ValueError if a text to be replaced is not there exactly once."""
    place = folder / "code"
    shutil.copytree(ROOT, place, ignore=LEFT_OUT, symlinks=True)
    (place / ".venv").symlink_to((ROOT / ".venv").resolve())
    for edit in broken.edits:
        path = place / edit.path
        path.write_text(edit.applied(path.read_text(encoding="utf-8")), encoding="utf-8")
    return place


def run(command: list[str], place: Path, **environment: str) -> tuple[int, str]:
    """The exit code and what the command printed; a suite that hangs counts as a finding."""
    try:
        done = subprocess.run(
            [sys.executable, *command], cwd=place, capture_output=True, text=True, timeout=LONGEST, check=False,
            stdin=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "400", **environment},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1, "FAILED: schedule ? (it took too long)\n  it does not end"
    return done.returncode, done.stdout + done.stderr


def days(place: Path, broken: Break, options: argparse.Namespace) -> tuple[str, str] | None:
    """(after how many schedules, what was found); None if the days pass."""
    count = min(options.days, CONTROL) if broken.name == NOTHING else options.days
    command = ["-m", "tests.faults", "--kind", "days", "--n", str(count), "--seed", options.seed, "--db", broken.db,
               "--jobs", "1", "--stop-after", "1"]  # fmt: skip
    code, printed = run(command, place)
    if not code:
        return None
    match = re.search(r"FAILED: schedule (\S+) .*\n((?:  .*\n){1,3})", printed)
    if match is None:
        return "–", "the suite does not start: " + " ".join(printed.strip().splitlines()[-1:])
    number = int(match[1]) + 1 if match[1].isdigit() else match[1]
    return f"{number} schedule{'s' if number != 1 else ''}", match[2].splitlines()[0].strip()


def tests(place: Path, path: str) -> tuple[str, str] | None:
    """(the test, its error); None if the file passes."""
    command = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "-m", "not deep", *path.split()]
    code, printed = run(command, place, DEEP="1")  # every variant: a break may show in one of them only
    if not code:
        return None
    match = re.search(r"^(?:FAILED|ERROR) (\S+?)(?: - (.*))?$", printed, re.MULTILINE)
    return (match[1], match[2] or "") if match else ("–", " ".join(printed.strip().splitlines()[-1:]))


def suites(broken: Break, options: argparse.Namespace) -> list[Callable[[Path], tuple[str, str, str] | None]]:
    """What to run on a break, in this order. Each answers with (suite, after what, words), or None if it finds nothing."""

    def live(place: Path) -> tuple[str, str, str] | None:
        found = days(place, broken, options)
        return None if found is None else (f"days, {broken.db}", *found)

    def test(path: str, place: Path) -> tuple[str, str, str] | None:
        found = tests(place, path)
        return None if found is None else ("tests", *found)

    by_test = [partial(test, path) for path in broken.tests]
    by_day = [live] if broken.days else []
    return by_test + by_day if options.tests_first else by_day + by_test


def find(broken: Break, options: argparse.Namespace) -> Found:
    """Run suites on one break until one finds it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cartlink-sabotage-") as folder:
        place = copied(broken, Path(folder))
        for suite in suites(broken, options):
            found = suite(place)
            if found is not None:
                return Found(broken.name, *_short(found), time.monotonic() - began)
    return Found(broken.name, "", "", "", time.monotonic() - began)


def _short(found: tuple[str, str, str]) -> tuple[str, str, str]:
    """A row of the table stays one line; addresses of this run say nothing to a reader."""
    suite, after, words = found
    return suite, after, re.sub(r"127\.0\.0\.1:\d+", "the shop", words)[:160]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.sabotage", description="Break copies of the code and look who finds it."
    )
    parser.add_argument("--jobs", type=int, default=2, help="breaks side by side (default: 2)")
    parser.add_argument("--days", type=int, default=DAYS, help=f"days of the fault suite for each break (default: {DAYS})")
    parser.add_argument("--seed", default="sabotage")
    parser.add_argument("--only", default="", help="only the breaks whose name contains this")
    parser.add_argument("--tests-first", action="store_true", help="run the tests of a break before its days: quicker")
    parser.add_argument("--check", action="store_true", help="only look whether every break still fits the code")
    parser.add_argument("--write", action="store_true", help="write the table into docs/faults.md")
    options = parser.parse_args(arguments)
    chosen = [each for each in BREAKS if options.only in each.name]
    unfit = [f"{each.name}: {trouble}" for each in BREAKS if (trouble := each.trouble(ROOT))]
    if unfit:
        print("These breaks do not fit the code any more:\n  " + "\n  ".join(unfit))
        return 2
    if options.check:
        print(f"{len(BREAKS)} breaks fit the code.")
        return 0
    if not options.only:
        chosen.insert(0, Break(NOTHING, ()))
    with ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
        rows = []
        for found in pool.map(lambda each: find(each, options), chosen):
            print(f"{found.seconds:5.0f} s  {found.row}", flush=True)
            rows.append(found)
    control = [each for each in rows if each.name == NOTHING]
    rows = [each for each in rows if each.name != NOTHING]
    missed = [each.name for each in rows if not each.suite]
    if options.write:
        write(rows, options)
    for each in control:
        if each.suite:
            print(f"The suite fails on the code as it is: {each.words}")
    print(f"{len(rows) - len(missed)} of {len(rows)} breaks found." + (f" Not found: {', '.join(missed)}." if missed else ""))
    return 1 if missed or any(each.suite for each in control) else 0


def write(rows: list[Found], options: argparse.Namespace) -> None:
    """Put the rows into the table of docs/faults.md. Rows of breaks that were not run stay as they are."""
    path = ROOT / "docs" / "faults.md"
    text = path.read_text(encoding="utf-8")
    before = PLACE.search(text)
    known = {line.split(" | ")[0].removeprefix("| "): line for line in (before[0] if before else "").splitlines()}
    known |= {each.name: each.row for each in rows}
    kept = [known[each.name] for each in BREAKS if each.name in known]
    table = "\n".join(["| break | found by | after | with the words |", "|---|---|---|---|", *kept])
    first = ", the tests of a break before its days" if options.tests_first else ""
    today = time.strftime("%Y-%m-%d", time.gmtime())
    printed = f"Seed `{options.seed}`, at most {options.days} days each{first}, {today}.\n\n{table}\n"
    path.write_text(PLACE.sub(lambda _: printed, text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
