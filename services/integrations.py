"""Integrations: added, shown, checked, switched on and off, removed. And the channel to an integration's shop, opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.exc import IntegrityError

import channels
import logs
from channels.base import Channel, Check, Credentials, Limits
from config import VERSION, Config
from errors import Conflict, InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import Integration, Listing, Shop, SyncRun
from models.types import utcnow
from services import health, incidents, receipts, vault, write_backs
from services.audit import note_change
from services.order_columns import SETTINGS
from services.words import one_line

MAX_NAME = 100


@dataclass(frozen=True)
class NewIntegration:
    """What a person says of a new integration. ``since`` is the time from which placed orders are downloaded.

    ``shop_id`` is the shop, known from before, whose history is taken up; without it, and with ``by_address``, the one at
    the same address is. ``settings`` are further columns of models.Integration, by name."""

    kind: str
    name: str
    endpoint: str
    api_key: str
    use_tax: bool = False
    use_shipping_tax: bool = False
    surcharge_name: str = ""
    since: datetime | None = None
    shop_id: int | None = None
    by_address: bool = True
    zone: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def add_integration(new: NewIntegration, check: Check, actor: str) -> Integration:
    """Store an integration whose shop answered ``check`` well: enabled, its first runs due at once.

    The same site added again after a removal takes its shop, and so its orders and links, up again.
    Raises InvalidInput, NameTaken, or Conflict where the shop is connected already."""
    name = clean_name(new.name)
    key = new.api_key.strip()
    address = address_of(check.endpoint)
    now = utcnow()
    try:
        with writing() as session:
            refuse_taken_name(name)
            shop = _shop_of(new, address)
            since = new.since or now - timedelta(days=30)
            if shop.orders_read_to is not None:
                # A shop that comes back goes on where it was left, and is read from its start only where more is asked for.
                if shop.orders_from is not None and since < shop.orders_from:
                    shop.reading_since, shop.reading_position, shop.reading_started_at = since, 0, None
                since = min(since, shop.orders_read_to)
            _compare_all(shop)
            integration = Integration(
                shop_id=shop.id, kind=new.kind, name=name, name_key=name.casefold(), endpoint=check.endpoint,
                admin_script=check.admin_script, generation=check.generation, key_sealed=vault.seal(key), key_last4=last4(key),
                use_tax=new.use_tax, use_shipping_tax=new.use_shipping_tax, surcharge_name=new.surcharge_name.strip()[:200],
                orders_since=since, orders_every=_config().orders_every, stock_every=_config().stock_every,
                listings_every=_config().listings_every, orders_due_at=now, stock_due_at=now, listings_due_at=now,
                health="connected", health_since=now, **new.settings,
            )  # fmt: skip
            session.add(integration)
            session.flush()
            make_all_due(integration)
            if _other_settings_before(integration):
                integration.evaluate_due_at = now
            note_change(actor, integration.id, "integration", None, f"connected to {check.endpoint}")
            integration_id = integration.id
    except IntegrityError:
        raise NameTaken(f"There is an integration called {name!r} already.", "Choose another name.") from None
    return get_integration(integration_id)


def _other_settings_before(integration: Integration) -> bool:
    """Whether the shop's orders were stored under other settings, when it was connected the last time."""
    earlier = select(Integration).where(Integration.shop_id == integration.shop_id, Integration.id != integration.id)
    before = db.session.scalar(earlier.order_by(Integration.id.desc()).limit(1))
    return before is not None and any(getattr(before, name) != getattr(integration, name) for name in SETTINGS)


def _shop_of(new: NewIntegration, address: str) -> Shop:
    """The shop that is taken up again, or a new one. Raises Conflict where it is connected already."""
    here = select(Shop).where(Shop.kind == new.kind, Shop.address == address).order_by(Shop.id.desc())
    shop = None
    if new.shop_id is not None:
        shop = db.session.get(Shop, new.shop_id, with_for_update=True)
    elif new.by_address:
        shop = db.session.scalar(here)
    same = or_(Shop.address == address, Shop.id == new.shop_id)
    taken = db.session.scalar(present().join(Shop).where(Shop.kind == new.kind, same))
    if taken is not None:
        raise Conflict(f"That shop is connected already, as {taken.name}.", "Open that integration instead.")
    if shop is None:
        shop = Shop(kind=new.kind, address=address)
        db.session.add(shop)
        db.session.flush()
    shop.address, shop.zone = address, shop.zone or new.zone
    return shop


def _compare_all(shop: Shop) -> None:
    """What a shop that comes back offers may have changed much while it was away: its listings are read, and all of them
    compared, before the first push."""
    shop.listings_read_at, shop.listings_position = None, ""
    db.session.execute(
        update(Listing).where(Listing.shop_id == shop.id, Listing.gone_at.is_(None)).values(stale=True)
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def last4(key: str) -> str:
    """What may be shown of a key: its last four characters, or nothing of one so short that four would give it away."""
    return key[-4:] if len(key) >= 12 else ""


def clean_name(name: str) -> str:
    """Raises InvalidInput for a name that is empty, too long or holds control characters."""
    if not name.strip():
        raise InvalidInput("Enter a name for this integration.", field="name")
    return one_line(name, MAX_NAME, "name", "name")


def refuse_taken_name(name: str) -> None:
    """Raises NameTaken. Names are compared without regard to case."""
    if db.session.scalar(present().where(Integration.name_key == name.casefold())) is not None:
        raise NameTaken(f"There is an integration called {name!r} already.", "Choose another name.")


def address_of(endpoint: str) -> str:
    """By what a shop is known while it has no orders: host and path, without scheme and ``www.``."""
    parts = urlsplit(endpoint)
    host = (parts.hostname or "").lower().removeprefix("www.")
    port = f":{parts.port}" if parts.port and parts.port not in (80, 443) else ""
    return f"{host}{port}{parts.path.rstrip('/')}"


def present():
    """The select of integrations that are not removed."""
    return select(Integration).where(Integration.removed_at.is_(None))


def list_integrations() -> list[Integration]:
    return list(db.session.scalars(present().order_by(Integration.name_key)))


def get_integration(integration_id: int) -> Integration:
    """Raises NotFound for one that never was or is removed."""
    integration = db.session.get(Integration, integration_id)
    if integration is None or integration.removed_at is not None:
        raise NotFound("That integration has been removed.", "Go back to the list of integrations.")
    return integration


def find_integration(name: str) -> Integration:
    """By name, without regard to case. Raises NotFound."""
    integration = db.session.scalar(present().where(Integration.name_key == " ".join(name.split()).casefold()))
    if integration is None:
        raise NotFound(f"There is no integration called {name!r}.", "`flask integrations list` shows their names.")
    return integration


# One statement on the table decides and switches, made once: whoever clicks is waiting.
_row = Integration.__table__.c
_PRESENT = (_row.id == bindparam("integration_id"), _row.removed_at.is_(None))
IS_THERE = select(_row.id).where(*_PRESENT)
SWITCH_OFF = update(Integration.__table__).where(*_PRESENT, _row.enabled.is_(True)).values(enabled=False)
SWITCH_ON = (
    update(Integration.__table__)
    .where(*_PRESENT, _row.enabled.is_(False))
    .values(enabled=True, **dict.fromkeys(("orders_due_at", "stock_due_at", "listings_due_at"), bindparam("now")))
)
_run = SyncRun.__table__.c
END_QUEUED = (
    update(SyncRun.__table__)
    .where(_run.integration_id == bindparam("of_integration"), SyncRun.live, _run.state == "queued")
    .values(state="finished", outcome="stopped", finished_at=bindparam("now"), error_code="switched_off",
            error="The integration was switched off.")
)  # fmt: skip


def set_enabled(integration_id: int, enabled: bool, actor: str) -> None:
    """Switch an integration on or off; doing it twice is the same as once. Raises NotFound.

    Off: queued runs end at once, running ones before their next request. On: everything is due at once."""
    asked = {"integration_id": integration_id, "now": utcnow()}
    with writing() as session:
        switched = session.execute(SWITCH_ON if enabled else SWITCH_OFF, asked)
        if not switched.rowcount and session.scalar(IS_THERE, asked) is None:
            raise NotFound("That integration has been removed.", "Go back to the list of integrations.")
        if switched.rowcount:
            note_change(actor, integration_id, "enabled", not enabled, enabled)
            if enabled:
                write_backs.due_again(integration_id)
            else:
                end_queued_runs(integration_id)
        if enabled:
            _resume(integration_id, actor)


def _resume(integration_id: int, actor: str) -> None:
    """A person wants an integration to run that Cartlink has paused: at once, and with its failures counted from now on. Call it
    inside ``writing()``."""
    row = Integration.__table__.c
    now = utcnow()
    resumed = db.session.execute(
        update(Integration.__table__)
        .where(row.id == integration_id, row.paused_at.is_not(None))
        .values(
            paused_at=None, pause_warned_at=None, probe_due_at=None, orders_due_at=now, stock_due_at=now, listings_due_at=now
        )
    )  # fmt: skip
    if resumed.rowcount:
        note_change(actor, integration_id, "paused", True, False)
        write_backs.due_again(integration_id)
        health.begin_anew(integration_id)


def remove_integration(integration_id: int, actor: str) -> None:
    """Take an integration out of the list and forget its key. Its shop, orders and links stay, hidden. Raises NotFound."""
    with writing() as session:
        integration = session.get(Integration, integration_id, with_for_update=True)
        if integration is None or integration.removed_at is not None:
            raise NotFound("That integration has been removed already.", "Go back to the list of integrations.")
        integration.enabled = False
        integration.removed_at = utcnow()
        note_change(actor, integration_id, "integration", integration.name, "removed")
        integration.key_sealed, integration.key_last4 = b"", ""
        end_queued_runs(integration_id)


def end_queued_runs(integration_id: int) -> None:
    """End the runs that wait in the queue. Call it inside ``writing()``."""
    db.session.execute(END_QUEUED, {"of_integration": integration_id, "now": utcnow()})


def make_all_due(integration: Integration) -> None:
    """Call it inside ``writing()``."""
    now = utcnow()
    integration.orders_due_at = integration.stock_due_at = integration.listings_due_at = now
    integration.receipts_due_at = integration.receipts_due_at or receipts.next_due(now, integration.shop.zone)
    write_backs.due_again(integration.id)


def check_shop(kind: str, endpoint: str, api_key: str) -> Check:
    """Ask a shop whether address and key work, for reading and writing, changing nothing. Never raises ChannelError;
    raises InvalidInput where the end point cannot be an address at all."""
    endpoint, admin_script = normalise(kind, endpoint)
    if not api_key.strip():
        raise InvalidInput("Enter the API key.", "Copy the value of 'API key (read/write)' from the shop.", field="api_key")
    logs.hide(api_key.strip())
    credentials = Credentials(endpoint, api_key.strip(), admin_script=admin_script)
    channel = channels.open_channel(kind, credentials, limits=channel_limits())
    try:
        return channel.check()
    finally:
        channel.close()


def normalise(kind: str, endpoint: str) -> tuple[str, str]:
    """What a person pasted, as (canonical end point, admin script). Raises InvalidInput."""
    return channels.channel_class(kind).normalise(endpoint, allow_private=channel_limits().allow_private)


def pasted_address(integration: Integration) -> str:
    """The end point as a person would paste it to be understood fully: with the shop's admin script where that was renamed."""
    usual = normalise(integration.kind, integration.endpoint)[1]
    renamed = integration.admin_script not in ("", usual)
    return f"{integration.endpoint}/{integration.admin_script}" if renamed else integration.endpoint


def check_integration(integration_id: int) -> Check:
    """Check a stored integration and remember what it says: a good answer clears what was wrong, a rejected key asks for a
    person. Raises NotFound, or ConfigError where the keyring does not open the stored key."""
    integration = get_integration(integration_id)
    kind, pasted, key = integration.kind, pasted_address(integration), vault.unseal(integration.key_sealed)
    db.session.rollback()
    check = check_shop(kind, pasted, key)
    with writing() as session:
        integration = session.get(Integration, integration_id, with_for_update=True)
        if integration is None or integration.removed_at is not None:
            raise NotFound("That integration has been removed.")
        if check.good:
            health.note_answer(integration)
            note_good(integration)
            integration.writes_refused = False
            integration.generation, integration.admin_script = check.generation, check.admin_script
            make_all_due(integration)
        elif check.verdict == "read_only_key":
            integration.writes_refused = True
            note_trouble(integration, "connected", check.message)
        else:
            state = "needs_reauthorising" if check.verdict == "wrong_key" else "retrying"
            note_trouble(integration, state, check.message)
        if not check.good:
            health.note_no_answer(integration, check.verdict, check.message, check.advice)
    incidents.review(integration_id)
    return check


def note_good(integration: Integration) -> None:
    """The shop answered as it should; what was paused goes on. Call it inside ``writing()``."""
    if integration.paused_at is not None:
        integration.paused_at = None
        make_all_due(integration)
    integration.pause_warned_at = integration.probe_due_at = None
    if integration.health != "connected" or integration.health_message:
        integration.health, integration.health_since = "connected", utcnow()
    integration.health_message = ""
    integration.failures = 0


def note_trouble(integration: Integration, health: str, message: str) -> None:
    """Call it inside ``writing()``."""
    if integration.health != health:
        integration.health, integration.health_since = health, utcnow()
    integration.health_message = message


def open_channel(integration: Integration, gate: Callable[[], None] = lambda: None, limits: Limits | None = None) -> Channel:
    """The channel to an integration's shop; ``gate`` is asked before every request.
    Raises ConfigError where the keyring does not open the stored key."""
    credentials = Credentials(
        integration.endpoint, vault.unseal(integration.key_sealed), integration.generation, integration.admin_script
    )
    return channels.open_channel(integration.kind, credentials, limits=limits or channel_limits(), gate=gate)


def channel_limits() -> Limits:
    config = _config()
    return Limits(
        connect_timeout=config.connect_timeout, read_timeout=config.read_timeout, total_timeout=config.total_timeout,
        max_bytes=config.max_answer_bytes, allow_private=config.allow_private_endpoints, user_agent=f"Cartlink/{VERSION}",
        connections=config.shop_connections, per_minute=config.shop_requests_per_minute,
    )  # fmt: skip


def _config() -> Config:
    return current_app.config["CARTLINK"]


def parse_since(text: str) -> datetime:
    """A date (2026-11-01) or time (2026-11-01T08:00, with or without a zone; UTC without). Raises InvalidInput."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{text!r} is not a date.", "Write it as 2026-11-30.", field="since") from None
    if moment > utcnow() + timedelta(days=1):
        raise InvalidInput("The start date lies in the future.", "Choose today or an earlier day.", field="since")
    return moment
