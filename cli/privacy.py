"""``flask privacy``: export and erase customers' personal data."""

from __future__ import annotations

import click

from cli.actors import actor
from cli.failures import Failed, Group
from cli.inputs import agree, yes_option
from cli.output import say, write_object
from models import Order
from services.common import whole_numbers
from services.operations import privacy
from services.orders.queries import integration_name
from services.shops import finding

group = Group("privacy", help="Customers' data: keep, export, erase.")


@group.command("keep")
@click.argument("days", required=False)
def keep(days: str | None) -> None:
    """Set for how many days customers' data of shipped orders is kept: DAYS or ``forever``. Without DAYS, show it."""
    if days is not None:
        privacy.set_erased_after(None if days == "forever" else whole_numbers.read(days, noun="number of days"), actor())
    now = privacy.erased_after()
    say(
        "Customers' data is kept forever." if now is None else f"Customers' data is erased {now} days after an order was shipped."
    )


@group.command("export")
@click.argument("number")
@click.option("--integration", metavar="NAME", help="Where several shops have an order of this number.")
def export(number: str, integration: str | None) -> None:
    """Print everything that is stored of one order, as JSON."""
    write_object(privacy.export_order(_the_one(number, integration).id))


@group.command("erase")
@click.argument("number")
@click.option("--integration", metavar="NAME", help="Where several shops have an order of this number.")
@yes_option
def erase(number: str, integration: str | None, yes: bool) -> None:
    """Erase the customer's data of one order that is shipped or cancelled. Its money and lines stay."""
    order = _the_one(number, integration)
    shown, order_id = order.number or order.external_id, order.id
    agree(yes, f"Erase the customer's data of order {shown}? This cannot be undone.", "Nothing was erased.")
    privacy.erase_order(order_id)
    say(f"The customer's data of order {shown} is erased.")


def _the_one(number: str, integration: str | None) -> Order:
    shop_id = finding.find_integration(integration).shop_id if integration is not None else None
    found = [order for order in privacy.find_orders(number) if shop_id in (None, order.shop_id)]
    if not found:
        raise Failed(f"There is no order with the number {number!r}.")
    if len(found) > 1:
        places = ", ".join(
            sorted(f"{integration_name(order) or 'a removed integration'} (id {order.external_id})" for order in found)
        )
        raise Failed(f"There are several orders with the number {number}: in {places}. Choose one with --integration.")
    return found[0]
