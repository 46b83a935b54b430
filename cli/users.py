"""``flask users``: create, list, reset, disable and enable users."""

from __future__ import annotations

import click

from cli.actors import actor
from cli.failures import Group, note
from cli.inputs import read_password
from cli.output import Column, Row, all_pages, json_option, say, write_rows
from models.user import ROLES
from services.accounts import users
from services.common.batches import stamp

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
    "--password-file",
    metavar="FILE",
    help="The file with a password; - reads standard input. Without it, a one-time link is printed.",
)
def create(name: str, role: str, sees_customers: bool, password_file: str | None) -> None:
    """Create a user, and print the one-time link for setting a password."""
    password = read_password(password_file) if password_file else ""
    user_id = users.create_user(name, role, actor(), sees_customers=sees_customers, password=password)
    if password:
        say(f"{users.get_user(user_id).name} can sign in.")
    else:
        say_link(user_id)


@group.command("list")
@json_option
def show_list(as_json: bool) -> None:
    """List the users, by name."""
    write_rows(
        all_pages(users.list_users, _object), COLUMNS, as_json=as_json,
        nothing="There are no users. Create one with `flask users create`.",
    )  # fmt: skip


def _object(user: users.UserRow) -> Row:
    return {
        "name": user.name, "role": user.role,
        "status": "disabled" if user.disabled else "enabled" if user.has_password else "no password yet",
        "sees_customers": user.sees_customers or user.role != "viewer", "two_step": user.two_step,
        "sessions": user.sessions, "seen_at": stamp(user.seen_at),
    }  # fmt: skip


@group.command("reset")
@click.argument("name")
@click.option("--two-step-off", is_flag=True, help="Setting the password with the link also switches two-step sign-in off.")
def reset(name: str, two_step_off: bool) -> None:
    """Print a one-time link for setting a new password. It works for a day."""
    say_link(users.find_user(name).id, two_step_off=two_step_off)


@group.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Sign a user out everywhere and block signing in."""
    found = users.find_user(name)
    say(f"{users.disable_user(found.id)} `users enable {found.name}` undoes that.")


@group.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Let a disabled user sign in again."""
    say(users.enable_user(users.find_user(name).id))


def say_link(user_id: int, *, two_step_off: bool = False) -> None:
    """Write only the link to standard output, for scripts."""
    link = users.link_of(users.issue_password_code(user_id, two_step_off=two_step_off))
    name = users.get_user(user_id).name
    where = "" if "://" in link else " It is a path: put Cartlink's address before it, or set PUBLIC_URL."
    note(f"Send this link to {name} privately. Anyone who opens it can set the password. It works once, within a day.{where}")
    say(link)
