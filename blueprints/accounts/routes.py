"""Getting in: the first run, the sign-in with its optional second step, the one-time link; and getting out."""

from __future__ import annotations

import logging

from flask import (
    Blueprint,
    Response,
    after_this_request,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_login import login_user, logout_user
from werkzeug.wrappers import Response as AnyResponse

from blueprints.accounts.forms import CodeForm, FirstRunForm, NewPasswordForm, SignInForm
from blueprints.accounts.words import browser
from blueprints.actors import current_person
from blueprints.expired import keeps_input
from blueprints.htmx import go_to, is_ours, toast
from blueprints.limits import SECOND_STEP, by_name, by_name_and_address, by_second_step, sign_in_limiter
from errors import AppError, InvalidInput
from services import accounts, notices, sign_ins, two_step

bp = Blueprint("accounts", __name__)
log = logging.getLogger("cartlink.security")

Answer = str | Response | AnyResponse
WRONG = InvalidInput("The name or the password is wrong.", field="password")
FROM_ONE_ADDRESS = "20 per minute; 200 per hour"


@bp.route("/first-run", methods=["GET", "POST"])
@keeps_input
@sign_in_limiter.limit(FROM_ONE_ADDRESS, methods=["POST"])
def first_run() -> Answer:
    if not accounts.needs_first_run():
        return go_to(url_for(".sign_in"))
    form = FirstRunForm()
    if form.validate_on_submit():
        try:
            let_in(accounts.make_first_owner(form.code.data, form.name.data, form.password.data))
            return go_to(url_for("settings.open_front_door"))
        except InvalidInput as error:
            form.refuse(error)
    return form_page("accounts/first_run.html", form)


@bp.route("/sign-in", methods=["GET", "POST"])
@keeps_input
@sign_in_limiter.limit(FROM_ONE_ADDRESS, methods=["POST"])
@sign_in_limiter.limit("5 per minute; 30 per hour", key_func=by_name_and_address, methods=["POST"])
@sign_in_limiter.limit("100 per hour", key_func=by_name, methods=["POST"])
def sign_in() -> Answer:
    form = SignInForm()
    if form.validate_on_submit():
        user = accounts.check_password(form.name.data, form.password.data)
        if user is not None:
            return next_step(user.id, user.two_step_sealed is not None)
        log.warning("a sign-in was refused from %s", request.remote_addr)
        form.refuse(WRONG)
    elif request.method == "GET":
        if accounts.needs_first_run():
            return redirect(url_for(".first_run"), code=303)
        if current_person() is not None:
            return redirect(wanted_page(), code=303)
    return form_page("accounts/sign_in.html", form, next=request.values.get("next", ""))


def next_step(user_id: int, takes_two: bool) -> Answer:
    """The password was right: in, or on to the second step."""
    if not takes_two:
        let_in(user_id)
        return redirect(wanted_page(), code=303)
    session[SECOND_STEP] = {"proof": two_step.begin_second_step(user_id), "user": user_id}
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
        try:
            user_id = two_step.pass_second_step(begun["proof"], form.code.data)
        except InvalidInput as error:
            log.warning("a second step was refused for user %s from %s", begun["user"], request.remote_addr)
            form.refuse(error)
        else:
            if user_id is not None:
                let_in(user_id)
                return redirect(wanted_page(), code=303)
            session.pop(SECOND_STEP)
            toast("That took more than five minutes. Sign in again.", "warning")
            return redirect(url_for(".sign_in"), code=303)
    return form_page("accounts/second_step.html", form, next=request.values.get("next", ""))


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
    """Where a one-time link leads: its code says whose password is set."""
    code = request.values.get("code", "")
    name = accounts.user_of_code(code).name
    form = NewPasswordForm()
    if form.validate_on_submit():
        try:
            accounts.set_password(code, form.password.data)
        except InvalidInput as error:
            form.refuse(error)
        else:
            log.info("a password was set with a one-time link from %s", request.remote_addr)
            let_out()
            toast("Your new password is kept. Sign in with it.")
            return go_to(url_for(".sign_in"))
    return form_page("accounts/set_password.html", form, code=code, name=name)


def form_page(template: str, form: object, **context: object) -> Response:
    """A page with its form; 422 where what was sent cannot be used. Nothing of it is passed on in a Referer."""
    page = make_response(render_template(template, form=form, **context), 422 if request.method == "POST" else 200)
    page.headers["Referrer-Policy"] = "no-referrer" if request.method == "GET" else "same-origin"
    return page


def let_in(user_id: int) -> None:
    """Sign this browser in, with nothing of what it held before: neither a session nor a form token is carried over."""
    token = sign_ins.begin_session(user_id, request.remote_addr or "", request.user_agent.string)
    person = sign_ins.find_person(token)
    if person is None:
        raise AppError("Signing in did not work.", "Try again.")
    session.clear()
    login_user(person)
    remember_browser(user_id)
    log.info("user %d signed in from %s", user_id, request.remote_addr)


def remember_browser(user_id: int) -> None:
    """Let this browser be known next time, and its user be told where it was not known yet."""
    name = known_browser_cookie()
    held = request.cookies.get(name, "")
    words = f"{browser(request.user_agent.string)}, from the address {request.remote_addr or 'unknown'}."
    token = notices.note_browser(user_id, held, words)

    @after_this_request
    def keep(response: Response) -> Response:
        secure = current_app.config["CARTLINK"].behind_https
        response.set_cookie(name, token, max_age=notices.BROWSER_KEPT, httponly=True, samesite="Lax", secure=secure)
        return response


def known_browser_cookie() -> str:
    return "__Host-cartlink-browser" if current_app.config["CARTLINK"].behind_https else "cartlink-browser"


def let_out() -> None:
    logout_user()
    session.clear()


def wanted_page() -> str:
    """Where a person wanted to go before signing in came between."""
    wanted = request.values.get("next", "")
    return wanted if is_ours(wanted) else url_for("settings.open_front_door")
