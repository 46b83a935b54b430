"""``links``: which stock items a listing takes its quantity from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import and_, select

from api.operations import Call, matches, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Body, Id, Sku, row_id
from errors import NotFound
from extensions import db, one_transaction
from jobs.schedule import start_due_runs
from models import Integration, Listing, StockItem
from models import Link as Row
from services.common.deadlocks import retry_on_deadlock
from services.listings import manual_links
from services.listings.manual_links import MOST_PARTS, MOST_UNITS
from services.stock import skus

HERE = and_(Integration.shop_id == Listing.shop_id, Integration.removed_at.is_(None))


class Link(Struct):
    """``sku`` is the stock item's; one piece of the listing needs ``units`` of it. ``made_by`` is sku (the SKUs are equal) or hand."""

    id: str
    integration_id: str
    listing_id: str
    listing_sku: str
    stock_item_id: str
    sku: str
    units: int
    made_by: str
    version: str


class Linked(Struct):
    """``items`` are the listing's links, ``released_orders`` how many orders are no longer on hold."""

    items: list[Link]
    released_orders: int


class LinksQuery(ListQuery, kw_only=True):
    """``sku`` is the stock item's."""

    integration: Id | None = None
    listing: Id | None = None
    sku: Sku | None = None


class Part(Body):
    sku: Sku
    units: Annotated[int, Meta(ge=1, le=MOST_UNITS)] = 1


class NewLinks(Body):
    """The listing's links from now on: one stock item, or several for a kit."""

    listing_id: Id
    parts: Annotated[list[Part], Meta(min_length=1, max_length=MOST_PARTS)]


@operation("GET", "/links", "List links", scope="listings:read", query=LinksQuery, answers={200: Page[Link]})
def list_links(call: Call) -> Reply:
    wanted: LinksQuery = call.query
    query = select(Row.id).join(Listing).join(Integration, HERE).where(Listing.gone_at.is_(None))
    if wanted.integration is not None:
        query = query.where(Integration.id == row_id(wanted.integration))
    if wanted.listing is not None:
        query = query.where(Row.listing_id == row_id(wanted.listing))
    if wanted.sku is not None:
        found = skus.find_items([wanted.sku]).get(wanted.sku)
        query = query.where(Row.stock_item_id == (-1 if found is None else found))
    return list_page(call, query, [Row.id], _load, newest=False)


@operation("GET", "/links/<int:link_id>", "Get a link", scope="listings:read", answers={200: Link})
def get_link(call: Call, link_id: int) -> Link:
    found = _load([link_id]).get(link_id)
    if found is None:
        raise NotFound("There is no such link.")
    return found


@operation(
    "POST", "/links", "Link a listing to a stock item, or as a kit to several, in place of the links it has", scope="listings:write",
    role="manager", body=NewLinks, answers={201: Linked},
)  # fmt: skip
def create_links(call: Call) -> Reply:
    new: NewLinks = call.body
    listing_id = row_id(new.listing_id)
    released = manual_links.link_listing(listing_id, [(part.sku, part.units) for part in new.parts], call.actor)
    ids = db.session.scalars(select(Row.id).where(Row.listing_id == listing_id).order_by(Row.id)).all()
    made = Linked(list(_load(ids).values()), released)
    return Reply(made, 201, {"Location": f"/api/v1/links?listing={listing_id}"}, after=_start)


@operation(
    "DELETE", "/links/<int:link_id>", "Remove a link: without any, no quantity is sent to the listing", scope="listings:write",
    role="manager", answers={204: None}, conditional=True,
)  # fmt: skip
def remove_link(call: Call, link_id: int) -> Reply:
    _remove(link_id, call.actor)
    return Reply(None, 204, after=_start)


@retry_on_deadlock
def _remove(link_id: int, actor: str) -> None:
    with one_transaction():
        matches(version_of(manual_links.get_link(link_id)))
        manual_links.remove_link(link_id, actor)


def _start() -> None:
    start_due_runs()


def version_of(row: Row) -> str:
    return hashlib.sha256(f"{row.id} {row.listing_id} {row.stock_item_id} {row.units}".encode()).hexdigest()[:16]


def _load(ids: Sequence[int]) -> dict[int, Link]:
    query = select(Row, StockItem.sku, Listing.sku, Integration.id).join(StockItem).join(Listing).join(Integration, HERE)
    rows = db.session.execute(query.where(Row.id.in_(ids)).order_by(Row.id).execution_options(populate_existing=True))
    return {
        row.id: Link(
            str(row.id), str(integration_id), str(row.listing_id), listing_sku, str(row.stock_item_id), sku, row.units, row.made_by,
            version_of(row),
        )
        for row, sku, listing_sku, integration_id in rows
    }  # fmt: skip
