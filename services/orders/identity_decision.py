"""A person's decision about an order that is held because its shop may have used its id for another order."""

from __future__ import annotations

from errors import Conflict, NotFound
from extensions import one_transaction
from models import Order
from services.common.deadlocks import retry_on_deadlock
from services.orders import held, rereading, superseding


@retry_on_deadlock
def settle(order_id: int, same_order: bool, actor: str) -> None:
    """The same order: it is released and read from the shop again. Another: it is no longer synced, and the next order download stores the
    other one. Raises NotFound, or Conflict where nothing is in doubt."""
    if not same_order:
        superseding.replace_order(order_id, actor)
        return
    with one_transaction() as session:
        order = session.get(Order, order_id)
        if order is None:
            raise NotFound("There is no such order.")
        if superseding.CODE not in order.held_codes:
            raise Conflict(f"Order {order.number} is not in doubt.", "Load the page again.")
        held.accept(superseding.CODE, [order_id], actor)
        rereading.ask_again([order_id])
