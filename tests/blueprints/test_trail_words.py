"""The audit trail says fields and values as the pages do, not as they are stored."""

from __future__ import annotations

from extensions import writing
from services.security.audit import KINDS, About, record_change
from tests.blueprints.pages import element, words
from tests.support.rows import make_integration
from tests.support.signed_in import FreshClient

SAID = {
    "order_export.saved": (
        {"by": ("", "order"), "columns": ("", "number, integration"), "format": ("", "xlsx"), "orders": ("", "sort newest, state ready")},
        ("Rows: One row per order", "Columns: Number, Shop", "Format: Excel", "Orders: Newest first, Ready"),
    ),
    "order_export.delivery_changed": (
        {"method": ("email", "sftp"), "auth": ("none", "password"), "path": ("", "/in"), "interval_seconds": (None, 7200), "times": ("", "06:00, 18:00")},
        ("Sent by: Email → SFTP", "Sign-in: No sign-in → User name and password", "Folder: /in", "Sent every: 2 hours", "Sent at: 06:00, 18:00"),
    ),
    "stock_item.made_fed": ({"rule": ("sum", "first")}, ("If several suppliers offer it: Add their quantities → Take the first by priority",)),
    "listing.drift_settled": ({"kept": (None, "theirs quantity")}, ("Kept: The shop’s quantity",)),
    "listing.rename_settled": ({"goods": (None, "other")}, ("Item: Different item",)),
    "order.note_removed": ({"written_by": ("cli:ann", None)}, ("Written by: ann (command line)",)),
    "user.notifications_changed": ({"key": (["bell", "mail"], ["bell"])}, ("The shop rejects the API key, or the key is read-only: Bell, Email → Bell",)),
    "file_preset.changed": (
        {"columns": (None, {"sku": "Art. Nr", "quantity": "Lager", "name": ""}), "options": (None, {"words": {"ja": 3}, "pack": 6, "cap": None})},
        ("Columns: SKU: Art. Nr, Quantity: Lager", "Options: Pack size: 6, ja = 3"),
    ),
    "user.changed": ({"role": ("manager", "viewer")}, ("Role: Manager → Viewer",)),
    "integration.changed": ({"orders_every": (300, 600), "with_back_orders": (True, False)}, ("5 minutes → 10 minutes", "Back orders: Yes → No")),
}  # fmt: skip

STATUSES = [["payment", "2", "P", "Bezahlt"], ["shipping", "1", "N", "Neu"], ["shipping", "4", "S", "Versandt"]]


def test_statuses_and_causes_are_said_by_their_names(client: FreshClient) -> None:
    changes = {
        "generation": ("addon", "api"), "processed_status": ("N", "S"), "part_shipped_status": ("", "X"), "work_statuses": ([["P", "N"]], [["P", "*"], ["*", "S"]]),
    }  # fmt: skip
    named = make_integration(statuses=STATUSES).id
    with writing():
        record_change(KINDS["integration.changed"], About(named, "", named), changes, "user:owner")
        record_change(KINDS["order.hold_accepted"], About(1, "1001", named), {"accepted": (None, ["address"])}, "user:owner")
    page = words(element(client.get("/activity/changes").text, "tbody").text)
    assert "Processed order status: Neu → Versandt" in page and "Status of a partly shipped order: X" in page
    assert "Version of the shop: X-Cart 5.0 to 5.4 → X-Cart 5.5 and later" in page
    assert "Bezahlt × Neu → Bezahlt × Any shipping status, Any payment status × Versandt" in page
    assert "Problem accepted" in page and "Accepted as it is: There is no address" in page


def test_the_trail_says_what_pages_say(client: FreshClient) -> None:
    with writing():
        for kind, (changes, _) in SAID.items():
            record_change(KINDS[kind], About(1, "something"), changes, "user:owner")
        record_change(KINDS["run.started"], About(7, "stock 7"), None, "user:owner")
        record_change(KINDS["incident.muted"], About(7, "key_rejected"), None, "user:owner")
    page = words(element(client.get("/activity/changes").text, "tbody").text)
    for _, said in SAID.values():
        for each in said:
            assert each in page
    assert "Sync run started Stock update Sync run" in page and "stock 7" not in page and "Stock update 7" not in page
    assert "The shop rejects the API key" in page and "key_rejected" not in page
    for each in ('"7","Stock update"', "The shop rejects the API key", '"Kept","–","The shop’s quantity"'):
        assert each in client.get("/activity/changes.csv").text
