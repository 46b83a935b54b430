"""The list of users, one user's page, and what an owner can do with a user."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.accounts.forms import RoleForm, UserFilter, UserForm
from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, toast
from errors import AppError
from services.accounts import sign_ins, users

bp = Blueprint("users", __name__, url_prefix="/users")
log = logging.getLogger("cartlink.security")


@bp.get("")
def list_users() -> Answer:
    form = UserFilter(request.args)
    filters = form.chosen()
    page = users.list_users(request.args.get("page", ""), form.search.data)
    return render_template(
        "accounts/users.html",
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
            user_id = users.create_user(form.name.data, form.role.data, current_actor(), sees_customers=sees)
        except AppError as error:
            error.field = error.field or "name"
            form.refuse(error)
        else:
            log.info("%s made user %d, a %s", current_actor(), user_id, form.role.data)
            return link_page(user_id)
    return form_page("accounts/new_user.html", form)


@bp.route("/<int:user_id>", methods=["GET", "POST"])
@keeps_input
def edit_user(user_id: int) -> Answer:
    user = users.get_row(user_id)
    form = RoleForm(data={"role": user.role, "sees_customers": "yes" if user.sees_customers else "no"})
    if form.validate_on_submit():
        try:
            users.change_role(user_id, form.role.data, form.sees_customers.data == "yes")
        except AppError as error:
            form.refuse(error)
        else:
            log.info("%s made user %d a %s", current_actor(), user_id, form.role.data)
            toast(f"{user.name} is saved.")
            return go_to(url_for(".list_users"))
    return form_page("accounts/user.html", form, user=user)


@bp.post("/<int:user_id>/disable")
def disable_user(user_id: int) -> Answer:
    return done(user_id, "disabled", users.disable_user(user_id))


@bp.post("/<int:user_id>/enable")
def enable_user(user_id: int) -> Answer:
    return done(user_id, "enabled", users.enable_user(user_id))


@bp.post("/<int:user_id>/sign-out")
def sign_out_user(user_id: int) -> Answer:
    sign_ins.end_all(user_id)
    return done(user_id, "signed out", f"{users.get_user(user_id).name} is signed out everywhere.")


@bp.post("/<int:user_id>/link")
def issue_link(user_id: int) -> Answer:
    return link_page(user_id, two_step_off=request.form.get("two_step") == "off")


def link_page(user_id: int, two_step_off: bool = False) -> Response:
    """Show a one-time link. It is not shown again."""
    code = users.issue_password_code(user_id, two_step_off=two_step_off)
    log.info("%s made a one-time link for user %d", current_actor(), user_id)
    link, user = users.link_of(code, request.url_root), users.get_row(user_id)
    return Response(render_template("accounts/user_link.html", user=user, link=link, two_step_off=two_step_off and user.two_step))


def done(user_id: int, act: str, sentence: str) -> Answer:
    log.info("%s %s user %d", current_actor(), act, user_id)
    toast(sentence)
    return go_to(url_for(".edit_user", user_id=user_id))
