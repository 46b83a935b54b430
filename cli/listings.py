"""``flask listings``: what the shops offer."""

from __future__ import annotations

import click

from cli.actors import actor
from cli.failures import Group
from cli.output import Column, json_option, say, write_rows
from cli.starting import start_due_pushes, start_runs
from errors import InvalidInput
from services.common.text import plural
from services.listings import losses, queries, renames
from services.shops import finding

COLUMNS = (
    Column("SKU", "sku"),
    Column("INTEGRATION", "integration", most=24),
    Column("LISTING", "external_id"),
    Column("NAME", "name", most=40),
    Column("SHOP HAS", "quantity", right=True),
    Column("AVAILABLE", "available", right=True),
    Column("LAST SENT", "pushed", right=True),
    Column("DRIFT", "drift", right=True),
    Column("STATE", "state"),
    Column("NOTE", "note", most=60),
)

MISSING = (Column("SKU", "sku"), Column("LISTING", "external_id"), Column("NAME", "name", most=40), Column("SEEN", "seen_at"))

group = Group(
    "listings",
    help="The shops' products and variants: list; those missing from a reading: show, approve; those renamed: show, settle.",
)


@group.command("list")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@json_option
def show_list(name: str | None, limit: int | None, as_json: bool) -> None:
    """List the listings, by SKU; of one integration where NAME is given."""
    integration_id = finding.find_integration(name).id if name is not None else None
    batches = queries.iter_listings(integration_id=integration_id, limit=limit)
    write_rows(
        batches, COLUMNS, as_json=as_json, nothing="There are no listings. `flask --app app sync listings NAME` reads them."
    )


@group.command("missing")
@click.argument("name")
@json_option
def show_missing(name: str, as_json: bool) -> None:
    """Show the listings of the integration NAME that were missing from the last reading, and whether this needs confirmation."""
    integration = finding.find_integration(name)
    loss = losses.pending(integration.id)
    rows = losses.missing_rows(integration.id)
    write_rows([rows], MISSING, as_json=as_json, nothing=f"{integration.name}: nothing was missing from the last reading.")
    if loss is not None and not as_json:
        say(loss.sentence())
        say(f"If they are gone: `flask --app app listings approve {integration.name!r}`.")


@group.command("approve")
@click.argument("name")
def approve(name: str) -> None:
    """Confirm that the listings missing from the last reading of NAME were deleted in the shop."""
    integration = finding.find_integration(name)
    count = losses.approve(integration.id, actor())
    say(f"{plural(count, 'listing counts', 'listings count')} as gone from {integration.name}.")
    start_runs(integration.id, ("stock",))


@group.command("renamed")
@click.argument("name", required=False)
@json_option
def show_renamed(name: str | None, as_json: bool) -> None:
    """List the listings whose SKU a shop has changed; of one integration where NAME is given."""
    integration_id = finding.find_integration(name).id if name is not None else None
    batches = queries.iter_listings(integration_id=integration_id, renamed=True)
    write_rows(batches, COLUMNS, as_json=as_json, nothing="No listing was renamed.")


@group.command("settle-rename")
@click.argument("name")
@click.argument("listing")
@click.option(
    "--same/--other",
    "same_goods",
    default=None,
    help="The same item keeps its stock item. A different item is linked by the new SKU.",
)
def settle_rename(name: str, listing: str, same_goods: bool | None) -> None:
    """Say whether the renamed LISTING (as in product:31) of an integration is the same item or a different item."""
    if same_goods is None:
        raise InvalidInput("Choose whether it is the same item or a different item.", "Use --same or --other.")
    found = renames.find_listing(finding.find_integration(name).shop_id, listing)
    settled = renames.settle(found, same_goods, actor())
    say(settled.sentence())
    start_due_pushes()


group.renamed("rename", "settle-rename")
