"""The stock push: what each listing should offer, compared with what the shop has, braked where it would change much, sent.

A listing is looked at when it is ``stale``: its stock item has changed, or the shop shows another quantity than expected.
The shop's present quantities are read, then its orders, so that the books know of everything sold before (services/bracket.py);
then comes the brake, then what differs is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import selectinload

from channels.base import Channel, StockChange, StockResult
from errors import Conflict
from extensions import db, writing
from models import Drift, Integration, Link, Listing, RunItem, SyncRun
from models.types import utcnow
from services import bracket, ledger, linking
from services.runs import Lease
from services.stock import MOST

CHUNK = 100
"""Listings a write: bulk writes of a hundred rows took 0.46 s on a small shop (X-Cart 5.4, observed)."""

READ_CHUNK = 1000
"""Listings a reading: the channel splits them into requests, and does so best where it sees many."""

JUDGE_CHUNK = 500
"""Listings judged a commit: after a first reading all of a shop's are, and they are not to be in memory all at once."""

ROUNDS = 3
"""How often listings that are being sold at this very moment are compared again before they are left for the next run."""


@dataclass(frozen=True, slots=True)
class PreviewRow:
    sku: str
    name: str
    external_id: str
    now: int
    would_be: int
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a push would change. ``waiting`` is true while it waits for a person; ``run_id`` is the run that made it."""

    rows: tuple[PreviewRow, ...]
    waiting: bool
    run_id: int | None


@dataclass(frozen=True, slots=True)
class _Change:
    listing_id: int
    external_id: str
    sku: str
    now: int
    wanted: int
    why: str


def wanted_quantity(listing: Listing) -> int | None:
    """What a listing should offer: the scarcest of its stock items, less the shop's own buffer, at most its cap; None where it is
    linked to none."""
    if not listing.links:
        return None
    shop = listing.shop
    offered = max(0, min(link.stock_item.available // link.units for link in listing.links) - shop.stock_buffer)
    return offered if shop.stock_cap is None else min(offered, shop.stock_cap)


def anything_stale(shop_id: int) -> bool:
    """Whether there is anything to compare; what the shop has no more is not."""
    query = select(Listing.id).where(Listing.shop_id == shop_id, Listing.stale, Listing.gone_at.is_(None)).limit(1)
    return db.session.scalar(query) is not None


def push_stock(lease: Lease, channel: Channel, fresh_orders: Callable[[], None], tell: Callable[[], None] = lambda: None) -> str:
    """Send the shop the quantities that differ. ``fresh_orders()`` downloads the shop's orders; ``tell()`` is called after
    each chunk.

    Answers ``done``, ``partial`` (a listing was refused) or ``waiting`` (a preview waits for a person).
    Raises ChannelError, or RunStopped from the lease; each chunk's results are committed by then."""
    failed = 0
    for _ in range(ROUNDS):
        read = _read_present(lease, channel)
        mark = read.mark
        fresh_orders()
        moved = bracket.moved_since(mark)
        changes = _judge(lease, read.present, moved)
        if not _may_send(lease, lease.shop_id, changes):
            return "waiting"
        lease.total = lease.done + len(changes)
        for start in range(0, len(changes), CHUNK):
            failed += _send(lease, channel, changes[start : start + CHUNK])
            tell()
        if not moved:
            _close_approval(lease)
            break
    return "partial" if failed else "done"


def push_nothing(lease: Lease) -> str:
    """Nothing is stale, so nothing is asked of the shop; a first push that changes nothing confirms itself."""
    if not _may_send(lease, lease.shop_id, ()):
        return "waiting"
    _close_approval(lease)
    return "done"


@dataclass(frozen=True)
class _Read:
    """The shop's quantities by listing id, and how far its orders had come before they were read."""

    mark: bracket.Mark
    present: dict[int, int]


def _stale(shop_id: int) -> tuple[list[tuple[int, str]], list[int]]:
    """Stale listings: (id, external id) of those to be compared, and the ids of those that may not be pushed."""
    pushable = and_(
        Listing.counted, Listing.own_stock, Listing.replaced.is_(False), Listing.do_not_push.is_(False),
        exists().where(Link.listing_id == Listing.id),
    )  # fmt: skip
    query = (
        select(Listing.id, Listing.external_id, pushable)
        .where(Listing.shop_id == shop_id, Listing.stale, Listing.gone_at.is_(None))
        .order_by(Listing.id)
    )
    asking: list[tuple[int, str]] = []
    settled: list[int] = []
    for listing_id, external_id, may_be_pushed in db.session.execute(query):
        if may_be_pushed:
            asking.append((listing_id, external_id))
        else:
            settled.append(listing_id)
    db.session.rollback()
    return asking, settled


def _with_stock(ids: Sequence[int]) -> Sequence[Listing]:
    """Listings with their links and stock items, in three statements."""
    query = (
        select(Listing)
        .where(Listing.id.in_(ids))
        .options(selectinload(Listing.links).selectinload(Link.stock_item), selectinload(Listing.shop))
        .order_by(Listing.id)
    )
    return db.session.scalars(query).all()


def _lock_with_stock(ids: Sequence[int]) -> Sequence[Listing]:
    """The same with the stock items locked: a listing is not to be taken for settled while a sale that moves it is being
    committed beside us."""
    ledger.lock_items(db.session.scalars(select(Link.stock_item_id).where(Link.listing_id.in_(ids))))
    return _with_stock(ids)


def _read_present(lease: Lease, channel: Channel) -> _Read:
    """Read the shop's present quantities of stale listings. Those that may not be pushed are settled without asking,
    but for those that the next run has to link."""
    mark = bracket.mark(lease.shop_id)
    asking, settled = _stale(lease.shop_id)
    present: dict[int, int] = {}
    gone: list[int] = []
    for start in range(0, len(asking), READ_CHUNK):
        chunk = asking[start : start + READ_CHUNK]
        found = channel.read_quantities([external_id for _, external_id in chunk])
        lease.requests = channel.requests
        present |= {listing_id: min(found[external_id], MOST) for listing_id, external_id in chunk if external_id in found}
        gone.extend(listing_id for listing_id, external_id in chunk if external_id not in found)
    with lease.page():
        take_stock = db.session.get_one(Integration, lease.integration_id).take_shop_stock
        linking.settle(settled, but=linking.not_to_be_settled(lease.shop_id, take_stock))
        linking.settle(gone, linking.NO_MORE)
        lease.count("missing", len(gone))
        lease.count("compared", len(present))
    return _Read(mark, present)


def _judge(lease: Lease, present: dict[int, int], moved: set[str]) -> list[_Change]:
    """What is to be sent, from the books after orders were read. What is as it should be is confirmed; a listing whose SKU was
    sold meanwhile is left for the next round; a quantity that no order explains was changed by somebody else: it is said."""
    changes: list[_Change] = []
    ids = list(present)
    for start in range(0, len(ids), JUDGE_CHUNK):
        with lease.page():
            for listing in _lock_with_stock(ids[start : start + JUDGE_CHUNK]):
                if listing.stale and listing.pushable and not _skus_of(listing) & moved:
                    changes.extend(_judge_one(lease, listing, present[listing.id]))
    return changes


def _judge_one(lease: Lease, listing: Listing, now: int) -> Iterator[_Change]:
    wanted = wanted_quantity(listing)
    if wanted is None:
        return
    if listing.expected is not None and now not in (listing.expected, listing.pushed, wanted):
        _note_drift(lease, listing, now)
    listing.quantity = listing.expected = now
    if now == wanted:
        _confirm(listing, now)
    else:
        yield _Change(listing.id, listing.external_id, listing.sku, now, wanted, _why(listing))


def _skus_of(listing: Listing) -> set[str]:
    return {listing.sku, *(link.stock_item.sku for link in listing.links)}


def _note_drift(lease: Lease, listing: Listing, now: int) -> None:
    listing.drift, listing.drift_seen_at = now, utcnow()
    kept = db.session.scalar(select(Drift).where(Drift.listing_id == listing.id, Drift.state == "open"))
    if kept is None:
        kept = Drift(listing_id=listing.id, expected=listing.expected or 0)
        db.session.add(kept)
    kept.found, kept.seen_at, kept.run_id = now, utcnow(), lease.run_id
    lease.count("drift")
    lease.warn(f"{listing.sku}: the shop has {now}, {listing.expected} was expected; somebody changed it there.")


def _why(listing: Listing) -> str:
    parts = []
    for link in listing.links:
        item = link.stock_item
        buffer = f", buffer {item.buffer}" if item.buffer else ""
        per_piece = f", {link.units} a piece" if link.units > 1 else ""
        parts.append(f"{item.sku}: on hand {item.on_hand}, reserved {item.reserved}{buffer}{per_piece}")
    return "; ".join(parts)


def _confirm(listing: Listing, quantity: int) -> None:
    """The shop has this quantity now. The listing stays stale where the books have moved on meanwhile."""
    listing.quantity = listing.pushed = listing.expected = quantity
    listing.pushed_at = utcnow()
    listing.push_error = ""
    listing.stale = wanted_quantity(listing) != quantity


def _may_send(lease: Lease, shop_id: int, changes: Sequence[_Change]) -> bool:
    """The brake (design.md, rule 6). What a person has approved as it stands passes; otherwise the preview is kept."""
    with lease.page() as session:
        integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
        if not changes:
            integration.waiting_run_id = None
            if integration.push_gate == "first" and _anything_linked(shop_id):
                integration.push_gate = "open"
            return True
        approved = _approved(integration.approved_run_id)
        new = [change for change in changes if (change.listing_id, change.wanted) not in approved]
        if integration.push_gate == "open" and not _too_much(integration, shop_id, new):
            integration.waiting_run_id = None
            return True
        if integration.push_gate == "first" and not new and integration.approved_run_id is not None:
            integration.push_gate, integration.waiting_run_id = "open", None
            return True
        integration.waiting_run_id = lease.run_id
        for change in changes:
            session.add(
                RunItem(run_id=lease.run_id, listing_id=change.listing_id, external_id=change.external_id, sku=change.sku,
                        now=change.now, wanted=change.wanted, result="preview", reason=change.why)
            )  # fmt: skip
        lease.count("preview", len(changes))
        return False


def _anything_linked(shop_id: int) -> bool:
    """Whether a push compares anything: one that compares nothing confirms nothing either."""
    linked = select(Link.id).join(Listing).where(Listing.shop_id == shop_id, Listing.gone_at.is_(None)).limit(1)
    return db.session.scalar(linked) is not None


def _close_approval(lease: Lease) -> None:
    """What a person has said yes to has been sent. The same changes on another day are asked about anew."""
    integration = db.session.get_one(Integration, lease.integration_id)
    given = integration.approved_run_id
    db.session.rollback()
    if given is not None:
        with lease.page() as session:
            integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
            if integration.approved_run_id == given:
                integration.approved_run_id = None


def _approved(run_id: int | None) -> set[tuple[int | None, int | None]]:
    if run_id is None:
        return set()
    rows = db.session.execute(
        select(RunItem.listing_id, RunItem.wanted).where(RunItem.run_id == run_id, RunItem.result == "preview")
    )
    return {(listing_id, wanted) for listing_id, wanted in rows}


def _too_much(integration: Integration, shop_id: int, changes: Sequence[_Change]) -> bool:
    """Whether a push zeroes or changes more than the set share of what the shop sells."""
    if len(changes) < integration.brake_least:
        return False
    whole = db.session.scalar(
        select(func.count(func.distinct(Link.listing_id)))
        .join(Listing)
        .where(Listing.shop_id == shop_id, Listing.gone_at.is_(None))
    )
    return len(changes) * 100 > integration.brake_percent * (whole or 0)


def _send(lease: Lease, channel: Channel, chunk: Sequence[_Change]) -> int:
    """Send one chunk with the quantities as they are by now, and keep each row's result; answers how many were refused."""
    sending = _as_of_now(chunk)
    if not sending:
        return 0
    results = channel.put_stock([StockChange(change.external_id, change.wanted) for change in sending])
    lease.requests = channel.requests
    failed = 0
    with lease.page() as session, session.no_autoflush:
        listings = {listing.id: listing for listing in _lock_with_stock([change.listing_id for change in sending])}
        for change, result in zip(sending, results, strict=True):
            failed += _keep_result(lease, listings[change.listing_id], change, result)
        lease.done += len(sending)
    return failed


def _as_of_now(chunk: Sequence[_Change]) -> list[_Change]:
    wanted = {listing.id: wanted_quantity(listing) for listing in _with_stock([change.listing_id for change in chunk])}
    db.session.rollback()
    sending = []
    for change in chunk:
        now_wanted = wanted.get(change.listing_id)
        if now_wanted is not None:
            sending.append(_Change(change.listing_id, change.external_id, change.sku, change.now, now_wanted, change.why))
    return sending


def _keep_result(lease: Lease, listing: Listing, change: _Change, result: StockResult) -> bool:
    """Answers whether the row was refused."""
    if result.ok:
        _confirm(listing, change.wanted)
        listing.drift = listing.drift_seen_at = None
    else:
        # It is tried again when its stock changes or the daily reading shows another quantity, not in every run.
        listing.push_error, listing.stale = result.reason, False
        if result.stored is not None:
            listing.quantity = listing.expected = result.stored
    lease.count("sent" if result.ok else "failed")
    db.session.add(
        RunItem(run_id=lease.run_id, listing_id=listing.id, external_id=change.external_id, sku=change.sku, now=change.now,
                wanted=change.wanted, stored=result.stored, result="sent" if result.ok else "failed", reason=result.reason)
    )  # fmt: skip
    return not result.ok


def preview(integration_id: int) -> Preview:
    """What waits for a person, as the run found it; empty where nothing waits. Raises NotFound for an integration that is gone."""
    integration = db.session.get_one(Integration, integration_id)
    if integration.waiting_run_id is None:
        return Preview((), False, None)
    query = (
        select(RunItem, Listing.name)
        .outerjoin(Listing, Listing.id == RunItem.listing_id)
        .where(RunItem.run_id == integration.waiting_run_id, RunItem.result == "preview")
        .order_by(RunItem.sku, RunItem.id)
    )
    rows = tuple(
        PreviewRow(item.sku, name or "", item.external_id, item.now or 0, item.wanted or 0, item.reason)
        for item, name in db.session.execute(query)
    )
    return Preview(rows, True, integration.waiting_run_id)


def approve(integration_id: int, actor: str) -> int:
    """Say yes to the preview that waits: exactly these changes pass with the next push, which is due at once.
    Answers with their number. Raises Conflict where nothing waits."""
    with writing() as session:
        integration = session.get_one(Integration, integration_id, with_for_update=True)
        if integration.waiting_run_id is None:
            raise Conflict(f"Nothing waits for approval in {integration.name}.")
        run = session.get_one(SyncRun, integration.waiting_run_id)
        run.counts = {**run.counts, "approved": run.counts.get("preview", 0)}
        run.warnings = [*run.warnings, f"Approved by {actor}."]
        integration.approved_run_id, integration.waiting_run_id = run.id, None
        integration.push_gate = "open"
        integration.stock_due_at = utcnow()
        return int(run.counts["approved"])
