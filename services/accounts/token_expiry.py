"""Warnings before an API token expires: its user gets a mail two weeks and two days ahead, while there is time to rotate it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, or_, select

from extensions import db, reading, writing
from models import ApiToken
from models.types import utcnow
from services.notify import notifications

AHEAD = (timedelta(days=14), timedelta(days=2))


def stage_of(left: timedelta) -> int:
    """How many of the warnings are over for a token with so much time left."""
    return sum(left <= each for each in AHEAD)


def warn() -> int:
    """Warn the users of tokens that expire soon, once for each stage; returns how many tokens that were."""
    with reading():
        if db.session.scalar(select(ApiToken.id).where(_due()).limit(1)) is None:
            return 0
    with writing() as session:
        tokens = session.scalars(select(ApiToken).where(_due()).order_by(ApiToken.id).with_for_update()).all()
        for token in tokens:
            token.warned = stage_of(token.expires_at - utcnow())
            day = f"{token.expires_at:%d %b %Y, %H:%M} UTC"
            notifications.mail_user(
                token.user_id, f"The API token {token.name} expires soon",
                [f"The API token {token.name}, which acts for you, expires on {day}. The program that uses it is refused from then on.",
                 "Rotate it under Settings → API tokens and give the program the new one. The present one stays valid for a day."],
            )  # fmt: skip
        return len(tokens)


def _due() -> ColumnElement[bool]:
    now = utcnow()
    stages = (and_(ApiToken.expires_at <= now + ahead, ApiToken.warned < number) for number, ahead in enumerate(AHEAD, 1))
    return and_(ApiToken.revoked_at.is_(None), ApiToken.expires_at > now, or_(*stages))
