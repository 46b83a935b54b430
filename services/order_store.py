"""Orders written down: each exactly once, whole, with its stock reserved; changes of the shop's taken over and noted.

Everything here runs inside one page's transaction (``lease.page()``); nothing here asks a shop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec
from sqlalchemy import bindparam, select
from sqlalchemy.orm import selectinload

from channels.base import BadRow, Surcharge
from channels.base import Order as ShopOrder
from extensions import db
from models import LinePart, Link, Listing, Order, OrderLine, StockItem
from models.types import among, utcnow
from services import holds, kits, ledger, order_changes, oversells
from services.bulk import BulkInsert
from services.money import break_down
from services.order_columns import Storing, columns, line_columns

Rows = dict[str, tuple[Surcharge, ...]]
"""The single money rows of the orders that needed them, by external id."""

# Asked for every page: made once, on the tables, they cost half as much.
_orders, _lists, _links, _items = Order.__table__.c, Listing.__table__.c, Link.__table__.c, StockItem.__table__.c
_NAMED = (_orders.shop_id == bindparam("shop_id"), among(_orders.external_id, "external_ids"))
INSERT_ORDERS, INSERT_LINES = BulkInsert(Order.__table__), BulkInsert(OrderLine.__table__)
DIGESTS = select(_orders.external_id, _orders.digest).where(*_NAMED)
IDS = select(_orders.external_id, _orders.id).where(*_NAMED)
EQUAL_SKUS = select(_items.sku, _items.id).where(among(_items.sku, "skus"))
LINKED_BY_HAND = (
    select(_lists.sku, _links.stock_item_id)
    .join_from(Listing.__table__, Link.__table__)
    .where(_lists.shop_id == bindparam("shop_id"), among(_lists.sku, "skus"), _links.made_by == "hand")
)


@dataclass(slots=True)
class Stored:
    """What storing did, in numbers of orders; ``touched`` are the stock items whose numbers moved."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    before_start: int = 0
    held: int = 0
    unreadable: int = 0
    touched: set[int] = field(default_factory=set)


@dataclass(slots=True)
class NewLine:
    """A line before it has a row; what services/holds.py and services/ledger.py read and write of one."""

    sku: str
    name: str
    quantity: int
    stock_item_id: int | None
    order_id: int | None = None
    reserved: int = 0
    shipped: int = 0
    parts = ()


def digest_of(raw: dict[str, Any]) -> tuple[bytes, bytes]:
    """A payload as JSON bytes, and what tells two of them apart."""
    payload = msgspec.json.encode(raw)
    return payload, blake2b(payload, digest_size=16).digest()


def stored_digests(shop_id: int, external_ids: Sequence[str]) -> dict[str, bytes]:
    """What is stored already of the orders named, by external id."""
    return dict(db.session.execute(DIGESTS, {"shop_id": shop_id, "external_ids": list(external_ids)}).all())


def store_orders(storing: Storing, orders: Sequence[ShopOrder], rows: Rows) -> Stored:
    """Store one page of orders. An order that is stored already is updated where the shop has changed it."""
    stored = Stored()
    known = stored_digests(storing.shop_id, [order.external_id for order in orders])
    fresh: dict[str, tuple[ShopOrder, bytes, bytes]] = {}
    changed: dict[str, tuple[ShopOrder, bytes, bytes]] = {}
    for order in orders:
        payload, digest = digest_of(order.raw)
        if order.external_id not in known:
            if order.placed_at < storing.since:
                stored.before_start += 1
            else:
                fresh[order.external_id] = (order, payload, digest)
        elif known[order.external_id] == digest:
            stored.unchanged += 1
        else:
            changed[order.external_id] = (order, payload, digest)
    if fresh or changed:
        lines = [line for order, _, _ in (*fresh.values(), *changed.values()) for line in order.lines]
        item_of = resolve_skus(storing.shop_id, {line.sku for line in lines if line.sku})
        recipes = kits.recipes(storing.shop_id, {line.sku for line in lines})
        for sku in recipes:
            item_of.pop(sku, None)
        parts = {item_id for recipe in recipes.values() for item_id, _ in recipe}
        items = ledger.load_items({*item_of.values(), *parts, *_items_of_lines(storing.shop_id, changed)})
        with db.session.no_autoflush:
            short = _insert(storing, fresh.values(), rows, item_of, items, stored)
        if recipes and fresh:
            touched, released = kits.book_new(
                storing.shop_id, list(fresh), recipes, storing.holds.stage_of, actor=storing.actor, run_id=storing.run_id
            )
            stored.touched |= touched
            stored.held -= released
        if changed:
            _update(storing, changed, rows, item_of, items, stored, recipes)
        if recipes:
            short += [name for name, (order, _, _) in fresh.items() if any(line.sku in recipes for line in order.lines)]
        if short:
            oversells.detect(storing.shop_id, short)
    if stored.touched:
        db.session.flush()
        ledger.mark_stale(stored.touched)
    return stored


def store_unreadable(storing: Storing, bad: Sequence[BadRow], stored: Stored) -> None:
    """Keep rows that could not be read, held for a person, under the shop's id where it is known."""
    named = [row for row in bad if row.external_id]
    if not named:
        stored.unreadable += len(bad)
        return
    known = stored_digests(storing.shop_id, [row.external_id for row in named])
    now = utcnow()
    for row in named:
        if row.external_id in known:
            continue
        known[row.external_id] = b""
        reason = f"The order could not be read: {row.reason}"
        db.session.add(
            Order(
                shop_id=storing.shop_id, external_id=row.external_id, placed_at=now, changed_at=now, state="on_hold",
                held_codes=["unreadable"], held_reason=reason, problems=[reason], raw=msgspec.json.encode(row.raw or {}),
                tracking_numbers=[],
            )
        )  # fmt: skip
    stored.unreadable += len(bad)


def resolve_skus(shop_id: int, skus: set[str]) -> dict[str, int]:
    """Stock item ids by the SKUs a shop uses: a link a person made goes before an equal SKU."""
    found: dict[str, int] = {}
    wanted = sorted(skus)
    for start in range(0, len(wanted), 500):
        chunk = wanted[start : start + 500]
        for query in (EQUAL_SKUS, LINKED_BY_HAND):
            for sku, item_id in db.session.execute(query, {"shop_id": shop_id, "skus": chunk}):
                found[sku] = item_id
    return found


def _items_of_lines(shop_id: int, external_ids: Iterable[str]) -> set[int]:
    """The stock items that lines of stored orders take from."""
    ids = list(external_ids)
    if not ids:
        return set()
    query = select(OrderLine.stock_item_id).join(Order).where(
        Order.shop_id == shop_id, Order.external_id.in_(ids), OrderLine.stock_item_id.is_not(None)
    )  # fmt: skip
    parts = select(LinePart.stock_item_id).join(OrderLine).join(Order).where(
        Order.shop_id == shop_id, Order.external_id.in_(ids)
    )  # fmt: skip
    return {*db.session.scalars(query), *db.session.scalars(parts)}


def _insert(storing, fresh, rows: Rows, item_of: dict[str, int], items: dict[int, StockItem], stored: Stored) -> list[str]:
    """New orders in three statements, whatever their number: orders, lines, ledger entries. Answers with the external ids of
    those that could not reserve all they ask for."""
    now = utcnow()
    short: list[str] = []
    order_rows: list[dict[str, Any]] = []
    line_rows: list[list[dict[str, Any]]] = []
    entries: list[list[Any]] = []
    sold: dict[int, int] = defaultdict(int)
    for order, payload, digest in fresh:
        money = break_down(order, storing.money, rows.get(order.external_id))
        row = columns(storing, order, money, rows.get(order.external_id))
        stage = storing.holds.stage(order.payment_status, order.shipping_status)
        lines = [NewLine(line.sku, line.name, line.quantity, item_of.get(line.sku)) for line in order.lines]
        booked = _book_new(storing, order, stage, lines, items, sold, stored)
        judged = _Judged(**{name: row[name] for name in _Judged.__slots__})
        verdict = holds.judge(judged, lines, storing.holds)
        row.update(
            shop_id=storing.shop_id, external_id=order.external_id, state=verdict.state, held_codes=verdict.codes,
            held_reason=verdict.reasons, note=verdict.note, digest=digest, raw=payload, first_seen_at=now, updated_at=now,
        )  # fmt: skip
        order_rows.append(row)
        entries.append(booked)
        line_rows.append(
            [
                {**line_columns(storing, line, part), "position": position, "stock_item_id": new.stock_item_id,
                 "reserved": new.reserved, "shipped": new.shipped}
                for position, (line, part, new) in enumerate(zip(order.lines, money.lines, lines, strict=True))
            ]
        )  # fmt: skip
        if stage == "open" and any(new.stock_item_id is not None and new.reserved < new.quantity for new in lines):
            short.append(order.external_id)
        stored.new += 1
        stored.held += verdict.state == "on_hold"
    if not order_rows:
        return short
    # SQLite answers RETURNING with a statement a row; plain inserts go in one, and the ids are read afterwards.
    INSERT_ORDERS(order_rows)
    named = {"shop_id": storing.shop_id, "external_ids": [row["external_id"] for row in order_rows]}
    id_of = dict(db.session.execute(IDS, named).all())
    flat: list[dict[str, Any]] = []
    for row, lines_of, booked in zip(order_rows, line_rows, entries, strict=True):
        order_id = id_of[row["external_id"]]
        for line in lines_of:
            line["order_id"] = order_id
        for entry in booked:
            entry.order_id = order_id
        flat.extend(lines_of)
    if flat:
        INSERT_LINES(flat)
    if sold:
        ledger.expect_sale(storing.shop_id, sold)
    return short


@dataclass(slots=True)
class _Judged:
    payment_status: str
    shipping_status: str
    currency: str
    decimals: int
    difference: Decimal
    billing_address: dict[str, Any] | None
    shipping_address: dict[str, Any] | None
    problems: list[str]
    called_off_at = None
    accepted_codes = ()


def _book_new(storing, order: ShopOrder, stage: str, lines, items, sold, stored: Stored) -> list[Any]:
    """Reserve for a new order's lines; answers with the ledger entries, which get the order's id once it has one."""
    entries: list[Any] = []
    for line in lines:
        if stage == "shipped":
            line.shipped = line.quantity
        if stage != "open" or line.stock_item_id is None or line.quantity <= 0:
            continue
        item = items[line.stock_item_id]
        units = min(line.quantity, max(0, item.on_hand - item.reserved))
        line.reserved = units
        entries.append(ledger.enter(item, actor=storing.actor, cause="sale", reserved=units, run_id=storing.run_id))
        sold[item.id] += line.quantity
        stored.touched.add(item.id)
    return [entry for entry in entries if entry is not None]


def _update(storing, changed, rows: Rows, item_of, items: dict[int, StockItem], stored: Stored, recipes) -> None:
    query = (
        select(Order)
        .where(Order.shop_id == storing.shop_id, Order.external_id.in_(changed))
        .options(selectinload(Order.lines).selectinload(OrderLine.parts))
        .with_for_update()
    )
    for row in db.session.scalars(query).all():
        order, payload, digest = changed[row.external_id]
        if order_changes.take_over(
            storing, row, order, rows.get(order.external_id), item_of, items, stored.touched, recipes=recipes
        ):
            stored.changed += 1
        else:
            stored.unchanged += 1
        row.raw = payload if row.erased_at is None else b""
        row.digest, row.updated_at = digest, utcnow()
        stored.held += row.state == "on_hold"
