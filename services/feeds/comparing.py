"""A feed's file compared with its stored offers, row by row: what differs is staged as rows of the run, and what is the same costs nothing.

Suppliers mostly keep the order of their rows. So the stored offers are read beside the file in the order in which their codes came first, a
page at a time, and only rows that are not found there are looked up. Memory does not grow with the file, but for a byte an offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, true, update

from errors import InvalidInput
from extensions import reading, writing
from models import FeedRunRow, Offer, StockItem
from models.sku_key import LONGEST, sku_key, tidy
from models.types import among
from services.common import csv_files, damaged_cells
from services.feeds.reading import Opened
from services.stock.file_rows import MOST, MOST_ROWS

CHUNK = 4000
OFFERS = Offer.__table__.c
PAGE = (
    select(OFFERS.id, OFFERS.code, OFFERS.quantity, OFFERS.missed)
    .where(OFFERS.feed_id == bindparam("feed_id"), OFFERS.id > bindparam("after")).order_by(OFFERS.id).limit(CHUNK)
)  # fmt: skip
"""Plain rows of the table: there are as many as in the file."""
BY_KEY = select(Offer.id, Offer.code_key, Offer.quantity, Offer.missed).where(
    Offer.feed_id == bindparam("feed_id"), among(Offer.code_key, "keys")
)
UNREAD = object()
Known = tuple[int, str, int, int]
"""Id, code (or its key), quantity and ``missed`` of an offer."""


class TooManyRows(InvalidInput):
    code = "too_many_rows"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is compared: ``missing`` and ``missing_after`` as in models.Feed."""

    feed_id: int
    run_id: int
    delta: bool
    missing: str
    missing_after: int


@dataclass(slots=True)
class Counts:
    """As the columns of models.FeedRun. ``above`` are the stored offers above 0, counted if any goes to 0."""

    rows: int = 0
    changed: int = 0
    zeroed: int = 0
    unknown: int = 0
    unreadable: int = 0
    missing: int = 0
    above: int = 0


class _Window:
    """The stored offers near the place of the file that is read, by code."""

    def __init__(self, feed_id: int):
        self.feed_id = feed_id
        self.offers: dict[str, Known] = {}
        self.after, self.whole = 0, False

    def advance(self) -> None:
        """Read the next page of offers, and give up the oldest where too many are left, because the file has another order."""
        if self.whole:
            return
        page = _page(self.feed_id, self.after)
        self.whole = len(page) < CHUNK
        if page:
            self.after = page[-1][0]
            self.offers.update({row[1]: row for row in page})
        if len(self.offers) > 4 * CHUNK:
            for code in list(islice(self.offers, CHUNK)):
                del self.offers[code]


class Comparison:
    """One comparison. ``hold`` is called in each transaction that stages rows, and raises LeaseLost."""

    def __init__(self, wanted: Wanted, opened: Opened, hold: Callable[[], None]):
        self.wanted, self.opened, self.hold = wanted, opened, hold
        self.counts = Counts()
        self.staged: list[dict[str, Any]] = []
        self.quantities: dict[str, int | None] = {}
        with reading() as session:
            first, last, self.total = session.execute(
                select(func.min(Offer.id), func.max(Offer.id), func.count()).where(Offer.feed_id == wanted.feed_id)
            ).one()
        self.first = first or 0
        self.seen = bytearray((last or 0) - self.first + 1)
        self.window = _Window(wanted.feed_id)

    def compare(self) -> Counts:
        """Read the file to its end and stage what differs. Raises InvalidInput for a file that cannot be read, and what ``hold`` raises."""
        for chunk in _chunks(self.opened.rows):
            self.counts.rows += len(chunk)
            if self.counts.rows > MOST_ROWS:
                raise TooManyRows(f"The file has more than {MOST_ROWS:,} rows.", "Ask the supplier for several files.")
            if not self.wanted.delta:
                self.window.advance()
            self._look_up(self._compare_near(chunk))
            self._stage(CHUNK)
        if not self.wanted.delta:
            self._find_missing()
        self._stage()
        self._refuse_twins()
        self._match()
        return self.counts

    def _compare_near(self, chunk: Sequence[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
        """Returns the rows that are not near."""
        left = []
        near, quantities, seen, first = self.window.offers, self.quantities, self.seen, self.first
        for row in chunk:
            known = near.get(row[1])
            if known is None:
                left.append(row)
                continue
            if quantities.get(row[2], UNREAD) == known[2] and not known[3]:
                del near[row[1]]
                seen[known[0] - first] = 1
                continue
            del near[row[1]]
            self._compare_one(row[0], row[1], row[1], row[2], known)
        return left

    def _look_up(self, rows: Sequence[tuple[int, str, str]]) -> None:
        codes = []
        for line, cell, quantity in rows:
            code = tidy(csv_files.plain(cell))
            if problem := _problem_of_code(code):
                self._unreadable(line, code, problem)
            else:
                codes.append((line, code, sku_key(code), quantity))
        if not codes:
            return
        found = _by_keys(self.wanted.feed_id, [key for _, _, key, _ in codes])
        new: set[str] = set()
        for line, code, key, quantity in codes:
            known = found.get(key)
            if known is not None:
                self.window.offers.pop(code, None)
            if key in new or (known is not None and self.seen[known[0] - self.first]):
                self._twin(line, code, key, quantity, known)
                continue
            if known is None:
                new.add(key)
            self._compare_one(line, code, key, quantity, known)

    def _twin(self, line: int, code: str, key: str, cell: str, known: Known | None) -> None:
        """A code that the file has named before. Saying the same twice does no harm."""
        row = FeedRunRow
        first = next((each["quantity"] for each in self.staged if each["code_key"] == key), UNREAD)
        if first is UNREAD and known is not None:
            with reading() as session:
                staged = (
                    select(row.quantity).where(row.run_id == self.wanted.run_id, row.code_key == key).order_by(row.id).limit(1)
                )
                found = session.execute(staged).first()
            first = found[0] if found else known[2]
        if self._quantity(cell) != first:
            self._unreadable(line, code, f"{code} is in the file more than once")

    def _compare_one(self, line: int, code: str, key: str, cell: str, known: Known | None) -> None:
        quantity = self._quantity(cell)
        if known is not None:
            self.seen[known[0] - self.first] = 1
        if quantity is None:
            said = csv_files.plain(cell)
            problem = f"{code}: {said[:40]!r} is not clear as a quantity" if said else f"{code}: no quantity"
            self._unreadable(line, code, problem, known)
        elif known is None:
            self._put("new", line, code, quantity)
        elif quantity != known[2]:
            self.counts.changed += 1
            self.counts.zeroed += quantity == 0
            self._put("changed", line, code, quantity, known)
        elif known[3]:
            self._put("back", line, code, quantity, known)
        elif self.wanted.delta:
            self._put("same", line, code, quantity, known)

    def _quantity(self, cell: str) -> int | None:
        """Few different quantities are written in a file, so each is read once."""
        if cell in self.quantities:
            return self.quantities[cell]
        said = csv_files.plain(cell)
        found = self.opened.quantity(said, MOST) if said and len(said) <= csv_files.MOST_CELL else None
        if len(self.quantities) < 10 * CHUNK:
            self.quantities[cell] = found
        return found

    def _unreadable(self, line: int, code: str, problem: str, known: Known | None = None) -> None:
        self.counts.unreadable += 1
        self._put("unreadable", line, code, None, known, problem[:500])

    def _put(
        self, kind: str, line: int, code: str, quantity: int | None, known: Known | None = None, problem: str = ""
    ) -> None:  # fmt: skip
        offer_id, _, before, missed = known or (None, "", None, 0)
        code = code[:LONGEST]
        self.staged.append(
            {"run_id": self.wanted.run_id, "kind": kind, "line": line, "code": code, "code_key": sku_key(code), "offer_id": offer_id,
             "quantity": quantity, "before": before, "before_missed": missed, "problem": problem}
        )  # fmt: skip

    def _stage(self, least: int = 1) -> None:
        """Store the rows that differ, once there are so many: a transaction each time would cost more than they."""
        if len(self.staged) >= least:
            with writing() as session:
                self.hold()
                session.execute(insert(FeedRunRow.__table__), self.staged)
            self.staged = []

    def _find_missing(self) -> None:
        """Stage the offers whose codes the file does not name, unless nothing more becomes of them."""
        unseen = self.total - self.seen.count(1)
        self.counts.missing = max(0, unseen)
        if unseen <= 0:
            return
        after = 0
        while page := _page(self.wanted.feed_id, after):
            for known in page:
                if not self.seen[known[0] - self.first]:
                    self._miss(known)
            after = page[-1][0]
            self._stage(CHUNK)

    def _miss(self, known: Known) -> None:
        policy, quantity, missed = self.wanted.missing, known[2], known[3] + 1
        last = self.wanted.missing_after if policy == "zero_after" else 1
        left = 0 if policy != "keep" and missed >= last else quantity
        if missed > last and left == quantity:
            return
        self.counts.zeroed += left == 0 < quantity
        self._put("missing", 0, known[1], left, known)

    def _refuse_twins(self) -> None:
        """New codes that are in distant rows of the file: the first row counts, and saying the same again does no harm."""
        row = FeedRunRow
        new = (row.run_id == self.wanted.run_id, row.kind == "new")
        keys = select(row.code_key).where(*new).group_by(row.code_key).having(func.count() > 1)
        with reading() as session:
            found = session.execute(
                select(row.id, row.code_key, row.quantity).where(*new, row.code_key.in_(keys)).order_by(row.id)
            ).all()
        firsts: dict[str, int | None] = {}
        same: list[int] = []
        other: list[int] = []
        for row_id, key, quantity in found:
            if key in firsts:
                (same if firsts[key] == quantity else other).append(row_id)
            firsts.setdefault(key, quantity)
        self.counts.unreadable += len(other)
        for start in range(0, max(len(same), len(other)), 500):
            with writing() as session:
                self.hold()
                said = row.code + " is in the file more than once"
                session.execute(
                    update(row).where(row.id.in_(other[start : start + 500])).values(kind="unreadable", quantity=None, problem=said)
                    .execution_options(synchronize_session=False)
                )  # fmt: skip
                session.execute(delete(row).where(row.id.in_(same[start : start + 500])))

    def _match(self) -> None:
        """Find the stock items of staged rows, and count what has none, and the offers above 0."""
        row, run_id, feed_id = FeedRunRow, self.wanted.run_id, self.wanted.feed_id
        by_sku = select(StockItem.id).where(StockItem.sku_key == row.code_key).scalar_subquery()
        linked = select(Offer.stock_item_id).where(Offer.id == row.offer_id).scalar_subquery()
        with writing() as session:
            self.hold()
            for which, found in ((row.offer_id.is_(None), by_sku), (row.offer_id.is_not(None), linked)):
                session.execute(
                    update(row).where(row.run_id == run_id, row.kind != "unreadable", which).values(stock_item_id=found)
                    .execution_options(synchronize_session=False)
                )  # fmt: skip
            new = select(func.count()).where(row.run_id == run_id, row.kind == "new")
            none = select(func.count()).where(Offer.feed_id == feed_id, Offer.stock_item_id.is_(None), Offer.ignored != true())
            self.counts.changed += session.scalar(new) or 0
            self.counts.unknown = (session.scalar(new.where(row.stock_item_id.is_(None))) or 0) + (session.scalar(none) or 0)
            if self.counts.zeroed:
                above = select(func.count()).where(Offer.feed_id == feed_id, Offer.quantity > 0)
                self.counts.above = session.scalar(above) or 0


def _problem_of_code(code: str) -> str:
    if not code:
        return "no code"
    if len(code) > LONGEST or not code.isprintable():
        return f"{code[:40]!r} cannot be a code"
    damage = damaged_cells.damage(code)
    return f"{damage} {damaged_cells.AS_TEXT_ADVICE}" if damage else ""


def _page(feed_id: int, after: int) -> list[Known]:
    with reading() as session:
        found = session.connection().execute(PAGE, {"feed_id": feed_id, "after": after})
        # The driver's own tuples: they need no conversion, and making rows of them took as long as reading the file.
        return list(found.cursor.fetchall())


def _by_keys(feed_id: int, keys: Sequence[str]) -> dict[str, Known]:
    with reading() as session:
        found = session.execute(BY_KEY, {"feed_id": feed_id, "keys": list(keys)})
        return {key: (offer_id, key, quantity, missed) for offer_id, key, quantity, missed in found}


def _chunks(rows: Iterator[tuple[int, str, str]]) -> Iterator[list[tuple[int, str, str]]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
