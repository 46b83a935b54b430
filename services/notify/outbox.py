"""The outbox: mails, stored with the event they are about, sent by workers, retried with growing waits.

A delivery is claimed by a conditional update and held by a lease. A worker that dies leaves it to be claimed again when the lease
has run out. The one thing that cannot be known is whether a server took a mail in the moment before its worker died: that mail is
sent again under the same Message-ID, because losing it would be worse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from markupsafe import Markup
from sqlalchemy import ColumnElement, and_, or_, select, update

from channels import mailer
from channels.mailer import Mail, MailServer
from config import current_config
from errors import ConfigError, DeliveryRefused, LeaseLost, NotDelivered
from extensions import db, reading, writing
from models import Delivery, Incident, IncidentEvent, Integration, Preference, User
from models.types import utcnow
from services.common import backoff
from services.common.batches import delete_in_batches
from services.common.claims import Claim, Claimable
from services.notify import incident_texts, notifications

DELIVERIES = Claimable(Delivery.token, Delivery.lease_until, lambda: 180)
"""A lease is longer than a delivery may take: see jobs/messages.py."""
MOST_AT_ONCE = 500
SHUT = timedelta(seconds=30)
"""How long the others wait if the mail server does not answer one."""
MOST_TRIES = 24
"""Over about three days."""
SHOWN = 20
"""Events described in one mail; of more it gives the number."""


def due_deliveries() -> list[int]:
    """Due deliveries, the oldest first."""
    query = select(Delivery.id).where(_claimable()).order_by(Delivery.due_at).limit(MOST_AT_ONCE)
    with reading():
        return list(db.session.scalars(query))


def send(delivery_id: int) -> str:
    """Claim a delivery and send it; returns the state it is in then, empty if there was nothing to claim."""
    claim = DELIVERIES.claim(delivery_id, _claimable(), state="sending", tries=Delivery.tries + 1)
    if claim is None:
        return ""
    tries = 0
    try:
        with reading() as session:
            delivery = session.get_one(Delivery, delivery_id, populate_existing=True)
            tries = delivery.tries
            act = _prepare_mail(delivery)
        if act is None:
            return _finish(claim, "dropped")
        act()
    except DeliveryRefused as refused:
        return _finish(claim, "failed", refused.message)
    except (NotDelivered, ConfigError) as trouble:
        if tries >= MOST_TRIES:
            return _finish(claim, "failed", trouble.message)
        if isinstance(trouble, NotDelivered) and trouble.for_all:
            _put_off_others()
        return _finish(claim, "waiting", trouble.message, _wait(tries))
    return _finish(claim, "done")


def _wait(tries: int) -> timedelta:
    return backoff.wait_for(tries, first=30, most=4 * 3600)


def try_again(delivery_id: int) -> None:
    """Try a failed delivery once more, at a person's request."""
    with writing() as session:
        session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id, Delivery.state.in_(("failed", "waiting")))
            .values(state="waiting", due_at=utcnow(), tries=1, finished_at=None)
            .execution_options(synchronize_session=False)
        )


def last_of_user(user_id: int, number: int = 10) -> list[Delivery]:
    return _last(Delivery.user_id == user_id, number)


def _last(where: ColumnElement[bool], number: int) -> list[Delivery]:
    return list(db.session.scalars(select(Delivery).where(where).order_by(Delivery.id.desc()).limit(number)))


def forget_before(moment: datetime) -> int:
    """Delete what was sent, given up or dropped before a moment; returns how many."""
    return delete_in_batches(Delivery, Delivery.finished_at < moment)


def mail_server() -> MailServer:
    config = current_config()
    return MailServer(
        config.smtp_host, config.smtp_port, config.smtp_security, config.smtp_from, config.smtp_user, config.smtp_password
    )


def _claimable() -> ColumnElement[bool]:
    now = utcnow()
    return or_(and_(Delivery.state == "waiting", Delivery.due_at <= now), and_(Delivery.state == "sending", DELIVERIES.free()))


def _finish(claim: Claim, state: str, error: str = "", wait: timedelta | None = None) -> str:
    """Record what became of a delivery. Returns its state, or an empty text if another worker has claimed it."""
    now = utcnow()
    over = state in ("done", "failed", "dropped")
    due_at = now + wait if wait is not None else Delivery.due_at
    with suppress(LeaseLost), writing():
        claim.end(state=state, error=error, finished_at=now if over else None, due_at=due_at)
        return state
    return ""


def _put_off_others() -> None:
    """If the server does not answer, let the other mails wait too, instead of each one timing out."""
    with writing() as session:
        session.execute(
            update(Delivery)
            .where(Delivery.state == "waiting", Delivery.due_at < utcnow() + SHUT)
            .values(due_at=utcnow() + SHUT)
            .execution_options(synchronize_session=False)
        )  # fmt: skip


def _prepare_mail(delivery: Delivery) -> Callable[[], object] | None:
    """A function that sends the mail; None if its user is gone, disabled, or no longer gets mail."""
    if not notifications.mail_is_set_up():
        raise NotDelivered("No mail server is set up. Ask the person who runs Cartlink to set one up.")
    user = db.session.get(User, delivery.user_id) if delivery.user_id is not None else None
    if user is None or (user.disabled_at is not None and delivery.about != "security"):
        return None
    address = delivery.address or db.session.scalar(select(Preference.email).where(Preference.user_id == user.id)) or ""
    if not address:
        return None
    if delivery.about == "incidents":
        subject, paragraphs, path, thread = _about_incidents(delivery.events)
        if not paragraphs:
            return None
    else:
        subject, paragraphs = delivery.content["subject"], [[each] for each in delivery.content["paragraphs"]]
        path, thread = "/account", ""
    place = notifications.link(path) if current_config().public_url else ""
    mail = Mail(
        delivery.key, address, f"Cartlink: {subject}", _text(paragraphs, place), _html(subject, paragraphs, place), thread
    )
    server = mail_server()
    return lambda: mailer.send(server, mail)


def _about_incidents(events: Sequence[int]) -> tuple[str, list[list[str]], str, str]:
    """Subject, blocks of paragraphs, the page it leads to, and the thread it belongs to."""
    query = (
        select(IncidentEvent, Incident, incident_texts.NAME)
        .join(Incident, Incident.id == IncidentEvent.incident_id)
        .outerjoin(Integration, Integration.id == Incident.integration_id)
        .where(IncidentEvent.id.in_(events))
        .order_by(IncidentEvent.id)
    )
    rows = db.session.execute(query).all()
    days = current_config().pause_days
    blocks = [incident_texts.blocks_of(event.kind, incident, name, days) for event, incident, name in rows[:SHOWN]]
    if len(rows) > SHOWN:
        blocks.append([f"… and {len(rows) - SHOWN} more."])
    if len(rows) == 1:
        event, incident, name = rows[0]
        thread = f"incident-{incident.id}"
        return incident_texts.subject(event.kind, incident.cause, name), blocks, f"/incidents/{incident.id}", thread
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
