"""Several unknown codes at once, made into fed stock items. What is done with one code is in ``offers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from errors import Conflict, InvalidInput, NotFound
from extensions import db, one_transaction
from models import Feed, Offer
from services.common.batches import batches
from services.common.deadlocks import retry_on_deadlock
from services.feeds import fed_stock, offers
from services.security.audit import record_change
from services.stock import items as stock_items

BATCH = 500
"""Codes that one transaction makes items of."""


@dataclass(frozen=True, slots=True)
class Created:
    """``created`` counts the new stock items; ``left`` are sentences about codes of which none could be made."""

    created: int
    left: list[str]


def create_items(offer_ids: Sequence[int], actor: str) -> Created:
    """Add a fed stock item for each of these codes, with the code as its SKU. A code that cannot be one, or is one already, is left out. Each
    ``BATCH`` is one transaction: if it fails nothing of it is done, and the batches before it stay. Raises NotFound."""
    ids = list(dict.fromkeys(offer_ids))
    done = [_create_batch(batch, actor) for batch in batches(ids, BATCH)]
    return Created(sum(each.created for each in done), [sentence for each in done for sentence in each.left])


@retry_on_deadlock
def _create_batch(offer_ids: Sequence[int], actor: str) -> Created:
    with one_transaction():
        left: list[str] = []
        made: dict[int, int] = {}
        for offer_id, (code, why_not) in _codes(offer_ids).items():
            try:
                if why_not:
                    raise Conflict(why_not)
                made[offer_id] = stock_items.add_stock_item(code, 0, actor).item_id
            except (Conflict, InvalidInput) as error:
                left.append(f"{code}: {error.message}")
            except IntegrityError:
                left.append(f"{code}: Somebody has just added a stock item with this SKU.")
        _link(made, actor)
        fed_stock.make_fed(list(made.values()), actor)
        return Created(len(made), left)


def _codes(offer_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """The code of each offer, and why no item can be made of it. Raises NotFound."""
    query = select(Offer.id, Offer.code, Offer.stock_item_id, Feed.removed_at).join(Feed).where(Offer.id.in_(offer_ids))
    found = {row.id: row for row in db.session.execute(query)}
    if len(found) < len(offer_ids):
        raise NotFound("There is no such offer.")
    reasons = {
        offer_id: "Its feed was removed." if row.removed_at else "It is linked already." if row.stock_item_id else ""
        for offer_id, row in found.items()
    }
    return {offer_id: (found[offer_id].code, reasons[offer_id]) for offer_id in offer_ids}


def _link(made: Mapping[int, int], actor: str) -> None:
    """Link offers to the new stock items that were made of their codes, by id."""
    query = select(Offer).where(Offer.id.in_(made)).options(joinedload(Offer.feed).joinedload(Feed.supplier))
    for offer in db.session.scalars(query.order_by(Offer.id)):
        changes = {"stock_item": (None, offer.code), "units": (offer.units, 1), "ignored": (offer.ignored, False)}
        record_change(offers.LINKED, offers.about(offer), changes, actor)
        offer.stock_item_id, offer.linked_by, offer.units, offer.ignored = made[offer.id], "hand", 1, False
    db.session.flush()
