"""What is left to do in a new installation, for its owners, as far as Cartlink can see it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from extensions import db
from models import Integration, User
from services.notify import notifications
from services.operations import doctor


@dataclass(frozen=True, slots=True)
class Step:
    """``name`` is shop, email, people or backup."""

    name: str
    title: str
    advice: str


def open_steps() -> list[Step]:
    """In the order in which they are best done; empty once all is done."""
    found = []
    if db.session.scalar(select(Integration.id).where(Integration.removed_at.is_(None)).limit(1)) is None:
        found.append(Step("shop", "Connect a shop", "Cartlink then downloads its orders and keeps its stock right."))
    if not notifications.mail_is_set_up():
        advice = "Cartlink cannot email you when a shop has a problem. Ask the person who runs Cartlink to set up a mail server."
        found.append(Step("email", "Set up email", advice))
    if (db.session.scalar(select(func.count()).select_from(User).where(User.disabled_at.is_(None))) or 0) < 2:
        found.append(Step("people", "Invite someone", "Give each person who works with orders a name of their own."))
    backup = doctor.look_at_backup()
    if backup.level != doctor.OK:
        advice = f"{backup.sentence} Ask the person who runs Cartlink to make one every night."
        found.append(Step("backup", "Make a backup", advice))
    return found
