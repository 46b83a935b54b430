"""Evaluate the stored copies of orders again, after a setting changed or what held them was fixed. No shop is asked here. What
only the shop knows is marked, and the next order runs read it (services/orders/rereading.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import selectinload

import channels
from channels.base import Channel, Credentials
from channels.base import Order as ShopOrder
from errors import ChannelError, NotFound
from extensions import db, reading, writing
from models import FlowKind, Integration, Order
from services.common.batches import batches
from services.common.deadlocks import retry_on_deadlock
from services.order_basics import identity
from services.order_basics.columns import Storing, stored_surcharges
from services.order_basics.money import KnownRates, needs_rows
from services.orders.batch import Batch
from services.orders.changes import bring_up_to_date
from services.shops import flows
from services.stock import allocations, ledger
from services.stock.line_sources import sources_of

CHUNK = 100

ROUNDS = 5
"""How often orders are taken again that a download changes at this very moment."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """How many orders were evaluated, and how many of them were held before and are not now."""

    orders: int = 0
    released: int = 0


def evaluate_again(
    integration_id: int, actor: str, *, order_ids: Sequence[int] | None = None, held_only: bool = False, mark: bool = False
) -> Evaluated:
    """Evaluate an integration's stored orders under its present settings: all, those named, or those that are held. With
    ``mark``, those whose single money rows are needed by now have them read by the next order run.

    Raises NotFound for an integration that is gone."""
    with reading():
        integration = db.session.get(Integration, integration_id)
        if integration is None or integration.removed_at is not None:
            raise NotFound("That integration has been removed.")
        storing = Storing.of(integration, actor, None)
        parser = channels.open_channel(integration.kind, Credentials(integration.endpoint, "", integration.generation))
        query = select(Order.id).where(Order.shop_id == integration.shop_id).order_by(Order.id)
        if order_ids is not None:
            query = query.where(Order.id.in_(order_ids))
        if held_only:
            query = query.where(Order.state == "on_hold")
        ids = list(db.session.scalars(query))
    done = released = wanting = 0
    for left in batches(ids, CHUNK):
        for _ in range(ROUNDS):
            results, left, marked = _evaluate(storing, parser, left, mark)
            wanting += marked
            done += len(results)
            released += sum(was == "on_hold" and now != "on_hold" for was, now in results)
            if not left:
                break
    if wanting:
        with writing():
            flows.make_due(flows.of_integration(integration_id), FlowKind.ORDERS)
    return Evaluated(done, released)


@retry_on_deadlock
def _evaluate(storing: Storing, parser: Channel, ids: Sequence[int], mark: bool) -> tuple[list[tuple[str, str]], list[int], int]:
    """Evaluate some orders; returns their states before and after, with the ids of those that were changed by
    somebody else just then and are to be taken again, and with the number of those marked to have their rows read."""
    query = select(Order).where(Order.id.in_(ids)).options(selectinload(Order.lines)).order_by(Order.id)
    with writing():
        storing = replace(storing, identity_key=identity.ensure_key(storing.shop_id))
        # Stock items are locked before orders (services/common/deadlocks.py), so which they are is looked up beforehand.
        rows = {row.id: row for row in db.session.scalars(query)}
        digests = {row.id: row.digest for row in rows.values()}
        parsed = _parsed(rows.values(), parser)
        sources = sources_of(
            storing.shop_id,
            [
                *(line for order in parsed.values() for line in order.lines),
                *(line for row in rows.values() for line in row.lines),
            ],
        )
        taken = allocations.items_of(line for row in rows.values() for line in row.lines)
        items = ledger.load_items(sources.item_ids | taken)
        locked = db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()
        batch = Batch(storing, sources, items)
        results: list[tuple[str, str]] = []
        left: list[int] = []
        marked = 0
        for row in locked:
            if row.id not in parsed:
                continue
            if row.digest != digests[row.id] or not allocations.items_of(row.lines) <= items.keys():
                left.append(row.id)
                continue
            was = row.state
            bring_up_to_date(batch, row, parsed[row.id], stored_surcharges(row.surcharge_rows), same_copy=True)
            results.append((was, row.state))
            if mark:
                row.rows_due = needs_rows(parsed[row.id], storing.money, KnownRates())
                marked += row.rows_due
        ledger.request_push(batch.touched)
    return results, left, marked


def _parsed(rows: Iterable[Order], parser: Channel) -> dict[int, ShopOrder]:
    parsed = {}
    for row in rows:
        if row.erased_at is not None:
            # The shop's payload went with the customer's data; money and stock stay as they were.
            continue
        try:
            parsed[row.id] = parser.parse_stored(msgspec.json.decode(row.raw), stored_surcharges(row.surcharge_rows))
        except (ChannelError, msgspec.DecodeError):
            # It could not be read when it came either; it stays as it is, held for a person.
            continue
    return parsed
