"""The proxy in front of a schedule's shop. It changes answers by rule and notes what was read before an order was marked shipped."""

from __future__ import annotations

import json
import re
from collections import deque
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum
from typing import Any
from urllib.parse import parse_qs, urlsplit

from practice_shop.proxy import Answer, Asked, Proxy

PUT_BACK = ("C", "D", "R")
"""Payment statuses with which nothing may be marked shipped."""

FURTHER = ("S", "D", "R", "WND")
"""Shipping statuses that are never set back to *shipped*."""

SHIPPED = ("S", 3, "3")
"""The status *shipped*, by code and by id, as the practice shop numbers it."""

RECENT = 8
"""The read of an order is one of the last so many requests before its write: the tracking of several parcels may be written between."""

MOST_OUT_OF_TURN = 3
"""So many quantities written without the orders read before are a fault of Cartlink. A single one is not: where the connection
breaks under a write, its quantity is looked up and written again, and only the second attempt is seen here."""


class Seen(Enum):
    """What of a push was seen last."""

    UNKNOWN, QUANTITIES, ORDERS, WRITTEN = range(4)


class Watched(Proxy):
    """``complaints`` are writes that no read allowed: of *shipped*, and of quantities without the orders read just before. The
    latter only where ``in_turn``: one run at a time asks the shop."""

    def __init__(self, to: str, in_turn: bool = False):
        super().__init__(to)
        self.in_turn = in_turn
        self.begin_again()

    def begin_again(self) -> None:
        """Forget all rules and everything seen."""
        self.set()
        self.seen.clear()
        self.date_shift = 0
        self.change_answer = self._shift_date
        self.complaints: list[str] = []
        self._out_of_turn = 0
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._payments: dict[str, str] = {}
        self._shippings: dict[str, str] = {}
        self._last_seen = Seen.UNKNOWN

    def _shift_date(self, method: str, answer: Answer) -> Answer:
        """The answer with a ``Date`` header of a clock that is ``date_shift`` seconds ahead."""
        if not self.date_shift:
            return answer
        headers = [(name, self._shifted(value) if name.lower() == "date" else value) for name, value in answer.headers]
        return Answer(answer.status, headers, answer.body)

    def _shifted(self, value: str) -> str:
        return format_datetime(parsedate_to_datetime(value) + timedelta(seconds=self.date_shift), usegmt=True)

    def arrive(self, asked: Asked) -> None:
        """A write is compared with what had been read when it was sent: a slow shop answers it after later reads."""
        if asked.method not in ("PUT", "POST"):
            return
        path = path_of(asked.target)
        # Order 0 is nobody's: a write to it only asks whether the key may write.
        found = re.fullmatch(r"(?:api/)?orders?/(\d+)(/\w+)?", path)
        if found and found[1] != "0" and _marks_shipped(asked.body):
            self._note_shipped(found[1])
        self._note_order(asked, path)
        self._recent.append(path)

    def note(self, asked: Asked, answer: Answer | None) -> None:
        super().note(asked, answer)
        if asked.method in ("PUT", "POST"):
            return
        path = path_of(asked.target)
        if asked.method == "GET":
            self._note_read(path, answer)
        self._note_order(asked, path)
        self._recent.append(path)

    def _note_order(self, asked: Asked, path: str) -> None:
        """Quantities are read, then orders, then quantities are written."""
        of_products, listed = path.removeprefix("api/").startswith("product"), path.removeprefix("api/") in ("order", "orders")
        if asked.method == "GET" and listed:
            self._last_seen = Seen.ORDERS
        elif asked.method == "GET" and of_products and self._last_seen is not Seen.WRITTEN:
            self._last_seen = Seen.QUANTITIES
        elif asked.method in ("PUT", "POST") and of_products and b"amount" in asked.body:
            if self.in_turn and self._last_seen is Seen.QUANTITIES:
                self._out_of_turn += 1
                if self._out_of_turn == MOST_OUT_OF_TURN:
                    self.complaints.append(f"{path} was written without reading the orders after the quantities")
            self._last_seen = Seen.WRITTEN

    def _note_read(self, path: str, answer: Answer | None) -> None:
        said = _json_in(answer.body) if answer is not None and answer.status == 200 else None
        found = re.fullmatch(r"api/orders/(\d+)/payment_status", path)
        if found and isinstance(said, dict):
            self._payments[found[1]] = str(said.get("code", ""))
            return
        for row in said if isinstance(said, list) else [said]:
            if isinstance(row, dict) and ("paymentStatus" in row or "payment_status" in row):
                number = row.get("order_id") or row.get("orderId") or row.get("id")
                self._payments[str(number)] = _code(row.get("paymentStatus") or row.get("payment_status"))
                self._shippings[str(number)] = _code(row.get("shippingStatus") or row.get("shipping_status"))

    def _note_shipped(self, number: str) -> None:
        payment = self._payments.get(number)
        single = (f"order/{number}", f"api/orders/{number}", f"api/orders/{number}/payment_status")
        if payment is None or not any(path in single for path in self._recent):
            self.complaints.append(f"order {number} was marked shipped without reading it just before")
        elif payment.upper() in PUT_BACK:
            self.complaints.append(f"order {number} was marked shipped after a read that showed payment {payment}")
        elif self._shippings.get(number, "").upper() in FURTHER:
            self.complaints.append(f"order {number} was marked shipped after a read that showed {self._shippings[number]}")


def path_of(target: str) -> str:
    """The resource a request is for, in either generation: ``order/7``, ``api/orders/7``."""
    parts = urlsplit(target)
    named = parse_qs(parts.query).get("_path")
    return named[0] if named else parts.path.strip("/")


def _json_in(body: bytes) -> Any:
    """The JSON of an answer, also with a rule's text around it, which the channel reads past as well; None without any."""
    text = body.decode(errors="replace")
    starts = [place for place in (text.find("["), text.find("{")) if place >= 0]
    try:
        return json.JSONDecoder().raw_decode(text, min(starts))[0] if starts else None
    except ValueError:
        return None


def _marks_shipped(body: bytes) -> bool:
    try:
        said: Any = json.loads(body)
    except ValueError:
        return False
    status = said.get("shippingStatus", said) if isinstance(said, dict) else None
    if not isinstance(status, dict):
        return status in SHIPPED
    return status.get("code") in SHIPPED or status.get("id") in SHIPPED


def _code(status: Any) -> str:
    return str(status.get("code") or "") if isinstance(status, dict) else str(status or "")
