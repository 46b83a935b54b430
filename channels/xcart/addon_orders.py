"""Orders of the add-on generation.

Pages come in the complex schema, which carries everything, with an explicit order and limit. The shop ignores a condition it
does not know without a word, so every row is checked against what was asked.

One order without a customer makes a whole complex page answer 500 (X-Cart 5.4, observed). Such a page is halved down to
the order at fault, which is read in the default schema instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from channels.base import BadRow, Order, OrderPage, Surcharge
from channels.xcart.addon import ORDERS, Addon, Condition, limit, order_by
from channels.xcart.parse import is_cart, order_row, read_order, surcharges_of, trimmed
from channels.xcart.values import first_number, row_value, text
from channels.xcart.walk import Row, Stretch, ascending, whole_or_pieces
from errors import ChannelError, ShopBroken, ShopRefused, ShopTooOld

PAGE = 100
FIRST_CHANGED_PAGE = 50
"""An idle tick reads one page: a small one is kinder to the shop, and enough for what changes in a few minutes."""

_OVERLAP_CHANGED = 5
_MOST_ODDITIES = 3
_MOST_DETAILS = 30
"""Lines of one order whose product and options are read one by one, where the complex schema fails."""


class AddonOrders:
    def __init__(self, shop: Addon):
        self.shop = shop

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
            yield _page(kept, step.position, step.last, self.shop.session.requests - before, warnings)
            before = self.shop.session.requests

    def iter_changed_orders(
        self, *, changed_since: datetime, start: int = 0, page_size: int | None = None
    ) -> Iterator[OrderPage]:
        """Orders changed since a time, newest change first, until the first that is older.

        ``updateDate`` goes with every page: a shop that knows it answers with less, the others ignore it. An order that
        changes during the reading moves to the front, past the reader: the next reading finds it there."""
        since = int(changed_since.timestamp())
        conditions: list[Condition] = [
            ("updateDate][0", since),
            ("updateDate][1", 0),
            ("orderBy][0][0", "o.lastRenewDate"),
            ("orderBy][0][1", "o.order_id"),
            ("orderBy][1][0", "desc"),
            ("orderBy][1][1", "desc"),
        ]
        size, position, seen, oddities = page_size or FIRST_CHANGED_PAGE, start, set[int](), 0
        first = start
        while True:
            before, warnings = self.shop.session.requests, []
            # Only rows that were read can be known again: of a small page in the middle of the list there are few.
            overlap = min(_OVERLAP_CHANGED, position - first)
            offset, asked = position - overlap, size + overlap
            stretch = self._stretch(conditions, offset, asked)
            if overlap and (not stretch.rows or stretch.rows[0].id not in seen):
                warnings.append("The shop's orders moved during the download; Cartlink went back to miss no change.")
                oddities += 1
                offset, asked = max(0, offset - size), size
                first = min(first, offset)
                stretch = self._stretch(conditions, offset, asked)
            if oddities > _MOST_ODDITIES:
                raise ShopBroken(f"{self.shop.host} keeps changing the order of its answers.")
            if not _newest_first(stretch.rows):
                raise ShopTooOld(f"{self.shop.host} does not sort its orders by their last change.")
            kept, behind, known = [], False, len(seen)
            for row in stretch.rows:
                if isinstance(row.value, Order) and row.value.changed_at.timestamp() < since:
                    behind = True
                    break
                if not row.id or row.id not in seen:
                    kept.append(row.value)
                    seen.add(row.id)
            if stretch.rows and len(seen) == known and not behind and len(stretch.rows) >= asked:
                oddities += 1
            position = offset + len(stretch.rows)
            last = behind or stretch.surplus or len(stretch.rows) < asked
            yield _page(kept, position, last, self.shop.session.requests - before, warnings)
            if last:
                return
            size = page_size or PAGE

    def read_order(self, external_id: str) -> Order | None:
        """One order. Raises ShopBroken where the shop cannot give it in either schema."""
        try:
            raw = self.shop.one(f"{ORDERS}/{_id(external_id)}", schema="complex", insist=False)
        except ShopBroken as exc:
            error = exc
        else:
            return self._checked(raw)
        found = self._rescued(external_id, error, False)
        if isinstance(found, BadRow):
            raise ShopBroken(found.reason)
        return found

    def find_order(self, number: str) -> Order | None:
        """One order by the merchant's number, compared to the letter: the shop's own search may be wider."""
        for row in self.shop.rows(ORDERS, [("orderNumber", number), *order_by("o.order_id"), *limit(0, 10)]):
            try:
                plain = row_value(row, [])
            except ValueError:
                continue
            if isinstance(plain, dict) and text(plain.get("orderNumber")) == number:
                return self.read_order(text(plain.get("order_id")))
        return None

    def read_surcharges(self, external_id: str) -> tuple[Surcharge, ...]:
        raw = self.shop.one(f"{ORDERS}/{_id(external_id)}")
        if raw is None:
            raise ShopRefused(f"The shop has no order {external_id} any more.")
        try:
            return surcharges_of(raw)
        except ValueError as exc:
            complaint = str(exc)[:200]
        raise ShopBroken(f"The money of order {external_id} cannot be read: {complaint}")

    def _checked(self, raw: dict[str, Any] | None) -> Order | None:
        if raw is None or is_cart(raw):
            return None
        try:
            return read_order(raw)
        except ValueError as exc:
            complaint = str(exc)[:200]
        raise ShopBroken(f"The shop's order cannot be read: {complaint}")

    def _stretch(self, conditions: Sequence[Condition], offset: int, count: int) -> Stretch:
        def page(offset: int, count: int) -> list[Row]:
            rows = self.shop.rows(ORDERS, [*conditions, *limit(offset, count)], schema="complex", insist=False)
            return [_row(row) for row in rows]

        def survey(offset: int, count: int) -> list[str]:
            # The default schema works where single orders are at fault, and fails where the shop is.
            rows = self.shop.rows(ORDERS, [*conditions, *limit(offset, count)], insist=False)
            return [first_number(bytes(row), "order_id") for row in rows]

        return whole_or_pieces(page, survey, self._rescued, offset, count)

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
            return BadRow(external_id, "The shop fails with an error of its own whenever this order is asked for.")
        if raw is None or is_cart(raw):
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
        rows = raw.get("items")
        rows = rows if isinstance(rows, list) else ()
        items = [item for item in rows if isinstance(item, dict) and text(item.get("item_id")).isdigit()]
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
                for each in (values if isinstance(values, list) else ())
                if isinstance(each, dict)
            ]


def _row(row: msgspec.Raw) -> Row:
    found = order_row(row)
    if found is not None and found.external_id:
        return Row(int(found.external_id), found)
    return Row(int(first_number(bytes(row), "orderId") or 0), found)


def _placed_before(row: Row, since: int) -> bool:
    return isinstance(row.value, Order) and row.value.placed_at.timestamp() < since


def _newest_first(rows: Sequence[Row]) -> bool:
    """Whether the rows that tell their change tell it in falling order."""
    moments = [row.value.changed_at for row in rows if isinstance(row.value, Order) and row.value.raw.get("updateDate")]
    return all(left >= right for left, right in zip(moments, moments[1:], strict=False))


def _page(found: Sequence[Any], position: int, last: bool, requests: int, warnings: Sequence[str]) -> OrderPage:
    orders = tuple([each for each in found if isinstance(each, Order)])
    bad = tuple([each for each in found if isinstance(each, BadRow)])
    return OrderPage(orders, bad, position, last, requests, tuple(warnings))


def _id(external_id: str) -> str:
    """A row's id for a path: with anything but digits the path would name something else."""
    if not external_id.isascii() or not external_id.isdigit():
        raise ShopRefused(f"The shop has no order {external_id!r}.")
    return external_id
