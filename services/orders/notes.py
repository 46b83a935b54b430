"""Internal notes of orders: for the people who work here, never sent to a shop or printed for a customer.

They may hold personal data. Who may not see customers does not see them, the audit trail says only that there was one, and erasing a
customer's data deletes them (services/operations/privacy.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import func, select

from errors import Conflict, InvalidInput, NotFound
from extensions import db, writing
from models import Order, OrderNote
from models.types import utcnow
from services.order_basics.audited import NOTE_ADDED, NOTE_REMOVED, about_order
from services.security.audit import record_change

MOST_TEXT, MOST = 2000, 100


def of_orders(order_ids: Sequence[int]) -> dict[int, list[OrderNote]]:
    """The notes of orders, oldest first, by order."""
    found: dict[int, list[OrderNote]] = defaultdict(list)
    for note in db.session.scalars(select(OrderNote).where(OrderNote.order_id.in_(order_ids)).order_by(OrderNote.id)):
        found[note.order_id].append(note)
    return found


def add_note(order_id: int, text: str, actor: str) -> int:
    """Returns its id. Raises NotFound, InvalidInput, or Conflict for an order whose customer's data was erased."""
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    if not text:
        raise InvalidInput("Enter a note.", field="text")
    if len(text) > MOST_TEXT:
        raise InvalidInput(f"The note is too long: {len(text)} characters, at most {MOST_TEXT}.", field="text")
    with writing() as session:
        order = lock_order(order_id)
        if order.erased_at is not None:
            raise Conflict("The customer's data of this order was erased. Notes could bring some of it back.")
        count = session.scalar(select(func.count()).select_from(OrderNote).where(OrderNote.order_id == order_id)) or 0
        if count >= MOST:
            raise Conflict(f"The order has {MOST} notes already.", "Remove some first.")
        note = OrderNote(order_id=order_id, text=text, actor=actor)
        session.add(note)
        record_change(NOTE_ADDED, about_order(order), actor=actor)
        order.updated_at = utcnow()
        session.flush()
        return note.id


def remove_note(order_id: int, note_id: int, actor: str) -> None:
    """Raises NotFound."""
    with writing() as session:
        order = lock_order(order_id)
        note = session.scalar(select(OrderNote).where(OrderNote.id == note_id, OrderNote.order_id == order_id))
        if note is None:
            raise NotFound("There is no such note.")
        session.delete(note)
        record_change(NOTE_REMOVED, about_order(order), {"written_by": (note.actor, None)}, actor)
        order.updated_at = utcnow()


def lock_order(order_id: int) -> Order:
    """Raises NotFound."""
    order = db.session.get(Order, order_id, with_for_update=True)
    if order is None:
        raise NotFound("There is no such order.")
    return order
