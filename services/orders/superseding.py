"""Order ids that a shop uses again, as after a restore from a backup: the stored order is kept and no longer synced, and the
other order is stored beside it. If the evidence is contradictory, the stored order is on hold until a person decides.

``compare``, ``supersede``, ``hold`` and ``settle`` are called inside one page's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from channels.base import NO_TIME, Outline
from channels.base import Order as ShopOrder
from errors import Conflict, NotFound
from extensions import db, writing
from models import FlowKind, Integration, Order, Shop, WriteBack
from models.types import utcnow
from services.order_basics import holds, identity
from services.order_basics.audited import REPLACED, about_order
from services.order_basics.columns import Storing
from services.order_basics.identity import REUSED, UNCLEAR
from services.order_basics.money import plain
from services.runs.lease import Lease
from services.security import audit
from services.security.audit import About, record_change
from services.shops import flows

SET_BACK_SEEN = audit.kind("integration.set_back_seen", "Marked as seen that the shop was set back")
CODE = "identity"
"""The cause that holds an order whose identity is not clear."""

MOST_ITEMS = 10
"""Lines of the other order that are kept for the person who decides."""
LOOK_BACK = timedelta(days=3)
"""How far the watermark goes back then."""

DOUBT = (
    "The shop now shows another order number or another customer under this order's id. It may have been edited, or the shop may "
    "have used the id for another order."
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """External ids of a page's orders: those whose id is another order's now, and those a person has to decide on."""

    reused: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()


def compare(shop_id: int, shown: Mapping[str, ShopOrder], key: bytes) -> Comparison:
    """Compare what the shop shows with the stored orders of the same ids."""
    if not shown:
        return Comparison()
    query = select(
        Order.external_id, Order.placed_at, Order.number, Order.email_digest, Order.email, Order.problems, Order.accepted_codes
    ).where(Order.shop_id == shop_id, Order.external_id.in_(shown), Order.superseded_at.is_(None))
    reused, unclear = [], []
    for row in db.session.execute(query):
        known = identity.of_row(row, key)
        found = identity.compare(known, identity.of_shop(shown[row.external_id], key))
        if found == REUSED:
            reused.append(row.external_id)
        elif found == UNCLEAR and CODE not in row.accepted_codes:
            unclear.append(row.external_id)
    return Comparison(tuple(reused), tuple(unclear))


def supersede(storing: Storing, external_ids: Sequence[str]) -> None:
    """Close the stored orders with these ids: they are no longer synced with the shop. Their state, shipments and stock stay
    as they are; a person ships or cancels what is still open."""
    if not external_ids:
        return
    now = utcnow()
    ids = db.session.scalars(
        select(Order.id).where(
            Order.shop_id == storing.shop_id, Order.external_id.in_(external_ids), Order.superseded_at.is_(None)
        )
    ).all()
    _close(storing.shop_id, ids)
    _end_doubts(ids)
    shop = db.session.get_one(Shop, storing.shop_id)
    shop.set_back_at, shop.set_back_due = shop.set_back_at or now, True
    # The shop's quantities are those of its backup as well: they are read again at once.
    flows.make_due(flows.of_shops([storing.shop_id]), FlowKind.ORDERS, FlowKind.LISTINGS)


def _close(shop_id: int, ids: Sequence[int]) -> None:
    now = utcnow()
    db.session.execute(
        update(Order)
        .where(Order.id.in_(ids))
        .values(superseded_at=now, updated_at=now, reread_due=False, rows_due=False)
        .execution_options(synchronize_session="fetch")
    )
    db.session.execute(
        update(WriteBack)
        .where(WriteBack.order_id.in_(ids), WriteBack.state.in_(("waiting", "failed")))
        .values(state="replaced", finished_at=now, note=identity.USED_AGAIN)
        .execution_options(synchronize_session=False)
    )


def _end_doubts(ids: Sequence[int]) -> None:
    """What was in doubt about closed orders is decided now, so it holds them no longer."""
    doubted = [
        row for row in db.session.scalars(select(Order).where(Order.id.in_(ids))) if any(code == CODE for code, _ in row.doubts)
    ]
    for row in doubted:
        row.doubts = [doubt for doubt in row.doubts if doubt[0] != CODE]
    if doubted:
        db.session.flush()
        holds.evaluate_stored([row.id for row in doubted])


def hold(storing: Storing, orders: Sequence[ShopOrder]) -> None:
    """Hold the stored orders with these ids; what the shop shows is not applied until a person has decided."""
    shown = {order.external_id: order for order in orders}
    for row in _stored(storing, list(shown)):
        _doubt(storing, row, _shown(row, shown[row.external_id], storing.identity_key))


def hold_outlined(storing: Storing, external_id: str, outline: Outline) -> None:
    """The same for an order that the shop cannot print."""
    for row in _stored(storing, [external_id]):
        _doubt(storing, row, {"number": outline.number, "placed_at": _stamp(outline.placed_at)})


def _stored(storing: Storing, named: Sequence[str]) -> Sequence[Order]:
    if not named:
        return []
    return db.session.scalars(
        select(Order)
        .where(Order.shop_id == storing.shop_id, Order.external_id.in_(named), Order.superseded_at.is_(None))
        .with_for_update()
    ).all()


def _doubt(storing: Storing, row: Order, shown: dict[str, Any]) -> None:
    row.seen_at = utcnow()
    row.shown_instead = shown
    if not any(code == CODE for code, _ in row.doubts):
        row.doubts = [*row.doubts, [CODE, DOUBT]]
        holds.apply(row, holds.evaluate(row, row.lines, storing.holds))


def _shown(row: Order, order: ShopOrder, key: bytes) -> dict[str, Any]:
    """What the shop has now under the id of a stored order, without personal data: of the customer only whether it is the same."""
    found = identity.of_shop(order, key)
    return {
        "number": order.number, "placed_at": None if NO_TIME in order.problems else _stamp(order.placed_at),
        "total": plain(order.total, order.decimals), "currency": order.currency,
        "items": [[line.sku, line.quantity] for line in order.lines[:MOST_ITEMS]], "more_items": max(0, len(order.lines) - MOST_ITEMS),
        "same_email": _same(identity.of_row(row, key).email, found.email), "same_customer": _same(row.customer, order.customer),
    }  # fmt: skip


def shown_of(order: Order) -> dict[str, Any]:
    """What the shop has now under the id of an order that is in doubt; empty where that is not known."""
    return (order.shown_instead or {}) if any(code == CODE for code, _ in order.doubts) else {}


def _same(one: object, other: object) -> bool | None:
    return None if not one or not other else one == other


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def read_all_again(lease: Lease) -> None:
    """After ids were used again, the next download reads all orders since the start: those that the shop has placed since its
    backup may have lower ids and earlier dates than what was read before."""
    with lease.page() as session:
        shop = session.get_one(Shop, lease.shop_id, with_for_update=True)
        if not shop.set_back_due:
            return
        shop.set_back_due = False
        if shop.orders_read_to is not None:
            shop.orders_read_to = min(shop.orders_read_to, utcnow()) - LOOK_BACK
            shop.reading_since = shop.orders_from
            shop.reading_position, shop.reading_started_at, shop.changes_seen = 0, None, None


def settle(row: Order) -> None:
    """Remove the doubt: it is the same order, or a person decided so. A later contradiction puts it on hold again."""
    if row.doubts:
        row.doubts = [doubt for doubt in row.doubts if doubt[0] != CODE]
    if CODE in row.accepted_codes:
        row.accepted_codes = [code for code in row.accepted_codes if code != CODE]


def replace_order(order_id: int, actor: str) -> None:
    """Decide about a held order that the shop has used its id for another order. It is no longer synced, and the next order
    download stores the other one. Raises NotFound, or Conflict where nothing is in doubt."""
    with writing() as session:
        order = session.get(Order, order_id, with_for_update=True)
        if order is None:
            raise NotFound("There is no such order.")
        if order.superseded_at is not None or not any(code == CODE for code, _ in order.doubts):
            raise Conflict(f"Order {order.number} is not in doubt.", "Load the page again.")
        order.doubts = [doubt for doubt in order.doubts if doubt[0] != CODE]
        record_change(REPLACED, about_order(order), actor=actor)
        _close(order.shop_id, [order.id])
        shop = session.get_one(Shop, order.shop_id)
        shop.set_back_at, shop.set_back_due = shop.set_back_at or utcnow(), True
        flows.make_due(flows.of_shops([order.shop_id]), FlowKind.ORDERS)
        session.flush()
        holds.evaluate_stored([order.id])


def mark_set_back_seen(integration_id: int, actor: str) -> bool:
    """Note that a person has seen that the shop was set back to an earlier state. Returns whether there was one. Raises NotFound."""
    with writing() as session:
        integration = session.get(Integration, integration_id)
        if integration is None or integration.removed_at is not None:
            raise NotFound("That integration has been removed.")
        shop = session.get_one(Shop, integration.shop_id, with_for_update=True)
        if shop.set_back_at is None:
            return False
        record_change(SET_BACK_SEEN, About(integration.id, "", integration.id), {"set_back": (shop.set_back_at, None)}, actor)
        shop.set_back_at = None
        return True
