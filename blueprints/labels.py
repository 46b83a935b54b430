"""Labels of the pages: what runs, outcomes, health and states are called."""

from __future__ import annotations

from flask import Flask

from blueprints.formats import number
from services.common import letters
from services.common.paging import MOST_COUNTED
from services.stock import listing_states

RUN_KINDS = {
    "orders": "Order download", "stock": "Stock update", "listings": "Listing download", "shipments": "Shipment update",
    "reconciliation": "Daily reconciliation", "undo": "Undo stock update",
}  # fmt: skip
DOING = {
    "orders": "Downloading orders", "stock": "Updating stock", "listings": "Reading listings", "shipments": "Updating shipments",
    "reconciliation": "Comparing with the shop", "undo": "Restoring quantities",
}  # fmt: skip
OUTCOMES = {
    "done": ("Done", "good"), "partial": ("Partly done", "warn"), "waiting": ("Needs approval", "warn"),
    "failed": ("Failed", "bad"), "stopped": ("Stopped", "idle"), "lost": ("Interrupted", "warn"),
}  # fmt: skip
"""Outcome of a finished run -> label and tone."""
RUN_RESULTS = {**OUTCOMES, "approved": ("Approved", "good"), "replaced": ("Replaced", "idle")}
"""The same as it stands now (services.runs.activity.RunRow.result)."""
COUNTS = {
    "told": "sent to the shop", "before_start": "before the start date", "preview": "waiting for approval", "started": "new stock items", "released": "orders released",
    "held": "on hold", "missing": "not listed by the shop", "not_listed": "not in this reading",
    "waiting": "waiting to be sent again", "other_value": "stored as another value", "gone": "deleted in the shop", "drift": "changed in the shop",
}  # fmt: skip
"""Labels of counts whose name is not clear enough."""
ONE = {"started": "new stock item", "released": "order released"}
"""Labels of counts of one."""
HIDDEN_COUNTS = ("extra_reads",)
"""Counts that are not shown: further requests for single orders, which the number of requests of a run has already."""
ROW_RESULTS = {
    "sent": ("Sent", "good"), "failed": ("Failed", "bad"), "refused": (listing_states.STATES["refused"], "bad"),
    "waiting": (listing_states.STATES["waiting"], "warn"), "other_value": (listing_states.STATES["other_value"], "bad"),
    "skipped": ("Not sent", "idle"), "preview": ("Not sent yet", "idle"), "unreadable": ("Unreadable", "bad"),
}  # fmt: skip
"""What a run did about one row (RunItem.result) -> label and tone."""
SIGN_INS = {
    "email": {"none": "No sign-in"},
    "sftp": {"password": "User name and password", "key": "User name and private key"},
    "https": {
        "none": "No sign-in", "basic": "User name and password", "bearer": "A token (Bearer)", "header": "A key in a header",
        "query": "A key in the address",
    },
}  # fmt: skip
"""How to sign in where a feed is fetched or an export is sent, by method: what channels/remote_files takes."""
HEALTH = {
    "disabled": ("Disabled", "idle"), "needs_reauthorising": ("Needs reauthorising", "bad"), "syncing": ("Syncing", "busy"),
    "retrying": ("Waiting to retry", "warn"), "paused": ("Paused", "warn"),
    "read_only": ("Key is read-only", "bad"), "never_checked": ("Never checked", "idle"), "connected": ("Connected", "good"),
}  # fmt: skip
"""Health of an integration (services.shops.health.state_of) -> label and tone."""

PUSH_STATES = listing_states.STATES

STATES = {
    "awaiting_payment": ("Awaiting payment", "idle"), "on_hold": ("On hold", "warn"), "ready": ("Ready", "ready"),
    "part_shipped": ("Part shipped", "busy"), "shipped": ("Shipped", "good"), "cancelled": ("Cancelled", "idle"),
}  # fmt: skip
"""State of an order -> label and tone."""

EXPORT_STATES = {
    "waiting": ("Being sent", "busy"), "failing": ("Failing", "bad"), "done": ("Delivered", "good"), "dropped": ("Dropped", "idle"),
    "empty": ("Nothing new", "idle"),
}  # fmt: skip
"""State of a file of a saved export -> label and tone."""


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(
        EXPORT_STATES=EXPORT_STATES,
        PUSH_STATES=PUSH_STATES,
        ROW_RESULTS=ROW_RESULTS,
        RUN_KINDS=RUN_KINDS,
        DOING=DOING,
        RUN_RESULTS=RUN_RESULTS,
        HEALTH=HEALTH,
        STATES=STATES,
        LETTERS=letters.NAMES,
        letters_sentence=letters.sentence,
    )
    app.jinja_env.filters.update(
        actor_words=actor_words, count_words=count_words, counted=counted, plural=plural, size_words=size_words
    )


def actor_words(actor: str) -> str:
    """``schedule`` -> the schedule, ``cli:ann`` -> ann (command line), ``user:ann`` -> ann, ``api:erp`` stays, ``run:7`` -> Cartlink,
    ``file:2`` -> Cartlink, after an import."""
    kind, separator, name = actor.partition(":")
    if not separator:
        return "the schedule" if kind == "schedule" else kind
    return {
        "cli": f"{name} (command line)",
        "api": actor,
        "run": "Cartlink",
        "file": "Cartlink, after an import",
    }.get(kind, name)


def count_words(counts: dict[str, int]) -> str:
    """A run's counts on one line: ``3 new, 1 changed``."""
    said = ((name, count) for name, count in counts.items() if count and name not in HIDDEN_COUNTS)
    return ", ".join(f"{number(count)} {_count_label(name, count)}" for name, count in said)


def _count_label(name: str, count: int) -> str:
    return (ONE.get(name) if count == 1 else None) or COUNTS.get(name) or name.replace("_", " ")


def counted(count: int) -> str:
    """A number of rows that are counted up to a limit (services/common/paging.py): ``2,000+`` above it."""
    return f"{number(MOST_COUNTED)}+" if count > MOST_COUNTED else number(count)


def plural(count: int, one: str, many: str = "") -> str:
    """``1 held order``, ``3 held orders``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def size_words(size: int) -> str:
    """``2 MB``, or ``64 kB`` below one."""
    return f"{size // (1024 * 1024)} MB" if size >= 1024 * 1024 else f"{max(1, size // 1024)} kB"
