"""Where the page of an object is that the audit trail names. The blueprint of a new kind of object adds its page with ``add``."""

from __future__ import annotations

from typing import Any

from flask import url_for

from blueprints.access import may

_pages: dict[str, tuple[str, str]] = {}
"""Endpoint and the name of its argument, by the object of services/security/audit.py: Kind."""


def add(object: str, endpoint: str, argument: str) -> None:
    """Register the page of a kind of object."""
    _pages[object] = endpoint, argument


def place_of(object: str, object_id: int | None) -> str:
    """The address of an object's page; empty where there is none, or the reader may not open it."""
    endpoint, argument = _pages.get(object, ("", ""))
    if not endpoint or object_id is None or not may(endpoint):
        return ""
    values: dict[str, Any] = {argument: object_id}
    return url_for(endpoint, **values)


for _object, _endpoint, _argument in (
    ("order", "order.show_order", "order_id"), ("stock_item", "stock.show_item", "item_id"),
    ("listing", "listings.show_listing", "listing_id"), ("integration", "integration.show_integration", "integration_id"),
    ("run", "run.show_run", "run_id"), ("user", "users.edit_user", "user_id"),
    ("event_endpoint", "event_endpoints.show_endpoint", "endpoint_id"), ("incident", "incidents.show_incident", "incident_id"),
    ("supplier", "suppliers.show_supplier", "supplier_id"), ("feed", "feeds.show_feed", "feed_id"), ("feed_run", "feed_run.show_run", "run_id"),
    ("order_export", "export_deliveries.show_deliveries", "export_id"),
    ("stock_file", "stock_files.show_file", "file_id"), ("shipment_file", "shipment_files.show_file", "file_id"),
):  # fmt: skip
    add(_object, _endpoint, _argument)
