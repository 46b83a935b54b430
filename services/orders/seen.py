"""Mark as seen what a shop did to its orders: it cancelled them, or deleted them. Pages, commands and the API call this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.orders import deletions
from services.shipping import shipments


@dataclass(frozen=True, slots=True)
class Seen:
    """How many orders were newly marked. ``deleted`` ones have released their stock, so stock runs may be due."""

    cancelled: int
    deleted: int

    def __bool__(self) -> bool:
        return bool(self.cancelled or self.deleted)


def mark_seen(order_ids: Sequence[int], actor: str) -> Seen:
    """Mark the cancellation or deletion of these orders as seen by a person. Others are left as they are."""
    return Seen(shipments.mark_cancellation_seen(order_ids, actor), deletions.mark_seen(order_ids, actor))
