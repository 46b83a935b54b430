"""What the audit trail calls what people set, as its pages call it: fields, and values that are stored as codes. What feeds have is in
blueprints/feeds/labels.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from blueprints.accounts.labels import ROLE_WORDS
from blueprints.feeds.labels import RULES, changed_words
from blueprints.integrations.forms import ANY, ANY_WORDS, OWN, named_statuses
from blueprints.labels import RUN_KINDS, SIGN_INS, STATES, actor_words
from blueprints.orders.forms import SORTS
from blueprints.orders.forms import STATES as LISTED
from models import Integration
from services.feeds import showing
from services.notify.incident_texts import CAUSES, TOPICS
from services.orders import held
from services.orders.export_columns import COLUMNS
from services.orders.export_files import FORMATS
from services.orders.export_targets import METHODS
from services.security import trail
from services.security.trail import Say, Words, in_every_shop
from services.shipping.file_presets import LABELS
from services.shops.kinds import get_kind, statuses_of

PAIR = re.compile(r", (?=[a-z_]+ )")
"""Between the parts of a stored filter, such as ``sort newest, state ready``."""
FILTERS: dict[str, tuple[str, Mapping[str, str]]] = {
    "sort": ("", SORTS),
    "state": ("", LISTED),
    "search": ("Search", {}),
    "tag": ("Tag", {}),
}
"""What the parts of a stored filter are called, and their values. Those without a name are clear by themselves."""
WAYS = {"bell": "Bell", "mail": "Email"}
KEPT = {"ours quantity": "Our quantity", "theirs quantity": "The shop’s quantity"}
GOODS = {"the same": "Same item", "other": "Different item"}
OPTIONS = {**showing.OPTIONS, "carrier": "Carrier"}
ROWS = {"order": "One row per order", "line": "One row per line"}


PLAINLY = in_every_shop(trail.said)


def _one_of(names: Mapping[str, str]) -> Say:
    return in_every_shop(lambda value: names.get(value, str(value)))


@in_every_shop
def _columns(names: str) -> str:
    return ", ".join(COLUMNS[name].label if name in COLUMNS else name for name in names.split(", "))


@in_every_shop
def _filter(stored: str) -> str:
    """``sort newest, state ready`` -> Newest first, Ready to ship."""
    return ", ".join(_part(*part.partition(" ")[::2]) for part in PAIR.split(stored))


def _part(name: str, value: str) -> str:
    label, values = FILTERS.get(name, (name.replace("_", " ").capitalize(), {}))
    said = values.get(value, value)
    return f"{label}: {said}" if label else said


@in_every_shop
def _minutes(seconds: Any) -> str:
    return f"{int(seconds) // 60} minutes"


def _run(stored: str) -> str:
    """``stock 25`` -> Stock update. The entry leads to it, and its number says nothing to people."""
    kind = stored.partition(" ")[0]
    return RUN_KINDS.get(kind, stored)


def _incident(cause: str) -> str:
    return CAUSES[cause].title if cause in CAUSES else cause


def _of_integrations() -> dict[str, Words]:
    plain = {
        "with_variants": "Product variants", "with_options": "Product options (attributes)", "with_discounts": "Discounts and coupons",
        "with_tax_lines": "Several tax lines", "with_notes": "Order notes", "with_back_orders": "Back orders", "use_tax": "Use the shop’s tax settings",
        "use_shipping_tax": "Use the shop’s tax settings for shipping", "surcharge_name": "Shipping surcharge name",
        "take_shop_stock": "Start unknown SKUs with the shop’s quantity", "stock_buffer": "Units held back from this shop",
        "stock_cap": "Most units to offer in this shop", "safety_limit_percent": "Ask before changing more than this percentage",
        "safety_limit_least": "Ask if at least this many change",
        "shipments_on": "Update the shop when orders are shipped", "orders_on": "Download orders", "stock_on": "Update stock",
        "reserved_units": "Reserved units", "stock_update": "Stock update", "zone": "Time zone", "orders_since": "Download orders from",
    }  # fmt: skip
    every = {"orders_every": "Download orders every", "stock_every": "Check stock every", "listings_every": "Read listings every"}
    of_shops: dict[str, Words] = {
        "processed_status": ("Processed order status", _status), "part_shipped_status": ("Status of a partly shipped order", _status),
        "cancelled_status": ("Status of an order cancelled in Cartlink", _status),
        "work_statuses": ("Orders that are ready to ship (payment × shipping)", _pairs), "generation": ("Version of the shop", _generation),
    }  # fmt: skip
    return {name: (label, PLAINLY) for name, label in plain.items()} | {
        name: (label, _minutes) for name, label in every.items()
    } | of_shops  # fmt: skip


def _generation(code: Any, integration: Integration | None) -> str:
    return str(code) if integration is None else get_kind(integration.kind).facts.generations.get(code, str(code))


def _status(code: Any, integration: Integration | None) -> str:
    """A shipping status as the shop calls it."""
    if integration is None:
        return str(code)
    return named_statuses(statuses_of(integration)).get(str(code), str(code))


def _pairs(pairs: Any, integration: Integration | None) -> str:
    """Pairs of statuses as the shop calls them: Paid × Any shipping status."""
    if integration is None:
        return trail.said(pairs)
    names = {(each.kind, each.code): each.name for each in statuses_of(integration)}
    kinds = (("payment", {ANY: "Any payment status", "": OWN}), ("shipping", {ANY: ANY_WORDS, "": OWN}))
    return ", ".join(
        " × ".join(ours.get(code) or names.get((kind, code), code) for (kind, ours), code in zip(kinds, pair, strict=True))
        for pair in pairs
    )  # fmt: skip


@in_every_shop
def _causes(codes: Any) -> str:
    return ", ".join(held.WORDS.get(code, code) for code in codes)


def _of_exports() -> dict[str, Words]:
    signing_in = SIGN_INS["email"] | SIGN_INS["https"] | SIGN_INS["sftp"]
    taken = ("interval_seconds", "times", "quiet_from", "quiet_until", "zone", "user", "parameter", "secret")
    # A delivery is set as a feed is, but its times are stored as one text.
    same = {name: words for name, words in changed_words().items() if name in taken} | {"times": ("Sent at", PLAINLY)}
    return same | {
        "interval_seconds": ("Sent every", changed_words()["interval_seconds"][1]), "by": ("Rows", _one_of(ROWS)), "columns": ("Columns", _columns),
        "format": ("Format", _one_of({name: known.label for name, known in FORMATS.items()})), "orders": ("Orders", _filter),
        "method": ("Sent by", _one_of(METHODS)), "auth": ("Sign-in", _one_of(signing_in)), "path": ("Folder", PLAINLY), "enabled": ("Send it on schedule", PLAINLY),
        "only_new": ("Each order only once", PLAINLY), "send_empty": ("Send files without orders", PLAINLY), "placed_since": ("Orders placed from", PLAINLY),
    }  # fmt: skip


@in_every_shop
def _ways(ways: Any) -> str:
    return ", ".join(WAYS.get(way, way) for way in ways)


@in_every_shop
def _file_columns(assigned: Mapping[str, str]) -> str:
    return ", ".join(f"{LABELS.get(field, field)}: {title}" for field, title in assigned.items() if title) or "–"


@in_every_shop
def _file_options(options: Mapping[str, Any]) -> str:
    """Those that are set, with the words that stand for quantities."""
    words = showing.quantity_words(options)
    plain = [
        f"{OPTIONS.get(name, name)}: {value}" for name, value in options.items() if name != "words" and value not in ("", None)
    ]
    return ", ".join([*plain, *([words] if words else [])]) or "–"


def use_all(state: Any) -> None:
    """Have the trail say them."""
    topics: dict[str, Words] = {topic: (sentence, _ways) for topic, sentence in TOPICS.items()}
    trail.use_words("user", {"role": ("Role", _one_of(ROLE_WORDS)), "address": ("IP address", PLAINLY), **topics})
    states = _one_of({name: label for name, (label, _) in STATES.items()})
    trail.use_words(
        "order",
        {
            "state": ("State", states),
            "accepted": ("Accepted as it is", _causes),
            "written_by": ("Written by", in_every_shop(actor_words)),
        },
    )
    trail.use_words(
        "stock_item",
        {"rule": ("If several suppliers offer it", _one_of(RULES)), "fed": ("Takes its quantity from suppliers", PLAINLY)},
    )
    trail.use_words("listing", {"kept": ("Kept", _one_of(KEPT)), "goods": ("Item", _one_of(GOODS))})
    trail.use_words("file_preset", {"columns": ("Columns", _file_columns), "options": ("Options", _file_options)})
    trail.use_words("incident", {}, _incident)
    trail.use_words("run", {}, _run)
    trail.use_words("order_export", _of_exports())
    trail.use_words("event_endpoint", {"url": ("Address", PLAINLY), "types": ("Types of events", PLAINLY)})
    trail.use_words("integration", _of_integrations())
