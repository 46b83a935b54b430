"""The commands of ``flask feeds`` about what feeds bring: runs, offers and unknown codes."""

from __future__ import annotations

import click

from cli.actors import actor
from cli.failures import note
from cli.feeds import group
from cli.inputs import RowId
from cli.output import Column, Row, json_option, say, write_rows
from cli.starting import start_due_pushes
from errors import QueueAway
from jobs.feeds import enqueue_run
from models import FeedRun
from services.common.batches import stamp
from services.common.text import plural
from services.feeds import applying, code_pages, finding, item_pages, offers, overview, run_pages, runs, unknown_codes
from services.stock import items as stock_items

RUNS = (
    Column("RUN", "run", right=True), Column("STATE", "state"), Column("STARTED", "started_at"), Column("FILE", "file", most=30),
    Column("ROWS", "rows", right=True), Column("CHANGED", "changed", right=True), Column("BY", "actor", most=24), Column("NOTE", "note", most=80),
)  # fmt: skip
ROWS = (
    Column("LINE", "line", right=True), Column("CODE", "code", most=30), Column("SKU", "sku", most=30), Column("WHAT", "what"),
    Column("BEFORE", "before", right=True), Column("NOW", "quantity", right=True), Column("PROBLEM", "problem", most=60),
)  # fmt: skip
OFFERS = (
    Column("SUPPLIER", "supplier", most=30), Column("FEED", "feed", most=30), Column("CODE", "code", most=30),
    Column("QUANTITY", "quantity", right=True), Column("UNITS", "units", right=True), Column("SEEN", "seen_at"), Column("COUNTS", "counts"),
    Column("WHY NOT", "why_not"),
)  # fmt: skip
CODES = (
    Column("FEED", "feed", right=True), Column("SUPPLIER", "supplier", most=30), Column("CODE", "code", most=40),
    Column("QUANTITY", "quantity", right=True), Column("SEEN", "seen_at"),
)  # fmt: skip
RUN_ID = RowId("a run of a feed", "`flask --app app feeds runs FEED` shows the ids.")


@group.command("fetch")
@click.argument("feed")
def fetch(feed: str) -> None:
    """Fetch a FEED now; prints the run's id."""
    run_id = runs.start(finding.find_feed(feed).id, actor())
    _enqueue(run_id)
    say(str(run_id))


def _enqueue(run_id: int) -> None:
    try:
        enqueue_run(run_id)
    except QueueAway as trouble:
        note(trouble.sentence())


def _note(run: FeedRun) -> str:
    """Why a run failed, or why it waits for a person. What one that was applied had waited for is no news."""
    if run.state in ("done", "undone"):
        return ""
    return run.error or " ".join(each["sentence"] for each in run.problems)


@group.command("runs")
@click.argument("feed")
@json_option
def show_runs(feed: str, as_json: bool) -> None:
    """List the newest runs of a FEED."""
    found: list[Row] = [
        {
            "run": run.id, "state": run.state, "started_at": stamp(run.started_at), "finished_at": stamp(run.finished_at), "file": run.file_name,
            "rows": run.rows, "changed": run.changed, "zeroed": run.zeroed, "unknown": run.unknown, "unreadable": run.unreadable,
            "missing": run.missing, "actor": run.actor, "note": _note(run),
        }
        for run in overview.list_runs(finding.find_feed(feed).id).rows
    ]  # fmt: skip
    write_rows([found], RUNS, as_json=as_json, nothing="Nothing was fetched yet.")


@group.command("rows")
@click.argument("run", type=RUN_ID)
@click.option("--kind", type=click.Choice(list(run_pages.GROUPS)), help="Only rows of this kind.")
@json_option
def show_rows(run: int, kind: str | None, as_json: bool) -> None:
    """List the rows of a RUN that change something, are unknown or cannot be read."""
    run_pages.get_run(run)
    batches = (
        [
            {"line": row.line, "code": row.code, "sku": row.sku, "fed": row.fed, "what": row.kind, "before": row.before,
             "quantity": row.quantity, "problem": row.problem}
            for row in batch
        ]
        for batch in run_pages.iter_rows(run, kind or "")
    )  # fmt: skip
    write_rows(batches, ROWS, as_json=as_json, nothing="No row differs.")


@group.command("approve")
@click.argument("run", type=RUN_ID)
@click.option("--make-fed", is_flag=True, help="Take the quantities of all items in the file from suppliers from now on.")
def approve(run: int, make_fed: bool) -> None:
    """Approve a RUN that waits; its quantities are set."""
    runs.approve(run, actor(), make_fed=make_fed)
    _enqueue(run)
    say(f"Run {run} is approved.")


@group.command("drop")
@click.argument("run", type=RUN_ID)
def drop(run: int) -> None:
    """Drop a RUN that waits; nothing is changed."""
    runs.drop(run, actor())
    say(f"Run {run} is dropped. `feeds fetch` gets the file again.")


@group.command("undo")
@click.argument("run", type=RUN_ID)
def undo(run: int) -> None:
    """Undo the newest RUN of a feed that changed something; the next one waits for your approval."""
    applying.undo(run, actor())
    say(f"Run {run} is undone.")
    start_due_pushes()


@group.command("offers")
@click.argument("sku")
@json_option
def show_offers(sku: str, as_json: bool) -> None:
    """List what suppliers offer of the stock item SKU, and what of it counts."""
    item = stock_items.find_stock_item(sku)
    fed = item_pages.get_fed(item.id)
    rows: list[Row] = [
        {
            "supplier": each.offer.supplier, "feed": each.offer.feed, "code": each.offer.code, "quantity": each.offer.quantity,
            "units": each.offer.units, "seen_at": stamp(each.offer.seen_at), "counts": each.counts, "why_not": each.why_not,
        }
        for each in fed.offers
    ]  # fmt: skip
    write_rows([rows], OFFERS, as_json=as_json, nothing=f"No supplier offers {item.sku}.")
    if not as_json:
        say(f"{item.sku} is {'fed: its quantity comes from suppliers' if fed.fed else 'an own item'}.")


@group.command("unknown")
@click.argument("feed", required=False)
@click.option("--ignored", is_flag=True, help="Those that are ignored instead.")
@json_option
def show_unknown(feed: str | None, ignored: bool, as_json: bool) -> None:
    """List codes that belong to no stock item; of one FEED where it is given."""
    wanted = code_pages.Wanted("", finding.find_feed(feed).id if feed is not None else None, ignored)
    batches = (
        [
            {"feed": row.feed_id, "supplier": row.supplier, "feed_name": row.feed, "code": row.code, "quantity": row.quantity,
             "seen_at": stamp(row.seen_at)}
            for row in batch
        ]
        for batch in code_pages.iter_codes(wanted)
    )  # fmt: skip
    write_rows(batches, CODES, as_json=as_json, nothing="There are no such codes.")


@group.command("link")
@click.argument("feed")
@click.argument("code")
@click.argument("sku")
@click.option(
    "--units", type=click.IntRange(1, 100_000), default=1, help="Units of the item in one piece of the supplier's; 1 by default."
)
def link(feed: str, code: str, sku: str, units: int) -> None:
    """Link the CODE of a FEED to the stock item SKU."""
    offer = finding.find_code(finding.find_feed(feed), code)
    offers.link(offer.id, sku, actor(), units=units)
    say(f"{offer.code} is linked to {sku}.")
    start_due_pushes()


@group.command("create")
@click.argument("feed")
@click.argument("codes", nargs=-1)
def create(feed: str, codes: tuple[str, ...]) -> None:
    """Create fed stock items of unknown CODES of a FEED; of all of them without codes."""
    ids = _ids(feed, codes)
    done = unknown_codes.create_items(ids, actor())
    say(f"{plural(done.created, 'fed item')} created.")
    for sentence in done.left:
        note(sentence)
    start_due_pushes()


@group.command("ignore")
@click.argument("feed")
@click.argument("codes", nargs=-1, required=True)
@click.option("--ask-again", is_flag=True, help="Take the codes back into the list of unknown codes.")
def ignore(feed: str, codes: tuple[str, ...], ask_again: bool) -> None:
    """Ignore unknown CODES of a FEED."""
    changed = offers.ignore(_ids(feed, codes), not ask_again, actor())
    say(f"{changed} codes {'are asked about again' if ask_again else 'are ignored'}.")


def _ids(feed: str, codes: tuple[str, ...]) -> list[int]:
    """Raises NotFound."""
    found = finding.find_feed(feed)
    if codes:
        return [finding.find_code(found, code).id for code in codes]
    return [row.id for batch in code_pages.iter_codes(code_pages.Wanted("", found.id)) for row in batch]
