"""People who may sign in, the browsers they are signed in with, and the one-time codes that let somebody set a password."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model
from models.types import Moment, utcnow

ROLES = ("owner", "manager", "viewer")
"""From the one that may most to the one that may least: each may do what those after it may."""


class User(Model):
    """``name`` is what is typed to sign in and what others see as the actor of a change; it stays taken when the user is
    disabled. ``password_hash`` is argon2id, empty until a password has been set. ``sees_customers`` says whether a viewer sees
    personal data of customers; an owner or manager always does.

    ``two_step_encrypted`` is the seed of the one-time passwords, Fernet ciphertext, None where they are off; ``two_step_next_encrypted`` is
    the seed of one being set up; ``two_step_last`` is the time step of the last one used, which no other may be used twice."""

    __tablename__ = "user"
    __table_args__ = (CheckConstraint("role IN ('owner', 'manager', 'viewer')", name="role_known"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    name_key: Mapped[str] = mapped_column(String(200), unique=True)
    role: Mapped[str] = mapped_column(String(10))
    sees_customers: Mapped[bool] = mapped_column(default=False)
    zone: Mapped[str] = mapped_column(String(60), default="")
    password_hash: Mapped[str] = mapped_column(Text, default="")
    password_set_at: Mapped[datetime | None] = mapped_column(Moment)
    two_step_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    two_step_next_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    two_step_last: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    created_by: Mapped[str] = mapped_column(String(100), default="")
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)


class UserSession(Model):
    """One browser that is signed in. The browser holds the token, the table its SHA-256 only.

    The row ends at ``expires_at``, when it was not used for the idle time after ``seen_at``, or by being deleted."""

    __tablename__ = "user_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    seen_at: Mapped[datetime] = mapped_column(Moment, default=utcnow)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    address: Mapped[str] = mapped_column(String(45), default="")
    agent: Mapped[str] = mapped_column(String(300), default="")


class UserCode(Model):
    """A code that is good for one act: ``first_run`` (making the first owner), ``password`` (setting one's password) or
    ``second_step`` (the password was right, the one-time password is still to come). The table has its SHA-256 only. ``two_step_off`` says
    that setting the password also switches the two-step sign-in off."""

    __tablename__ = "user_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(12))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    two_step_off: Mapped[bool] = mapped_column(default=False, server_default=false())
