"""Statuses of the api generation, and marking an order shipped.

The shop lists its statuses nowhere: the built-in ones are known, others show up in orders. It refuses unknown codes. A status
without a code must never be set: it makes every page with that order fail for good (5.5.0.29, observed). Tracking numbers
can be read but not added in 5.5.0; a later shop's description of itself tells whether it has a way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from channels.base import Order, Outline, Status
from channels.results import ShipmentResult
from channels.xcart.api.client import MOST_PER_PAGE, Api, page_of
from channels.xcart.order_answers import order_id
from channels.xcart.parsing.api_orders import ApiOrder
from channels.xcart.parsing.lenient import read_as
from channels.xcart.parsing.orders import stored_order
from channels.xcart.parsing.values import row_value
from channels.xcart.stages import refuse_to_ship
from channels.xcart.statuses import CALLED_OFF, NAMES, chosen, status_name, stays
from errors import ChannelError, ItemGone, NotTaken, ShopBroken, ShopRefused

_TRACKING_PATH = re.compile(r"(?:/api)?(/orders/\{\w+\}/tracking[\w-]*)")
BY_HAND = "This shop takes no tracking numbers over its API: enter {numbers} in the shop by hand."

TRACKING_PATH = "tracking_path"
"""Among what is learned about a shop: its path that takes tracking numbers, empty if it has none. Its description of
itself is 350 kB (5.5.0.29, observed): too much to read in every run."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """``payment`` is a code, empty for a merchant's own; ``raw`` is None for an order that the shop cannot print, which has an
    outline."""

    shipping: Status | None
    tracking: tuple[str, ...]
    payment: str
    raw: dict[str, Any] | None
    outline: Outline = field(default_factory=Outline)


class ApiShipments:
    def __init__(self, shop: Api, read_outline: Callable[[str], Outline]):
        self.shop = shop
        self.read_outline = read_outline
        self._known: list[Status] | None = None
        self.learned: dict[str, str] = {}

    def statuses(self) -> list[Status]:
        """The built-in statuses, and those of the newest orders. A status that no order shows goes by its code."""
        found = {(kind, code): Status(kind, code, code, name) for kind, names in NAMES.items() for code, name in names.items()}
        for raw in self._newest():
            for kind in NAMES:
                shown = raw.get(f"{kind}_status")
                if isinstance(shown, dict) and isinstance(shown.get("code"), str) and isinstance(shown.get("id"), int):
                    code, name = shown["code"], shown.get("name")
                    named = name if isinstance(name, str) and name else status_name(kind, code, str(shown["id"]))
                    found[kind, code] = Status(kind, str(shown["id"]), code, named)
        self._known = list(found.values())
        return self._known

    def put_shipment(
        self, external_id: str, *, status: str, tracking_numbers: Sequence[str] = (), cancelling: bool = False,
        same_order: Callable[[Order | Outline], None] = lambda shown: None,
    ) -> ShipmentResult:  # fmt: skip
        """Mark an order shipped: tracking numbers first, where this shop takes any, because the shop's mail prints them.
        Raises as channels.base.Channel says."""
        target = self._target(status)
        numbers = list(dict.fromkeys(number.strip() for number in tracking_numbers if number.strip()))
        if numbers:
            # Before the order is read: nothing slow may lie between that read and the write.
            self._learn_tracking_path()
        shown = self._shown(external_id)
        same_order(stored_order(shown.raw, None) if shown.raw is not None else shown.outline)
        before, tracking = shown.shipping, shown.tracking
        kept = stays(before, target)
        missing = [number for number in numbers if number not in tracking]
        called_off = bool(kept) and before is not None and before.code.upper() == CALLED_OFF
        if not cancelling and (not kept or missing or called_off):
            refuse_to_ship(shown.payment)
        if called_off:
            return ShipmentResult(False, before.code if before is not None else "", tracking, kept)
        added: list[str] = []
        if missing and self.learned[TRACKING_PATH]:
            after = self._add_tracking(external_id, missing)
            added = [number for number in missing if number in after.tracking]
            if not cancelling and not kept:
                refuse_to_ship(after.payment)
        left = [number for number in missing if number not in added]
        notes = [kept] if kept else []
        if left:
            notes.append(BY_HAND.format(numbers=", ".join(left)))
        if kept:
            code = before.code if before is not None else ""
            return ShipmentResult(bool(added), code, (*tracking, *added), " ".join(notes), tuple(left))
        self._set(external_id, target)
        return ShipmentResult(True, target.code, (*tracking, *added), " ".join(notes), tuple(left))

    def _target(self, wanted: str) -> Status:
        """The status a setting names. Built-in codes need no look at the shop's orders."""
        built_in = [Status("shipping", code, code, name) for code, name in NAMES["shipping"].items()]
        try:
            target = chosen(built_in, wanted)
        except ShopRefused:
            target = chosen(self._known or self.statuses(), wanted)
        return target

    def _shown(self, external_id: str) -> _Shown:
        """An order as the shop shows it. For one that it cannot print, the two statuses alone: their own paths answer (5.5.0.29,
        observed)."""
        path = f"/orders/{order_id(external_id)}"
        try:
            raw = self.shop.one(path, insist=False)
        except ShopBroken:
            # The statuses last: they have to be fresh.
            outline = self.read_outline(external_id)
            shipping, paid = (self.shop.one(f"{path}/{kind}_status") or {} for kind in ("shipping", "payment"))
            code = paid.get("code")
            return _Shown(self._status(shipping), (), code if isinstance(code, str) else "", None, outline)
        if raw is None:
            raise ItemGone(f"The shop has no order {external_id} any more.", "The next download of orders asks for it again.")
        try:
            order = read_as(ApiOrder, raw, [])
        except ValueError:
            order = None
        if order is None or str(order.id) != external_id:
            raise ShopBroken(f"{self.shop.host} did not answer with order {external_id}.")
        payment = (order.payment_status and order.payment_status.code) or ""
        shown = order.shipping_status
        if shown is None or shown.code is None:
            return _Shown(None, order.tracking, payment, raw)
        name = shown.name or status_name("shipping", shown.code, str(shown.id))
        return _Shown(Status("shipping", str(shown.id or ""), shown.code, name), order.tracking, payment, raw)

    def _status(self, shown: dict[str, Any]) -> Status | None:
        code, row = shown.get("code"), str(shown.get("id") or "")
        if not isinstance(code, str) or not code:
            return None
        name = shown.get("name")
        return Status("shipping", row, code, name if isinstance(name, str) and name else status_name("shipping", code, row))

    def _set(self, external_id: str, target: Status) -> None:
        """Set the status and make sure by the shop's own words that it is set."""
        path = f"/orders/{external_id}/shipping_status"
        try:
            answer = self._status(self.shop.put(path, {"code": target.code}))
        except ChannelError as exc:
            if not exc.retryable:
                raise
            error = exc
        else:
            if answer is not None and answer.code.upper() == target.code.upper():
                return
            error = NotTaken(f"The shop left the order at the status {answer.code if answer else 'it had'}.")
        # It may have been saved before something failed, a mail for one: the order itself knows.
        present = self._shown(external_id).shipping
        if present is None or present.code.upper() != target.code.upper():
            raise error

    def _learn_tracking_path(self) -> None:
        if TRACKING_PATH not in self.learned:
            self.learned[TRACKING_PATH] = self._tracking_path()

    def _add_tracking(self, external_id: str, numbers: Sequence[str]) -> _Shown:
        """Add tracking numbers over the shop's path for them; answers with the order as the shop shows it then."""
        path = re.sub(r"\{\w+\}", external_id, self.learned[TRACKING_PATH])
        for number in numbers:
            try:
                self.shop.post(path, {"value": number})
            except ChannelError as exc:
                if not exc.retryable and not isinstance(exc, ShopRefused):
                    raise
                if number not in self._shown(external_id).tracking and exc.retryable:
                    raise
        return self._shown(external_id)

    def _tracking_path(self) -> str:
        """The path that takes tracking numbers, by the shop's own description; empty if there is none.

        5.5.0 fails to give the description as JSON; the page for people carries it (5.5.0.29, observed)."""
        for path in ("/docs.json", "/docs.html"):
            try:
                body = self.shop.session.read(
                    f"/api{path}", headers={**self.shop.headers, "Accept": "application/json, text/html"}, insist=False
                ).body
            except ChannelError:
                continue
            try:
                described = msgspec.json.decode(described_in(body) or body)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                continue
            spec = described.get("spec", described) if isinstance(described, dict) else {}
            paths = spec.get("paths") if isinstance(spec, dict) else None
            for name, verbs in paths.items() if isinstance(paths, dict) else ():
                fits = _TRACKING_PATH.fullmatch(name)
                if fits and isinstance(verbs, dict) and "post" in verbs:
                    return fits.group(1)
            if paths:
                return ""
        return ""

    def _newest(self) -> list[dict[str, Any]]:
        """The newest orders as plain values; fewer where some cannot be printed."""
        for size in (MOST_PER_PAGE, 10, 1):
            try:
                rows = self.shop.rows("/orders", [("order[date]", "desc"), *page_of(1, size)], insist=False)
            except ShopBroken:
                continue
            values = []
            for row in rows:
                try:
                    values.append(row_value(row, []))
                except ValueError:
                    continue
            return [value for value in values if isinstance(value, dict)]
        return []


def described_in(page: bytes) -> bytes:
    """The description that a page for people carries; empty if it has none. It is cut out and not searched for by a pattern, which would
    look for its end from each beginning: a hostile page of a megabyte would take hours."""
    described, end, _ = page.partition(b'id="swagger-data"')[2].partition(b">")[2].partition(b"</script>")
    return described if end else b""
