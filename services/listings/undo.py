"""The undo of a stock update: in the shop each listing gets back the quantity it had before, unless the shop has changed it since; here
the stock items get back what edits and imports since the previous update have changed, never sales or shipments.

Afterwards the next stock update of the shop waits for a person, so that an undone quantity is not sent again unseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import func, select

from channels.base import Channel
from channels.results import StockChange
from errors import AppError, Conflict, NotFound
from extensions import db, one_transaction, reading
from models import Integration, Link, Listing, RunItem, StockEntry, SyncRun
from models.types import utcnow
from services.common.batches import batches
from services.common.deadlocks import retry_on_deadlock
from services.listings.audited import UNDO_STARTED
from services.listings.stock_push import CHUNK
from services.runs import lifecycle
from services.runs.lease import Lease
from services.security.audit import About, record_change
from services.stock import items as stock_items
from services.stock import ledger

Where = Literal["both", "here", "shop"]
RESTORED_WHERE = {"both": "here and in the shop", "here": "here", "shop": "in the shop"}


@dataclass(frozen=True, slots=True)
class Item:
    """A stock item that would change here, from ``now`` to ``after`` on hand."""

    id: int
    sku: str
    now: int
    after: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What an undo would do: ``listings`` are restored in the shop, ``items`` here, and ``others`` are the names of other shops that would
    change because they sell those items."""

    listings: int
    items: list[Item]
    others: list[str]


def preview(run_id: int) -> Preview:
    """Raises NotFound, or Conflict where there is nothing to be undone."""
    with reading():
        run = _undoable(run_id)
        changes = _changes_here(run)
        found = {item.id: item for item in stock_items.by_ids(changes)}
        items = [Item(each.id, each.sku, each.on_hand, max(0, each.on_hand - changes[each.id])) for each in found.values()]
        sold = select(Listing.shop_id).join(Link).where(Link.stock_item_id.in_(changes), Listing.gone_at.is_(None))
        others = select(Integration.name).where(
            Integration.shop_id.in_(sold), Integration.id != run.integration_id, Integration.removed_at.is_(None)
        )  # fmt: skip
        return Preview(
            len(_rows(run_id)),
            sorted(items, key=lambda each: each.sku),
            list(db.session.scalars(others.order_by(Integration.name_key))),
        )


@retry_on_deadlock
def start_undo(run_id: int, actor: str, where: Where = "both") -> SyncRun | None:
    """Undo a stock update here, in the shop, or both. Returns the run that restores the shop's quantities, which the caller enqueues;
    None where nothing is restored there.

    Raises NotFound, Conflict where there is nothing to be undone, or what ``services.runs.lifecycle.start_run`` does."""
    with one_transaction():
        run = _undoable(run_id)
        integration_id = run.integration_id
        if db.session.scalar(lifecycle.live_run(integration_id, "stock")) is not None:
            raise Conflict("A stock update is under way.", "Wait until it has ended, then undo.")
        if where != "shop" and not _restore_here(run, actor) and where == "here":
            raise Conflict("Nothing was edited or imported here since the update before.", "Undo it in the shop.")
        _wait_for_approval(integration_id)
        restored = {"stock_update": (None, run_id), "restored": (None, RESTORED_WHERE[where])}
        record_change(UNDO_STARTED, About(integration_id, "", integration_id), restored, actor)
        started = None if where == "here" else lifecycle.create_run(integration_id, "undo", actor, about_run_id=run_id)
    return None if started is None else lifecycle.find_run(started)


def _undoable(run_id: int) -> SyncRun:
    run = db.session.get(SyncRun, run_id)
    if run is None:
        raise NotFound(f"There is no sync run {run_id}.")
    sent = select(RunItem.id).where(RunItem.run_id == run_id, RunItem.result == "sent").limit(1)
    if run.kind != "stock" or run.state != "finished" or db.session.scalar(sent) is None:
        raise Conflict("That run sent no quantities that could be taken back.")
    return run


def _wait_for_approval(integration_id: int) -> None:
    integration = db.session.get_one(Integration, integration_id, with_for_update=True)
    integration.push_gate, integration.approved_run_id = "first", None


def _note(run_id: int) -> str:
    return f"undo of stock update {run_id}"


def _restore_here(run: SyncRun, actor: str) -> bool:
    """Post the entries that take the edits back; returns whether there were any. Raises Conflict where that was done before."""
    items = ledger.load_items(_items_of(run.id))
    done = select(StockEntry.id).where(
        StockEntry.stock_item_id.in_(items), StockEntry.cause == ledger.RESTORED, StockEntry.note == _note(run.id)
    )
    if db.session.scalar(done.limit(1)) is not None:
        raise Conflict("The numbers here were restored already.", "Undo it in the shop only.")
    changes = _changes_here(run)
    wanted = [
        (items[item_id], max(0, items[item_id].on_hand - change))
        for item_id, change in sorted(changes.items())
        if item_id in items and not items[item_id].fed
    ]
    stock_items.put_on_hand(wanted, ledger.Reason(actor, ledger.RESTORED, note=_note(run.id)))
    return bool(wanted)


def _changes_here(run: SyncRun) -> Counter[int]:
    """By how much edits and imports have changed each stock item that the update sent, since the update before it."""
    since = _previous(run)
    ids = sorted(_items_of(run.id))
    found: Counter[int] = Counter()
    for batch in batches(ids, CHUNK):
        query = (
            select(StockEntry.stock_item_id, func.sum(StockEntry.on_hand_change))
            .where(
                StockEntry.stock_item_id.in_(batch), StockEntry.cause.in_(ledger.EDITS),
                StockEntry.at <= (run.finished_at or utcnow()), *([StockEntry.at > since] if since is not None else []),
            )
            .group_by(StockEntry.stock_item_id)
        )  # fmt: skip
        found.update({item_id: int(change) for item_id, change in db.session.execute(query) if change})
    return found


def _previous(run: SyncRun) -> datetime | None:
    """When the update before this one ended, of those that sent something to the shop."""
    sent = select(RunItem.id).where(RunItem.run_id == SyncRun.id, RunItem.result == "sent")
    query = select(func.max(SyncRun.finished_at)).where(
        SyncRun.integration_id == run.integration_id, SyncRun.kind == "stock", SyncRun.id < run.id, sent.exists()
    )  # fmt: skip
    return db.session.scalar(query)


def _items_of(run_id: int) -> set[int]:
    """The stock items behind the listings that a stock update sent."""
    sent = select(RunItem.listing_id).where(RunItem.run_id == run_id, RunItem.result == "sent", RunItem.listing_id.is_not(None))
    return set(db.session.scalars(select(Link.stock_item_id).where(Link.listing_id.in_(sent)).distinct()))


def restore(lease: Lease, channel: Channel) -> str:
    """Returns ``done``, or ``partial`` where a listing was left as it is. Raises ChannelError, or RunStopped from the lease."""
    about = db.session.get_one(SyncRun, lease.run_id).about_run_id
    if about is None:
        raise AppError("This run does not say what it is to undo.", "Start it from the stock run's page.")
    with reading():
        rows = _rows(about)
    lease.total = len(rows)
    with lease.page():
        _wait_for_approval(lease.integration_id)
    left = 0
    for batch in batches(rows, CHUNK):
        left += _restore_chunk(lease, channel, batch)
    return "partial" if left else "done"


def _rows(about: int) -> list[tuple[int, str, str, int, int]]:
    """(listing id, external id, SKU, quantity before, quantity sent); of a listing sent twice, the first before and last sent."""
    query = select(RunItem).where(RunItem.run_id == about, RunItem.result == "sent", RunItem.listing_id.is_not(None))
    found: dict[int, tuple[int, str, str, int, int]] = {}
    for item in db.session.scalars(query.order_by(RunItem.id)):
        if item.listing_id is None or item.now is None or item.stored is None:
            continue
        before = found[item.listing_id][3] if item.listing_id in found else item.now
        found[item.listing_id] = (item.listing_id, item.external_id, item.sku, before, item.stored)
    return list(found.values())


def _restore_chunk(lease: Lease, channel: Channel, chunk: Sequence[tuple[int, str, str, int, int]]) -> int:
    present = channel.read_quantities([row[1] for row in chunk])
    sending = [row for row in chunk if present.get(row[1]) == row[4] and row[3] != row[4]]
    results = channel.put_stock([StockChange(row[1], row[3], row[4]) for row in sending]) if sending else []
    lease.requests = channel.requests
    outcome = {row[0]: result for row, result in zip(sending, results, strict=True)}
    left = 0
    with lease.page() as session:
        for listing_id, external_id, sku, before, sent in chunk:
            now = present.get(external_id)
            listing = session.get(Listing, listing_id)
            result = outcome.get(listing_id)
            if result is not None and result.stored is not None and listing is not None and not result.ok:
                listing.quantity = listing.expected = result.stored
            if result is not None and result.ok and listing is not None:
                listing.clear_failure()
                listing.quantity = listing.expected = listing.pushed = before
                listing.pushed_at, listing.stale, listing.drift = utcnow(), True, None
                name, reason = "sent", ""
            elif result is not None:
                name, reason = "failed", result.reason
            else:
                name = "skipped"
                if listing is not None and now is not None:
                    # Somebody changed it there: the next stock update looks into it.
                    listing.stale = True
                reason = (
                    "The shop has it no more." if now is None else f"The shop has {now} by now, {sent} was sent: it was left."
                )
            left += name != "sent"
            lease.count({"sent": "restored", "failed": "failed", "skipped": "left"}[name])
            session.add(
                RunItem(run_id=lease.run_id, listing_id=listing_id, external_id=external_id, sku=sku, now=now, wanted=before,
                        stored=result.stored if result is not None else None, result=name, reason=reason)
            )  # fmt: skip
        lease.done += len(chunk)
    return left
