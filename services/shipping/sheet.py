"""The review sheet: several orders with carrier and tracking number each, and what their shops will be sent, before anything is shipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from errors import InvalidInput
from extensions import db
from models import Integration, Order, OrderLine, Shipment
from services.common.batches import batches
from services.order_basics.identity import placed_of
from services.order_basics.labels import Named, labels
from services.shipping import called_off, outlook, shipments
from services.shipping.carriers import key_of, read_links
from services.shops import kinds

MOST = 100
"""Orders on one sheet."""
RECENT = 200
"""Shipments among which the carriers to choose from are looked for."""


@dataclass(frozen=True, slots=True)
class Row:
    """An order of the sheet. ``number`` distinguishes it from the others there, ``content`` names its lines, ``note`` what of it is not in
    stock, and ``wrong`` what is wrong with what was typed, by field. ``short`` says that some of it is not in stock."""

    order_id: int
    number: str
    shop: str
    customer: str
    content: str
    note: str
    carrier: str
    tracking: str
    wrong: Mapping[str, str]
    short: bool

    @property
    def stamp(self) -> str:
        """Stands for what of the order is not in stock, on one line: a browser sends other line ends than it got."""
        return f"{self.order_id} {' '.join(self.note.split())}"


@dataclass(frozen=True, slots=True)
class ShopNote:
    """What one shop will be sent. ``kind`` is the name of the shop software, ``obstacle`` what has to happen first, empty for nothing,
    and ``tracking`` a sentence where the shop may not take tracking numbers. ``added`` are shipped orders that get one more parcel."""

    name: str
    kind: str
    orders: int
    status: str
    obstacle: str
    tracking: str
    added: int = 0


@dataclass(frozen=True, slots=True)
class Sheet:
    """``refused`` are (order id, sentence) of orders that cannot be shipped now."""

    rows: list[Row]
    refused: list[tuple[int, str]]
    notes: list[ShopNote]
    carriers: list[str]


def sheet_of(
    order_ids: Iterable[int], actor: str, typed: Mapping[int, tuple[str, str]] | None = None, *, with_customers: bool
) -> Sheet:
    """The sheet of some orders, in the order given. ``typed`` are carrier and tracking number by order, where a person has entered them;
    without it the carrier is the one used last."""
    wanted = list(dict.fromkeys(order_ids))[:MOST]
    query = select(Order, Integration).join(
        Integration, (Integration.shop_id == Order.shop_id) & Integration.removed_at.is_(None)
    )
    found = {
        order.id: (order, integration)
        for order, integration in db.session.execute(
            query.where(Order.id.in_(wanted)).options(selectinload(Order.lines).selectinload(OrderLine.allocations))
        )
    }
    called = labels(
        Named(order.id, order.number or order.external_id, integration.name, order.external_id, placed_of(order))
        for order, integration in found.values()
    )
    rows, refused = [], []
    used, blocked = used_carriers(actor), called_off.blocked_among(found)
    last = next(iter(used), "")
    for order_id in (each for each in wanted if each in found):
        order, integration = found[order_id]
        if reason := shipments.refusal(order, blocked.get(order_id)):
            refused.append((order_id, reason))
            continue
        carrier, tracking = (last, "") if typed is None else typed.get(order_id, ("", ""))
        shown = (order.customer or order.email) if with_customers else ""
        rows.append(
            Row(order_id, called[order_id], integration.name, shown, _content(order), order.note, carrier, tracking,
                wrong_of(carrier, tracking) if typed is not None else {}, any(line.left > line.in_hand for line in order.lines))
        )  # fmt: skip
    return Sheet(rows, refused, notes_of([row.order_id for row in rows]), carriers(used, read_links().names))


def _content(order: Order) -> str:
    rest = "The rest: " if any(line.shipped for line in order.lines) else ""
    return rest + ", ".join(f"{line.left} × {line.sku or line.name}" for line in order.lines if line.left > 0)


def wrong_of(carrier: str, tracking: str) -> dict[str, str]:
    """What is wrong with a carrier and a tracking number, by field."""
    wrong = {}
    for name, value, clean in (("carrier", carrier, shipments.clean_carrier), ("tracking", tracking, shipments.clean_tracking)):
        try:
            clean(value)
        except InvalidInput as trouble:
            wrong[name] = trouble.sentence()
    return wrong


def notes_of(order_ids: Collection[int], added: Collection[int] = ()) -> list[ShopNote]:
    """What the shops of these orders will be sent, and of shipped orders that get one more parcel, which are ``added``."""
    counts, more = _by_shop(order_ids), _by_shop(added)
    present = (
        select(Integration)
        .where(Integration.shop_id.in_(counts.keys() | more.keys()), Integration.removed_at.is_(None))
        .order_by(Integration.name_key)
    )
    return [_note(each, counts[each.shop_id], more[each.shop_id]) for each in db.session.scalars(present)]


def _by_shop(order_ids: Collection[int]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for batch in batches(sorted(order_ids)):
        query = select(Order.shop_id, func.count()).where(Order.id.in_(batch)).group_by(Order.shop_id)
        counts.update(dict(db.session.execute(query).all()))
    return counts


def _note(integration: Integration, count: int, added: int) -> ShopNote:
    status = integration.processed_status
    return ShopNote(
        integration.name, kinds.get_kind(integration.kind).label, count, kinds.status_names(integration).get(("shipping", status), status),
        outlook.obstacle(integration, "shipped"), outlook.of_tracking(integration), added,
    )  # fmt: skip


def fill_column(rows: Sequence[Row], text: str) -> tuple[dict[int, tuple[str, str]], list[str]]:
    """What is typed after numbers were given as a column, one a line: they go to the rows without a number, from the first on. The second
    are the numbers that are left over."""
    numbers = iter([line.strip() for line in text.splitlines() if line.strip()])
    filled = {row.order_id: (row.carrier, row.tracking or next(numbers, "")) for row in rows}
    return filled, list(numbers)


def carriers(used: Sequence[str], names: Iterable[str]) -> list[str]:
    """The carriers to choose from: those used last, as ``used_carriers`` says, then the others of the table, whose ``names`` are given."""
    known = {key_of(carrier) for carrier in used}
    return [*used, *(name for name in names if key_of(name) not in known)]


def used_carriers(actor: str) -> list[str]:
    """The carriers used last, a person's own first."""
    newest = select(Shipment.id).order_by(Shipment.id.desc()).limit(RECENT).scalar_subquery()
    query = select(Shipment.carrier, Shipment.actor).where(Shipment.id.in_(newest), Shipment.carrier != "")
    rows = db.session.execute(query.order_by(Shipment.id.desc())).all()
    own = [carrier for carrier, by in rows if by == actor]
    return list(dict.fromkeys([*own, *(carrier for carrier, _ in rows)]))[:20]
