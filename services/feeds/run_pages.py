"""A run of a feed as pages, commands and files show it: its rows by what happens to them, with counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select

from errors import NotFound
from extensions import db
from models import Feed, FeedRun, FeedRunRow, StockItem
from services.common.batches import in_batches
from services.common.paging import Page, by_id, page_of

PAGE_SIZE = 50
_row = FeedRunRow
UNREADABLE = _row.kind == "unreadable"
ZEROED = and_(_row.quantity == 0, _row.before > 0)
UNKNOWN = _row.stock_item_id.is_(None)
GROUPS = {
    "unreadable": "Cannot be read", "zero": "Go to 0", "missing": "No longer in the file", "changed": "Another quantity", "new": "New",
    "unknown": "Unknown codes",
}  # fmt: skip
"""What happens to rows, worst first."""
ONE = GROUPS | {"zero": "Goes to 0", "unknown": "Unknown code"}
"""The same of a single row."""
GROUP: ColumnElement[str] = case(
    (UNREADABLE, "unreadable"), (UNKNOWN, "unknown"), (ZEROED, "zero"), (_row.kind == "missing", "missing"), (_row.kind == "new", "new"),
    else_="changed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """``kind`` is a key of ``GROUPS``."""

    kind: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class RunRow:
    """A row of the file. ``label`` says what happens to it, ``problem`` why it cannot be read. ``sku`` is that of the stock item, if one is
    known, ``fed`` whether the offer counts for it, and ``on_hand`` what the item has now."""

    id: int
    kind: str
    label: str
    line: int
    code: str
    stock_item_id: int | None
    sku: str
    fed: bool
    before: int | None
    quantity: int | None
    problem: str
    on_hand: int | None = None


def get_run(run_id: int) -> FeedRun:
    """Raises NotFound."""
    run = db.session.get(FeedRun, run_id, populate_existing=True)
    if run is None:
        raise NotFound("There is no such run of a feed.")
    return run


def group_rows(run_id: int) -> list[Group]:
    """How many rows there are of each kind, worst first, without those of which there are none."""
    query = select(GROUP, func.count()).where(_row.run_id == run_id).group_by(GROUP)
    counts: dict[str, int] = {row[0]: row[1] for row in db.session.execute(query)}
    return [Group(kind, label, counts[kind]) for kind, label in GROUPS.items() if counts.get(kind)]


def group_problems(run_id: int, most: int = 20) -> list[tuple[str, int]]:
    """Why rows cannot be read, each reason with how many rows it concerns, the most frequent first."""
    query = select(_row.problem, func.count()).where(_row.run_id == run_id, UNREADABLE).group_by(_row.problem)
    return [
        (problem, count) for problem, count in db.session.execute(query.order_by(func.count().desc(), _row.problem).limit(most))
    ]


def list_rows(run_id: int, kind: str = "", place: str = "") -> Page[RunRow]:
    """A page of the rows, in their order in the file; of one kind where it is a key of ``GROUPS``."""
    return page_of(_rows(run_id, kind), (_row.id,), place, PAGE_SIZE, by_id(_load))


def iter_rows(run_id: int, kind: str = "") -> Iterator[list[RunRow]]:
    """All of them in batches, for a file."""
    return in_batches(_rows(run_id, kind).order_by(_row.id), _load)


def count_own_items(run_id: int) -> int:
    """How many stock items of the rows have their own quantity, so that the offers do not count for them."""
    items = select(_row.stock_item_id).where(_row.run_id == run_id, _row.stock_item_id.is_not(None))
    return db.session.scalar(select(func.count()).where(StockItem.id.in_(items), StockItem.fed.is_(False))) or 0


def sets_quantities(run: FeedRun) -> bool:
    """Whether an approved run sets what is on hand of any item: where all keep their own quantities, it only stores the offers."""
    items = select(_row.stock_item_id).where(_row.run_id == run.id, _row.stock_item_id.is_not(None))
    if run.make_fed:
        return True
    return db.session.scalar(select(StockItem.id).where(StockItem.id.in_(items), StockItem.fed.is_(True)).limit(1)) is not None


def is_newest_applied(run: FeedRun) -> bool:
    """Whether a run changed offers, and no later one of its feed did: only then it can be undone."""
    later = select(FeedRun.id).where(FeedRun.feed_id == run.feed_id, FeedRun.id > run.id, FeedRun.state == "done")
    gone = select(Feed.id).where(Feed.id == run.feed_id, Feed.removed_at.is_not(None))
    return run.state == "done" and db.session.scalar(select(or_(later.exists(), gone.exists()))) is False


def _rows(run_id: int, kind: str) -> Select[*tuple[Any, ...]]:
    query = select(_row.id).where(_row.run_id == run_id)
    return query.where(GROUP.in_((kind,))) if kind in GROUPS else query


def _load(ids: Sequence[int]) -> dict[int, RunRow]:
    query = select(_row, GROUP, StockItem.sku, StockItem.fed, StockItem.on_hand).outerjoin(
        StockItem, StockItem.id == _row.stock_item_id
    )
    return {
        row.id: RunRow(
            row.id, kind, ONE[kind], row.line, row.code, row.stock_item_id, sku or "", bool(fed), row.before, row.quantity, row.problem, on_hand
        )
        for row, kind, sku, fed, on_hand in db.session.execute(query.where(_row.id.in_(ids)))
    }  # fmt: skip
