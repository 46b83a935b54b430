"""``offers``: how many pieces suppliers have of their codes, and which stock items the codes mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct
from sqlalchemy import select

from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.resources.stock_items import StockItem, one_item
from api.shapes import Body, Id, Sku, row_id
from errors import Conflict, NotFound
from extensions import db
from jobs.schedule import start_due_runs
from models import Feed
from models import Offer as Row
from models import StockItem as Item
from models.sku_key import sku_key
from services.feeds import fed_stock, offers
from services.feeds.offers import MOST_UNITS


class Offer(Struct):
    """One piece of the supplier's is ``units`` units of the stock item, which is null for a code that nobody has linked. ``seen_at`` is when a file
    had the code last; ``missed`` counts the files in a row without it. ``fed`` says whether on hand of the stock item follows from its offers."""

    id: str
    feed_id: str
    code: str
    quantity: int
    units: int
    stock_item_id: str | None
    sku: str | None
    fed: bool
    ignored: bool
    missed: int
    seen_at: datetime
    changed_at: datetime


class OffersQuery(ListQuery, kw_only=True):
    feed: Id | None = None
    stock_item: Id | None = None
    code: Sku | None = None
    linked: bool | None = None
    ignored: bool | None = None


Units = Annotated[int, Meta(ge=1, le=MOST_UNITS)]


class OfferLink(Body):
    """The stock item that the code means, in any spelling of its SKU."""

    sku: Sku
    units: Units = 1


class OfferItem(Body):
    """The new stock item: its SKU is the code unless you name one. It is fed."""

    sku: Annotated[str, Meta(max_length=255)] = ""
    name: Annotated[str, Meta(max_length=500)] = ""
    units: Units = 1


class OfferIgnored(Body):
    """Whether people are no longer asked about the code."""

    ignored: bool


class Feeding(Body):
    """``fed``: on hand follows from the offers. ``rule`` says how, if there are several: their ``sum``, or the ``first`` by priority. Without a
    rule it stays."""

    fed: bool
    rule: Literal["", "sum", "first"] = ""


@operation("GET", "/offers", "List offers", scope="feeds:read", query=OffersQuery, answers={200: Page[Offer]})
def list_offers(call: Call) -> Reply:
    wanted: OffersQuery = call.query
    query = select(Row.id).join(Feed).where(Feed.removed_at.is_(None))
    if wanted.feed is not None:
        query = query.where(Row.feed_id == row_id(wanted.feed))
    if wanted.stock_item is not None:
        query = query.where(Row.stock_item_id == row_id(wanted.stock_item))
    if wanted.code is not None:
        query = query.where(Row.code_key == sku_key(wanted.code))
    if wanted.linked is not None:
        query = query.where(Row.stock_item_id.is_not(None) if wanted.linked else Row.stock_item_id.is_(None))
    if wanted.ignored is not None:
        query = query.where(Row.ignored == wanted.ignored)
    return list_page(call, query, [Row.id], _load, newest=False)


@operation("GET", "/offers/<int:offer_id>", "Get an offer", scope="feeds:read", answers={200: Offer})
def get_offer(call: Call, offer_id: int) -> Offer:
    return _one(offer_id)


@operation(
    "POST", "/offers/<int:offer_id>/link", "Link the code of an offer to a stock item", scope="feeds:write", role="manager", body=OfferLink,
    answers={200: Offer},
)  # fmt: skip
def link_offer(call: Call, offer_id: int) -> Reply:
    _one(offer_id)
    offers.link(offer_id, call.body.sku, call.actor, units=call.body.units)
    return Reply(_one(offer_id), after=_push)


@operation(
    "POST", "/offers/<int:offer_id>/unlink", "Remove the link of the code of an offer", scope="feeds:write", role="manager",
    answers={200: Offer},
)  # fmt: skip
def unlink_offer(call: Call, offer_id: int) -> Reply:
    if _one(offer_id).stock_item_id is None:
        raise Conflict("This code is not linked.")
    offers.unlink(offer_id, call.actor)
    return Reply(_one(offer_id), after=_push)


@operation(
    "POST", "/offers/<int:offer_id>/create-item", "Add a fed stock item for the code of an offer", scope="feeds:write", role="manager",
    body=OfferItem, answers={200: Offer},
)  # fmt: skip
def create_item_of_offer(call: Call, offer_id: int) -> Reply:
    _one(offer_id)
    offers.create_item(offer_id, call.body.sku, call.actor, name=call.body.name, units=call.body.units)
    return Reply(_one(offer_id), after=_push)


@operation(
    "POST", "/offers/<int:offer_id>/ignore", "Ask no more about the code of an offer, or ask again", scope="feeds:write", role="manager",
    body=OfferIgnored, answers={200: Offer},
)  # fmt: skip
def ignore_offer(call: Call, offer_id: int) -> Offer:
    _one(offer_id)
    offers.ignore([offer_id], call.body.ignored, call.actor)
    db.session.expire_all()
    return _one(offer_id)


@operation(
    "POST", "/stock-items/<int:item_id>/set-fed", "Have on hand of a stock item follow from its offers, or be set by you again",
    scope="stock:write", role="manager", body=Feeding, answers={200: StockItem},
)  # fmt: skip
def set_fed(call: Call, item_id: int) -> Reply:
    one_item(item_id)
    if call.body.fed:
        fed_stock.make_fed([item_id], call.actor, call.body.rule)
    else:
        fed_stock.make_own([item_id], call.actor)
    db.session.expire_all()
    return Reply(one_item(item_id), after=_push)


def _push() -> None:
    start_due_runs()


def _one(offer_id: int) -> Offer:
    """Raises NotFound, also for an offer of a feed that was removed."""
    found = _load([offer_id]).get(offer_id)
    if found is None:
        raise NotFound("There is no such offer.")
    return found


def _load(ids: Sequence[int]) -> dict[int, Offer]:
    query = (
        select(Row, fed_stock.SEEN, Item.sku, Item.fed).join(Feed).outerjoin(Item, Item.id == Row.stock_item_id)
        .where(Row.id.in_(ids), Feed.removed_at.is_(None)).execution_options(populate_existing=True)
    )  # fmt: skip
    return {
        row.id: Offer(
            str(row.id), str(row.feed_id), row.code, row.quantity, row.units, None if row.stock_item_id is None else str(row.stock_item_id),
            sku, bool(fed), row.ignored, row.missed, seen_at, row.changed_at,
        )
        for row, seen_at, sku, fed in db.session.execute(query)
    }  # fmt: skip
