"""Who may use which route: every endpoint is named here with the least role it needs. One that is not named is closed.

``anyone`` needs no sign-in, ``signed_in`` any; ``viewer``, ``manager`` and ``owner`` are the roles of models.user, each with
all that is the next one's.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, flash, make_response, redirect, url_for
from htmx_flask import request
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_person, may_see_customers
from blueprints.htmx import go_to, is_ours
from extensions import login
from services import sign_ins
from services.sign_ins import Person

log = logging.getLogger("cartlink.security")

ANYONE, SIGNED_IN, VIEWER, MANAGER, OWNER = "anyone", "signed_in", "viewer", "manager", "owner"

ROLES = {
    "static": ANYONE,
    "assets.show_asset": ANYONE,
    "operating.show_health": ANYONE,
    "operating.show_readiness": ANYONE,
    "operating.show_figures": ANYONE,
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
    "privacy.show_privacy": OWNER,
    "privacy.export_order": OWNER,
    "privacy.erase_order": OWNER,
    "settings.open_front_door": VIEWER,
    "settings.show_settings": VIEWER,
    "sales_channels.list_integrations": VIEWER,
    "sales_channels.show_row": VIEWER,
    "sales_channels.set_enabled": MANAGER,
    "integration.show_integration": VIEWER,
    "integration.sync_now": MANAGER,
    "integration.set_flow": MANAGER,
    "integration_settings.edit_settings": MANAGER,
    "integration_settings.show_rehearsal": MANAGER,
    "preview.show_preview": VIEWER,
    "preview.download_preview": VIEWER,
    "preview.approve": MANAGER,
    "wizard.show_catalogue": OWNER,
    "wizard.begin": OWNER,
    "wizard.ask_name": OWNER,
    "wizard.ask_shop": OWNER,
    "wizard.show_address": OWNER,
    "wizard.watch_check": OWNER,
    "wizard.ask_options": OWNER,
    "wizard.show_rehearsal": OWNER,
    "wizard.cancel": OWNER,
    "reauthorise.reauthorise": OWNER,
    "reauthorise.show_address": OWNER,
    "reauthorise.watch_check": OWNER,
    "reauthorise.cancel": OWNER,
    "removal.confirm_removal": OWNER,
    "removal.remove_integration": OWNER,
    "activity.download_runs": VIEWER,
    "activity.list_runs": VIEWER,
    "activity.request_stop": MANAGER,
    "desk.change_desk_settings": MANAGER,
    "desk.show_desk_settings": MANAGER,
    "drift.download_drift": VIEWER,
    "drift.settle": MANAGER,
    "drift.show_drift": VIEWER,
    "held.accept": MANAGER,
    "held.add_stock_item": MANAGER,
    "held.evaluate": MANAGER,
    "held.link_sku": MANAGER,
    "held.read_again": MANAGER,
    "held.show_held": VIEWER,
    "listings.act_on_ticked": MANAGER,
    "listings.download_listings": VIEWER,
    "listings.link_listing": MANAGER,
    "listings.link_matched": MANAGER,
    "listings.list_listings": VIEWER,
    "listings.show_listing": VIEWER,
    "listings.show_match": VIEWER,
    "lookup.bring_in": MANAGER,
    "lookup.count_older": MANAGER,
    "lookup.fetch_older": MANAGER,
    "lookup.find_order": VIEWER,
    "lookup.show_answer": VIEWER,
    "lookup.show_lookup": VIEWER,
    "order.acknowledge": MANAGER,
    "order.cancel": MANAGER,
    "order.evaluate": MANAGER,
    "order.print_order": VIEWER,
    "order.read_again": MANAGER,
    "order.show_order": VIEWER,
    "order.show_raw": VIEWER,
    "order.tell_again": MANAGER,
    "orders.act_on_ticked": MANAGER,
    "orders.download_orders": VIEWER,
    "orders.list_orders": VIEWER,
    "reports.download_receipts": VIEWER,
    "reports.download_sales": VIEWER,
    "reports.download_skus": VIEWER,
    "reports.show_receipts": VIEWER,
    "reports.show_sales": VIEWER,
    "reports.show_skus": VIEWER,
    "reports.take_receipt": MANAGER,
    "incidents.list_incidents": VIEWER,
    "incidents.show_incident": VIEWER,
    "incidents.mute": MANAGER,
    "notices.list_notices": SIGNED_IN,
    "notices.show_bell": SIGNED_IN,
    "notices.read_notice": SIGNED_IN,
    "notices.read_all": SIGNED_IN,
    "wishes.change_wishes": SIGNED_IN,
    "webhook.change_webhook": OWNER,
    "webhook.renew_secret": OWNER,
    "webhook.send_test": OWNER,
    "webhook.remove_webhook": OWNER,
    "run.download_changes": VIEWER,
    "run.download_rows": VIEWER,
    "run.retry": MANAGER,
    "run.show_changes": VIEWER,
    "run.show_run": VIEWER,
    "run.undo_run": MANAGER,
    "shipping.download_problems": MANAGER,
    "shipping.ship_file": MANAGER,
    "shipping.ship_order": MANAGER,
    "shipping.show_file": MANAGER,
    "shipping.show_upload": MANAGER,
    "shipping.upload": MANAGER,
    "stock.add_stock_item": MANAGER,
    "stock.change_item": MANAGER,
    "stock.download_ledger": VIEWER,
    "stock.download_stock": VIEWER,
    "stock.list_stock": VIEWER,
    "stock.show_add": MANAGER,
    "stock.show_item": VIEWER,
    "stock_files.accept": MANAGER,
    "stock_files.download_rows": VIEWER,
    "stock_files.drop": MANAGER,
    "stock_files.show_file": VIEWER,
    "stock_files.show_upload": MANAGER,
    "stock_files.upload": MANAGER,
}
CUSTOMERS = {"order.show_raw"}
"""What a shop sent of an order is about its customer through and through: a viewer needs to be allowed to see it. All other
pages are open to viewers, who get them without what is about a person (services/customers.py)."""
FILES = {"static", "assets.show_asset", "operating.show_health", "operating.show_readiness", "operating.show_figures"}
"""Nobody looks who asks for these, nor how often. Of the figures the route itself sees to it (blueprints/operating)."""
TO_GET_IT = {"account.change_two_step", "account.begin_two_step", "accounts.sign_out"}
"""What is open to somebody who still has to set up the two-step sign-in."""
STRANGERS_MAY_SEND = 64 * 1024
"""Bytes in a request of somebody who is not signed in; a name and a password need no more."""
POLLING = "X-Poll"
"""The header of requests that a page makes by itself. They do not keep a session alive."""
OUT = "You were signed out in the meantime, so nothing was changed. Sign in and do it again."


def init_app(app: Flask) -> None:
    login.session_protection = None
    login.user_loader(sign_ins.find_person)
    login.init_app(app)
    app.before_request(check_access)
    app.jinja_env.globals.update(person=current_person, may=may, may_send=may_send, may_see_customers=may_see_customers)


def check_access() -> Response | AnyResponse | None:
    """Let a request on to its route, or answer in its place."""
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
    if POLLING not in request.headers:
        sign_ins.note_use(person)
    if needed != SIGNED_IN and not person.may(needed):
        log.warning("user %d, a %s, was refused %s %s", person.id, person.role, request.method, request.endpoint)
        abort(403)
    if request.endpoint in CUSTOMERS and not person.may_see_customers:
        abort(403)
    if lacks_second_step(person) and request.endpoint not in TO_GET_IT:
        flash("Here signing in takes two steps. Set up the second one to go on.", "info")
        return go_to(url_for("account.change_two_step"))
    return None


def lacks_second_step(person: Person) -> bool:
    """Whether the operator wants a second step of this person that is not set up yet."""
    wanted = current_app.config["CARTLINK"].two_step_for
    return not person.two_step and (wanted == "EVERYBODY" or (wanted == "OWNERS" and person.role == "owner"))


def may(endpoint: str) -> bool:
    """For templates: whether the person of this request may use a route, so that what they may not is not offered."""
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
    """Lead to the sign-in page, and back from there to where the person was."""
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
    """The path and query of a page of ours; what leads elsewhere is no use after signing in."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    here = parts.path + (f"?{parts.query}" if parts.query else "")
    return here if parts.netloc == request.host and is_ours(here) else None
