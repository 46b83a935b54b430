"""``flask listings``: what the shops offer."""

from __future__ import annotations

import click

from cli.failures import Group
from cli.output import Column, json_option, write_rows
from services import integrations, listing_list

COLUMNS = (
    Column("SKU", "sku"),
    Column("INTEGRATION", "integration", most=24),
    Column("LISTING", "external_id"),
    Column("NAME", "name", most=40),
    Column("SHOP HAS", "quantity", right=True),
    Column("AVAILABLE", "available", right=True),
    Column("LAST SENT", "pushed", right=True),
    Column("DRIFT", "drift", right=True),
    Column("NOTE", "note", most=60),
)

group = Group("listings", help="The shops' products and variants: list.")


@group.command("list")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@json_option
def show_list(name: str | None, limit: int | None, as_json: bool) -> None:
    """List the listings, by SKU; of one integration where NAME is given."""
    integration_id = integrations.find_integration(name).id if name is not None else None
    batches = listing_list.iter_listings(integration_id=integration_id, limit=limit)
    write_rows(
        batches, COLUMNS, as_json=as_json, nothing="There are no listings. `flask --app app sync listings NAME` reads them."
    )
