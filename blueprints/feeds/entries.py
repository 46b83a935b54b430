"""What Today shows of feeds: each number with the address of its rows."""

from __future__ import annotations

from flask import url_for

from blueprints.today.registry import Entry, Line, add
from services.feeds import overview


def register() -> None:
    """Add the entry, once."""
    add(Entry("feeds", "Suppliers", _feeds, "No feed needs attention.", 55, "suppliers.list_suppliers", overview.has_feeds))


def _feeds() -> list[Line]:
    counts = overview.count_states()
    lines = [
        Line(counts["approval"], "waiting for your approval", url_for("suppliers.list_suppliers", state="approval"), "warn"),
        Line(counts["failing"], "failing", url_for("suppliers.list_suppliers", state="failing"), "bad"),
        Line(counts["stale"], "stale: nothing new for too long", url_for("suppliers.list_suppliers", state="stale"), "bad"),
        Line(counts["unknown"], "unknown codes", url_for("unknown_codes.list_codes"), "warn"),
    ]
    return [line for line in lines if line.count]
