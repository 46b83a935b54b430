"""One-time codes, each for one purpose and a limited time. Only their SHA-256 is stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select

from extensions import db, writing
from models import UserCode
from models.types import utcnow
from services.common.results import changed_rows

LIFETIMES = {"first_run": timedelta(days=1), "password": timedelta(days=1), "second_step": timedelta(minutes=5)}
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTVWXYZU"
"""Thirty-two characters without those that look alike (0 and O, 1 and I)."""


def issue_code(
    purpose: str, user_id: int | None = None, beside: Callable[[], object] = lambda: None, *, two_step_off: bool = False
) -> str:
    """A new code of eighty bits, in groups of four. Earlier codes for the same purpose and user become invalid. ``beside`` is called in its
    transaction; ``two_step_off`` is kept with the code."""
    signs = "".join(secrets.choice(ALPHABET) for _ in range(16))
    code = "-".join(signs[start : start + 4] for start in range(0, 16, 4))
    now = utcnow()
    with writing() as session:
        beside()
        session.execute(delete(UserCode).where(UserCode.expires_at < now))
        withdraw_codes(purpose, user_id)
        expires_at = now + LIFETIMES[purpose]
        session.add(
            UserCode(purpose=purpose, user_id=user_id, code_hash=hash_of(code), expires_at=expires_at, two_step_off=two_step_off)
        )
    return code


def withdraw_codes(purpose: str, user_id: int | None) -> None:
    """Make the codes for a purpose and user invalid. Call it inside ``writing()``."""
    db.session.execute(delete(UserCode).where(UserCode.purpose == purpose, UserCode.user_id == user_id))


def find_code(purpose: str, code: str) -> UserCode | None:
    """The row of a valid code, without using it up."""
    found = select(UserCode).where(*_is(purpose, code), UserCode.expires_at > utcnow())
    return db.session.scalar(found)


def use_code(purpose: str, code: str, now: datetime) -> bool:
    """Use a code up; False if it is no longer valid. Call it inside ``writing()``."""
    used = db.session.execute(delete(UserCode).where(*_is(purpose, code), UserCode.expires_at > now))
    return changed_rows(used) == 1


def hash_of(code: str) -> bytes:
    """The hash of a code, typed with or without blanks and hyphens, in any case."""
    plain = "".join(sign for sign in code.upper() if sign.isalnum())
    return hashlib.sha256(plain.encode("utf-8", "replace")).digest()


def _is(purpose: str, code: str) -> tuple[ColumnElement[bool], ...]:
    return UserCode.purpose == purpose, UserCode.code_hash == hash_of(code)
