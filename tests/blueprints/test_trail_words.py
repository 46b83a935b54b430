"""The audit trail says fields and values as the pages do, not as they are stored."""

from __future__ import annotations

from extensions import writing
from services.security.audit import KINDS, About, record_change
from tests.blueprints.pages import element, words
from tests.support.signed_in import FreshClient

SAID = {
    "order_export.saved": (
        {"by": ("", "order"), "columns": ("", "number, integration"), "format": ("", "xlsx"), "orders": ("", "sort newest, state ready")},
        ("Rows: One row an order", "Columns: Number, Shop", "Format: Excel", "Orders: Newest first, Ready"),
    ),
    "order_export.delivery_changed": (
        {"method": ("email", "sftp"), "auth": ("none", "password"), "path": ("", "/in"), "interval_seconds": (None, 7200), "times": ("", "06:00, 18:00")},
        ("Sent by: Email → SFTP", "Sign-in: No sign-in → User name and password", "Folder: /in", "Sent every: 2 hours", "Sent at: 06:00, 18:00"),
    ),
    "user.changed": ({"role": ("manager", "viewer")}, ("Role: Manager → Viewer",)),
    "integration.changed": ({"orders_every": (300, 600), "with_back_orders": (True, False)}, ("5 minutes → 10 minutes", "Back orders: Yes → No")),
}  # fmt: skip


def test_the_trail_says_what_pages_say(client: FreshClient) -> None:
    with writing():
        for kind, (changes, _) in SAID.items():
            record_change(KINDS[kind], About(1, "something"), changes, "user:owner")
        record_change(KINDS["run.started"], About(7, "stock 7"), None, "user:owner")
    page = words(element(client.get("/activity/changes").text, "tbody").text)
    for _, said in SAID.values():
        for each in said:
            assert each in page
    assert "Stock update 7" in page and "stock 7" not in page
