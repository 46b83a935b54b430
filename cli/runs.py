"""``flask runs``: list, show and stop sync runs."""

from __future__ import annotations

import click

import jobs
from cli.actors import actor
from cli.failures import Group, note
from cli.inputs import RowId
from cli.output import Column, json_option, say, write_fields, write_object, write_rows, write_table
from cli.starting import start_due_pushes
from errors import QueueAway
from models import FlowKind
from models.flow import SYNCS
from services.common.text import plural
from services.listings import undo
from services.runs import lifecycle as runs_lifecycle
from services.runs import queries
from services.shops import finding

COLUMNS = (
    Column("RUN", "id", right=True),
    Column("INTEGRATION", "integration", most=24),
    Column("KIND", "kind"),
    Column("STATE", "state"),
    Column("OUTCOME", "outcome"),
    Column("STARTED BY", "actor", most=24),
    Column("STARTED", "started_at"),
    Column("FINISHED", "finished_at"),
    Column("DONE", "done", right=True),
    Column("OF", "total", right=True),
    Column("ERROR", "error", most=60),
)
ITEMS = (
    Column("SKU", "sku"),
    Column("ROW", "external_id"),
    Column("RESULT", "result"),
    Column("NOW", "now", right=True),
    Column("WANTED", "wanted", right=True),
    Column("STORED", "stored", right=True),
    Column("REASON", "reason", most=80),
)
UNDONE = (Column("SKU", "sku"), Column("ON HAND NOW", "now", right=True), Column("AFTER", "after", right=True))
SHOWN_ITEMS = 50
RUN_ID = RowId("a sync run", "`flask --app app runs list` shows the ids.")

group = Group("runs", help="Sync runs: list, show, stop; undo a stock update.")


@group.command("list")
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice([kind.value for kind in (*SYNCS, FlowKind.UNDO)]), help="Only runs of this kind.")
@click.option("--state", type=click.Choice(("queued", "running", "finished")), help="Only runs in this state.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@json_option
def show_list(name: str | None, kind: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List sync runs, newest first; of one integration where NAME is given."""
    integration_id = finding.find_integration(name).id if name is not None else None
    batches = queries.iter_runs(integration_id=integration_id, kind=kind or "", state=state or "", limit=limit)
    write_rows(batches, COLUMNS, as_json=as_json, nothing="There are no such runs.")


@group.command("show")
@click.argument("run_id", metavar="ID", type=RUN_ID)
@json_option
def show(run_id: int, as_json: bool) -> None:
    """Show one run, with the rows that went wrong in it."""
    row = queries.run_object(runs_lifecycle.find_run(run_id))
    results = queries.count_items(run_id)
    if as_json:
        write_object({**row, "results": results, "items": queries.list_items(run_id)})
        return
    warnings = row.pop("warnings")
    counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in {**row.pop("counts"), **results}.items())
    write_fields([*((key.replace("_", " "), value) for key, value in row.items()), ("counts", counts)])
    write_fields(("warning", warning) for warning in warnings)
    items = queries.list_items(run_id, limit=SHOWN_ITEMS)
    if items:
        write_table([items], ITEMS, "")


@group.command("stop")
@click.argument("run_id", metavar="ID", type=RUN_ID)
def stop(run_id: int) -> None:
    """Stop a run: at once if it is queued, else before its next request to the shop."""
    if runs_lifecycle.find_run(run_id).state == "finished":
        say(f"Run {run_id} is finished already.")
        return
    runs_lifecycle.request_stop(run_id)
    ended = runs_lifecycle.find_run(run_id).state == "finished"
    say(f"Run {run_id} is stopped." if ended else f"Run {run_id} stops before its next request to the shop.")


@group.command("undo")
@click.argument("run_id", metavar="ID", type=RUN_ID)
@click.option(
    "--where", type=click.Choice(("both", "here", "shop")), default="both", show_default=True,
    help="Restore the numbers in Cartlink (here), in the shop, or both.",
)  # fmt: skip
@click.option("--preview", "only_preview", is_flag=True, help="Only show what would change.")
@json_option
def undo_run(run_id: int, where: undo.Where, only_preview: bool, as_json: bool) -> None:
    """Undo a stock update. The next stock update of its shop waits for an approval."""
    seen = undo.preview(run_id)
    if only_preview:
        _show_undo(seen, as_json=as_json)
        return
    started = undo.start_undo(run_id, actor(), where)
    if where != "shop" and seen.items:
        say("The numbers here are restored.")
    if started is not None:
        try:
            jobs.enqueue_run(started.id)
        except QueueAway as trouble:
            note(trouble.sentence())
        say(f"Started: undo (run {started.id}).")
    start_due_pushes()


def _show_undo(found: undo.Preview, *, as_json: bool) -> None:
    rows = [{"sku": item.sku, "now": item.now, "after": item.after} for item in found.items]
    if as_json:
        left = [{"sku": item.sku, "why": item.why} for item in found.left]
        changed = [{"sku": row.sku, "sent": row.sent, "now": row.now} for row in found.changed]
        oversold = [{"sku": row.sku, "before": row.before, "available": row.available} for row in found.oversold]
        listings = {"listings": found.listings, "changed": changed, "oversold": oversold}
        write_object({**listings, "items": rows, "left": left, "others": found.others})
        return
    say(f"In the shop: {plural(found.listings, 'listing gets', 'listings get')} back the quantity from before.")
    for row in found.changed:
        has = "It is no longer in the shop." if row.now is None else f"The shop has {row.now} by now, {row.sent} was sent."
        say(f"Not restored in the shop: {row.sku}. {has}")
    for each in found.oversold:
        say(f"More than you have: {each.sku} gets {each.before} back in the shop, {each.available} are available here.")
    write_table([rows], UNDONE, "Here: nothing is left to take back of what was edited or imported since the update before.")
    for item in found.left:
        say(f"Not taken back here: {item.sku}. {item.why}")
    if found.others:
        say(f"Other shops that sell them: {', '.join(found.others)}.")
