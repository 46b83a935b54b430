"""What states, rules and values of feeds are called on pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint

from blueprints.feeds.forms import CONTENTS, METHODS, MISSING, WHEN_STALE
from blueprints.formats import number
from blueprints.labels import SIGN_INS, plural
from models import Feed
from services.common import letters, zones
from services.feeds import showing
from services.security import trail
from services.security.trail import Words, in_every_shop
from services.stock import file_columns

bp = Blueprint("feed_labels", __name__)
STATES = {
    "approval": ("Needs approval", "warn"), "failing": ("Failing", "bad"), "stale": ("Stale", "bad"), "fetching": ("Fetching", "busy"),
    "disabled": ("Disabled", "idle"), "new": ("Nothing fetched yet", "idle"), "working": ("Working", "good"),
}  # fmt: skip
"""State of a feed (services/feeds/overview.py) -> label and tone."""
RUN_STATES = {
    "queued": ("Waiting to start", "busy"), "running": ("Fetching", "busy"), "waiting": ("Needs approval", "warn"),
    "approved": ("Setting quantities", "busy"), "done": ("Done", "good"), "unchanged": ("Nothing new", "idle"), "failed": ("Failed", "bad"),
    "dropped": ("Dropped", "idle"), "undone": ("Undone", "idle"),
}  # fmt: skip
RULES = {"sum": "Add their quantities", "first": "Take the first by priority"}
"""How the offers of several feeds make the quantity of an item."""


@bp.record_once
def offer(state: Any) -> None:
    """Let templates use the labels."""
    state.app.jinja_env.globals.update(FEED_STATES=STATES, FEED_RUN_STATES=RUN_STATES, FED_RULES=RULES)
    trail.use_words("feed", changed_words())


def changed_words() -> dict[str, Words]:
    """What the audit trail calls what is set of a feed, by column."""
    said: dict[str, tuple[str, Callable[[Any], str]]] = {
        "method": ("Where", _one_of(METHODS)), "path": ("File", str), "auth": ("Sign-in", _one_of(SIGN_INS["https"] | SIGN_INS["sftp"])),
        "user": ("User name", str), "parameter": ("Header or parameter", str), "secret": ("Password or key", str),
        "host_key": ("Host key", showing.fingerprint), "delta": ("The file contains", lambda delta: CONTENTS["yes" if delta else "no"]),
        "missing": ("Missing codes", _one_of(MISSING)), "missing_after": ("Times missing until 0", str),
        "excludes_open_orders": ("Leaves out your open orders", lambda excludes: "Yes" if excludes else "No"),
        "interval_seconds": ("Fetched every", _plain_span), "times": ("Fetched at", ", ".join), "quiet_from": ("Quiet from", str),
        "quiet_until": ("Quiet until", str), "zone": ("Time zone", lambda zone: str(zone).replace("_", " ")),
        "zero_percent": ("May go to 0", lambda share: f"{share}% of the codes"),
        "rows_percent": ("Rows needed", lambda share: f"{share}% of last time"),
        "unreadable_percent": ("May be unreadable", lambda share: f"{share}% of the rows"),
        "stale_after_seconds": ("Stale after", _plain_span), "when_stale": ("When stale", _one_of(WHEN_STALE)),
    }  # fmt: skip
    return {column: (label, in_every_shop(say)) for column, (label, say) in said.items()}


def _one_of(names: Mapping[str, str]) -> Callable[[str], str]:
    return lambda value: names.get(value, value)


Facts = Sequence[tuple[str, str]]


def file_facts(feed: Feed) -> Facts:
    """Where the file is, and how Cartlink signs in there."""
    sign_in = SIGN_INS[feed.method][feed.auth]
    facts = [
        ("Where", METHODS[feed.method]),
        ("Address", feed.address),
        ("File", feed.path),
        ("Sign-in", sign_in),
        ("User name", feed.user),
    ]
    facts += [("Header or parameter", feed.parameter)]
    facts += [("Host key", showing.fingerprint(feed.host_key))]
    if feed.secret_encrypted is not None:
        facts.append(("Password or key", f"saved, ends in {feed.secret_last4}" if feed.secret_last4 else "saved"))
    return [(label, value) for label, value in facts if value]


def column_facts(feed: Feed) -> Facts:
    """Which columns are read, and how quantities are."""
    if feed.columns is None:
        return [("Columns", "not assigned yet")]
    if not feed.columns:
        return [("Columns", "sku and quantity")]
    options = feed.columns["options"]
    facts = [(field.label, feed.columns["columns"].get(field.name, "")) for field in file_columns.FIELDS]
    facts += [
        ("Sheet", feed.sheet),
        ("Letters", letters.NAMES.get(feed.columns.get("letters", ""), "")),
        ("Words", ", ".join(f"{word} = {value}" for word, value in (options.get("words") or {}).items())),
    ]
    facts += [("Decimal sign", {".": "dot", ",": "comma"}.get(options.get("decimal") or "", ""))]
    pack, buffer, cap = options.get("pack") or 1, options.get("buffer") or 0, options.get("cap")
    facts += [
        ("Pack size", str(pack) if pack != 1 else ""),
        ("Buffer", str(buffer or "")),
        ("Maximum", "" if cap is None else str(cap)),
    ]
    return [(label, value) for label, value in facts if value]


def rule_facts(feed: Feed) -> Facts:
    """What the quantities mean, when the file is fetched, and what is not done without a person."""
    missing = MISSING[feed.missing] + (f" ({feed.missing_after})" if feed.missing == "zero_after" else "")
    facts = [
        ("The file contains", CONTENTS["yes" if feed.delta else "no"]), ("Missing codes", "" if feed.delta else missing),
        ("Leaves out your open orders", "Yes" if feed.excludes_open_orders else "No"), ("Priority", number(feed.priority)),
        ("Fetched", _schedule(feed)), ("Quiet hours", f"{feed.quiet_from} to {feed.quiet_until}" if feed.quiet_from else ""),
        ("Time zone", zones.complaint_of(feed.zone) or feed.zone.replace("_", " ")),
        ("May go to 0", f"{feed.zero_percent}% of the codes"), ("Rows needed", f"{feed.rows_percent}% of last time"),
        ("May be unreadable", f"{feed.unreadable_percent}% of the rows"),
        ("Stale after", _span(feed.stale_after_seconds)), ("When stale", WHEN_STALE[feed.when_stale]),
    ]  # fmt: skip
    return [(label, value) for label, value in facts if value]


def _schedule(feed: Feed) -> str:
    if feed.times:
        return "at " + ", ".join(feed.times)
    return f"every {_span(feed.interval_seconds).removeprefix('1 ')}" if feed.interval_seconds else "only by hand"


def _span(seconds: int) -> str:
    """``2 days``, ``6 hours``, ``90 minutes``."""
    return plural(*_counted(seconds))


def _plain_span(seconds: int) -> str:
    """``_span`` for the audit trail: commands say it too, and have no reader whose way to write numbers is known."""
    count, word = _counted(seconds)
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _counted(seconds: int) -> tuple[int, str]:
    """In the largest unit that says it without a rest."""
    size, word = next(
        (size, word) for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")) if seconds % size == 0 or size == 60
    )
    return max(1, seconds // size), word
