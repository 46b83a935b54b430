"""A person's own account: password, two-step sign-in, time zone, and where they are signed in."""

from __future__ import annotations

import segno
from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from blueprints.accounts.forms import ChangePasswordForm, ConfirmPasswordForm, SecondStepForm, ZoneForm
from blueprints.accounts.routes import let_in, let_out, log
from blueprints.forms import refuse, show_form
from blueprints.htmx import go_to, toast
from blueprints.limits import by_person, sign_in_limiter
from errors import InvalidInput
from services import accounts, sign_ins, two_step

bp = Blueprint("account", __name__, url_prefix="/account")
GUESSES = "5 per minute; 30 per hour"


@bp.get("")
def show_account() -> str:
    zone = ZoneForm(zone=current_user.zone)
    return render_template("accounts/account.html", zone=zone, sessions=sign_ins.list_sessions(current_user))


@bp.post("/zone")
def set_zone() -> Response:
    form = ZoneForm()
    if not form.validate():
        raise InvalidInput("That is no time zone Cartlink knows.", "Choose one of the list.")
    accounts.set_zone(current_user.id, form.zone.data)
    toast("Times are shown in that zone from now on.")
    return go_to(url_for(".show_account"))


@bp.get("/password")
def change_password() -> str:
    return render_template("accounts/password.html", form=ChangePasswordForm())


@bp.post("/password")
@sign_in_limiter.limit(GUESSES, key_func=by_person)
def keep_password() -> str | Response:
    form = ChangePasswordForm()
    if not form.validate():
        return show_form("accounts/password.html", form)
    user_id = current_user.id
    try:
        accounts.change_password(user_id, form.current.data, form.password.data)
    except InvalidInput as error:
        return refuse("accounts/password.html", form, error)
    log.info("user %d changed the password from %s", user_id, request.remote_addr)
    let_in(user_id)
    toast("Your new password is kept. You were signed out everywhere else.")
    return go_to(url_for(".show_account"))


@bp.get("/two-step")
def two_step_page() -> str:
    return two_step_shown(SecondStepForm() if not current_user.two_step else ConfirmPasswordForm())


@bp.post("/two-step/begin")
def begin_two_step() -> Response:
    two_step.begin_setup(current_user.id)
    return go_to(url_for(".two_step_page"))


@bp.post("/two-step/on")
@sign_in_limiter.limit(GUESSES, key_func=by_person)
def switch_two_step_on() -> str | Response:
    form = SecondStepForm()
    try:
        if not form.validate():
            return two_step_shown(form), 422
        two_step.confirm_setup(current_user.id, form.code.data)
    except InvalidInput as error:
        form.code.errors = [error.sentence()]
        return two_step_shown(form), 422
    log.info("user %d switched two-step sign-in on", current_user.id)
    toast("From now on, signing in takes your password and a code of your app.")
    return go_to(url_for(".show_account"))


@bp.post("/two-step/off")
@sign_in_limiter.limit(GUESSES, key_func=by_person)
def switch_two_step_off() -> str | Response:
    form = ConfirmPasswordForm()
    if not form.validate():
        return two_step_shown(form), 422
    if not accounts.is_right_password(current_user.id, form.current.data):
        form.current.errors = ["That is not your password. Type it again."]
        return two_step_shown(form), 422
    two_step.switch_off(current_user.id)
    log.info("user %d switched two-step sign-in off", current_user.id)
    toast("Your password is enough to sign in again.")
    return go_to(url_for(".show_account"))


def two_step_shown(form: SecondStepForm | ConfirmPasswordForm) -> str:
    uri = two_step.setup_uri(current_user.id)
    picture = segno.make(uri, error="m").svg_data_uri(scale=5, border=4, light="#fff", dark="#000") if uri else ""
    seed = two_step.setup_seed(current_user.id) if uri else ""
    return render_template("accounts/two_step.html", form=form, picture=picture, seed=seed)


@bp.post("/sessions/<int:session_id>/end")
def end_session(session_id: int) -> Response | AnyResponse:
    sign_ins.end_session(current_user.id, session_id)
    if session_id == current_user.session_id:
        let_out()
        return redirect(url_for("accounts.sign_in"), code=303)
    toast("That browser is signed out.")
    return go_to(url_for(".show_account"))


@bp.post("/sessions/end-all")
def end_all_sessions() -> Response:
    log.info("user %d signed out everywhere", current_user.id)
    sign_ins.end_all(current_user.id)
    let_out()
    toast("You are signed out everywhere, here too.")
    return go_to(url_for("accounts.sign_in"))
