"""Who may use which route: every endpoint is listed here with the lowest role it needs. An endpoint that is not listed is closed.

``anyone`` needs no sign-in, ``signed_in`` any user; ``viewer``, ``manager`` and ``owner`` are the roles of models.user, each with
all the rights of the one before.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, flash, make_response, redirect, url_for
from htmx_flask import request
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_person, may_see_customers
from blueprints.htmx import go_to, is_ours
from blueprints.page_requests import for_pages
from extensions import act_as, login
from services.accounts import sign_ins
from services.accounts.sign_ins import Person

log = logging.getLogger("cartlink.security")

ANYONE, SIGNED_IN, VIEWER, MANAGER, OWNER = "anyone", "signed_in", "viewer", "manager", "owner"

ROLES = {
    "static": ANYONE,
    "assets.show_asset": ANYONE,
    "machines.show_health": ANYONE,
    "machines.show_readiness": ANYONE,
    "machines.show_metrics": ANYONE,
    "accounts.first_run": ANYONE,
    "accounts.sign_in": ANYONE,
    "accounts.second_step": ANYONE,
    "accounts.set_password": ANYONE,
    "accounts.sign_out": SIGNED_IN,
    "account.show_account": SIGNED_IN,
    "account.set_zone": SIGNED_IN,
    "account.change_password": SIGNED_IN,
    "account.change_two_step": SIGNED_IN,
    "account.begin_two_step": SIGNED_IN,
    "account.end_session": SIGNED_IN,
    "account.end_all_sessions": SIGNED_IN,
    "users.list_users": OWNER,
    "users.create_user": OWNER,
    "users.edit_user": OWNER,
    "users.disable_user": OWNER,
    "users.enable_user": OWNER,
    "users.sign_out_user": OWNER,
    "users.issue_link": OWNER,
    "tokens.list_tokens": SIGNED_IN,
    "tokens.create_token": SIGNED_IN,
    "tokens.rotate_token": SIGNED_IN,
    "tokens.revoke_token": SIGNED_IN,
    "list_views.choose_columns": SIGNED_IN,
    "list_views.remove_view": SIGNED_IN,
    "list_views.save_view": SIGNED_IN,
    "api_reference.list_resources": SIGNED_IN,
    "api_reference.show_resource": SIGNED_IN,
    "privacy.show_privacy": OWNER,
    "privacy.export_order": OWNER,
    "privacy.erase_order": OWNER,
    "search.show_search": VIEWER,
    "guide.show_guide": SIGNED_IN,
    "guide.show_picture": SIGNED_IN,
    "settings.open_front_door": VIEWER,
    "today.show_today": VIEWER,
    "settings.show_settings": VIEWER,
    "integrations.list_integrations": VIEWER,
    "integrations.show_row": VIEWER,
    "integrations.set_enabled": MANAGER,
    "integration.show_integration": VIEWER,
    "integration.sync_now": MANAGER,
    "integration.set_flow": MANAGER,
    "integration_settings.edit_settings": MANAGER,
    "integration_settings.show_import_preview": MANAGER,
    "stock_preview.show_preview": VIEWER,
    "stock_preview.download_preview": VIEWER,
    "stock_preview.approve": MANAGER,
    "losses.show_loss": VIEWER,
    "losses.approve": MANAGER,
    "onboarding.show_catalogue": OWNER,
    "onboarding.begin": OWNER,
    "onboarding.ask_name": OWNER,
    "onboarding.ask_shop": OWNER,
    "onboarding.show_address": OWNER,
    "onboarding.watch_check": OWNER,
    "onboarding.ask_options": OWNER,
    "onboarding.show_import_preview": OWNER,
    "onboarding.cancel": OWNER,
    "reauthorise.reauthorise": OWNER,
    "reauthorise.show_address": OWNER,
    "reauthorise.watch_check": OWNER,
    "reauthorise.cancel": OWNER,
    "removal.confirm_removal": OWNER,
    "removal.remove_integration": OWNER,
    "removal.release_stock": OWNER,
    "runs.download_runs": VIEWER,
    "runs.list_runs": VIEWER,
    "runs.request_stop": MANAGER,
    "drift.download_drift": VIEWER,
    "drift.settle": MANAGER,
    "drift.show_drift": VIEWER,
    "held.accept": MANAGER,
    "held.add_stock_item": MANAGER,
    "held.evaluate": MANAGER,
    "held.link_sku": MANAGER,
    "held.read_again": MANAGER,
    "held.read_listings": MANAGER,
    "held.show_held": VIEWER,
    "listings.act_on_selected": MANAGER,
    "listings.add_stock_item": MANAGER,
    "listings.download_listings": VIEWER,
    "listings.link_listing": MANAGER,
    "listings.link_matched": MANAGER,
    "listings.list_listings": VIEWER,
    "listings.show_listing": VIEWER,
    "listings.settle_rename": MANAGER,
    "listings.show_match": VIEWER,
    "lookup.bring_in": MANAGER,
    "lookup.count_older": MANAGER,
    "lookup.fetch_older": MANAGER,
    "lookup.find_order": VIEWER,
    "lookup.show_answer": VIEWER,
    "lookup.show_lookup": VIEWER,
    "exports.show_export": VIEWER,
    "exports.download_export": VIEWER,
    "exports.press_enter": VIEWER,
    "exports.save_export": MANAGER,
    "exports.remove_export": MANAGER,
    "export_deliveries.show_deliveries": VIEWER,
    "export_deliveries.edit_target": OWNER,
    "export_deliveries.send_now": MANAGER,
    "export_deliveries.confirm_key": OWNER,
    "export_deliveries.remove_target": OWNER,
    "export_deliveries.show_delivery": VIEWER,
    "export_deliveries.download_delivery": VIEWER,
    "export_deliveries.send_again": MANAGER,
    "export_deliveries.drop_delivery": MANAGER,
    "notes.add_note": MANAGER,
    "notes.remove_note": MANAGER,
    "notes.change_tags": MANAGER,
    "tagging.tag_orders": MANAGER,
    "order.mark_seen": MANAGER,
    "order.cancel": MANAGER,
    "order.evaluate": MANAGER,
    "order.keep": MANAGER,
    "order.mark_entered": MANAGER,
    "order.print_order": VIEWER,
    "order.print_slip": VIEWER,
    "order.read_again": MANAGER,
    "order.replace": MANAGER,
    "order.show_order": VIEWER,
    "order.show_raw": VIEWER,
    "order.send_again": MANAGER,
    "printing.show_document": VIEWER,
    "seller.change_seller": OWNER,
    "seller.show_logo": VIEWER,
    "orders.act_on_selected": MANAGER,
    "orders.download_orders": VIEWER,
    "orders.list_orders": VIEWER,
    "reports.download_reconciliation": VIEWER,
    "reports.download_sales": VIEWER,
    "reports.download_skus": VIEWER,
    "reports.show_reconciliation": VIEWER,
    "reports.show_sales": VIEWER,
    "reports.show_skus": VIEWER,
    "reports.reconcile": MANAGER,
    "incidents.list_incidents": VIEWER,
    "incidents.show_incident": VIEWER,
    "incidents.mark_set_back_seen": MANAGER,
    "incidents.approve_deletions": MANAGER,
    "incidents.mute": MANAGER,
    "notifications.list_notifications": SIGNED_IN,
    "notifications.show_bell": SIGNED_IN,
    "notifications.read_notification": SIGNED_IN,
    "notifications.read_all": SIGNED_IN,
    "preferences.change_preferences": SIGNED_IN,
    "event_endpoints.list_endpoints": OWNER,
    "event_endpoints.create_endpoint": OWNER,
    "event_endpoints.show_endpoint": OWNER,
    "event_endpoints.rotate_secret": OWNER,
    "event_endpoints.send_test": OWNER,
    "event_endpoints.resume_endpoint": OWNER,
    "event_endpoints.replay_events": OWNER,
    "event_endpoints.retry_delivery": OWNER,
    "event_endpoints.remove_endpoint": OWNER,
    "notification_settings.show_settings": OWNER,
    "audit.download_changes": VIEWER,
    "run.download_rows": VIEWER,
    "run.retry": MANAGER,
    "audit.show_changes": VIEWER,
    "run.show_run": VIEWER,
    "run.undo_run": MANAGER,
    "run.confirm_undo": MANAGER,
    "shipment_files.download_problems": MANAGER,
    "shipment_files.accept": MANAGER,
    "shipment_files.assign_columns": MANAGER,
    "file_presets.list_presets": VIEWER,
    "file_presets.rename_preset": MANAGER,
    "file_presets.remove_preset": MANAGER,
    "file_presets.export_preset": VIEWER,
    "file_presets.import_preset": MANAGER,
    "shipping.add_parcel": MANAGER,
    "shipping.count_shipped": MANAGER,
    "shipping.ship_order": MANAGER,
    "carriers.list_carriers": VIEWER,
    "carriers.add_carrier": MANAGER,
    "carriers.edit_carrier": MANAGER,
    "carriers.remove_carrier": MANAGER,
    "sheet.show_sheet": MANAGER,
    "sheet.ship_sheet": MANAGER,
    "batches.show_batch": MANAGER,
    "batches.undo_batch": MANAGER,
    "shipment.show_shipment": MANAGER,
    "shipment.undo_shipment": MANAGER,
    "shipment.void_shipment": MANAGER,
    "shipment.edit_tracking": MANAGER,
    "shipment_files.undo_file": MANAGER,
    "shipment_files.show_file": MANAGER,
    "shipment_files.show_upload": MANAGER,
    "shipment_files.upload": MANAGER,
    "suppliers.list_suppliers": VIEWER,
    "suppliers.show_supplier": VIEWER,
    "suppliers.add_supplier": OWNER,
    "suppliers.edit_supplier": MANAGER,
    "suppliers.remove_supplier": OWNER,
    "feed_setup.begin": OWNER,
    "feed_setup.begin_change": OWNER,
    "feed_setup.ask_file": OWNER,
    "feed_setup.watch_check": OWNER,
    "feed_setup.confirm_key": OWNER,
    "feed_setup.ask_columns": OWNER,
    "feed_setup.ask_rules": OWNER,
    "feed_setup.cancel": OWNER,
    "feeds.show_feed": VIEWER,
    "feeds.show_row": VIEWER,
    "feeds.set_enabled": MANAGER,
    "feeds.fetch_now": MANAGER,
    "feeds.edit_rules": MANAGER,
    "feeds.remove_feed": OWNER,
    "feed_run.show_run": VIEWER,
    "feed_run.download_rows": VIEWER,
    "feed_run.approve": MANAGER,
    "feed_run.drop": MANAGER,
    "feed_run.confirm_undo": MANAGER,
    "feed_run.undo": MANAGER,
    "unknown_codes.list_codes": VIEWER,
    "unknown_codes.act_on_selected": MANAGER,
    "unknown_codes.link_code": MANAGER,
    "feed_items.switch": MANAGER,
    "feed_items.set_rule": MANAGER,
    "stock.add_stock_item": MANAGER,
    "stock.change_item": MANAGER,
    "stock.set_threshold": MANAGER,
    "stock.set_default_threshold": MANAGER,
    "stock.download_ledger": VIEWER,
    "stock.download_stock": VIEWER,
    "stock.list_stock": VIEWER,
    "stock.show_add": MANAGER,
    "stock.show_item": VIEWER,
    "stock_files.accept": MANAGER,
    "stock_files.assign_columns": MANAGER,
    "stock_files.download_rows": VIEWER,
    "stock_files.download_wrong_rows": VIEWER,
    "stock_files.drop": MANAGER,
    "stock_files.show_file": VIEWER,
    "stock_files.show_upload": MANAGER,
    "stock_files.undo_file": MANAGER,
    "stock_files.upload": MANAGER,
}
CUSTOMERS = {"order.show_raw"}
"""The data of an order from the shop is all about its customer: a viewer needs permission to see it. All other
pages are open to viewers, but without personal data (services/orders/redaction.py)."""
FILES = {"static", "assets.show_asset", "machines.show_health", "machines.show_readiness", "machines.show_metrics"}
"""Neither sign-in nor rate limit applies to these. The route of the metrics checks access by itself (blueprints/operations)."""
TO_GET_IT = {"account.change_two_step", "account.begin_two_step", "accounts.sign_out"}
"""What a user who still has to set up two-step sign-in may open."""
STRANGERS_MAY_SEND = 64 * 1024
"""Bytes in a request without a sign-in; a name and a password need no more."""
POLLING = "X-Poll"
"""The header of requests that a page makes by itself. They do not keep a session alive."""
OUT = "You were signed out, so nothing was changed. Sign in and try again."


def init_app(app: Flask) -> None:
    login.session_protection = None
    login.user_loader(sign_ins.find_person)
    login.init_app(app)
    app.before_request(for_pages(check_access))
    app.jinja_env.globals.update(person=current_person, may=may, may_send=may_send, may_see_customers=may_see_customers)


def check_access() -> Response | AnyResponse | None:
    """Answer a request that its user may not make; None for all others."""
    if request.endpoint is None or request.endpoint in FILES:
        return None
    person = current_person()
    if person is None:
        request.max_content_length = STRANGERS_MAY_SEND
    needed = ROLES.get(request.endpoint, OWNER)
    if needed == ANYONE:
        return None
    if person is None:
        return ask_to_sign_in()
    act_as(f"user:{person.name}", "page")
    if POLLING not in request.headers:
        sign_ins.note_use(person)
    if needed != SIGNED_IN and not person.may(needed):
        log.warning("user %d, a %s, was refused %s %s", person.id, person.role, request.method, request.endpoint)
        abort(403)
    if request.endpoint in CUSTOMERS and not person.may_see_customers:
        abort(403)
    if lacks_second_step(person) and request.endpoint not in TO_GET_IT:
        flash("Two-step sign-in is required here. Set it up to continue.", "info")
        return go_to(url_for("account.change_two_step"))
    return None


def lacks_second_step(person: Person) -> bool:
    """Whether the operator requires two-step sign-in for this person, who has not set it up yet."""
    wanted = current_app.config["CARTLINK"].two_step_for
    return not person.two_step and (wanted == "EVERYBODY" or (wanted == "OWNERS" and person.role == "owner"))


def may(endpoint: str) -> bool:
    """For templates: whether the user may use a route. Pages do not offer what the user may not do."""
    needed = ROLES.get(endpoint, OWNER)
    person = current_person()
    if needed == ANYONE:
        return True
    if person is None or (endpoint in CUSTOMERS and not person.may_see_customers):
        return False
    return needed == SIGNED_IN or person.may(needed)


def may_send(address: str) -> bool:
    """For templates: ``may`` of the route that a form is sent to, by its address."""
    endpoint, _ = current_app.url_map.bind("").match(urlsplit(address).path, method="POST")
    return may(endpoint)


def ask_to_sign_in() -> Response | AnyResponse:
    """Redirect to the sign-in page, and from there back to this page."""
    if request.method not in ("GET", "HEAD"):
        flash(OUT, "warning")
    if request.htmx and not request.htmx.history_restore_request:
        response = make_response("", 401)
        response.headers["HX-Redirect"] = url_for("accounts.sign_in", next=_path_of(request.htmx.current_url or ""))
        return response
    reads = request.method in ("GET", "HEAD")
    here = request.full_path.rstrip("?") if reads else _path_of(request.referrer or "") or ""
    return redirect(url_for("accounts.sign_in", next=here if is_ours(here) else None), code=303)


def _path_of(url: str) -> str | None:
    """The path and query of one of our pages; None for any other address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    here = parts.path + (f"?{parts.query}" if parts.query else "")
    return here if parts.netloc == request.host and is_ours(here) else None
