"""API tokens: what another program shows to act for a user."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import Model
from models.types import Moment, utcnow
from models.user import User

USABLE = text("revoked_at IS NULL")


class ApiToken(Model):
    """``public_id`` is the part of the token that may be shown. ``token_hash`` is the SHA-256 of the whole token, which is stored nowhere.
    ``previous_hash`` is that of the token before the last rotation, valid until ``previous_until``.

    ``scopes`` are names of services.accounts.tokens.SCOPES. ``addresses`` are the networks that may use the token; empty for any.
    ``name`` is what others see as the actor of a change; of the tokens that are not revoked, no two have the same.
    ``warned`` is how many of the warnings before its expiry were sent."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(12), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    name_key: Mapped[str] = mapped_column(String(200))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None] = mapped_column(Moment)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    addresses: Mapped[list[str]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    created_by: Mapped[str] = mapped_column(String(100))
    expires_at: Mapped[datetime] = mapped_column(Moment)
    warned: Mapped[int] = mapped_column(default=0, server_default="0")
    used_at: Mapped[datetime | None] = mapped_column(Moment)
    used_from: Mapped[str] = mapped_column(String(45), default="")
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)

    user: Mapped[User] = relationship()

    __table_args__ = (Index("uq_api_token_name", "name_key", unique=True, sqlite_where=USABLE, postgresql_where=USABLE),)
