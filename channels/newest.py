"""What a shop says of the orders that changed last: the answers to polls. Part of the contract in ``channels/base.py``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from channels.orders import BadRow, Order


@dataclass(frozen=True, slots=True)
class Newest:
    """The orders of a shop that changed last, in any order: ``rows`` are (external id, last change, total) as texts. Two answers with the
    same set of rows mean that nothing has changed. ``changed_at`` is the newest change, None if there is no order or no time.
    ``shop_time`` is as in OrderPage."""

    rows: frozenset[tuple[str, str, str]]
    changed_at: datetime | None = None
    shop_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewestPage:
    """A full page of the orders of a shop that changed last. ``digest`` is of all that the shop sent. ``same``: it is the digest that the
    caller knew, so the orders were not read. ``from_top``: no order stands before these; ``whole``: none stands behind.
    ``shop_time`` is as in OrderPage."""

    digest: bytes
    same: bool
    orders: tuple[Order, ...] = ()
    bad: tuple[BadRow, ...] = ()
    from_top: bool = True
    whole: bool = False
    shop_time: datetime | None = None
