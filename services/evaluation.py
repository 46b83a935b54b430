"""Stored copies of orders evaluated again: after a setting changed, or what held them was mended. No shop is asked here; what
only the shop can tell is marked, and read by the next order runs (services/rereading.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import selectinload

import channels
from channels.base import Channel, Credentials
from channels.base import Order as ShopOrder
from errors import ChannelError, NotFound
from extensions import db, writing
from models import Integration, Order, OrderLine
from models.types import utcnow
from services import kits, ledger, order_store
from services.clashes import done_again
from services.money import KnownRates, needs_rows
from services.order_changes import take_over
from services.order_columns import Storing, stored_surcharges

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
    db.session.rollback()
    done = released = wanting = 0
    for start in range(0, len(ids), CHUNK):
        left = ids[start : start + CHUNK]
        for _ in range(ROUNDS):
            results, left, marked = _evaluate(storing, parser, left, mark)
            wanting += marked
            done += len(results)
            released += sum(was == "on_hold" and now != "on_hold" for was, now in results)
            if not left:
                break
    if wanting:
        with writing() as session:
            session.get_one(Integration, integration_id, with_for_update=True).orders_due_at = utcnow()
    return Evaluated(done, released)


@done_again
def _evaluate(storing: Storing, parser: Channel, ids: Sequence[int], mark: bool) -> tuple[list[tuple[str, str]], list[int], int]:
    """Evaluate some orders; answers with their states before and after, with the ids of those that were changed by
    somebody else just then and are to be taken again, and with the number of those marked to have their rows read."""
    with_lines = selectinload(Order.lines).selectinload(OrderLine.parts)
    query = select(Order).where(Order.id.in_(ids)).options(with_lines).order_by(Order.id)
    with writing():
        # Stock items are locked before orders (services/clashes.py), so which they are is looked up beforehand.
        rows = {row.id: row for row in db.session.scalars(query)}
        digests = {row.id: row.digest for row in rows.values()}
        parsed = _parsed(rows.values(), parser)
        item_of = order_store.resolve_skus(
            storing.shop_id, {line.sku for order in parsed.values() for line in order.lines if line.sku}
        )
        recipes = kits.recipes(storing.shop_id, {line.sku for order in parsed.values() for line in order.lines})
        for sku in recipes:
            item_of.pop(sku, None)
        bound = {line.stock_item_id for row in rows.values() for line in row.lines if line.stock_item_id is not None}
        bound |= {item_id for recipe in recipes.values() for item_id, _ in recipe}
        bound |= kits.items_of(line for row in rows.values() for line in row.lines)
        items = ledger.load_items({*item_of.values(), *bound})
        locked = db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()
        touched: set[int] = set()
        results: list[tuple[str, str]] = []
        left: list[int] = []
        marked = 0
        for row in locked:
            if row.id not in parsed:
                continue
            if row.digest != digests[row.id] or not _items_of(row) <= {None, *items}:
                left.append(row.id)
                continue
            was = row.state
            for line in row.lines:
                if line.stock_item_id is None and not line.parts:
                    line.stock_item_id = item_of.get(line.sku)
                    if line.sku in recipes:
                        kits.bind(line, recipes[line.sku])
            take_over(
                storing, row, parsed[row.id], stored_surcharges(row.surcharge_rows), item_of, items, touched, note=False,
                recipes=recipes,
            )  # fmt: skip
            results.append((was, row.state))
            if mark:
                row.rows_due = needs_rows(parsed[row.id], storing.money, KnownRates())
                marked += row.rows_due
        ledger.mark_stale(touched)
    return results, left, marked


def _items_of(row: Order) -> set[int | None]:
    return {*(line.stock_item_id for line in row.lines), *kits.items_of(row.lines)}


def _parsed(rows: Iterable[Order], parser: Channel) -> dict[int, ShopOrder]:
    parsed = {}
    for row in rows:
        if row.erased_at is not None:
            # The shop's payload went with the customer's data; money and stock stay as they were.
            continue
        try:
            parsed[row.id] = parser.parse_stored(msgspec.json.decode(row.raw), stored_surcharges(row.surcharge_rows))
        except ChannelError:
            # It could not be read when it came either; it stays as it is, held for a person.
            continue
    return parsed
