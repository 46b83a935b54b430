"""``flask orders``: list, show, ship and recheck downloaded orders."""

from __future__ import annotations

from typing import Any

import click

from cli.actors import actor
from cli.failures import Failed, Group, note
from cli.inputs import ChoiceWithFormerNames, RowId
from cli.output import Column, Row, json_option, say, write, write_fields, write_object, write_rows, write_table
from cli.starting import start_due_pushes, start_due_write_backs
from errors import InvalidInput
from models import Order
from services.common.batches import stamp
from services.integrations import lifecycle
from services.orders import notes, queries, rereading, seen, superseding, tags
from services.shipping import by_hand, chosen_lines, outlook, shipments, trying_again, undo, voiding
from services.shops import finding

COLUMNS = (
    Column("NUMBER", "number"),
    Column("INTEGRATION", "integration", most=24),
    Column("PLACED", "placed_at"),
    Column("CUSTOMER", "customer", most=28),
    Column("TOTAL", "total", right=True),
    Column("", "currency"),
    Column("PAYMENT", "payment_status"),
    Column("SHIPPING", "shipping_status"),
    Column("STATE", "state"),
    Column("", "mark"),
    Column("BY HAND", "enter_by_hand"),
    Column("HELD BECAUSE", "held_reason", most=60),
)
LINES = (
    Column("#", "place", right=True),
    Column("SKU", "sku"),
    Column("NAME", "name", most=48),
    Column("OPTIONS", "chosen", most=40),
    Column("QUANTITY", "quantity", right=True),
    Column("PRICE", "price", right=True),
    Column("TOTAL", "total", right=True),
    Column("RESERVED", "reserved", right=True),
    Column("SHIPPED", "shipped", right=True),
)
MONEY = ("items", "shipping", "items_tax", "shipping_tax", "discount", "other", "difference", "total")
APART = (*MONEY, "lines", "held_codes", "tax_lines", "billing_address")
SHIPMENT_ID = RowId("a shipment", "Without --shipment the newest is meant.")

group = Group("orders", help="Downloaded orders: list, show, ship.")

STATE = ChoiceWithFormerNames((*queries.STATES, *queries.SPECIAL), {"untold": "not_sent"})


def in_shop(command: Any) -> Any:
    """The options that choose between several orders with one number."""
    by_id = click.option("--id", "shop_id", metavar="ID", help="The shop's own id, where a shop has this number twice.")
    by_name = click.option("--integration", metavar="NAME", help="Where several shops have an order of this number.")
    return by_name(by_id(command))


@group.command("list")
@click.argument("name", required=False)
@click.option("--state", type=STATE, help="Only orders in this state.")
@click.option("--tag", metavar="TAG", help="Only orders with this tag.")
@click.option("--since", metavar="DATE", help="Only orders placed since then (2026-11-30).")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@json_option
def show_list(name: str | None, state: str | None, tag: str | None, since: str | None, limit: int | None, as_json: bool) -> None:
    """List orders, newest first; of one integration where NAME is given."""
    batches = queries.iter_orders(
        integration_id=finding.find_integration(name).id if name is not None else None,
        state=state or "",
        tag=tag,
        since=lifecycle.parse_since(since) if since is not None else None,
        limit=limit,
    )
    write_rows(batches, COLUMNS, as_json=as_json, nothing="There are no such orders.")


@group.command("show")
@click.argument("number")
@in_shop
@json_option
def show(number: str, integration: str | None, shop_id: str | None, as_json: bool) -> None:
    """Show one order, by its number or the shop's own id."""
    order = find(number, integration, shop_id)
    to_do = [by_hand.sentence(task) for task in by_hand.tasks(order.id)]
    row = {**queries.order_object(order), "enter_by_hand": by_hand.waiting_numbers(order.id), "to_do_in_shop": to_do}
    row["tags"] = tags.of_orders([order.id])[order.id]
    row["internal_notes"] = [
        {"at": stamp(each.at), "by": each.actor, "text": each.text} for each in notes.of_orders([order.id])[order.id]
    ]
    changes = queries.list_changes(order.id)
    if as_json:
        write_object({**row, "changes": changes})
        return
    _write_order(row)
    for change in changes:
        fields = "; ".join(f"{name}: {before} → {after}" for name, (before, after) in change["fields"].items())
        write_fields([(f"changed {change['seen_at']}", fields)])


@group.command("recheck")
@click.argument("number")
@in_shop
def recheck(number: str, integration: str | None, shop_id: str | None) -> None:
    """Recheck a stored order, after what held it was changed."""
    order = find(number, integration, shop_id)
    done = rereading.evaluate_orders([order.id], actor())
    say(f"Order {order.number}: rechecked{' and released.' if done.released else '.'}")


@group.command("ship")
@click.argument("number")
@click.option("--carrier", default="", metavar="NAME", help="Who carries it.")
@click.option("--tracking", default="", metavar="NUMBER", help="The tracking number.")
@click.option(
    "--lines",
    default="",
    metavar="SKU=PIECES,…",
    help="Only these lines (CUP=2, or #2=1 for line 2); all that is left by default, in stock or not.",
)
@click.option("--in-stock", is_flag=True, help="Only what is in stock, as the order's page suggests.")
@in_shop
def ship(
    number: str, carrier: str, tracking: str, lines: str, in_stock: bool, integration: str | None, shop_id: str | None
) -> None:  # fmt: skip
    """Ship an order, or some of its lines.

    \f
    Its options are its parameters."""
    if lines and in_stock:
        raise InvalidInput("--lines and --in-stock cannot be used together.", "Use one of them.")
    order = find(number, integration, shop_id)
    chosen = chosen_lines.pieces_of(order, lines) if lines else chosen_lines.in_stock if in_stock else None
    done = shipments.ship(
        order.id,
        actor(),
        carrier=carrier,
        tracking_number=tracking,
        quantities=chosen,
    )
    after = outlook.of_write_back(order.shop_id, done.event, tracking)
    say(f"Order {order.number or order.external_id}: {done.state.replace('_', ' ')}. {after}")
    if done.not_in_stock:
        say(
            f"Not in stock, but counted as shipped: {done.not_in_stock}. If they were not sent, undo the shipment and use --in-stock."
        )
    start_due_write_backs()


def of_shipment(command: Any) -> Any:
    """The option that chooses one of several shipments of an order."""
    return click.option(
        "--shipment", "shipment_id", type=SHIPMENT_ID, metavar="ID", help="Which shipment; the newest by default."
    )(command)


@group.command("undo-shipment")
@click.argument("number")
@of_shipment
@in_shop
def undo_shipment(number: str, shipment_id: int | None, integration: str | None, shop_id: str | None) -> None:
    """Undo a shipment that has not been sent to the shop yet."""
    order = find(number, integration, shop_id)
    undo.undo(_shipment(order, shipment_id), actor())
    say(f"Order {number}: the shipment is undone. Nothing was sent to the shop.")
    start_due_write_backs()


@group.command("void-shipment")
@click.argument("number")
@of_shipment
@in_shop
def void_shipment(number: str, shipment_id: int | None, integration: str | None, shop_id: str | None) -> None:
    """Void a shipment here, after it was sent to the shop. The shop keeps its status."""
    order = find(number, integration, shop_id)
    changed = voiding.void(_shipment(order, shipment_id), actor())
    say(" ".join([f"Order {number}: the shipment is void and its stock is back.", *changed.left]))
    start_due_write_backs()


@group.command("edit-tracking")
@click.argument("number")
@click.option("--carrier", metavar="NAME", help="Who carries it; as it is by default.")
@click.option("--tracking", required=True, metavar="NUMBER", help="The new tracking number.")
@of_shipment
@in_shop
def edit_tracking(
    number: str, carrier: str | None, tracking: str, shipment_id: int | None, integration: str | None, shop_id: str | None
) -> None:
    """Change the tracking number of a shipment. The new one is added in the shop."""
    order = find(number, integration, shop_id)
    found = shipments.find_shipment(order.id, _shipment(order, shipment_id))
    changed = voiding.edit_tracking(
        found.id, actor(), carrier=found.carrier if carrier is None else carrier, tracking_number=tracking
    )
    say(" ".join([f"Order {number}: saved.", *changed.left]))
    start_due_write_backs()


def _shipment(order: Order, shipment_id: int | None) -> int:
    """The shipment that is meant. Raises NotFound, or Failed where nothing was shipped."""
    if shipment_id is not None:
        return shipments.find_shipment(order.id, shipment_id).id
    present = [each.id for each in shipments.of_order(order.id) if each.voided_at is None]
    if not present:
        raise Failed(f"Order {order.number}: nothing of it has been shipped.")
    return present[-1]


@group.command("mark-seen")
@click.argument("number")
@in_shop
def mark_seen(number: str, integration: str | None, shop_id: str | None) -> None:
    """Confirm that the shop cancelled or deleted an order. This frees the stock of a deleted order."""
    order = find(number, integration, shop_id)
    marked = seen.mark_seen([order.id], actor())
    if not marked:
        raise Failed(f"Order {number}: there is nothing to mark as seen.")
    say(f"Order {number}: marked as seen{'; its stock is free.' if marked.deleted else '.'}")
    start_due_pushes()


@group.command("replace")
@click.argument("number")
@in_shop
def replace(number: str, integration: str | None, shop_id: str | None) -> None:
    """Say that the shop uses the ID of a held order for another order: Cartlink keeps it and downloads the other."""
    order = find(number, integration, shop_id)
    superseding.replace_order(order.id, actor())
    say(f"Order {number} : nothing more is sent to the shop. The next download imports the other order.")


@group.command("send-again")
@click.argument("number")
@in_shop
def send_again(number: str, integration: str | None, shop_id: str | None) -> None:
    """Send again what the shop has not accepted for an order."""
    order = find(number, integration, shop_id)
    trying_again.try_again(trying_again.unsent(order.id), actor())
    say(f"Order {order.number}: it is sent again.")
    start_due_write_backs()


@group.command("mark-entered")
@click.argument("number")
@in_shop
def mark_entered(number: str, integration: str | None, shop_id: str | None) -> None:
    """Mark as done what was to be done in the shop by hand: enter or remove a tracking number, or set the status back."""
    order = find(number, integration, shop_id)
    entered = by_hand.mark_entered([order.id], actor())
    say(f"Order {order.number}: {'marked as entered.' if entered else 'nothing was waiting to be done in the shop.'}")


group.renamed("evaluate", "recheck")
group.renamed("acknowledge", "mark-seen")


@group.command("mark-handled", hidden=True)
@click.argument("number")
@in_shop
def mark_handled(number: str, integration: str | None, shop_id: str | None) -> None:
    """The former name of ``mark-seen``, which did not fail if there was nothing to mark."""
    note("`orders mark-handled` is called `orders mark-seen` now.")
    order = find(number, integration, shop_id)
    marked = seen.mark_seen([order.id], actor())
    say(f"Order {order.number}: {'marked as seen.' if marked else 'there was nothing to decide.'}")


def find(number: str, integration: str | None, shop_id: str | None) -> Order:
    """The order that is meant. Raises NotFound or Conflict."""
    integration_id = finding.find_integration(integration).id if integration is not None else None
    return queries.find_order(number, integration_id, external_id=shop_id)


def _write_order(row: Row) -> None:
    shown = {key: value for key, value in row.items() if key not in APART}
    shown["shipping_address"] = _address(row["shipping_address"])
    write_fields((key.replace("_", " "), value) for key, value in shown.items())
    write("\n")
    money = [{"part": key.replace("_", " "), "amount": row[key]} for key in MONEY]
    write_table([money], (Column("MONEY", "part"), Column(row["currency"], "amount", right=True)), "")
    write("\n")
    lines = [{**line, "place": place, "chosen": _chosen(line["options"])} for place, line in enumerate(row["lines"], 1)]
    write_table([lines], LINES, "The order has no lines.")


def _chosen(options: dict[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in options.items())


def _address(address: Row | None) -> str:
    return ", ".join(str(part) for key, part in (address or {}).items() if part and key != "extra")
