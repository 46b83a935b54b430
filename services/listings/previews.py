"""The stock update that waits for a person's approval, read: a page or a batch at a time, because a first one holds every listing of a shop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import aliased

from extensions import db
from models import FlowKind, Integration, Link, Listing, RunItem
from services.common.batches import in_batches
from services.common.paging import Page, numbered
from services.shops import health


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """``sold_in`` names the other shops that sell the same stock: only a page has it."""

    listing_id: int | None
    sku: str
    name: str
    external_id: str
    now: int
    would_be: int
    why: str
    sold_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """``run_id`` is the run that found the changes, None where nothing waits; ``zeroed`` of them set a quantity to 0."""

    run_id: int | None
    changes: int = 0
    zeroed: int = 0


def preview(integration_id: int) -> Preview:
    """What waits in an integration. Raises NoResultFound for one that is gone."""
    run_id = waiting_run(integration_id)
    if run_id is None:
        return Preview(None)
    counted = select(func.count(), func.coalesce(func.sum(case((func.coalesce(RunItem.wanted, 0) == 0, 1), else_=0)), 0))
    changes, zeroed = db.session.execute(counted.where(RunItem.run_id == run_id, RunItem.result == "preview")).one()
    return Preview(run_id, changes, int(zeroed))


def waiting_run(integration_id: int) -> int | None:
    return db.session.get_one(Integration, integration_id).waiting_run_id


def held_back(integration: Integration) -> str:
    """Why approved quantities are not sent at once; empty where nothing is in the way."""
    name, stop = integration.name, health.stopped_by(integration, FlowKind.STOCK)
    no_key = f"{name} needs a working API key: approved quantities are sent once it has one."
    return {
        "disabled": f"{name} is disabled: approved quantities are sent once it is enabled.",
        "off": f"Stock updates of {name} are switched off: approved quantities are sent once they are switched on.",
        "key": no_key,
        "read_only": no_key,
        "paused": f"{name} is paused: approved quantities are sent once its shop answers again.",
        "": "",
    }[stop]


def why_asked(integration: Integration) -> str:
    """Why the update waits for a person."""
    if integration.push_gate == "first":
        return "The first update after a shop was connected, or after an undo, waits for your approval."
    return f"It would change more than {integration.safety_limit_percent}% of the shop’s listings, so it waits for your approval."


def page_of_rows(found: Preview, number: int, size: int) -> Page[PreviewRow]:
    """A page of the changes, by SKU."""
    number, pages = numbered(found.changes, number, size)
    ids = list(db.session.scalars(_ids(found).offset((number - 1) * size).limit(size))) if found.changes else []
    rows = _load(ids)
    elsewhere = _sold_elsewhere([row.listing_id for row in rows.values() if row.listing_id is not None])
    shown = [replace(rows[row_id], sold_in=tuple(elsewhere.get(rows[row_id].listing_id, ()))) for row_id in ids]
    return Page(shown, found.changes, number, pages, goes_on=number < pages)


def batches_of_rows(found: Preview) -> Iterator[list[PreviewRow]]:
    """All changes, by SKU."""
    return in_batches(_ids(found), _load)


def _ids(found: Preview) -> Select[*tuple[Any, ...]]:
    wanted = (RunItem.run_id == found.run_id, RunItem.result == "preview")
    return select(RunItem.id).where(*wanted).order_by(RunItem.sku, RunItem.id)


def _sold_elsewhere(listing_ids: Sequence[int]) -> dict[int | None, list[str]]:
    """By listing, the other shops with a listing that takes from the same stock item."""
    mine, theirs, listing, other = aliased(Link), aliased(Link), aliased(Listing), aliased(Listing)
    query = (
        select(listing.id, Integration.name)
        .join(mine, mine.listing_id == listing.id)
        .join(theirs, theirs.stock_item_id == mine.stock_item_id)
        .join(other, (other.id == theirs.listing_id) & (other.shop_id != listing.shop_id) & other.gone_at.is_(None))
        .join(Integration, (Integration.shop_id == other.shop_id) & Integration.removed_at.is_(None))
        .where(listing.id.in_(listing_ids))
        .distinct()
        .order_by(listing.id, Integration.name)
    )
    found: dict[int | None, list[str]] = defaultdict(list)
    for listing_id, name in db.session.execute(query):
        found[listing_id].append(name)
    return found


def _load(ids: Sequence[int]) -> dict[int, PreviewRow]:
    query = select(
        RunItem.id,
        RunItem.listing_id,
        RunItem.sku,
        Listing.name,
        RunItem.external_id,
        RunItem.now,
        RunItem.wanted,
        RunItem.reason,
    ).outerjoin(Listing, Listing.id == RunItem.listing_id)
    return {
        row_id: PreviewRow(listing_id, sku, name or "", external_id, now or 0, wanted or 0, reason)
        for row_id, listing_id, sku, name, external_id, now, wanted, reason in db.session.execute(
            query.where(RunItem.id.in_(ids))
        )
    }
