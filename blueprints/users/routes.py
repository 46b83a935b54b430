"""The users' list, one user's page, and the acts an owner can do to a user."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.accounts.routes import Answer, form_page
from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.htmx import go_to, toast
from blueprints.numbers import argument
from blueprints.users.forms import RoleForm, UserFilter, UserForm
from errors import AppError
from services import accounts, sign_ins

bp = Blueprint("users", __name__, url_prefix="/users")
log = logging.getLogger("cartlink.security")


@bp.get("")
def list_users() -> Answer:
    form = UserFilter(request.args)
    filters = form.chosen()
    page = accounts.list_users(argument("page") or 1, form.search.data)
    return render_template(
        "users/list.html",
        page=page,
        form=form,
        filters=filters,
        link=lambda number: url_for(".list_users", page=number, **filters),
    )


@bp.route("/new", methods=["GET", "POST"])
@keeps_input
def create_user() -> Answer:
    form = UserForm(data={"role": "manager", "sees_customers": "no"})
    if form.validate_on_submit():
        try:
            sees = form.sees_customers.data == "yes"
            user_id = accounts.create_user(form.name.data, form.role.data, current_actor(), sees_customers=sees)
        except AppError as error:
            error.field = getattr(error, "field", "") or "name"
            form.refuse(error)
        else:
            log.info("%s made user %d, a %s", current_actor(), user_id, form.role.data)
            return link_page(user_id)
    return form_page("users/new.html", form)


@bp.route("/<int:user_id>", methods=["GET", "POST"])
@keeps_input
def edit_user(user_id: int) -> Answer:
    user = accounts.get_row(user_id)
    form = RoleForm(data={"role": user.role, "sees_customers": "yes" if user.sees_customers else "no"})
    if form.validate_on_submit():
        try:
            accounts.change_role(user_id, form.role.data, form.sees_customers.data == "yes")
        except AppError as error:
            form.refuse(error)
        else:
            log.info("%s made user %d a %s", current_actor(), user_id, form.role.data)
            toast(f"{user.name} is kept as it is now.")
            return go_to(url_for(".list_users"))
    return form_page("users/user.html", form, user=user)


@bp.post("/<int:user_id>/disable")
def disable_user(user_id: int) -> Answer:
    accounts.disable_user(user_id)
    return done(user_id, "disabled", "{} is signed out everywhere and cannot sign in any more.")


@bp.post("/<int:user_id>/enable")
def enable_user(user_id: int) -> Answer:
    accounts.enable_user(user_id)
    return done(user_id, "enabled", "{} can sign in again.")


@bp.post("/<int:user_id>/sign-out")
def sign_out_user(user_id: int) -> Answer:
    sign_ins.end_all(user_id)
    return done(user_id, "signed out", "{} is signed out everywhere.")


@bp.post("/<int:user_id>/link")
def issue_link(user_id: int) -> Answer:
    return link_page(user_id, two_step_off=request.form.get("two_step") == "off")


def link_page(user_id: int, two_step_off: bool = False) -> Response:
    """A one-time link, shown this once."""
    code = accounts.issue_password_code(user_id, two_step_off=two_step_off)
    log.info("%s made a one-time link for user %d", current_actor(), user_id)
    page = render_template("users/link.html", user=accounts.get_row(user_id), link=accounts.link_of(code, request.url_root))
    return Response(page)


def done(user_id: int, act: str, sentence: str) -> Answer:
    log.info("%s %s user %d", current_actor(), act, user_id)
    toast(sentence.format(accounts.get_user(user_id).name))
    return go_to(url_for(".edit_user", user_id=user_id))
