"""``flask users``: who may sign in, for operators: made, listed, disabled, let in again with a one-time link."""

from __future__ import annotations

import click

from cli.failures import Group, note
from cli.inputs import actor, read_password
from cli.output import Column, Row, all_pages, json_option, say, write_rows
from models.user import ROLES
from services import accounts
from services.batches import stamp

COLUMNS = (
    Column("NAME", "name"),
    Column("ROLE", "role"),
    Column("STATUS", "status"),
    Column("SEES CUSTOMERS", "sees_customers"),
    Column("TWO-STEP", "two_step"),
    Column("SIGNED IN", "sessions", right=True),
    Column("LAST SEEN", "seen_at"),
)

group = Group("users", help="Who may sign in: create, list, reset, disable, enable.")


@group.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="manager", show_default=True, help="What the user may do.")
@click.option("--sees-customers", is_flag=True, help="A viewer may see personal data of customers.")
@click.option(
    "--password-file", metavar="FILE", help="The file with a password; - reads standard input. Otherwise a link is made."
)
def create(name: str, role: str, sees_customers: bool, password_file: str | None) -> None:
    """Make a user, and print the one-time link with which the user sets a password."""
    password = read_password(password_file) if password_file else ""
    user_id = accounts.create_user(name, role, actor(), sees_customers=sees_customers, password=password)
    if password:
        say(f"{accounts.get_user(user_id).name} can sign in.")
    else:
        say_link(user_id)


@group.command("list")
@json_option
def show_list(as_json: bool) -> None:
    """List the users, by name."""
    write_rows(
        all_pages(accounts.list_users, _object), COLUMNS, as_json=as_json,
        nothing="There are no users. Make one with `flask users create`.",
    )  # fmt: skip


def _object(user: accounts.UserRow) -> Row:
    return {
        "name": user.name, "role": user.role,
        "status": "disabled" if user.disabled else "enabled" if user.has_password else "no password yet",
        "sees_customers": user.sees_customers or user.role != "viewer", "two_step": user.two_step,
        "sessions": user.sessions, "seen_at": stamp(user.seen_at),
    }  # fmt: skip


@group.command("reset")
@click.argument("name")
@click.option("--two-step-off", is_flag=True, help="Switch the user's two-step sign-in off as well, at once.")
def reset(name: str, two_step_off: bool) -> None:
    """Print a one-time link with which a user sets a new password within a day."""
    say_link(accounts.find_user(name).id, two_step_off=two_step_off)


@group.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Sign a user out everywhere and let the user in no more."""
    user = accounts.find_user(name)
    shown = user.name
    accounts.disable_user(user.id)
    say(f"{shown} is signed out everywhere and cannot sign in any more.")


@group.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Let a disabled user in again."""
    user = accounts.find_user(name)
    shown = user.name
    accounts.enable_user(user.id)
    say(f"{shown} can sign in again.")


def say_link(user_id: int, *, two_step_off: bool = False) -> None:
    """The link alone on standard output, so that a script can take it."""
    link = accounts.link_of(accounts.issue_password_code(user_id, two_step_off=two_step_off))
    name = accounts.get_user(user_id).name
    where = "" if "://" in link else " It is a path: put Cartlink's address before it, or set PUBLIC_URL."
    note(f"Hand this link to {name}. Whoever opens it can set the password, once, within a day.{where}")
    say(link)
