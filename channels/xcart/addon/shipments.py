"""Statuses of the add-on generation, and marking an order shipped.

Two dangers (X-Cart 5.4, observed). A status code or name the shop does not know renames the order's present
status for the whole shop: so only an id out of the shop's own list is sent, and nothing beside it. Tracking numbers are added
again at each repeat: so what is there is read first, and what became of a write without an answer is looked up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from channels.base import Order, Outline, Status
from channels.results import ShipmentResult
from channels.xcart.addon.client import ORDERS, PAYMENT_STATUSES, SHIPPING_STATUSES, Addon
from channels.xcart.order_answers import order_id
from channels.xcart.parsing.lenient import read_as
from channels.xcart.parsing.orders import DefaultOrder, stored_order
from channels.xcart.stages import refuse_to_ship
from channels.xcart.statuses import CALLED_OFF, chosen, status_name, stays
from errors import ChannelError, ItemGone, NotTaken, ShopBroken

_MOST_NAMES = 40
_NAMES_SECONDS = 30.0


class _StatusRow(msgspec.Struct):
    id: int
    code: str | None = None
    position: int | None = None


class AddonShipments:
    def __init__(self, shop: Addon):
        self.shop = shop
        self._shipping: list[Status] | None = None
        self.learned: dict[str, str] = {}

    def statuses(self) -> list[Status]:
        """All statuses in the shop's order. The lists have no names: each costs one more request, so that a slow shop is asked for
        names for a limited time only; the rest go by their codes' usual names."""
        found = []
        until = time.monotonic() + _NAMES_SECONDS
        for kind, path in (("payment", PAYMENT_STATUSES), ("shipping", SHIPPING_STATUSES)):
            for place, status in enumerate(self._list(kind, path)):
                name = self._name(path, status.external_id) if place < _MOST_NAMES and time.monotonic() < until else ""
                found.append(Status(kind, status.external_id, status.code, name or status.name))
        return found

    def put_shipment(
        self, external_id: str, *, status: str, tracking_numbers: Sequence[str] = (), cancelling: bool = False,
        same_order: Callable[[Order | Outline], None] = lambda shown: None,
    ) -> ShipmentResult:  # fmt: skip
        """Mark an order shipped, in one request with the tracking numbers that are not there yet, which the shop's mail then
        prints. ``status`` is a code or an id of the shop's shipping statuses. Raises as channels.base.Channel says."""
        if self._shipping is None:
            self._shipping = self._list("shipping", SHIPPING_STATUSES)
        target = chosen(self._shipping, status)
        raw = self._raw(external_id)
        before = self._read(external_id, raw)
        same_order(stored_order(raw, None))
        present = self._present(before)
        kept = stays(present, target)
        missing = [number for number in _clean(tracking_numbers) if number not in before.tracking]
        called_off = bool(kept) and present is not None and present.code.upper() == CALLED_OFF
        if kept and not missing and not called_off:
            return ShipmentResult(False, _shown(present), before.tracking, kept)
        if not cancelling:
            refuse_to_ship((before.paymentStatus and before.paymentStatus.code) or "")
        if called_off:
            return ShipmentResult(False, _shown(present), before.tracking, kept)
        change: dict[str, Any] = {}
        if missing:
            change["trackingNumbers"] = [{"value": number} for number in missing]
        if not kept:
            change["shippingStatus"] = {"id": int(target.external_id)}
        after = self._changed(external_id, change, None if kept else target, missing)
        note = f"{kept} Only the tracking number was added." if kept else ""
        return ShipmentResult(True, _shown(self._present(after)), after.tracking, note)

    def _changed(self, external_id: str, change: dict[str, Any], target: Status | None, numbers: Sequence[str]) -> DefaultOrder:
        """Send the change, and make sure by the shop's own words that it was made."""
        try:
            answer = self.shop.put(f"{ORDERS}/{external_id}", change)
        except ChannelError as exc:
            if not exc.retryable:
                raise
            # It may have been saved before something failed, a mail for one: the order itself knows.
            error = exc
        else:
            # A status that the shop does not know it answers with the id sent and the old code: with a merchant's own status,
            # which has no code, only the order itself tells (X-Cart 5.4, observed).
            after = self._read(external_id, answer) if target is None or target.code else self._order(external_id)
            complaint = self._undone(after, target, numbers)
            if complaint:
                raise NotTaken(complaint)
            return after
        after = self._order(external_id)
        if self._undone(after, target, numbers):
            raise error
        return after

    def _undone(self, order: DefaultOrder, target: Status | None, numbers: Sequence[str]) -> str:
        """What of a change is not to be seen in the order; empty if all of it is."""
        shown = order.shippingStatus
        if target is not None and (shown is None or str(shown.id) != target.external_id or (shown.code or "") != target.code):
            return f"The shop left the order at the status {(shown.code if shown else '') or 'it had'}."
        lost = [number for number in numbers if number not in order.tracking]
        return f"The shop did not keep the tracking number {lost[0]}." if lost else ""

    def _order(self, external_id: str) -> DefaultOrder:
        return self._read(external_id, self._raw(external_id))

    def _raw(self, external_id: str) -> Any:
        return self.shop.one(f"{ORDERS}/{order_id(external_id)}")

    def _read(self, external_id: str, raw: Any) -> DefaultOrder:
        if raw is None:
            raise ItemGone(f"The shop has no order {external_id} any more.", "The next download of orders asks for it again.")
        try:
            order = read_as(DefaultOrder, raw, []) if isinstance(raw, dict) else None
        except ValueError:
            order = None
        if order is None or str(order.order_id) != external_id:
            raise ShopBroken(f"{self.shop.host} did not answer with order {external_id}.")
        return order

    def _present(self, order: DefaultOrder) -> Status | None:
        """The order's shipping status, by the shop's list where it is there."""
        shown = order.shippingStatus
        if shown is None or shown.id is None:
            return None
        known = {status.external_id: status for status in self._shipping or ()}
        code = shown.code or ""
        return known.get(str(shown.id)) or Status("shipping", str(shown.id), code, status_name("shipping", code, str(shown.id)))

    def _list(self, kind: str, path: str) -> list[Status]:
        rows: list[_StatusRow] = []
        for row in self.shop.rows(path):
            try:
                rows.append(msgspec.json.decode(row, type=_StatusRow, strict=False))
            except (msgspec.MsgspecError, UnicodeError):
                continue
        if not rows:
            raise ShopBroken(f"{self.shop.host} lists no statuses, which every X-Cart shop has.", status_code=200)
        rows.sort(key=lambda row: (row.position or 0, row.id))
        return [Status(kind, str(row.id), row.code or "", status_name(kind, row.code or "", str(row.id))) for row in rows]

    def _name(self, path: str, row: str) -> str:
        """A status's own name: in English where the shop has that, else in its first language."""
        try:
            single = self.shop.one(f"{path}/{row}", insist=False) or {}
        except ShopBroken:
            return ""
        words = single.get("translations")
        named = {
            str(each.get("code")): each["name"]
            for each in (words if isinstance(words, list) else ())
            if isinstance(each, dict) and isinstance(each.get("name"), str) and each["name"]
        }
        return named.get("en") or next(iter(named.values()), "")


def _clean(numbers: Sequence[str]) -> list[str]:
    """Tracking numbers without blanks around them, none twice."""
    return list(dict.fromkeys(number.strip() for number in numbers if number.strip()))


def _shown(status: Status | None) -> str:
    """A status as orders show it: its code, empty for a merchant's own."""
    return status.code if status is not None else ""
