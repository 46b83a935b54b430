"""``python -m bench``: exit code 0 once everything is measured, short or not; 2 where the bench itself fails."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import frame
from bench.lines import LINES
from bench.place import Place


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the budgets, one line each.")
    names = [line.name for line in LINES]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=f"measure this line; may be repeated ({', '.join(names)})"
    )
    parser.add_argument("--quick", action="store_true", help="smaller shops and fewer samples: a look, not a verdict")
    parser.add_argument("--seed", type=int, default=1, help="of the shops that are made up (default: 1)")
    given = parser.parse_args(arguments)
    json_path = Path(os.environ["BENCH_JSON"]) if os.environ.get("BENCH_JSON") else None
    with Place(given.seed, given.quick) as place:
        chosen = [line for line in LINES if not given.only or line.name in given.only]
        return 0 if frame.run(chosen, place, json_path) else 2


if __name__ == "__main__":
    sys.exit(main())
