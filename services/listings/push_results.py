"""The result of each row of a stock push: stored, refused, not done yet or stored as another value, and when it is sent again.

Only a row that the shop's own program refused is skipped, until its quantity changes or the next reading of listings. Every other
row stays due. The first try comes after half a minute, the next ones later and later, up to one interval of the integration's stock
updates: once the shop takes quantities again, two intervals later it has them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from sqlalchemy import ColumnElement, func, or_, select, true, update

from channels.base import Channel
from channels.results import StockChange, StockResult
from errors import ChannelError, ShopBroken, ShopBusy
from extensions import db, writing
from models import FlowKind, Integration, Listing, RunItem
from models.stock import NO_FAILURE
from models.types import utcnow
from services.common.backoff import wait_for
from services.common.batches import batches
from services.runs.lease import Lease
from services.shops import flows

FIRST_WAIT = 30.0
"""Seconds until a row that was not stored is sent again for the first time; twice as long after each further failure."""
LOOK_AGAIN_AFTER = timedelta(minutes=15)
"""How long after a reading of listings the next one comes where the shop did not list a product it had, or sells one in another way."""
NOT_LISTED = "The shop did not list this product when Cartlink last asked for its quantity."
RESULTS = {"stored": "sent", "refused": "refused", "not_done": "waiting", "other_value": "other_value"}
"""Outcome -> the word on the run's page, which is what the run counts too."""


@dataclass(frozen=True, slots=True)
class Change:
    """A quantity to be sent: the listing, what the shop has now and what it should have, worked out at ``as_of``, when ``last_entry_id`` was the last line of
    the stock ledger; ``tries`` failed before."""

    listing_id: int
    external_id: str
    sku: str
    now: int
    wanted: int
    why: str
    tries: int = 0
    as_of: datetime | None = None
    last_entry_id: int | None = None

    @property
    def turn(self) -> tuple[bool, int]:
        """The place among the changes of a push. What has failed before comes last, each time in another order: a few rows at the
        head that always fail would else keep all behind them from being sent."""
        return self.tries > 0, crc32(f"{self.listing_id} {self.tries}".encode()) if self.tries else self.listing_id

    def for_channel(self) -> StockChange:
        return StockChange(self.external_id, self.wanted, self.now)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows were stored, answered in another way by the shop (refused, other value) or not done, and the last error."""

    stored: int = 0
    answered: int = 0
    waiting: int = 0
    trouble: ChannelError | None = None

    def plus(self, other: Tally) -> Tally:
        return Tally(
            self.stored + other.stored, self.answered + other.answered, self.waiting + other.waiting,
            other.trouble or self.trouble,
        )  # fmt: skip

    @property
    def hopeless(self) -> bool:
        """Whether the next rows would meet the same error."""
        return self.trouble is not None and (not self.stored + self.answered or self.trouble.about_key)


def tally_of(results: Iterable[StockResult]) -> Tally:
    tally = Tally()
    for result in results:
        waits = result.outcome == "not_done"
        tally = tally.plus(Tally(result.ok, not result.ok and not waits, waits, result.trouble))
    return tally


def due(by_hand: bool = False) -> ColumnElement[bool]:
    """Whether a listing may be sent again now. If a person starts an update, all rows may be."""
    return true() if by_hand else or_(Listing.push_due_at.is_(None), Listing.push_due_at <= utcnow())


def stored(listing: Listing, quantity: int, wanted: int | None) -> None:
    """The shop has this quantity now. The listing stays stale if our quantity has changed meanwhile."""
    listing.quantity = listing.pushed = listing.expected = quantity
    listing.pushed_at = utcnow()
    listing.clear_failure()
    listing.stale = wanted != quantity


def keep(lease: Lease, listing: Listing, change: Change, result: StockResult, wanted: int | None) -> None:
    """Store the result of one row that was sent; ``wanted`` is what the listing should offer by now."""
    if result.ok:
        stored(listing, change.wanted, wanted)
        listing.drift = listing.drift_seen_at = None
    elif result.trouble is None or not result.trouble.about_key:
        _failed(lease, listing, change, result)
    word = RESULTS[result.outcome]
    lease.count(word)
    db.session.add(
        RunItem(run_id=lease.run_id, listing_id=listing.id, external_id=change.external_id, sku=change.sku, now=change.now,
                wanted=change.wanted, stored=result.stored, as_of=change.as_of, last_entry_id=change.last_entry_id, result=word,
                reason=result.reason)
    )  # fmt: skip


def _failed(lease: Lease, listing: Listing, change: Change, result: StockResult) -> None:
    if result.stored is not None:
        listing.quantity = listing.expected = result.stored
    if result.outcome == "refused":
        listing.clear_failure()
        listing.push_state, listing.push_error, listing.stale = "refused", result.reason, False
        if result.outdated:
            _look_again(lease)
        return
    state = "waiting" if result.outcome == "not_done" else "other_value"
    if listing.push_state != state:
        listing.push_tries, listing.push_failed_since = 0, utcnow()
    listing.push_state, listing.push_error, listing.stale = state, result.reason, True
    listing.push_tries += 1
    listing.push_sent = change.wanted if result.stored is None else None
    listing.push_due_at = _next_try(listing.push_tries, _every(lease), result.trouble)


def leave(lease: Lease, changes: Sequence[Change], trouble: ChannelError) -> None:
    """Note rows that were not sent because those before them met an error. They are due together with them."""
    tries = db.session.scalar(select(func.max(Listing.push_tries)).where(*_waits(lease.shop_id)))
    again = _next_try(max(1, tries or 0), _every(lease), trouble)
    ids = [change.listing_id for change in changes]
    for batch in batches(ids):
        with lease.page() as session:
            chunk = Listing.id.in_(batch)
            values = {"push_error": trouble.message, "push_due_at": again}
            first = values | {"push_state": "waiting", "push_tries": 1, "push_failed_since": utcnow()}
            for fits, what in ((Listing.push_state == "waiting", values), (Listing.push_state != "waiting", first)):
                session.execute(
                    update(Listing).where(chunk, Listing.stale, fits).values(what).execution_options(synchronize_session=False)
                )
            lease.count("waiting", len(batch))


def note_missing(lease: Lease, ids: Sequence[int], reason: str = NOT_LISTED) -> None:
    """The shop did not list these when it was asked for their quantities. That may pass, so they stay due; whether they are gone is
    decided by readings of the whole list, of which the next comes sooner. Call it inside a page."""
    every, now, fresh = _every(lease), utcnow(), False
    for batch in batches(ids):
        chunk = Listing.id.in_(batch)
        for listing in db.session.scalars(select(Listing).where(chunk).order_by(Listing.id).with_for_update()):
            if listing.push_state != "missing":
                listing.push_tries, listing.push_failed_since, fresh = 0, now, True
            listing.push_state, listing.push_error = "missing", reason
            listing.push_tries += 1
            listing.push_due_at = _next_try(listing.push_tries, every)
    if fresh:
        _look_again(lease)


def _look_again(lease: Lease) -> None:
    """Let the next reading of listings come sooner. Call it inside a page."""
    last, now = db.session.get_one(Integration, lease.integration_id).shop.listings_read_at, utcnow()
    look = max(now, last + LOOK_AGAIN_AFTER) if last is not None else now
    flows.bring_forward(flows.of_integration(lease.integration_id), FlowKind.LISTINGS, to=look)


def waiting(shop_id: int) -> tuple[int, datetime | None]:
    """How many listings wait to be sent or asked for again, and when the first of them is due."""
    query = select(func.count(), func.min(Listing.push_due_at)).where(*_waits(shop_id))
    count, first = db.session.execute(query).one()
    return count, first


def say_what_waits(lease: Lease) -> int:
    """Note on the run how many rows wait to be sent again, and plan the next update for them; returns their number."""
    count, first = waiting(lease.shop_id)
    if count:
        lease.warn(what_waits(count, first))
        with lease.page():
            plan_next_try(lease.integration_id, lease.shop_id)
    return count


def what_waits(count: int, first: datetime | None) -> str:
    again = f" The next try is at {first:%H:%M:%S} UTC." if first is not None else ""
    return (
        f"{count} {'quantity waits' if count == 1 else 'quantities wait'} to be sent again: the shop has not stored them.{again}"
    )


def plan_next_try(integration_id: int, shop_id: int) -> None:
    """Let the next stock update come when the first waiting row is due. Call it inside ``writing()``."""
    _, first = waiting(shop_id)
    if first is not None:
        flows.bring_forward(flows.of_integration(integration_id), FlowKind.STOCK, to=max(first, utcnow()))


def all_failed(tally: Tally) -> ChannelError | None:
    """The error a run ends with because the shop stored nothing for a reason that passes, or rejected the key; None otherwise."""
    if tally.trouble is not None and tally.trouble.about_key:
        return tally.trouble
    if tally.stored or tally.answered or not tally.waiting:
        return None
    trouble = tally.trouble or ShopBroken("The shop answered, but stored none of the quantities.")
    trouble.writing = True
    return trouble


def plan_after_failure(integration: Integration) -> None:
    """The shop can be read and stored nothing: each row has its own next try, at most one interval away. Call it inside ``writing()``."""
    every = timedelta(seconds=flows.interval(integration.id, FlowKind.STOCK))
    flows.plan(integration.id, FlowKind.STOCK, utcnow() + every)
    plan_next_try(integration.id, integration.shop_id)


def remember_post(integration_id: int, channel: Channel) -> None:
    """Keep what the channel's writes find out about POST in place of a blocked PUT, as soon as they do."""

    def keep_state(state: str) -> None:
        with writing() as session:
            session.get_one(Integration, integration_id, with_for_update=True).put_by_post = state

    channel.remember_post = keep_state


def clear(condition: ColumnElement[bool]) -> None:
    """Clear the results of earlier stock updates of listings. Call it inside ``writing()``."""
    db.session.execute(update(Listing).where(condition).values(NO_FAILURE).execution_options(synchronize_session=False))


def _waits(shop_id: int) -> tuple[Any, ...]:
    return (
        Listing.shop_id == shop_id, Listing.troubled, Listing.push_state.in_(("waiting", "other_value", "missing")),
        Listing.stale, Listing.gone_at.is_(None),
    )  # fmt: skip


def _next_try(tries: int, every: float, trouble: ChannelError | None = None) -> datetime:
    asked = trouble.retry_after if isinstance(trouble, ShopBusy) else None
    return utcnow() + wait_for(tries, first=FIRST_WAIT, most=every, asked=asked)


def _every(lease: Lease) -> float:
    return float(flows.interval(lease.integration_id, FlowKind.STOCK))
