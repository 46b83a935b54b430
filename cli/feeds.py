"""``flask feeds``: suppliers' stock lists. Here are the commands that set feeds up; cli/feed_runs.py has those about what they brought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from cli.actors import actor
from cli.failures import Group
from cli.inputs import agree, read_secret, yes_option
from cli.output import Column, Row, json_option, say, write_fields, write_object, write_rows
from cli.starting import start_due_pushes
from errors import InvalidInput
from services.common.batches import stamp
from services.feeds import fetching, finding, overview, removal, showing, suppliers
from services.onboarding import feed_check
from services.stock import file_quantities

COLUMNS = (
    Column("ID", "id", right=True),
    Column("SUPPLIER", "supplier", most=30),
    Column("FEED", "feed", most=30),
    Column("STATE", "state"),
    Column("LAST NEW FILE", "read_at"),
    Column("NEXT FETCH", "due_at"),
    Column("UNKNOWN CODES", "unknown", right=True),
    Column("PROBLEM", "problem", most=60),
)

group = Group(
    "feeds",
    help="Suppliers' stock lists: list, show, add, change, check, fetch; runs: list, approve, drop, undo; offers and unknown codes.",
)


@group.command("list")
@json_option
def show_list(as_json: bool) -> None:
    """List the feeds, those with a problem first."""
    rows = [_object(feed) for supplier in overview.list_suppliers() for feed in supplier.feeds]
    write_rows([rows], COLUMNS, as_json=as_json, nothing="There are no feeds. Add one with `flask feeds add`.")


def _object(row: overview.FeedRow) -> Row:
    return {
        "id": row.id, "supplier": row.supplier, "feed": row.name, "enabled": row.enabled, "state": row.state,
        "read_at": stamp(row.read_at), "due_at": stamp(row.due_at), "unknown": row.unknown, "run": row.run_id,
        "problem": " ".join(filter(None, (row.message, row.advice, row.zone_complaint))),
    }  # fmt: skip


@group.command("show")
@click.argument("feed")
@json_option
def show(feed: str, as_json: bool) -> None:
    """Show one FEED with its settings: its number, or supplier/feed."""
    found = finding.find_feed(feed)
    row = _object(overview.get_row(found.id)) | settings(found.id)
    if as_json:
        write_object(row)
    else:
        write_fields(row.items())


def settings(feed_id: int) -> Row:
    """What a person has set; of the secret only its end."""
    feed = suppliers.get_feed(feed_id)
    names = (
        "method", "address", "path", "auth", "user", "parameter", "secret_last4", "sheet", "delta", "excludes_open_orders", "missing",
        "missing_after", "priority", "interval_seconds", "times", "zone", "quiet_from", "quiet_until", "stale_after_seconds", "when_stale",
        "zero_percent", "rows_percent", "unreadable_percent",
    )  # fmt: skip
    columns, options = (feed.columns or {}).get("columns", {}), (feed.columns or {}).get("options", {})
    decimal = next(word for word, mark in DECIMALS.items() if mark == options.get("decimal", ""))
    return {name: getattr(feed, name) for name in names} | {
        "sku_column": columns.get("sku", ""), "quantity_column": columns.get("quantity", ""),
        "words": options.get("words", {}), "decimal": decimal, "pack": options.get("pack", 1), "take_off": options.get("buffer", 0),
        "most": options.get("cap"), "host_key": showing.fingerprint(feed.host_key),
    }  # fmt: skip


SETTINGS = (
    click.option("--address", help="The address of the file (https://…), or sftp://server/folder/file; * stands for what changes in the name."),
    click.option("--auth", type=click.Choice(["none", "basic", "bearer", "header", "query", "password", "key"]), help="How to sign in."),
    click.option("--user", help="The user name."),
    click.option("--parameter", help="The name of the header or parameter that holds the key."),
    click.option("--secret-file", metavar="FILE", help="The file with the password, token, key or private key; - reads standard input."),
    click.option("--sku-column", metavar="HEADING", help="The column with the codes; 'Column 3' for the third one without a heading."),
    click.option("--quantity-column", metavar="HEADING", help="The column with the quantities; 'Stock (2)' for the second one called Stock."),
    click.option("--word", "words", multiple=True, metavar="WORD=NUMBER", help="What a word means as a quantity: 'In stock=10'. May be repeated."),
    click.option("--decimal", type=click.Choice(["dot", "comma", "unclear"]), help="The sign before decimals."),
    click.option("--pack", type=click.IntRange(1, 1_000_000), metavar="N", help="How many pieces a quantity of 1 means."),
    click.option("--take-off", type=click.IntRange(0, 1_000_000), metavar="N", help="How many pieces to take off each quantity."),
    click.option("--most", metavar="N", help="The most pieces an offer counts for; `none` for no limit."),
    click.option("--sheet", metavar="NAME", help="The sheet of an Excel file; the first by default."),
    click.option("--every", type=click.IntRange(300, 604_800), metavar="SECONDS", help="Fetch it at this interval."),
    click.option("--times", metavar="TIMES", help="Fetch it at these times of day: 06:30,13:00."),
    click.option("--zone", help="The time zone of the times and of the quiet hours."),
    click.option("--quiet", metavar="FROM-UNTIL", help="Fetch nothing between these times: 22:00-06:00; `none` for no quiet hours."),
    click.option("--delta/--whole", "delta", default=None, help="The file contains only what has changed, or everything."),
    click.option("--missing", type=click.Choice(["keep", "zero", "zero_after"]), help="What happens to codes that are no longer in the file."),
    click.option("--missing-after", type=click.IntRange(2, 100), metavar="N", help="For zero_after: how many times in a row."),
    click.option("--excludes-open-orders/--includes-open-orders", "excludes_open_orders", default=None,
                 help="Its quantities already leave out our open orders, or do not."),
    click.option("--priority", type=click.IntRange(1, 1000), help="1 comes first."),
    click.option("--stale-hours", type=click.IntRange(1, 2160), metavar="N", help="After how many hours without anything new it is stale."),
    click.option("--when-stale", type=click.Choice(["keep", "hold", "zero"]), help="What its quantities count for when it is stale."),
    click.option("--zero-percent", type=click.IntRange(0, 100), metavar="N", help="Safety limit: share of codes that may go to 0."),
    click.option("--rows-percent", type=click.IntRange(0, 100), metavar="N", help="Safety limit: share of last time's rows that must be there."),
    click.option("--unreadable-percent", type=click.IntRange(0, 100), metavar="N", help="Safety limit: share of rows that may be unreadable."),
)  # fmt: skip
"""What is set of a feed, when it is added and later."""
SAME = (
    "auth", "user", "parameter", "sheet", "zone", "delta", "missing", "missing_after", "excludes_open_orders", "priority", "when_stale",
    "zero_percent", "rows_percent", "unreadable_percent",
)  # fmt: skip


DECIMALS = {"dot": ".", "comma": ",", "unclear": ""}


def with_settings(command: Any) -> Any:
    for option in reversed(SETTINGS):
        command = option(command)
    return command


def values_of(given: dict[str, Any], present: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The options as services/feeds/feed_values.py knows them; those that were not given are left out. ``present`` is the assignment of the
    columns that is changed. Raises InvalidInput."""
    values = {name: given[name] for name in SAME if given[name] is not None}
    if given["address"] is not None:
        values |= _place(given["address"], given["auth"])
    if given["secret_file"] is not None:
        values["secret"] = read_secret(given["secret_file"])
    if given["every"] is not None and given["times"] is not None:
        raise InvalidInput("Choose an interval or times of day.", "Use --every or --times.")
    if given["every"] is not None:
        values |= {"interval_seconds": given["every"], "times": []}
    if given["times"] is not None:
        values |= {"interval_seconds": None, "times": given["times"].replace(",", " ").split()}
    if given["quiet"] is not None:
        start, _, end = "" if given["quiet"] == "none" else given["quiet"], "", ""
        start, _, end = start.partition("-")
        values |= {"quiet_from": start, "quiet_until": end}
    if given["stale_hours"] is not None:
        values["stale_after_seconds"] = given["stale_hours"] * 3600
    assigned = _assigned(given, present or {})
    return values if assigned is None else values | {"columns": assigned}


def _assigned(given: dict[str, Any], present: Mapping[str, Any]) -> dict[str, Any] | None:
    """Which columns are read and how, as a person assigns them on the page; None where no option says so. Raises InvalidInput."""
    columns = {name: given[f"{name}_column"] for name in ("sku", "quantity") if given[f"{name}_column"] is not None}
    options = {kept: given[name] for name, kept in (("pack", "pack"), ("take_off", "buffer")) if given[name] is not None}
    if given["words"]:
        options["words"] = file_quantities.words_in("\n".join(given["words"]))
    if given["decimal"] is not None:
        options["decimal"] = DECIMALS[given["decimal"]]
    if given["most"] is not None:
        options["cap"] = None if given["most"] == "none" else given["most"]
    if not columns and not options:
        return None
    columns = {**present.get("columns", {}), **columns}
    if not columns.get("sku") or not columns.get("quantity"):
        raise InvalidInput("Name both columns.", "Use --sku-column and --quantity-column.")
    if columns["sku"].casefold() == columns["quantity"].casefold():
        raise InvalidInput(
            f"The column {columns['sku']} is chosen twice.", "Name another one for --sku-column or --quantity-column."
        )
    return {"columns": columns, "options": file_quantities.from_kept({**present.get("options", {}), **options}).kept()}


def _place(address: str, auth: str | None) -> dict[str, Any]:
    """``sftp://server/folder/file`` in its parts."""
    if not address.lower().startswith("sftp://"):
        return {"method": "https", "address": address, "path": ""}
    host, slash, path = address[len("sftp://") :].partition("/")
    return {"method": "sftp", "address": host, "path": slash + path} | ({} if auth else {"auth": "password"})


@group.command("add")
@click.argument("supplier")
@click.option("--name", required=True, help="The name of the feed.")
@with_settings
def add(supplier: str, name: str, **given: Any) -> None:
    """Add a feed to the supplier SUPPLIER. Its first run waits for your approval."""
    found = suppliers.find_supplier(supplier)
    values = values_of(given)
    if "interval_seconds" not in values and not values.get("times"):
        values["interval_seconds"] = 3600
    feed_id = suppliers.create_feed(found.id, actor(), name=name, **values)
    say(f"Feed {feed_id} is added: {found.name}/{name}. Its first run waits for your approval.")


@group.command("change")
@click.argument("feed")
@click.option("--name", help="The name of the feed.")
@with_settings
def change(feed: str, name: str | None, **given: Any) -> None:
    """Change settings of a FEED. Another file, or another way to read it, needs approval at the next run."""
    found = finding.find_feed(feed)
    values = values_of(given, found.columns) | ({"name": name} if name is not None else {})
    if not values:
        raise InvalidInput("Say what to change.", "`flask feeds change --help` shows the options.")
    suppliers.change_feed(found.id, actor(), **values)
    say("Saved.")


@group.command("enable")
@click.argument("feed")
def enable(feed: str) -> None:
    """Fetch a FEED on its schedule again."""
    suppliers.change_feed(finding.find_feed(feed).id, actor(), enabled=True)
    say("Enabled.")


@group.command("disable")
@click.argument("feed")
def disable(feed: str) -> None:
    """Fetch nothing of a FEED any more; its offers stay."""
    suppliers.change_feed(finding.find_feed(feed).id, actor(), enabled=False)
    say("Disabled.")


@group.command("remove")
@click.argument("feed")
@yes_option
def remove(feed: str, yes: bool) -> None:
    """Remove a FEED. Nothing is deleted at the supplier."""
    found = finding.find_feed(feed)
    agree(yes, f"Remove the feed {found.name}? {removal.consequence(overview.count_fed([found.id]))}")
    removal.remove_feed(found.id, actor())
    say("Removed.")
    start_due_pushes()


@group.command("check")
@click.argument("feed")
@click.option("--trust", metavar="FINGERPRINT", help="Trust the SFTP server if its host key has this fingerprint.")
@json_option
def check(feed: str, trust: str | None, as_json: bool) -> None:
    """Fetch the file of a FEED and show its first rows; nothing is changed."""
    found = finding.find_feed(feed)
    seen = feed_check.look_at(fetching.place_of(found), found.sheet, lambda phase: None)
    key = seen.get("key")
    if key and trust == key["fingerprint"]:
        suppliers.confirm_host_key(found.id, key["host_key"], actor())
        found = suppliers.get_feed(found.id)
        seen = feed_check.look_at(fetching.place_of(found), found.sheet, lambda phase: None)
    elif key:
        raise InvalidInput(
            f"The server shows the host key {key['fingerprint']}.", "Compare it with the supplier's, then use --trust with it."
        )
    if seen["check"]["verdict"] != "good":
        raise InvalidInput(seen["check"]["message"], seen["check"]["advice"])
    rows = [dict(zip(seen["headings"], row, strict=True)) for row in seen["rows"]]
    write_rows(
        [rows], [Column(title, title, most=30) for title in seen["headings"]], as_json=as_json, nothing="The file has no rows."
    )
