"""``flask audit``: who changed what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from cli.failures import Group
from cli.inputs import RowId
from cli.output import Column, json_option, write_rows
from services.common.batches import stamp
from services.security import trail
from services.security.trail import Entry, Wanted
from services.shops import finding

COLUMNS = (
    Column("AT", "at"), Column("WHO", "actor", most=24), Column("WHAT", "what", most=40), Column("OBJECT", "object"),
    Column("ID", "id", right=True), Column("NAME", "name", most=24), Column("INTEGRATION", "integration", most=24),
    Column("CHANGES", "changed", most=80),
)  # fmt: skip
DAY = click.DateTime(("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"))

group = Group("audit", help="The audit trail: list.")


@group.command("list")
@click.option("--who", metavar="ACTOR", default="", help="user:NAME, api:TOKEN, or cli for the command line.")
@click.option("--object", "of", metavar="KIND", default="", help="order, stock_item, listing, integration, user, …")
@click.option(
    "--id",
    "object_id",
    type=RowId("anything in the audit trail", "`flask --app app audit list` shows the ids."),
    help="Only that one; with --object.",
)
@click.option("--integration", metavar="NAME", help="Only changes of one integration.")
@click.option("--search", metavar="TEXT", default="", help="A part of the object's name, number or SKU.")
@click.option("--since", type=DAY, help="Only from this time on (UTC).")
@click.option("--until", type=DAY, help="Only before this time (UTC).")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@json_option
def show_list(integration: str | None, limit: int, as_json: bool, **asked: Any) -> None:
    """List what people and programs changed, newest first."""
    wanted = Wanted(
        actor=asked["who"], object=asked["of"], object_id=asked["object_id"], search=asked["search"], since=_utc(asked["since"]),
        until=_utc(asked["until"]), integration_id=finding.find_integration(integration).id if integration is not None else None,
    )  # fmt: skip
    batches = ([_row(entry, as_json) for entry in batch] for batch in trail.iter_entries(wanted, limit))
    write_rows(batches, COLUMNS, as_json=as_json, nothing="Nothing has been changed.")


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None else None


def _row(entry: Entry, as_json: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "at": stamp(entry.at), "actor": entry.actor, "cause": entry.cause, "kind": entry.kind, "what": entry.what,
        "object": entry.object, "id": entry.object_id, "name": entry.subject, "integration": entry.integration,
        "changes": [{"field": field, "before": before, "after": after} for field, before, after in entry.changes],
    }  # fmt: skip
    if not as_json:
        row["changed"] = "; ".join(f"{field}: {before} → {after}" for field, before, after in entry.changes)
    return row
