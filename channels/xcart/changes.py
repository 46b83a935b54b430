"""Reads a shop's orders by their last change, newest first, and no more of them than needed.

Each reading leaves a memory: the rows at the top of the list as it found them. When the next reading meets these rows again in
the same order, one request shows that the rest is unchanged too, and the reading ends. Rows that the shop could not
print are part of the memory: the next reading requests smaller pages that leave them out.

Each page begins with a row that was read before. If that row is another one, rows were removed meanwhile, and the reading
goes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import takewhile
from typing import Any

from channels.base import UNSETTLED, BadRow, Order, OrderPage, Suspects
from channels.xcart.change_memory import Memory, Seen
from channels.xcart.paging import Row, Stretch
from errors import ShopBroken, ShopTimeout, ShopTooOld

BEYOND = 30
"""Rows that are remembered even if they are older: a small first page may reach this far."""

_MOST_FRUITLESS = 3
_MOST_SINGLE = 8
"""Rows read one by one above rows that cannot be printed."""

_MOST_MOVED = 5
"""Unreadable rows whose old position is read again on one page."""
_RETRY = 900
_LONGEST_RETRY = 86_400


@dataclass(frozen=True, slots=True)
class ChangesQuery:
    """The arguments of a reading by change; see ``channels.base.Channel.iter_changed_orders``."""

    since: int
    start: int = 0
    page_size: int | None = None
    first_size: int | None = None
    memory: bytes = b""
    suspects: Callable[[], Suspects] = lambda: Suspects(0)


@dataclass(frozen=True, slots=True)
class Source:
    """How one generation lists orders by change.

    ``stretch`` reads rows, with those faulty rescued. ``single`` reads one row plainly and raises where it cannot.
    ``plan`` chooses the next page (offset, count) for a position, a size, and two numbers of rows just before the position: those
    that this reading has read in one go, and those that changed in one second. ``identify`` finds the ids of a number of
    unreadable rows, not among the ids given. ``requests`` counts. ``clock_offset`` is how far the shop's clock is ahead of ours.
    ``prove`` asks what no shop answers with an empty list, and raises ShopBroken where the answer is none of a shop's. ``plain_until`` goes
    into the memory."""

    host: str
    stretch: Callable[[int, int], Stretch]
    single: Callable[[int], Row | None]
    plan: Callable[[int, int, int, int], tuple[int, int]]
    identify: Callable[[int, set[int]], list[int]]
    requests: Callable[[], int]
    clock_offset: Callable[[], timedelta | None]
    prove: Callable[[], object]
    plain_until: Callable[[], int] = lambda: 0


@dataclass(slots=True)
class _Match:
    """Where the rows read so far fit what is remembered: ``rest`` follows them, ``unmatched`` are unreadable rows that are new."""

    rest: list[Seen]
    unmatched: int


def read_changes(source: Source, asked: ChangesQuery, size: int) -> Iterator[OrderPage]:
    """The pages of a reading by change; ``size`` is that of a full page."""
    return _Reading(
        source, asked.since, min(asked.first_size or size, size), size, asked.start, Memory.unpacked(asked.memory)
    ).pages()


@dataclass(slots=True)
class _Reading:
    source: Source
    since: int
    first: int
    size: int
    start: int
    memory: Memory | None
    rows: list[Seen] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    known: list[Seen] = field(default_factory=list)
    tries: int = 0
    fruitless: int = 0
    """Pages without anything new, and returns to the newest row, since the reading last came further."""

    returned: bool = False
    """Whether the reading went back to the newest row. A database may give orders that changed in one second in another order for
    each page, so from then on only one that changed in another second shows that rows were removed."""

    began: float = field(default_factory=time.time)
    other: bool = False
    """Whether the list was found to differ from what is remembered."""

    def __post_init__(self) -> None:
        kept = self.memory
        if kept is None:
            return
        if self.start and not kept.whole and kept.since == self.since:
            self.rows = list(kept.rows)
            self.seen = {row.id for row in kept.rows if row.id}
        self.tries = kept.tries
        waiting = time.time() < kept.again <= time.time() + _LONGEST_RETRY
        if not self.start and kept.whole and (waiting or not kept.again):
            self.known = kept.rows

    def pages(self) -> Iterator[OrderPage]:
        end, entry, stride, warnings = self.start, self.start, self.size, list[str]()
        reached = max(self.start, len(self.rows))
        before = self.source.requests()
        page = self._over_faults(before)
        if page is not None:
            yield page
            return
        while True:
            size, tied = self._next_size(end), self._tied(end)
            offset, count = self.source.plan(end, size, end - entry, tied)
            stretch = self.source.stretch(offset, count)
            if not offset and not stretch.rows and (self.memory is None or self.memory.rows):
                # Nothing changed, where a shop filters; or something else answers ``[]`` to every question in its place.
                self.source.prove()
            if offset and self._moved(stretch.rows, offset, max(1, end - offset)):
                warnings.append("The shop's orders moved during the download; Cartlink went back to miss no change.")
                end -= stride
                entry = end = end if end > 0 and self._knows_before(end) else 0
                stride *= 2
                if not end:
                    self.returned = True
                    self._count_fruitless(False)
                continue
            _check_order(stretch.rows, self.source.host)
            kept, behind = self._take(stretch, offset, end)
            end = offset + len(stretch.rows)
            if end > reached:
                stride = self.size
            if end >= reached:
                reached = end
                self._count_fruitless(bool(kept) or behind or len(stretch.rows) < count)
            last = behind or stretch.surplus or len(stretch.rows) < count
            match = self._match()
            values, passed = self._named(kept, match, end)
            if not last and match is not None and not match.unmatched and self._settled(match.rest, end):
                read = len(self.rows)
                self.rows += match.rest
                passed += self._unread(read)
                last = True
            yield self._page(values, end, last, before, warnings, passed)
            if last:
                return
            before, warnings = self.source.requests(), []

    def _next_size(self, end: int) -> int:
        """Small pages before an unreadable row that is expected, and for the first look; full ones otherwise."""
        fault = next((place for place, row in enumerate(self.known) if row.bad), None)
        if fault is not None and end < fault + BEYOND:
            return min(self.size, max(2, end * 2) if end or not fault else min(fault, self.first))
        return self.size if end else self.first

    def _over_faults(self, before: int) -> OrderPage | None:
        """The whole reading, row by row, where the newest rows could not be printed before: the new ones above them, and then
        the first readable one below, which has to be where it is expected. None if it is not."""
        lead = next((place for place, row in enumerate(self.known) if not row.bad), 0)
        fresh: list[Row] = []
        while lead and len(fresh) <= _MOST_SINGLE and (row := self._plainly(len(fresh))) is not None:
            fresh.append(row)
        faults = {row.id for row in self.known[:lead]}
        if not lead or len(fresh) > _MOST_SINGLE or any(row.id in faults for row in fresh):
            return None
        below = self._plainly(len(fresh) + lead)
        if below is None or _seen(below, False) != self.known[lead]:
            return None
        self.rows = [*(_seen(row, False) for row in fresh), *self.known[: lead + 1]]
        match = self._match()
        if match is None or match.unmatched or not self._settled(match.rest, len(self.rows)):
            self.rows = []
            return None
        end = len(self.rows)
        self.rows += match.rest
        return self._page([row.value for row in fresh], end, True, before, [], self._unread(0))

    def _unread(self, start: int) -> list[Seen]:
        """Rows from a place on that could not be printed and may have changed since the time asked for."""
        return [row for row in self.rows[start : self._inside()] if row.bad]

    def _inside(self) -> int:
        """How many rows lie before the first that is known to be older than asked for."""
        return next((place for place, row in enumerate(self.rows) if self._is_older(row)), len(self.rows))

    def _tied(self, end: int) -> int:
        """How many rows just before ``end`` changed in the second of the last of them."""
        before = self.rows[:end]
        return sum(1 for _ in takewhile(lambda row: row.changed == before[-1].changed, reversed(before)))

    def _moved(self, rows: Sequence[Row], offset: int, repeated: int) -> bool:
        """Whether the rows that a page repeats, so many at its beginning, are not those read before: rows above were removed."""
        if len(rows) < repeated:
            return True
        first = next((row for row in rows[:repeated] if row.id and not isinstance(row.value, BadRow)), None)
        if first is None or first.id in self.seen or not self.rows or not self._knows_before(offset):
            return False
        changed = _seen(first, False).changed
        return not (self.returned and any(row.changed == changed for row in self.rows))

    def _knows_before(self, offset: int) -> bool:
        """A reading that goes on without a memory knows only what it has read itself."""
        return offset >= self.start or len(self.rows) >= self.start

    def _count_fruitless(self, brought_something: bool) -> None:
        self.fruitless = 0 if brought_something else self.fruitless + 1
        if self.fruitless > _MOST_FRUITLESS:
            raise ShopBroken(f"{self.source.host} keeps changing the order of its answers.")

    def _take(self, stretch: Stretch, offset: int, end: int) -> tuple[list[tuple[Row, int]], bool]:
        """The rows not seen before, up to the first that is older than asked for, with their places in ``rows``; whether there
        was an older one."""
        kept, behind = list[tuple[Row, int]](), False
        for place, row in enumerate(stretch.rows, offset):
            if not behind and isinstance(row.value, Order) and row.value.change_known:
                behind = row.value.changed_at.timestamp() < self.since
            if (row.id and row.id in self.seen) or (not row.id and place < end):
                continue
            if not behind:
                kept.append((row, len(self.rows)))
            if row.id:
                self.seen.add(row.id)
            self.rows.append(_seen(row, stretch.split))
        return kept, behind

    def _match(self) -> _Match | None:
        """None if the rows read do not fit what is remembered, or none of them is remembered."""
        pairs = {(row.id, row.changed) for row in self.known if row.id}
        fresh = {row.id for row in self.rows if row.id and not row.bad and (row.id, row.changed) not in pairs}
        left = [row for row in self.known if not row.id or row.id not in fresh]
        place, anchored, unmatched = 0, False, 0
        for at, row in enumerate(self.rows):
            if row.bad:
                if place < len(left) and left[place].bad and row.id in (0, left[place].id):
                    self.rows[at] = left[place]
                    place += 1
                else:
                    unmatched += 1
            elif row.id not in fresh:
                if place >= len(left) or left[place].id != row.id:
                    return None if not unmatched else _Match([], unmatched)
                place += 1
                anchored = True
        if not anchored and not unmatched:
            return None
        return _Match(left[place:], unmatched)

    def _settled(self, rest: Sequence[Seen], end: int) -> bool:
        """Whether the list from ``end`` on is as remembered: then its first row that is older than asked for lies where it has
        to, and no row has come before it. A shop that filters by change ends its list there."""
        memory = self.memory
        if memory is None or memory.since > self.since or self.other:
            return False
        if memory.unsettled and any(row.changed >= memory.unsettled for row in rest):
            return False
        if any(self._is_older(row) for row in self.rows):
            return True
        place = next((place for place, row in enumerate(rest) if self._is_older(row)), len(rest))
        try:
            found = self.source.single(end + place)
        except (ShopBroken, ShopTimeout):
            self.other = True
            return False
        self.other = found is not None and (place == len(rest) or _seen(found, False) != rest[place])
        return not self.other

    def _is_older(self, row: Seen) -> bool:
        return not row.bad and 0 < row.changed < self.since

    def _plainly(self, offset: int) -> Row | None:
        try:
            return self.source.single(offset)
        except (ShopBroken, ShopTimeout):
            return None

    def _named(self, kept: list[tuple[Row, int]], match: _Match | None, end: int) -> tuple[list[Any], list[Seen]]:
        """The values of the rows taken, and the unreadable rows among them that were known to be so. New ones get their ids by
        asking for candidates."""
        remembered = {row.id for row in self.known if row.bad}
        values: list[Any] = []
        passed: list[Seen] = []
        new: list[tuple[Row, int]] = []
        for row, at in kept:
            if not isinstance(row.value, BadRow) or not self.rows[at].bad:
                values.append(row.value)
            elif self.rows[at].id in remembered and any(self.rows[at] is each for each in self.known):
                passed.append(self.rows[at])
            elif row.id:
                values.append(row.value)
            else:
                new.append((row, at))
        if new:
            found = self._moved_here(match, end, len(new))
            if len(found) < len(new):
                taken = {row.id for row in self.rows} | set(found) | remembered
                found += self.source.identify(len(new) - len(found), taken)
            found += [0] * (len(new) - len(found))
            for (row, at), number in zip(new, found, strict=False):
                self.rows[at] = Seen(number, 0, True)
                values.append(replace(row.value, external_id=str(number)) if number else row.value)
        return values, passed

    def _moved_here(self, match: _Match | None, end: int, most: int) -> list[int]:
        """Ids of remembered unreadable rows that are no more where they were: they have changed, and moved to the front."""
        found: list[int] = []
        expected = [(end + place, row) for place, row in enumerate(match.rest if match else ()) if row.bad and row.id]
        for offset, row in expected[:_MOST_MOVED]:
            if len(found) < most and self._plainly(offset) is not None:
                found.append(row.id)
        return found

    def _page(
        self, values: Sequence[Any], end: int, last: bool, before: int, warnings: list[str], passed: Sequence[Seen]
    ) -> OrderPage:
        if last:
            self._forget_old()
        again = 0
        if last and any(not row.id for row in self._unread(0)):
            kept = self.memory
            again = kept.again if kept is not None and kept.again > time.time() and self.known else 0
            if not again:
                again = int(time.time()) + min(_LONGEST_RETRY, _RETRY * 2 ** min(self.tries, 10))
                self.tries += 1
        tries = self.tries if again or not last else 0
        return OrderPage(
            tuple([each for each in values if isinstance(each, Order)]),
            tuple([each for each in values if isinstance(each, BadRow)]),
            end,
            last,
            self.source.requests() - before,
            tuple(warnings),
            memory=Memory(self.since, self.rows, last, again, tries, self._unsettled_from(), self.source.plain_until()).packed(),
            passed=tuple([str(row.id) if row.id else "" for row in passed]),
            recognised=tuple([str(row.id) for row in self.rows[: self._inside()] if row.id]) if last else (),
        )

    def _unsettled_from(self) -> int:
        """0 if no row changed so shortly before this reading that it could change again in the same second."""
        offset = self.source.clock_offset()
        start = int(self.began + (offset or timedelta(0)).total_seconds()) - int(UNSETTLED.total_seconds())
        return start if any(row.changed >= start for row in self.rows) else 0

    def _forget_old(self) -> None:
        del self.rows[max(self._inside() + 5, BEYOND) :]


def _seen(row: Row, split: bool) -> Seen:
    """``split``: the page it came on had to be read in pieces. A row that had to be requested alone is the reason."""
    value = row.value
    if isinstance(value, Order):
        return Seen(row.id, int(value.changed_at.timestamp()) if value.change_known else 0, split and value.partial)
    return Seen(row.id, 0, split and isinstance(value, BadRow))


def _check_order(rows: Sequence[Row], host: str) -> None:
    """Raises ShopTooOld if the rows that say when they changed do not say it in falling order."""
    moments = [row.value.changed_at for row in rows if isinstance(row.value, Order) and row.value.change_known]
    if any(left < right for left, right in zip(moments, moments[1:], strict=False)):
        raise ShopTooOld(f"{host} does not sort its orders by their last change.")
