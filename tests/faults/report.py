"""What a run of the suite prints: what became of each schedule, and a summary."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

KINDS = ("days", "storms")
WORDS = {"days": "in process", "storms": "with real processes"}


@dataclass
class Result:
    """One schedule. ``found`` is empty where it passed; ``story`` is what happened in it."""

    kind: str
    index: int
    seconds: float
    found: str = ""
    story: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    exempt: list[tuple[str, str, str]] = field(default_factory=list)
    """(shop, SKU, reason) of listings that did not have to converge."""


def grouped(exempt: list[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    """The SKUs of exempt listings by shop and reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for place, sku, reason in exempt:
        groups.setdefault((place, reason), []).append(sku)
    return groups


class Report:
    """Collects results and prints them. ``replay`` makes the command that runs one schedule again."""

    def __init__(self, seed: str, database: str):
        self.seed = seed
        self.database = database
        self.began = time.monotonic()
        self.results: list[Result] = []

    def add(self, result: Result) -> None:
        self.results.append(result)
        for (place, reason), skus in grouped(result.exempt).items():
            print(f"schedule {result.index}, {place}: exempt because {reason}: {', '.join(skus)}")
        if result.found:
            print(f"\nFAILED: schedule {result.index} ({WORDS[result.kind]}), seed {self.seed}, {self.database}")
            print("  " + "\n  ".join(result.found.splitlines()))
            print("  What happened:\n    " + "\n    ".join(result.story))
            print(f"  Replay: {self.replay(result)}\n", flush=True)
        elif len(self.results) % 50 == 0 or result.kind == "storms":
            print(f"{len(self.results)} schedules, {time.monotonic() - self.began:.0f} s", flush=True)

    def replay(self, result: Result) -> str:
        return f"make faults KIND={result.kind} SEED={self.seed} ONLY={result.index} DB={self.database}"

    @property
    def failures(self) -> list[Result]:
        return [result for result in self.results if result.found]

    def close(self) -> int:
        """Print the summary; answers with the exit code."""
        print(f"\nFault schedules, seed {self.seed}, {self.database}:")
        for kind in KINDS:
            of_kind = [result for result in self.results if result.kind == kind]
            if not of_kind:
                continue
            seconds = [result.seconds for result in of_kind]
            failed = sum(bool(result.found) for result in of_kind)
            print(
                f"  {WORDS[kind]}: {len(of_kind)} schedules, {failed} failed, {sum(seconds) / len(seconds):.2f} s each "
                f"(longest {max(seconds):.1f} s)"
            )
            events: Counter[str] = sum((result.events for result in of_kind), Counter())
            print("    events: " + ", ".join(f"{name} {count}" for name, count in sorted(events.items())))
            passed: Counter[str] = sum((result.passed for result in of_kind), Counter())
            if passed:
                print("    boundaries passed: " + ", ".join(f"{name} {count}" for name, count in sorted(passed.items())))
        print(f"  {time.monotonic() - self.began:.0f} s in all", flush=True)
        for result in self.failures:
            print(f"  failed, replay with: {self.replay(result)}")
        return 1 if self.failures else 0
