"""The stock push: what each listing should offer is compared with what the shop has and sent, within the safety limit.

A listing is looked at when it is ``stale``: its stock item has changed, or the shop shows another quantity than expected.
The shop's present quantities are read, then its orders, so that everything sold before is known (services/stock/movements.py);
then the safety limit is checked, then what differs is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import selectinload

from channels.base import Channel
from channels.results import StockResult
from errors import ChannelError, Conflict, NotFound
from extensions import db, reading, writing
from models import Drift, FlowKind, Integration, Link, Listing, RunItem, SyncRun
from models.sku_key import sku_key
from models.types import utcnow
from services.common.batches import batches
from services.listings import linking, push_results
from services.listings.audited import PUSH_APPROVED
from services.listings.push_results import Change, Tally
from services.runs.lease import Lease
from services.security.audit import About, name_of, record_change
from services.shops import flows
from services.stock import ledger, movements

CHUNK = 100
"""Listings a write: bulk writes of a hundred rows took 0.46 s on a small shop (X-Cart 5.4, observed)."""

READ_CHUNK = 1000
"""Listings a reading: the channel splits them into requests, and does so best where it sees many."""

COMPARE_CHUNK = 500
"""Listings compared in one commit: after a first reading all of a shop's are, and they must not be in memory all at once."""

ROUNDS = 3
"""How often listings that are being sold at this very moment are compared again before they are left for the next run."""


BY_POST = "The shop's host blocks PUT. The quantities were sent as POST, which this shop takes too; ask its host to allow PUT."


def wanted_quantity(listing: Listing) -> int | None:
    """What a listing should offer: the scarcest of its stock items, less the shop's own buffer, at most its cap; None where it is
    linked to none."""
    if not listing.links:
        return None
    shop = listing.shop
    offered = max(0, min(link.stock_item.available // link.units for link in listing.links) - shop.stock_buffer)
    return offered if shop.stock_cap is None else min(offered, shop.stock_cap)


def anything_due(shop_id: int, by_hand: bool = False) -> bool:
    """Whether there is anything to compare now; what is gone from the shop is not. ``by_hand``: a person has asked, so rows that
    wait for their next try are due too."""
    query = select(Listing.id).where(
        Listing.shop_id == shop_id, Listing.stale, Listing.gone_at.is_(None), push_results.due(by_hand)
    )
    return db.session.scalar(query.limit(1)) is not None


def push_stock(
    lease: Lease, channel: Channel, fresh_orders: Callable[[], None], report: Callable[[], None] = lambda: None, *, by_hand: bool = False
) -> str:  # fmt: skip
    """Send the shop the quantities that differ. ``fresh_orders()`` downloads the shop's orders; ``report()`` is called after
    each chunk; ``by_hand`` is as in ``anything_due``.

    Returns ``done``, ``partial`` (a listing was refused, or waits to be sent again) or ``waiting`` (a preview waits for a person).
    Raises ChannelError, also where the shop stored no row for a reason that passes, or RunStopped from the lease; each chunk's
    results are committed by then."""
    tally = Tally()
    for turn in range(ROUNDS):
        read = _read_present(lease, channel, by_hand and not turn)
        mark = read.mark
        fresh_orders()
        moved = movements.moved_since(mark)
        changes = _compare(lease, read.present, moved)
        if not _may_send(lease, lease.shop_id, changes):
            return "waiting"
        lease.total = lease.done + len(changes)
        tally = tally.plus(_send_all(lease, channel, changes, report))
        if tally.hopeless or not moved:
            break
    trouble = push_results.all_failed(tally)
    if trouble is not None:
        raise trouble
    if tally.stored and channel.put_by_post == "proven":
        lease.warn(BY_POST)
    count = push_results.say_what_waits(lease)
    if not count and not moved:
        _close_approval(lease)
    return "partial" if count or tally.answered else "done"


def _send_all(lease: Lease, channel: Channel, changes: Sequence[Change], report: Callable[[], None]) -> Tally:
    """Send in chunks. Once the shop has stored nothing of a whole chunk, the rest is not sent and waits with it."""
    tally = Tally()
    changes = sorted(changes, key=lambda change: change.turn)
    for start in range(0, len(changes), CHUNK):
        sent = _send(lease, channel, changes[start : start + CHUNK])
        tally = tally.plus(sent)
        report()
        if sent.hopeless and sent.trouble is not None:
            rest = changes[start + CHUNK :]
            if not sent.trouble.about_key:
                push_results.leave(lease, rest, sent.trouble)
            return Tally(tally.stored, tally.answered, tally.waiting + len(rest), sent.trouble)
    return tally


def push_nothing(lease: Lease) -> str:
    """Nothing is stale, so the shop is not asked. A first push that changes nothing needs no approval."""
    if not _may_send(lease, lease.shop_id, ()):
        return "waiting"
    _close_approval(lease)
    return "done"


@dataclass(frozen=True)
class _Read:
    """The shop's quantities by listing id, and how far its orders had come before they were read."""

    mark: movements.Watermark
    present: dict[int, int]


def _stale(shop_id: int, by_hand: bool) -> tuple[list[tuple[int, str]], list[int]]:
    """Stale listings: (id, external id) of those to be compared, and the ids of those that may not be pushed."""
    pushable = and_(
        Listing.counted, Listing.own_stock, Listing.replaced.is_(False), Listing.do_not_push.is_(False),
        exists().where(Link.listing_id == Listing.id),
    )  # fmt: skip
    query = (
        select(Listing.id, Listing.external_id, pushable)
        .where(Listing.shop_id == shop_id, Listing.stale, Listing.gone_at.is_(None), push_results.due(by_hand))
        .order_by(Listing.id)
    )
    asking: list[tuple[int, str]] = []
    settled: list[int] = []
    with reading():
        for listing_id, external_id, may_be_pushed in db.session.execute(query):
            if may_be_pushed:
                asking.append((listing_id, external_id))
            else:
                settled.append(listing_id)
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
    """The same with the stock items locked: a listing must not count as settled while a sale of it is being committed by
    another transaction."""
    ledger.lock_items(db.session.scalars(select(Link.stock_item_id).where(Link.listing_id.in_(ids))))
    return _with_stock(ids)


def _read_present(lease: Lease, channel: Channel, by_hand: bool) -> _Read:
    """Read the shop's present quantities of stale listings. Those that may not be pushed are settled without asking,
    except those that the next run has to link."""
    mark = movements.watermark(lease.shop_id)
    asking, settled = _stale(lease.shop_id, by_hand)
    present: dict[int, int] = {}
    missing: list[int] = []
    for chunk in batches(asking, READ_CHUNK):
        found = channel.read_quantities([external_id for _, external_id in chunk])
        lease.requests = channel.requests
        present |= {listing_id: found[external_id] for listing_id, external_id in chunk if external_id in found}
        missing.extend(listing_id for listing_id, external_id in chunk if external_id not in found)
    with lease.page():
        take_stock = db.session.get_one(Integration, lease.integration_id).take_shop_stock
        linking.settle(settled, but=linking.not_to_be_settled(lease.shop_id, take_stock))
        push_results.note_missing(lease, missing)
        lease.count("missing", len(missing))
        lease.count("compared", len(present))
    return _Read(mark, present)


def _compare(lease: Lease, present: dict[int, int], moved: set[str]) -> list[Change]:
    """What is to be sent, from the books after orders were read. What is as it should be is confirmed; a listing whose SKU was
    sold meanwhile is left for the next round; a quantity that no order explains was changed by somebody else: it is recorded as drift."""
    changes: list[Change] = []
    ids = list(present)
    for batch in batches(ids, COMPARE_CHUNK):
        with lease.page():
            for listing in _lock_with_stock(batch):
                if listing.stale and listing.pushable and not _skus_of(listing) & moved:
                    changes.extend(_compare_one(lease, listing, present[listing.id]))
    return changes


def _compare_one(lease: Lease, listing: Listing, now: int) -> Iterator[Change]:
    wanted = wanted_quantity(listing)
    if wanted is None:
        return
    if listing.expected is not None and now not in (listing.expected, listing.pushed, listing.push_sent, wanted):
        _note_drift(lease, listing, now)
    listing.quantity = listing.expected = now
    if now == wanted:
        push_results.stored(listing, now, wanted)
    else:
        yield Change(listing.id, listing.external_id, listing.sku, now, wanted, _why(listing), listing.push_tries)


def _skus_of(listing: Listing) -> set[str]:
    return {listing.sku_key, *(sku_key(link.stock_item.sku) for link in listing.links)}


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
    shop = listing.shop
    if shop.stock_buffer:
        parts.append(f"{shop.stock_buffer} held back from this shop")
    if shop.stock_cap is not None and wanted_quantity(listing) == shop.stock_cap:
        parts.append(f"at most {shop.stock_cap} offered in this shop")
    return "; ".join(parts)


def _may_send(lease: Lease, shop_id: int, changes: Sequence[Change]) -> bool:
    """The safety limit. Changes that a person has approved pass; otherwise the preview is kept."""
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
    """What a person approved has been sent. The same changes on another day need an approval again."""
    with reading():
        integration = db.session.get_one(Integration, lease.integration_id)
        given = integration.approved_run_id
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


def _too_much(integration: Integration, shop_id: int, changes: Sequence[Change]) -> bool:
    """Whether a push zeroes or changes more than the set share of what the shop sells."""
    if len(changes) < integration.safety_limit_least:
        return False
    whole = db.session.scalar(
        select(func.count(func.distinct(Link.listing_id)))
        .join(Listing)
        .where(Listing.shop_id == shop_id, Listing.gone_at.is_(None))
    )
    return len(changes) * 100 > integration.safety_limit_percent * (whole or 0)


def _send(lease: Lease, channel: Channel, chunk: Sequence[Change]) -> Tally:
    """Send one chunk with the quantities as they are by now, and keep each row's result."""
    sending = _as_of_now(chunk)
    if not sending:
        return Tally()
    try:
        results = channel.put_stock([change.for_channel() for change in sending])
    except ChannelError as trouble:
        results = [StockResult(change.external_id, "not_done", None, trouble.message, trouble) for change in sending]
    lease.requests = channel.requests
    with lease.page() as session, session.no_autoflush:
        listings = {listing.id: listing for listing in _lock_with_stock([change.listing_id for change in sending])}
        for change, result in zip(sending, results, strict=True):
            listing = listings[change.listing_id]
            push_results.keep(lease, listing, change, result, wanted_quantity(listing))
        lease.done += len(sending)
    return push_results.tally_of(results)


def _as_of_now(chunk: Sequence[Change]) -> list[Change]:
    now = utcnow()
    with reading():
        last_entry_id = ledger.last_entry_id()
        wanted = {listing.id: wanted_quantity(listing) for listing in _with_stock([change.listing_id for change in chunk])}
    sending = []
    for change in chunk:
        now_wanted = wanted.get(change.listing_id)
        if now_wanted is not None:
            sending.append(replace(change, wanted=now_wanted, as_of=now, last_entry_id=last_entry_id))
    return sending


def approve(integration_id: int, actor: str, *, seen: int | None = None) -> int:
    """Approve the preview that waits: exactly these changes pass with the next push, which is due at once. ``seen`` is the run whose preview the
    person has looked at. Returns the number of changes. Raises NotFound, or Conflict where nothing waits, or another preview than was seen."""
    with writing() as session:
        integration = session.get(Integration, integration_id, with_for_update=True)
        if integration is None or integration.removed_at is not None:
            raise NotFound("That integration has been removed.", "Go back to the list of integrations.")
        if seen is not None and seen != integration.waiting_run_id:
            _refuse_approved(integration_id, seen)
        if integration.waiting_run_id is None:
            raise Conflict(f"Nothing waits for approval in {integration.name}.")
        if seen not in (None, integration.waiting_run_id):
            raise Conflict("The preview has changed since you opened it. Nothing was sent.", "Look at the current preview.")
        run = session.get_one(SyncRun, integration.waiting_run_id)
        run.counts = {**run.counts, "approved": run.counts.get("preview", 0)}
        run.warnings = [*run.warnings, f"Approved by {name_of(actor)}."]
        approved = {"listings": (None, run.counts["approved"])}
        record_change(PUSH_APPROVED, About(integration_id, "", integration_id), approved, actor)
        integration.approved_run_id, integration.waiting_run_id = run.id, None
        integration.push_gate = "open"
        flows.make_due(flows.of_integration(integration_id), FlowKind.STOCK)
        return int(run.counts["approved"])


def _refuse_approved(integration_id: int, seen: int) -> None:
    """Raises Conflict where the preview that a person has looked at was approved meanwhile, by somebody else or in another window."""
    run = db.session.get(SyncRun, seen)
    if run is not None and run.integration_id == integration_id and "approved" in run.counts:
        raise Conflict("These changes were approved already. They are sent once.", "Look at the last stock update.")
