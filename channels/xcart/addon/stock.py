"""Quantities to an add-on shop: bulk writes of 100 rows, each answer compared with what was sent.

The shop drops rows with an unknown id without a word, and answers 200 to much that it does not do; only the quantity in its
answer counts (X-Cart 5.4, observed). A write that got no clear answer is looked up before anything is decided. Where the shop's
host blocks PUT, POST with ``_method=put`` is tried with care (channels/xcart/addon/put_by_post.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from channels.results import StockChange, StockResult
from channels.xcart.addon.client import PRODUCTS, VARIANTS, Addon
from channels.xcart.addon.listings import AddonListings, split_id
from channels.xcart.addon.put_by_post import KEYS, PutByPost
from channels.xcart.parsing.values import keyed_rows
from channels.xcart.stock import LOOKED_UP, compared, not_done, nothing_arrived, refusal, refused, settled, takes_products
from errors import ChannelError, InvalidInput, MethodBlocked, RowRefused, ShopDatabase, ShopUnreachable

BULK = 100
_MOST_FAILURES = 9
"""Writes in a row that got no clear answer and stored nothing: after these the rest is not sent. One bad row may cost eight
on the way from a hundred rows down to it; writes that get no answer at all weigh more, because each takes minutes."""

_SILENCE = 4

_PATHS = {"product": PRODUCTS, "variant": VARIANTS}

Rows = dict[int, StockChange]


class AddonStock:
    def __init__(self, shop: Addon, listings: AddonListings, post: PutByPost):
        self.shop = shop
        self.listings = listings
        self.post = post

    def put_stock(self, changes: Sequence[StockChange]) -> list[StockResult]:
        """Set quantities. Of two changes of one listing the later counts. Raises where no row was stored or refused and
        the reason is not in the rows (the shop's key, its address, an outage)."""
        results: dict[str, StockResult] = {}
        wanted: dict[str, Rows] = {"product": {}, "variant": {}}
        for change in changes:
            reason = refusal(change.quantity)
            try:
                kind, row = split_id(change.external_id)
            except InvalidInput as exc:
                results[change.external_id] = refused(change.external_id, exc.message)
                continue
            wanted[kind].pop(row, None)
            results.pop(change.external_id, None)
            if reason:
                results[change.external_id] = refused(change.external_id, reason)
            else:
                wanted[kind][row] = change
        push = _Push(self.shop, self.listings, self.post, results)
        for kind, rows in wanted.items():
            numbers = list(rows)
            for start in range(0, len(numbers), BULK):
                push.send(kind, {row: rows[row] for row in numbers[start : start + BULK]})
        return settled(changes, results, push.stopped)


class _Push:
    """One call of ``put_stock`` under way. ``stopped`` is the error because of which nothing more is sent."""

    def __init__(self, shop: Addon, listings: AddonListings, post: PutByPost, results: dict[str, StockResult]):
        self.shop = shop
        self.listings = listings
        self.post = post
        self.results = results
        self.failures = 0
        self.stopped: ChannelError | None = None

    def send(self, kind: str, rows: Rows, *, refused_before: bool = False) -> None:
        """Send some rows of one kind and note what became of each."""
        if self.stopped is not None:
            self._leave(rows, self.stopped)
            return
        if self.post.proven and len(rows) > 1:
            for row, change in rows.items():
                self.send(kind, {row: change}, refused_before=refused_before)
            return
        try:
            answer = self._write(_PATHS[kind], rows)
        except RowRefused as exc:
            self._refused(kind, rows, exc, refused_before)
        except MethodBlocked as exc:
            self._blocked(kind, rows, exc)
        except (*LOOKED_UP, ShopDatabase) as exc:
            self._unclear(kind, rows, exc)
        except ChannelError as exc:
            self._stop(rows, exc)
        else:
            self._compare(rows, answer)

    def _write(self, entity: str, rows: Rows) -> dict[int, dict[str, Any]]:
        """The shop's answer by row."""
        if self.post.proven:
            [(row, change)] = rows.items()
            return {row: self.post.put(entity, row, change.quantity)}
        key = KEYS[entity]
        model = [{key: row, "amount": change.quantity} for row, change in rows.items()]
        return keyed_rows(self.shop.put(entity, {"model": model}), key)

    def _refused(self, kind: str, rows: Rows, exc: RowRefused, refused_before: bool) -> None:
        """A refusal takes the whole request with it, and nothing was saved (X-Cart 5.4, observed): halve down to the row at
        fault. Only a refusal that is repeated when the row is sent alone is the row's."""
        if len(rows) == 1 and refused_before:
            (change,) = rows.values()
            self._note(refused(change.external_id, exc.message))
            return
        for part in _halves(rows):
            self.send(kind, part, refused_before=True)

    def _blocked(self, kind: str, rows: Rows, exc: MethodBlocked) -> None:
        """The host blocks PUT: try one row as POST with ``_method=put``, and go on like that once it has worked."""
        if kind != "product" or not self.post.may_be_tried:
            self._stop(rows, exc)
            return
        row, change = next(iter(rows.items()))
        trouble = self.post.prove(row, change, exc)
        if trouble is not None:
            self._stop(rows, trouble)
            return
        self._note(compared(change, change.quantity))
        left = {each: rows[each] for each in rows if each != row}
        if left:
            self.send(kind, left)

    def _unclear(self, kind: str, rows: Rows, exc: ChannelError) -> None:
        """No answer, or an error of the shop's own: what is stored decides, and only what is not stored is sent again."""
        try:
            present = self.listings.read_quantities([change.external_id for change in rows.values()])
        except ChannelError as second:
            self._stop(rows, exc if second.retryable else second)
            return
        missing: Rows = {}
        for row, change in rows.items():
            if present.get(change.external_id) == change.quantity:
                self._note(compared(change, change.quantity))
            else:
                missing[row] = change
        if not missing:
            return
        weight = _SILENCE if isinstance(exc, ShopUnreachable) else 1
        self.failures = self.failures + weight if len(missing) == len(rows) else 0
        if self.failures >= _MOST_FAILURES:
            self._stop(missing, exc)
        elif len(rows) == 1:
            self._leave(missing, exc)
        else:
            for half in _halves(missing):
                self.send(kind, half)

    def _compare(self, rows: Rows, answer: dict[int, dict[str, Any]]) -> None:
        found = []
        for row, change in rows.items():
            stored = answer.get(row, {})
            result = compared(change, _whole(stored.get("amount")))
            if result.ok and stored.get("defaultAmount") is True:
                result = takes_products(change.external_id, result.stored)
            found.append(result)
        trouble = nothing_arrived(self.shop.host, found)
        if trouble is not None and not any(result.ok for result in self.results.values()):
            self._stop(rows, trouble)
            return
        self.failures = 0
        for result in found:
            self._note(result)
        self.post.put_works(any(result.ok for result in found))

    def _stop(self, rows: Rows, exc: ChannelError) -> None:
        """Send nothing more: the next rows would meet the same error."""
        self.stopped = exc
        self._leave(rows, exc)

    def _leave(self, rows: Rows, exc: ChannelError) -> None:
        for change in rows.values():
            self._note(not_done(change.external_id, exc))

    def _note(self, result: StockResult) -> None:
        self.results[result.external_id] = result


def _whole(value: Any) -> int | None:
    """A quantity of the shop's; it prints numbers as strings now and then."""
    try:
        return msgspec.convert(value, int, strict=False)
    except msgspec.ValidationError:
        return None


def _halves(rows: Rows) -> list[Rows]:
    items = list(rows.items())
    middle = (len(items) + 1) // 2
    return [dict(items[:middle]), dict(items[middle:])] if len(items) > 1 else [rows]
