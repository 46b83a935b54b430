"""``token``: who am I, and what may I do?"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from api.operations import Call, operation


class Token(Struct):
    """``scopes`` are those that are good at present: of the token's, those that its user's role allows."""

    id: str
    name: str
    user: str
    role: str
    scopes: list[str]
    expires_at: datetime


@operation("GET", "/token", "Say whose token this is", answers={200: Token})
def get_token(call: Call) -> Token:
    holder = call.holder
    return Token(holder.id, holder.name, holder.user, holder.role, sorted(holder.scopes), holder.expires_at)
