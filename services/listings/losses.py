"""When listings that a reading did not contain count as deleted in the shop.

A list of products that ends early, is empty for once or leaves out a part looks like deleted products. So a listing is gone only
where two whole readings in a row lack it. Where a reading lacks a large share of the catalogue, people are notified, and a second
reading within half an hour, or a person, has to confirm it. Until then nothing is unlinked, and quantities are sent as before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select, update
from sqlalchemy.orm import aliased

from errors import Conflict
from extensions import db, writing
from models import FlowKind, Integration, Listing, Shop
from models.types import utcnow
from services.common.batches import stamp
from services.common.deadlocks import retry_on_deadlock
from services.common.results import changed_rows
from services.listings.audited import LOSS_APPROVED
from services.runs.lease import Lease
from services.security.audit import About, record_change
from services.shops import flows

CONFIRM_AFTER = timedelta(minutes=10)
CONFIRM_WITHIN = timedelta(minutes=30)
LEAST = 2
"""Fewer missing listings than this are no large share, unless they are all there are."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A large loss that waits: ``count`` of ``known`` listings were not in the reading that ended at ``at``; the next one is due at
    ``next_at``."""

    count: int
    known: int
    at: datetime
    next_at: datetime | None

    def sentence(self) -> str:
        return (
            f"The shop listed {self.known - self.count} of {self.known} known products and variants. The other {self.count} count as "
            "gone once a second reading lacks them too, or when somebody approves it."
        )


def close_reading(shop: Shop, lease: Lease, with_variants: bool) -> bool:
    """End a reading: count what it lacks, and decide what is deleted. True where a large loss waits to be
    confirmed. Call it inside the page."""
    _drop_renumbered(shop, lease)
    if not with_variants:
        lease.count("gone", _gone(_present(shop.id), Listing.kind == "variant"))
    seen = Listing.seen_pass == shop.listings_pass
    for fits, missed in ((seen & (Listing.missed > 0), 0), (~seen, Listing.missed + 1)):
        db.session.execute(
            update(Listing).where(*_present(shop.id), fits).values(missed=missed).execution_options(synchronize_session=False)
        )
    integration = db.session.get_one(Integration, lease.integration_id)
    known = _count(shop.id)
    lost, again = _count(shop.id, Listing.missed > 0), _count(shop.id, Listing.missed > 1)
    if _is_large(integration, lost, known) and not (_confirms(shop) and not _is_large(integration, lost - again, known)):
        _wait(shop, integration, lease, lost, known)
        return True
    shop.loss_at, shop.loss_count, shop.loss_known = None, 0, 0
    lease.count("gone", _gone(_present(shop.id), Listing.missed > 1))
    lease.count("not_listed", lost - again)
    _look_again(integration, shop.id)
    return False


def pending(integration_id: int) -> Loss | None:
    """The large loss of an integration's shop that waits to be confirmed; None where there is none."""
    integration = db.session.get_one(Integration, integration_id)
    shop = integration.shop
    if shop.loss_at is None:
        return None
    return Loss(shop.loss_count, shop.loss_known, shop.loss_at, integration.flows[FlowKind.LISTINGS].due_at)


def count_missing(shop_id: int) -> int:
    """How many listings of a shop the last reading lacks."""
    return _count(shop_id, Listing.missed > 0)


def missing_rows(integration_id: int, limit: int | None = None) -> list[dict[str, Any]]:
    """The listings that the last reading lacks, by SKU, as plain values."""
    integration = db.session.get_one(Integration, integration_id)
    query = select(Listing).where(*_present(integration.shop_id), Listing.missed > 0).order_by(Listing.sku, Listing.id)
    return [
        {"id": row.id, "sku": row.sku, "external_id": row.external_id, "name": row.name, "seen_at": stamp(row.seen_at)}
        for row in db.session.scalars(query.limit(limit))
    ]


@retry_on_deadlock
def approve(integration_id: int, actor: str, seen: datetime | None = None) -> int:
    """Confirm that the listings that the last reading lacks are deleted; returns their number. ``seen`` is when the loss was found that the
    person has looked at. Raises Conflict where no loss waits, or another than that."""
    with writing() as session:
        integration = session.get_one(Integration, integration_id, with_for_update=True)
        shop = session.get_one(Shop, integration.shop_id, with_for_update=True)
        if shop.loss_at is None:
            raise Conflict(f"No missing listings of {integration.name} wait for approval.")
        if seen is not None and seen != shop.loss_at:
            raise Conflict("Another reading has been done since.", "Look at what it lacks, then decide.")
        shop.loss_at, shop.loss_count, shop.loss_known = None, 0, 0
        count = _gone(_present(shop.id), Listing.missed > 0)
        settle_products(shop.id)
        record_change(LOSS_APPROVED, About(integration.id, "", integration.id), {"listings": (None, count)}, actor)
        return count


def settle_products(shop_id: int) -> None:
    """What follows from listings that have come or gone: products whose variants all have stock of their own are replaced (while one
    variant sells from its product's amount, that amount has to be right), and what kept a listing from being linked may be over
    (a twin that is gone, a stock item that is there now)."""
    other = aliased(Listing)
    of_parent = and_(
        other.shop_id == shop_id, other.product_id == Listing.product_id, other.kind == "variant", ~other.own_stock,
        other.gone_at.is_(None),
    )  # fmt: skip
    parents = select(Listing.product_id).where(
        *_present(shop_id), Listing.kind == "variant", Listing.own_stock, ~exists().where(of_parent)
    )
    for replaced, condition in ((True, Listing.product_id.in_(parents)), (False, Listing.product_id.not_in(parents))):
        db.session.execute(
            update(Listing)
            .where(Listing.shop_id == shop_id, Listing.kind == "product", Listing.replaced.is_(not replaced), condition)
            .values(replaced=replaced)
            .execution_options(synchronize_session=False)
        )
    db.session.execute(
        update(Listing)
        .where(*_present(shop_id), Listing.sku_key != "", ~Listing.links.any())
        .values(stale=True)
        .execution_options(synchronize_session=False)
    )


def _present(shop_id: int) -> tuple[ColumnElement[bool], ...]:
    return Listing.shop_id == shop_id, Listing.gone_at.is_(None)


def _count(shop_id: int, *conditions: ColumnElement[bool]) -> int:
    return db.session.scalar(select(func.count()).select_from(Listing).where(*_present(shop_id), *conditions)) or 0


def _gone(present: tuple[ColumnElement[bool], ...], condition: ColumnElement[bool]) -> int:
    found = db.session.execute(
        update(Listing).where(*present, condition).values(gone_at=utcnow()).execution_options(synchronize_session=False)
    )
    return changed_rows(found)


def _drop_renumbered(shop: Shop, lease: Lease) -> None:
    """What the shop lists under another id now, the same SKU of the same product, is not missing: an X-Cart that was upgraded to 5.5
    names its variants in another way."""
    other = aliased(Listing)
    listed = exists().where(
        other.shop_id == shop.id, other.seen_pass == shop.listings_pass, other.kind == Listing.kind, other.sku_key == Listing.sku_key,
        other.product_id == Listing.product_id, other.id != Listing.id,
    )  # fmt: skip
    condition = (Listing.seen_pass != shop.listings_pass) & (Listing.kind == "variant") & (Listing.sku_key != "") & listed
    lease.count("gone", _gone(_present(shop.id), condition))


def _is_large(integration: Integration, lost: int, known: int) -> bool:
    if lost and lost == known:
        return True
    return lost >= LEAST and lost * 100 > integration.safety_limit_percent * known


def _confirms(shop: Shop) -> bool:
    """Whether the reading that ends now began soon enough after the one that first lacked much."""
    return shop.loss_at is not None and (shop.listings_started_at or utcnow()) <= shop.loss_at + CONFIRM_WITHIN


def _wait(shop: Shop, integration: Integration, lease: Lease, lost: int, known: int) -> None:
    shop.loss_at, shop.loss_count, shop.loss_known = utcnow(), lost, known
    next_at = utcnow() + CONFIRM_AFTER
    flows.make_due(flows.of_integration(integration.id), FlowKind.LISTINGS, at=next_at)
    lease.count("not_listed", lost)
    lease.warn(Loss(lost, known, shop.loss_at, next_at).sentence())


def _look_again(integration: Integration, shop_id: int) -> None:
    """A quantity is waited for that the shop did not give, and this reading lacks the product too: read once more soon."""
    if _count(shop_id, Listing.missed == 1, Listing.push_state == "missing"):
        flows.bring_forward(flows.of_integration(integration.id), FlowKind.LISTINGS, to=utcnow() + CONFIRM_AFTER)
