"""Integrations: added, shown, checked, switched on and off, removed. And the channel to an integration's shop, opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.exc import IntegrityError

import channels
from channels.base import Check
from config import current_config
from errors import Conflict, InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import Flow, FlowKind, Integration, Listing, Shop, SyncRun
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.common.results import changed_rows
from services.common.text import one_line
from services.monitoring.connection_state import make_all_due
from services.order_basics.columns import SETTINGS
from services.security import audit, vault
from services.security.audit import About, record_change
from services.shipping import write_backs
from services.shops import flows, health
from services.shops.finding import get_integration, newest_of_shop, present
from services.stock import released

CONNECTED = audit.kind("integration.connected", "Connected")
ENABLED = audit.kind("integration.enabled", "Enabled")
DISABLED = audit.kind("integration.disabled", "Disabled")
RESUMED = audit.kind("integration.resumed", "Resumed")
REMOVED = audit.kind("integration.removed", "Removed")
RELEASED = audit.kind("integration.stock_released", "Stock of a removed shop released")
MAX_NAME = 100
EARLIEST = 2000
"""The year before which no order was placed: X-Cart is younger. A day of the year 1 cannot be shown in all time zones."""
TOO_EARLY = "The first day is before there were such shops."


@dataclass(frozen=True)
class NewIntegration:
    """What a person says of a new integration. ``since`` is the time from which placed orders are downloaded.

    ``shop_id`` is the shop, known from before, whose history is taken up; without it, and with ``by_address``, the one at
    the same address is. ``settings`` are further columns of models.Integration, by name. ``compared_at`` is when the shop was compared with
    the connected ones by their orders, if it was."""

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
    compared_at: datetime | None = None


class NotCompared(Conflict):
    """Another shop was connected after the new one was compared with the connected ones. Nothing shows yet whether it is the same."""


@retry_on_deadlock
def add_integration(new: NewIntegration, check: Check, actor: str) -> Integration:
    """Store an integration whose shop answered ``check`` well: enabled, its first runs due at once.

    The same site added again after a removal takes its shop, and so its orders and links, up again.
    Raises InvalidInput, NameTaken, or Conflict if the shop is connected already."""
    name = clean_name(new.name)
    key = new.api_key.strip()
    address = address_of(check.endpoint)
    now = utcnow()
    facts = channels.facts_of(new.kind)
    settings = {
        "processed_status": facts.shipped_status, "work_statuses": [list(pair) for pair in facts.ready_statuses], **new.settings,
    }  # fmt: skip
    try:
        with writing() as session:
            refuse_taken_name(name)
            _refuse_uncompared(new)
            shop = _shop_of(new, address)
            since = new.since or now - timedelta(days=30)
            if shop.orders_read_to is not None:
                # A shop that comes back goes on where it was left, and is read from its start only where more is asked for.
                if shop.orders_from is not None and since < shop.orders_from:
                    shop.reading_since, shop.reading_position, shop.reading_started_at = since, 0, None
                since = min(since, shop.orders_read_to)
            _compare_all(shop)
            if check.clock_skew is not None:
                shop.clock_ahead = round(max(-1e9, min(1e9, check.clock_skew)))
            integration = Integration(
                shop_id=shop.id, kind=new.kind, name=name, name_key=name.casefold(), endpoint=check.endpoint,
                admin_script=check.admin_script, generation=check.generation, key_encrypted=vault.encrypt(key), key_last4=vault.last4(key),
                use_tax=new.use_tax, use_shipping_tax=new.use_shipping_tax, surcharge_name=new.surcharge_name.strip()[:200],
                orders_since=since, flows=flows.new_flows(now, _intervals()), health="connected", health_since=now, **settings,
            )  # fmt: skip
            session.add(integration)
            session.flush()
            make_all_due(integration)
            if _other_settings_before(integration) or shop.released_at is not None:
                integration.evaluate_due_at = now
            released.reserve_again(shop.id, actor)
            added = {"name": (None, name), "end_point": (None, check.endpoint)}
            record_change(CONNECTED, About(integration.id, name, integration.id), added, actor)
            integration_id = integration.id
    except IntegrityError:
        raise NameTaken(f"There is an integration called {name!r} already.", "Choose another name.") from None
    return get_integration(integration_id)


def _refuse_uncompared(new: NewIntegration) -> None:
    """Raises NotCompared. Of a shop whose orders have been read by now, those that are stored tell."""
    if new.compared_at is None:
        return
    later = (Shop.kind == new.kind, Integration.created_at >= new.compared_at, Shop.orders_read_to.is_(None))
    other = db.session.scalar(present().join(Shop).where(*later).limit(1))
    if other is not None:
        raise NotCompared(
            f"{other.name} was connected after this shop was tested, and may be the same shop.",
            "Go back one step and choose ‘Next’, so that the two are compared.",
        )


def _intervals() -> dict[FlowKind, int]:
    config = current_config()
    return {
        FlowKind.ORDERS: config.orders_every, FlowKind.STOCK: config.stock_every, FlowKind.LISTINGS: config.listings_every,
    }  # fmt: skip


def _other_settings_before(integration: Integration) -> bool:
    """Whether the shop's orders were stored under other settings, when it was connected the last time."""
    earlier = select(Integration).where(Integration.shop_id == integration.shop_id, Integration.id != integration.id)
    before = db.session.scalar(earlier.order_by(Integration.id.desc()).limit(1))
    return before is not None and any(getattr(before, name) != getattr(integration, name) for name in SETTINGS)


def _shop_of(new: NewIntegration, address: str) -> Shop:
    """The shop that is taken up again, or a new one. Raises Conflict if it is connected already."""
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
    shop.listings_read_at, shop.listings_position, shop.loss_at = None, "", None
    db.session.execute(
        update(Listing).where(Listing.shop_id == shop.id, Listing.gone_at.is_(None)).values(stale=True, push_due_at=None)
        .execution_options(synchronize_session=False)
    )  # fmt: skip


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


# One statement on the table decides and switches. It is built once, because a person waits for it.
_row = Integration.__table__.c
_PRESENT = (_row.id == bindparam("integration_id"), _row.removed_at.is_(None))
IS_THERE = select(_row.id).where(*_PRESENT)
SWITCH_OFF = update(Integration.__table__).where(*_PRESENT, _row.enabled.is_(True)).values(enabled=False)
SWITCH_ON = update(Integration.__table__).where(*_PRESENT, _row.enabled.is_(False)).values(enabled=True)
RESUME = (
    update(Integration.__table__)
    .where(_row.id == bindparam("integration_id"), _row.paused_at.is_not(None))
    .values(paused_at=None, pause_warned_at=None)
)
_flow = Flow.__table__.c
MAKE_DUE = (
    update(Flow.__table__)
    .where(_flow.integration_id == bindparam("of_integration"),
           or_(_flow.kind.in_(flows.AT_ONCE), and_(_flow.kind == FlowKind.SHIPMENTS, write_backs.are_waiting(bindparam("of_integration")))))
    .values(due_at=bindparam("now"))
)  # fmt: skip
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
        if not changed_rows(switched) and session.scalar(IS_THERE, asked) is None:
            raise NotFound("That integration has been removed.", "Go back to the list of integrations.")
        if changed_rows(switched):
            record_change(
                ENABLED if enabled else DISABLED,
                About(integration_id, "", integration_id),
                {"enabled": (not enabled, enabled)},
                actor,
            )
            if enabled:
                _make_due(integration_id)
            else:
                end_queued_runs(integration_id)
        if enabled:
            _resume(integration_id, actor)


def _resume(integration_id: int, actor: str) -> None:
    """A person resumes an integration that Cartlink has paused: it runs at once, and its failures are counted from now on. Call it
    inside ``writing()``."""
    if changed_rows(db.session.execute(RESUME, {"integration_id": integration_id})):
        record_change(RESUMED, About(integration_id, "", integration_id), {"paused": (True, False)}, actor)
        _make_due(integration_id)
        flows.plan(integration_id, FlowKind.CONNECTION, None)
        health.restart_failures(db.session.get_one(Integration, integration_id))


def _make_due(integration_id: int) -> None:
    db.session.execute(MAKE_DUE, {"of_integration": integration_id, "now": utcnow()})


@retry_on_deadlock
def remove_integration(integration_id: int, actor: str, *, keep_reserved: bool = False) -> None:
    """Take an integration out of the list and forget its key. Its shop, orders and links stay. What its open orders have reserved is
    released, unless it is to be kept. Raises NotFound."""
    with writing() as session:
        # Locked before stock items and orders, against the usual order: it decides whether a page of its runs is still stored.
        integration = session.get(Integration, integration_id, with_for_update=True)
        if integration is None or integration.removed_at is not None:
            raise NotFound("That integration has been removed already.", "Go back to the list of integrations.")
        integration.enabled = False
        integration.removed_at = utcnow()
        kept = {"reserved_units": (None, "kept") if keep_reserved else ("kept", "released")}
        record_change(REMOVED, About(integration_id, integration.name, integration_id), kept, actor)
        integration.key_encrypted, integration.key_last4 = b"", ""
        end_queued_runs(integration_id)
        if not keep_reserved:
            session.flush()
            released.release(integration.shop_id, actor)


@retry_on_deadlock
def release_kept(integration_id: int, actor: str) -> None:
    """Release what the open orders of a removed integration kept reserved; nothing where that was done already. Raises NotFound for one that is
    not removed, or whose shop is connected again: its orders are worked on there."""
    with writing() as session:
        integration = session.get(Integration, integration_id)
        if integration is None:
            raise _keeps_nothing()
        # Locked before stock items and orders, against the usual order: who connects the shop again meanwhile waits, or is seen here.
        shop = session.get_one(Shop, integration.shop_id, with_for_update=True, populate_existing=True)
        newest = newest_of_shop(shop.id)
        if newest is None or newest.removed_at is None:
            raise _keeps_nothing()
        if shop.released_at is not None and not released.reserved_units(shop.id):
            return
        about = About(integration_id, integration.name, integration_id)
        record_change(RELEASED, about, {"reserved_units": ("kept", "released")}, actor)
        released.release(shop.id, actor)


def _keeps_nothing() -> NotFound:
    return NotFound("There is no removed integration that keeps stock reserved.", "Load the page again.")


def end_queued_runs(integration_id: int) -> None:
    """End the runs that wait in the queue. Call it inside ``writing()``."""
    db.session.execute(END_QUEUED, {"of_integration": integration_id, "now": utcnow()})


def parse_since(text: str) -> datetime:
    """A date (2026-11-01) or time (2026-11-01T08:00, with or without a zone; UTC without). Raises InvalidInput."""
    if not text.strip():
        raise InvalidInput("Enter a date.", "For example 2026-11-30.", field="since")
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{text!r} is not a date.", "Write it as 2026-11-30.", field="since") from None
    if moment > utcnow() + timedelta(days=1):
        raise InvalidInput("The start date lies in the future.", "Choose today or an earlier day.", field="since")
    if moment.year < EARLIEST:
        raise InvalidInput(TOO_EARLY, f"Choose a day from {EARLIEST} on.", field="since")
    return moment
