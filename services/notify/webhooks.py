"""The webhook of the installation: the address that receives incidents, and the secret that signs its calls."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select

from channels import webhook
from errors import Conflict, InvalidInput
from extensions import db, writing
from models import Delivery, Webhook
from models.types import utcnow
from services.common.channel_limits import channel_limits
from services.notify.incident_texts import TOPICS
from services.security import vault
from services.security.audit import note_change


def get_webhook() -> Webhook | None:
    """There is one at most."""
    return db.session.scalar(select(Webhook).order_by(Webhook.id).limit(1))


def change_webhook(url: str, topics: Sequence[str], enabled: bool, actor: str) -> str:
    """Set the address and the topics. Returns the secret of a new webhook, to be shown once. A changed address keeps its secret, and the
    result is empty. Raises InvalidInput."""
    url = webhook.check_url(url, channel_limits().allow_private)
    chosen = [topic for topic in TOPICS if topic in topics]
    if not chosen:
        raise InvalidInput("Choose at least one kind of incident.", field="topics")
    with writing() as session:
        row = session.scalar(select(Webhook).with_for_update())
        secret = "" if row is not None else _new_secret()
        if row is None:
            row = Webhook(url="", secret_encrypted=vault.encrypt(secret), topics=[], enabled=False)
            session.add(row)
        if row.url != url:
            note_change(actor, None, "url", place_of(row.url), f"{place_of(url)} (changed)", "webhook")
        for name, value in (("topics", chosen), ("enabled", enabled)):
            note_change(actor, None, name, getattr(row, name), value, "webhook")
        row.url, row.topics, row.enabled = url, chosen, enabled
        row.changed_at, row.changed_by, row.error = utcnow(), actor, ""
    return secret


def renew_secret(actor: str) -> str:
    """Create a new secret, to be shown once; the old one stops working. Raises Conflict if there is no webhook."""
    secret = _new_secret()
    with writing():
        row = _locked()
        row.secret_encrypted = vault.encrypt(secret)
        note_change(actor, None, "secret", None, "renewed", "webhook")
    return secret


def remove_webhook(actor: str) -> None:
    """Remove it with its waiting deliveries. Raises Conflict if there is none."""
    with writing() as session:
        row = _locked()
        note_change(actor, None, "url", place_of(row.url), None, "webhook")
        session.delete(row)


def place_of(url: str) -> str:
    """The host of a webhook, for the audit trail: with many services the rest of the address is a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""


def send_test(actor: str) -> int:
    """Put a test call in the outbox and return its delivery's id. Raises Conflict."""
    payload: dict[str, Any] = {
        "id": str(uuid.uuid4()), "type": "test", "at": utcnow().isoformat(timespec="seconds"), "text": "A test call of Cartlink.",
    }  # fmt: skip
    with writing() as session:
        delivery = Delivery(key=payload["id"], way="webhook", about="test", webhook_id=_locked().id, content=payload)
        session.add(delivery)
        session.flush()
        return delivery.id


def _locked() -> Webhook:
    row = db.session.scalar(select(Webhook).with_for_update())
    if row is None:
        raise Conflict("There is no webhook.", "Save one first.")
    return row


def _new_secret() -> str:
    return f"whsec_{secrets.token_urlsafe(32)}"
