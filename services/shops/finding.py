"""Integrations that are connected now: found by id or name, and listed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ScalarSelect, Select, func, select

from errors import IntegrationRemoved, NotFound
from extensions import db
from models import Integration


def present() -> Select[Integration]:
    """The select of integrations that are not removed."""
    return select(Integration).where(Integration.removed_at.is_(None))


def list_integrations() -> list[Integration]:
    return list(db.session.scalars(present().order_by(Integration.name_key)))


def get_integration(integration_id: int) -> Integration:
    """Raises NotFound for one that never was, and IntegrationRemoved for one that is removed."""
    integration = db.session.get(Integration, integration_id)
    if integration is None:
        raise NotFound("There is no such integration.", "Go back to the list of integrations.")
    if integration.removed_at is not None:
        raise IntegrationRemoved(integration_id)
    return integration


def find_integration(name: str) -> Integration:
    """By name, without regard to case. Raises NotFound."""
    integration = db.session.scalar(present().where(Integration.name_key == " ".join(name.split()).casefold()))
    if integration is None:
        raise NotFound(f"There is no integration called {name!r}.", "`flask integrations list` shows their names.")
    return integration


def newest_of_shop(shop_id: int) -> Integration | None:
    """The integration that connects a shop now, or else the last one that did."""
    query = select(Integration).where(Integration.shop_id == shop_id)
    return db.session.scalar(query.order_by(Integration.removed_at.is_not(None), Integration.id.desc()).limit(1))


def marked_name(name: str, removed: object) -> str:
    """The name of an integration, with a mark behind it if it was removed."""
    return f"{name} (removed)" if removed else name


def newest_id_of(row: Any) -> ScalarSelect[int | None]:
    """In SQL: the id of the newest integration of the shop of ``row``, an order or listing; it may be removed."""
    newest = select(func.max(Integration.id)).where(Integration.shop_id == row.shop_id)
    return newest.correlate(row).scalar_subquery()
