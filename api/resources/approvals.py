"""What a person decides about a whole shop: listings and orders that it seems to have deleted, and that it was set back to an earlier state."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from api.operations import Call, operation
from api.reply import Reply
from api.resources.integrations import Integration, one_integration
from api.shapes import Body
from errors import Conflict, NotFound
from extensions import db
from jobs.schedule import start_due_runs
from models import Shop
from services.listings import losses
from services.monitoring import decisions
from services.shops import finding


class MissingListings(Struct):
    """``missing`` of ``known`` listings were not in the reading that ended at ``found_at``. ``GET /listings?missing=true`` has them. A reading at
    ``next_at`` that lacks them, too, confirms it without an approval."""

    found_at: datetime
    missing: int
    known: int
    next_at: datetime | None


class MissingListingsApproval(Body):
    """``found_at`` is that of the loss you have looked at."""

    found_at: Annotated[datetime, Meta(tz=True)]


class MissingListingsApproved(Struct):
    """How many listings count as deleted in the shop."""

    listings: int


class DeletedOrders(Struct):
    """So many open orders are no longer in the shop, more than the safety limit allows."""

    orders: int


class DeletedOrdersApproval(Body):
    """``orders`` is the number you have read."""

    orders: Annotated[int, Meta(ge=1, le=1_000_000_000)]


@operation(
    "GET", "/integrations/<int:integration_id>/missing-listings", "Get the large loss of listings that needs approval; 404 if none does",
    scope="listings:read", answers={200: MissingListings},
)  # fmt: skip
def get_missing_listings(call: Call, integration_id: int) -> MissingListings:
    finding.get_integration(integration_id)
    found = losses.pending(integration_id)
    if found is None:
        raise NotFound("No missing listings need approval.")
    return MissingListings(found.at, found.count, found.known, found.next_at)


@operation(
    "POST", "/integrations/<int:integration_id>/missing-listings/approve", "Approve that the missing listings were deleted in the shop",
    scope="approvals:write", role="manager", body=MissingListingsApproval, answers={200: MissingListingsApproved},
)  # fmt: skip
def approve_missing_listings(call: Call, integration_id: int) -> Reply:
    finding.get_integration(integration_id)
    number = losses.approve(integration_id, call.actor, seen=call.body.found_at)
    return Reply(MissingListingsApproved(number), after=start_runs)


@operation(
    "GET", "/integrations/<int:integration_id>/deleted-orders", "Get the large loss of open orders that needs approval; 404 if none does",
    scope="orders:read", answers={200: DeletedOrders},
)  # fmt: skip
def get_deleted_orders(call: Call, integration_id: int) -> DeletedOrders:
    waiting = _waiting(integration_id)
    if not waiting:
        raise NotFound("No deleted orders need approval.")
    return DeletedOrders(waiting)


@operation(
    "POST", "/integrations/<int:integration_id>/deleted-orders/approve",
    "Approve that open orders were deleted in the shop: the next order run marks them", scope="approvals:write", role="manager",
    body=DeletedOrdersApproval, answers={200: DeletedOrders},
)  # fmt: skip
def approve_deleted_orders(call: Call, integration_id: int) -> Reply:
    if _waiting(integration_id) != call.body.orders:
        raise Conflict("Another number of deleted orders needs approval, or none.", "Read it again, then decide.")
    return Reply(DeletedOrders(decisions.approve_deletions(integration_id, call.actor)), after=start_runs)


@operation(
    "POST", "/integrations/<int:integration_id>/set-back/mark-seen",
    "Mark as seen that the shop was set back to an earlier state, for example from a backup", scope="approvals:write", role="manager",
    answers={200: Integration},
)  # fmt: skip
def mark_set_back_seen(call: Call, integration_id: int) -> Integration:
    if not decisions.mark_set_back_seen(integration_id, call.actor):
        raise Conflict("The shop was not set back, or somebody has marked it as seen.")
    return one_integration(integration_id)


def start_runs() -> None:
    start_due_runs()


def _waiting(integration_id: int) -> int:
    shop_id = finding.get_integration(integration_id).shop_id
    return db.session.get_one(Shop, shop_id, populate_existing=True, with_for_update=True).many_gone
