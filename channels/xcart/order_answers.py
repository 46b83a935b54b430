"""What both generations share about orders: ids for paths, pages of the contract, and single orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from channels.base import BadRow, Order, OrderPage
from channels.xcart.parsing.orders import is_cart, is_order, read_order
from errors import ShopBroken, ShopRefused


def order_id(external_id: str) -> str:
    """An id for a path: with anything but digits the path would name something else. Raises ShopRefused."""
    if not external_id.isascii() or not external_id.isdigit():
        raise ShopRefused(f"The shop has no order {external_id!r}.")
    return external_id


def order_page(values: Sequence[Any], position: int, last: bool, requests: int, warnings: Sequence[str]) -> OrderPage:
    orders = tuple([each for each in values if isinstance(each, Order)])
    bad = tuple([each for each in values if isinstance(each, BadRow)])
    return OrderPage(orders, bad, position, last, requests, tuple(warnings))


def single_order(raw: dict[str, Any] | None, external_id: str, host: str) -> Order | None:
    """The order of an answer; None for a cart, or if the shop does not have it. Raises ShopBroken if it is another order or cannot
    be read."""
    if raw is None:
        return None
    if not is_order(raw, external_id):
        raise ShopBroken(f"{host} did not answer with order {external_id}.")
    return None if is_cart(raw) else parsed_order(raw)


def parsed_order(raw: dict[str, Any]) -> Order:
    """Raises ShopBroken if it cannot be read."""
    try:
        return read_order(raw)
    except ValueError as exc:
        complaint = str(exc)[:200]
    raise ShopBroken(f"The shop's order cannot be read: {complaint}")
