"""Statuses of the api generation, and marking an order shipped.

The shop lists its statuses nowhere: the built-in ones are known, others show up in orders. It refuses unknown codes. A status
without a code must never be set: it makes every page with that order fail for good (5.5.0.29, observed). Tracking numbers
can be read but not added in 5.5.0; a later shop's description of itself tells whether it has a way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from channels.base import ShipmentResult, Status
from channels.xcart.api import MOST_PER_PAGE, Api, page_of
from channels.xcart.api_orders import order_id
from channels.xcart.parse_api import ApiOrder
from channels.xcart.statuses import CALLED_OFF, NAMES, chosen, status_name, stays
from channels.xcart.values import read_as, row_value
from errors import ChannelError, ShopBroken, ShopRefused

_DESCRIPTION = re.compile(rb'<script[^>]*id="swagger-data"[^>]*>(.*?)</script>', re.DOTALL)
_TRACKING_PATH = re.compile(r"(?:/api)?(/orders/\{\w+\}/tracking[\w-]*)")
BY_HAND = "This shop takes no tracking numbers over its API: enter {numbers} in the shop by hand."


class ApiShipments:
    def __init__(self, shop: Api):
        self.shop = shop
        self._known: list[Status] | None = None
        self._tracking: str | None = None

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

    def put_shipment(self, external_id: str, *, status: str, tracking_numbers: Sequence[str] = ()) -> ShipmentResult:
        """Mark an order shipped: tracking numbers first, where this shop takes any, because the shop's mail prints them."""
        target = self._target(status)
        before, tracking = self._present(external_id)
        kept = stays(before, target)
        if before is not None and before.code.upper() == CALLED_OFF and kept:
            return ShipmentResult(False, before.code, tracking, kept)
        numbers = list(dict.fromkeys(number.strip() for number in tracking_numbers if number.strip()))
        missing = [number for number in numbers if number not in tracking]
        added = self._add_tracking(external_id, missing) if missing else []
        left = [number for number in missing if number not in added]
        notes = [kept] if kept else []
        if left:
            notes.append(BY_HAND.format(numbers=", ".join(left)))
        if kept:
            shown = before.code if before is not None else ""
            return ShipmentResult(bool(added), shown, (*tracking, *added), " ".join(notes))
        self._set(external_id, target)
        return ShipmentResult(True, target.code, (*tracking, *added), " ".join(notes))

    def _target(self, wanted: str) -> Status:
        """The status a setting names. Built-in codes need no look at the shop's orders."""
        built_in = [Status("shipping", code, code, name) for code, name in NAMES["shipping"].items()]
        try:
            target = chosen(built_in, wanted)
        except ShopRefused:
            target = chosen(self._known or self.statuses(), wanted)
        return target

    def _present(self, external_id: str) -> tuple[Status | None, tuple[str, ...]]:
        """An order's shipping status and tracking numbers. For an order that the shop cannot print, the status alone."""
        path = f"/orders/{order_id(external_id)}"
        try:
            raw = self.shop.one(path, insist=False)
        except ShopBroken:
            return self._status(self.shop.one(f"{path}/shipping_status") or {}), ()
        if raw is None:
            raise ShopRefused(f"The shop has no order {external_id} any more.")
        try:
            order = read_as(ApiOrder, raw, [])
        except ValueError:
            order = None
        if order is None or str(order.id) != external_id:
            raise ShopBroken(f"{self.shop.host} did not answer with order {external_id}.")
        shown = order.shipping_status
        if shown is None or shown.code is None:
            return None, order.tracking
        name = shown.name or status_name("shipping", shown.code, str(shown.id))
        return Status("shipping", str(shown.id or ""), shown.code, name), order.tracking

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
            if answer is None or answer.code.upper() != target.code.upper():
                raise ShopRefused(f"The shop left the order at the status {answer.code if answer else 'it had'}.")
            return
        # It may have been saved before something failed, a mail for one: the order itself knows.
        present, _ = self._present(external_id)
        if present is None or present.code.upper() != target.code.upper():
            raise error

    def _add_tracking(self, external_id: str, numbers: Sequence[str]) -> list[str]:
        """The numbers that were added; none where this shop has no way to."""
        if self._tracking is None:
            self._tracking = self._tracking_path()
        if not self._tracking:
            return []
        path = re.sub(r"\{\w+\}", external_id, self._tracking)
        for number in numbers:
            try:
                self.shop.post(path, {"value": number})
            except ChannelError as exc:
                if not exc.retryable and not isinstance(exc, ShopRefused):
                    raise
                if number not in self._present(external_id)[1] and exc.retryable:
                    raise
        there = self._present(external_id)[1]
        return [number for number in numbers if number in there]

    def _tracking_path(self) -> str:
        """The path that takes tracking numbers, by the shop's own description; empty where there is none.

        5.5.0 fails to give the description as JSON; the page for people carries it (5.5.0.29, observed)."""
        for path, found in (("/docs.json", None), ("/docs.html", _DESCRIPTION)):
            try:
                body = self.shop.session.read(
                    f"/api{path}", headers={**self.shop.headers, "Accept": "application/json, text/html"}, insist=False
                ).body
            except ChannelError:
                continue
            match = found.search(body) if found else None
            try:
                described = msgspec.json.decode(match.group(1) if match else body)
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
