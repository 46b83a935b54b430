"""``flask orders tag`` and ``flask orders note``: what people note about orders for each other."""

from __future__ import annotations

import click

from cli.actors import actor
from cli.orders import find, group, in_shop
from cli.output import say
from services.orders import notes, tags


@group.command("tag")
@click.argument("number")
@click.option("--add", "added", multiple=True, metavar="TAG", help="Set this tag; may be given several times.")
@click.option("--remove", "removed", multiple=True, metavar="TAG", help="Take this tag off; may be given several times.")
@in_shop
def change_tags(
    number: str, added: tuple[str, ...], removed: tuple[str, ...], integration: str | None, shop_id: str | None
) -> None:
    """Set or take off tags of an order, and say which it has."""
    order = find(number, integration, shop_id)
    found = tags.change_tags(order.id, actor(), add=added, remove=removed)
    say(f"Order {order.number}: {', '.join(found.tags) or 'no tags'}.")


@group.command("note")
@click.argument("number")
@click.argument("text")
@in_shop
def add_note(number: str, text: str, integration: str | None, shop_id: str | None) -> None:
    """Add an internal note to an order. It is not sent to the shop."""
    order = find(number, integration, shop_id)
    notes.add_note(order.id, text, actor())
    say(f"Order {order.number}: the note is added.")
