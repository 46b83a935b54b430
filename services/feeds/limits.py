"""The safety limits of a feed: what has to wait for a person. It reads and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from services.feeds.comparing import Counts


@dataclass(frozen=True, slots=True)
class Limits:
    """As the columns of models.Feed. ``last_rows`` are those of the file before, None without one, or for a delta feed. ``approved`` is false
    until a person has approved a run."""

    zero_percent: int
    rows_percent: int
    unreadable_percent: int
    last_rows: int | None
    approved: bool


def problems(counts: Counts, limits: Limits) -> list[dict[str, str]]:
    """The limits that a run hits, each as ``code`` and ``sentence``; empty if it may be applied."""
    found = []
    if not limits.approved:
        found.append(("first_run", "Nobody has approved a run of this feed yet."))
    if counts.zeroed * 100 > limits.zero_percent * counts.above:
        share = f"{counts.zeroed:,} of {counts.above:,} offers above 0"
        found.append(("zero", f"{share} would go to 0, which is more than {limits.zero_percent} %."))
    if limits.last_rows is not None and counts.rows * 100 < limits.rows_percent * limits.last_rows:
        found.append(
            (
                "rows",
                f"The file has {counts.rows:,} rows. Last time it had {limits.last_rows:,}: it has less than {limits.rows_percent} % of them.",
            )
        )
    if counts.unreadable * 100 > limits.unreadable_percent * counts.rows:
        share = f"{counts.unreadable:,} of {counts.rows:,} rows"
        found.append(("unreadable", f"{share} cannot be read, which is more than {limits.unreadable_percent} %."))
    return [{"code": code, "sentence": sentence} for code, sentence in found]
