"""``orders/{id}``: whether an order is the one it was, and what a person has done or wants done about its shop."""

from __future__ import annotations

from api.operations import Call, operation
from api.reply import Reply
from api.resources.orders import Order, after_act, start_runs
from api.shapes import Body
from errors import Conflict
from services.orders import identity_decision
from services.shipping import by_hand, trying_again


class IdentityDecision(Body):
    """``same_order`` says that the shop shows the same order as before, changed. Without it, the shop has used its id for another order: this one is
    no longer synced, and the next order run stores the other."""

    same_order: bool


@operation(
    "POST", "/orders/<int:order_id>/settle-identity", "Decide whether the shop has used the id of an order for another one",
    scope="approvals:write", role="manager", body=IdentityDecision, answers={200: Order},
)  # fmt: skip
def settle_identity(call: Call, order_id: int) -> Reply:
    after_act(order_id)
    identity_decision.settle(order_id, call.body.same_order, call.actor)
    return Reply(after_act(order_id), after=start_runs)


@operation(
    "POST", "/orders/<int:order_id>/mark-entered", "Mark as done in the shop what a person had to do there about an order",
    scope="orders:write", role="manager", answers={200: Order},
)  # fmt: skip
def mark_order_entered(call: Call, order_id: int) -> Order:
    after_act(order_id)
    if not by_hand.mark_entered([order_id], call.actor):
        raise Conflict("Nothing is left to do in the shop about this order.")
    return after_act(order_id)


@operation(
    "POST", "/orders/<int:order_id>/send-again", "Send the updates of an order again that its shop refused, or that wait",
    scope="shipments:write", role="manager", answers={200: Order},
)  # fmt: skip
def send_order_again(call: Call, order_id: int) -> Reply:
    after_act(order_id)
    trying_again.try_again(trying_again.unsent(order_id), call.actor)
    return Reply(after_act(order_id), after=start_runs)
