"""The resources of the API, one file each."""

from api.resources import (
    event_endpoints,
    events,
    incidents,
    integration_settings,
    integrations,
    links,
    listings,
    orders,
    reconciliations,
    reports,
    runs,
    shipments,
    stock_items,
    token,
    undo,
    write_backs,
)

__all__ = [
    "event_endpoints",
    "events",
    "incidents",
    "integration_settings",
    "integrations",
    "links",
    "listings",
    "orders",
    "reconciliations",
    "reports",
    "runs",
    "shipments",
    "stock_items",
    "token",
    "undo",
    "write_backs",
]
