"""What waits for a person's approval in all shops: stock updates above their safety limit, and readings that lack many listings."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from extensions import db
from models import Integration, RunItem, Shop
from services.listings import losses


@dataclass(frozen=True, slots=True)
class Waiting:
    """``count`` rows of an integration wait; ``kind`` is ``stock`` or ``loss``."""

    kind: str
    integration_id: int
    name: str
    count: int


def waiting() -> list[Waiting]:
    """By the name of the integration; stock updates first."""
    rows = select(func.count()).where(RunItem.run_id == Integration.waiting_run_id, RunItem.result == "preview").scalar_subquery()
    present = Integration.removed_at.is_(None)
    stock = select(Integration.id, Integration.name, rows).where(present, Integration.waiting_run_id.is_not(None))
    lost = select(Integration.id, Integration.name, Shop.id).join(Shop).where(present, Shop.loss_at.is_not(None))
    found = [Waiting("stock", *row) for row in db.session.execute(stock.order_by(Integration.name_key))]
    for integration_id, name, shop_id in db.session.execute(lost.order_by(Integration.name_key)).all():
        found.append(Waiting("loss", integration_id, name, losses.count_missing(shop_id)))
    return found
