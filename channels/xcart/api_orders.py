"""Orders of the api generation.

Orders are read by the time they were placed, each page beginning where the one before ended: rows that are removed meanwhile
shift nothing, and what carries the same second comes twice and is known. The shop ignores a date it cannot read without a
word, so every row is checked. An order the program cannot print (a line whose product was deleted, a status without code)
makes its page answer 500; the page is read in halves down to it, and it is reported, because there is no other way to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from channels.base import BadRow, Order, OrderPage, Surcharge
from channels.xcart.api import MOST_PER_PAGE, Api, Query, aligned, page_of, subdivide
from channels.xcart.parse import is_cart, order_row, read_order
from channels.xcart.values import first_number, row_value, text
from channels.xcart.walk import Row, Stretch, whole_or_pieces
from errors import ChannelError, ShopBroken, ShopRefused, ShopTooOld

CHANGED_PAGE = 50
_STUBBORN = 3
_MOST_BLIND = 20
"""Pages in a row of which no order can be read: a shop may have deleted the products of many old orders."""

_ALIVE_EVERY = 25
_MOST_GUESSES = 20
"""Ids that are tried to find the one of an order at fault. Carts take ids as well, so there are gaps."""

_LOOKED_THROUGH = 500
"""Newest orders that are looked through for a number which the shop's own path does not take."""

_PLAIN_NUMBER = re.compile(r"\w{1,60}", re.ASCII)
_FAULT = "The shop fails with an error of its own whenever this order is asked for: a line whose product was deleted does that."


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
            stretch = self._stretch(query, offset, size, bound, max(seen, default=None))
            found = [row for row in stretch.rows if not row.id or row.id not in seen]
            kept = [row for row in found if not (isinstance(row.value, Order) and row.value.placed_at.timestamp() < since)]
            if len(kept) < len(found):
                warnings.append("The shop ignored the start date; older orders were left out.")
            _check_order([row.value.placed_at for row in stretch.rows if isinstance(row.value, Order)], self.shop.host)
            seen = {row.id for row in stretch.rows} if offset == 0 else seen | {row.id for row in stretch.rows}
            position += len(found)
            idle = 0 if found else idle + 1
            blind = blind + 1 if found and not any(isinstance(row.value, Order) for row in found) else 0
            if idle >= _STUBBORN or blind >= _MOST_BLIND:
                raise ShopBroken(f"{self.shop.host} keeps answering with the same or with no readable orders.")
            last = len(stretch.rows) < size
            yield _page(kept, position, last, self.shop.session.requests - before, warnings)
            if last:
                return
            newest = _newest(stretch.rows)
            if newest > bound:
                bound, offset = newest, 0
            else:
                # A whole page of one second, or a shop that ignores the date: go on by page.
                offset += size

    def iter_changed_orders(
        self, *, changed_since: datetime, start: int = 0, page_size: int | None = None
    ) -> Iterator[OrderPage]:
        """Orders changed since a time, newest change first, until the first that is older.

        ``lastRenewDate[after]`` goes with every page: 5.5.0 ignores it, later versions answer with less. Beyond the first page
        the last row of the page before is asked for again, so that rows that moved up are noticed."""
        since = int(changed_since.timestamp())
        query = [
            ("lastRenewDate[after]", f"@{since}"),
            ("order[lastRenewDate]", "desc"),
            ("order[date]", "desc"),
        ]
        size = min(page_size or CHANGED_PAGE, MOST_PER_PAGE)
        offset, seen, last_id, oddities = start, set[int](), 0, 0
        while True:
            before, warnings = self.shop.session.requests, []
            if offset and not self._still(query, offset - 1, last_id):
                warnings.append("The shop's orders moved during the download; Cartlink went back to miss no change.")
                oddities += 1
                offset = max(0, offset - size)
            # From a start in the middle of a page to the end of the next one: after that a page is one request again.
            asked = size if offset % size == 0 else 2 * size - offset % size
            stretch = self._stretch(query, offset, asked)
            rows = stretch.rows
            _check_order([row.value.changed_at for row in reversed(rows) if isinstance(row.value, Order)], self.shop.host)
            kept, behind, known = [], False, len(seen)
            for row in rows:
                if isinstance(row.value, Order) and row.value.changed_at.timestamp() < since:
                    behind = True
                    break
                if not row.id or row.id not in seen:
                    kept.append(row)
                    seen.add(row.id)
            oddities += len(rows) >= asked and len(seen) == known and not behind
            if oddities > _STUBBORN:
                raise ShopBroken(f"{self.shop.host} keeps changing the order of its answers.")
            offset, last_id = offset + asked, rows[-1].id if rows else 0
            last = behind or len(rows) < asked
            yield _page(kept, offset, last, self.shop.session.requests - before, warnings)
            if last:
                return

    def read_order(self, external_id: str) -> Order | None:
        raw = self.shop.one(f"/orders/{order_id(external_id)}", insist=False)
        if raw is None or is_cart(raw):
            return None
        return self._parsed(raw)

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
                return self._parsed(raw)
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

    def _still(self, query: Query, offset: int, row_id: int) -> bool:
        """Whether the row at an offset is the one it was; true where that cannot be told."""
        if not row_id:
            return True
        try:
            rows = self.shop.rows("/orders", [*query, *page_of(offset + 1, 1)], insist=False)
        except ShopBroken:
            return True
        return bool(rows) and first_number(bytes(rows[0]), "id") == str(row_id)

    def _stretch(self, query: Query, offset: int, count: int, bound: int = 0, after: int | None = None) -> Stretch:
        """A stretch of the list. Where it is sorted by time from ``bound`` up, rows at fault are named; ``after`` is the id
        of the last order before it, where that is known."""

        def page(offset: int, count: int) -> list[Row]:
            rows: list[Row] = []
            for number, size in aligned(offset, count):
                found = [_row(row) for row in self.shop.rows("/orders", [*query, *page_of(number, size)], insist=False)]
                rows += found
                if len(found) < size:
                    break
            return rows

        def survey(offset: int, count: int) -> list[str] | None:
            # Nothing plainer than the list tells ids; but where the shop answers something, the rows are worth trying.
            return [""] * count if self.shop.is_alive() else None

        def rescue(_: str, error: ChannelError, hopeless: bool) -> BadRow:
            nonlocal rescued
            rescued += 1
            if hopeless and rescued % _ALIVE_EVERY == _STUBBORN and not self.shop.is_alive():
                raise error
            return BadRow("", _FAULT)

        rescued = 0
        stretch = whole_or_pieces(page, survey, rescue, offset, count, subdivide)
        if stretch.faulty and bound:
            self._name_faulty(stretch.rows, self._last_before(bound) if after is None and not offset else after)
        return stretch

    def _last_before(self, bound: int) -> int | None:
        """The id of the last order placed before a time, 0 where there is none, None where it cannot be told."""
        query = [("date[before]", f"@{bound - 1}"), ("order[date]", "desc"), *page_of(1, 1)]
        try:
            rows = [_row(row) for row in self.shop.rows("/orders", query, insist=False)]
        except ShopBroken:
            return None
        return rows[0].id if rows else 0

    def _name_faulty(self, rows: list[Row], after: int | None) -> None:
        """Find the ids of rows at fault. Ids rise with time, so such a row's id is the next one after its neighbour's that
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

    def _parsed(self, raw: dict[str, Any]) -> Order:
        try:
            return read_order(raw)
        except ValueError as exc:
            complaint = str(exc)[:200]
        raise ShopBroken(f"The shop's order cannot be read: {complaint}")


def order_id(external_id: str) -> str:
    """An id for a path: with anything but digits the path would name something else."""
    if not external_id.isascii() or not external_id.isdigit():
        raise ShopRefused(f"The shop has no order {external_id!r}.")
    return external_id


def _row(row: msgspec.Raw) -> Row:
    found = order_row(row)
    known = found.external_id if found is not None and found.external_id else _own_id(row)
    return Row(int(known or 0), found)


def _own_id(row: msgspec.Raw) -> str:
    try:
        value = row_value(row, [])
    except ValueError:
        return ""
    known = text(value.get("id")) if isinstance(value, dict) else ""
    return known if known.isascii() and known.isdigit() else ""


def _newest(rows: Sequence[Row]) -> int:
    return max((int(row.value.placed_at.timestamp()) for row in rows if isinstance(row.value, Order)), default=0)


def _check_order(moments: list[datetime], host: str) -> None:
    if any(left > right for left, right in zip(moments, moments[1:], strict=False)):
        raise ShopTooOld(f"{host} does not sort its orders as it is asked to.")


def _page(rows: Sequence[Row], position: int, last: bool, requests: int, warnings: Sequence[str]) -> OrderPage:
    values: list[Any] = [row.value for row in rows]
    orders = tuple([each for each in values if isinstance(each, Order)])
    bad = tuple([each for each in values if isinstance(each, BadRow)])
    return OrderPage(orders, bad, position, last, requests, tuple(warnings))
