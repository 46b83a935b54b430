"""What a person decides about an incident of a whole shop, and about its stock update. The incident ends with the decision, not with the next tick."""

from __future__ import annotations

from services.listings import stock_push
from services.monitoring import incidents
from services.orders import deletions, superseding


def mark_set_back_seen(integration_id: int, actor: str) -> bool:
    """Note that a person knows that the shop was set back. Returns whether there was anything to note. Raises NotFound."""
    known = superseding.mark_set_back_seen(integration_id, actor)
    incidents.review(integration_id)
    return known


def approve_deletions(integration_id: int, actor: str) -> int:
    """Approve that the shop deleted many open orders: the next order run marks them. Returns how many waited for the approval.
    Raises NotFound."""
    waiting = deletions.approve_many(integration_id, actor)
    incidents.review(integration_id)
    return waiting


def approve_stock_update(integration_id: int, actor: str, *, seen: int | None = None) -> int:
    """``stock_push.approve``: returns the number of changes. Raises NotFound or Conflict."""
    number = stock_push.approve(integration_id, actor, seen=seen)
    incidents.review(integration_id)
    return number
