"""The texts of incidents, on pages and in mails: what each means, what Cartlink does, and what a person can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func

from errors import OWN_CODES
from models import FlowKind, Incident, Integration


@dataclass(frozen=True, slots=True)
class Cause:
    """``topic`` is a name of TOPICS; ``part`` one of services.shops.health.GROUPS; ``does`` is what Cartlink does automatically, ``can``
    what a person can do; ``over`` says how it ended. ``act`` names the button that does it (templates/incidents)."""

    topic: str
    part: str
    title: str
    does: str
    can: str
    over: str
    act: str
    flow: FlowKind | None = None
    """The flow that it belongs to: while it is switched off there is no such incident."""
    more: str = ""
    """Its title where an open incident has come to hold more."""

    def title_after(self, event: str) -> str:
        """The title of what happened to an incident: ``event`` is the kind of an IncidentEvent."""
        return (self.more if event == "more" else "") or self.title


TOPICS = {
    "key": "The shop rejects the API key, or the key is read-only",
    "outage": "A shop does not answer for a long time, and is paused",
    "flows": "Orders, stock, listings or shipment updates fail for hours although the shop answers",
    "waiting": "Something needs you: a stock update, held orders, a refused shipment update",
    "silence": "No orders arrive, which is unusual for the shop",
    "stock": "Stock items fall to their low-stock threshold",
    "feeds": "A supplier’s feed brings nothing new for longer than it should",
    "programs": "Another program takes no events, and its event endpoint is paused",
    "exports": "An export of orders cannot be delivered",
}
"""The topics that people choose notifications by."""

CAUSES = {
    "key_rejected": Cause(
        "key", "connection", "The shop rejects the API key",
        "All downloads and updates have stopped, so that the shop does not lock Cartlink out. Nothing is lost: they continue where they stopped.",
        "Copy the value of ‘API key (read/write)’ from the shop and reauthorise the integration.",
        "The shop accepts the API key again.", "reauthorise",
    ),
    "read_only_key": Cause(
        "key", "stock", "The API key is read-only",
        "Orders are downloaded as before. Stock updates and shipment updates wait.",
        "Copy the value of ‘API key (read/write)’ from the shop, not the read-only one, and reauthorise the integration. If you used that key, "
        "ask the shop’s host whether it blocks PUT.",
        "The API key can write again.", "reauthorise",
    ),
    "outage": Cause(
        "outage", "connection", "The shop does not answer as it should",
        "Cartlink keeps trying, with growing pauses of up to an hour, and then continues where it stopped.",
        "Check whether the shop opens in a browser. Its host or its error log can tell you more. When it is back, you do not need to do anything.",
        "The shop answers again.", "try_now",
    ),
    "orders_failing": Cause(
        "flows", "orders", "Orders cannot be read completely",
        "Each try continues from the last page that was saved. Orders up to there are stored; newer ones may be missing. Stock updates wait for the orders.",
        "The shop answers other requests. Its error log should say what is wrong with this one.",
        "Orders were read completely.", "orders", FlowKind.ORDERS,
    ),
    "stock_failing": Cause(
        "flows", "stock", "Stock updates fail",
        "Quantities that could not be sent are sent with the next update that works.",
        "The shop answers other requests. Its error log should say what is wrong with this one.",
        "A stock update worked.", "stock", FlowKind.STOCK,
    ),
    "stock_rows_wait": Cause(
        "flows", "stock", "Quantities do not reach the shop",
        "They are sent at least once in each interval until the shop has stored them. Until then the shop may sell more than you have.",
        "Open the waiting listings. Each shows the shop’s answer. If its host blocks PUT, ask the host to allow it for the shop’s API.",
        "The shop has stored all quantities.", "waiting_listings", FlowKind.STOCK,
    ),
    "stock_other_value": Cause(
        "flows", "stock", "The shop stores different quantities",
        "They are compared and sent again with each update.",
        "Check these products in the shop: a module or a rule may change their quantities. If that is intended, set ‘Do not push’.",
        "The shop has stored what was sent.", "other_value_listings", FlowKind.STOCK,
    ),
    "listings_lost": Cause(
        "waiting", "stock", "Many products are missing from the shop’s list",
        "All links are kept, and stock is sent as before. The list is read again within half an hour. Products that are still missing then count as deleted.",
        "If you deleted these products, approve it now. If not, check the shop.",
        "The shop lists the products again, or their deletion is confirmed.", "loss",
    ),
    "listings_failing": Cause(
        "flows", "stock", "Listings cannot be read completely",
        "Known listings are updated as before. New products of the shop are not found until then.",
        "The shop answers other requests. Its error log should say what is wrong with this one.",
        "Listings were read completely.", "listings",
    ),
    "write_backs_failing": Cause(
        "flows", "write_back", "The shop cannot be updated about shipments",
        "Updates that could not be sent are sent with the next try that works.",
        "The shop answers other requests. Its error log should say what is wrong with this one.",
        "The shop was updated.", "write_backs", FlowKind.SHIPMENTS,
    ),
    "write_backs_wait": Cause(
        "flows", "write_back", "Shipment updates do not reach the shop",
        "They are tried again, less and less often, for about two days. Then they need a person.",
        "Open the run under Activity: it shows the shop’s answer. If the order is shown well in the shop, its error log should say what is wrong.",
        "The shop has taken all shipment updates.", "write_backs", FlowKind.SHIPMENTS,
    ),
    "receipts_failing": Cause(
        "flows", "orders", "Yesterday cannot be compared with the shop",
        "Orders are downloaded as before. The comparison is repeated.",
        "You do not need to act at once. If it lasts, the shop’s error log should say why.",
        "The comparison worked.", "orders", FlowKind.ORDERS,
    ),
    "write_backs_refused": Cause(
        "waiting", "write_back", "The shop refused shipment updates",
        "These are not retried automatically, because the shop would give the same answer again.",
        "Open the orders: each shows the shop’s answer. Fix the problem there or in the shop, then try again.",
        "All were settled.", "refused",
    ),
    "stock_waits": Cause(
        "waiting", "stock", "A stock update needs your approval",
        "Nothing is sent until a person has approved it. Orders are downloaded as before.",
        "Check what would change, and approve it if it is right.",
        "The update was reviewed.", "preview", FlowKind.STOCK,
    ),
    "orders_held": Cause(
        "waiting", "orders", "Orders are on hold",
        "They are stored in full and reserve as much stock as they can. They are released automatically once the problem is fixed.",
        "Open the held orders. They are grouped by problem, each with the button that fixes it.",
        "No order is on hold any more.", "held",
    ),
    "orders_unreadable": Cause(
        "waiting", "orders", "Orders could not be read in full",
        "They are stored as the shop sent them, and cannot be shipped. Other orders are not affected.",
        "Open the held orders and read these again. If they stay, the shop sends data that it should not.",
        "All orders could be read.", "held",
    ),
    "orders_unidentified": Cause(
        "waiting", "orders", "The shop has orders that it cannot show",
        "The shop fails when Cartlink requests them, and their ids are not known, so they are not stored here.",
        "Look in the shop for new or changed orders with a deleted product, a status without a code or no currency, and fix them.",
        "All orders could be read.", "held",
    ),
    "orders_deleted": Cause(
        "waiting", "orders", "The shop no longer has many of its open orders",
        "No order is marked and no stock is freed until a person has approved it.",
        "Check the shop. If they were deleted on purpose, approve it. Each order is then blocked until it is marked as seen.",
        "It was approved, or the orders are back.", "deletions", FlowKind.ORDERS,
    ),
    "shop_set_back": Cause(
        "waiting", "orders", "The shop uses order IDs again",
        "It seems to have been restored from a backup. Orders whose IDs it uses again are kept in Cartlink: no "
        "status or tracking number is sent for them. The shop’s new orders with these ids are downloaded as separate orders.",
        "Open the orders marked ‘ID used again’. Ship or cancel those that are still open. Then mark this as seen.",
        "A person has marked it as seen.", "set_back",
    ),
    "silence": Cause(
        "silence", "orders", "No new orders",
        "Orders are downloaded as often as before.",
        "Open the shop and place an order as a customer would.",
        "New orders have arrived.", "orders", FlowKind.ORDERS,
    ),
    "orders_missing": Cause(
        "silence", "orders", "The shop has orders that Cartlink does not have",
        "Cartlink has started a download. If you do not get another message soon, it did not help.",
        "Start a download and look at its result under Activity.",
        "The orders have arrived.", "orders", FlowKind.ORDERS,
    ),
    "low_stock": Cause(
        "stock", "", "Items have fallen to their threshold",
        "Your shops go on selling what is left.",
        "Order more of these items, or change their thresholds.",
        "No stock item is low any more.", "low_stock", more="More items have fallen to their threshold",
    ),
    "feed_stale": Cause(
        "feeds", "", "A supplier’s feed brings nothing new",
        "Cartlink keeps fetching it. The quantities of its last file are kept, held back or set to 0, as you have chosen for the feed.",
        "Open the feed: it shows what its last runs have found. If its file is old, ask the supplier for a new one.",
        "All feeds bring new files again.", "feeds", more="Another supplier’s feed brings nothing new",
    ),
    "endpoint_paused": Cause(
        "programs", "", "The event endpoint is paused",
        "No events are sent to it. They are kept for 30 days, also in the list that programs can read.",
        "When the program works again, resume its event endpoint. It then gets what it has missed.",
        "The event endpoint gets events again.", "endpoint",
    ),
    "export_failing": Cause(
        "exports", "", "The export cannot be delivered",
        "It tries again at growing intervals, at least every four hours. No order is lost: those that come meanwhile are in the next file.",
        "Open the export and check where it is sent.",
        "The export is delivered again, or the file was dropped.", "export",
    ),
}  # fmt: skip

HEADS = {
    "opened": "", "reopened": "Again: ", "reminded": "Still: ", "warned": "Will be paused: ", "paused": "Paused: ", "resolved": "Solved: ",
}  # fmt: skip
"""What precedes the title in the subject of a mail."""


NAME = func.coalesce(Integration.name, Incident.facts["name"].as_string(), "")
"""Whom an incident is about, in a select with an outer join to Integration: the integration, or the event endpoint."""


def subject(kind: str, cause: str, shop: str) -> str:
    return f"{shop}: {HEADS.get(kind, '')}{CAUSES[cause].title_after(kind)}"


def happened(incident: Incident) -> list[str]:
    """What happened, in sentences."""
    facts = incident.facts
    say = _SENTENCES.get(incident.cause)
    found = say(facts) if say else []
    if facts.get("message"):
        found.append(f"The last answer: {facts['message']}" if found else str(facts["message"]))
    if facts.get("failures"):
        found.append(f"{facts['failures']} tries in a row have failed.")
    if facts.get("quiet_since") and incident.open:
        found.append("It is not so at the moment. As it came back before, the incident ends when it stays away for an hour.")
    return found


def blocks_of(kind: str, incident: Incident, shop: str, pause_days: int) -> list[str]:
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
    "While an integration is paused, Cartlink checks every few hours whether the shop is back, and then continues automatically."
)


def does(incident: Incident) -> str:
    """What Cartlink does automatically."""
    return f"It is paused. {PAUSED}" if incident.facts.get("paused") else CAUSES[incident.cause].does


def can(incident: Incident) -> str:
    """What a person can do."""
    code, advice = incident.facts.get("code"), incident.facts.get("advice")
    if advice and incident.cause == "export_failing":
        return str(advice)
    if code in OWN_CODES:
        return NOT_THE_SHOP
    return str(advice) if advice and code in FIXED_BY_A_PERSON else CAUSES[incident.cause].can


FIXED_BY_A_PERSON = ("tls", "addon_missing", "moved", "too_old", "not_xcart", "address_refused", "firewall", "suspended",
                    "staging_password", "php_messages", "method_blocked", "body_changed", "database")  # fmt: skip
"""Troubles that do not pass by waiting: what to do about them is known."""
ELSEWHERE = ("moved", "not_xcart", "address_refused")
"""Those that another end point may fix."""
NOT_THE_SHOP = (
    "This is not a fault of the shop. Ask the person who runs Cartlink: its log says more, and `flask doctor` says what to fix."
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


def _write_backs_wait(facts: Mapping[str, Any]) -> list[str]:
    return [f"{_count(facts['count'], 'shipment update waits', 'shipment updates wait')} because the shop has not taken it yet."]


def _held(facts: Mapping[str, Any]) -> list[str]:
    return [f"{_count(facts['count'], 'order is', 'orders are')} on hold."]


def _unreadable(facts: Mapping[str, Any]) -> list[str]:
    return [f"{_count(facts['count'], 'order', 'orders')} could not be read in full."]


def _unidentified(facts: Mapping[str, Any]) -> list[str]:
    return [f"{_count(facts['count'], 'order', 'orders')} the shop cannot show."]


def _silence(facts: Mapping[str, Any]) -> list[str]:
    last = datetime.fromisoformat(facts["last"])
    gap = span(timedelta(hours=facts["gap_hours"]))
    found = [f"No order for {gap}; usually {facts['usual']} would have come in that time."]
    if facts["usual"]:
        found.append(f"That is one about every {span(timedelta(hours=facts['gap_hours'] / facts['usual']))}.")
    found.append(f"The last one was placed on {last:%d %b %Y, %H:%M} UTC.")
    found.append(
        "Cartlink asked the shop: it answers, and has no newer order either. So the connection works. The shop has no orders, or its customers cannot buy."
    )
    return found


def _missing(facts: Mapping[str, Any]) -> list[str]:
    return [
        f"Cartlink asked the shop, because no order had come for {span(timedelta(hours=facts['gap_hours']))}: the shop has "
        f"{_count(facts['count'], 'newer order', 'newer orders')} that did not arrive here. The shop has orders; the download does not see them."
    ]


def _deleted(facts: Mapping[str, Any]) -> list[str]:
    return [f"The shop no longer has {_count(facts['count'], 'open order', 'open orders')} that it was asked for."]


def _set_back(facts: Mapping[str, Any]) -> list[str]:
    return [
        f"The shop uses the {_count(facts['count'], 'ID of a stored order', 'IDs of stored orders')} again, for other orders."
    ]


def _rows_wait(facts: Mapping[str, Any]) -> list[str]:
    return [f"{_count(facts['count'], 'quantity waits', 'quantities wait')} because the shop has not stored it yet."]


def _other_value(facts: Mapping[str, Any]) -> list[str]:
    return [
        f"{_count(facts['count'], 'listing has', 'listings have')} another quantity than was sent, three times or more in a row."
    ]


def _lost(facts: Mapping[str, Any]) -> list[str]:
    return [
        f"{_count(facts['count'], 'known product or variant was', 'known products and variants were')} not in the last reading."
    ]


def _paused(facts: Mapping[str, Any]) -> list[str]:
    if facts.get("paused_for") == "gone":
        return ["The program answered 410: this address takes no more events."]
    return ["The program has taken no event for three days."]


def _export(facts: Mapping[str, Any]) -> list[str]:
    return ["A file of it has not arrived for an hour or more."]


def _low(facts: Mapping[str, Any]) -> list[str]:
    items = facts.get("items", ())
    named = ", ".join(f"{sku} ({available} available, threshold {threshold})" for sku, available, threshold in items)
    more = facts["count"] - len(items)
    listed = f": {named}{f' and {more} more' if more > 0 else ''}" if named else ""
    return [f"{_count(facts['count'], 'stock item is', 'stock items are')} low{listed}."]


def _stale(facts: Mapping[str, Any]) -> list[str]:
    feeds = facts.get("feeds", ())
    late = f"{_count(facts['count'], 'feed has', 'feeds have')} brought nothing new for longer than {'it' if facts['count'] == 1 else 'they'} should"
    found = [f"{late}{':' if feeds else '.'}"]
    for _, name, since, error in feeds:
        found.append(f"{name}, since {datetime.fromisoformat(since):%d %b %Y, %H:%M} UTC.{f' {error}' if error else ''}")
    more = facts["count"] - len(feeds)
    return [*found, f"And {more} more."] if more > 0 else found


_SENTENCES = {
    "stock_rows_wait": _rows_wait, "stock_other_value": _other_value, "listings_lost": _lost,
    "write_backs_refused": _refused, "write_backs_wait": _write_backs_wait,
    "orders_held": _held, "orders_unreadable": _unreadable, "orders_unidentified": _unidentified, "silence": _silence,
    "orders_missing": _missing, "shop_set_back": _set_back,
    "orders_deleted": _deleted, "endpoint_paused": _paused, "low_stock": _low, "feed_stale": _stale, "export_failing": _export,
}  # fmt: skip
