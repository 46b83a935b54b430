"""Sign in (first run, password, second step, one-time link) and sign out."""

from __future__ import annotations

import logging
from contextlib import suppress

from flask import (
    Blueprint,
    Response,
    after_this_request,
    current_app,
    redirect,
    request,
    session,
    url_for,
)
from flask_login import login_user, logout_user

from blueprints.accounts.forms import CodeForm, FirstRunForm, NewPasswordForm, SignInForm
from blueprints.accounts.labels import browser
from blueprints.actors import current_person
from blueprints.expired import keeps_input
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, is_ours, toast
from blueprints.labels import plural
from blueprints.limits import (
    SECOND_STEP,
    by_address_or_browser,
    by_name,
    by_name_and_address,
    by_second_step,
    known_browser_cookie,
    sign_in_limiter,
)
from errors import AppError, InvalidInput
from services.accounts import sign_ins, tokens, two_step, users
from services.accounts.begun import SignInEnded, password_hash_of
from services.notify import notifications

bp = Blueprint("accounts", __name__)
log = logging.getLogger("cartlink.security")

FROM_ONE_ADDRESS = "20 per minute; 200 per hour"


@bp.route("/first-run", methods=["GET", "POST"])
@keeps_input
@sign_in_limiter.limit(FROM_ONE_ADDRESS, methods=["POST"])
def first_run() -> Answer:
    if not users.needs_first_run():
        return go_to(url_for(".sign_in"))
    form = FirstRunForm()
    if form.validate_on_submit():
        with suppress(InvalidInput):  # said below, with all else that is wrong
            let_in(users.make_first_owner(form.code.data, form.name.data, form.password.data))
            return go_to(url_for("settings.open_front_door"))
    if form.is_submitted():
        given = [field.data or "" for field in (form.code, form.name, form.password)]
        for wrong in users.wrong_about_first_owner(*given):
            if not form[wrong.field].errors:
                form.refuse(wrong)
    return form_page("accounts/first_run.html", form)


@bp.route("/sign-in", methods=["GET", "POST"])
@keeps_input
@sign_in_limiter.limit(FROM_ONE_ADDRESS, key_func=by_address_or_browser, methods=["POST"])
@sign_in_limiter.limit("5 per minute; 30 per hour", key_func=by_name_and_address, methods=["POST"])
@sign_in_limiter.limit("100 per hour", key_func=by_name, methods=["POST"])
def sign_in() -> Answer:
    form = SignInForm()
    if form.validate_on_submit():
        try:
            return first_step(form.name.data, form.password.data)
        except (InvalidInput, SignInEnded) as refused:
            log.warning("a sign-in was refused from %s", request.remote_addr)
            form.refuse(refused)
    elif request.method == "GET":
        if users.needs_first_run():
            return redirect(url_for(".first_run"), code=303)
        if current_person() is not None:
            return redirect(wanted_page(), code=303)
    return form_page("accounts/sign_in.html", form, next=request.values.get("next", ""))


def first_step(name: str, password: str) -> Answer:
    """With the right password: sign in, or go to the second step. Raises InvalidInput, or SignInEnded where it was changed meanwhile."""
    user = users.check_password(name, password)
    if user is None:
        raise InvalidInput("The name or the password is wrong.", field="password")
    user_id, password_hash = user.id, user.password_hash
    if user.two_step_encrypted is None:
        let_in(user_id, password_hash)
        return redirect(wanted_page(), code=303)
    session[SECOND_STEP] = {"proof": two_step.begin_second_step(user_id, password_hash), "user": user_id}
    return redirect(url_for(".second_step", next=request.form.get("next") or None), code=303)


@bp.route("/sign-in/code", methods=["GET", "POST"])
@keeps_input
@sign_in_limiter.limit(FROM_ONE_ADDRESS, methods=["POST"])
@sign_in_limiter.limit("5 per minute; 30 per hour", key_func=by_second_step, methods=["POST"])
def second_step() -> Answer:
    begun = session.get(SECOND_STEP)
    if begun is None:
        return redirect(url_for(".sign_in"), code=303)
    form = CodeForm()
    if form.validate_on_submit():
        # Read before the proof is used up: a reset before that ends the proof, one after it changes the hash.
        password_hash = password_hash_of(begun["user"])
        try:
            user_id = two_step.pass_second_step(begun["proof"], form.code.data)
        except InvalidInput as error:
            log.warning("a second step was refused for user %s from %s", begun["user"], request.remote_addr)
            form.refuse(error)
        else:
            return _after_second_step(user_id, password_hash)
    return form_page("accounts/second_step.html", form, next=request.values.get("next", ""))


def _after_second_step(user_id: int | None, password_hash: str) -> Answer:
    """To the page that was asked for, or back to the start where the first step no longer counts (None)."""
    if user_id is not None:
        with suppress(SignInEnded):
            let_in(user_id, password_hash)
            return redirect(wanted_page(), code=303)
    session.pop(SECOND_STEP)
    toast("The sign-in took more than five minutes, or the password was changed. Sign in again.", "warning")
    return redirect(url_for(".sign_in"), code=303)


@bp.post("/sign-out")
def sign_out() -> Answer:
    person = current_person()
    if person is not None:
        sign_ins.end_token(person.token)
        log.info("user %d signed out", person.id)
    let_out()
    toast("You are signed out.")
    answer = go_to(url_for(".sign_in"))
    answer.headers["Clear-Site-Data"] = '"storage"'
    return answer


@bp.route("/set-password", methods=["GET", "POST"])
@keeps_input
@sign_in_limiter.limit(FROM_ONE_ADDRESS)
def set_password() -> Answer:
    """The page of a one-time link. Its code identifies the user."""
    code = request.values.get("code", "")
    link = users.link_behind(code)
    form = NewPasswordForm()
    if form.validate_on_submit():
        try:
            users.set_password(code, form.password.data)
        except InvalidInput as error:
            form.refuse(error)
        else:
            log.info("a password was set with a one-time link from %s", request.remote_addr)
            let_out()
            toast(f"Your password is set. Sign in as {link.name} with it.")
            name_tokens(link.user_id)
            return go_to(url_for(".sign_in"))
    return form_page("accounts/set_password.html", form, code=code, link=link)


def name_tokens(user_id: int) -> None:
    """After a change of the password, which ends everything else: programs go on. Someone who knew the old one may have made a token."""
    if number := tokens.count_valid(user_id):
        toast(
            f"{plural(number, 'API token')} of yours can still be used. Revoke those you do not know in the settings.", "warning"
        )


def let_in(user_id: int, password_hash: str | None = None) -> None:
    """Sign this browser in with a new session and a new form token. Raises what ``sign_ins.begin_session`` does."""
    token = sign_ins.begin_session(user_id, request.remote_addr or "", request.user_agent.string, password_hash)
    person = sign_ins.find_person(token)
    if person is None:
        raise AppError("Signing in failed.", "Try again.")
    session.clear()
    login_user(person)
    remember_browser(user_id)
    log.info("user %d signed in from %s", user_id, request.remote_addr)


def remember_browser(user_id: int) -> None:
    """Remember this browser, and notify the user if it is new."""
    name = known_browser_cookie()
    held = request.cookies.get(name, "")
    words = f"{browser(request.user_agent.string)}, from the address {request.remote_addr or 'unknown'}."
    token = notifications.note_browser(user_id, held, words)

    @after_this_request
    def keep(response: Response) -> Response:
        secure = current_app.config["CARTLINK"].behind_https
        response.set_cookie(name, token, max_age=notifications.BROWSER_KEPT, httponly=True, samesite="Lax", secure=secure)
        return response


def let_out() -> None:
    logout_user()
    session.clear()


def wanted_page() -> str:
    """The page that the user opened before signing in."""
    wanted = request.values.get("next", "")
    return wanted if is_ours(wanted) else url_for("settings.open_front_door")
