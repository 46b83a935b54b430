"""Linking: which stock item a listing takes its quantity from, and the start of stock items for SKUs we do not know.

A new stock item starts with what the shop has plus what that shop's open orders take (the shop has taken those units off
already), read inside a bracket of order downloads (services/bracket.py), so that no unit counts twice or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, insert, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from channels.base import Channel
from extensions import db
from models import Link, Listing, Order, OrderLine, Shop, StockItem
from models.order import OPEN_STATES
from models.types import utcnow
from services import bracket, ledger
from services.binding import bind_lines
from services.runs import Lease
from services.stock import MOST

CHUNK = 200
ROUNDS = 5
"""How often SKUs that are being sold at this very moment are read again before they are left for the next run."""

NO_MORE = "The shop has this listing no more."
NOT_GIVEN = "The shop did not give its quantity, so it is linked to nothing yet."
AMBIGUOUS = "Several listings of this shop have this SKU: link them by hand."


def link_listings(lease: Lease, channel: Channel, take_stock: bool, fresh_orders: Callable[[], None]) -> None:
    """Link each listing that can be pushed and is not linked to the stock item of its SKU, a chunk a commit.

    Where ``take_stock``, a SKU we do not know becomes a stock item that starts with the shop's quantity. A SKU that several
    listings of one shop carry is refused and shown, never picked at random. ``fresh_orders()`` downloads the shop's orders.
    Raises ChannelError, or RunStopped from the lease."""
    shop_id = lease.shop_id
    if not _anything_unlinked(shop_id):
        return
    with lease.page():
        _refuse_ambiguous(shop_id, lease)
    for _ in range(ROUNDS):
        # Asked for first: a SKU that another shop makes a stock item of at this moment is in one of the two lists, or in both.
        unknown = _unlinked(shop_id, known=False) if take_stock else []
        _link_known(lease, shop_id)
        if not unknown:
            return
        mark = bracket.mark(shop_id)
        present: dict[str, int] = {}
        for start in range(0, len(unknown), CHUNK):
            present |= channel.read_quantities([external_id for _, external_id, _ in unknown[start : start + CHUNK]])
            lease.requests = channel.requests
        fresh_orders()
        moved = bracket.moved_since(mark)
        sure = [
            (row_id, sku, present[external_id])
            for row_id, external_id, sku in unknown
            if sku not in moved and external_id in present
        ]
        for start in range(0, len(sure), CHUNK):
            with lease.page():
                _start_chunk(lease, shop_id, sure[start : start + CHUNK])
        with lease.page():
            settle([row_id for row_id, external_id, _ in unknown if external_id not in present], NOT_GIVEN)
        if not moved:
            return


def settle(ids: Sequence[int], push_error: str = "", *, but: ColumnElement[bool] | None = None) -> None:
    """Listings that a push has nothing to do with for now, ``but`` for some, and what is said of them. Call it inside a page."""
    values = {"stale": False, **({"push_error": push_error} if push_error else {})}
    for start in range(0, len(ids), 500):
        chunk = Listing.id.in_(ids[start : start + 500])
        # Locked first: what is committed beside us before we have the rows is seen by the statement after it.
        db.session.execute(select(Listing.id).where(chunk).order_by(Listing.id).with_for_update())
        statement = update(Listing).where(chunk).values(values).execution_options(synchronize_session=False)
        db.session.execute(statement if but is None else statement.where(~but))


def not_to_be_settled(shop_id: int, take_stock: bool) -> ColumnElement[bool]:
    """Listings that were not linked when they were looked at, and have been meanwhile, or are to be by the next run: they came
    after this run's linking, or their SKU was being sold."""
    item = true() if take_stock else exists().where(StockItem.sku == Listing.sku)
    linked = Listing.links.any()
    return and_(
        *_comparable(shop_id), or_(and_(linked, Listing.do_not_push.is_(False)), and_(~linked, Listing.sku != "", item))
    )  # fmt: skip


def _comparable(shop_id: int, listing: Any = Listing) -> tuple[Any, ...]:
    return (
        listing.shop_id == shop_id, listing.counted, listing.own_stock, listing.replaced.is_(False), listing.gone_at.is_(None),
    )  # fmt: skip


def _pushable(shop_id: int, listing: Any = Listing) -> tuple[Any, ...]:
    """Those of them that a SKU can link."""
    return (*_comparable(shop_id, listing), listing.sku != "")


def _anything_unlinked(shop_id: int) -> bool:
    query = select(Listing.id).outerjoin(Link).where(*_pushable(shop_id), Listing.stale, Link.id.is_(None)).limit(1)
    found = db.session.scalar(query) is not None
    db.session.rollback()
    return found


def _refuse_ambiguous(shop_id: int, lease: Lease) -> None:
    doubled = select(Listing.sku).where(*_pushable(shop_id)).group_by(Listing.sku).having(func.count() > 1)
    marked = db.session.execute(
        update(Listing)
        .where(*_pushable(shop_id), Listing.sku.in_(doubled), ~Listing.links.any())
        .values(push_error=AMBIGUOUS, stale=False)
        .execution_options(synchronize_session=False)
    )
    lease.count("ambiguous", marked.rowcount)


def _unlinked(shop_id: int, *, known: bool, limit: int | None = None) -> list[tuple[int, str, str]]:
    """(id, external id, SKU) of listings to be linked whose SKU alone says to which stock item."""
    other = aliased(Listing)
    twin = exists().where(*_pushable(shop_id, other), other.sku == Listing.sku, other.id != Listing.id)
    item = exists().where(StockItem.sku == Listing.sku)
    query = (
        select(Listing.id, Listing.external_id, Listing.sku)
        .outerjoin(Link)
        .where(*_pushable(shop_id), Listing.stale, Link.id.is_(None), ~twin, item if known else ~item)
        .order_by(Listing.id)
        .limit(limit)
    )
    rows = [(row_id, external_id, sku) for row_id, external_id, sku in db.session.execute(query)]
    db.session.rollback()
    return rows


def _link_known(lease: Lease, shop_id: int) -> None:
    while chunk := _unlinked(shop_id, known=True, limit=CHUNK):
        with lease.page():
            items = _items([sku for _, _, sku in chunk])
            _lock_shop(shop_id)
            _link(lease, [(row_id, items[sku]) for row_id, _, sku in chunk])
            lease.count("released", bind_lines(items, actor=lease.run_actor, run_id=lease.run_id))


def _lock_shop(shop_id: int) -> None:
    """Two runs of one shop, its stock run and its reading of listings, must not link the same listing twice."""
    db.session.execute(select(Shop.id).where(Shop.id == shop_id).with_for_update(key_share=True))


def _items(skus: Sequence[str]) -> dict[str, StockItem]:
    ids = db.session.scalars(select(StockItem.id).where(StockItem.sku.in_(skus))).all()
    return {item.sku: item for item in ledger.load_items(ids).values()}


def _start_chunk(lease: Lease, shop_id: int, chunk: Sequence[tuple[int, str, int]]) -> None:
    """Start stock items with the quantities just read. A SKU that another shop has started meanwhile keeps its numbers."""
    linked = set(db.session.scalars(select(Link.listing_id).where(Link.listing_id.in_([row_id for row_id, _, _ in chunk]))))
    chunk = [row for row in chunk if row[0] not in linked]
    names = dict(
        db.session.execute(select(Listing.id, Listing.name).where(Listing.id.in_([row_id for row_id, _, _ in chunk]))).all()
    )
    rows = [
        {"sku": sku, "name": names[row_id], "on_hand": 0, "reserved": 0, "buffer": 0, "updated_at": utcnow()}
        # In one order, so that two shops which start the same SKUs wait for each other and never in a circle.
        for row_id, sku, _ in sorted(chunk, key=lambda row: row[1])
    ]
    started: set[str] = set()
    if rows:
        dialect = postgresql if db.engine.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(StockItem.__table__).on_conflict_do_nothing(index_elements=["sku"])
        started = set(db.session.scalars(statement.returning(StockItem.__table__.c.sku), rows))
    items = _items([sku for _, sku, _ in chunk])
    _lock_shop(shop_id)
    taken = _open_units(shop_id, sorted(started))
    for _, sku, quantity in chunk:
        if sku in started:
            ledger.enter(
                items[sku],
                actor=lease.run_actor,
                cause="start",
                on_hand=min(MOST, max(0, quantity) + taken.get(sku, 0)),
                run_id=lease.run_id,
            )
    lease.count("started", len(started))
    _link(lease, [(row_id, items[sku]) for row_id, sku, _ in chunk])
    lease.count("released", bind_lines(items, actor=lease.run_actor, run_id=lease.run_id))
    # Other shops may list them too, and were told that there is no such stock item.
    ledger.mark_stale_skus(sorted(started), but_shop=shop_id)


def _link(lease: Lease, pairs: Sequence[tuple[int, StockItem]]) -> None:
    linked = set(db.session.scalars(select(Link.listing_id).where(Link.listing_id.in_([row_id for row_id, _ in pairs]))))
    rows = [
        {"listing_id": row_id, "stock_item_id": item.id, "units": 1, "made_by": "sku"}
        for row_id, item in pairs
        if row_id not in linked
    ]
    if rows:
        db.session.execute(insert(Link.__table__), rows)
        db.session.execute(
            update(Listing).where(Listing.id.in_([row["listing_id"] for row in rows])).values(push_error="")
            .execution_options(synchronize_session=False)
        )  # fmt: skip
    lease.count("linked", len(rows))


def _open_units(shop_id: int, skus: Sequence[str]) -> dict[str, int]:
    """Units that this shop's open orders take of SKUs that had no stock item until now."""
    query = (
        select(OrderLine.sku, func.sum(OrderLine.quantity - OrderLine.shipped))
        .join(Order, OrderLine.order_id == Order.id)
        .where(Order.shop_id == shop_id, Order.state.in_(OPEN_STATES), OrderLine.stock_item_id.is_(None), OrderLine.sku.in_(skus))
        .group_by(OrderLine.sku)
    )
    return {sku: int(units) for sku, units in db.session.execute(query)}
