"""The search over everything: orders, stock items, listings, integrations, and the pages themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, render_template, request, url_for

from blueprints.access import may
from blueprints.actors import may_see_customers
from blueprints.areas import areas
from blueprints.labels import STATES, plural
from services.common.paging import Page
from services.listings import views as listings
from services.orders import views as orders
from services.shops import finding
from services.stock import views as stock

bp = Blueprint("search", __name__)
SHOWN = 8
"""Rows of each kind; the others are a click away. Stock items and listings are found by the beginnings of their SKUs and names here, so that an
index finds them, and by any part in their lists."""
MOST_FOUND = 201
"""Orders that are found here, the newest: the list of orders finds more."""
PAGES = {
    "Orders on hold": "held.show_held", "Find an order in the shops": "lookup.show_lookup", "Import tracking numbers": "shipment_files.show_upload",
    "Add stock item": "stock.show_add", "Import stock": "stock_files.show_upload", "Match listings by SKU": "listings.show_match",
    "Stock changed in the shops": "drift.show_drift", "Sales by SKU": "reports.show_skus", "Daily reconciliation": "reports.show_reconciliation",
    "Incidents": "incidents.list_incidents", "Audit trail": "audit.show_changes", "Notifications": "notifications.list_notifications",
    "Notification settings": "preferences.change_preferences", "Your account": "account.show_account", "API tokens": "tokens.list_tokens",
    "Sales channel integration": "integrations.list_integrations", "Add sales channel": "onboarding.show_catalogue",
    "Low-stock threshold": "stock.set_default_threshold", "Export orders": "exports.show_export", "Carriers": "carriers.list_carriers",
    "File presets": "file_presets.list_presets", "Printed documents": "seller.change_seller", "Mail server": "notification_settings.show_settings",
    "Event endpoints": "event_endpoints.list_endpoints", "Privacy": "privacy.show_privacy", "User guide": "guide.show_guide",
}  # fmt: skip
"""Pages beside those of the main menu."""
OTHER_WORDS = {
    "Notification settings": "email", "Mail server": "email smtp", "Your account": "password two-step sign-in time zone sessions",
    "Audit trail": "history log", "Low-stock threshold": "low stock", "Export orders": "csv excel scheduled exports",
    "Import stock": "csv excel upload", "Import tracking numbers": "csv excel upload shipments", "Event endpoints": "webhooks",
    "Printed documents": "packing slip pick list logo", "User guide": "help manual", "Incidents": "problems errors",
}  # fmt: skip
"""What else people call these pages."""


@dataclass(frozen=True, slots=True)
class Hit:
    address: str
    name: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Hits of one kind. ``more`` is where all of them are, with the words of that link; empty where all are shown. ``goods`` are stock items or
    listings, whose lists find more than beginnings."""

    label: str
    hits: list[Hit]
    more: tuple[str, str] = ("", "")
    goods: bool = False


@bp.get("/search")
def show_search() -> str:
    text = request.args.get("search", "").strip()[:200]
    groups = [group for group in _groups(text) if group.hits] if text else []
    goods = any(group.goods for group in groups)
    return render_template("search.html", text=text, groups=groups, goods=goods)


def _groups(text: str) -> Iterator[Group]:
    wanted = orders.Wanted(search=text, customers=may_see_customers(), most_found=MOST_FOUND)
    page = orders.list_page(wanted, size=SHOWN)
    hits = [
        Hit(
            url_for("order.show_order", order_id=row.id),
            row.number,
            _about(
                row.integration,
                row.customer,
                STATES[row.state][0],
                *(f"{name}: {value}" for name, value in row.matched if value != row.customer),
            ),
        )  # fmt: skip
        for row in page.rows
    ]
    yield Group("Orders", hits, _more(text, page))
    items = stock.quick_search(text, SHOWN)
    hits = [Hit(url_for("stock.show_item", item_id=item_id), sku, name) for item_id, sku, name in items]
    yield Group("Stock items", hits, (url_for("stock.list_stock", q=text), "Search all stock items"), goods=True)
    found = listings.quick_search(text, SHOWN)
    hits = [
        Hit(url_for("listings.show_listing", listing_id=listing_id), sku, _about(shop, name))
        for listing_id, sku, name, shop in found
    ]
    yield Group("Listings", hits, (url_for("listings.list_listings", q=text), "Search all listings"), goods=True)
    key = text.casefold()
    shops = [each for each in finding.list_integrations() if key in each.name_key or key in each.endpoint.casefold()]
    yield Group(
        "Integrations",
        [
            Hit(url_for("integration.show_integration", integration_id=each.id), each.name, each.endpoint)
            for each in shops[:SHOWN]
        ],
    )
    pages = {**{area.label: area.endpoint for area in areas()}, **PAGES}
    named = [
        (label, endpoint)
        for label, endpoint in pages.items()
        if key in f"{label} {OTHER_WORDS.get(label, '')}".casefold() and may(endpoint)
    ]
    yield Group("Pages", [Hit(url_for(endpoint), label) for label, endpoint in named])


def _about(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _more(text: str, page: Page[orders.Row]) -> tuple[str, str]:
    """The link to the list of all orders that were found."""
    if page.total <= SHOWN:
        return "", ""
    return url_for("orders.list_orders", q=text), f"Show {'more than ' if page.more else 'all '}{plural(page.total, 'order')}"
