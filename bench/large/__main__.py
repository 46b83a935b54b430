"""``python -m bench.large``: make the two installations where they are missing, then time every page and every download of both."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.large import beside, downloads, timing
from bench.large.place import Kept
from bench.place import Place

BUDGET = 2.0
BESIDE = "beside downloads"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.large", description="Time every page at 1,000 orders and at many.")
    parser.add_argument("--db", action="append", choices=("sqlite", "postgresql"), help="default: both")
    parser.add_argument("--orders", type=int, default=1_000_000, help="of the large installation (default: 1,000,000)")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="where the databases are kept (default: .bench)")
    parser.add_argument("--only", action="append", metavar="WORD", help="pages with this in their names; may be repeated")
    parser.add_argument("--times", type=int, default=5, help="how often each page is asked (default: 5)")
    given = parser.parse_args(arguments)
    names, files = (
        [name for name in kind if not given.only or any(word in name for word in given.only)]
        for kind in (timing.PAGES, downloads.DOWNLOADS)
    )
    with_beside = not given.only or any(word in BESIDE for word in given.only)
    for kind in given.db or ("sqlite", "postgresql"):
        with Place(1, False) as place:
            kept = Kept(place, given.folder, kind, given.orders)
            try:
                print(f"{kind}: {given.orders:,} orders, filled in {kept.fill():.0f} s", flush=True)
                for page in timing.timed_pages(kept, names, given.times):
                    print(_line_of_page(page), flush=True)
                for pair in downloads.timed_downloads(kept, files):
                    print(_line_of_download(pair), flush=True)
                if with_beside:
                    print(*_lines_of_beside(*beside.timed_beside(kept, given.times)), sep="\n", flush=True)
            finally:
                kept.stop()
    return 0


def _line_of_page(page: timing.Timed) -> str:
    mark = "ok" if page.ratio <= BUDGET and page.status == 200 else "short"
    if page.name in timing.NO_BUDGET:
        mark = "no budget"
    return f"{page.name:<36}{page.small:>9.1f} ms {page.large:>10.1f} ms {page.ratio:>9.2f}  {page.status}  {mark}"


def _line_of_download(pair: downloads.Pair) -> str:
    """Rows of both, rows in a second of both, memory of both."""
    parts = (
        f"{each.rows:>9,} rows {each.rows_in_a_second:>7,.0f}/s {each.memory:>6.1f} MiB" for each in (pair.small, pair.large)
    )
    return f"{pair.name:<36}{'  '.join(parts)}  {'ok' if pair.good else 'short'}"


def _lines_of_beside(pages: list[beside.Beside], meanwhile: beside.Downloads) -> list[str]:
    lines = [
        f"{f'{BESIDE}: {page.name}':<36}{page.alone:>9.1f} ms {page.beside:>10.1f} ms {page.ratio:>9.2f}  {'ok' if page.ratio <= BUDGET else 'short'}"
        for page in pages
    ]
    return [*lines, f"meanwhile {meanwhile.received / 1e6:.1f} MB were downloaded, and {meanwhile.refused} requests refused"]


if __name__ == "__main__":
    sys.exit(main())
