"""The settings of a connected shop changed, and what follows from it: orders read again, listings read again, history fetched."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from errors import InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import Integration, Shop
from models.types import utcnow
from services import evaluation, integrations
from services.audit import note_change
from services.integrations import clean_name

OF_ORDERS = frozenset(
    {
        "use_tax", "use_shipping_tax", "surcharge_name", "with_options", "with_discounts", "with_tax_lines", "with_notes",
        "with_back_orders", "work_statuses",
    }
)  # fmt: skip
"""Settings that stored orders are read under."""
OF_LISTINGS = frozenset({"with_variants", "take_shop_stock"})
OTHERS = frozenset({"processed_status", "brake_percent", "brake_least", "orders_every", "stock_every", "listings_every"})
FLOWS = ("orders", "stock")


def change_settings(integration_id: int, changes: dict[str, Any], actor: str) -> bool:
    """Change settings, by the names of models.Integration's columns; answers whether stored orders have to be read again,
    which the caller enqueues. Raises NotFound, InvalidInput or NameTaken; nothing is changed then."""
    unknown = changes.keys() - OF_ORDERS - OF_LISTINGS - OTHERS - {"name", "orders_since"}
    if unknown:
        raise ValueError(f"not settings: {', '.join(sorted(unknown))}")
    try:
        with writing() as session:
            integration = _present(integration_id)
            changed = {name for name, value in changes.items() if getattr(integration, name) != value}
            for name in sorted(changed):
                note_change(actor, integration_id, name, getattr(integration, name), changes[name])
            if "name" in changed:
                _rename(integration, changes["name"])
            if "orders_since" in changed:
                _start_from(integration, changes["orders_since"])
            for name in changed - {"name", "orders_since"}:
                setattr(integration, name, changes[name])
            if changed & OF_LISTINGS:
                integration.listings_due_at = utcnow()
            again = bool(changed & OF_ORDERS)
            if again:
                integration.evaluate_due_at = utcnow()
            session.flush()
    except IntegrityError:
        raise NameTaken("There is an integration of that name already.", "Choose another name.") from None
    return again


def _rename(integration: Integration, name: str) -> None:
    name = clean_name(name)
    taken = db.session.scalar(
        integrations.present().where(Integration.name_key == name.casefold(), Integration.id != integration.id)
    )
    if taken is not None:
        raise NameTaken(f"There is an integration called {name!r} already.", "Choose another name.")
    integration.name, integration.name_key = name, name.casefold()


def _start_from(integration: Integration, since: datetime) -> None:
    """An earlier start has the orders before it fetched; a later one leaves what is stored as it is."""
    if since > utcnow():
        raise InvalidInput("The start date lies in the future.", "Choose today or an earlier day.", field="since")
    shop = db.session.get_one(Shop, integration.shop_id, with_for_update=True)
    if shop.orders_read_to is not None and (shop.orders_from is None or since < shop.orders_from):
        shop.reading_since, shop.reading_position, shop.reading_started_at = since, 0, None
        integration.orders_due_at = utcnow()
    integration.orders_since = since


def set_flow(integration_id: int, flow: str, on: bool, actor: str) -> None:
    """Switch the downloading of orders or the updating of stock on or off by itself; twice is the same as once."""
    if flow not in FLOWS:
        raise InvalidInput("There is no such switch.", "Load the page again.")
    with writing():
        integration = _present(integration_id)
        if getattr(integration, f"{flow}_on") != on:
            note_change(actor, integration_id, f"{flow}_on", not on, on)
            setattr(integration, f"{flow}_on", on)
            if on:
                setattr(integration, f"{flow}_due_at", utcnow())


def _present(integration_id: int) -> Integration:
    integration = db.session.get(Integration, integration_id, with_for_update=True)
    if integration is None or integration.removed_at is not None:
        raise NotFound("That integration has been removed.", "Go back to the list of integrations.")
    return integration


def evaluate_if_due(integration_id: int) -> None:
    """Read an integration's stored orders again where its settings have changed since the last time."""
    due = db.session.scalar(select(Integration.evaluate_due_at).where(Integration.id == integration_id))
    db.session.rollback()
    if due is None:
        return
    try:
        evaluation.evaluate_again(integration_id, "settings", mark=True)
    except NotFound:
        return
    with writing():
        integration = db.session.get_one(Integration, integration_id, with_for_update=True)
        if integration.evaluate_due_at == due:
            integration.evaluate_due_at = None


def due_evaluations() -> list[int]:
    """The integrations whose stored orders still have to be read again."""
    query = select(Integration.id).where(Integration.evaluate_due_at.is_not(None), Integration.removed_at.is_(None))
    ids = list(db.session.scalars(query))
    db.session.rollback()
    return ids
