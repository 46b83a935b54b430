"""``flask carriers``: the list of carriers, the names that files use for them, and where their parcels are tracked."""

from __future__ import annotations

import click

from cli.actors import actor
from cli.failures import Group
from cli.inputs import agree, yes_option
from cli.output import Column, Row, json_option, say, write_rows
from errors import NotFound
from models import Carrier
from services.shipping import carriers

COLUMNS = (
    Column("NAME", "name"),
    Column("OTHER NAMES", "other_names", most=60),
    Column("TRACKING LINK", "tracking_link", most=80),
)

group = Group("carriers", help="Carriers: list, save, remove.")


@group.command("list")
@json_option
def show_list(as_json: bool) -> None:
    """List the carriers, by name."""
    write_rows([[_object(each) for each in carriers.list_carriers()]], COLUMNS, as_json=as_json, nothing="There are no carriers.")


def _object(carrier: Carrier) -> Row:
    return {"name": carrier.name, "other_names": list(carrier.aliases), "tracking_link": carrier.tracking_url}


@group.command("save")
@click.argument("name")
@click.option("--rename", metavar="NAME", help="The new name of a carrier that is there.")
@click.option(
    "--other-name", "others", multiple=True, metavar="NAME",
    help="Another name that files use for it; give it once for each. Those that are there stay.",
)  # fmt: skip
@click.option("--without", "without", multiple=True, metavar="NAME", help="Another name to take away.")
@click.option(
    "--tracking-link", metavar="URL", help="Where parcels are tracked, with {number} where the number goes; empty for none."
)
def save(name: str, rename: str | None, others: tuple[str, ...], without: tuple[str, ...], tracking_link: str | None) -> None:
    """Add a carrier, or change the one with this name."""
    kept = _found(name)
    if kept is None and rename:
        raise NotFound(f"There is no carrier {name!r}.")
    gone = {carriers.key_of(each) for each in without}
    aliases = [each for each in (*(kept.aliases if kept else ()), *others) if carriers.key_of(each) not in gone]
    url = tracking_link if tracking_link is not None else kept.tracking_url if kept else ""
    carrier_id = carriers.save_carrier(kept.id if kept else None, rename or (kept.name if kept else name), aliases, url, actor())
    say(f"{carriers.get_carrier(carrier_id).name}: {'saved' if kept else 'added'}.")


def _found(name: str) -> Carrier | None:
    try:
        return carriers.find_carrier(name)
    except NotFound:
        return None


@group.command("remove")
@click.argument("name")
@yes_option
def remove(name: str, yes: bool) -> None:
    """Remove a carrier from the list. Shipments keep its name, without a link."""
    carrier = carriers.find_carrier(name)
    called = carrier.name
    agree(yes, f"Remove the carrier {called}? Shipments keep its name, without a link.")
    carriers.remove_carrier(carrier.id, actor())
    say(f"The carrier {called} is removed.")
