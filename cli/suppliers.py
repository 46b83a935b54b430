"""``flask suppliers``: list, add, change and remove suppliers."""

from __future__ import annotations

import click

from cli.actors import actor
from cli.failures import Group
from cli.inputs import agree, yes_option
from cli.output import Column, Row, json_option, say, write_rows
from cli.starting import start_due_pushes
from errors import InvalidInput
from services.common.text import plural
from services.feeds import overview, removal, suppliers

COLUMNS = (
    Column("NAME", "name"),
    Column("LEAD DAYS", "lead_days", right=True),
    Column("FEEDS", "feeds"),
    Column("PROBLEMS", "problems", most=60),
    Column("UNKNOWN CODES", "unknown", right=True),
)

group = Group("suppliers", help="Suppliers whose stock lists are fetched: list, add, change, remove. Their feeds: `flask feeds`.")


@group.command("list")
@json_option
def show_list(as_json: bool) -> None:
    """List the suppliers, those with a problem first."""
    rows: list[Row] = [
        {
            "name": row.name, "lead_days": row.lead_days, "feeds": [feed.name for feed in row.feeds],
            "problems": [f"{feed.name}: {feed.state}" for feed in row.feeds if feed.problem],
            "unknown": sum(feed.unknown for feed in row.feeds),
        }
        for row in overview.list_suppliers()
    ]  # fmt: skip
    nothing = "There are no suppliers. Add one with `flask suppliers add`."
    write_rows([rows], COLUMNS, as_json=as_json, nothing=nothing)


@group.command("add")
@click.argument("name")
@click.option("--lead-days", type=click.IntRange(0, 365), help="How many days the supplier takes to deliver.")
def add(name: str, lead_days: int | None) -> None:
    """Add the supplier NAME."""
    suppliers.create_supplier(name, lead_days, actor())
    say(f"The supplier {name} is added. Add its feed with `flask --app app feeds add`.")


@group.command("change")
@click.argument("name")
@click.option("--name", "new_name", help="Its new name.")
@click.option("--lead-days", type=click.IntRange(0, 365), help="How many days the supplier takes to deliver.")
def change(name: str, new_name: str | None, lead_days: int | None) -> None:
    """Change the name or the lead days of the supplier NAME."""
    found = suppliers.find_supplier(name)
    values = {key: value for key, value in (("name", new_name), ("lead_days", lead_days)) if value is not None}
    if not values:
        raise InvalidInput("Say what to change.", "Use --name or --lead-days.")
    suppliers.change_supplier(found.id, actor(), **values)
    say("Saved.")


@group.command("remove")
@click.argument("name")
@yes_option
def remove(name: str, yes: bool) -> None:
    """Remove the supplier NAME with its feeds. Nothing is deleted at the supplier."""
    found = suppliers.find_supplier(name)
    its = [feed.id for feed in suppliers.list_feeds(found.id)]
    agree(
        yes,
        f"Remove {found.name} with {plural(len(its), 'feed')}? {removal.consequence(overview.count_fed(its))}",
    )
    removal.remove_supplier(found.id, actor())
    say(f"{name} is removed.")
    start_due_pushes()
