"""What the listings pages show: link state, what is offered, drift; and the matching of all listings by SKU with a trial run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, insert, literal, or_, select, update
from sqlalchemy.orm import aliased, selectinload

from errors import Conflict, NotFound
from extensions import db, reading, writing
from models import Drift, Integration, Link, Listing, Order, OrderLine, Shop, StockItem
from models.order import OPEN_STATES
from models.sku_key import sku_key
from models.stock import NO_FAILURE
from models.types import utcnow
from services.common.batches import batches, in_batches
from services.common.beginnings import begins, names_begin
from services.common.deadlocks import retry_on_deadlock
from services.common.paging import MOST_COUNTED, Page, by_id, page_of
from services.listings import queries, stock_push
from services.listings.audited import DRIFT_SETTLED, LINKED, about_listings
from services.listings.linking import CONFLICTS
from services.security.audit import About, record_change, record_changes
from services.stock import allocations, fed, items, ledger, skus, waiting_lines

PAGE_SIZE = 50
SORTS: dict[str, Any] = {
    "shop": (Integration.name_key, Listing.sku, Listing.id), "sku": (Listing.sku, Integration.name_key, Listing.id),
    "sku_last": (Listing.sku.desc(), Integration.name_key.desc(), Listing.id.desc()), "name": (Listing.name, Listing.id),
    "name_last": (Listing.name.desc(), Listing.id.desc()), "least": (Listing.quantity, Listing.id), "most": (Listing.quantity.desc(), Listing.id.desc()),
}  # fmt: skip
DRIFT_SORTS: dict[str, Any] = {
    "": (Drift.seen_at.desc(), Drift.id.desc()), "oldest": (Drift.seen_at, Drift.id), "sku": (Listing.sku, Drift.id),
    "expected": (Drift.expected.desc(), Drift.id.desc()), "found": (Drift.found.desc(), Drift.id.desc()),
}  # fmt: skip
COUNTED = ("conflict", "renamed", "failed", "drift")
"""States that an index finds few of."""
MOST_ASKED = 10_000
"""Listings of which it is counted whether they are linked."""
STATES = (
    "linked", "unlinked", "conflict", "renamed", "kit", "off", "failed", "waiting", "other_value", "missing", "refused", "drift",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    integration_id: int | None = None
    search: str = ""
    state: str = ""
    sort: str = "shop"


@dataclass(frozen=True, slots=True)
class Row:
    """``links`` are (SKU, units, stock item id, available); ``offers`` is what it should offer, None without a link."""

    id: int
    integration: str
    external_id: str
    kind: str
    sku: str
    name: str
    quantity: int
    offers: int | None
    links: tuple[tuple[str, int, int, int], ...]
    by_hand: bool
    do_not_push: bool
    note: str
    state: str
    push_state: str
    pushed_at: datetime | None
    seen_at: datetime
    rename_state: str
    renamed_from: str
    integration_id: int
    needs_item: bool = False
    """Whether it has its own stock that the shop counts, and takes it from no stock item."""


def list_page(wanted: Wanted, place: str = "") -> Page[Row]:
    return page_of(_matching(wanted), _order(wanted), place, PAGE_SIZE, by_id(_rows))


def quick_search(text: str, most: int) -> list[tuple[int, str, str, str]]:
    """Listings whose SKU or name begins with a text, in any spelling of the SKU: (id, SKU or id in the shop, name, integration), at most so many."""
    key = sku_key(text)
    found = names_begin(Listing.name, text)
    present = select(Integration.id).where(Integration.shop_id == Listing.shop_id, Integration.removed_at.is_(None)).exists()
    ids = (
        select(Listing.id)
        .where(or_(begins(Listing.sku_key, key), found) if key else found, Listing.gone_at.is_(None), present)
        .limit(most)
    )
    query = (
        select(Listing.id, Listing.sku, Listing.external_id, Listing.name, Integration.name)
        .join(Integration, and_(Integration.shop_id == Listing.shop_id, Integration.removed_at.is_(None)))
        .where(Listing.id.in_(ids))
        .order_by(Listing.sku, Integration.name_key)
    )
    return [(row[0], row[1] or row[2], row[3], row[4]) for row in db.session.execute(query)]


def iter_rows(wanted: Wanted) -> Iterator[list[Row]]:
    return in_batches(_matching(wanted).order_by(*_order(wanted)), _rows)


def _matching(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    here = and_(Integration.shop_id == Listing.shop_id, Integration.removed_at.is_(None))
    query = select(Listing.id).where(Listing.gone_at.is_(None))
    if wanted.integration_id is None and _order(wanted)[0] is not Integration.name_key:
        # After an inner join SQLite would read the listings of each shop, and sort all of them.
        there = aliased(Integration)
        present = select(there.id).where(there.shop_id == Listing.shop_id, there.removed_at.is_(None))
        query = query.outerjoin(Integration, here).where(present.exists())
    else:
        query = query.join(Integration, here)
    if wanted.integration_id is not None:
        query = query.where(Integration.id == wanted.integration_id)
    if wanted.search:
        query = query.where(skus.found_by(Listing, wanted.search))
    conditions = _conditions()
    if wanted.state in conditions:
        query = query.where(conditions[wanted.state])
    return query


def _conditions() -> dict[str, Any]:
    """What the words of ``STATES`` mean."""
    # A link by SKU is the only one of its listing and takes one unit (services/listings/linking.py): a kit is made by hand.
    by_hand = select(Link.listing_id).where(Link.by_hand).group_by(Link.listing_id)
    several = by_hand.having((func.count() > 1) | (func.max(Link.units) > 1))
    return {
        "linked": Listing.linked, "unlinked": and_(~Listing.linked, Listing.push_error.not_in(CONFLICTS), Listing.replaced.is_(False)),
        "conflict": and_(~Listing.linked, Listing.push_failed, Listing.push_error.in_(CONFLICTS)), "renamed": Listing.was_renamed,
        "kit": Listing.id.in_(several), "off": Listing.do_not_push, "failed": and_(Listing.push_failed, Listing.push_error.not_in(CONFLICTS)),
        **{state: and_(Listing.troubled, Listing.push_state == state) for state in ("waiting", "other_value", "refused")},
        "missing": or_(Listing.push_state == "missing", Listing.missed > 0),
        "drift": Listing.id.in_(select(Drift.listing_id).where(Drift.state == "open")),
    }  # fmt: skip


def counts() -> dict[str, int]:
    """How many listings of present integrations are in each of ``COUNTED``, each counted up to one more than ``MOST_COUNTED``. Whether a
    listing is linked is counted in a small installation only: in a large one there can be thousands of either."""
    present = select(Integration.id).where(Integration.shop_id == Listing.shop_id, Integration.removed_at.is_(None)).exists()
    there = select(literal(1)).select_from(Listing).where(Listing.gone_at.is_(None), present)
    whole = db.session.scalar(select(func.count()).select_from(select(Listing.id).limit(MOST_ASKED + 1).subquery())) or 0
    conditions = _conditions()
    states = (*COUNTED, "linked", "unlinked") if whole <= MOST_ASKED else COUNTED
    some = {state: there.where(conditions[state]).limit(MOST_COUNTED + 1).subquery() for state in states}
    columns = [select(func.count()).select_from(each).scalar_subquery().label(state) for state, each in some.items()]
    return dict(db.session.execute(select(*columns)).one()._mapping)


def _order(wanted: Wanted) -> Sequence[Any]:
    order: Sequence[Any] = SORTS.get(wanted.sort, SORTS["shop"])
    return order


def _rows(ids: Sequence[int]) -> dict[int, Row]:
    query = (
        select(Listing, Integration.name, Integration.id, Integration.waiting_run_id.is_not(None))
        .join(Integration, and_(Integration.shop_id == Listing.shop_id, Integration.removed_at.is_(None)))
        .where(Listing.id.in_(ids))
        .options(selectinload(Listing.links).joinedload(Link.stock_item), selectinload(Listing.shop))
    )
    return {
        listing.id: _row(listing, name, integration_id, waits)
        for listing, name, integration_id, waits in db.session.execute(query)
    }


def _row(listing: Listing, name: str, integration_id: int, waits: bool) -> Row:
    links = tuple((link.stock_item.sku, link.units, link.stock_item_id, link.stock_item.available) for link in listing.links)
    apart = "replaced" if listing.replaced else "unlinked"
    state = "linked" if links else "conflict" if listing.push_error in CONFLICTS else apart
    return Row(
        listing.id, name, listing.external_id, listing.kind, listing.sku, listing.name, listing.quantity,
        stock_push.wanted_quantity(listing), links, any(link.made_by == "hand" for link in listing.links), listing.do_not_push,
        queries.note(listing, waits), state, listing.push_state, listing.pushed_at, listing.seen_at, listing.rename_state,
        listing.renamed_from, integration_id, not links and listing.counted and listing.own_stock and not listing.replaced,
    )  # fmt: skip


def get_row(listing_id: int) -> Row:
    """Raises NotFound."""
    found = _rows([listing_id])
    if listing_id not in found:
        raise NotFound("The shop has that listing no more.")
    return found[listing_id]


@dataclass(frozen=True, slots=True)
class Matched:
    """What matching by SKU would link: (listing id, integration, SKU, name); ``ambiguous`` are SKUs that several listings of a
    shop carry, which are refused; ``unknown`` is how many listings have a SKU that is no stock item."""

    rows: list[tuple[int, str, str, str]]
    ambiguous: list[tuple[str, str]]
    unknown: int


def match_by_sku(integration_id: int | None = None) -> Matched:
    """The trial run: nothing is changed."""
    pushable = (
        Listing.gone_at.is_(None), Listing.counted, Listing.own_stock, Listing.replaced.is_(False), Listing.sku_key != "",
        Listing.rename_state != "decide", Listing.push_error.not_in(CONFLICTS[1:]),
    )  # fmt: skip
    query = (
        select(Listing.id, Listing.shop_id, Integration.name, Listing.sku, Listing.name, StockItem.id, Listing.links.any())
        .join(Integration, and_(Integration.shop_id == Listing.shop_id, Integration.removed_at.is_(None)))
        .outerjoin(StockItem, skus.same_sku(StockItem, Listing))
        .where(*pushable)
        .order_by(Integration.name_key, Listing.sku, Listing.id)
    )
    if integration_id is not None:
        query = query.where(Integration.id == integration_id)
    with reading():
        found = db.session.execute(query).all()
        carriers: dict[tuple[int, str], int] = {}
        for row in found:
            carriers[(row[1], sku_key(row[3]))] = carriers.get((row[1], sku_key(row[3])), 0) + 1
        ambiguous: dict[tuple[str, str], None] = {}
        rows, unknown = [], 0
        for listing_id, shop_id, name, sku, title, item_id, linked in found:
            if linked:
                continue
            if carriers[(shop_id, sku_key(sku))] > 1:
                ambiguous[(name, sku)] = None
            elif item_id is None:
                unknown += 1
            else:
                rows.append((listing_id, name, sku, title))
    return Matched(rows, list(ambiguous), unknown)


def link_matched(listing_ids: Sequence[int], actor: str) -> int:
    """Link those of these listings that the trial run still finds; returns how many."""
    wanted = set(listing_ids)
    rows = [row for row in match_by_sku().rows if row[0] in wanted]
    return sum(_link_chunk({row[0]: row[2] for row in batch}, actor) for batch in batches(rows))


@retry_on_deadlock
def _link_chunk(sku_of: dict[int, str], actor: str) -> int:
    """Link listings, by their SKUs: all in a few statements, and only those one by one that open orders wait for."""
    with writing() as session:
        shop_ids = session.scalars(select(Listing.shop_id).where(Listing.id.in_(sku_of)).distinct()).all()
        session.execute(select(Shop.id).where(Shop.id.in_(shop_ids)).order_by(Shop.id).with_for_update())
        linked = set(session.scalars(select(Link.listing_id).where(Link.listing_id.in_(sku_of))))
        found = skus.find_items(sku_of.values())
        free = {
            listing_id: item_id
            for listing_id, sku in sku_of.items()
            if listing_id not in linked and (item_id := found.get(sku)) is not None
        }
        if not free:
            return 0
        called = {item.id: item.sku for item in items.by_ids(free.values())}
        for about in about_listings(free):
            record_change(LINKED, about, {"stock_items": ([], [called[free[about.id or 0]]])}, actor)
        session.execute(
            insert(Link.__table__),
            [{"listing_id": listing_id, "stock_item_id": item_id, "units": 1, "made_by": "sku"} for listing_id, item_id in free.items()],
        )  # fmt: skip
        session.execute(
            update(Listing)
            .where(Listing.id.in_(free))
            .values({**NO_FAILURE, "linked": True, "stale": True})
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        waited_for = session.scalars(
            select(Listing)
            .where(
                Listing.id.in_(free),
                exists().where(
                    or_(OrderLine.sku_key == Listing.sku_key, OrderLine.product_id == Listing.product_id),
                    OrderLine.order_id == Order.id, Order.shop_id == Listing.shop_id, Order.state.in_(OPEN_STATES),
                ),
            )
            .order_by(Listing.id)
        ).all()  # fmt: skip
        ledger.lock_items(free[listing.id] for listing in waited_for)
        for listing in waited_for:
            waiting_lines.follow_links(listing, actor)
        ledger.request_push(free.values())
        return len(free)


@dataclass(frozen=True, slots=True)
class DriftRow:
    id: int
    listing_id: int
    integration_id: int
    integration: str
    sku: str
    name: str
    seen_at: datetime
    expected: int
    found: int
    now: int
    state: str
    decided_by: str
    takeable: bool


def drift_page(place: str = "", *, integration_id: int | None = None, open_only: bool = True, sort: str = "") -> Page[DriftRow]:
    """Quantities that somebody changed in a shop, newest first unless ``sort`` is another of ``DRIFT_SORTS``."""
    return page_of(
        drift_ids(integration_id, open_only), DRIFT_SORTS.get(sort, DRIFT_SORTS[""]), place, PAGE_SIZE, by_id(drift_rows)
    )


def iter_drift(integration_id: int | None = None, *, open_only: bool = False, sort: str = "") -> Iterator[list[DriftRow]]:
    return in_batches(drift_ids(integration_id, open_only).order_by(*DRIFT_SORTS.get(sort, DRIFT_SORTS[""])), drift_rows)


def drift_ids(integration_id: int | None, open_only: bool) -> Select[*tuple[Any, ...]]:
    """The ids of the drift of shops that are connected."""
    query = (
        select(Drift.id)
        .join(Listing, Listing.id == Drift.listing_id)
        .join(Integration, and_(Integration.shop_id == Listing.shop_id, Integration.removed_at.is_(None)))
    )
    if integration_id is not None:
        query = query.where(Integration.id == integration_id)
    return query.where(Drift.state == "open") if open_only else query


def drift_rows(ids: Sequence[int]) -> dict[int, DriftRow]:
    """By id."""
    query = (
        select(Drift, Listing, Integration.id, Integration.name)
        .join(Listing, Listing.id == Drift.listing_id)
        .join(Integration, and_(Integration.shop_id == Listing.shop_id, Integration.removed_at.is_(None)))
        .where(Drift.id.in_(ids))
        .options(selectinload(Listing.links))
    )
    return {
        drift.id: DriftRow(drift.id, listing.id, integration_id, name, listing.sku, listing.name, drift.seen_at, drift.expected, drift.found,
                           listing.quantity, drift.state, drift.decided_by, len(listing.links) == 1)
        for drift, listing, integration_id, name in db.session.execute(query)
    }  # fmt: skip


@retry_on_deadlock
def settle_drift(drift_id: int, whose: str, actor: str) -> None:
    """``ours``: our quantity stays and is sent to the shop again. ``theirs``: on hand becomes what makes us offer the
    shop's number. Raises NotFound, or Conflict where it is settled or the listing is a kit."""
    with writing() as session:
        drift = session.get(Drift, drift_id, with_for_update=True)
        if drift is None:
            raise NotFound("There is no such difference any more.")
        if drift.state != "open":
            raise Conflict("That difference is settled already.")
        listing = session.get_one(Listing, drift.listing_id)
        if whose == "theirs":
            _take_theirs(listing, drift, actor)
        kept = {"quantity": (drift.found, drift.expected) if whose == "ours" else (drift.expected, drift.found)}
        record_changes(DRIFT_SETTLED, about_listings([listing.id]), {"kept": (None, f"{whose} quantity"), **kept}, actor)
        drift.state, drift.decided_by, drift.decided_at = whose, actor, utcnow()
        listing.drift, listing.drift_seen_at, listing.stale = None, None, True
        ledger.request_push(link.stock_item_id for link in listing.links)


def _take_theirs(listing: Listing, drift: Drift, actor: str) -> None:
    if len(listing.links) != 1:
        raise Conflict("The listing takes from several stock items.", "Set their stock by hand.")
    link = listing.links[0]
    shop = db.session.get_one(Shop, listing.shop_id)
    item = ledger.load_items([link.stock_item_id])[link.stock_item_id]
    fed.refuse([item])
    wanted = (drift.found + shop.stock_buffer) * link.units + item.reserved + item.buffer
    reason = ledger.Reason(actor, "set", note=f"the shop's number, {drift.found}")
    record_change(items.CHANGED, About(item.id, item.sku), {"on_hand": (item.on_hand, wanted)}, actor)
    ledger.enter(item, reason, on_hand=wanted - item.on_hand)
    allocations.pass_on([item], actor=actor)
