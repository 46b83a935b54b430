"""``flask orders``: downloaded orders, listed and shown."""

from __future__ import annotations

import click

from cli.failures import Failed, Group
from cli.inputs import actor
from cli.output import Column, Row, json_option, say, write, write_fields, write_object, write_rows, write_table
from cli.starting import start_due_write_backs
from errors import Conflict, InvalidInput
from models import Order
from services import integrations, order_list, shipments

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
    Column("HELD BECAUSE", "held_reason", most=60),
)
LINES = (
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

group = Group("orders", help="Downloaded orders: list, show, ship.")


@group.command("list")
@click.argument("name", required=False)
@click.option("--state", type=click.Choice(order_list.STATES), help="Only orders in this state.")
@click.option("--since", metavar="DATE", help="Only orders placed since then (2026-11-30).")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@json_option
def show_list(name: str | None, state: str | None, since: str | None, limit: int | None, as_json: bool) -> None:
    """List orders, newest first; of one integration where NAME is given."""
    batches = order_list.iter_orders(
        integration_id=integrations.find_integration(name).id if name is not None else None,
        state=state or "",
        since=integrations.parse_since(since) if since is not None else None,
        limit=limit,
    )
    write_rows(batches, COLUMNS, as_json=as_json, nothing="There are no such orders.")


@group.command("show")
@click.argument("number")
@click.option("--integration", metavar="NAME", help="Where several shops have an order of this number.")
@json_option
def show(number: str, integration: str | None, as_json: bool) -> None:
    """Show one order, by its number or the shop's own id."""
    order = _find(number, integration)
    row = order_list.order_object(order)
    changes = order_list.list_changes(order.id)
    if as_json:
        write_object({**row, "changes": changes})
        return
    _write_order(row)
    for change in changes:
        fields = "; ".join(f"{name}: {before} → {after}" for name, (before, after) in change["fields"].items())
        write_fields([(f"changed {change['seen_at']}", fields)])


@group.command("ship")
@click.argument("number")
@click.option("--carrier", default="", metavar="NAME", help="Who carries it.")
@click.option("--tracking", default="", metavar="NUMBER", help="The tracking number.")
@click.option(
    "--lines", default="", metavar="SKU=PIECES,…", help="Only these lines (CUP=2,PLATE=1); all that is left by default."
)
@click.option("--integration", metavar="NAME", help="Where several shops have an order of this number.")
def ship(number: str, carrier: str, tracking: str, lines: str, integration: str | None) -> None:
    """Ship an order, or some of its lines, and have the shop told."""
    order = _find(number, integration)
    done = shipments.ship(
        order.id, actor(), carrier=carrier, tracking_number=tracking, quantities=_pieces(order, lines) if lines else None
    )
    told = {"shipped": "the shop is told", "part_shipped": "the shop is told of the part"}.get(
        done.told, "the shop is told later"
    )
    say(f"Order {number}: {done.state.replace('_', ' ')}; {told}.")
    start_due_write_backs()


def _find(number: str, integration: str | None) -> Order:
    integration_id = integrations.find_integration(integration).id if integration is not None else None
    try:
        return order_list.find_order(number, integration_id)
    except Conflict as several:
        raise Failed(f"{several.message} Choose one with --integration.") from None


def _pieces(order: Order, words: str) -> dict[int, int]:
    """``CUP=2,PLATE=1`` as pieces by line id. Raises InvalidInput."""
    pieces: dict[int, int] = {}
    for word in words.split(","):
        sku, separator, number = (part.strip() for part in word.rpartition("="))
        if not separator or not (number.isascii() and number.isdigit() and len(number) < 10):
            raise InvalidInput(f"{word.strip()!r} is not a line.", "Write SKU=PIECES, as in CUP=2.")
        line = next((line for line in order.lines if line.sku == sku and line.id not in pieces), None)
        if line is None:
            raise InvalidInput(f"Order {order.number} has no line with the SKU {sku!r}.", "`flask orders show` lists its lines.")
        pieces[line.id] = int(number)
    return pieces


def _write_order(row: Row) -> None:
    shown = {key: value for key, value in row.items() if key not in APART}
    shown["shipping_address"] = _address(row["shipping_address"])
    write_fields((key.replace("_", " "), value) for key, value in shown.items())
    write("\n")
    money = [{"part": key.replace("_", " "), "amount": row[key]} for key in MONEY]
    write_table([money], (Column("MONEY", "part"), Column(row["currency"], "amount", right=True)), "")
    write("\n")
    lines = [{**line, "chosen": _chosen(line["options"])} for line in row["lines"]]
    write_table([lines], LINES, "The order has no lines.")


def _chosen(options: dict[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in options.items())


def _address(address: Row | None) -> str:
    return ", ".join(str(part) for key, part in (address or {}).items() if part and key != "extra")
