"""The user's own account: password, two-step sign-in, time zone, and sessions."""

from __future__ import annotations

import segno
from flask import Blueprint, render_template, request, url_for
from flask_login import current_user

from blueprints.accounts.forms import ChangePasswordForm, CodeForm, ConfirmPasswordForm, ZoneForm
from blueprints.accounts.sign_in import let_in, let_out, log, name_tokens
from blueprints.expired import keeps_input
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, toast
from blueprints.limits import by_person, sign_in_limiter
from errors import InvalidInput
from services.accounts import sign_ins, two_step, users

bp = Blueprint("account", __name__, url_prefix="/account")
GUESSES = "5 per minute; 30 per hour"


@bp.get("")
def show_account() -> Answer:
    zone = ZoneForm(zone=current_user.zone)
    return render_template("accounts/account.html", zone=zone, sessions=sign_ins.list_sessions(current_user))


@bp.post("/zone")
def set_zone() -> Answer:
    form = ZoneForm()
    if not form.validate():
        raise InvalidInput("Cartlink does not know that time zone.", "Choose one from the list.")
    users.set_zone(current_user.id, form.zone.data)
    toast("Saved.")
    return go_to(url_for(".show_account"))


@bp.route("/password", methods=["GET", "POST"])
@keeps_input
@sign_in_limiter.limit(GUESSES, key_func=by_person, methods=["POST"])
def change_password() -> Answer:
    form, user_id = ChangePasswordForm(), current_user.id
    if form.validate_on_submit():
        try:
            users.change_password(user_id, form.current.data, form.password.data)
        except InvalidInput as error:
            form.refuse(error)
        else:
            log.info("user %d changed the password from %s", user_id, request.remote_addr)
            let_in(user_id)
            toast("Your password is changed. You were signed out everywhere else.")
            name_tokens(user_id)
            return go_to(url_for(".show_account"))
    return form_page("accounts/password.html", form)


@bp.route("/two-step", methods=["GET", "POST"])
@keeps_input
@sign_in_limiter.limit(GUESSES, key_func=by_person, methods=["POST"])
def change_two_step() -> Answer:
    """Switch two-step sign-in on with a code from the app, or off with the password."""
    is_on, user_id = current_user.two_step, current_user.id
    form = ConfirmPasswordForm() if is_on else CodeForm()
    if form.validate_on_submit():
        try:
            switch_off(user_id, form) if is_on else two_step.confirm_setup(user_id, form.code.data)
        except InvalidInput as error:
            form.refuse(error)
        else:
            log.info("user %d switched two-step sign-in %s", user_id, "off" if is_on else "on")
            toast("Two-step sign-in is off." if is_on else "Two-step sign-in is on.")
            return go_to(url_for(".show_account"))
    return two_step_page(form)


def switch_off(user_id: int, form: ConfirmPasswordForm) -> None:
    if not users.is_right_password(user_id, form.current.data):
        raise InvalidInput("That is not your password.", "Type it again.", "current")
    two_step.switch_off(user_id)


def two_step_page(form: CodeForm | ConfirmPasswordForm) -> Answer:
    uri = two_step.setup_uri(current_user.id)
    picture = segno.make(uri, error="m").svg_data_uri(scale=5, border=4, light="#fff", dark="#000") if uri else ""
    seed = two_step.setup_seed(current_user.id) if uri else ""
    return form_page("accounts/two_step.html", form, picture=picture, seed=seed)


@bp.post("/two-step/begin")
def begin_two_step() -> Answer:
    two_step.begin_setup(current_user.id)
    return go_to(url_for(".change_two_step"))


@bp.post("/sessions/<int:session_id>/end")
def end_session(session_id: int) -> Answer:
    sign_ins.end_session(current_user.id, session_id)
    if session_id == current_user.session_id:
        let_out()
        return go_to(url_for("accounts.sign_in"))
    toast("That browser is signed out.")
    return go_to(url_for(".show_account"))


@bp.post("/sessions/end-all")
def end_all_sessions() -> Answer:
    log.info("user %d signed out everywhere", current_user.id)
    sign_ins.end_all(current_user.id)
    let_out()
    toast("You are signed out everywhere.")
    return go_to(url_for("accounts.sign_in"))
