"""What people do on pages, programs do through the API: each form's address has its operation, or a reason why a program has none."""

from __future__ import annotations

from flask import Flask

from api.operations import OPERATIONS

ACCESS = "users, sign-in and tokens are for people"
PERSONAL = "what one user sees or gets by email"
WIZARD = "the steps of the wizard; a program does the same with one request"
FILES = "files that people make and map by hand; programs send rows"
OFFICE = "how this installation looks on paper and in files"

BY_OPERATION: dict[str, tuple[str, ...]] = {
    "batches.undo_batch": ("undo_shipment",), "sheet.ship_sheet": ("create_shipments",), "shipping.ship_order": ("create_shipment",),
    "shipping.add_parcel": ("create_shipment",), "shipping.count_shipped": ("accept_order",),
    "shipment.edit_tracking": ("change_tracking",), "shipment.undo_shipment": ("undo_shipment",), "shipment.void_shipment": ("void_shipment",),
    "drift.settle": ("settle_drift",), "losses.approve": ("approve_missing_listings",),
    "incidents.approve_deletions": ("approve_deleted_orders",), "incidents.mark_set_back_seen": ("mark_set_back_seen",),
    "stock_preview.approve": ("approve_stock_preview",), "stock_files.accept": ("approve_stock_import",),
    "stock_files.drop": ("discard_stock_import",), "stock_files.upload": ("create_stock_import",), "stock_files.undo_file": ("undo_stock_import",),
    "listings.settle_rename": ("settle_rename",), "order.keep": ("settle_identity",), "order.replace": ("settle_identity",),
    "order.cancel": ("cancel_order",), "order.evaluate": ("evaluate_order",), "order.mark_entered": ("mark_order_entered",),
    "order.mark_seen": ("mark_order_seen",), "order.read_again": ("read_order_again",), "order.send_again": ("send_order_again",),
    "orders.act_on_selected": ("cancel_order", "evaluate_order", "mark_order_seen", "read_order_again"),
    "held.accept": ("accept_order",), "held.evaluate": ("evaluate_order",), "held.read_again": ("read_order_again",), "held.read_listings": ("start_run",),
    "held.add_stock_item": ("create_stock_item",), "held.link_sku": ("create_links",),
    "listings.act_on_selected": ("change_listing", "create_links"), "listings.link_listing": ("create_links", "remove_link"),
    "listings.add_stock_item": ("create_stock_item", "create_links"),
    "listings.link_matched": ("create_links",),
    "carriers.add_carrier": ("create_carrier",), "carriers.edit_carrier": ("change_carrier",), "carriers.remove_carrier": ("remove_carrier",),
    "file_presets.import_preset": ("create_file_preset",), "file_presets.remove_preset": ("remove_file_preset",),
    "file_presets.rename_preset": ("change_file_preset",),
    "suppliers.add_supplier": ("create_supplier",), "suppliers.edit_supplier": ("change_supplier",), "suppliers.remove_supplier": ("remove_supplier",),
    "feeds.set_enabled": ("change_feed",), "feeds.edit_rules": ("change_feed",), "feeds.fetch_now": ("fetch_feed",), "feeds.remove_feed": ("remove_feed",),
    "feed_run.approve": ("approve_feed_run",), "feed_run.drop": ("drop_feed_run",), "feed_run.undo": ("undo_feed_run",),
    "feed_items.switch": ("set_fed",), "feed_items.set_rule": ("set_fed",),
    "unknown_codes.link_code": ("link_offer",), "unknown_codes.act_on_selected": ("link_offer", "create_item_of_offer", "ignore_offer"), "feed_setup.begin": ("create_feed",),
    "feed_setup.confirm_key": ("confirm_host_key",), "feed_setup.begin_change": ("change_feed",),
    "export_deliveries.send_now": ("deliver_order_export",), "export_deliveries.send_again": ("send_export_delivery_again",),
    "export_deliveries.drop_delivery": ("drop_export_delivery",),
    "notes.add_note": ("add_note",), "notes.change_tags": ("change_tags",), "tagging.tag_orders": ("change_tags",),
    "event_endpoints.create_endpoint": ("create_event_endpoint",), "event_endpoints.remove_endpoint": ("remove_event_endpoint",),
    "event_endpoints.replay_events": ("replay_events",), "event_endpoints.resume_endpoint": ("resume_event_endpoint",),
    "event_endpoints.retry_delivery": ("retry_delivery",), "event_endpoints.rotate_secret": ("rotate_event_endpoint_secret",),
    "event_endpoints.send_test": ("test_event_endpoint",), "event_endpoints.show_endpoint": ("change_event_endpoint",),
    "integration.set_flow": ("change_settings",), "integration.sync_now": ("start_run",), "integration_settings.edit_settings": ("change_settings",),
    "integrations.set_enabled": ("enable_integration", "disable_integration"), "removal.remove_integration": ("remove_integration",),
    "removal.release_stock": ("release_kept_stock",),
    "reports.reconcile": ("start_run",), "run.retry": ("start_run",), "run.undo_run": ("undo_stock_update",), "runs.request_stop": ("stop_run",),
    "stock.add_stock_item": ("create_stock_item",), "stock.change_item": ("change_stock_item", "adjust_stock_item"),
    "stock.set_threshold": ("change_stock_item",), "onboarding.ask_shop": ("create_integration",),
}  # fmt: skip
"""The operations of each form, by its route."""
FOR_PEOPLE: dict[str, str] = {
    "seller.change_seller": OFFICE,
    **dict.fromkeys(("exports.download_export", "exports.press_enter", "exports.remove_export", "exports.save_export"), FILES),
    **dict.fromkeys(("shipment_files.accept", "shipment_files.assign_columns", "shipment_files.undo_file", "shipment_files.upload"), FILES),
    "stock_files.assign_columns": FILES,
    **dict.fromkeys(("export_deliveries.confirm_key", "export_deliveries.edit_target", "export_deliveries.remove_target"), FILES),
    "incidents.mute": PERSONAL, "integration_settings.show_import_preview": WIZARD, "notes.remove_note": "who has written a note removes it",
    "stock.set_default_threshold": OFFICE,
    **dict.fromkeys(("lookup.bring_in", "lookup.count_older", "lookup.fetch_older", "lookup.find_order"), "questions to a shop about the past"),
    **dict.fromkeys(("privacy.erase_order", "privacy.show_privacy"), "erasing cannot be taken back: a person confirms it"),
}  # fmt: skip
"""Why a program has no operation for a form, by its route."""
AREAS_FOR_PEOPLE = {
    "account": ACCESS, "accounts": ACCESS, "users": ACCESS, "tokens": ACCESS, "list_views": PERSONAL, "notifications": PERSONAL,
    "preferences": PERSONAL, "onboarding": WIZARD, "reauthorise": WIZARD, "feed_setup": WIZARD,
}  # fmt: skip
"""The same for all forms of a blueprint but those that have an operation."""


def test_every_form_has_its_operation_or_a_reason(app: Flask):
    forms = {
        rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ()) and not rule.rule.startswith("/api/")
    }
    known = {*BY_OPERATION, *FOR_PEOPLE}
    assert not {form for form in forms - known if form.partition(".")[0] not in AREAS_FOR_PEOPLE}
    assert known <= forms
    assert not {name for names in BY_OPERATION.values() for name in names} - OPERATIONS.keys()
