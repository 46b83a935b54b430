"""``flask tokens``: what other programs show to use the API."""

from __future__ import annotations

import click

from cli.actors import actor
from cli.failures import Group, note
from cli.inputs import agree, yes_option
from cli.output import Column, Row, json_option, say, write_rows
from services.accounts import tokens, users
from services.common.batches import stamp

COLUMNS = (
    Column("NAME", "name"),
    Column("ID", "id"),
    Column("USER", "user"),
    Column("STATE", "state"),
    Column("SCOPES", "scopes", most=60),
    Column("EXPIRES", "expires_at"),
    Column("LAST USED", "used_at"),
)
ONCE = "Copy the token now: it is not shown again."

group = Group("tokens", help="API tokens: create, list, rotate, revoke.")


@group.command("create")
@click.argument("name")
@click.option("--user", required=True, metavar="USER", help="The user for whom the token acts.")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(list(tokens.SCOPES)), metavar="SCOPE",
    help="What the token may do; give it once for each scope.",
)  # fmt: skip
@click.option("--days", type=int, default=tokens.DAYS, show_default=True, help="How long it is valid; at most 365.")
@click.option("--address", "addresses", multiple=True, metavar="ADDRESS", help="An address or network that may use it.")
def create(name: str, user: str, scopes: tuple[str, ...], days: int, addresses: tuple[str, ...]) -> None:
    """Create a token and print it, alone on standard output."""
    user_id = users.find_user(user).id
    say_token(tokens.create_token(user_id, name, scopes, actor(), days=days, addresses=addresses))


@group.command("list")
@json_option
def show_list(as_json: bool) -> None:
    """List the tokens, by name; revoked ones last."""
    write_rows(
        [[_object(token) for token in tokens.list_tokens()]], COLUMNS, as_json=as_json,
        nothing="There are no tokens. Make one with `flask tokens create`.",
    )  # fmt: skip


def _object(token: tokens.TokenRow) -> Row:
    return {
        "name": token.name, "id": token.id, "user": token.user, "state": token.state, "scopes": list(token.scopes),
        "addresses": list(token.addresses), "created_at": stamp(token.created_at), "expires_at": stamp(token.expires_at),
        "used_at": stamp(token.used_at), "used_from": token.used_from, "previous_until": stamp(token.previous_until),
    }  # fmt: skip


@group.command("rotate")
@click.argument("name")
@click.option("--days", type=int, default=tokens.DAYS, show_default=True, help="How long the new one is valid; at most 365.")
@click.option(
    "--overlap-hours", type=int, default=tokens.OVERLAP_HOURS, show_default=True, help="How long the present one stays valid."
)
def rotate(name: str, days: int, overlap_hours: int) -> None:
    """Replace a token, named by its name or id, and print the new one."""
    say_token(tokens.rotate_token(tokens.find_token(name).id, actor(), days=days, overlap_hours=overlap_hours))


@group.command("revoke")
@click.argument("name")
@yes_option
def revoke(name: str, yes: bool) -> None:
    """End a token, named by its name or id, at once."""
    token = tokens.find_token(name)
    agree(yes, f"Revoke the token {token.name}? A program that uses it is refused from now on.", "Nothing was revoked.")
    say(f"The token {tokens.revoke_token(token.id, actor())} is revoked.")


def say_token(issued: tokens.Issued) -> None:
    """The token alone on standard output, so that a script can take it."""
    note(f"The token {issued.name} is valid until {stamp(issued.expires_at)}. {ONCE}")
    say(issued.token)
