"""Settings of the desk for one integration: what the shop is told on shipping, how much is offered, when the brake acts, and
whose days its receipts count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import select, update

from errors import InvalidInput, NotFound
from extensions import db, writing
from models import Integration, Link, Listing, Order, Shop
from models.types import utcnow
from services import ledger, receipts, stock
from services.audit import note_change

STATUSES = ("processed_status", "part_shipped_status", "cancelled_status")
OF_SHOP = ("stock_buffer", "stock_cap", "zone")
NUMBERS = {"stock_buffer": (0, stock.MOST), "brake_percent": (0, 100), "brake_least": (1, 1_000_000)}


def change_desk_settings(integration_id: int, values: Mapping[str, Any], actor: str) -> None:
    """Change what happens on shipping and how much is offered; ``stock_cap`` None is no limit.
    Raises NotFound or InvalidInput; nothing is changed then."""
    with writing() as session:
        integration = session.get(Integration, integration_id, with_for_update=True)
        if integration is None or integration.removed_at is not None:
            raise NotFound("That integration has been removed.")
        shop = session.get_one(Shop, integration.shop_id, with_for_update=True)
        _check(values)
        offers = (shop.stock_buffer, shop.stock_cap)
        for name, value in values.items():
            holder = shop if name in OF_SHOP else integration
            note_change(actor, integration_id, name, getattr(holder, name), value)
            setattr(holder, name, value)
        if integration.receipts_due_at is not None:
            integration.receipts_due_at = receipts.next_due(utcnow(), shop.zone)
        if (shop.stock_buffer, shop.stock_cap) != offers:
            linked = select(Link.stock_item_id).join(Listing).where(Listing.shop_id == shop.id)
            ledger.mark_stale(session.scalars(linked))


def _check(values: Mapping[str, Any]) -> None:
    for name, (least, most) in NUMBERS.items():
        if name in values and not (isinstance(values[name], int) and least <= values[name] <= most):
            raise InvalidInput(
                f"{name.replace('_', ' ').capitalize()} has to be a whole number from {least} to {most:,}.", field=name
            )
    cap = values.get("stock_cap")
    if cap is not None and not (isinstance(cap, int) and 0 <= cap <= stock.MOST):
        raise InvalidInput(f"The cap has to be a whole number from 0 to {stock.MOST:,}, or nothing.", field="stock_cap")
    if values.get("zone", "UTC") not in available_timezones():
        raise InvalidInput("That is no time zone Cartlink knows.", "Choose one of the list.", field="zone")
    if "processed_status" in values and not values["processed_status"]:
        raise InvalidInput("Choose the status of processed orders.", field="processed_status")


def shop_of(integration_id: int) -> Shop:
    """Raises NotFound."""
    integration = db.session.get(Integration, integration_id)
    if integration is None or integration.removed_at is not None:
        raise NotFound("That integration has been removed.")
    return db.session.get_one(Shop, integration.shop_id)


def mail_untold() -> bool:
    """Whether nobody has been told yet, for some integration, that its shop mails its customers on a change of status."""
    untold = select(Integration.id).where(Integration.removed_at.is_(None), Integration.mail_told_at.is_(None)).limit(1)
    return db.session.scalar(untold) is not None


def note_mail_told(order_ids: Sequence[int]) -> None:
    """A person has been told, on the page they shipped from, that the shops mail their customers on a change of status."""
    with writing() as session:
        for start in range(0, len(order_ids), 500):
            shop_ids = select(Order.shop_id).where(Order.id.in_(order_ids[start : start + 500]))
            session.execute(
                update(Integration)
                .where(Integration.shop_id.in_(shop_ids), Integration.removed_at.is_(None), Integration.mail_told_at.is_(None))
                .values(mail_told_at=utcnow())
                .execution_options(synchronize_session=False)
            )
