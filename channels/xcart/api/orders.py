"""Orders of the api generation.

Orders are read by the time they were placed, each page beginning where the one before ended: rows that are removed meanwhile
shift nothing, and what carries the same second comes twice and is known. The shop ignores a date it cannot read without a
word, so every row is checked. An order the program cannot print (a line whose product was deleted, a status without code)
makes its page answer 500; the page is read in halves down to it, and it is reported, because there is no other way to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from channels.base import NO_TIME, BadRow, Order, OrderPage, Outline, Surcharge, Suspects
from channels.newest import Newest
from channels.xcart.api.client import MOST_PER_PAGE, Api, Query, aligned, overlapping, page_of, subdivide
from channels.xcart.change_memory import readable_part
from channels.xcart.changes import ChangesQuery, Source, read_changes
from channels.xcart.order_answers import order_id, order_page, parsed_order, single_order
from channels.xcart.paging import Row, Stretch, read_in_pieces
from channels.xcart.parsing.lenient import read_as
from channels.xcart.parsing.newest import newest_of
from channels.xcart.parsing.orders import order_row
from channels.xcart.parsing.values import own_id, row_value, text, utc
from errors import ChannelError, ShopBroken, ShopRefused, ShopTooOld

_MOST_IDLE = 3
_MOST_BLIND = 20
"""Pages in a row of which no order can be read: a shop may have deleted the products of many old orders."""

_MOST_BLIND_CHANGES = 200
"""Rows in a row, of the list of changes, that fail one by one. A shop that fails at this very question would be asked without an end."""

_ASKED_EVERY = 25
_BEYOND_THE_END = 1_000_000
"""The number of a page that no shop has: it answers that with an empty list (5.5.0.29, observed)."""

_SAMPLE = 5
_MOST_GUESSES = 20
"""Ids that are tried to find the one of an order faulty. Carts take ids as well, so there are gaps."""

_MOST_ASKED = 60
"""Orders asked for by themselves to find those that cannot be printed, in one page of a reading by change."""

_LOOKED_THROUGH = 500
"""Newest orders that are looked through for a number which the shop's own path does not take."""

_PLAIN_NUMBER = re.compile(r"\w{1,60}", re.ASCII)
_FAULT = "The shop answers with an error whenever Cartlink asks for this order: a line whose product was deleted does that."


class _Transaction(msgspec.Struct):
    """5.5.0.29, observed: a row of ``/api/orders/N/payment_transactions``."""

    public_id: str | None = None
    date: datetime | None = None
    value: Decimal | None = None


NEWEST_CHANGE_FIRST = (("order[lastRenewDate]", "desc"), ("order[date]", "desc"))


class ApiOrders:
    def __init__(self, shop: Api):
        self.shop = shop

    def iter_orders(self, *, placed_since: datetime, start: int = 0, page_size: int | None = None) -> Iterator[OrderPage]:
        """Placed orders since a time, by that time. ``start`` counts the orders before it, as ``position`` does."""
        since = int(placed_since.timestamp())
        size = min(page_size or MOST_PER_PAGE, MOST_PER_PAGE)
        # A position out of an earlier reading is only a number of rows: it is kept to, down to a whole page.
        offset = start // size * size
        bound, position, seen, idle, blind = since, offset, set[int](), 0, 0
        while True:
            before, warnings = self.shop.session.requests, []
            query = [("date[after]", f"@{bound}"), ("order[date]", "asc")]
            stretch = self._stretch(query, offset, size)
            if stretch.faulty:
                self._name_faulty(stretch.rows, max(seen, default=None) if seen or offset else self._last_before(bound))
            found = [row for row in stretch.rows if not row.id or row.id not in seen]
            kept = [row for row in found if not (_is_dated(row) and row.value.placed_at.timestamp() < since)]
            if len(kept) < len(found):
                warnings.append("The shop ignored the start date; older orders were left out.")
            _check_order([row.value.placed_at for row in stretch.rows if _is_dated(row)], self.shop.host)
            seen = {row.id for row in stretch.rows} if offset == 0 else seen | {row.id for row in stretch.rows}
            position += len(found)
            idle = 0 if found else idle + 1
            blind = blind + 1 if found and not any(isinstance(row.value, Order) for row in found) else 0
            if idle >= _MOST_IDLE or blind >= _MOST_BLIND:
                raise ShopBroken(f"{self.shop.host} keeps answering with the same or with no readable orders.")
            last = len(stretch.rows) < size
            yield order_page([row.value for row in kept], position, last, self.shop.session.requests - before, warnings)
            if last:
                return
            newest = _newest(stretch.rows)
            if newest > bound:
                bound, offset = newest, 0
            else:
                # A whole page of one second, or a shop that ignores the date: go on by page.
                offset += size

    def iter_changed_orders(self, asked: ChangesQuery) -> Iterator[OrderPage]:
        """Orders changed since a time, newest change first, until the first that is older.

        ``lastRenewDate[after]`` goes with every page: 5.5.0 ignores it, later versions answer with less."""
        query = [
            ("lastRenewDate[after]", f"@{asked.since}"),
            *NEWEST_CHANGE_FIRST,
        ]

        def plan(end: int, size: int, _: int, tied: int) -> tuple[int, int]:
            # Orders that changed in one second have no fixed order, so a page has to hold all of them, if they fit.
            return overlapping(end, size, min(end, tied + 1) if tied + 1 < size else 1)

        def single(offset: int) -> Row | None:
            rows = self.shop.rows("/orders", [*query, *page_of(offset + 1, 1)], insist=False)
            return _row(rows[0]) if rows else None

        blind = 0

        def stretch(offset: int, count: int) -> Stretch:
            nonlocal blind
            found = self._stretch(query, offset, count, lambda: self._refuse_if_nothing_prints(asked.suspects()))
            blind = blind + len(found.rows) if found.rows and found.faulty == len(found.rows) else 0
            if blind >= _MOST_BLIND_CHANGES:
                raise ShopBroken(f"{self.shop.host} fails whenever it is asked for the orders that have changed.")
            return found

        source = Source(
            self.shop.host,
            stretch,
            single,
            plan,
            lambda number, taken: self._identified(number, taken, asked.suspects()),
            lambda: self.shop.session.requests,
            lambda: self.shop.session.clock_offset,
            lambda: self.shop.one("/orders/0", insist=False),
        )
        return read_changes(source, asked, min(asked.page_size or MOST_PER_PAGE, MOST_PER_PAGE))

    def newest_changes(self, count: int, memory: bytes) -> Newest:
        return newest_of(self.newest_rows(count, memory)[1])

    def newest_rows(self, size: int, memory: bytes) -> tuple[int, list[msgspec.Raw], bool]:
        """The rows of a page that leaves out what is known to be unreadable, where it begins, and whether nothing follows it."""
        offset, count = readable_part(memory, min(size, MOST_PER_PAGE))
        rows = self.shop.rows("/orders", [*NEWEST_CHANGE_FIRST, *page_of(offset // count + 1, count)], insist=False)
        return offset, rows, len(rows) < count

    def read_outline(self, external_id: str) -> Outline:
        """Statuses and payments, whose paths answer for an order that cannot be printed (5.5.0.29, observed)."""
        path = f"/orders/{order_id(external_id)}"
        payment, shipping = self._status_code(f"{path}/payment_status"), self._status_code(f"{path}/shipping_status")
        placed, about, number = None, "", ""
        try:
            rows = self.shop.rows(f"{path}/payment_transactions", insist=False)
            read = [read_as(_Transaction, row_value(each, []), []) for each in rows]
            row = min(read, key=lambda each: utc(each.date) or datetime.max.replace(tzinfo=UTC), default=None)
        except (ShopBroken, ShopRefused, ValueError) as exc:
            if isinstance(exc, ShopBroken) and payment is None and shipping is None and not self.shop.is_alive():
                raise
            row = None
        if row is not None:
            placed = utc(row.date)
            about = f"Its payment: {row.public_id or 'no number'}, {row.value if row.value is not None else 'no amount'}."
            if number := self._number_of(row.public_id or ""):
                about = f"Its number seems to be {number}. {about}"
        return Outline(payment, shipping, placed, about, number)

    def _number_of(self, public_id: str) -> str:
        """The number of an order that cannot be printed, from a payment's public id, which begins with it: the shop's path for
        numbers fails for it as well, where it says 404 for a number that no order has. Empty if that does not tell."""
        begin = public_id.partition("-")[0]
        for number in dict.fromkeys((begin, begin.lstrip("0"))):
            if not _PLAIN_NUMBER.fullmatch(number):
                continue
            try:
                self.shop.one(f"/orders/by_number/{number}", insist=False)
            except ShopBroken:
                return number
            except ShopRefused:
                continue
        return ""

    def _status_code(self, path: str) -> str | None:
        """The code on a status path; None if the shop fails there too, as for an order without that status."""
        try:
            shown = self.shop.one(path, insist=False)
        except (ShopBroken, ShopRefused):
            return None
        return text(shown.get("code")) if shown is not None else None

    def _identified(self, number: int, taken: set[int], suspects: Suspects) -> list[int]:
        """The ids of so many orders that are in the list and cannot be printed: candidates are asked for one by one, and the
        shop fails for exactly those. New orders come first, then known ones."""
        above = range(suspects.highest + 1, max([suspects.highest, *taken]) + 1 + _MOST_GUESSES)
        known = [int(each) for each in suspects.known if each.isascii() and each.isdigit()]
        failing: list[int] = []
        asked = 0
        for candidate in dict.fromkeys([*above[-2 * _MOST_GUESSES :], *known]):
            if len(failing) >= number or asked >= _MOST_ASKED:
                break
            if candidate in taken:
                continue
            asked += 1
            if self._next_failing(range(candidate, candidate + 1)):
                failing.append(candidate)
        before = [int(each) for each in suspects.unreadable if each.isdigit() and int(each) not in {*taken, *failing}]
        return [*failing, *before][:number]

    def read_order(self, external_id: str) -> Order | None:
        raw = self.shop.one(f"/orders/{order_id(external_id)}", insist=False)
        return single_order(raw, external_id, self.shop.host)

    def find_order(self, number: str) -> Order | None:
        """One order by the merchant's number. The shop's path takes letters, digits and underscores, and fails where two
        orders share a number (5.5.0.29, observed); in these cases the newest orders are looked through."""
        if _PLAIN_NUMBER.fullmatch(number):
            try:
                raw = self.shop.one(f"/orders/by_number/{number}", insist=False)
            except ShopBroken:
                raw = {}
            if raw is None:
                return None
            if text(raw.get("order_number")) == number:
                return parsed_order(raw)
        if not number:
            return None
        for offset in range(0, _LOOKED_THROUGH, MOST_PER_PAGE):
            rows = self._stretch([("order[date]", "desc")], offset, MOST_PER_PAGE).rows
            for row in rows:
                if isinstance(row.value, Order) and row.value.number == number:
                    return row.value
            if len(rows) < MOST_PER_PAGE:
                break
        return None

    def read_surcharges(self, external_id: str) -> tuple[Surcharge, ...]:
        order = self.read_order(external_id)
        if order is None:
            raise ShopRefused(f"The shop has no order {external_id} any more.")
        return order.surcharges or ()

    def _stretch(self, query: Query, offset: int, count: int, begin_rescue: Callable[[], None] = lambda: None) -> Stretch:
        """A stretch of the list. ``begin_rescue`` is called where row after row fails and may raise, so that no more of them are tried."""

        rescued = 0

        def page(offset: int, count: int) -> list[Row]:
            rows: list[Row] = []
            for number, size in aligned(offset, count):
                found = [_row(row) for row in self.shop.rows("/orders", [*query, *page_of(number, size)], insist=False)]
                rows += found
                if len(found) < size:
                    break
            return rows

        def ids_of(offset: int, count: int) -> list[str] | None:
            # Nothing plainer than the list tells ids; but where the shop answers this question at all, the rows are worth trying.
            return [""] * count if self._answers(query) else None

        def rescue(_: str, error: ChannelError, hopeless: bool) -> BadRow:
            nonlocal rescued
            rescued += 1
            if hopeless and rescued == _MOST_IDLE:
                begin_rescue()
            if hopeless and rescued % _ASKED_EVERY == _MOST_IDLE and not self._answers(query):
                raise error
            return BadRow("", _FAULT)

        return read_in_pieces(page, ids_of, rescue, offset, count, subdivide)

    def _refuse_if_nothing_prints(self, suspects: Suspects) -> None:
        """Raises ShopBroken if the shop fails for orders as well that it has given before: it is not single rows then."""
        before = [each for each in suspects.known if each not in suspects.unreadable and each.isascii() and each.isdigit()]
        sample = [int(each) for each in before[:: -(-len(before) // _SAMPLE) or 1]]
        if sample and all(self._next_failing(range(each, each + 1)) for each in sample):
            raise ShopBroken(f"{self.shop.host} fails for every order that Cartlink asks it for.")

    def _answers(self, query: Query) -> bool:
        """Whether the shop answers this question where there is nothing to print: if it fails there too, it is not the rows."""
        try:
            self.shop.rows("/orders", [*query, *page_of(_BEYOND_THE_END, 1)], insist=False)
        except ShopRefused:
            return True
        except ChannelError as exc:
            if not exc.retryable:
                raise
            return False
        return True

    def _last_before(self, bound: int) -> int | None:
        """The id of the last order placed before a time, 0 if there is none, None if that is not known."""
        query = [("date[before]", f"@{bound - 1}"), ("order[date]", "desc"), *page_of(1, 1)]
        try:
            rows = [_row(row) for row in self.shop.rows("/orders", query, insist=False)]
        except ShopBroken:
            return None
        return rows[0].id if rows else 0

    def _name_faulty(self, rows: list[Row], after: int | None) -> None:
        """Find the ids of faulty rows. Ids rise with time, so such a row's id is the next one after its neighbour's that
        is an order at all; and the shop fails for it alone as well."""
        for row in rows:
            if after is not None and not row.id:
                row.id = self._next_failing(range(after + 1, after + 1 + _MOST_GUESSES))
            after = row.id or None
        following = 0
        for row in reversed(rows):
            if following and not row.id:
                row.id = self._next_failing(range(following - 1, max(0, following - 1 - _MOST_GUESSES), -1))
            following = row.id
        for row in rows:
            if isinstance(row.value, BadRow) and row.id:
                row.value = BadRow(str(row.id), row.value.reason)

    def _next_failing(self, candidates: range) -> int:
        """The first id that is an order, if the shop fails for it; else 0."""
        for candidate in candidates:
            try:
                if self.shop.one(f"/orders/{candidate}", insist=False) is not None:
                    return 0
            except ShopBroken:
                return candidate
        return 0


def _row(row: msgspec.Raw) -> Row:
    found = order_row(row)
    known = found.external_id if found is not None else own_id(bytes(row), "id")
    return Row(int(known or 0), found)


def _newest(rows: Sequence[Row]) -> int:
    return max((int(row.value.placed_at.timestamp()) for row in rows if _is_dated(row)), default=0)


def _is_dated(row: Row) -> bool:
    return isinstance(row.value, Order) and NO_TIME not in row.value.problems


def _check_order(moments: list[datetime], host: str) -> None:
    if any(left > right for left, right in zip(moments, moments[1:], strict=False)):
        raise ShopTooOld(f"{host} does not sort its orders as it is asked to.")
