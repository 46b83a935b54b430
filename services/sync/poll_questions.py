"""The questions of polls: what each shop is asked, in its own thread, and what it answered."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from sqlalchemy import Engine, bindparam, select

from channels.base import UNSETTLED, Channel
from channels.newest import Newest, NewestPage
from config import current_config
from errors import AppError, SwitchedOff, Unexpected
from extensions import db
from models import Flow, Integration
from models.types import utcnow
from services.shops import connection

log = logging.getLogger(__name__)

CHECKED_FOR = 0.25
"""Seconds for which a check of the switch holds."""
_integrations = Integration.__table__.c
SWITCHED_ON = select(_integrations.id).where(
    _integrations.id == bindparam("integration_id"), _integrations.enabled, _integrations.removed_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class FullPage:
    """That a poll reads a full page: of ``size`` orders, of which ``known`` is the digest of the last one. ``unseen``: there are open
    orders that no reading has shown for a while, so the page is read even if it is the same."""

    size: int
    known: bytes
    unseen: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """A flow that this worker polls until ``until``. ``newest`` is the digest of the last poll. ``encrypted`` is the key that is used;
    ``memory`` is that of the last reading, where it tells which orders the shop cannot print. ``trouble`` is why it cannot be asked."""

    flow_id: int
    integration_id: int
    shop_id: int
    since: datetime
    newest: bytes | None
    interval: int
    slow: bool
    changed_at: datetime | None
    until: datetime
    encrypted: bytes
    channel: Channel | None = None
    trouble: AppError | None = None
    memory: bytes = b""
    page: FullPage | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a shop answered to a poll, within ``seconds``. ``digest`` is what a later poll compares; None if the newest orders may still
    be changing, or if ``error`` says why there is no answer. ``page`` is the answer where a full page was read."""

    claimed: Claimed
    digest: bytes | None = None
    page: NewestPage | None = None
    error: AppError | None = None
    seconds: float = 0.0

    @property
    def unchanged(self) -> bool:
        """For a full page only whether it is the same as the last one."""
        return self.page.same if self.page is not None else self.digest is not None and self.digest == self.claimed.newest


def prepare(flow: Flow, integration: Integration, until: datetime, memory: bytes, unseen: bool) -> Claimed:
    """What has to be known to ask a shop. The channel is opened; nothing is sent yet."""
    page = None
    if flow.page_due_at is not None and flow.page_due_at <= utcnow():
        page = FullPage(current_config().order_page_size, flow.page_digest or b"", unseen)
    claimed = Claimed(
        flow.id, integration.id, integration.shop_id, integration.orders_since, flow.newest, flow.interval_seconds or 0,
        flow.slow, flow.changed_at, until, integration.key_encrypted, memory=memory, page=page,
    )  # fmt: skip
    try:
        return replace(claimed, channel=connection.open_channel(integration, _Gate(db.engine, integration.id)))
    except AppError as trouble:
        return replace(claimed, trouble=trouble)


@dataclass(slots=True)
class _Gate:
    """Checks the switch of an integration before each request, in the thread that sends it, and again where connecting took long. That thread
    has no application context: making one would cost a fifth of the check."""

    engine: Engine
    integration_id: int
    checked_at: float = float("-inf")

    def __call__(self) -> None:
        """Raises SwitchedOff."""
        if time.monotonic() - self.checked_at < CHECKED_FOR:
            return
        with self.engine.connect() as session:
            if session.scalar(SWITCHED_ON, {"integration_id": self.integration_id}) is None:
                raise SwitchedOff("The integration was switched off.")
        self.checked_at = time.monotonic()


def ask(claimed: Claimed) -> Answer:
    """Never raises: what is wrong with one shop concerns no other."""
    began = time.monotonic()
    if claimed.channel is None:
        return Answer(claimed, error=claimed.trouble)
    try:
        answer = _answer(claimed, claimed.channel)
    except AppError as trouble:
        answer = Answer(claimed, error=trouble)
    except Exception:
        log.exception("The poll of integration %s ended in an unexpected error", claimed.integration_id)
        answer = Answer(claimed, error=Unexpected())
    finally:
        claimed.channel.close()
    return replace(answer, seconds=time.monotonic() - began)


def _answer(claimed: Claimed, channel: Channel) -> Answer:
    asked = claimed.page
    if asked is None:
        return Answer(claimed, _digest(channel.newest_changes(memory=claimed.memory)))
    page = channel.newest_page(asked.size, b"" if asked.unseen else asked.known, claimed.memory)
    newest = max((order.changed_at for order in page.orders), default=None)
    return Answer(claimed, None if _unsettled(newest, page.shop_time) else page.digest, page)


def _digest(newest: Newest) -> bytes | None:
    if _unsettled(newest.changed_at, newest.shop_time):
        return None
    return blake2b(repr(sorted(newest.rows)).encode(), digest_size=16).digest()


def _unsettled(changed_at: datetime | None, shop_time: datetime | None) -> bool:
    return changed_at is not None and changed_at > (shop_time or utcnow()) - UNSETTLED
