"""Event endpoints: where programs get events. They are added, changed, paused and resumed by people and programs; addresses and secrets
are stored encrypted, and a secret is shown once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select, update

from channels import event_calls
from errors import Conflict, InvalidInput, NotFound
from extensions import db, writing
from models import EventDelivery, EventEndpoint
from models.types import utcnow
from services.common import host_names
from services.common.channel_limits import channel_limits
from services.events import log, pauses
from services.events.types import TYPES
from services.security import audit, vault
from services.security.audit import CHANGED, About, record_change

MOST = 50
OVERLAP = timedelta(hours=24)
"""How long the previous secret signs too after a rotation."""
CREATED = audit.kind("event_endpoint.created", "Event endpoint added")
CHANGED_ENDPOINT = audit.kind("event_endpoint.changed", "Event endpoint changed")
SECRET_RENEWED = audit.kind("event_endpoint.secret_renewed", "Secret of the event endpoint renewed")
REMOVED = audit.kind("event_endpoint.removed", "Event endpoint removed")
RESUMED = audit.kind("event_endpoint.resumed", "Event endpoint resumed")


@dataclass(frozen=True, slots=True)
class Secret:
    """A new secret, to be shown once."""

    endpoint_id: int
    secret: str


@dataclass(frozen=True, slots=True)
class Address:
    """An address that was checked: it can be called, and leads into no private network. ``doubt`` says that its host was not found."""

    url: str = field(repr=False)
    doubt: str = ""


def check_address(url: str) -> Address:
    """Look up where an address leads. Call it outside ``writing()``. Raises InvalidInput."""
    allow_private = channel_limits().allow_private
    url = event_calls.check_url(url, allow_private)
    found = event_calls.is_found(url, allow_private)
    return Address(url, "" if found else host_names.not_found(urlsplit(url).hostname or ""))


def list_endpoints() -> Sequence[EventEndpoint]:
    return db.session.scalars(select(EventEndpoint).order_by(EventEndpoint.id)).all()


def get_endpoint(endpoint_id: int) -> EventEndpoint:
    """Raises NotFound."""
    found = db.session.get(EventEndpoint, endpoint_id)
    if found is None:
        raise NotFound("There is no such event endpoint.")
    return found


def create_endpoint(name: str, address: Address, types: Sequence[str], actor: str, secret: str = "") -> Secret:
    """Add an endpoint. It gets the events from now on. A secret is made if none is given. Its ``error`` is a doubt about its address until
    something is delivered. Raises InvalidInput and Conflict."""
    name, types, url = _checked_name(name), _checked_types(types), address.url
    secret = _checked_secret(secret) or event_calls.new_secret()
    with writing() as session:
        if len(session.scalars(select(EventEndpoint.id)).all()) >= MOST:
            raise Conflict(f"There are {MOST} event endpoints already.", "Remove one that is no longer used.")
        row = EventEndpoint(
            name=name, place=place_of(url), url_encrypted=vault.encrypt(url), secret_encrypted=vault.encrypt(secret), types=types,
            position=log.newest_position(), changed_by=actor, error=address.doubt,
        )  # fmt: skip
        session.add(row)
        session.flush()
        record_change(CREATED, _about(row), {"url": (None, row.place), "types": (None, types)}, actor)
        return Secret(row.id, secret)


def change_endpoint(endpoint_id: int, actor: str, **values: Any) -> None:
    """Change ``name``, ``address`` (an Address), ``types`` or ``enabled``. Raises NotFound and InvalidInput."""
    if "name" in values:
        values["name"] = _checked_name(values["name"])
    if "types" in values:
        values["types"] = _checked_types(values["types"])
    address: Address | None = values.pop("address", None)
    with writing():
        row = _locked(endpoint_id)
        changes = {field: (getattr(row, field), value) for field, value in values.items()}
        if address is not None and vault.decrypt(row.url_encrypted) != address.url:
            changes["url"] = (row.place, f"{place_of(address.url)} (changed)")
            row.url_encrypted, row.place = vault.encrypt(address.url), place_of(address.url)
            row.due_at, row.failures, row.error = utcnow(), 0, address.doubt
        record_change(CHANGED_ENDPOINT, _about(row), changes, actor)
        for field, value in values.items():
            setattr(row, field, value)
        if any(before != after for before, after in changes.values()):
            row.changed_at, row.changed_by = utcnow(), actor


def rotate_secret(endpoint_id: int, actor: str, secret: str = "") -> Secret:
    """Take a new secret, or make one, to be shown once. The previous one signs too for a day. Raises NotFound and InvalidInput."""
    secret = _checked_secret(secret) or event_calls.new_secret()
    with writing():
        row = _locked(endpoint_id)
        row.previous_secret_encrypted, row.previous_until = row.secret_encrypted, utcnow() + OVERLAP
        row.secret_encrypted = vault.encrypt(secret)
        row.changed_at, row.changed_by = utcnow(), actor
        record_change(SECRET_RENEWED, _about(row), {"secret": CHANGED}, actor)
    return Secret(endpoint_id, secret)


def remove_endpoint(endpoint_id: int, actor: str) -> None:
    """Remove it with its deliveries. Raises NotFound."""
    with writing() as session:
        row = _locked(endpoint_id)
        record_change(REMOVED, _about(row), actor=actor)
        pauses.end(endpoint_id, "endpoint_removed", actor)
        session.flush()
        session.delete(row)


def resume_endpoint(endpoint_id: int, actor: str, *, replay: bool = True) -> None:
    """Send again to an endpoint that is paused, beginning where it stopped, or with ``replay`` false with what happens from now on. Raises
    NotFound, or Conflict if it is not paused."""
    with writing() as session:
        row = _locked(endpoint_id)
        if row.paused_at is None:
            raise Conflict("The event endpoint is not paused.")
        row.paused_at, row.paused_for, row.failing_since, row.failures, row.warned, row.error = None, "", None, 0, 0, ""
        row.due_at, row.changed_at, row.changed_by = utcnow(), utcnow(), actor
        waiting = update(EventDelivery).where(EventDelivery.endpoint_id == endpoint_id, EventDelivery.state == "waiting")
        if replay:
            session.execute(waiting.values(due_at=utcnow(), created_at=utcnow()))
        else:
            row.position = log.newest_position()
            session.execute(waiting.values(state="failed", finished_at=utcnow()))
        record_change(
            RESUMED, _about(row), {"paused": (True, False), "events_since_then": (None, "sent" if replay else "left out")}, actor
        )
        pauses.end(endpoint_id, "resumed", actor)


def secrets_of(row: EventEndpoint) -> list[str]:
    """The secrets that sign now, the newest first."""
    found = [vault.decrypt(row.secret_encrypted)]
    if row.previous_secret_encrypted is not None and row.previous_until is not None and row.previous_until > utcnow():
        found.append(vault.decrypt(row.previous_secret_encrypted))
    return found


def place_of(url: str) -> str:
    """The part of an address that may be shown: with many services the rest of it is a secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"[:300]


def state_of(row: EventEndpoint) -> str:
    """paused, disabled, failing or working."""
    if row.paused_at is not None:
        return "paused"
    if not row.enabled:
        return "disabled"
    return "failing" if row.failing_since is not None else "working"


def doubt_of(endpoint_id: int) -> str:
    """What is in doubt about its address, before anything was delivered; empty if nothing is."""
    row = get_endpoint(endpoint_id)
    return row.error if state_of(row) == "working" else ""


def _locked(endpoint_id: int) -> EventEndpoint:
    row = db.session.get(EventEndpoint, endpoint_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such event endpoint.")
    return row


def _about(row: EventEndpoint) -> About:
    return About(row.id, row.name)


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise InvalidInput("Give the event endpoint a name of at most 100 characters.", field="name")
    return name


def _checked_secret(secret: str) -> str:
    if secret and not event_calls.is_secret(secret):
        raise InvalidInput("A secret is whsec_ and the base64 of 24 to 64 random bytes.", field="secret")
    return secret


def version_of(row: EventEndpoint) -> str:
    """A digest of what can be changed of an endpoint."""
    said = f"{row.id} {row.name} {row.types} {row.enabled} {vault.decrypt(row.url_encrypted)}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _checked_types(types: Sequence[str]) -> list[str]:
    unknown = [each for each in types if each not in TYPES]
    if unknown:
        raise InvalidInput(f"There is no type of event {unknown[0][:40]!r}.", field="types")
    return [each for each in TYPES if each in types]
