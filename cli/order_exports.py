"""``flask orders export``: a CSV file of orders with chosen columns."""

from __future__ import annotations

from datetime import datetime

import click

from cli.failures import Failed
from cli.orders import STATE, group
from cli.output import write
from services.common.csv_files import rows_out
from services.integrations import lifecycle
from services.orders import export_columns, exports, tags
from services.orders.exports import Placed, Spec
from services.orders.views import Wanted
from services.shops import finding


@group.command("export")
@click.argument("name", required=False)
@click.option("--by", type=click.Choice(exports.BY), default="order", show_default=True, help="What a row is.")
@click.option("--columns", metavar="NAME,…", help="The columns; `--columns help` lists them. Those chosen at first by default.")
@click.option("--saved", metavar="NAME", help="The columns that were saved under this name.")
@click.option("--state", type=STATE, help="Only orders in this state.")
@click.option("--tag", metavar="TAG", help="Only orders with this tag.")
@click.option("--since", metavar="DATE", help="Only orders placed since then (2026-11-30).")
@click.option("--before", metavar="DATE", help="Only orders placed before then.")
def export(name: str | None, by: str, columns: str | None, saved: str | None, **which: str | None) -> None:
    """Print orders as CSV, newest first; of one integration where NAME is given."""
    if columns == "help":
        write("".join(f"{column.name}  {column.label}\n" for column in export_columns.offered(by, with_customers=True)))
        return
    spec = _spec(by, columns, saved)
    tag = which["tag"]
    wanted = Wanted(
        finding.find_integration(name).id if name is not None else None, state=which["state"] or "", customers=True,
        tag=tags.find_tag(tag) if tag is not None else None,
    )  # fmt: skip
    placed = Placed(_moment(which["since"]), _moment(which["before"]))
    for piece in rows_out(spec.header, exports.iter_rows(spec, wanted, placed)):
        write(piece, "utf-8")


def _spec(by: str, columns: str | None, saved: str | None) -> Spec:
    """Raises NotFound, InvalidInput, or Failed for a column that is not known."""
    if saved is not None:
        kept = exports.find_saved(saved)
        return exports.make_spec(kept.by, kept.columns, with_customers=True)
    if columns is None:
        return exports.first_spec(by, with_customers=True)
    names = [each.strip() for each in columns.split(",") if each.strip()]
    known = {column.name for column in export_columns.offered(by, with_customers=True)}
    if unknown := [each for each in names if each not in known]:
        raise Failed(f"There is no column {unknown[0]!r}. `flask orders export --by {by} --columns help` lists them.")
    return exports.make_spec(by, names, with_customers=True)


def _moment(day: str | None) -> datetime | None:
    return None if day is None else lifecycle.parse_since(day)
