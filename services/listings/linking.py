"""Linking: which stock item a listing takes its quantity from, and the start of stock items for SKUs we do not know.

A new stock item starts with what the shop has plus what that shop's open orders take (the shop has taken those units off
already), read between two downloads of orders (services/stock/movements.py), so that no unit counts twice or not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, insert, or_, select, true, update
from sqlalchemy.orm import aliased

from channels.base import Channel
from extensions import db, reading
from models import Link, Listing, Shop, StockItem
from models.sku_key import sku_key, tidy
from models.stock import NO_FAILURE
from models.types import utcnow
from services.common.batches import batches
from services.common.bulk import insert_into
from services.common.results import changed_rows
from services.listings import push_results
from services.runs.lease import Lease
from services.stock import ledger, movements
from services.stock.items import MOST
from services.stock.line_sources import sources_of
from services.stock.skus import any_spelling, find_items, same_sku
from services.stock.waiting_lines import allocate_waiting, waiting_lines

CHUNK = 200
ROUNDS = 5
"""How often SKUs that are being sold at this very moment are read again before they are left for the next run."""

NOT_GIVEN = "The shop did not give its quantity, so it is linked to nothing yet."
AMBIGUOUS = "Several listings of this shop have this SKU: link them by hand."
ALIKE = "Several stock items differ from this SKU only in spelling: link it to one of them by hand."
TAKEN = "A listing of this shop that had this SKU before takes from that stock item: link this one by hand."
RENAMED_TO = "A listing that takes from another stock item was renamed to this SKU: link this one by hand."
CONFLICTS = (AMBIGUOUS, ALIKE, TAKEN, RENAMED_TO)
"""Why a listing is left for a person to link."""


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
        # Read first: a SKU that another shop turns into a stock item at this moment is in one of the two lists, or in both.
        unknown = _unlinked(shop_id, known=False) if take_stock else []
        _link_known(lease, shop_id)
        if not unknown:
            return
        mark = movements.watermark(shop_id)
        present: dict[str, int] = {}
        for batch in batches(unknown, CHUNK):
            present |= channel.read_quantities([external_id for _, external_id, _ in batch])
            lease.requests = channel.requests
        fresh_orders()
        moved = movements.moved_since(mark)
        sure = [
            (row_id, sku, present[external_id])
            for row_id, external_id, sku in unknown
            if sku_key(sku) not in moved and external_id in present
        ]
        for chunk in batches(sure, CHUNK):
            with lease.page():
                _start_chunk(lease, shop_id, chunk)
        with lease.page():
            push_results.note_missing(lease, [row for row, external_id, _ in unknown if external_id not in present], NOT_GIVEN)
        if not moved:
            return


def settle(ids: Sequence[int], *, but: ColumnElement[bool] | None = None) -> None:
    """Listings that a push has nothing to do with for now, ``but`` for some. Call it inside a page."""
    which = true() if but is None else ~but
    for batch in batches(ids):
        chunk = Listing.id.in_(batch)
        # Locked first: what is committed beside us before we have the rows is seen by the statement after it.
        db.session.execute(select(Listing.id).where(chunk).order_by(Listing.id).with_for_update())
        push_results.clear(and_(chunk, Listing.push_state != "", which))
        db.session.execute(update(Listing).where(chunk, which).values(stale=False).execution_options(synchronize_session=False))


def not_to_be_settled(shop_id: int, take_stock: bool) -> ColumnElement[bool]:
    """Listings that were not linked when they were looked at, and have been meanwhile, or are to be by the next run: they came
    after this run's linking, or their SKU was being sold."""
    item = true() if take_stock else exists().where(same_sku(StockItem, Listing))
    linked = Listing.links.any()
    return and_(
        *_comparable(shop_id), or_(and_(linked, Listing.do_not_push.is_(False)), and_(~linked, Listing.sku_key != "", item))
    )  # fmt: skip


def _comparable(shop_id: int, listing: Any = Listing) -> tuple[Any, ...]:
    return (
        listing.shop_id == shop_id, listing.counted, listing.own_stock, listing.replaced.is_(False), listing.gone_at.is_(None),
    )  # fmt: skip


def _pushable(shop_id: int, listing: Any = Listing) -> tuple[Any, ...]:
    """Those of them that a SKU can link."""
    return (*_comparable(shop_id, listing), listing.sku_key != "", listing.rename_state != "decide")


def _anything_unlinked(shop_id: int) -> bool:
    query = (
        select(Listing.id)
        .outerjoin(Link)
        .where(*_pushable(shop_id), Listing.stale, push_results.due(), Link.id.is_(None))
        .limit(1)
    )
    with reading():
        return db.session.scalar(query) is not None


def _refuse_ambiguous(shop_id: int, lease: Lease) -> None:
    """Note on listings that a SKU alone cannot link why a person has to link them."""
    taken = exists().where(same_sku(StockItem, Listing), _taken(shop_id))
    reasons = ((RENAMED_TO, _renamed_to()), (TAKEN, taken), (ALIKE, _alike()), (AMBIGUOUS, _twin(shop_id)))
    for reason, condition in reasons:
        marked = db.session.execute(
            update(Listing)
            .where(*_pushable(shop_id), condition, ~Listing.links.any())
            .values({**NO_FAILURE, "push_error": reason, "stale": False})
            .execution_options(synchronize_session=False)
        )
        lease.count("ambiguous", changed_rows(marked))


def _twin(shop_id: int) -> ColumnElement[bool]:
    """Another listing of the shop has the same SKU. Spellings that are separate stock items distinguish two listings."""
    other = aliased(Listing)
    own = exists().where(StockItem.shared_key == Listing.sku_key, StockItem.sku == Listing.sku)
    return exists().where(
        *_pushable(shop_id, other), other.sku_key == Listing.sku_key, other.id != Listing.id, or_(other.sku == Listing.sku, ~own)
    )


def _alike() -> ColumnElement[bool]:
    """Several stock items have the SKU's key and none its spelling."""
    return and_(
        exists().where(StockItem.shared_key == Listing.sku_key),
        ~exists().where(StockItem.shared_key == Listing.sku_key, StockItem.sku == Listing.sku),
    )


def _taken(shop_id: int) -> ColumnElement[bool]:
    """A listing that was renamed takes from the stock item: whether what has its old SKU now is the same goods is not known."""
    other, link = aliased(Listing), aliased(Link)
    return exists().where(
        link.stock_item_id == StockItem.id, link.listing_id == other.id, other.shop_id == shop_id, other.was_renamed,
        other.id != Listing.id,
    )  # fmt: skip


def _renamed_to() -> ColumnElement[bool]:
    """No stock item has the SKU, but a listing somewhere that was renamed to it takes from one: a second one must not be started."""
    other, link, item = aliased(Listing), aliased(Link), aliased(StockItem)
    renamed = exists().where(
        other.sku_key == Listing.sku_key, other.id != Listing.id, other.gone_at.is_(None), link.listing_id == other.id,
        link.made_by == "sku", item.id == link.stock_item_id, func.coalesce(item.shared_key, item.sku_key) != other.sku_key,
    )  # fmt: skip
    return and_(renamed, ~exists().where(any_spelling(StockItem, Listing)))


def _unlinked(shop_id: int, *, known: bool, limit: int | None = None) -> list[tuple[int, str, str]]:
    """(id, external id, SKU) of listings to be linked whose SKU alone says to which stock item."""
    item = exists().where(same_sku(StockItem, Listing), ~_taken(shop_id))
    query = (
        select(Listing.id, Listing.external_id, Listing.sku)
        .outerjoin(Link)
        .where(
            *_pushable(shop_id), Listing.stale, push_results.due(), Link.id.is_(None), ~_twin(shop_id),
            item if known else and_(~exists().where(any_spelling(StockItem, Listing)), ~_renamed_to()),
        )
        .order_by(Listing.id)
        .limit(limit)
    )  # fmt: skip
    with reading():
        return [(row_id, external_id, sku) for row_id, external_id, sku in db.session.execute(query)]


def _link_known(lease: Lease, shop_id: int) -> None:
    while chunk := _unlinked(shop_id, known=True, limit=CHUNK):
        with lease.page():
            items = _items([sku for _, _, sku in chunk])
            _lock_shop(shop_id)
            _link(lease, [(row_id, items[sku]) for row_id, _, sku in chunk])
            lease.count("released", allocate_waiting(_each(items), actor=lease.run_actor, run_id=lease.run_id))


def _lock_shop(shop_id: int) -> None:
    """Two runs of one shop, its stock run and its reading of listings, must not link the same listing twice."""
    db.session.execute(select(Shop.id).where(Shop.id == shop_id).with_for_update(key_share=True))


def _items(skus: Sequence[str]) -> dict[str, StockItem]:
    """The stock items that these SKUs mean, locked, by SKU as given; SKUs that mean none or several are left out."""
    found = find_items(skus)
    id_of = {sku: item_id for sku in skus if (item_id := found.get(sku)) is not None}
    items = ledger.load_items(id_of.values())
    return {sku: items[item_id] for sku, item_id in id_of.items()}


def _each(items: Mapping[str, StockItem]) -> list[StockItem]:
    return list({item.id: item for item in items.values()}.values())


def _start_chunk(lease: Lease, shop_id: int, chunk: Sequence[tuple[int, str, int]]) -> None:
    """Start stock items with the quantities just read. A SKU that another shop has started meanwhile keeps its numbers."""
    linked = set(db.session.scalars(select(Link.listing_id).where(Link.listing_id.in_([row_id for row_id, _, _ in chunk]))))
    chunk = [row for row in chunk if row[0] not in linked]
    names = dict(
        db.session.execute(select(Listing.id, Listing.name).where(Listing.id.in_([row_id for row_id, _, _ in chunk]))).all()
    )
    rows = [
        {"sku": tidy(sku), "sku_key": sku_key(sku), "name": names[row_id], "on_hand": 0, "reserved": 0, "buffer": 0,
         "updated_at": utcnow()}
        # Sorted, so that two shops that start the same SKUs cannot deadlock.
        for row_id, sku, _ in sorted(chunk, key=lambda row: sku_key(row[1]))
    ]  # fmt: skip
    started: set[str] = set()
    if rows:
        statement = insert_into(StockItem.__table__).on_conflict_do_nothing()
        started = set(db.session.scalars(statement.returning(StockItem.__table__.c.sku_key), rows))
    items = _items([sku for _, sku, _ in chunk])
    # A SKU that came to mean several stock items meanwhile is left for the next run.
    chunk = [row for row in chunk if row[1] in items]
    _lock_shop(shop_id)
    _link(lease, [(row_id, items[sku]) for row_id, sku, _ in chunk])
    taken = _open_units(shop_id, sorted(started))
    for _, sku, quantity in chunk:
        if sku_key(sku) in started:
            on_hand = min(MOST, max(0, quantity) + taken.get(items[sku].id, 0))
            ledger.enter(items[sku], ledger.Reason(lease.run_actor, "start", lease.run_id), on_hand=on_hand)
    lease.count("started", len(started))
    lease.count("released", allocate_waiting(_each(items), actor=lease.run_actor, run_id=lease.run_id))
    # Other shops may list them too, and found no such stock item before.
    ledger.request_linking(sorted(started), but_shop=shop_id)


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
            update(Listing).where(Listing.id.in_([row["listing_id"] for row in rows])).values({**NO_FAILURE, "linked": True})
            .execution_options(synchronize_session=False)
        )  # fmt: skip
    lease.count("linked", len(rows))


def _open_units(shop_id: int, keys: Sequence[str]) -> dict[int, int]:
    """Units by stock item that this shop's open orders take of SKUs that had no stock item until now, as far as the shop has taken
    them off its own amount."""
    lines = [line for line in waiting_lines(keys) if line.order.shop_id == shop_id]
    sources = sources_of(shop_id, lines)
    units: dict[int, int] = defaultdict(int)
    for line in lines:
        source = sources.of(line)
        for item_id, each in source.recipe if source.lowers else ():
            units[item_id] += (line.quantity - line.shipped) * each
    return units
