"""The types of events, and which type a change has.

An event has one type, the most telling one: an order that was shipped and got a note in one transaction is ``order.shipped``. Its ``changes``
name everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]

TYPES: dict[str, str] = {
    "order.created": "An order was downloaded for the first time.",
    "order.updated": "Something of an order changed, but not its state.",
    "order.state_changed": "An order has another state; also when some of its lines were shipped.",
    "order.held": "An order was put on hold.",
    "order.released": "An order is no longer on hold.",
    "order.shipped": "All of an order was shipped.",
    "order.cancelled": "An order was cancelled, here or in its shop.",
    "order.deleted": "The shop no longer has an order, or uses its id for another one.",
    "order.erased": "The customer’s data of an order was erased.",
    "shipment.created": "An order, or some of its lines, was handed to a carrier.",
    "shipment.updated": "Something of a shipment changed.",
    "shipment.voided": "A shipment was taken back.",
    "write_back.created": "An update for the shop is waiting to be sent.",
    "write_back.updated": "Something of an update for the shop changed, for example after a try that failed.",
    "write_back.done": "The shop was updated.",
    "write_back.failed": "The shop refused an update.",
    "write_back.by_hand": "A person has decided that an update is not sent.",
    "stock_item.created": "There is a new stock item.",
    "stock_item.changed": "On hand, reserved, buffer or the name of a stock item changed.",
    "stock_item.removed": "A stock item was removed.",
    "stock_item.out": "Nothing is available of a stock item any more.",
    "stock_item.back": "Something is available of a stock item again.",
    "listing.created": "A product or variant was found in a shop, or found again.",
    "listing.changed": "Something of a listing changed.",
    "listing.push_failed": "A stock update of a listing was not stored.",
    "listing.drifted": "Somebody changed a quantity in the shop.",
    "listing.renamed": "A listing has another SKU in its shop.",
    "listing.gone": "A listing is no longer in its shop.",
    "link.changed": "A listing takes its quantity from another stock item, or from none.",
    "integration.created": "A shop was connected.",
    "integration.changed": "A name or a setting of an integration changed.",
    "integration.enabled": "An integration was enabled.",
    "integration.disabled": "An integration was disabled.",
    "integration.health_changed": "The health of an integration changed.",
    "integration.removed": "An integration was removed.",
    "run.finished": "A sync run has ended.",
    "incident.opened": "There is an ongoing problem, for the first time or again.",
    "incident.updated": "Something of an incident changed.",
    "incident.resolved": "A problem is over.",
    "export.delivered": "A file of a saved export was delivered.",
    "export.failed": "A file of a saved export could not be delivered. It is tried again.",
    "supplier.created": "A supplier was added.",
    "supplier.changed": "A supplier has another name or other lead days.",
    "supplier.removed": "A supplier was removed.",
    "feed.created": "A feed was added to a supplier.",
    "feed.changed": "A setting of a feed changed, or it works again.",
    "feed.failing": "A feed cannot be fetched or read.",
    "feed.stale": "The offers of a feed are older than they may be.",
    "feed.removed": "A feed was removed.",
    "feed_run.waiting": "A file of a feed hit a safety limit: nothing changes until somebody approves it.",
    "feed_run.finished": "A file of a feed was applied, or dropped.",
    "feed_run.failed": "A feed could not be fetched or read.",
    "feed_run.undone": "What a file of a feed changed was undone.",
    "test": "A test that a person asked for.",
}
"""Every type, and what it means."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction changed of one object: ``was`` and ``now`` are empty where nothing is known or shown."""

    act: str
    was: Values
    now: Values

    def moved(self, name: str) -> bool:
        return self.was.get(name) != self.now.get(name)

    def became(self, name: str, *values: Any) -> bool:
        return self.moved(name) and self.now.get(name) in values

    def appeared(self, name: str) -> bool:
        return not self.was.get(name) and bool(self.now.get(name))

    def vanished(self, name: str) -> bool:
        return bool(self.was.get(name)) and not self.now.get(name)


def type_of(name: str, change: Change) -> str:
    """The type of an event about an object of this name (``object`` in models.captured.CAPTURED)."""
    return f"{name}.{WORDS[name](change)}"


def _order(change: Change) -> str:
    if change.act == "c":
        return "created"
    if change.act == "d" or change.appeared("gone_at") or change.appeared("superseded_at"):
        return "deleted"
    if change.appeared("erased_at"):
        return "erased"
    if change.moved("state"):
        ends = {"cancelled": "cancelled", "shipped": "shipped", "on_hold": "held"}
        word = ends.get(change.now.get("state", ""))
        return word or ("released" if change.was.get("state") == "on_hold" else "state_changed")
    return "updated"


def _shipment(change: Change) -> str:
    if change.act == "c":
        return "created"
    return "voided" if change.act == "d" or change.appeared("voided_at") else "updated"


def _write_back(change: Change) -> str:
    if change.act == "c":
        return "created"
    ends = {"done": "done", "failed": "failed", "handled": "by_hand"}
    return ends.get(change.now.get("state", ""), "updated") if change.moved("state") else "updated"


def available(values: Values) -> int:
    return max(0, int(values.get("on_hand", 0)) - int(values.get("reserved", 0)) - int(values.get("buffer", 0)))


def _stock_item(change: Change) -> str:
    if change.act in "cd":
        return {"c": "created", "d": "removed"}[change.act]
    was, now = available(change.was), available(change.now)
    if change.was and bool(was) is not bool(now):
        return "back" if now else "out"
    return "changed"


def _listing(change: Change) -> str:
    if change.act == "c" or change.vanished("gone_at"):
        return "created"
    if change.act == "d" or change.appeared("gone_at"):
        return "gone"
    if change.moved("sku") or change.appeared("rename_state"):
        return "renamed"
    if change.moved("push_state") and change.now.get("push_state"):
        return "push_failed"
    return "drifted" if change.moved("drift") and change.now.get("drift") is not None else "changed"


def _integration(change: Change) -> str:
    if change.act == "c":
        return "created"
    if change.act == "d" or change.appeared("removed_at"):
        return "removed"
    if change.moved("enabled"):
        return "enabled" if change.now.get("enabled") else "disabled"
    return "health_changed" if change.moved("health") or change.moved("paused_at") else "changed"


def _incident(change: Change) -> str:
    if change.act == "c" or change.vanished("resolved_at"):
        return "opened"
    return "resolved" if change.appeared("resolved_at") else "updated"


def _supplier(change: Change) -> str:
    if change.act == "c":
        return "created"
    return "removed" if change.act == "d" or change.appeared("removed_at") else "changed"


def _feed(change: Change) -> str:
    if change.act == "c":
        return "created"
    if change.act == "d" or change.appeared("removed_at"):
        return "removed"
    if change.appeared("failing_since"):
        return "failing"
    return "stale" if change.appeared("stale_since") else "changed"


def _feed_run(change: Change) -> str:
    word = str(change.now.get("state", ""))
    return word if word in ("waiting", "failed", "undone") else "finished"


WORDS: dict[str, Callable[[Change], str]] = {
    "order": _order,
    "shipment": _shipment,
    "write_back": _write_back,
    "stock_item": _stock_item,
    "listing": _listing,
    "link": lambda change: "changed",
    "integration": _integration,
    "run": lambda change: "finished",
    "incident": _incident,
    "export": lambda change: "delivered" if change.now.get("state") == "done" else "failed",
    "supplier": _supplier,
    "feed": _feed,
    "feed_run": _feed_run,
}
"""What decides on the second half of a type, by object."""
