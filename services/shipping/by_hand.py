"""What a person has to do in a shop by hand, and ticks off here: enter a tracking number that the shop has no way to take, remove one
that was sent and is no longer right, and set the status of an order back whose shipment was voided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, select, union, update

from channels.base import Channel
from channels.results import ShipmentResult
from extensions import db, reading, writing
from models import Integration, Shipment, Shop, ShopTask
from models.types import utcnow
from services.order_basics.audited import ENTERED, about_orders
from services.security.audit import record_changes

LEARNED_FOR = timedelta(days=1)
"""How long it counts what a shop's description of itself said."""

ADVICE = "Enter the number in the shop by hand, then mark it as done."


WHERE = "enter the number in the shop by hand, then mark it as done. The list of orders shows what is left under ‘To do by hand in the shop’."


def takes_tracking(integration: Integration) -> bool | None:
    """Whether a shop takes tracking numbers; None where it has not been found out."""
    learned = integration.shop.learned.get("tracking_path")
    if integration.generation != "api":
        return True
    return None if learned is None else bool(learned)


def recall(shop_id: int, channel: Channel) -> None:
    """Give a channel what earlier ones have learned about the shop within the last day."""
    with reading():
        shop = db.session.get_one(Shop, shop_id)
        if shop.learned_at is not None and timedelta() <= utcnow() - shop.learned_at < LEARNED_FOR:
            channel.learned.update(shop.learned)


def keep(shop_id: int, channel: Channel) -> None:
    """Store what a channel has learned about its shop, where that is new."""
    with reading():
        shop = db.session.get_one(Shop, shop_id)
        known = dict(shop.learned) if shop.learned_at is not None and utcnow() - shop.learned_at < LEARNED_FOR else {}
    if channel.learned and channel.learned != known:
        with writing() as session:
            shop = session.get_one(Shop, shop_id, with_for_update=True)
            shop.learned, shop.learned_at = dict(channel.learned), utcnow()


def is_waiting() -> Any:
    """The condition on Shipment that its tracking number has to be entered in the shop."""
    return Shipment.by_hand


def note_on_shipments(order_id: int, result: ShipmentResult) -> bool:
    """Mark the shipments whose tracking numbers the shop has no way to take, and clear the mark of those it shows; answers
    whether any is marked. Call it inside a transaction."""
    see_removed(order_id, result.tracking_numbers)
    for shipment in db.session.scalars(select(Shipment).where(Shipment.order_id == order_id, Shipment.voided_at.is_(None))):
        missing = bool(shipment.tracking_number) and shipment.tracking_number not in result.tracking_numbers
        if missing and shipment.entered_at is not None:
            continue
        shipment.note = (result.note or "The shop did not take the tracking number.") if missing else ""
        shipment.by_hand = missing and shipment.tracking_number in result.by_hand
    return bool(result.by_hand) and waiting_numbers(order_id) != []


def waiting_numbers(order_id: int) -> list[str]:
    """The tracking numbers of an order that are to be entered in the shop."""
    query = select(Shipment.tracking_number).where(Shipment.order_id == order_id, is_waiting()).order_by(Shipment.id)
    return list(dict.fromkeys(db.session.scalars(query)))


def waiting_of(sent: Sequence[Shipment]) -> list[str]:
    """``waiting_numbers`` for an order all of whose shipments have been read already, oldest first."""
    return list(dict.fromkeys(each.tracking_number for each in sent if each.by_hand))


def see_in_shop(order_id: int, tracking_numbers: Sequence[str]) -> None:
    """The shop shows these tracking numbers on an order: nobody has to enter them any more. Call it inside ``writing()``."""
    db.session.execute(
        update(Shipment)
        .where(Shipment.order_id == order_id, is_waiting(), Shipment.tracking_number.in_(tracking_numbers))
        .values(by_hand=False, note="")
        .execution_options(synchronize_session=False)
    )


def orders_to_do() -> CompoundSelect[*tuple[Any, ...]]:
    """The ids of orders about which there is something to do in the shop."""
    return union(select(Shipment.order_id).where(is_waiting()), select(ShopTask.order_id).where(ShopTask.done_at.is_(None)))


def ask(shipment: Shipment, kind: str, value: str, actor: str) -> None:
    """Ask for something to be done in the shop about a shipment, unless it is asked for already. Call it inside ``writing()``."""
    same = select(ShopTask.id).where(*_open_tasks(shipment.order_id, kind), ShopTask.value == value)
    if db.session.scalar(same) is None:
        db.session.add(ShopTask(order_id=shipment.order_id, shipment_id=shipment.id, kind=kind, value=value, actor=actor))
        db.session.flush()


def tasks(order_id: int) -> list[ShopTask]:
    """What is to be done in the shop about an order's voided and changed shipments, oldest first."""
    query = select(ShopTask).where(ShopTask.order_id == order_id, ShopTask.done_at.is_(None))
    return list(db.session.scalars(query.order_by(ShopTask.id)))


def sentence(task: ShopTask) -> str:
    """What to do, for pages, commands and programs."""
    if task.kind == "status":
        return "If the order is not shipped again, set its shipping status back in the shop."
    return f"Remove the tracking number {task.value} in the shop." if task.value else "Remove a tracking number in the shop."


def sentences(order_ids: Sequence[int]) -> dict[int, list[str]]:
    """``sentence`` for what is to be done about some orders, by shipment."""
    found: dict[int, list[str]] = {}
    query = select(ShopTask).where(ShopTask.order_id.in_(order_ids), ShopTask.done_at.is_(None)).order_by(ShopTask.id)
    for task in db.session.scalars(query):
        found.setdefault(task.shipment_id, []).append(sentence(task))
    return found


def withdraw(order_id: int, kind: str, value: str = "") -> None:
    """Nobody has to do this in the shop any more. Call it inside ``writing()``."""
    _finish(*_open_tasks(order_id, kind), ShopTask.value == value)


def see_removed(order_id: int, tracking_numbers: Sequence[str]) -> None:
    """The shop shows just these tracking numbers on an order: nobody has to remove any other. Call it inside ``writing()``."""
    _finish(*_open_tasks(order_id, "number"), ShopTask.value.not_in(tracking_numbers))


def _open_tasks(order_id: int, kind: str) -> tuple[ColumnElement[bool], ...]:
    return ShopTask.order_id == order_id, ShopTask.kind == kind, ShopTask.done_at.is_(None)


def _finish(*which: ColumnElement[bool], actor: str = "") -> None:
    query = update(ShopTask).where(*which).values(done_at=utcnow(), done_by=actor)
    db.session.execute(query.execution_options(synchronize_session="fetch"))


def mark_entered(order_ids: Sequence[int], actor: str) -> int:
    """A person has done in the shop what was to be done about these orders; returns how many orders that were."""
    with writing() as session:
        ids = set(session.scalars(select(Shipment.order_id).where(Shipment.order_id.in_(order_ids), is_waiting())))
        open_tasks = (ShopTask.order_id.in_(order_ids), ShopTask.done_at.is_(None))
        asked = set(session.scalars(select(ShopTask.order_id).where(*open_tasks)))
        _finish(*open_tasks, actor=actor)
        record_changes(ENTERED, about_orders(ids | asked), actor=actor)
        session.execute(
            update(Shipment)
            .where(Shipment.order_id.in_(ids), is_waiting())
            .values(by_hand=False, note="", entered_at=utcnow(), entered_by=actor)
            .execution_options(synchronize_session=False)
        )
        return len(ids | asked)
