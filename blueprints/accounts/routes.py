"""Getting in: the first run, the sign-in with its optional second step, the one-time link; and getting out."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, redirect, render_template, request, session, url_for
from flask_login import login_user, logout_user
from werkzeug.wrappers import Response as AnyResponse

from blueprints.accounts.forms import FirstRunForm, NewPasswordForm, SecondStepForm, SignInForm
from blueprints.actors import current_person
from blueprints.forms import refuse, show_form
from blueprints.htmx import go_to, is_ours, toast
from blueprints.limits import SECOND_STEP, by_name, by_name_and_address, by_second_step, sign_in_limiter
from errors import AppError, InvalidInput
from services import accounts, sign_ins, two_step

bp = Blueprint("accounts", __name__)
log = logging.getLogger("cartlink.security")

WRONG = "The name or the password is wrong."


@bp.get("/first-run")
def first_run() -> str | AnyResponse:
    if not accounts.needs_first_run():
        return redirect(url_for(".sign_in"), code=303)
    return render_template("accounts/first_run.html", form=FirstRunForm())


@bp.post("/first-run")
@sign_in_limiter.limit("10 per minute; 60 per hour")
def make_first_owner() -> str | Response | AnyResponse:
    form = FirstRunForm()
    if not accounts.needs_first_run():
        return redirect(url_for(".sign_in"), code=303)
    if not form.validate():
        return show_form("accounts/first_run.html", form)
    try:
        user_id = accounts.make_first_owner(form.code.data, form.name.data, form.password.data)
    except InvalidInput as error:
        return refuse("accounts/first_run.html", form, error)
    let_in(user_id)
    return go_to(url_for("settings.open_front_door"))


@bp.get("/sign-in")
def sign_in() -> str | AnyResponse:
    if accounts.needs_first_run():
        return redirect(url_for(".first_run"), code=303)
    if current_person() is not None:
        return redirect(wanted_page(), code=303)
    return render_template("accounts/sign_in.html", form=SignInForm(), next=request.args.get("next", ""))


@bp.post("/sign-in")
@sign_in_limiter.limit("20 per minute; 200 per hour")
@sign_in_limiter.limit("5 per minute; 30 per hour", key_func=by_name_and_address)
@sign_in_limiter.limit("100 per hour", key_func=by_name)
def check_sign_in() -> str | Response | AnyResponse:
    form = SignInForm()
    if not form.validate():
        return show_form("accounts/sign_in.html", form, next=request.form.get("next", ""))
    user = accounts.check_password(form.name.data, form.password.data)
    if user is None:
        log.warning("sign-in refused from %s", request.remote_addr)
        return refuse("accounts/sign_in.html", form, InvalidInput(WRONG, field="password"), next=request.form.get("next", ""))
    if user.two_step_sealed is not None:
        user_id = user.id
        session[SECOND_STEP] = {"proof": two_step.begin_second_step(user_id), "user": user_id}
        return redirect(url_for(".second_step", next=request.form.get("next") or None), code=303)
    let_in(user.id)
    return redirect(wanted_page(), code=303)


@bp.get("/sign-in/code")
def second_step() -> str | AnyResponse:
    if SECOND_STEP not in session:
        return redirect(url_for(".sign_in"), code=303)
    return render_template("accounts/second_step.html", form=SecondStepForm(), next=request.args.get("next", ""))


@bp.post("/sign-in/code")
@sign_in_limiter.limit("5 per minute; 30 per hour", key_func=by_second_step)
@sign_in_limiter.limit("20 per minute; 200 per hour")
def check_second_step() -> str | Response | AnyResponse:
    form, begun = SecondStepForm(), session.get(SECOND_STEP)
    if begun is None:
        return redirect(url_for(".sign_in"), code=303)
    if not form.validate():
        return show_form("accounts/second_step.html", form, next=request.form.get("next", ""))
    try:
        user_id = two_step.pass_second_step(begun["proof"], form.code.data)
    except InvalidInput as error:
        log.warning("second step refused for user %d from %s", begun["user"], request.remote_addr)
        return refuse("accounts/second_step.html", form, error, next=request.form.get("next", ""))
    if user_id is None:
        session.pop(SECOND_STEP)
        toast("That took more than five minutes. Sign in again.", "warning")
        return redirect(url_for(".sign_in"), code=303)
    let_in(user_id)
    return redirect(wanted_page(), code=303)


@bp.post("/sign-out")
def sign_out() -> Response:
    person = current_person()
    if person is not None:
        sign_ins.end_token(person.token)
        log.info("user %d signed out", person.id)
    let_out()
    toast("You are signed out.")
    response = go_to(url_for(".sign_in"))
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@bp.get("/set-password")
@sign_in_limiter.limit("20 per minute; 200 per hour")
def set_password() -> str:
    code = request.args.get("code", "")
    user = accounts.user_of_code(code)
    return render_template("accounts/set_password.html", form=NewPasswordForm(), code=code, name=user.name)


@bp.post("/set-password")
@sign_in_limiter.limit("20 per minute; 200 per hour")
def keep_password() -> str | Response:
    form, code = NewPasswordForm(), request.form.get("code", "")
    name = accounts.user_of_code(code).name
    if not form.validate():
        return show_form("accounts/set_password.html", form, code=code, name=name)
    try:
        accounts.set_password(code, form.password.data)
    except InvalidInput as error:
        return refuse("accounts/set_password.html", form, error, code=code, name=name)
    log.info("a password was set with a one-time link from %s", request.remote_addr)
    let_out()
    toast("Your new password is kept. Sign in with it.")
    return go_to(url_for(".sign_in"))


def let_in(user_id: int) -> None:
    """Sign this browser in, with nothing of what it held before: neither a session nor a form token is carried over."""
    token = sign_ins.begin_session(user_id, request.remote_addr or "", request.user_agent.string)
    person = sign_ins.find_person(token)
    if person is None:
        raise AppError("Signing in did not work.", "Try again.")
    session.clear()
    login_user(person)
    log.info("user %d signed in from %s", user_id, request.remote_addr)


def let_out() -> None:
    logout_user()
    session.clear()


def wanted_page() -> str:
    """Where a person wanted to go before signing in came between."""
    wanted = request.values.get("next", "")
    return wanted if is_ours(wanted) else url_for("settings.open_front_door")
