"""The outbox: mails and webhook calls that were written down with what they tell, sent by workers, tried again later and later.

A delivery is claimed by a conditional update and held by a lease. A worker that dies leaves it to be claimed again when the lease
has run out. The one thing that cannot be known is whether a server took a mail in the moment before its worker died: that mail is
sent again under the same Message-ID, because losing it would be worse.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
from flask import current_app
from markupsafe import Markup
from sqlalchemy import and_, delete, or_, select, update

from channels import mailer, webhook
from channels.mailer import Mail, MailServer
from config import Config
from errors import ConfigError, DeliveryRefused, NotDelivered
from extensions import db, writing
from models import Delivery, Incident, IncidentEvent, Integration, NoticeSetting, User, Webhook
from models.types import utcnow
from services import incident_words, integrations, notices, vault

LEASE = timedelta(minutes=3)
"""Longer than any delivery may take: see jobs/deliveries.py."""
MOST_AT_ONCE = 500
SHUT = timedelta(seconds=30)
"""How long the others wait where a mail server or a webhook does not answer one."""
MOST_TRIES = 24
"""Over about three days."""
SHOWN = 20
"""Events written out in one mail; of more only the number is said."""


def due_deliveries() -> list[int]:
    """What is to be sent now, the oldest first."""
    query = select(Delivery.id).where(_claimable(utcnow())).order_by(Delivery.due_at).limit(MOST_AT_ONCE)
    ids = list(db.session.scalars(query))
    db.session.rollback()
    return ids


def send(delivery_id: int) -> str:
    """Claim a delivery and send it; answers with the state it is in then, empty where there was nothing to claim."""
    token = secrets.token_hex(16)
    with writing() as session:
        claimed = session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id, _claimable(utcnow()))
            .values(state="sending", token=token, lease_until=utcnow() + LEASE, tries=Delivery.tries + 1)
            .execution_options(synchronize_session=False)
        )
    if claimed.rowcount != 1:
        return ""
    delivery = db.session.get_one(Delivery, delivery_id, populate_existing=True)
    tries = delivery.tries
    try:
        act = _prepare_mail(delivery) if delivery.way == "mail" else _prepare_call(delivery)
        # Nothing is held open while somebody else's machine is waited for.
        db.session.rollback()
        if act is None:
            return _finish(delivery_id, token, "dropped")
        act()
    except DeliveryRefused as refused:
        return _finish(delivery_id, token, "failed", refused.message)
    except (NotDelivered, ConfigError) as trouble:
        db.session.rollback()
        if tries >= MOST_TRIES:
            return _finish(delivery_id, token, "failed", trouble.message)
        if isinstance(trouble, NotDelivered) and trouble.for_all:
            _put_off_others(delivery_id)
        return _finish(delivery_id, token, "waiting", trouble.message, wait_for(tries))
    return _finish(delivery_id, token, "done")


def wait_for(tries: int) -> timedelta:
    """Until the next try: half a minute, one, two … up to four hours, give or take a fifth."""
    return timedelta(seconds=min(4 * 3600.0, 30.0 * 2 ** (tries - 1)) * (0.8 + secrets.randbelow(401) / 1000))


def try_again(delivery_id: int) -> None:
    """A person wants a failed delivery tried once more."""
    with writing() as session:
        session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id, Delivery.state.in_(("failed", "waiting")))
            .values(state="waiting", due_at=utcnow(), tries=1, finished_at=None)
            .execution_options(synchronize_session=False)
        )


def last_of_user(user_id: int, number: int = 10) -> list[Delivery]:
    return _last(Delivery.user_id == user_id, number)


def last_of_webhook(webhook_id: int, number: int = 10) -> list[Delivery]:
    return _last(Delivery.webhook_id == webhook_id, number)


def _last(where, number: int) -> list[Delivery]:
    return list(db.session.scalars(select(Delivery).where(where).order_by(Delivery.id.desc()).limit(number)))


def forget_before(moment: datetime) -> int:
    """Delete what was sent, given up or dropped before a moment; answers with how many."""
    count = 0
    old = select(Delivery.id).where(Delivery.finished_at < moment).order_by(Delivery.id).limit(500)
    while ids := list(db.session.scalars(old)):
        with writing() as session:
            count += session.execute(delete(Delivery).where(Delivery.id.in_(ids))).rowcount
    db.session.rollback()
    return count


def mail_server() -> MailServer:
    config = _config()
    return MailServer(
        config.smtp_host, config.smtp_port, config.smtp_security, config.smtp_from, config.smtp_user, config.smtp_password
    )


def _claimable(now: datetime):
    return or_(
        and_(Delivery.state == "waiting", Delivery.due_at <= now), and_(Delivery.state == "sending", Delivery.lease_until < now)
    )


def _finish(delivery_id: int, token: str, state: str, error: str = "", wait: timedelta | None = None) -> str:
    """Written only by whoever still holds the claim."""
    now = utcnow()
    over = state in ("done", "failed", "dropped")
    with writing() as session:
        kept = session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id, Delivery.token == token, Delivery.state == "sending")
            .values(
                state=state, error=error, token="", lease_until=None, finished_at=now if over else None,
                due_at=now + wait if wait is not None else Delivery.due_at,
            )
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        if kept.rowcount == 1:
            _note_on_webhook(delivery_id, state, error, now)
    return state if kept.rowcount == 1 else ""


def _put_off_others(delivery_id: int) -> None:
    """Where the way itself is shut, the others need not find that out one by one, each waiting for it."""
    with writing() as session:
        delivery = session.get_one(Delivery, delivery_id)
        session.execute(
            update(Delivery)
            .where(
                Delivery.way == delivery.way, Delivery.webhook_id.is_not_distinct_from(delivery.webhook_id),
                Delivery.state == "waiting", Delivery.due_at < utcnow() + SHUT,
            )
            .values(due_at=utcnow() + SHUT)
            .execution_options(synchronize_session=False)
        )  # fmt: skip


def _note_on_webhook(delivery_id: int, state: str, error: str, now: datetime) -> None:
    row = db.session.get(Delivery, delivery_id)
    hook = db.session.get(Webhook, row.webhook_id) if row is not None and row.webhook_id is not None else None
    if hook is None:
        return
    hook.error = error
    if state == "done":
        hook.good_at = now


def _prepare_mail(delivery: Delivery):
    """What sends the mail; None where its user is gone, disabled, or gets no mail any more."""
    if not notices.mail_is_set_up():
        raise NotDelivered("No mail server is set: SMTP_HOST is empty.")
    user = db.session.get(User, delivery.user_id) if delivery.user_id is not None else None
    if user is None or (user.disabled_at is not None and delivery.about != "security"):
        return None
    address = delivery.address or db.session.scalar(select(NoticeSetting.email).where(NoticeSetting.user_id == user.id)) or ""
    if not address:
        return None
    if delivery.about == "incidents":
        subject, paragraphs, path, thread = _about_incidents(delivery.events)
        if not paragraphs:
            return None
    else:
        subject, paragraphs = delivery.content["subject"], [[each] for each in delivery.content["paragraphs"]]
        path, thread = "/account", ""
    place = notices.link(path) if _config().public_url else ""
    mail = Mail(
        delivery.key, address, f"Cartlink: {subject}", _text(paragraphs, place), _html(subject, paragraphs, place), thread
    )
    server = mail_server()
    return lambda: mailer.send(server, mail)


def _prepare_call(delivery: Delivery):
    hook = db.session.get(Webhook, delivery.webhook_id) if delivery.webhook_id is not None else None
    if hook is None or (not hook.enabled and delivery.about != "test"):
        return None
    url, secret, key = hook.url, vault.unseal(hook.secret_sealed), delivery.key
    event, body = delivery.content["type"], msgspec.json.encode(delivery.content)
    limits = replace(integrations.channel_limits(), max_bytes=64 * 1024, per_minute=0)
    return lambda: webhook.call(url, secret, key, event, body, limits=limits)


def _about_incidents(events: Sequence[int]) -> tuple[str, list[list[str]], str, str]:
    """Subject, blocks of paragraphs, the page it leads to, and the thread it belongs to."""
    query = (
        select(IncidentEvent, Incident, Integration.name)
        .join(Incident, Incident.id == IncidentEvent.incident_id)
        .join(Integration, Integration.id == Incident.integration_id)
        .where(IncidentEvent.id.in_(events))
        .order_by(IncidentEvent.id)
    )
    rows = db.session.execute(query).all()
    days = _config().pause_days
    blocks = [incident_words.told(event.kind, incident, name, days) for event, incident, name in rows[:SHOWN]]
    if len(rows) > SHOWN:
        blocks.append([f"… and {len(rows) - SHOWN} more."])
    if len(rows) == 1:
        event, incident, name = rows[0]
        thread = f"incident-{incident.id}"
        return incident_words.subject(event.kind, incident.cause, name), blocks, f"/incidents/{incident.id}", thread
    over = sum(event.kind == "resolved" for event, *_ in rows)
    opened = len(rows) - over
    said = [f"{opened} need a look" if opened else "", f"{over} solved" if over else ""]
    return f"{len(rows)} messages: {', '.join(filter(None, said))}", blocks, "/incidents", ""


def _text(blocks: Sequence[Sequence[str]], place: str) -> str:
    body = "\n\n----\n\n".join("\n\n".join(block) for block in blocks)
    return body + (f"\n\n{place}\n" if place else "\n")


def _html(subject: str, blocks: Sequence[Sequence[str]], place: str) -> str:
    parts = [Markup("<hr>").join(Markup("").join(Markup("<p>{}</p>").format(each) for each in block) for block in blocks)]
    if place:
        parts.append(Markup('<p><a href="{0}">Open it in Cartlink</a><br>{0}</p>').format(place))
    page = Markup('<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{}</title></head><body>{}</body></html>')
    return str(page.format(subject, Markup("").join(parts)))


def _config() -> Config:
    return current_app.config["CARTLINK"]
