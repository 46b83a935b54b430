"""The webhook of the installation: where incidents are told to another program, and the secret its calls are signed with."""

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
from services import vault
from services.audit import note_change
from services.incident_words import TOPICS


def get_webhook() -> Webhook | None:
    """There is one at most."""
    return db.session.scalar(select(Webhook).order_by(Webhook.id).limit(1))


def change_webhook(url: str, topics: Sequence[str], enabled: bool, actor: str) -> str:
    """Set where and what is told. Answers with the secret where there was no webhook before, to be shown once; else with
    nothing: an address that changes keeps its secret. Raises InvalidInput."""
    url = webhook.check_url(url)
    wanted = [topic for topic in TOPICS if topic in topics]
    if not wanted:
        raise InvalidInput("Choose at least one thing to be told of.", field="topics")
    with writing() as session:
        row = session.scalar(select(Webhook).with_for_update())
        secret = "" if row is not None else _new_secret()
        if row is None:
            row = Webhook(url="", secret_sealed=vault.seal(secret), topics=[], enabled=False)
            session.add(row)
        if row.url != url:
            note_change(actor, None, "url", place_of(row.url), f"{place_of(url)} (changed)", "webhook")
        for name, value in (("topics", wanted), ("enabled", enabled)):
            note_change(actor, None, name, getattr(row, name), value, "webhook")
        row.url, row.topics, row.enabled = url, wanted, enabled
        row.changed_at, row.changed_by, row.error = utcnow(), actor, ""
    return secret


def renew_secret(actor: str) -> str:
    """A new secret, to be shown once; the old one is good no more. Raises Conflict where there is no webhook."""
    secret = _new_secret()
    with writing():
        row = _locked()
        row.secret_sealed = vault.seal(secret)
        note_change(actor, None, "secret", None, "renewed", "webhook")
    return secret


def remove_webhook(actor: str) -> None:
    """With all that still waits to be sent to it. Raises Conflict where there is none."""
    with writing() as session:
        row = _locked()
        note_change(actor, None, "url", place_of(row.url), None, "webhook")
        session.delete(row)


def place_of(url: str) -> str:
    """Where a webhook leads, for the audit trail, which everybody reads: of many services the rest of the address is a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""


def send_test(actor: str) -> int:
    """Put a call in the outbox that tells nothing but that it works; answers with its delivery's id. Raises Conflict."""
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
