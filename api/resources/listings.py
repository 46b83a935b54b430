"""``listings``: products and variants in the shops, and the stock items they take their quantity from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import and_, select
from sqlalchemy.orm import selectinload

from api.operations import Call, matches, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Body, Id, Search, Sku, row_id
from errors import NotFound
from extensions import db, one_transaction
from jobs.schedule import start_due_runs
from models import Integration, Link
from models import Listing as Row
from models.sku_key import sku_key
from services.common.deadlocks import retry_on_deadlock
from services.listings import manual_links, renames, stock_push
from services.stock import skus


class ListingLink(Struct):
    stock_item_id: str
    sku: str
    units: int
    made_by: str


class Listing(Struct):
    """``quantity`` is the shop's when it was last read; ``offers`` what it should offer, null without a link. ``push_state`` is empty
    where the last stock update was stored or none was needed. ``rename_state`` is renamed or decide where the shop calls it otherwise than
    ``renamed_from`` and nobody has decided yet. ``missing`` says that the last reading of the shop lacks it. ``version`` changes with ``do_not_push``."""

    id: str
    integration_id: str
    integration: str
    external_id: str
    kind: str
    sku: str
    name: str
    quantity: int
    offers: int | None
    links: list[ListingLink]
    do_not_push: bool
    push_state: str
    push_error: str
    pushed_at: datetime | None
    seen_at: datetime
    drift: int | None
    rename_state: str
    renamed_from: str
    missing: bool
    version: str


class ListingChanges(Body):
    """With ``do_not_push``, no quantities are sent to the listing."""

    do_not_push: bool | UnsetType = UNSET


class ListingsQuery(ListQuery, kw_only=True):
    integration: Id | None = None
    sku: Sku | None = None
    search: Search = ""
    renamed: bool | None = None
    missing: bool | None = None


class RenameDecision(Body):
    """``same_goods``: the listing keeps its stock item. Otherwise its link is removed, and it is linked by its new SKU."""

    same_goods: bool


HERE = and_(Integration.shop_id == Row.shop_id, Integration.removed_at.is_(None))


@operation("GET", "/listings", "List listings", scope="listings:read", query=ListingsQuery, answers={200: Page[Listing]})
def list_listings(call: Call) -> Reply:
    wanted: ListingsQuery = call.query
    # Without a join, by which SQLite would read the listings of each integration, and sort all of them.
    present = select(Integration.id).where(HERE)
    if wanted.integration is not None:
        present = present.where(Integration.id == row_id(wanted.integration))
    query = select(Row.id).where(Row.gone_at.is_(None), present.exists())
    if wanted.sku is not None:
        query = query.where(Row.sku_key == sku_key(wanted.sku))
    if wanted.search:
        query = query.where(skus.found_by(Row, wanted.search))
    if wanted.renamed is not None:
        query = query.where(Row.was_renamed if wanted.renamed else ~Row.was_renamed)
    if wanted.missing is not None:
        query = query.where(Row.missed > 0 if wanted.missing else Row.missed == 0)
    return list_page(call, query, [Row.id], _load, newest=False)


@operation("GET", "/listings/<int:listing_id>", "Get a listing", scope="listings:read", answers={200: Listing})
def get_listing(call: Call, listing_id: int) -> Listing:
    return _one(listing_id)


def _one(listing_id: int) -> Listing:
    """Raises NotFound, also for a listing that is gone or of a shop that was removed."""
    found = _load([listing_id]).get(listing_id)
    if found is None:
        raise NotFound("There is no such listing.")
    return found


@operation(
    "PATCH", "/listings/<int:listing_id>", "Switch the sending of quantities to a listing off or on", scope="listings:write", role="manager",
    body=ListingChanges, answers={200: Listing}, conditional=True,
)  # fmt: skip
def change_listing(call: Call, listing_id: int) -> Reply:
    _change(listing_id, call.body, call.actor)
    return Reply(_one(listing_id), after=_start)


@retry_on_deadlock
def _change(listing_id: int, changes: ListingChanges, actor: str) -> None:
    with one_transaction() as session:
        _one(listing_id)
        matches(version_of(session.get_one(Row, listing_id, populate_existing=True)))
        if changes.do_not_push is not UNSET:
            manual_links.set_do_not_push([listing_id], changes.do_not_push, actor)


@operation(
    "POST", "/listings/<int:listing_id>/settle-rename", "Decide whether a renamed listing still is the same goods", scope="approvals:write",
    role="manager", body=RenameDecision, answers={200: Listing},
)  # fmt: skip
def settle_rename(call: Call, listing_id: int) -> Reply:
    _one(listing_id)
    renames.settle(listing_id, call.body.same_goods, call.actor)
    return Reply(_one(listing_id), after=_start)


def version_of(row: Row) -> str:
    return hashlib.sha256(f"{row.id} {row.do_not_push}".encode()).hexdigest()[:16]


def _start() -> None:
    start_due_runs()


def _load(ids: Sequence[int]) -> dict[int, Listing]:
    query = select(Row, Integration.id, Integration.name).join(Integration, HERE).where(Row.id.in_(ids), Row.gone_at.is_(None))
    query = query.options(selectinload(Row.links).joinedload(Link.stock_item), selectinload(Row.shop))
    return {row.id: _shown(row, integration_id, name) for row, integration_id, name in db.session.execute(query)}


def _shown(row: Row, integration_id: int, name: str) -> Listing:
    links = [ListingLink(str(link.stock_item_id), link.stock_item.sku, link.units, link.made_by) for link in row.links]
    return Listing(
        str(row.id), str(integration_id), name, row.external_id, row.kind, row.sku, row.name, row.quantity,
        stock_push.wanted_quantity(row), links, row.do_not_push, row.push_state, row.push_error, row.pushed_at, row.seen_at, row.drift,
        row.rename_state, row.renamed_from if row.rename_state else "", row.missed > 0, version_of(row),
    )  # fmt: skip
