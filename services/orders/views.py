"""What the orders pages show: a page of the list, and everything there is to know about one order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.orm import selectinload

from errors import NotFound
from extensions import db
from models import Allocation, Integration, Order, OrderLine, Oversell, Shipment, StockItem, WriteBack
from models.order import mark_of
from models.types import utcnow
from services.common.batches import in_batches, stamp
from services.common.paging import Page, by_id, page_of
from services.order_basics import holds
from services.order_basics.holds import Rules
from services.order_basics.identity import placed_of
from services.order_basics.money import plain
from services.orders import held, list_facts, queries, rereading, search, search_matches, tags
from services.orders import redaction as customers
from services.orders.search import MOST_FOUND
from services.orders.timeline import Event, timeline
from services.shipping import batches, by_hand, called_off, shipments, shipped_lines, undo, write_backs
from services.shipping.batches import Batch
from services.shipping.shipped_lines import Goods
from services.shops import finding, kinds

PAGE_SIZE = 50
AGES = {"1": 1, "7": 7, "30": 30, "90": 90}
SORTS: dict[str, Any] = {
    "newest": (Order.placed_at.desc(), Order.id.desc()), "oldest": (Order.placed_at, Order.id),
    "number": (Order.number, Order.id), "highest_number": (Order.number.desc(), Order.id.desc()),
    "total": (Order.total.desc(), Order.id.desc()), "smallest": (Order.total, Order.id),
    "customer": (Order.customer, Order.id), "customer_last": (Order.customer.desc(), Order.id.desc()),
}  # fmt: skip
WITH_ALLOCATIONS = selectinload(Order.lines).selectinload(OrderLine.allocations).selectinload(Allocation.stock_item)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list is filtered by. ``state`` is a word of queries.STATES or SPECIAL, or queries.HELD_FOR and a cause.

    ``customers`` says whether the reader may see who bought: without it no name is shown, searched or sorted by. ``most_found`` is how many
    orders the search gives at most, the newest here."""

    integration_id: int | None = None
    search: str = ""
    state: str = ""
    age: str = ""
    sort: str = "newest"
    customers: bool = False
    tag: int | None = None
    most_found: int = MOST_FOUND


@dataclass(frozen=True, slots=True)
class Row:
    id: int
    number: str
    integration: str
    placed_at: datetime | None
    customer: str
    total: str
    currency: str
    pieces: int
    state: str
    held_reason: str
    note: str
    cancel_unseen: bool
    by_hand: bool
    payment_status: str
    shipping_status: str
    superseded_at: datetime | None = None
    gone_at: datetime | None = None
    external_id: str = ""
    integration_id: int = 0
    goods: str = ""
    """The names of what was ordered, in one line."""
    matched: list[tuple[str, str]] = field(default_factory=list)
    """What a search found it by, where its number is not it: what the field is called, and its value."""

    @property
    def mark(self) -> str:
        return mark_of(self.superseded_at, self.gone_at)

    @property
    def short(self) -> bool:
        """Whether something of it is not in stock, although it is not held for that."""
        return any(holds.says_short(each) for each in self.note.splitlines())


def list_page(wanted: Wanted, place: str = "", size: int = PAGE_SIZE) -> Page[Row]:
    """One page of the orders of present integrations."""
    return page_of(
        _matching(wanted),
        _order(wanted),
        place,
        size,
        by_id(lambda ids: _found(ids, wanted)),
        wanted.most_found - 1 if wanted.search else None,
    )


def _found(ids: Sequence[int], wanted: Wanted) -> dict[int, Row]:
    """The rows of a page, with why a search found them."""
    rows = _rows(ids, wanted.customers, list_facts.ordered_goods(ids))
    if not wanted.search:
        return rows
    why = search_matches.matches(wanted.search, ids, with_customers=wanted.customers)
    return {order_id: replace(row, matched=why.get(order_id, [])) for order_id, row in rows.items()}


def query_of(wanted: Wanted, *, everything: bool = False) -> tuple[Select[*tuple[Any, ...]], Sequence[Any]]:
    """The ids that a list shows, and their order. With ``everything``, all orders of a tag and not only the newest."""
    return _matching(wanted, everything=everything), _order(wanted)


def iter_rows(wanted: Wanted) -> Iterator[list[Row]]:
    """All of them, a batch at a time, for a file."""
    return in_batches(_matching(wanted, everything=True).order_by(*_order(wanted)), lambda ids: _rows(ids, wanted.customers, {}))


def _matching(wanted: Wanted, *, everything: bool = False) -> Select[*tuple[Any, ...]]:
    """With ``everything``, all orders of a tag; a list shows the newest."""
    query = select(Order.id).where(list_facts.is_present())
    if wanted.integration_id is not None:
        one = select(Integration.shop_id).where(Integration.id == wanted.integration_id, Integration.removed_at.is_(None))
        query = select(Order.id).where(Order.shop_id == one.scalar_subquery())
    if wanted.search:
        query = query.where(search.found_by(wanted.search, with_customers=wanted.customers, most=wanted.most_found))
    if wanted.tag is not None:
        query = query.where(Order.id.in_(tags.orders_with(wanted.tag, everything=everything)))
    more = [queries.in_state(wanted.state)] if wanted.state else []
    if wanted.age in AGES:
        more.append(Order.placed_at >= utcnow() - timedelta(days=AGES[wanted.age]))
    elif wanted.age == "older":
        more.append(Order.placed_at < utcnow() - timedelta(days=90))
    if more and _is_read_by_total(wanted):
        more = [case((and_(*more), 1), else_=0) == 1]
    return query.where(*more)


def _is_read_by_total(wanted: Wanted) -> bool:
    """Whether most orders of one shop are listed by total, on SQLite. It would find those of all shops that are in that state by an index,
    and sort them; what stands inside an expression finds nothing, so that the index that has a shop's orders by total is used."""
    few = wanted.search or wanted.tag is not None or wanted.age in AGES or wanted.state not in ("", "shipped")
    by_total = wanted.integration_id is not None and wanted.sort in ("total", "smallest")
    return by_total and not few and db.session.get_bind().dialect.name == "sqlite"


def _order(wanted: Wanted) -> Sequence[Any]:
    sort = "newest" if wanted.sort.startswith("customer") and not wanted.customers else wanted.sort
    order: Sequence[Any] = SORTS.get(sort, SORTS["newest"])
    return order


def _rows(ids: Sequence[int], with_customers: bool, goods: Mapping[int, list[str]]) -> dict[int, Row]:
    of_order = select(func.coalesce(func.sum(OrderLine.quantity), 0)).where(OrderLine.order_id == Order.id).correlate(Order)
    lines = select(func.count()).select_from(OrderLine).where(OrderLine.order_id == Order.id).correlate(Order)
    query = (
        select(
            Order.id, Order.number, Order.external_id, Integration.id, Integration.name, Order.placed_at, Order.customer, Order.email, Order.total,
            Order.decimals, Order.currency, of_order.scalar_subquery(), lines.scalar_subquery(), Order.state, Order.held_reason, Order.note,
            Order.id.in_(queries.to_decide()), Order.id.in_(queries.waits_by_hand()), Order.payment_status, Order.shipping_status,
            Order.superseded_at, Order.gone_at, Order.first_seen_at, Order.problems,
        )
        .join(Integration, and_(Integration.shop_id == Order.shop_id, Integration.removed_at.is_(None)))
        .where(Order.id.in_(ids))
    )  # fmt: skip
    found: dict[int, Row] = {}
    for row in db.session.execute(query):
        (
            order_id,
            number,
            external_id,
            integration_id,
            name,
            _,
            customer,
            email,
            total,
            decimals,
            currency,
            ordered,
            count,
            *rest,
            _,
            _,
        ) = row
        shown = customer or email if with_customers else ""
        named = goods.get(order_id, [])
        more = [f"{count - len(named)} more"] if count > len(named) else []
        rest = [*rest, external_id, integration_id, ", ".join([*named, *more])]
        found[order_id] = Row(
            order_id,
            number or external_id,
            name,
            placed_of(row),
            shown,
            plain(total, decimals) if number else "",
            currency,
            int(ordered),
            *rest,
        )
    return found


@dataclass(frozen=True, slots=True)
class OrderPage:
    """``money`` are (label, amount) that add up to ``total``; ``refusal`` says why it may not be shipped, empty where it may, and ``takes_parcel``
    whether a further parcel may be sent. ``to_do`` are sentences about what a person has to do in the shop, and ``may_undo`` is the id of
    the shipment that can be undone, with ``just_shipped`` while it is about to be sent.
    ``blocked`` is the write-back that was stopped because the shop has called the order off, ``may_send_again`` whether the
    shop has changed that back; ``cannot_read`` whether nothing is read from the shop at the moment; ``unclear`` are items of which it is not
    clear which lines were shipped; ``by_hand`` are tracking numbers that a person has to enter in the shop.
    Where ``customers`` is False, all that is about a person has been taken out of the other values."""

    customers: bool
    order: Order
    placed_at: datetime | None
    integration: Integration
    payment: str
    shipping: str
    money: list[tuple[str, str]]
    total: str
    difference: str
    lines: list[dict[str, Any]]
    shipments: list[Shipment]
    write_backs: list[WriteBack]
    timeline: list[Event]
    oversold: list[str]
    refusal: str
    warn_mail: bool
    blocked: WriteBack | None
    may_send_again: bool
    by_hand: list[str]
    to_do: list[str]
    takes_parcel: bool
    may_undo: int | None
    just_shipped: Batch | None
    cannot_read: bool
    unclear: list[Goods]

    @property
    def suggested(self) -> dict[int, int]:
        """How many pieces of each of these lines may have been shipped, by line id."""
        return {line_id: units for goods in self.unclear for line_id, units in goods.suggested.items()}

    @property
    def cancelled_status(self) -> str:
        """The name of the status that the shop gets for an order that is cancelled here, empty where none is chosen."""
        code = self.integration.cancelled_status
        return kinds.status_names(self.integration).get(("shipping", code), code)

    @property
    def held_with_others(self) -> bool:
        """Whether the page of held orders fixes some of what holds it."""
        return any(code not in held.DECIDED_ON_ORDER for code in self.order.held_codes)


def order_page(order_id: int, *, with_customers: bool) -> OrderPage:
    """Raises NotFound. An order of a removed shop is shown, and nothing can be done with it."""
    order = db.session.scalar(select(Order).where(Order.id == order_id).options(WITH_ALLOCATIONS, *queries.WITHOUT_PAYLOAD))
    integration = finding.newest_of_shop(order.shop_id) if order is not None else None
    if order is None or integration is None:
        raise NotFound("There is no such order.")
    names = kinds.status_names(integration)
    updates, sent = write_backs.of_order(order.id), shipments.of_order(order.id)
    lines = [_line(line, order.decimals, with_customers) for line in order.lines]
    rules = Rules.of(integration)
    blocked, may_send_again = called_off.blocking_of(updates), called_off.changed_back(order, rules)
    newest = undo.possible(order, sent, updates, rules)
    present = integration if integration.removed_at is None else None
    may_undo, just_shipped = (None, None) if newest is None else (newest.id, batches.of_known(newest, updates, present))
    tasks = by_hand.tasks(order.id)
    waiting = by_hand.waiting_of(sent)
    refusal = (
        shipments.refusal(order, blocked)
        if integration.removed_at is None
        else "Its shop was removed. Connect it again to ship its orders."
    )
    if not with_customers:
        customers.hide(order, sent, updates, tasks)
    return OrderPage(
        with_customers, order, placed_of(order), integration, names.get(("payment", order.payment_status), order.payment_status),
        names.get(("shipping", order.shipping_status), order.shipping_status), _money(order), plain(order.total, order.decimals),
        plain(order.difference, order.decimals) if order.difference else "", lines,
        sent, updates, timeline(order, updates, sent, with_customers, names), oversold(order.id), refusal, integration.mail_warned_at is None,
        blocked, may_send_again, waiting if with_customers else [""] * bool(waiting), [by_hand.sentence(task) for task in tasks],
        integration.removed_at is None and shipments.takes_parcel(order, blocked),
        may_undo, just_shipped if just_shipped is not None and just_shipped.counts["waiting"] else None,
        order.reread_due and rereading.cannot_read(integration), shipped_lines.goods_of(order),
    )  # fmt: skip


def _money(order: Order) -> list[tuple[str, str]]:
    parts: list[tuple[str, Decimal]] = [
        ("Items", order.items), ("Tax on items", order.items_tax), ("Shipping", order.shipping),
        ("Tax on shipping", order.shipping_tax), ("Discount", order.discount), ("Other", order.other),
    ]  # fmt: skip
    return [(label, plain(amount, order.decimals)) for label, amount in parts if amount or label == "Items"]


def _line(line: OrderLine, decimals: int, with_options: bool) -> dict[str, Any]:
    return {
        "id": line.id, "position": line.position, "sku": line.sku, "name": line.name, "quantity": line.quantity,
        "price": queries.unit_price(line.price, decimals), "total": plain(line.total, decimals),
        "options": list(queries.options_object(line.options).items()) if with_options else [], "reserved": line.reserved, "shipped": line.shipped,
        "in_hand": max(0, line.in_hand), "stock_item_id": line.allocations[0].stock_item_id if len(line.allocations) == 1 else None,
        "uncounted": line.uncounted and not line.allocations,
        "kit": [(each.stock_item.sku, each.units) for each in line.allocations] if line.is_kit else [],
    }  # fmt: skip


def oversold(order_id: int) -> list[str]:
    """One sentence for each stock item that this order and one of another shop sold when there was not enough for both."""
    lacks = Oversell.order_id == order_id
    query = (
        select(Oversell.units, lacks, StockItem.sku, Order.number, Integration.name)
        .join(StockItem, StockItem.id == Oversell.stock_item_id)
        .join(Order, Order.id == case((lacks, Oversell.other_order_id), else_=Oversell.order_id))
        .outerjoin(Integration, and_(Integration.shop_id == Order.shop_id, Integration.removed_at.is_(None)))
        .where(or_(lacks, Oversell.other_order_id == order_id))
        .order_by(Oversell.id)
    )
    sentences = []
    for units, is_lacking, sku, number, name in db.session.execute(query):
        are, place = "is" if units == 1 else "are", f"order {number} of {name or 'a removed shop'}"
        if is_lacking:
            sentences.append(f"{sku}: {units} {are} missing, because {place} took the last.")
        else:
            sentences.append(f"{sku}: this order took the last; {place} sold {units} that {are} not there.")
    return sentences


def raw_payload(order_id: int) -> str:
    """What the shop sent, as indented JSON. Raises NotFound."""
    raw = db.session.scalar(select(Order.raw).where(Order.id == order_id))
    if raw is None:
        raise NotFound("There is no such order.")
    return msgspec.json.format(raw or b"{}", indent=2).decode()


def row_for_file(row: Row) -> tuple[Any, ...]:
    return (
        row.number, row.integration, stamp(row.placed_at), row.customer, row.pieces, row.total, row.currency, row.payment_status,
        row.shipping_status, row.state, row.held_reason, row.note, row.mark, row.external_id,
    )  # fmt: skip


HEADER = ("number", "integration", "placed_at", "customer", "pieces", "total", "currency", "payment_status", "shipping_status",
          "state", "held_because", "note", "mark", "id")  # fmt: skip
