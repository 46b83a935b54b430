"""A stock item's offers side by side, each with whether it counts for the item's quantity, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from errors import NotFound
from extensions import db
from models import StockItem
from services.feeds import offers
from services.feeds.offers import OfferRow


@dataclass(frozen=True, slots=True)
class Beside:
    """An offer; ``why_not`` is empty where it is part of what is on hand."""

    offer: OfferRow
    why_not: str

    @property
    def counts(self) -> bool:
        return not self.why_not


@dataclass(frozen=True, slots=True)
class Fed:
    """Whether the quantity of a stock item comes from suppliers, by which rule, and what they offer, first by priority."""

    fed: bool
    rule: str
    offers: tuple[Beside, ...]


def get_fed(item_id: int) -> Fed:
    """Raises NotFound."""
    item = db.session.execute(select(StockItem.fed, StockItem.fed_rule).where(StockItem.id == item_id)).first()
    if item is None:
        raise NotFound("There is no such stock item.")
    rows = offers.of_item(item_id)
    fresh = [row for row in rows if row.counts]
    first = next((row.feed_id for row in fresh if row.pieces), fresh[0].feed_id if fresh else None)
    chosen: set[int | None] = {row.feed_id for row in fresh} if item.fed_rule == "sum" else {first}
    return Fed(item.fed, item.fed_rule, tuple(Beside(row, _why_not(item.fed, row, chosen)) for row in rows))


def _why_not(fed: bool, row: OfferRow, chosen: set[int | None]) -> str:
    if not fed:
        return "Own item"
    if not row.counts:
        return "Stale"
    return "" if row.feed_id in chosen else "Another is first"
