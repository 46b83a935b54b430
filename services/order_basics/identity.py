"""Whether an order that a shop shows is the stored order with the same id.

A shop that was restored from a backup uses order ids again. Two orders with one id differ in the time of placing, the
number, and the customer's email address. The address is kept as a digest under a random key for each shop, which is stored
encrypted: it survives the erasing of customers' data, and a new keyring key changes no digest.
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from channels.base import NO_TIME, Outline
from channels.base import Order as ShopOrder
from extensions import db
from models import Order, Shop
from services.security import vault

SAME, REUSED, UNCLEAR = "same", "reused", "unclear"

USED_AGAIN = "The shop has used this order's id for another order."
"""What write-backs say that end because of it."""


PAID_WITHIN = timedelta(minutes=10)
"""How long after the time of placing an order its first payment may be dated."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of an order. ``placed`` is in whole seconds; None, an empty number and an empty digest mean unknown."""

    placed: int | None
    number: str
    email: bytes

    @property
    def known(self) -> bool:
        return bool(self.number or self.email)


def compare(known: Identity, shown: Identity) -> str:
    """``same``, ``reused`` (another order under the same id) or ``unclear`` (a person has to decide).

    A different time alone is an edit, and so is another number or another address alone. Raises nothing."""
    if not known.known:
        # A placeholder of an order that could not be read, or one of which nothing is known to compare.
        return SAME
    number = _differs(plain_number(known.number), plain_number(shown.number))
    email = _differs(known.email, shown.email)
    time = _differs(known.placed, shown.placed)
    if time is False:
        return UNCLEAR if number and email else SAME
    if time is None:
        return UNCLEAR if number or email else SAME
    if number or email:
        return REUSED
    # The address of one of the two is not known: an edited date and another order look alike.
    return UNCLEAR if email is None and known.email != shown.email else SAME


def compare_outline(order: Order, outline: Outline) -> str:
    """``same`` or ``unclear`` for a stored order and what the shop says of one under its id that it cannot print.

    Its first payment is as old as the order itself (5.5.0.29, observed): a later one is another order's. Raises nothing."""
    if order.superseded_at is not None:
        return REUSED
    known, first = _seconds(order.placed_at, order.problems), outline.placed_at
    later = known is not None and first is not None and first.timestamp() > known + PAID_WITHIN.total_seconds()
    return UNCLEAR if later or _differs(plain_number(order.number), plain_number(outline.number)) else SAME


def plain_number(number: str) -> str:
    """An order number as it is compared. A shop may print the same number in another form after a change of settings: ``103``,
    ``00103``, ``#103``. Forms without a digit or a letter stay as they are."""
    plain = unicodedata.normalize("NFKC", number).strip().removeprefix("#").strip().lower()
    return plain.lstrip("0") or plain or number


def compare_order(order: Order, shown: ShopOrder) -> str:
    """``compare`` for a stored order and what the shop shows under its id. An order that was replaced is ``reused``."""
    if order.superseded_at is not None:
        return REUSED
    key = identity_key(order.shop_id)
    return compare(of_row(order, key), of_shop(shown, key))


def of_row(order: Any, key: bytes) -> Identity:
    """Of a stored order, or of its columns. Rows of before the digest have their address still, unless it was erased."""
    digest = order.email_digest or email_digest(key, order.email)
    return Identity(_seconds(order.placed_at, order.problems), order.number, digest)


def of_shop(order: ShopOrder, key: bytes) -> Identity:
    return Identity(_seconds(order.placed_at, order.problems), order.number[:64], email_digest(key, order.email))


def email_digest(key: bytes, email: str) -> bytes:
    """Empty for no address, or where the shop has no key yet."""
    plain = unicodedata.normalize("NFC", email).strip().lower()
    return hmac.digest(key, plain.encode("utf-8", "replace"), "sha256")[:16] if key and plain else b""


def identity_key(shop_id: int) -> bytes:
    """The key of a shop's digests; empty where it has none yet. Raises ConfigError where the keyring cannot decrypt it."""
    encrypted = db.session.scalar(select(Shop.identity_key_encrypted).where(Shop.id == shop_id))
    return vault.decrypt(encrypted).encode() if encrypted else b""


def ensure_key(shop_id: int) -> bytes:
    """The same, made where there is none. Call it inside ``writing()``."""
    key = identity_key(shop_id)
    if key:
        return key
    db.session.execute(
        update(Shop)
        .where(Shop.id == shop_id, Shop.identity_key_encrypted.is_(None))
        .values(identity_key_encrypted=vault.encrypt(secrets.token_urlsafe(32)))
        .execution_options(synchronize_session=False)
    )
    return identity_key(shop_id)


def _differs(one: object, other: object) -> bool | None:
    """None where one of the two is not known."""
    if one in (None, "", b"") or other in (None, "", b""):
        return None
    return one != other


def placed_of(order: Any) -> datetime | None:
    """When an order was placed, as far as that is known. A placeholder of an order that could not be read has no number and is dated by
    its download, until a shorter answer of the shop gives the time; ``order`` is an Order or a row of its table."""
    dated_by_us = not order.number and order.placed_at >= order.first_seen_at - timedelta(seconds=2)
    return None if dated_by_us or NO_TIME in (order.problems or ()) else order.placed_at


def _seconds(placed: datetime, problems: Sequence[str] | None) -> int | None:
    return None if NO_TIME in (problems or ()) else int(placed.timestamp())
