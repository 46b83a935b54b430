"""The orders of one page, and what they share while they are stored in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from channels.base import Order as ShopOrder
from channels.base import Surcharge
from models import StockItem
from services.order_basics.columns import Storing
from services.stock.ledger import Reason
from services.stock.line_sources import Sources


class Shown(NamedTuple):
    """An order as the shop shows it. ``payload`` is what is kept of its JSON, ``digest`` is the digest of that, and
    ``surcharges`` are its single money rows, None where they were not read."""

    order: ShopOrder
    payload: bytes
    digest: bytes
    surcharges: tuple[Surcharge, ...] | None


@dataclass(slots=True)
class Batch:
    """``items`` are the locked stock items of the orders' old and new lines; ``touched`` collects those whose numbers change, here
    or in the shop. ``shipped_away`` is by order id, as in delta.StoredOrder."""

    storing: Storing
    sources: Sources
    items: dict[int, StockItem]
    touched: set[int] = field(default_factory=set)
    shipped_away: Mapping[int, frozenset[str]] = field(default_factory=dict)

    def reason(self, cause: str) -> Reason:
        """Why stock changes, for the ledger."""
        return Reason(self.storing.actor, cause, self.storing.run_id)
