"""API tokens in the settings: a person's own; an owner sees and revokes those of all users."""

from __future__ import annotations

from flask import Blueprint, render_template, request, url_for
from flask_login import current_user

from blueprints.accounts.forms import TokenForm
from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, toast
from errors import AppError, NotFound
from services.accounts import tokens

bp = Blueprint("tokens", __name__, url_prefix="/settings/tokens")


@bp.get("")
def list_tokens() -> Answer:
    own_only = None if current_user.may("owner") else current_user.id
    return render_template(
        "accounts/tokens.html", tokens=tokens.list_tokens(own_only), scopes=tokens.SCOPES, overlap=tokens.OVERLAP_HOURS
    )


@bp.route("/new", methods=["GET", "POST"])
@keeps_input
def create_token() -> Answer:
    form, chosen = TokenForm(days=str(tokens.DAYS)), request.form.getlist("scopes")
    if form.validate_on_submit():
        try:
            issued = tokens.create_token(
                current_user.id, form.name.data, chosen, current_actor(), days=form.number_of_days(), addresses=form.networks()
            )
        except AppError as error:
            form.refuse(error)
        else:
            return show_once(issued)
    allowed = tokens.allowed_scopes(current_user.role, current_user.sees_customers)
    offered = {name: scope for name, scope in tokens.SCOPES.items() if name in allowed}
    return form_page("accounts/new_token.html", form, scopes=offered, chosen=chosen, most=tokens.MOST_DAYS)


@bp.post("/<token_id>/rotate")
def rotate_token(token_id: str) -> Answer:
    """Only for its owner: the one who rotates it sees the new secret."""
    check_own(token_id)
    return show_once(tokens.rotate_token(token_id, current_actor()))


@bp.post("/<token_id>/revoke")
def revoke_token(token_id: str) -> Answer:
    if not current_user.may("owner"):
        check_own(token_id)
    toast(f"The token {tokens.revoke_token(token_id, current_actor())} is revoked.")
    return go_to(url_for(".list_tokens"))


def check_own(token_id: str) -> None:
    """Raises NotFound for a token of another user."""
    if tokens.get_token(token_id).user_id != current_user.id:
        raise NotFound("There is no such token.")


def show_once(issued: tokens.Issued) -> Answer:
    page = form_page("accounts/token.html", None, issued=issued, overlap=tokens.OVERLAP_HOURS)
    page.status_code = 200
    return page
