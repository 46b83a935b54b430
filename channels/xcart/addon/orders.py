"""Orders of the add-on generation.

Pages come in the complex schema, which carries everything, with an explicit order and limit. The shop ignores a condition it
does not know and does not say so. Every row is therefore checked against what was asked.

One order without a customer makes a whole complex page answer 500 (X-Cart 5.4, observed). Such a page is halved down to
the faulty order, which is read in the default schema instead. Where all of a shop's orders make it fail, that is remembered, and for
a day they are read so from the beginning.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from channels.base import NO_TIME, BadRow, Order, OrderPage, Outline, Surcharge
from channels.newest import Newest
from channels.xcart.addon.client import ORDERS, Addon, Condition, limit, order_by
from channels.xcart.change_memory import Memory, readable_part
from channels.xcart.changes import ChangesQuery, Source, read_changes
from channels.xcart.order_answers import order_id, order_page, single_order
from channels.xcart.paging import Row, Stretch, ascending, read_in_pieces
from channels.xcart.parsing.newest import newest_of
from channels.xcart.parsing.orders import is_cart, is_order, order_row, read_order, surcharges_of, trimmed
from channels.xcart.parsing.values import listed, own_id, row_value, text
from errors import ChannelError, ShopBroken, ShopRefused

PAGE = 100
_OVERLAP_CHANGED = 5
_MOST_DETAILS = 30
"""Lines of one order whose product and options are read one by one, where the complex schema fails."""
_PLAIN_FOR = 86_400
"""Seconds for which orders are read one by one, before the complex schema is tried again."""
_PLAIN_PAGE, _PLAIN_FIRST = 10, 2
"""Rows of a page of changes, and of a first look at them, where each row is a request and more."""


NEWEST_CHANGE_FIRST: tuple[Condition, ...] = (
    ("orderBy][0][0", "o.lastRenewDate"), ("orderBy][0][1", "o.order_id"), ("orderBy][1][0", "desc"), ("orderBy][1][1", "desc"),
)  # fmt: skip


class AddonOrders:
    def __init__(self, shop: Addon):
        self.shop = shop
        self.plain_until = 0

    def iter_orders(self, *, placed_since: datetime, start: int = 0, page_size: int | None = None) -> Iterator[OrderPage]:
        """Placed orders since a time, by ascending id."""
        since = int(placed_since.timestamp())
        conditions = [("date][0", since), *order_by("o.order_id")]
        before = self.shop.session.requests
        for step in ascending(
            lambda offset, count: self._stretch(conditions, offset, count),
            start=start,
            size=page_size or PAGE,
            rows="orders",
            host=self.shop.host,
        ):
            warnings = step.warnings
            kept = [row.value for row in step.rows if not _placed_before(row, since)]
            if len(kept) < len(step.rows):
                warnings.append("The shop ignored the start date; older orders were left out.")
            yield order_page(kept, step.position, step.last, self.shop.session.requests - before, warnings)
            before = self.shop.session.requests

    def iter_changed_orders(self, asked: ChangesQuery) -> Iterator[OrderPage]:
        """Orders changed since a time, newest change first, until the first that is older.

        ``updateDate`` goes with every page: a shop that knows it answers with less, the others ignore it. An order that
        changes during the reading moves to the front, past the reader: the next reading finds it there."""
        conditions: list[Condition] = [
            ("updateDate][0", asked.since),
            ("updateDate][1", 0),
            *NEWEST_CHANGE_FIRST,
        ]

        def plan(end: int, size: int, known: int, _: int) -> tuple[int, int]:
            overlap = min(_OVERLAP_CHANGED, known)
            return end - overlap, size + overlap

        def single(offset: int) -> Row | None:
            if self.plain_until:
                return next(iter(self._stretch(conditions, offset, 1).rows), None)
            rows = self.shop.rows(ORDERS, [*conditions, *limit(offset, 1)], schema="complex", insist=False)
            return _row(rows[0]) if rows else None

        source = Source(
            self.shop.host,
            lambda offset, count: self._stretch(conditions, offset, count),
            single,
            plan,
            lambda number, taken: [],
            lambda: self.shop.session.requests,
            lambda: self.shop.session.clock_offset,
            self.shop.statuses_or_raise,
            lambda: self.plain_until,
        )
        size, kept = asked.page_size or PAGE, Memory.unpacked(asked.memory)
        if kept is not None and time.time() < kept.plain_until <= time.time() + _PLAIN_FOR:
            self.plain_until, size = kept.plain_until, min(size, _PLAIN_PAGE)
            first = None if asked.first_size is None else min(asked.first_size, _PLAIN_FIRST)
            asked = replace(asked, memory=kept.all_printable().packed(), first_size=first)
        return read_changes(source, asked, size)

    def newest_changes(self, count: int, memory: bytes) -> Newest:
        """In the default schema, which took a third of the complex one's time and prints every order (X-Cart 5.4, observed)."""
        return newest_of(self.shop.rows(ORDERS, [*NEWEST_CHANGE_FIRST, *limit(0, count)], insist=False))

    def newest_rows(self, size: int, memory: bytes) -> tuple[int, list[msgspec.Raw], bool]:
        """The rows of a page that leaves out what is known to be unreadable, where it begins, and whether nothing follows it."""
        offset, count = readable_part(memory, size)
        rows = self.shop.rows(ORDERS, [*NEWEST_CHANGE_FIRST, *limit(offset, count)], schema="complex", insist=False)
        return offset, rows, len(rows) < count

    def read_outline(self, external_id: str) -> Outline:
        """The add-on has no other path to such an order than those that ``read_order`` tries. Raises ShopBroken if the shop is down."""
        if not self.shop.is_alive():
            raise ShopBroken(f"{self.shop.host} answers everything with an error.")
        return Outline()

    def read_order(self, external_id: str) -> Order | None:
        """One order. Raises ShopBroken if the shop cannot give it in either schema."""
        try:
            raw = self.shop.one(f"{ORDERS}/{order_id(external_id)}", schema="complex", insist=False)
        except ShopBroken as exc:
            error = exc
        else:
            return single_order(raw, external_id, self.shop.host)
        found = self._rescued(external_id, error, False)
        if isinstance(found, BadRow):
            raise ShopBroken(found.reason)
        return found

    def find_order(self, number: str) -> Order | None:
        """One order by the merchant's number, compared exactly: the shop's own search may find more."""
        for row in self.shop.rows(ORDERS, [("orderNumber", number), *order_by("o.order_id"), *limit(0, 10)]):
            try:
                plain = row_value(row, [])
            except ValueError:
                continue
            if isinstance(plain, dict) and text(plain.get("orderNumber")) == number:
                return self.read_order(text(plain.get("order_id")))
        return None

    def read_surcharges(self, external_id: str) -> tuple[Surcharge, ...]:
        raw = self.shop.one(f"{ORDERS}/{order_id(external_id)}")
        if raw is None:
            raise ShopRefused(f"The shop has no order {external_id} any more.")
        try:
            return surcharges_of(raw)
        except ValueError as exc:
            complaint = str(exc)[:200]
        raise ShopBroken(f"The money of order {external_id} cannot be read: {complaint}")

    def _stretch(self, conditions: Sequence[Condition], offset: int, count: int) -> Stretch:
        def page(offset: int, count: int) -> list[Row]:
            rows = self.shop.rows(ORDERS, [*conditions, *limit(offset, count)], schema="complex", insist=False)
            return [_row(row) for row in rows]

        def ids_of(offset: int, count: int) -> list[str]:
            # The default schema works where single orders are faulty, and fails where the shop is.
            rows = self.shop.rows(ORDERS, [*conditions, *limit(offset, count)], insist=False)
            return [own_id(bytes(row), "order_id") for row in rows]

        if self.plain_until:
            error = ShopBroken(f"{self.shop.host} answers everything with an error.")
            plainly = count > 2 * _PLAIN_PAGE
            rows = [Row(int(each or 0), self._rescued(each, error, plainly)) for each in ids_of(offset, count)]
            return Stretch(rows, surplus=len(rows) > count)
        stretch = read_in_pieces(page, ids_of, self._rescued, offset, count)
        if stretch.hopeless and self._fails_for_all():
            self.plain_until = int(time.time()) + _PLAIN_FOR
        return stretch

    def _fails_for_all(self) -> bool:
        """Whether the complex schema fails for the oldest order too: some of the newest may be faulty."""
        try:
            self.shop.rows(ORDERS, [*order_by("o.order_id"), *limit(0, 1)], schema="complex", insist=False)
        except ShopBroken:
            return True
        return False

    def _rescued(self, external_id: str, error: ChannelError, plainly: bool) -> Order | BadRow | None:
        """The order which the complex schema cannot give, as complete as the default schema gives it; ``plainly`` without
        asking for each line. Raises ``error`` where the shop answers nothing else either."""
        if not external_id:
            return BadRow("", "The shop lists an order without an id.")
        try:
            raw = self.shop.one(f"{ORDERS}/{external_id}", insist=False)
        except ShopBroken:
            raw = None
            if not self.shop.is_alive():
                raise error from None
            return BadRow(external_id, "The shop answers with an error whenever Cartlink asks for this order.")
        if raw is None:
            return None
        if not is_order(raw, external_id):
            return BadRow(external_id, f"{self.shop.host} did not answer with order {external_id}.")
        if is_cart(raw):
            return None
        trimmed(raw)
        if not plainly:
            self._add_details(raw)
        try:
            return read_order(raw)
        except ValueError as exc:
            return BadRow(external_id, f"The order cannot be read: {str(exc)[:200]}", raw)

    def _add_details(self, raw: dict[str, Any]) -> None:
        """Put product, variant and chosen options beside each item: the default schema gives them only one by one."""
        items = [item for item in listed(raw.get("items")) if isinstance(item, dict) and text(item.get("item_id")).isdigit()]
        for item in items[:_MOST_DETAILS]:
            try:
                detail = self.shop.one(f"orderitem/{text(item['item_id'])}", insist=False) or {}
            except ShopBroken:
                continue
            product, variant, values = detail.get("object"), detail.get("variant"), detail.get("attributeValues")
            item["object"] = {"product_id": product.get("product_id")} if isinstance(product, dict) else None
            item["variant"] = {"id": variant.get("id")} if isinstance(variant, dict) else None
            item["attributeValues"] = [
                {"name": text(each.get("name")), "value": text(each.get("value"))}
                for each in listed(values)
                if isinstance(each, dict)
            ]


def _row(row: msgspec.Raw) -> Row:
    found = order_row(row)
    known = found.external_id if found is not None else own_id(bytes(row), "orderId")
    return Row(int(known or 0), found)


def _placed_before(row: Row, since: int) -> bool:
    order = row.value
    return isinstance(order, Order) and order.placed_at.timestamp() < since and NO_TIME not in order.problems
