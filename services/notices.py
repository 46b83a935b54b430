"""Who is told of what, and how: the bell, mail, the webhook. All of it is written in the transaction of what it tells; sending is
services/outbox.py's.

Mails are collected: what happens within a few seconds, or within minutes of the last mail, comes in one. A hundred shops that
share one broken network are one mail, not a hundred.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import delete, func, select, update

from config import Config
from errors import InvalidInput, NotFound
from extensions import db, writing
from models import Delivery, Incident, IncidentEvent, Integration, KnownBrowser, Notice, NoticeSetting, User, Webhook
from models.types import utcnow
from services import incident_words
from services.incident_words import CAUSES, TOPICS

WAYS = ("bell", "mail")
COLLECT = timedelta(seconds=10)
BETWEEN = timedelta(minutes=5)
"""The least time between two mails to one person about incidents."""
PAGE_SIZE = 50
LONGEST_ADDRESS = 254
BROWSER_KEPT = timedelta(days=400)
"""How long a browser that is not used is remembered; browsers keep a cookie no longer."""
ODD = frozenset(" \t\r\n,;:<>()[]\\\"'")
"""Characters that an address of a mailbox can hold only in ways nobody uses, or that could end a header or begin another one."""


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One line of the bell: the newest event of one incident."""

    id: int
    incident_id: int
    kind: str
    at: datetime
    read: bool
    cause: str
    integration: str


@dataclass(frozen=True, slots=True)
class NoticePage:
    rows: list[NoticeRow]
    number: int
    pages: int


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one user wants: ``choices`` has every topic with its ways."""

    email: str
    choices: Mapping[str, tuple[str, ...]]


def tell(incident: Incident, event: IncidentEvent) -> None:
    """Tell everybody who wants to know of an event of an incident. Call it inside ``writing()``."""
    topic = CAUSES[incident.cause].topic
    query = (
        select(User.id, NoticeSetting.email, NoticeSetting.choices)
        .outerjoin(NoticeSetting, NoticeSetting.user_id == User.id)
        .where(User.disabled_at.is_(None))
        .order_by(User.id)
    )
    for user_id, email, choices in db.session.execute(query).all():
        ways = (choices or {}).get(topic, WAYS)
        if "bell" in ways:
            _ring(user_id, incident.id, event)
        if "mail" in ways and email and mail_is_set_up():
            _collect(user_id, event)
    for webhook in db.session.scalars(select(Webhook).where(Webhook.enabled)):
        if topic in webhook.topics:
            _call(webhook.id, "incidents", [event.id], _payload(incident, event))


def settle(incident_id: int) -> None:
    """Nobody needs to read of this incident any more. Call it inside ``writing()``."""
    db.session.execute(
        update(Notice).where(Notice.incident_id == incident_id, Notice.read_at.is_(None)).values(read_at=utcnow())
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def tell_user(user_id: int, what: str, detail: str = "") -> None:
    """Mail a user a change of their own account, where they get mail: ``what`` is a name of ACCOUNT. Call it inside
    ``writing()``. Such mails cannot be switched off."""
    if not mail_is_set_up():
        return
    found = db.session.execute(
        select(User.name, NoticeSetting.email).join(NoticeSetting).where(User.id == user_id, NoticeSetting.email != "")
    ).first()
    if found is None:
        return
    subject, sentence = ACCOUNT[what]
    _mail_now(user_id, found.email, subject, [f"{found.name}: {sentence}", *([detail] if detail else []), WAS_IT_YOU])


ACCOUNT = {
    "password": ("Your password was changed", "your password for Cartlink was changed, and you were signed out everywhere."),
    "two_step_off": ("Your two-step sign-in was switched off", "your two-step sign-in for Cartlink was switched off; the password alone is enough now."),
    "two_step_on": ("Your two-step sign-in was switched on", "signing in to Cartlink takes a code of your app from now on."),
    "new_browser": ("A new browser has signed in", "somebody has signed in to Cartlink as you, with a browser that was not used before."),
    "link": ("A link to set your password was made", "an owner has made a one-time link with which your password for Cartlink can be set."),
}  # fmt: skip
WAS_IT_YOU = "If that was you, all is well. If it was not, tell an owner of this Cartlink at once, and change your password."


def _ring(user_id: int, incident_id: int, event: IncidentEvent) -> None:
    notice = db.session.scalar(select(Notice).where(Notice.user_id == user_id, Notice.incident_id == incident_id))
    if notice is None:
        db.session.add(Notice(user_id=user_id, incident_id=incident_id, kind=event.kind, at=event.at))
    else:
        notice.kind, notice.at, notice.read_at = event.kind, event.at, None


def _collect(user_id: int, event: IncidentEvent) -> None:
    """Add an event to the mail that waits for this user, or begin one."""
    mails = select(Delivery).where(Delivery.user_id == user_id, Delivery.way == "mail", Delivery.about == "incidents")
    waiting = db.session.scalar(
        mails.where(Delivery.state == "waiting", Delivery.tries == 0).order_by(Delivery.id.desc()).limit(1).with_for_update()
    )
    if waiting is not None:
        waiting.events = [*waiting.events, event.id]
        return
    last = db.session.scalar(mails.with_only_columns(func.max(Delivery.created_at)))
    due = max(event.at + COLLECT, last + BETWEEN) if last is not None else event.at + COLLECT
    db.session.add(Delivery(key=str(uuid.uuid4()), way="mail", user_id=user_id, events=[event.id], due_at=due))
    db.session.flush()


def _mail_now(user_id: int, address: str, subject: str, paragraphs: Sequence[str], about: str = "security") -> None:
    content = {"subject": subject, "paragraphs": list(paragraphs)}
    db.session.add(
        Delivery(key=str(uuid.uuid4()), way="mail", about=about, user_id=user_id, address=address, content=content)
    )  # fmt: skip


def _call(webhook_id: int, about: str, events: list[int], payload: dict[str, Any]) -> None:
    db.session.add(
        Delivery(key=payload["id"], way="webhook", about=about, webhook_id=webhook_id, events=events, content=payload)
    )  # fmt: skip


def _payload(incident: Incident, event: IncidentEvent) -> dict[str, Any]:
    """What a webhook is sent. No key, nothing of a customer, and the same with every try."""
    integration = db.session.get_one(Integration, incident.integration_id)
    cause = CAUSES[incident.cause]
    return {
        "id": str(uuid.uuid4()), "type": f"incident.{event.kind}", "at": event.at.isoformat(timespec="seconds"),
        "incident": {
            "id": incident.id, "cause": incident.cause, "topic": cause.topic, "title": cause.title,
            "since": incident.since.isoformat(timespec="seconds"), "open": incident.open, "url": link(f"/incidents/{incident.id}"),
        },
        "integration": {"id": integration.id, "name": integration.name},
        "text": incident_words.subject(event.kind, incident.cause, integration.name),
    }  # fmt: skip


def link(path: str) -> str:
    """Where people reach a page: the whole address where PUBLIC_URL says it, else the path alone."""
    return f"{_config().public_url}{path}"


def mail_is_set_up() -> bool:
    return bool(_config().smtp_host)


# The bell


def count_unread(user_id: int) -> int:
    return db.session.scalar(select(func.count()).where(Notice.user_id == user_id, Notice.read_at.is_(None))) or 0


def list_notices(user_id: int, number: int = 1) -> NoticePage:
    """A user's notices, newest first."""
    count = db.session.scalar(select(func.count()).where(Notice.user_id == user_id)) or 0
    pages = max(1, -(-count // PAGE_SIZE))
    number = min(max(1, number), pages)
    query = (
        select(
            Notice.id, Notice.incident_id, Notice.kind, Notice.at, Notice.read_at.is_not(None), Incident.cause, Integration.name
        )
        .join(Incident, Incident.id == Notice.incident_id)
        .join(Integration, Integration.id == Incident.integration_id)
        .where(Notice.user_id == user_id)
        .order_by(Notice.at.desc(), Notice.id.desc())
        .limit(PAGE_SIZE)
        .offset((number - 1) * PAGE_SIZE)
    )
    return NoticePage([NoticeRow(*row) for row in db.session.execute(query)], number, pages)


def read_notice(user_id: int, notice_id: int) -> int:
    """Mark one as read; answers with its incident's id. Raises NotFound where it is none of this user's."""
    with writing() as session:
        notice = session.scalar(select(Notice).where(Notice.id == notice_id, Notice.user_id == user_id))
        if notice is None:
            raise NotFound("That notice is not there any more.", "Load the page again.")
        notice.read_at = notice.read_at or utcnow()
        return notice.incident_id


def read_all(user_id: int) -> None:
    with writing() as session:
        session.execute(update(Notice).where(Notice.user_id == user_id, Notice.read_at.is_(None)).values(read_at=utcnow()))


# What a user wants


def wishes_of(user_id: int) -> Wishes:
    setting = db.session.scalar(select(NoticeSetting).where(NoticeSetting.user_id == user_id))
    choices = setting.choices if setting is not None else {}
    return Wishes(setting.email if setting is not None else "", {topic: tuple(choices.get(topic, WAYS)) for topic in TOPICS})


def change_wishes(user_id: int, email: str, choices: Mapping[str, Sequence[str]]) -> bool:
    """Keep where a user gets mail and what they want to be told of. A new address is sent a mail, and so is the one before it.
    Answers whether the address is another one. Raises InvalidInput for one that cannot be."""
    email = check_address(email)
    kept = {topic: [way for way in WAYS if way in choices.get(topic, ())] for topic in TOPICS}
    with writing() as session:
        setting = session.scalar(select(NoticeSetting).where(NoticeSetting.user_id == user_id).with_for_update())
        if setting is None:
            setting = NoticeSetting(user_id=user_id, email="")
            session.add(setting)
        before, name = setting.email, session.get_one(User, user_id).name
        setting.email, setting.choices = email, kept
        if before != email and mail_is_set_up():
            if before:
                _mail_now(
                    user_id,
                    before,
                    "Messages go to another address now",
                    [f"{name}: messages of Cartlink no longer come to this address.", WAS_IT_YOU],
                )
            if email:
                _mail_now(
                    user_id,
                    email,
                    "Messages of Cartlink come here",
                    [f"{name}: from now on this address gets the messages you have chosen in Cartlink."],
                    "test",
                )
        return before != email


def check_address(address: str) -> str:
    """A mailbox, without blanks round it; empty for none. Raises InvalidInput for what can be none."""
    address = address.strip()
    if not address:
        return ""
    local, at, domain = address.rpartition("@")
    good = at and local and "." in domain.strip(".") and not domain.startswith((".", "-")) and "@" not in local
    if not good or len(address) > LONGEST_ADDRESS or not address.isprintable() or set(address) & ODD:
        raise InvalidInput("That is not a mail address.", "Write it as ann@shop.example.", field="email")
    return address


# Browsers


def note_browser(user_id: int, known: str, words: str) -> str:
    """A browser of this user signs in; ``known`` is the token it holds, if any. Answers with the token it is to hold. The user is
    mailed where the browser is a new one, and not their first."""
    digest = _hash(known)
    now = utcnow()
    with writing() as session:
        mine = select(KnownBrowser).where(KnownBrowser.user_id == user_id)
        browser = session.scalar(mine.where(KnownBrowser.token_hash == digest)) if known else None
        if browser is not None:
            browser.seen_at = now
            return known
        first = session.scalar(mine.with_only_columns(KnownBrowser.id).limit(1)) is None
        token = known if len(known) >= 32 else uuid.uuid4().hex + uuid.uuid4().hex
        session.execute(delete(KnownBrowser).where(KnownBrowser.user_id == user_id, KnownBrowser.seen_at < now - BROWSER_KEPT))
        session.add(KnownBrowser(user_id=user_id, token_hash=_hash(token), seen_at=now))
        if not first:
            tell_user(user_id, "new_browser", words)
        return token


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _config() -> Config:
    return current_app.config["CARTLINK"]
