"""``flask integrations``: shops connected, shown, checked, switched on and off, removed."""

from __future__ import annotations

from typing import Any

import click

from channels.base import Check
from cli.actors import actor
from cli.failures import Failed, Group
from cli.inputs import agree, read_key, yes_option
from cli.output import Column, Row, all_pages, json_option, say, write_fields, write_object, write_rows
from cli.starting import start_due_pushes, start_runs
from models import Integration
from models.order import OPEN_STATES
from services.common.batches import stamp
from services.common.text import plural
from services.integrations import lifecycle, overview, removed
from services.integrations.overview import IntegrationRow
from services.monitoring import decisions
from services.onboarding import check_advice, connect
from services.orders import queries
from services.shops import connection, finding
from services.stock import released

KIND = "xcart"
FIRST_RUNS = ("listings", "orders", "stock")
COLUMNS = (
    Column("NAME", "name"),
    Column("TYPE", "type"),
    Column("STATUS", "status"),
    Column("HEALTH", "health"),
    Column("ORDERS DOWNLOADED", "orders_done_at"),
    Column("STOCK UPDATED", "stock_done_at"),
    Column("HELD", "held_orders", right=True),
    Column("END POINT", "endpoint"),
)

group = Group(
    "integrations",
    help="Connected shops: add, list, show, check, enable, disable, remove, release-stock.",
)


@group.command("add")
@click.option("--name", required=True, help="What to call it; no two integrations share a name.")
@click.option("--endpoint", required=True, metavar="URL", help="The shop's address, or its admin page's.")
@click.option("--key-file", required=True, metavar="FILE", help="The file with the read/write API key; - reads standard input.")
@click.option("--use-tax/--no-use-tax", default=False, help="Record item prices net, with the shop's tax beside them.")
@click.option("--use-shipping-tax/--no-use-shipping-tax", default=False, help="The same for shipping costs.")
@click.option("--surcharge", default="", metavar="NAME", help="The surcharge that counts as shipping.")
@click.option(
    "--since", default="", metavar="DATE", help="Download orders placed since then (2026-11-30); 30 days back by default."
)
def add(name: str, endpoint: str, key_file: str, surcharge: str, since: str, **taxes: bool) -> None:
    """Connect an X-Cart shop: check address and key, store it, start its first runs."""
    lifecycle.refuse_taken_name(lifecycle.clean_name(name))
    start = lifecycle.parse_since(since) if since else None
    address, _ = connection.normalise(KIND, endpoint)
    key = read_key(key_file)
    check = connection.check_shop(KIND, endpoint, key)
    if not check.good:
        raise Failed(refusal(check))
    new = lifecycle.NewIntegration(KIND, name, endpoint, key, taxes["use_tax"], taxes["use_shipping_tax"], surcharge, start)
    integration = connect.connect_checked(new, check, actor())
    say(f"Added {integration.name}: {check.endpoint or address}, orders since {integration.orders_since:%Y-%m-%d}.")
    if check.message:
        say(verdict(check))
    start_runs(integration.id, FIRST_RUNS)


def refusal(check: Check) -> str:
    """Why nothing was stored, and what to do. Unlike for a stored shop, nothing is tried again."""
    if check.verdict in check_advice.AGAIN or check.verdict in check_advice.HOST_FIRST:
        return f"{check.message} Nothing was stored. {check_advice.advice(check.verdict, check.advice)}"
    return verdict(check)


def verdict(check: Check) -> str:
    """The message and advice of a check, with the new address if the shop has moved."""
    words = f"{check.message} {check.advice}".strip()
    return words if check.moved_to in words else f"{words} Use --endpoint {check.moved_to}"


@group.command("list")
@json_option
def show_list(as_json: bool) -> None:
    """List the integrations with their health."""
    write_rows(
        all_pages(overview.list_page, _object), COLUMNS, as_json=as_json,
        nothing="There are no integrations. Add one with `flask integrations add`.",
    )  # fmt: skip


def _object(row: IntegrationRow) -> Row:
    return {
        "name": row.name,
        "type": row.label,
        "status": "enabled" if row.enabled else "disabled",
        "health": row.health.replace("_", " "),
        "health_message": row.health_message,
        "endpoint": row.endpoint,
        "orders_done_at": stamp(row.orders_done_at),
        "stock_done_at": stamp(row.stock_done_at),
        "held_orders": row.held_orders,
        "failed_listings": row.failed_listings,
        "preview_waits": row.preview_waits,
        "runs": [{"id": run.id, "kind": run.kind, "state": run.state, "done": run.done, "total": run.total} for run in row.runs],
    }


@group.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one integration with its settings."""
    integration = finding.find_integration(name)
    row = _object(overview.get_row(integration.id))
    settings = _settings(integration)
    orders = queries.count_by_state(integration.shop_id)
    if as_json:
        write_object({**row, "settings": settings, "orders": orders})
        return
    runs = ", ".join(f"{run['kind']} (run {run['id']}, {run['state']})" for run in row.pop("runs"))
    counted = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in sorted(orders.items()))
    fields = {**row, "orders": counted, "at_work": runs, **settings}
    write_fields((key.replace("_", " "), value) for key, value in fields.items())


def _settings(integration: Integration) -> dict[str, Any]:
    return {
        "api_key": f"ends in {integration.key_last4}" if integration.key_last4 else "stored",
        "generation": integration.generation,
        "orders_since": stamp(integration.orders_since),
        "use_tax": integration.use_tax,
        "use_shipping_tax": integration.use_shipping_tax,
        "surcharge": integration.surcharge_name,
        "variants": integration.with_variants,
        "options": integration.with_options,
        "discounts": integration.with_discounts,
        "tax_lines": integration.with_tax_lines,
        "notes": integration.with_notes,
        "back_orders": integration.with_back_orders,
        "processed_status": integration.processed_status,
        "take_shop_stock": integration.take_shop_stock,
        "safety_limit_percent": integration.safety_limit_percent,
        "created_at": stamp(integration.created_at),
        "clock_ahead_seconds": integration.shop.clock_ahead,
    }


@group.command("check")
@click.argument("name")
def check(name: str) -> None:
    """Check that address and API key work. Changes nothing in Cartlink or in the shop."""
    integration = finding.find_integration(name)
    stopped = integration.health == "needs_reauthorising" or integration.writes_refused
    found = connection.check_integration(integration.id)
    if not found.good:
        raise Failed(verdict(found))
    say(verdict(found) or f"{name}: address and key work.")
    if stopped:
        say(
            "Cartlink has stopped its requests to this shop because of its API key, and tries the key again by itself. To continue at once, "
            "reauthorise it on its page."
        )


@group.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Switch an integration on; everything is due at once."""
    found = finding.find_integration(name)
    was_enabled = found.enabled
    lifecycle.set_enabled(found.id, True, actor())
    say(f"{found.name} is enabled.")
    if not was_enabled:
        start_runs(found.id, FIRST_RUNS)


@group.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Switch an integration off; nothing more is sent to its shop."""
    found = finding.find_integration(name)
    lifecycle.set_enabled(found.id, False, actor())
    say(f"{found.name} is disabled.")


@group.command("mark-seen")
@click.argument("name")
def mark_seen(name: str) -> None:
    """Confirm that the shop was restored from a backup. Its incident ends."""
    found = finding.find_integration(name)
    known = decisions.mark_set_back_seen(found.id, actor())
    say(f"{found.name}: {'marked as seen.' if known else 'there is nothing to mark as seen.'}")


@group.command("approve-deletions")
@click.argument("name")
def approve_deletions(name: str) -> None:
    """Approve that many open orders were deleted in the shop. The next order download marks them."""
    found = finding.find_integration(name)
    number = decisions.approve_deletions(found.id, actor())
    say(f"{found.name}: {f'approved for {number} orders.' if number else 'there is nothing to approve.'}")


@group.command("remove")
@click.argument("name")
@yes_option
@click.option(
    "--keep-reserved", is_flag=True, help="Keep reserved what its open orders have reserved; it is released by default."
)
def remove(name: str, yes: bool, keep_reserved: bool) -> None:
    """Remove an integration and delete its API key. Its orders and links are kept."""
    integration = finding.find_integration(name)
    orders = queries.count_by_state(integration.shop_id)
    unsent = sum(number for state, number in orders.items() if state in OPEN_STATES)
    held = orders.get("on_hold", 0)
    say(f"{integration.name} ({integration.endpoint}): {plural(unsent, 'order')} not shipped, {held} of them held.")
    stock = "stays reserved" if keep_reserved else "is released"
    agree(
        yes,
        f"Remove {integration.name}? Its API key is deleted, and what its open orders reserve {stock}. Orders and links are kept.",
    )
    lifecycle.remove_integration(integration.id, actor(), keep_reserved=keep_reserved)
    say(f"{integration.name} is removed.")


@group.command("release-stock")
@click.argument("name")
@yes_option
def release_stock(name: str, yes: bool) -> None:
    """Release what the open orders of a removed integration keep reserved."""
    integration = removed.find_removed(name)
    kept = released.reserved_units(integration.shop_id)
    if kept:
        question = f"Release {plural(kept, 'unit')} that open orders of {integration.name} keep reserved? Other orders and shops can have them then."
        agree(yes, question, "Nothing was released.")
    lifecycle.release_kept(integration.id, actor())
    say(f"{integration.name}: {plural(kept, 'unit')} released." if kept else f"{integration.name} keeps nothing reserved.")
    start_due_pushes()


group.renamed("acknowledge", "mark-seen")
