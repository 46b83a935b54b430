"""Reading a shop's list by offsets without missing a row.

Rows that are added or removed before an offset move everything behind it. So each stretch begins with the last row of the
one before. If that row has changed, the reading goes back. A stretch that the shop cannot give in one answer is read in
halves, down to the single faulty row, which the caller reads in another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from errors import ChannelError, ShopBroken, ShopTimeout, ShopTooOld

MOST_TRIES = 3
"""How often a stretch is asked for again before the shop is taken to be out of order."""


MOST_BLIND = 20
"""Single rows of a list of products or variants that may fail before anything works: it is not the rows then."""


@dataclass(slots=True)
class Row:
    """One row: its id (0 if not known) and what was read of it, None for a row that is of no interest."""

    id: int
    value: Any


@dataclass(slots=True)
class Stretch:
    """Rows of a list as the shop gave them. ``split``: it took pieces; ``faulty``: rows that had to be rescued; ``surplus``:
    the shop gave more than was asked, which is all it has; ``hopeless``: whatever was asked in this way failed."""

    rows: list[Row]
    split: bool = False
    faulty: int = 0
    surplus: bool = False
    hopeless: bool = False


@dataclass(slots=True)
class Step:
    """What one turn of a walk brought: rows not seen before, where to go on, and sentences on what was odd."""

    rows: list[Row]
    position: int
    last: bool
    warnings: list[str] = field(default_factory=list)


Read = Callable[[int, int], Stretch]
"""Reads ``count`` rows from an offset."""

ReadPage = Callable[[int, int], list[Row]]
"""Reads ``count`` rows from an offset in one request, or raises."""

ReadIds = Callable[[int, int], Sequence[str] | None]
"""The ids of a stretch ("" where not known), by a plainer way; None, or an error, where the shop itself is down."""

Rescue = Callable[[str, ChannelError, bool], Any]
"""Gets one row in another way: its id, the error, and whether nothing at all has worked so far."""


Split = Callable[[int, int], list[tuple[int, int]]]
"""Smaller stretches (offset, count) that together are one, which has at least two rows."""


def halves(offset: int, count: int) -> list[tuple[int, int]]:
    middle = (count + 1) // 2
    return [(offset, middle), (offset + middle, count - middle)]


def read_in_pieces(
    page: ReadPage, ids_of: ReadIds, rescue: Rescue, offset: int, count: int, split: Split = halves, most_blind: int | None = None
) -> Stretch:
    """A stretch in one request where that works, else in parts. Raises the shop's error where the shop is down, where the answer
    says that it is not one row (``concerns``), or where ``most_blind`` single rows failed and nothing worked.

    Of the seven parameters, three are how this list is read, two say which stretch, and two how it is split."""
    try:
        rows = page(offset, count)
    except (ShopBroken, ShopTimeout) as exc:
        if isinstance(exc, ShopBroken) and exc.concerns == "shop":
            raise
        error: ChannelError = exc
    else:
        return Stretch(rows, surplus=len(rows) > count)
    ids = ids_of(offset, count)
    if ids is None:
        raise error
    pieces = _Pieces(page, rescue, split, offset, ids, error, most_blind)
    rows = pieces.parts(offset, len(pieces.ids))
    return Stretch(rows, True, pieces.faulty, hopeless=pieces.hopeless)


@dataclass(slots=True)
class _Pieces:
    page: ReadPage
    rescue: Rescue
    split: Split
    first: int
    ids: Sequence[str]
    error: ChannelError
    most_blind: int | None
    worked: int = 0
    faulty: int = 0

    @property
    def hopeless(self) -> bool:
        """Three single rows failed and nothing worked: it is hardly the rows. Only single rows are tried from now on."""
        return not self.worked and self.faulty >= 3

    def parts(self, offset: int, count: int) -> list[Row]:
        if count == 1:
            self.faulty += 1
            if self.most_blind is not None and not self.worked and self.faulty > self.most_blind:
                raise self.error
            known = self.ids[offset - self.first]
            return [Row(int(known or 0), self.rescue(known, self.error, self.hopeless))]
        return [row for part in self.split(offset, count) for row in self.read(*part)] if count else []

    def read(self, offset: int, count: int) -> list[Row]:
        if count == 1 or not self.hopeless:
            try:
                rows = self.page(offset, count)
            except ShopBroken as exc:
                if exc.concerns == "shop":
                    raise
                self.error = exc
            else:
                self.worked += 1
                return rows
        return self.parts(offset, count)


def ascending(read: Read, *, start: int, size: int, rows: str, host: str) -> Iterator[Step]:
    """A whole list from an offset, in an order to which only new rows are appended. ``rows`` is their name in sentences.

    Raises ShopTooOld if the shop does not keep to the order, ShopBroken if it gives the same rows for ever."""
    position, last_id, idle, anchored = start, 0, 0, False
    while True:
        warnings: list[str] = []
        overlap = 1 if anchored else 0
        offset, end = position - overlap, overlap
        stretch, repeated = _in_order(read, offset, size + overlap, last_id)
        if stretch is None:
            raise ShopTooOld(f"{host} ignores the order in which Cartlink asks for its {rows}.")
        if repeated:
            warnings.append("The shop sent a page that does not follow the one before; it was read again.")
        if overlap and offset and (not stretch.rows or stretch.rows[0].id > last_id):
            warnings.append(f"The shop removed {rows} during the download; Cartlink went back to miss none.")
            offset, stretch = _back(read, offset, size, last_id)
            end = size - 1
        fresh: list[Row] = []
        newest = last_id
        for row in stretch.rows:
            if row.id == 0 or row.id > newest:
                fresh.append(row)
                newest = max(newest, row.id)
        # A short stretch need not be the end, for a shop that joins tables gives fewer rows than asked. The end is where
        # nothing follows the row that is known.
        last = stretch.surplus or (not fresh and len(stretch.rows) <= end)
        idle = 0 if newest > last_id else idle + 1
        # A last row without an id cannot be known again.
        anchored = bool(stretch.rows) and 0 < stretch.rows[-1].id <= newest
        position, last_id = offset + len(stretch.rows), newest
        if idle >= MOST_TRIES and not last:
            raise ShopBroken(f"{host} keeps answering with the same page of {rows}.")
        yield Step(fresh, position, last, warnings)
        if last:
            return
        if stretch.split and not stretch.faulty:
            size = max(1, size // 2)


def _in_order(read: Read, offset: int, count: int, last_id: int) -> tuple[Stretch | None, bool]:
    """A stretch whose ids ascend and go beyond ``last_id``, and whether it was read several times because they did not. A stretch
    that keeps repeating known rows is returned as it is; None if its ids never ascend."""
    for turn in range(MOST_TRIES):
        stretch = read(offset, count)
        ids = [row.id for row in stretch.rows if row.id]
        disorder = any(left > right for left, right in zip(ids, ids[1:], strict=False))
        repeated = len(ids) > 1 and ids[-1] <= last_id
        if not disorder and not repeated:
            return stretch, turn > 0
    return None if disorder else stretch, True


def _back(read: Read, offset: int, size: int, last_id: int) -> tuple[int, Stretch]:
    """The first stretch, going back ever further, that begins at or before the last row read."""
    stride = size
    while True:
        offset = max(0, offset - stride)
        stretch = read(offset, size)
        if not offset or (stretch.rows and stretch.rows[0].id <= last_id):
            return offset, stretch
        stride *= 2
