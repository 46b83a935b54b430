"""What is wrong with integrations now, as the tables show it: the causes of incidents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import selectinload

from config import current_config
from errors import OWN_CODES
from extensions import db
from models import Flow, FlowKind, Integration, Order, Shop
from models.types import utcnow
from services.monitoring import order_causes
from services.notify.incident_texts import CAUSES
from services.stock import listing_states

UNPROBED = timedelta(minutes=15)
"""How much longer an outage may last before it counts although no probe was made."""
FLOWS = {
    FlowKind.ORDERS: "orders_failing", FlowKind.STOCK: "stock_failing", FlowKind.LISTINGS: "listings_failing",
    FlowKind.SHIPMENTS: "write_backs_failing", FlowKind.RECONCILIATION: "receipts_failing",
}  # fmt: skip
"""The cause of the incident if a flow fails although the shop answers."""


FLOWS_AT_ONCE = selectinload(Integration.flows)


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong now. ``ripe`` is false until it has lasted long enough to open an incident; an open incident stays open."""

    since: datetime
    facts: dict[str, Any] = field(default_factory=dict)
    ripe: bool = True


Key = tuple[int, str]


def find(now: datetime, only: int | None) -> dict[Key, Found]:
    """Everything that is wrong, ripe or not."""
    found: dict[Key, Found] = {}
    mine = (Integration.removed_at.is_(None), *(() if only is None else (Integration.id == only,)))
    trouble = (
        (Integration.health == "needs_reauthorising") | Integration.writes_refused | (Integration.waiting_run_id.is_not(None))
    )  # fmt: skip
    for integration in db.session.scalars(select(Integration).where(*mine, trouble).options(FLOWS_AT_ONCE)):
        _of_integration(integration, found, now)
    _of_flows(found, now, mine)
    _of_rows(found, now, mine)
    _of_shops(found, mine)
    return found


def _of_integration(integration: Integration, found: dict[Key, Found], now: datetime) -> None:
    since = integration.health_since or now
    if integration.health == "needs_reauthorising":
        found[integration.id, "key_rejected"] = Found(since, {"message": integration.health_message})
    elif integration.writes_refused and any(is_flow_on(integration, kind) for kind in (FlowKind.STOCK, FlowKind.SHIPMENTS)):
        found[integration.id, "read_only_key"] = Found(now, {})
    if integration.waiting_run_id is not None and is_flow_on(integration, FlowKind.STOCK):
        found[integration.id, "stock_waits"] = Found(now, {"run": integration.waiting_run_id})


def _of_flows(found: dict[Key, Found], now: datetime, mine: tuple[ColumnElement[bool], ...]) -> None:
    """The causes behind failing flows. A flow counts as the cause only if the shop has answered since."""
    minutes = current_config().outage_minutes
    outage, long_ago = now - timedelta(minutes=minutes), now - timedelta(minutes=4 * minutes)
    failing = select(Flow, Integration).join(Integration).where(Flow.failing_since.is_not(None), *mine).options(FLOWS_AT_ONCE)
    for flow, integration in db.session.execute(failing).all():
        since, facts = flow.failing_since or now, _facts(flow)
        if flow.kind == FlowKind.CONNECTION:
            probed = flow.probed_at is not None or since <= outage - UNPROBED
            paused = {"paused": True} if integration.paused_at is not None else {}
            found[integration.id, "outage"] = Found(since, facts | paused, probed and since <= outage)
        elif flow.enabled:
            answered_at = integration.flows[FlowKind.CONNECTION].succeeded_at
            own = flow.error_code in OWN_CODES or (answered_at is not None and answered_at > since)
            if flow.error_code == "workers_lost" and flow.kind == FlowKind.SHIPMENTS:
                facts |= order_causes.being_sent(integration.shop_id)
            found[integration.id, FLOWS[FlowKind(flow.kind)]] = Found(
                since, facts, flow.error_code == "workers_lost" or (since <= long_ago and own)
            )


def _facts(flow: Flow) -> dict[str, Any]:
    return {"code": flow.error_code, "message": flow.error, "advice": flow.advice, "failures": flow.failures}


def _of_shops(found: dict[Key, Found], mine: tuple[ColumnElement[bool], ...]) -> None:
    """Shops that use order ids again, until a person marks that as seen."""
    shops = select(Integration.id, Shop.set_back_at, Shop.id).join(Shop).where(Shop.set_back_at.is_not(None), *mine)
    for integration_id, since, shop_id in db.session.execute(shops).all():
        if since is None:
            continue
        count = db.session.scalar(
            select(func.count()).select_from(Order).where(Order.shop_id == shop_id, Order.superseded_at >= since)
        )
        found[integration_id, "shop_set_back"] = Found(since, {"count": count})
    many = select(Integration.id, Shop.many_gone).join(Shop).where(Shop.many_gone > 0, *mine)
    for integration_id, count in db.session.execute(many).all():
        found[integration_id, "orders_deleted"] = Found(utcnow(), {"count": count})


def _of_rows(found: dict[Key, Found], now: datetime, mine: tuple[ColumnElement[bool], ...]) -> None:
    """Write-backs the shop did not take, orders on hold, quantities that wait, and listings that a reading lacked."""
    long_ago = now - timedelta(minutes=current_config().outage_minutes)
    for integration_id, cause, since, facts, ripe in (
        *order_causes.troubles(now, long_ago, mine),
        *listing_states.troubles(long_ago, mine),
    ):
        found[integration_id, cause] = Found(since, facts, ripe)


def is_on(integration: Integration, cause: str) -> bool:
    """Whether the flow is enabled that this cause belongs to; true for a cause of the whole integration."""
    flow = CAUSES[cause].flow
    return flow is None or is_flow_on(integration, flow)


def is_flow_on(integration: Integration, kind: FlowKind) -> bool:
    return integration.flows[kind].enabled
