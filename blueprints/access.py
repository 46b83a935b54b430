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

from blueprints.actors import current_person
from blueprints.htmx import go_to, is_ours
from extensions import login
from services import sign_ins
from services.sign_ins import Person

log = logging.getLogger("cartlink.security")

ANYONE, SIGNED_IN, VIEWER, MANAGER, OWNER = "anyone", "signed_in", "viewer", "manager", "owner"

ROLES = {
    "static": ANYONE,
    "assets.show_asset": ANYONE,
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
    "activity.list_runs": VIEWER,
    "activity.request_stop": MANAGER,
}
FILES = {"static", "assets.show_asset"}
"""Nobody looks who asks for these."""
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
    app.jinja_env.globals.update(person=current_person, may=may)


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
    return person is not None and (needed == SIGNED_IN or person.may(needed))


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
