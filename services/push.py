"""The stock push: what each listing should offer, compared with what the shop has, braked where it would change much, sent.

A listing is looked at when it is ``stale``: its stock item has changed, or the shop shows another quantity than expected.
The order of things is fixed: orders first, then the shop's present quantities, then the brake, then what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import selectinload

from channels.base import Channel, StockChange, StockResult
from errors import Conflict
from extensions import db, writing
from models import Integration, Link, Listing, RunItem, SyncRun
from models.types import utcnow
from services.runs import Lease

CHUNK = 100
"""Listings a request: bulk writes of a hundred rows took 0.46 s on a small shop (X-Cart 5.4, observed)."""


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
    """What a listing should offer: the scarcest of its stock items; None where it is linked to none."""
    if not listing.links:
        return None
    return min(link.stock_item.available // link.units for link in listing.links)


def anything_stale(shop_id: int) -> bool:
    return db.session.scalar(select(Listing.id).where(Listing.shop_id == shop_id, Listing.stale).limit(1)) is not None


def push_stock(lease: Lease, channel: Channel, fresh_orders: Callable[[], None]) -> str:
    """Send the shop the quantities that differ. ``fresh_orders()`` downloads the shop's orders; it is called before the first
    comparison, and again where a quantity looks changed by somebody else, which a sale just made would explain.

    Answers ``done``, ``partial`` (a listing was refused) or ``waiting`` (a preview waits for a person).
    Raises ChannelError, or RunStopped from the lease; each chunk's results are committed by then."""
    integration = db.session.get_one(Integration, lease.integration_id)
    shop_id = integration.shop_id
    db.session.rollback()
    fresh_orders()
    compared = _compare(lease, channel, shop_id)
    if compared.strange:
        before = {listing_id: expected for listing_id, (expected, _) in compared.strange.items()}
        fresh_orders()
        _note_drift(lease, compared.strange, before)
    changes = _changes(shop_id, compared.present)
    lease.count("compared", len(compared.present))
    if not _may_send(lease, shop_id, changes):
        return "waiting"
    failed = 0
    lease.total = len(changes)
    for start in range(0, len(changes), CHUNK):
        failed += _send(lease, channel, changes[start : start + CHUNK])
    return "partial" if failed else "done"


def push_nothing(lease: Lease) -> str:
    """Nothing is stale, so nothing is asked of the shop; a first push that changes nothing confirms itself."""
    return "done" if _may_send(lease, lease.shop_id, ()) else "waiting"


@dataclass
class _Compared:
    """``present`` is the shop's quantity by listing id, ``strange`` (expected, present) of those nobody here explains yet."""

    present: dict[int, int]
    strange: dict[int, tuple[int, int]]


def _stale(shop_id: int) -> Sequence[Listing]:
    query = (
        select(Listing)
        .where(Listing.shop_id == shop_id, Listing.stale, Listing.gone_at.is_(None))
        .options(selectinload(Listing.links).selectinload(Link.stock_item))
        .order_by(Listing.id)
    )
    return db.session.scalars(query).all()


def _compare(lease: Lease, channel: Channel, shop_id: int) -> _Compared:
    """Read the shop's present quantities of stale listings. Those that may not be pushed are settled without asking."""
    asking: list[tuple[int, str, int | None]] = []
    settled: list[int] = []
    for listing in _stale(shop_id):
        if listing.pushable and listing.links:
            asking.append((listing.id, listing.external_id, listing.expected))
        else:
            settled.append(listing.id)
    db.session.rollback()
    if settled:
        with lease.page():
            _settle(settled)
    compared = _Compared({}, {})
    for start in range(0, len(asking), CHUNK):
        chunk = asking[start : start + CHUNK]
        present = channel.read_quantities([external_id for _, external_id, _ in chunk])
        lease.requests = channel.requests
        gone = []
        for listing_id, external_id, expected in chunk:
            if external_id not in present:
                gone.append(listing_id)
                continue
            compared.present[listing_id] = present[external_id]
            if expected is not None and expected != present[external_id]:
                compared.strange[listing_id] = (expected, present[external_id])
        with lease.page():
            for listing_id in gone:
                listing = db.session.get_one(Listing, listing_id)
                listing.push_error, listing.stale = "The shop has this listing no more.", False
            lease.count("missing", len(gone))
    return compared


def _settle(ids: Sequence[int]) -> None:
    for start in range(0, len(ids), 500):
        db.session.execute(
            update(Listing).where(Listing.id.in_(ids[start : start + 500])).values(stale=False)
            .execution_options(synchronize_session=False)
        )  # fmt: skip


def _note_drift(lease: Lease, strange: dict[int, tuple[int, int]], before: dict[int, int]) -> None:
    """A quantity that neither the orders known before nor those known now explain was changed by somebody else: say so."""
    with lease.page():
        for listing_id, (_, present) in strange.items():
            listing = db.session.get_one(Listing, listing_id)
            expected = listing.expected if listing.expected is not None else present
            low, high = sorted((before[listing_id], expected))
            if not low <= present <= high:
                listing.drift, listing.drift_seen_at = present, utcnow()
                lease.count("drift")
                lease.warn(f"{listing.sku}: the shop has {present}, {expected} was expected; somebody changed it there.")


def _changes(shop_id: int, present: dict[int, int]) -> list[_Change]:
    """What would be sent, judged anew from the books after the last reading of orders."""
    changes = []
    for listing in _stale(shop_id):
        wanted = wanted_quantity(listing) if listing.pushable else None
        if wanted is None or listing.id not in present:
            continue
        now = present[listing.id]
        if now != wanted:
            changes.append(_Change(listing.id, listing.external_id, listing.sku, now, wanted, _why(listing)))
    # Those that are as they should be are confirmed with the page that follows; reading ends here.
    db.session.rollback()
    confirmed = [listing_id for listing_id in present if listing_id not in {change.listing_id for change in changes}]
    with writing():
        for start in range(0, len(confirmed), 500):
            for listing in db.session.scalars(select(Listing).where(Listing.id.in_(confirmed[start : start + 500]))):
                _confirm(listing, present[listing.id])
    return changes


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
    listing.pushed_at = listing.seen_at = utcnow()
    listing.push_error = ""
    listing.stale = wanted_quantity(listing) != quantity


def _may_send(lease: Lease, shop_id: int, changes: Sequence[_Change]) -> bool:
    """The brake (design.md, rule 6). What a person has approved as it stands passes; otherwise the preview is kept."""
    with lease.page() as session:
        integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
        if not changes:
            integration.push_gate, integration.waiting_run_id = "open", None
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


def _approved(run_id: int | None) -> set[tuple[int | None, int | None]]:
    if run_id is None:
        return set()
    rows = db.session.execute(select(RunItem.listing_id, RunItem.wanted).where(RunItem.run_id == run_id, RunItem.result == "preview"))
    return {(listing_id, wanted) for listing_id, wanted in rows}


def _too_much(integration: Integration, shop_id: int, changes: Sequence[_Change]) -> bool:
    """Whether a push zeroes or changes more than the set share of what the shop sells."""
    if len(changes) < integration.brake_least:
        return False
    whole = db.session.scalar(
        select(func.count(func.distinct(Link.listing_id))).join(Listing).where(Listing.shop_id == shop_id, Listing.gone_at.is_(None))
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
    with lease.page() as session:
        for change, result in zip(sending, results, strict=True):
            listing = session.get_one(Listing, change.listing_id)
            failed += _keep_result(lease, listing, change, result)
        lease.done += len(sending)
    return failed


def _as_of_now(chunk: Sequence[_Change]) -> list[_Change]:
    query = (
        select(Listing)
        .where(Listing.id.in_([change.listing_id for change in chunk]))
        .options(selectinload(Listing.links).selectinload(Link.stock_item))
    )
    wanted = {listing.id: wanted_quantity(listing) for listing in db.session.scalars(query)}
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
