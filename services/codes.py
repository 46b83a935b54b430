"""One-time codes: made, shown once, good for one act and a limited time. Only their SHA-256 is kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from extensions import db, writing
from models import UserCode
from models.types import utcnow

LIFETIMES = {"first_run": timedelta(days=1), "password": timedelta(days=1), "second_step": timedelta(minutes=5)}
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTVWXYZU"
"""Thirty-two signs without those that are easily taken for others (0 and O, 1 and I)."""


def issue_code(purpose: str, user_id: int | None = None) -> str:
    """A new code of eighty bits, in groups of four; those made before for the same act and user are void."""
    signs = "".join(secrets.choice(ALPHABET) for _ in range(16))
    code = "-".join(signs[start : start + 4] for start in range(0, 16, 4))
    now = utcnow()
    with writing() as session:
        session.execute(delete(UserCode).where(UserCode.expires_at < now))
        session.execute(delete(UserCode).where(UserCode.purpose == purpose, UserCode.user_id == user_id))
        session.add(
            UserCode(purpose=purpose, user_id=user_id, code_hash=hash_of(code), expires_at=now + LIFETIMES[purpose])
        )  # fmt: skip
    return code


def find_code(purpose: str, code: str) -> UserCode | None:
    """The code's row while it is good, without using it up."""
    found = select(UserCode).where(*_is(purpose, code), UserCode.expires_at > utcnow())
    return db.session.scalar(found)


def use_code(purpose: str, code: str, now: datetime) -> bool:
    """Inside ``writing()``: use a code up; False where it is not good any more, or somebody else was faster."""
    used = db.session.execute(delete(UserCode).where(*_is(purpose, code), UserCode.expires_at > now))
    return used.rowcount == 1


def hash_of(code: str) -> bytes:
    """Of a code however it was typed: with blanks or without hyphens, in small letters."""
    plain = "".join(sign for sign in code.upper() if sign.isalnum())
    return hashlib.sha256(plain.encode("utf-8", "replace")).digest()


def _is(purpose: str, code: str):
    return UserCode.purpose == purpose, UserCode.code_hash == hash_of(code)
