"""The areas of the pages, as the main menu shows them, and the section of the user guide that each is described in."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, request, url_for

from blueprints.access import may


@dataclass(frozen=True, slots=True)
class Area:
    """``prefix`` is what the addresses of its pages begin with, ``section`` the id of a heading of the user guide."""

    label: str
    endpoint: str
    prefix: str
    section: str


AREAS = (
    Area("Today", "today.show_today", "/today", "begin-the-day-with-today"),
    Area("Orders", "orders.list_orders", "/orders", "work-on-orders"),
    Area("Stock", "stock.list_stock", "/stock", "work-on-stock-and-listings"),
    Area("Listings", "listings.list_listings", "/listings", "work-on-stock-and-listings"),
    Area("Suppliers", "suppliers.list_suppliers", "/suppliers", "take-stock-from-suppliers"),
    Area("Reports", "reports.show_sales", "/reports", "read-the-reports"),
    Area("Activity", "runs.list_runs", "/activity", "see-how-your-shops-are-doing"),
    Area("Users", "users.list_users", "/users", "add-users"),
    Area("Settings", "settings.show_settings", "/settings", "change-a-connection"),
)
MORE_SECTIONS = {
    "/settings/sales-channels/add": "connect-a-shop", "/settings/sales-channels": "see-how-your-shops-are-doing", "/settings/tokens": "connect-other-programs",
    "/settings/events": "connect-other-programs", "/incidents": "when-something-goes-wrong", "/notifications": "notifications",
    "/account": "notifications", "/activity/changes": "see-who-changed-what",
}  # fmt: skip
"""Pages that the guide describes in another section than their area; the longest beginning of an address counts."""


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(areas=areas, current_area=current_area, help_address=help_address)


def areas() -> list[Area]:
    """Those that the user may open."""
    return [area for area in AREAS if may(area.endpoint)]


def current_area() -> Area | None:
    """The area of the page that is asked for."""
    return next((area for area in AREAS if request.path.startswith(area.prefix)), None)


def help_address() -> str:
    """Where the user guide describes this page."""
    area = current_area()
    prefixes = [prefix for prefix in MORE_SECTIONS if request.path.startswith(prefix)]
    section = MORE_SECTIONS[max(prefixes, key=len)] if prefixes else area.section if area is not None else None
    return url_for("guide.show_guide", _anchor=section)
