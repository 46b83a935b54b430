"""Why a search found an order: which of its fields has the words, where the number does not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select

from extensions import db
from models import Order, OrderLine, Shipment
from services.common.words import words_of
from services.order_basics import numbers
from services.orders.search import has_tracking, parcel_word

Match = tuple[str, str]
"""What the field is called, and its value."""


def matches(search: str, ids: Sequence[int], *, with_customers: bool) -> dict[int, list[Match]]:
    """By id of these orders: the fields with those words of a search that its number does not have, compared as ``services/orders/search.py:
    found_by`` does. Nothing of customers without ``with_customers``."""
    phrases = [words for part in search.split() if (words := words_of(part))]
    named = numbers.parse(search)
    wanted_id = named.numbers[-1] if named.numbers else named.external_id
    skus = _skus_of(ids)
    parcels = select(Shipment.order_id, Shipment.tracking_number).where(Shipment.order_id.in_(ids), has_tracking(search))
    tracked = {row[0]: [("Tracking number", row[1])] for row in db.session.execute(parcels)} if with_customers else {}
    query = select(Order.id, Order.number, Order.external_id, Order.customer, Order.email, Order.tracking_numbers)
    found: dict[int, list[Match]] = {}
    parcel = parcel_word(search)
    for order_id, number, external_id, customer, email, in_shop in db.session.execute(query.where(Order.id.in_(ids))):
        personal = [("Customer", customer), ("Email", email)] if with_customers else []
        fields = [*personal, *(("SKU", sku) for sku in skus[order_id])]
        not_in_number = [words for words in phrases if not _has(_of_number(number), words)]
        matching = [match for words in not_in_number for match in _with(fields, words)]
        if not matching and number and external_id == wanted_id and (not_in_number or not phrases):
            matching = [("ID in the shop", external_id)]
        there = (
            [("Tracking number", each) for each in in_shop if parcel and parcel_word(each) == parcel] if with_customers else []
        )
        found[order_id] = list(dict.fromkeys([*matching, *tracked.get(order_id, []), *there]))
    return found


def _skus_of(ids: Sequence[int]) -> dict[int, list[str]]:
    """The SKUs of the lines of orders, by order."""
    query = select(OrderLine.order_id, OrderLine.sku).where(OrderLine.order_id.in_(ids))
    skus: defaultdict[int, list[str]] = defaultdict(list)
    for order_id, sku in db.session.execute(query.order_by(OrderLine.order_id, OrderLine.position)):
        skus[order_id].append(sku)
    return skus


def _with(fields: Sequence[Match], words: Sequence[str]) -> list[Match]:
    """The first field that has a phrase."""
    return [field for field in fields if _has(words_of(field[1]), words)][:1]


def _of_number(number: str) -> list[str]:
    """The words of an order's number, those of digits also without zeros at the beginning."""
    words = words_of(number)
    return words + [word.lstrip("0") for word in words if word.isdigit()]


def _has(words: Sequence[str], phrase: Sequence[str]) -> bool:
    """Whether these words stand together among the others; the last may go on."""
    last = len(phrase) - 1
    return any(
        all(words[at + place] == word for place, word in enumerate(phrase[:-1])) and words[at + last].startswith(phrase[-1])
        for at in range(len(words) - last)
    )
