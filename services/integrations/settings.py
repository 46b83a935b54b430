"""Change the settings of a connected shop: the one place that knows their limits and what follows from a change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from errors import InvalidInput, NameTaken, NotFound
from extensions import db, reading, writing
from models import FlowKind, Integration, Link, Listing, Shop
from models.types import utcnow
from services.common import zones
from services.integrations.lifecycle import EARLIEST, TOO_EARLY, clean_name
from services.orders import evaluation
from services.reports import reconciliation
from services.security import audit
from services.security.audit import About, record_change
from services.shops import finding, kinds
from services.stock import items, ledger

OF_ORDERS = frozenset(
    {
        "use_tax", "use_shipping_tax", "surcharge_name", "with_options", "with_discounts", "with_tax_lines", "with_notes",
        "with_back_orders", "work_statuses",
    }
)  # fmt: skip
"""Settings that decide how stored orders are read: a change has them read again."""
OF_LISTINGS = frozenset({"with_variants", "take_shop_stock"})
OF_SHOP = frozenset({"stock_buffer", "stock_cap", "zone"})
"""Columns of models.Shop; all others are columns of models.Integration."""
CHANGED = audit.kind("integration.changed", "Settings changed")
STATUSES = ("processed_status", "part_shipped_status", "cancelled_status")
"""The status that an order gets in the shop when it is shipped, shipped in part, or cancelled here."""
LIMITS = {
    "safety_limit_percent": (1, 100), "safety_limit_least": (1, 1_000_000), "stock_buffer": (0, items.MOST), "stock_cap": (0, items.MOST),
    "orders_every": (60, 86400), "stock_every": (60, 86400),
}  # fmt: skip
"""The least and the greatest value, in seconds for what is repeated. ``stock_cap`` may be None: no cap."""
INTERVALS = {"orders_every": FlowKind.ORDERS, "stock_every": FlowKind.STOCK, "listings_every": FlowKind.LISTINGS}
"""Settings that are the interval of a flow, in seconds."""
SHIPMENTS_ON = "shipments_on"
"""The setting that is the switch of the flow of shipments."""
KNOWN = OF_ORDERS | OF_LISTINGS | OF_SHOP | LIMITS.keys() | INTERVALS.keys() | {*STATUSES, SHIPMENTS_ON, "name", "orders_since"}
SWITCHES = {
    FlowKind.ORDERS: ("orders_on", (FlowKind.ORDERS, FlowKind.RECONCILIATION)), FlowKind.STOCK: ("stock_on", (FlowKind.STOCK,)),
}  # fmt: skip
"""The flows that have a switch on the integration's page: the setting's name in the audit trail, and the flows it switches."""


def change_settings(integration_id: int, changes: Mapping[str, Any], actor: str) -> bool:
    """Change settings, by the names of columns (KNOWN). Returns whether stored orders have to be read again, which the caller
    enqueues. Raises NotFound, InvalidInput or NameTaken; nothing is changed then."""
    unknown = changes.keys() - KNOWN
    if unknown:
        raise ValueError(f"not settings: {', '.join(sorted(unknown))}")
    _check(changes)
    try:
        with writing() as session:
            integration = _present(integration_id)
            _check_statuses(integration, changes)
            shop = session.get_one(Shop, integration.shop_id, with_for_update=True)
            before = {name: value_of(integration, name) for name in sorted(changes)}
            changed = {name for name, value in before.items() if value != changes[name]}
            record_change(CHANGED, _about(integration), {name: (before[name], changes[name]) for name in sorted(changed)}, actor)
            for name in sorted(changed):
                _set(integration, shop, name, changes[name])
            _follow_up(integration, shop, changed)
            session.flush()
    except IntegrityError:
        raise NameTaken("There is an integration of that name already.", "Choose another name.") from None
    return bool(changed & OF_ORDERS)


def value_of(integration: Integration, name: str) -> Any:
    """The value of a setting (KNOWN)."""
    if name in INTERVALS:
        return integration.flows[INTERVALS[name]].interval_seconds
    if name == SHIPMENTS_ON:
        return integration.flows[FlowKind.SHIPMENTS].enabled
    return getattr(integration.shop if name in OF_SHOP else integration, name)


def _set(integration: Integration, shop: Shop, name: str, value: Any) -> None:
    if name == "name":
        _rename(integration, value)
    elif name == "orders_since":
        _start_from(integration, shop, value)
    elif name in INTERVALS:
        integration.flows[INTERVALS[name]].interval_seconds = value
    elif name == SHIPMENTS_ON:
        integration.flows[FlowKind.SHIPMENTS].enabled = value
    else:
        setattr(shop if name in OF_SHOP else integration, name, value)


def _check(changes: Mapping[str, Any]) -> None:
    """Raises InvalidInput for the first value that cannot be used."""
    for name, (least, most) in LIMITS.items():
        value = changes.get(name, least)
        if not (name == "stock_cap" and value is None) and not (isinstance(value, int) and least <= value <= most):
            raise InvalidInput(f"Enter a whole number from {least} to {most:,}.", field=name)
    if changes.get("zone", "UTC") not in zones.known_zones():
        raise InvalidInput("Cartlink does not know that time zone.", "Choose one from the list.", field="zone")
    if "processed_status" in changes and not changes["processed_status"]:
        raise InvalidInput("Choose the status of processed orders.", field="processed_status")


def _check_statuses(integration: Integration, changes: Mapping[str, Any]) -> None:
    """A status that is chosen is one of the shop, or was chosen before: the shop may have dropped it since. Raises InvalidInput."""
    known = kinds.statuses_of(integration)
    shipping = {status.code or status.external_id for status in known if status.kind == "shipping"}
    for name in STATUSES:
        value = changes.get(name, "")
        if value and value not in shipping and value != getattr(integration, name):
            raise InvalidInput("The shop has no such status.", field=name)
    codes = {kind: {"*", *(status.code for status in known if status.kind == kind)} for kind in ("payment", "shipping")}
    before = {tuple(pair) for pair in integration.work_statuses}
    for payment, shipped in changes.get("work_statuses", ()):
        if (payment, shipped) not in before and (payment not in codes["payment"] or shipped not in codes["shipping"]):
            raise InvalidInput(
                "The shop has no such status.", "Choose at least one combination of its statuses.", "work_statuses"
            )


def _follow_up(integration: Integration, shop: Shop, changed: set[str]) -> None:
    """Make due what depends on a changed setting."""
    now = utcnow()
    if changed & OF_LISTINGS:
        integration.flows[FlowKind.LISTINGS].due_at = now
    if changed & OF_ORDERS:
        integration.evaluate_due_at = now
    daily = integration.flows[FlowKind.RECONCILIATION]
    if "zone" in changed and daily.due_at is not None:
        daily.due_at = reconciliation.next_due(now, shop.zone)
    if changed & {"stock_buffer", "stock_cap"}:
        linked = select(Link.stock_item_id).join(Listing).where(Listing.shop_id == shop.id)
        ledger.request_push(db.session.scalars(linked))


def _rename(integration: Integration, name: str) -> None:
    name = clean_name(name)
    taken = db.session.scalar(finding.present().where(Integration.name_key == name.casefold(), Integration.id != integration.id))
    if taken is not None:
        raise NameTaken(f"There is an integration called {name!r} already.", "Choose another name.")
    integration.name, integration.name_key = name, name.casefold()


def _start_from(integration: Integration, shop: Shop, since: datetime) -> None:
    """Move the first day of orders. An earlier day makes the orders since then due; a later day keeps what is stored."""
    if since > utcnow():
        raise InvalidInput("The start date is in the future.", "Choose today or an earlier day.", field="orders_since")
    if since.year < EARLIEST:
        raise InvalidInput(TOO_EARLY, f"Choose a day from {EARLIEST} on.", field="orders_since")
    if shop.orders_read_to is not None and (shop.orders_from is None or since < shop.orders_from):
        shop.reading_since, shop.reading_position, shop.reading_started_at = since, 0, None
        integration.flows[FlowKind.ORDERS].due_at = utcnow()
    integration.orders_since = since


def set_flow(integration_id: int, kind: str, enabled: bool, actor: str) -> None:
    """Enable or disable a flow (SWITCHES). Raises NotFound, or InvalidInput for a flow without a switch."""
    if kind not in SWITCHES:
        raise InvalidInput("There is no such switch.", "Load the page again.")
    setting, kinds = SWITCHES[FlowKind(kind)]
    with writing():
        integration = _present(integration_id)
        if integration.flows[kind].enabled != enabled:
            record_change(CHANGED, _about(integration), {setting: (not enabled, enabled)}, actor)
            for each in kinds:
                integration.flows[each].enabled = enabled
            if enabled:
                integration.flows[kind].due_at = utcnow()


def _about(integration: Integration) -> About:
    return About(integration.id, integration_id=integration.id)


def _present(integration_id: int) -> Integration:
    integration = db.session.get(Integration, integration_id, with_for_update=True)
    if integration is None or integration.removed_at is not None:
        raise NotFound("That integration has been removed.", "Go back to the list of integrations.")
    return integration


def evaluate_if_due(integration_id: int) -> None:
    """Read an integration's stored orders again if its settings have changed since the last time."""
    with reading():
        due = db.session.scalar(select(Integration.evaluate_due_at).where(Integration.id == integration_id))
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
    with reading():
        return list(db.session.scalars(query))
