"""The stock update that waits for a person's approval, read: a page or a batch at a time, because a first one holds every listing of a shop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, case, func, select

from extensions import db
from models import FlowKind, Integration, Listing, RunItem
from services.common.batches import in_batches
from services.common.paging import Page, numbered
from services.shops import health


@dataclass(frozen=True, slots=True)
class PreviewRow:
    sku: str
    name: str
    external_id: str
    now: int
    would_be: int
    why: str


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
    return Page([rows[row_id] for row_id in ids], found.changes, number, pages, goes_on=number < pages)


def batches_of_rows(found: Preview) -> Iterator[list[PreviewRow]]:
    """All changes, by SKU."""
    return in_batches(_ids(found), _load)


def _ids(found: Preview) -> Select[*tuple[Any, ...]]:
    wanted = (RunItem.run_id == found.run_id, RunItem.result == "preview")
    return select(RunItem.id).where(*wanted).order_by(RunItem.sku, RunItem.id)


def _load(ids: Sequence[int]) -> dict[int, PreviewRow]:
    query = select(
        RunItem.id, RunItem.sku, Listing.name, RunItem.external_id, RunItem.now, RunItem.wanted, RunItem.reason
    ).outerjoin(Listing, Listing.id == RunItem.listing_id)
    return {
        row_id: PreviewRow(sku, name or "", external_id, now or 0, wanted or 0, reason)
        for row_id, sku, name, external_id, now, wanted, reason in db.session.execute(query.where(RunItem.id.in_(ids)))
    }
