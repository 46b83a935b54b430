"""What incidents are called, what each means, and what can be done: the one place for their words, on pages and in mails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from models import Incident


@dataclass(frozen=True, slots=True)
class Cause:
    """``topic`` is a name of TOPICS; ``part`` one of services.health.GROUPS; ``does`` is what Cartlink does by itself, ``can``
    what a person can do; ``over`` says how it ended. ``act`` names the button that does it (templates/incidents)."""

    topic: str
    part: str
    title: str
    does: str
    can: str
    over: str
    act: str
    flow: str = ""
    """The switch of the integration without which there is no such incident: orders_on, stock_on or shipments_on."""


TOPICS = {
    "key": "The shop rejects the API key, or the key may only read",
    "outage": "A shop does not answer for long, and is paused",
    "flows": "Orders, stock, listings or write-backs fail for hours though the shop answers",
    "waiting": "Something waits for a person: a stock update, held orders, a write-back the shop refused",
    "silence": "No orders come where usually some would have",
}
"""What people choose among when they say what they want to be told of."""

CAUSES = {
    "key_rejected": Cause(
        "key", "connection", "The shop rejects the API key",
        "All downloads and updates have stopped, so that the shop does not lock Cartlink out. Nothing is lost: they go on where they stopped.",
        "Copy the value of ‘API key (read/write)’ from the shop’s REST API add-on and reauthorise the integration.",
        "The shop accepts the API key again.", "reauthorise",
    ),
    "read_only_key": Cause(
        "key", "stock", "The API key may only read",
        "Orders are downloaded as before. Stock updates and write-backs of shipments wait.",
        "Copy the value of ‘API key (read/write)’ from the shop, not the read-only one, and reauthorise the integration.",
        "The API key may write again.", "reauthorise",
    ),
    "outage": Cause(
        "outage", "connection", "The shop does not answer as it should",
        "Cartlink keeps trying, with growing pauses of up to an hour, and takes up everything where it stopped.",
        "Look whether the shop opens in a browser; its host or its error log knows more. When it is back you need not do anything.",
        "The shop answers again.", "try_now",
    ),
    "orders_failing": Cause(
        "flows", "orders", "Orders cannot be read to the end",
        "Every try goes on from the last page that was saved. Orders up to there are here; newer ones may be missing. Stock updates wait for the orders.",
        "The shop answers other requests, so its error log should say what is wrong with this one.",
        "Orders were read to the end.", "orders", "orders_on",
    ),
    "stock_failing": Cause(
        "flows", "stock", "Stock updates fail",
        "Quantities that could not be sent are kept and sent with the next update that works.",
        "The shop answers other requests, so its error log should say what is wrong with this one.",
        "A stock update worked.", "stock", "stock_on",
    ),
    "listings_failing": Cause(
        "flows", "stock", "Listings cannot be read to the end",
        "Known listings are updated as before; new products of the shop are not seen until then.",
        "The shop answers other requests, so its error log should say what is wrong with this one.",
        "Listings were read to the end.", "listings",
    ),
    "write_backs_failing": Cause(
        "flows", "write_back", "The shop cannot be told of shipments",
        "What could not be told is kept and told with the next try that works.",
        "The shop answers other requests, so its error log should say what is wrong with this one.",
        "The shop was told.", "write_backs", "shipments_on",
    ),
    "receipts_failing": Cause(
        "flows", "orders", "Yesterday cannot be compared with the shop",
        "Orders are downloaded as before. The comparison is tried again.",
        "Nothing has to be done at once; if it lasts, the shop’s error log should say why.",
        "The comparison worked.", "orders", "orders_on",
    ),
    "write_backs_refused": Cause(
        "waiting", "write_back", "The shop refused to be told of shipments",
        "These are not tried again by themselves, because the shop gave the same answer before.",
        "Open the orders: each says what the shop answered. Mend it there or in the shop, then try again.",
        "None is left.", "refused",
    ),
    "stock_waits": Cause(
        "waiting", "stock", "A stock update waits for a yes",
        "Nothing is sent until somebody has looked at it. Orders are downloaded as before.",
        "Look at what would change, and approve it where it is right.",
        "The update was looked at.", "preview", "stock_on",
    ),
    "orders_held": Cause(
        "waiting", "orders", "Orders are on hold",
        "They are stored whole and reserve stock as far as they can. They are released by themselves once the cause is mended.",
        "Open the held orders: they are grouped by cause, each with the button that mends it.",
        "No order is on hold any more.", "held",
    ),
    "orders_unreadable": Cause(
        "waiting", "orders", "Orders came that could not be read whole",
        "They are kept as the shop sent them, and not shipped. The others are not affected.",
        "Open the held orders and have these read again; if they stay, the shop sends something it should not.",
        "All orders could be read.", "held",
    ),
    "silence": Cause(
        "silence", "orders", "No orders come",
        "Orders are asked for as often as before.",
        "Open the shop and place an order as a customer would.",
        "Orders come again.", "orders", "orders_on",
    ),
    "orders_missing": Cause(
        "silence", "orders", "The shop has orders that did not arrive here",
        "A download was started at once. If this mail is not followed by another one soon, it did not help.",
        "Start a download by hand and look at what it says under Activity.",
        "The orders have arrived.", "orders", "orders_on",
    ),
}  # fmt: skip

HEADS = {
    "opened": "", "reopened": "Again: ", "reminded": "Still: ", "warned": "Will be paused: ", "paused": "Paused: ", "resolved": "Solved: ",
}  # fmt: skip
"""What stands before the title in the subject of a mail."""


def subject(kind: str, cause: str, shop: str) -> str:
    return f"{shop}: {HEADS.get(kind, '')}{CAUSES[cause].title}"


def happened(incident: Incident) -> list[str]:
    """What happened, in sentences."""
    facts = incident.facts
    say = _SENTENCES.get(incident.cause)
    found = say(facts) if say else []
    if facts.get("message"):
        found.append(f"The last answer: {facts['message']}" if found else str(facts["message"]))
    if facts.get("failures"):
        found.append(f"{facts['failures']} tries in a row have failed.")
    return found


def told(kind: str, incident: Incident, shop: str, pause_days: int) -> list[str]:
    """The paragraphs of a mail about one event of an incident."""
    cause = CAUSES[incident.cause]
    began = f"{incident.since:%d %b %Y, %H:%M} UTC"
    if kind == "resolved":
        lasted = f", and lasted {span(incident.resolved_at - incident.since)}" if incident.resolved_at else ""
        return [f"{shop}: {cause.over}", f"It began on {began}{lasted}."]
    first = " ".join([f"{shop}: {cause.title}.", f"Since {began}.", *happened(incident)])
    if kind == "warned":
        return [first, f"{WILL_PAUSE} {PAUSED}".format(days=pause_days), cause.can]
    if kind == "paused":
        return [first, PAUSED, "‘Resume’ on the incident’s page makes it try at once."]
    return [first, does(incident), can(incident)]


WILL_PAUSE = "If it lasts one more day, {days} days in all, Cartlink pauses this integration."
PAUSED = (
    "While an integration is paused, Cartlink asks every few hours whether the shop is back, and goes on by itself when it is."
)


def does(incident: Incident) -> str:
    """What Cartlink does by itself."""
    return f"It is paused. {PAUSED}" if incident.facts.get("paused") else CAUSES[incident.cause].does


def can(incident: Incident) -> str:
    """What a person can do."""
    code, advice = incident.facts.get("code"), incident.facts.get("advice")
    if code in ("lost", "config", "internal"):
        return NOT_THE_SHOP
    return str(advice) if advice and code in MENDED_BY_A_PERSON else CAUSES[incident.cause].can


MENDED_BY_A_PERSON = ("tls", "addon_missing", "moved", "too_old", "not_xcart", "address_refused", "firewall")
"""Troubles that do not pass by waiting: what to do about them is known."""
ELSEWHERE = ("moved", "not_xcart", "address_refused")
"""Those of them that another end point may mend."""
NOT_THE_SHOP = (
    "This is no fault of the shop. Tell whoever runs this Cartlink: its log says more, and `flask doctor` what to mend."
)


def span(length: timedelta) -> str:
    """``40 minutes``, ``9 hours``, ``3 days``."""
    seconds = max(0, int(length.total_seconds()))
    for divisor, word, below in ((60, "minute", 2 * 3600), (3600, "hour", 2 * 86400), (86400, "day", None)):
        if below is None or seconds < below:
            number = max(1, seconds // divisor)
            return f"{number} {word}{'' if number == 1 else 's'}"
    return ""


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _refused(facts: Mapping[str, Any]) -> list[str]:
    return [f"{_count(facts['count'], 'shipment', 'shipments')} the shop did not take."]


def _held(facts: Mapping[str, Any]) -> list[str]:
    return [f"{_count(facts['count'], 'order is', 'orders are')} on hold."]


def _unreadable(facts: Mapping[str, Any]) -> list[str]:
    return [f"{_count(facts['count'], 'order', 'orders')} could not be read whole."]


def _silence(facts: Mapping[str, Any]) -> list[str]:
    last = datetime.fromisoformat(facts["last"])
    gap = span(timedelta(hours=facts["gap_hours"]))
    found = [f"No order for {gap}; usually {facts['usual']} would have come in that time."]
    if facts["usual"]:
        found.append(f"That is one about every {span(timedelta(hours=facts['gap_hours'] / facts['usual']))}.")
    found.append(f"The last one was placed on {last:%d %b %Y, %H:%M} UTC.")
    found.append(
        "Cartlink asked the shop: it answers, and has no newer order either. So the way to the shop works; the shop is quiet, or its customers cannot buy."
    )
    return found


def _missing(facts: Mapping[str, Any]) -> list[str]:
    return [
        f"Cartlink asked the shop, because no order had come for {span(timedelta(hours=facts['gap_hours']))}: the shop has "
        f"{_count(facts['count'], 'newer order', 'newer orders')} that did not arrive here. The shop is not quiet; the download does not see them."
    ]


_SENTENCES = {
    "write_backs_refused": _refused, "orders_held": _held, "orders_unreadable": _unreadable, "silence": _silence,
    "orders_missing": _missing,
}  # fmt: skip
