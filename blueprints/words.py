"""What things are called on a page."""

from __future__ import annotations

from flask import Flask

RUN_KINDS = {
    "orders": "Order download", "stock": "Stock update", "listings": "Listing download", "shipments": "Write-back of shipments",
    "receipts": "Daily receipt", "undo": "Undo of a stock update",
}  # fmt: skip
DOING = {
    "orders": "Downloading orders", "stock": "Updating stock", "listings": "Reading listings", "shipments": "Telling the shop what was shipped",
    "receipts": "Comparing with the shop's day", "undo": "Restoring former quantities",
}  # fmt: skip
OUTCOMES = {
    "done": ("Done", "good"), "partial": ("Partly done", "warn"), "waiting": ("Waiting for you", "warn"),
    "failed": ("Failed", "bad"), "stopped": ("Stopped", "idle"), "lost": ("Interrupted", "warn"),
}  # fmt: skip
"""Outcome of a finished run -> word and tone."""
COUNTS = {
    "before_start": "before the start date", "preview": "waiting for you", "started": "new stock items", "released": "orders released",
    "held": "on hold", "missing": "not in the shop any more", "gone": "gone from the shop", "drift": "changed by somebody else",
}  # fmt: skip
"""Counts of a run whose own name would not say enough."""
HEALTH = {
    "disabled": ("Disabled", "idle"), "needs_reauthorising": ("Needs reauthorising", "bad"), "syncing": ("Syncing", "busy"),
    "retrying": ("Waiting to retry", "warn"), "paused": ("Paused", "warn"), "never_checked": ("Never checked", "idle"), "connected": ("Connected", "good"),
}  # fmt: skip
"""Health of an integration as services.integration_list tells it -> word and tone."""

STATES = {
    "awaiting_payment": ("Awaiting payment", "idle"), "on_hold": ("On hold", "warn"), "ready": ("Ready", "busy"),
    "part_shipped": ("Part shipped", "busy"), "shipped": ("Shipped", "good"), "cancelled": ("Cancelled", "bad"),
}  # fmt: skip
"""State of an order -> word and tone."""


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(RUN_KINDS=RUN_KINDS, DOING=DOING, OUTCOMES=OUTCOMES, HEALTH=HEALTH, STATES=STATES)
    app.jinja_env.filters.update(actor_words=actor_words, count_words=count_words, plural=plural)


def actor_words(actor: str) -> str:
    """``schedule`` -> the schedule, ``cli:ann`` -> ann (command line), ``user:ann`` -> ann, ``run:7`` -> run 7, ``file:2`` -> file 2."""
    kind, separator, name = actor.partition(":")
    if not separator:
        return "the schedule" if kind == "schedule" else kind
    return {"cli": f"{name} (command line)", "run": f"run {name}", "file": f"file {name}"}.get(kind, name)


def count_words(counts: dict[str, int]) -> str:
    """A run's counts on one line: ``3 new, 1 changed``."""
    return ", ".join(f"{number:,} {COUNTS.get(name) or name.replace('_', ' ')}" for name, number in counts.items() if number)


def plural(number: int, one: str, many: str = "") -> str:
    """``1 held order``, ``3 held orders``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size_words(size: int) -> str:
    """``2 MB``, or ``64 kB`` below one."""
    return f"{size // (1024 * 1024)} MB" if size >= 1024 * 1024 else f"{size // 1024} kB"
