"""The state of a listing's stock update: labels for pages and commands, and the problems that become incidents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select

from extensions import db
from models import Flow, FlowKind, Integration, Link, Listing, Shop

STATES = {
    "waiting": "Waiting to be sent again", "other_value": "Stored another value", "missing": "Not listed just now",
    "refused": "Refused by the shop",
}  # fmt: skip
"""Listing.push_state -> what it is called."""
MOST_OTHER_VALUES = 3
"""How often in a row the shop may store another value before there is an incident."""

Trouble = tuple[int, str, datetime, dict[str, Any], bool]
"""Integration id, cause of the incident, since when, facts, and whether it has lasted long enough."""


def words(listing: Listing) -> str:
    """One sentence on a stock update that failed, with the reason and the next try; empty where none has."""
    if not listing.push_state:
        return listing.push_error
    again = ""
    if listing.push_state == "refused":
        again = " It is sent again when its quantity changes, or after the next reading of listings."
    elif listing.push_due_at is not None:
        again = f" Next try at {listing.push_due_at:%H:%M} UTC."
    return f"{STATES[listing.push_state]}: {listing.push_error}{again}"


def of_items(item_ids: Sequence[int]) -> dict[int, list[tuple[str, int, str]]]:
    """Stock item id -> (integration, listing id, state) of its listings that do not have the quantity they should offer."""
    query = (
        select(Link.stock_item_id, Integration.name, Listing.id, Listing.push_state)
        .join(Listing, Listing.id == Link.listing_id)
        .join(Integration, (Integration.shop_id == Listing.shop_id) & Integration.removed_at.is_(None))
        .where(Link.stock_item_id.in_(item_ids), Listing.troubled, Listing.gone_at.is_(None))
        .order_by(Integration.name_key, Listing.id)
    )
    found: dict[int, list[tuple[str, int, str]]] = {}
    for item_id, name, listing_id, state in db.session.execute(query):
        found.setdefault(item_id, []).append((name, listing_id, state))
    return found


def troubles(waiting_before: datetime, mine: tuple[Any, ...]) -> Iterator[Trouble]:
    """What is wrong with the stock of integrations that fit ``mine``, in two statements."""
    wait = or_(Listing.push_state == "waiting", and_(Listing.push_state == "missing", Listing.missed == 0))
    other = and_(Listing.push_state == "other_value", Listing.push_tries >= MOST_OTHER_VALUES)
    for cause, condition, before in (("stock_rows_wait", wait, waiting_before), ("stock_other_value", other, None)):
        query = (
            select(Integration.id, func.count(), func.min(Listing.push_failed_since))
            .join(Listing, Listing.shop_id == Integration.shop_id)
            .join(Flow, (Flow.integration_id == Integration.id) & (Flow.kind == FlowKind.STOCK))
            .where(
                Listing.troubled, condition, Listing.stale, Listing.gone_at.is_(None), Listing.do_not_push.is_(False),
                Flow.enabled, Integration.writes_refused.is_(False), *mine,
            )
            .group_by(Integration.id)
        )  # fmt: skip
        for integration_id, count, since in db.session.execute(query):
            if since is not None:
                yield integration_id, cause, since, {"count": count}, before is None or since <= before
    lost = select(Integration.id, Shop.loss_at, Shop.loss_count, Shop.loss_known).join(Shop, Shop.id == Integration.shop_id)
    for integration_id, since, count, known in db.session.execute(lost.where(Shop.loss_at.is_not(None), *mine)):
        if since is not None:
            yield integration_id, "listings_lost", since, {"count": count, "known": known}, True
