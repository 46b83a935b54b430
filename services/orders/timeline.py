"""An order's timeline: what the shop did to it, what people did, what was sent, and what held it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import dropwhile
from typing import Any

from sqlalchemy import select

from extensions import db
from models import HoldChange, Order, OrderChange, Shipment, SyncRun, WriteBack
from services.order_basics import identity
from services.order_basics.holds import unknown_line
from services.order_basics.money import plain
from services.orders import export_records
from services.orders import redaction as customers
from services.security import trail
from services.security.audit import name_of

PEOPLE = ("user:", "api:", "cli:")
SETTLES_WITHIN = timedelta(hours=1)
"""How long after the download of an order a run that finds the stock items of its SKUs only completes that download."""

FIELD_NAMES = {"customer_notes": "customer's note", "admin_notes": "shop's note", "shipping_method": "delivery"}
"""Fields of an order that its page calls something else than their columns."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an order's time-line. ``fields`` are (name, before, after)."""

    at: datetime
    title: str
    text: str = ""
    tone: str = "idle"
    fields: list[tuple[str, str, str]] = field(default_factory=list)


def timeline(
    order: Order,
    updates: Sequence[WriteBack],
    sent: Sequence[Shipment],
    with_customers: bool,
    names: Mapping[tuple[str, str], str],
) -> list[Event]:
    """Newest first. ``names`` are those of statuses, by kind and code."""
    placed_at = identity.placed_of(order)
    placed = [Event(placed_at, "Placed in the shop")] if placed_at else []
    events = [*placed, *_holds(order), *_acts(order, with_customers)]
    changes = db.session.scalars(select(OrderChange).where(OrderChange.order_id == order.id).order_by(OrderChange.id))
    for change in changes:
        noted = change.fields if with_customers else customers.without_customer(change.fields)
        fields: list[Any] = [
            (
                FIELD_NAMES.get(name) or name.replace("_", " "),
                *(_said(_named(name, value, order.decimals, names)) for value in values),
            )
            for name, values in noted.items()
        ]
        events.append(Event(change.seen_at, "Changed in the shop", "", "warn", fields))
    for shipment in sent:
        events += _shipment_events(shipment)
    by_hand = {each.tracking_number for each in sent if each.by_hand or each.entered_at is not None}
    for row in updates:
        events.append(_update_event(row, names, by_hand))
    for file in export_records.of_order(order.id):
        events.append(
            Event(file.at, f"In export {file.name}", f"Delivered{' once more' if file.repeats else ''} to {file.place}.", "good")
        )
    if order.superseded_at is not None:
        events.append(Event(order.superseded_at, "The shop uses its id for another order", "", "warn"))
    if order.gone_at is not None:
        events.append(Event(order.gone_at, "Deleted in the shop", "", "bad"))
    if order.called_off_at is not None:
        events.append(Event(order.called_off_at, "Cancelled in Cartlink", "", "bad"))
    return sorted(events, key=lambda event: event.at, reverse=True)


def _shipment_events(shipment: Shipment) -> list[Event]:
    """That it was shipped, as it was then, and what people did with it since."""
    what = ", ".join(f"{line.quantity} × {line.sku or line.name}" for line in shipment.lines)
    now = {"carrier": shipment.carrier, "tracking": shipment.tracking_number}
    versions = [_parcel(each) for each in (*shipment.edits, now)]
    with_it = f" with {versions[0]}" if versions[0] else ""
    text = f"{what}{with_it}. {shipment.note}".strip()
    events = [Event(shipment.shipped_at, f"Shipped by {name_of(shipment.actor)}", text, "good")]
    for edit, before, after in zip(shipment.edits, versions, versions[1:], strict=False):
        title = f"Tracking changed by {name_of(edit['by'])}"
        events.append(Event(datetime.fromisoformat(edit["at"]), title, fields=[("parcel", before or "–", after or "–")]))
    if shipment.entered_at is not None:
        events.append(Event(shipment.entered_at, "Tracking number marked as entered in the shop"))
    if shipment.voided_at is not None:
        title = f"Shipment {'undone' if shipment.undone else 'voided'} by {name_of(shipment.voided_by)}"
        events.append(Event(shipment.voided_at, title, what, "warn"))
    return events


def _parcel(version: Mapping[str, str]) -> str:
    return " ".join(part for part in (version["carrier"], version["tracking"]) if part)


def _update_event(row: WriteBack, names: Mapping[tuple[str, str], str], by_hand: Collection[str]) -> Event:
    """``by_hand`` are the tracking numbers that the shop did not take."""
    what = {"shipped": "shipped", "part_shipped": "shipped in part", "cancelled": "cancelled"}[row.event]
    numbers = [number for number in row.tracking_numbers if row.state != "done" or number not in by_hand]
    tracking = f" Tracking: {', '.join(numbers)}." if numbers else ""
    if row.state == "done":
        title = f"Sent to the shop: {what}" if row.sent else "The shop had this status already"
        return Event(
            row.finished_at or row.created_at,
            title,
            f"Status in the shop: {names.get(('shipping', row.answer), row.answer) or '–'}.{tracking} {row.note}".strip(),
            "good",
        )
    if row.state == "failed":
        return Event(
            row.finished_at or row.created_at, "The shop could not be updated", f"{row.error} {row.advice}".strip(), "bad"
        )
    if row.state == "handled":
        return Event(row.finished_at or row.created_at, "Not sent to the shop", f"{row.error} Marked as seen.".strip())
    if row.state == "undone":
        return Event(row.finished_at or row.created_at, f"Not sent to the shop: {what}", "Its shipment was undone or voided.")
    if row.state == "replaced":
        return Event(row.finished_at or row.created_at, f"Sending to the shop: {what}", row.note or "Replaced by a later one.")
    tries = f" Tried {row.tries} times: {row.error}" if row.error else ""
    return Event(row.created_at, f"Sending to the shop: {what}", f"Waiting.{tracking}{tries}", "busy")


def _named(name: str, value: Any, decimals: int, names: Mapping[tuple[str, str], str]) -> Any:
    """A status by its name in the shop, an amount with its currency's decimals."""
    return (
        plain(Decimal(value), decimals)
        if name == "total" and value
        else names.get((name.removesuffix("_status"), str(value)), value)
    )


def _said(value: Any) -> str:
    """A stored value as text."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, dict):
        return ", ".join(str(part) for key, part in value.items() if part and key != "extra")
    if isinstance(value, list):
        return ", ".join(" × ".join(str(part) for part in reversed(one)) if isinstance(one, list) else str(one) for one in value)
    return str(value)


def _holds(order: Order) -> list[Event]:
    """That it was downloaded, and what held it since."""
    changes = db.session.scalars(select(HoldChange).where(HoldChange.order_id == order.id).order_by(HoldChange.id)).all()
    later = list(dropwhile(lambda change: _completes_download(order, change), changes))
    at_first = later[0].before if later else order.held_reason if order.state == "on_hold" else ""
    events = [
        Event(order.first_seen_at, "Downloaded and put on hold", _one_line(at_first), "warn") if at_first
        else Event(order.first_seen_at, "Downloaded")
    ]  # fmt: skip
    for change in later:
        by = f" by {name_of(change.actor)}" if change.actor.startswith(PEOPLE) else ""
        if not change.after:
            events.append(Event(change.at, f"Released{by}", f"It was on hold: {_one_line(change.before)}", "good"))
        elif change.before:
            events.append(Event(change.at, "On hold for another reason", _one_line(change.after), "warn"))
        else:
            events.append(Event(change.at, f"Put on hold{by}", _one_line(change.after), "warn"))
    return events


def _completes_download(order: Order, change: HoldChange) -> bool:
    """Whether a hold only means that the shop's listings were read after its orders, as at the first download: a run found the stock items of
    its SKUs soon after, and nobody had to do anything."""
    reasons = change.before.splitlines()
    by_itself = (
        change.actor.startswith("run:") and change.at - order.first_seen_at <= SETTLES_WITHIN and not _asked_for(change.actor)
    )
    return by_itself and bool(reasons) and all(unknown_line(reason) is not None for reason in reasons)


def _asked_for(actor: str) -> bool:
    """Whether a person started the run that is the ``actor``, as with ‘Read listings now’."""
    started = db.session.scalar(select(SyncRun.actor).where(SyncRun.id == int(actor.removeprefix("run:"))))
    return started is not None and started.startswith(PEOPLE)


def _acts(order: Order, with_customers: bool) -> list[Event]:
    """What people and programs did with it, as far as nothing else here shows it."""
    found = trail.history("order", order.id, trail.Reader(customers=with_customers))
    return [Event(each.at, f"{each.what} by {name_of(each.actor)}", fields=each.changes) for each in found]


def _one_line(reasons: str) -> str:
    return " ".join(reasons.splitlines())
