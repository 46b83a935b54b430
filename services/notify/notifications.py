"""Who is notified of what, and how: the bell and mail. Notifications are written in the transaction of the event;
services/notify/outbox.py sends them.

Events are collected: those within a few seconds, or within minutes of the last mail, come in one mail. A hundred shops that
share one broken network cause one mail, not a hundred.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update

from config import current_config
from errors import InvalidInput, NotFound
from extensions import db, writing
from models import Delivery, Incident, IncidentEvent, Integration, KnownBrowser, Notification, Preference, User
from models.types import utcnow
from services.common.paging import Page, numbered
from services.notify.incident_texts import CAUSES, NAME, TOPICS
from services.security import audit
from services.security.audit import About, record_change

PREFERENCES_CHANGED = audit.kind("user.notifications_changed", "Notification settings changed")

WAYS = ("bell", "mail")
COLLECT = timedelta(seconds=10)
BETWEEN = timedelta(minutes=5)
"""The least time between two mails to one person about incidents."""
PAGE_SIZE = 50
LONGEST_ADDRESS = 254
MOST_BROWSERS = 50
"""Browsers remembered for one user, the newest."""
BROWSER_KEPT = timedelta(days=400)
"""How long an unused browser is remembered; browsers keep a cookie no longer."""
ODD = frozenset(" \t\r\n,;:<>()[]\\\"'")
"""Characters that are practically never used in an address, or that could end a header or begin another one."""


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """One line of the bell: the newest event of one incident. ``about`` is the name of its integration or event endpoint; ``over`` says that the
    incident has ended, also where nobody gets a message of that."""

    id: int
    incident_id: int
    kind: str
    at: datetime
    read: bool
    over: bool
    cause: str
    about: str


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one user chose: ``choices`` has every topic with its ways."""

    email: str
    choices: Mapping[str, tuple[str, ...]]


def note_event(incident: Incident, kind: str, now: datetime, actor: str = "") -> IncidentEvent:
    """Store that something has happened to an incident, and return it with its id. Call it inside ``writing()``."""
    event = IncidentEvent(incident_id=incident.id, kind=kind, at=now, actor=actor)
    db.session.add(event)
    db.session.flush()
    return event


def notify(incident: Incident, event: IncidentEvent) -> None:
    """Notify everyone who chose the incident's topic of an event. Call it inside ``writing()``."""
    topic = CAUSES[incident.cause].topic
    query = (
        select(User.id, Preference.email, Preference.choices)
        .outerjoin(Preference, Preference.user_id == User.id)
        .where(User.disabled_at.is_(None))
        .order_by(User.id)
    )
    for user_id, email, choices in db.session.execute(query).all():
        ways = (choices or {}).get(topic, WAYS)
        if "bell" in ways:
            _ring(user_id, incident.id, event)
        if "mail" in ways and email and mail_is_set_up():
            _collect(user_id, event)


def mark_read_for_all(incident_id: int) -> None:
    """Mark the incident as read for everyone. Call it inside ``writing()``."""
    db.session.execute(
        update(Notification).where(Notification.incident_id == incident_id, Notification.read_at.is_(None)).values(read_at=utcnow())
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def notify_user(user_id: int, what: str, detail: str = "") -> None:
    """Mail a user about a change of their account, if they get mail: ``what`` is a name of ACCOUNT. Call it inside
    ``writing()``. These mails cannot be switched off."""
    if not mail_is_set_up():
        return
    found = db.session.execute(
        select(User.name, Preference.email).join(Preference).where(User.id == user_id, Preference.email != "")
    ).first()
    if found is None:
        return
    subject, sentence = ACCOUNT[what]
    _mail_now(user_id, found.email, subject, [f"{found.name}: {sentence}", *([detail] if detail else []), WAS_IT_YOU])


def mail_user(user_id: int, subject: str, paragraphs: Sequence[str]) -> None:
    """Mail a user who gets mail, once. Call it inside ``writing()``."""
    address = db.session.scalar(select(Preference.email).where(Preference.user_id == user_id)) if mail_is_set_up() else ""
    if address:
        _mail_now(user_id, address, subject, paragraphs)


def notify_owners(subject: str, paragraphs: Sequence[str]) -> None:
    """Mail every owner who gets mail, once. Call it inside ``writing()``."""
    if not mail_is_set_up():
        return
    owners = select(User.id, Preference.email).join(Preference)
    owners = owners.where(User.role == "owner", User.disabled_at.is_(None), Preference.email != "")
    for user_id, email in db.session.execute(owners).all():
        _mail_now(user_id, email, subject, paragraphs)


ACCOUNT = {
    "password": ("Your password was changed", "your password for Cartlink was changed, and you were signed out everywhere."),
    "two_step_off": ("Your two-step sign-in was switched off", "your two-step sign-in for Cartlink was switched off; the password alone is enough now."),
    "two_step_on": ("Your two-step sign-in was switched on", "signing in to Cartlink now needs a code from your app."),
    "new_browser": ("A new browser has signed in", "someone has signed in to Cartlink as you, with a browser that was not used before."),
    "token": ("An API token was created", "an API token that acts for you was created. It stays valid if you change your password."),
    "link_two_step_off": (
        "A link to set your password and switch two-step sign-in off was made",
        "an owner has created a one-time link that sets a new password for Cartlink and switches your two-step sign-in off.",
    ),
    "link": ("A link to set your password was made", "an owner has created a one-time link that can set your password for Cartlink."),
}  # fmt: skip
WAS_IT_YOU = "If that was you, you do not need to do anything. If not, contact an owner of this Cartlink at once, and change your password."


def _ring(user_id: int, incident_id: int, event: IncidentEvent) -> None:
    notification = db.session.scalar(
        select(Notification).where(Notification.user_id == user_id, Notification.incident_id == incident_id)
    )
    if notification is None:
        db.session.add(Notification(user_id=user_id, incident_id=incident_id, kind=event.kind, at=event.at))
    else:
        notification.kind, notification.at, notification.read_at = event.kind, event.at, None


def _collect(user_id: int, event: IncidentEvent) -> None:
    """Add an event to the waiting mail of this user, or create one."""
    mails = select(Delivery).where(Delivery.user_id == user_id, Delivery.about == "incidents")
    waiting = db.session.scalar(
        mails.where(Delivery.state == "waiting", Delivery.tries == 0).order_by(Delivery.id.desc()).limit(1).with_for_update()
    )
    if waiting is not None:
        waiting.events = [*waiting.events, event.id]
        return
    last = db.session.scalar(mails.with_only_columns(func.max(Delivery.created_at)))
    due = max(event.at + COLLECT, last + BETWEEN) if last is not None else event.at + COLLECT
    db.session.add(Delivery(key=str(uuid.uuid4()), user_id=user_id, events=[event.id], due_at=due))
    db.session.flush()


def _mail_now(user_id: int, address: str, subject: str, paragraphs: Sequence[str], about: str = "security") -> None:
    content = {"subject": subject, "paragraphs": list(paragraphs)}
    db.session.add(
        Delivery(key=str(uuid.uuid4()), about=about, user_id=user_id, address=address, content=content)
    )  # fmt: skip


def link(path: str) -> str:
    """The address of a page: complete if PUBLIC_URL is set, otherwise the path."""
    return f"{current_config().public_url}{path}"


def mail_is_set_up() -> bool:
    return bool(current_config().smtp_host)


# The bell


# Every page shows it: built once, on the table.
_notification, _incident = Notification.__table__.c, Incident.__table__.c
UNREAD = select(func.count()).where(
    _notification.user_id == bindparam("user_id"), _notification.read_at.is_(None), _incident.id == _notification.incident_id,
    _incident.resolved_at.is_(None),
)  # fmt: skip


def count_unread(user_id: int) -> int:
    """How many unread messages a user has of incidents that are still open. The list has those of incidents that have ended too."""
    return db.session.scalar(UNREAD, {"user_id": user_id}) or 0


def list_notifications(user_id: int, number: int = 1) -> Page[NotificationRow]:
    """A user's notifications, newest first."""
    count = db.session.scalar(select(func.count()).where(Notification.user_id == user_id)) or 0
    number, pages = numbered(count, number, PAGE_SIZE)
    query = (
        select(
            Notification.id,
            Notification.incident_id,
            Notification.kind,
            Notification.at,
            Notification.read_at.is_not(None),
            Incident.resolved_at.is_not(None),
            Incident.cause,
            NAME,
        )
        .join(Incident, Incident.id == Notification.incident_id)
        .outerjoin(Integration, Integration.id == Incident.integration_id)
        .where(Notification.user_id == user_id)
        .order_by(Notification.at.desc(), Notification.id.desc())
        .limit(PAGE_SIZE)
        .offset((number - 1) * PAGE_SIZE)
    )
    return Page([NotificationRow(*row) for row in db.session.execute(query)], count, number, pages)


def read_notification(user_id: int, notification_id: int) -> int:
    """Mark one as read and return its incident's id. Raises NotFound if it does not belong to this user."""
    with writing() as session:
        notification = session.scalar(
            select(Notification).where(Notification.id == notification_id, Notification.user_id == user_id)
        )
        if notification is None:
            raise NotFound("That notification no longer exists.", "Load the page again.")
        notification.read_at = notification.read_at or utcnow()
        return notification.incident_id


def read_all(user_id: int) -> None:
    with writing() as session:
        session.execute(
            update(Notification).where(Notification.user_id == user_id, Notification.read_at.is_(None)).values(read_at=utcnow())
        )


# Preferences


def preferences_of(user_id: int) -> Preferences:
    setting = db.session.scalar(select(Preference).where(Preference.user_id == user_id))
    choices = setting.choices if setting is not None else {}
    return Preferences(setting.email if setting is not None else "", {topic: tuple(choices.get(topic, WAYS)) for topic in TOPICS})


def change_preferences(user_id: int, email: str, choices: Mapping[str, Sequence[str]]) -> bool:
    """Save where a user gets mail and which topics they chose. A mail goes to a new address, and to the one before it.
    Returns whether the address has changed. Raises InvalidInput for an impossible address."""
    email = check_address(email)
    kept = {topic: [way for way in WAYS if way in choices.get(topic, ())] for topic in TOPICS}
    with writing() as session:
        setting = session.scalar(select(Preference).where(Preference.user_id == user_id).with_for_update())
        if setting is None:
            setting = Preference(user_id=user_id, email="")
            session.add(setting)
        before, name = setting.email, session.get_one(User, user_id).name
        changes = {"email": (before, email), **_chosen(setting.choices or {}, kept)}
        record_change(PREFERENCES_CHANGED, About(user_id, name), changes)
        setting.email, setting.choices = email, kept
        if before != email and mail_is_set_up():
            if before:
                _mail_now(
                    user_id,
                    before,
                    "Messages now go to another address",
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


def _chosen(before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> dict[str, tuple[Any, Any]]:
    """The ways of each topic before and after, as the trail shows them."""
    return {topic: (list(before.get(topic, WAYS)), list(after[topic])) for topic in after}


def check_address(address: str) -> str:
    """The address without surrounding blanks; empty for none. Raises InvalidInput for an impossible address."""
    address = address.strip()
    if not address:
        return ""
    local, at, domain = address.rpartition("@")
    labels = domain.split(".")
    good = at and all(local.split(".")) and len(labels) > 1 and all(labels) and not domain.startswith("-") and "@" not in local
    if not good or len(address) > LONGEST_ADDRESS or not address.isprintable() or set(address) & ODD:
        raise InvalidInput("Enter an email address.", "Write it as ann@shop.example.", field="email")
    return address


# Browsers


def note_browser(user_id: int, known: str, words: str) -> str:
    """Record that a browser of this user signs in; ``known`` is the token it holds, if any. Returns the token for the browser. The user
    gets a mail if the browser is new and not their first."""
    digest = _hash(known)
    now = utcnow()
    with writing() as session:
        mine = select(KnownBrowser).where(KnownBrowser.user_id == user_id)
        browser = session.scalar(mine.where(KnownBrowser.token_hash == digest)) if known else None
        if browser is not None:
            browser.seen_at = now
            return known
        first = session.scalar(mine.with_only_columns(KnownBrowser.id).limit(1)) is None
        # Several users may share a browser. A token that Cartlink has not issued is replaced.
        ours = known and session.scalar(select(KnownBrowser.id).where(KnownBrowser.token_hash == digest).limit(1)) is not None
        token = known if ours else uuid.uuid4().hex + uuid.uuid4().hex
        newest = mine.with_only_columns(KnownBrowser.id).order_by(KnownBrowser.seen_at.desc()).limit(MOST_BROWSERS - 1)
        session.execute(
            delete(KnownBrowser).where(
                KnownBrowser.user_id == user_id,
                (KnownBrowser.seen_at < now - BROWSER_KEPT) | KnownBrowser.id.not_in(list(session.scalars(newest))),
            )
        )
        session.add(KnownBrowser(user_id=user_id, token_hash=_hash(token), seen_at=now))
        if not first:
            notify_user(user_id, "new_browser", words)
        return token


def known_browser(name_key: str, token: str) -> int | None:
    """The id of the browser with this token, if the user with this ``services.accounts.users.key_of`` has signed in with it."""
    if not token:
        return None
    return db.session.scalar(
        select(KnownBrowser.id)
        .join(User, User.id == KnownBrowser.user_id)
        .where(User.name_key == name_key, KnownBrowser.token_hash == _hash(token), KnownBrowser.seen_at > utcnow() - BROWSER_KEPT)
    )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
