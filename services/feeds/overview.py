"""What the pages, commands and Today show of suppliers and feeds: each feed with its state, what is waiting, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from errors import NotFound
from extensions import db
from models import Feed, FeedRun, Offer, StockItem, Supplier
from models.feed import LIVE_STATES
from services.common import zones
from services.common.paging import Page, page_of

RUNS_SHOWN = 25
PROBLEMS = ("approval", "failing", "stale")
"""The states in which a feed needs a person, worst first."""
UNKNOWN = (Offer.stock_item_id.is_(None), Offer.ignored.is_(False))
"""Codes that nobody has linked or ignored yet."""


@dataclass(frozen=True, slots=True)
class FeedRow:
    """``state`` is approval (a run waits for a person), failing, stale, fetching, disabled, new (nothing was brought yet) or working.
    ``message`` says what is wrong. ``run_id`` is the live run; ``unknown`` are codes without a stock item,
    ``zone_complaint`` says what to do where the time zone of its times is unknown."""

    id: int
    supplier_id: int
    supplier: str
    name: str
    enabled: bool
    state: str
    message: str
    advice: str
    read_at: datetime | None
    succeeded_at: datetime | None
    due_at: datetime | None
    run_id: int | None
    unknown: int
    rows: int | None
    zone_complaint: str

    @property
    def live(self) -> bool:
        """Whether it is about to change without a person."""
        return self.state == "fetching"

    @property
    def problem(self) -> bool:
        return self.state in PROBLEMS


@dataclass(frozen=True, slots=True)
class SupplierRow:
    id: int
    name: str
    lead_days: int | None
    feeds: tuple[FeedRow, ...] = field(default=())


def has_feeds() -> bool:
    return db.session.scalar(select(Feed.id).limit(1)) is not None


def list_suppliers(state: str = "") -> list[SupplierRow]:
    """All of them, those with a problem first, then by name; with a ``state`` only feeds in it, and their suppliers."""
    suppliers = db.session.execute(
        select(Supplier.id, Supplier.name, Supplier.lead_days).where(Supplier.removed_at.is_(None)).order_by(Supplier.name_key)
    ).all()
    feeds = [each for each in _feeds() if not state or each.state == state]
    rows = [
        SupplierRow(each.id, each.name, each.lead_days, tuple(f for f in feeds if f.supplier_id == each.id)) for each in suppliers
    ]
    rows = [row for row in rows if row.feeds or not state]
    return sorted(rows, key=lambda row: min((_rank(each) for each in row.feeds), default=len(PROBLEMS)))


def get_supplier(supplier_id: int) -> SupplierRow:
    """Raises NotFound."""
    found = db.session.execute(
        select(Supplier.id, Supplier.name, Supplier.lead_days).where(Supplier.id == supplier_id, Supplier.removed_at.is_(None))
    ).first()
    if found is None:
        raise NotFound("There is no such supplier.", "It may have been removed.")
    return SupplierRow(found.id, found.name, found.lead_days, tuple(_feeds(Feed.supplier_id == supplier_id)))


def get_row(feed_id: int) -> FeedRow:
    """Raises NotFound."""
    rows = _feeds(Feed.id == feed_id)
    if not rows:
        raise NotFound("There is no such feed.", "It may have been removed.")
    return rows[0]


def feed_names() -> dict[int, str]:
    """What people call each feed, by its id: the supplier and the feed."""
    query = (
        select(Feed.id, Supplier.name, Feed.name).join(Supplier).where(Feed.removed_at.is_(None), Supplier.removed_at.is_(None))
    )
    return {row[0]: f"{row[1]}, {row[2]}" for row in db.session.execute(query.order_by(Supplier.name_key, Feed.name, Feed.id))}


def _rank(row: FeedRow) -> int:
    return PROBLEMS.index(row.state) if row.problem else len(PROBLEMS)


def _feeds(*where: ColumnElement[bool]) -> list[FeedRow]:
    """Those that are not removed, with a problem first, then by name; three statements for any number of them."""
    query = select(Feed, Supplier.name).join(Supplier).where(Feed.removed_at.is_(None), Supplier.removed_at.is_(None), *where)
    found = db.session.execute(query.order_by(Supplier.name_key, Feed.name, Feed.id)).all()
    ids = [feed.id for feed, _ in found]
    live = _live_runs(ids)
    unknown = _count_unknown(ids)
    return sorted((_row(feed, supplier, live.get(feed.id), unknown.get(feed.id, 0)) for feed, supplier in found), key=_rank)


def _live_runs(feed_ids: Sequence[int]) -> dict[int, Any]:
    query = select(FeedRun.feed_id, FeedRun.id, FeedRun.state, FeedRun.problems)
    found = db.session.execute(query.where(FeedRun.feed_id.in_(feed_ids), FeedRun.state.in_(LIVE_STATES)))
    return {run.feed_id: run for run in found}


def _count_unknown(feed_ids: Sequence[int]) -> dict[int, int]:
    query = select(Offer.feed_id, func.count()).where(Offer.feed_id.in_(feed_ids), *UNKNOWN).group_by(Offer.feed_id)
    return {row[0]: row[1] for row in db.session.execute(query)}


def _row(feed: Feed, supplier: str, run: Any, unknown: int) -> FeedRow:
    state, message, advice = _state(feed, run)
    planned = [moment for moment in (feed.due_at, feed.retry_at) if moment is not None]
    return FeedRow(
        feed.id, feed.supplier_id, supplier, feed.name, feed.enabled, state, message, advice, feed.read_at, feed.succeeded_at,
        max(planned) if planned and feed.enabled else None, run.id if run is not None else None, unknown, feed.rows,
        zones.complaint_of(feed.zone),
    )  # fmt: skip


def _state(feed: Feed, run: Any) -> tuple[str, str, str]:
    """The state with what is wrong and what to do."""
    if run is not None and run.state == "waiting":
        return "approval", " ".join(problem["sentence"] for problem in run.problems), ""
    if run is not None:
        return "fetching", "", ""
    if not feed.enabled:
        return "disabled", "", ""
    if feed.failing_since is not None:
        return "failing", feed.error, feed.advice
    if feed.stale_since is not None:
        return "stale", "It has brought nothing new for longer than it should.", ""
    return ("new", "", "") if feed.read_at is None else ("working", "", "")


# Runs


def list_runs(feed_id: int, place: str = "") -> Page[FeedRun]:
    """The runs of a feed, newest first."""
    query = select(FeedRun).where(FeedRun.feed_id == feed_id)
    return page_of(query, (FeedRun.id.desc(),), place, RUNS_SHOWN, lambda found: [row[0] for row in found])


def count_states() -> Counter[str]:
    """How many feeds there are in each state, and under ``unknown`` how many codes nobody has linked or ignored."""
    feeds = _feeds()
    return Counter(each.state for each in feeds) + Counter({"unknown": sum(each.unknown for each in feeds)})


def count_fed(feed_ids: Sequence[int]) -> int:
    """How many fed stock items take their quantity from one of these feeds, alone or with others."""
    items = select(Offer.stock_item_id).where(Offer.feed_id.in_(feed_ids), Offer.stock_item_id.is_not(None))
    return db.session.scalar(select(func.count()).where(StockItem.id.in_(items), StockItem.fed)) or 0
