"""Stored copies of orders evaluated again: after a setting changed, or what held them was mended. No shop is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import selectinload

import channels
from channels.base import Channel, Credentials
from errors import ChannelError, NotFound
from extensions import db, writing
from models import Integration, Order
from services import kits, ledger, order_store
from services.order_changes import take_over
from services.order_columns import Storing, stored_surcharges

CHUNK = 100


@dataclass(frozen=True, slots=True)
class Evaluated:
    """How many orders were evaluated, and how many of them were held before and are not now."""

    orders: int = 0
    released: int = 0


def evaluate_again(
    integration_id: int, actor: str, *, order_ids: Sequence[int] | None = None, held_only: bool = False
) -> Evaluated:
    """Evaluate an integration's stored orders under its present settings: all, those named, or those that are held.

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
    done = released = 0
    for start in range(0, len(ids), CHUNK):
        with writing():
            for was, now in _evaluate(storing, parser, ids[start : start + CHUNK]):
                done += 1
                released += was == "on_hold" and now != "on_hold"
    return Evaluated(done, released)


def _evaluate(storing: Storing, parser: Channel, ids: Sequence[int]) -> list[tuple[str, str]]:
    rows = db.session.scalars(select(Order).where(Order.id.in_(ids)).options(selectinload(Order.lines)).with_for_update()).all()
    parsed = {}
    for row in rows:
        try:
            parsed[row.id] = parser.parse_stored(msgspec.json.decode(row.raw), stored_surcharges(row.surcharge_rows))
        except ChannelError:
            # It could not be read when it came either; it stays as it is, held for a person.
            continue
    item_of = order_store.resolve_skus(
        storing.shop_id, {line.sku for order in parsed.values() for line in order.lines if line.sku}
    )
    recipes = kits.recipes(storing.shop_id, {line.sku for order in parsed.values() for line in order.lines})
    for sku in recipes:
        item_of.pop(sku, None)
    bound = {line.stock_item_id for row in rows for line in row.lines if line.stock_item_id is not None}
    parts = {item_id for recipe in recipes.values() for item_id, _ in recipe}
    bound |= parts | kits.items_of(line for row in rows for line in row.lines)
    items = ledger.load_items({*item_of.values(), *bound})
    touched: set[int] = set()
    results = []
    for row in rows:
        if row.id not in parsed:
            continue
        was = row.state
        for line in row.lines:
            if line.stock_item_id is None and not line.parts:
                line.stock_item_id = item_of.get(line.sku)
                if line.sku in recipes:
                    kits.bind(line, recipes[line.sku])
        take_over(storing, row, parsed[row.id], stored_surcharges(row.surcharge_rows), item_of, items, touched, note=False, recipes=recipes)
        results.append((was, row.state))
    ledger.mark_stale(touched)
    return results
