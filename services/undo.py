"""The undo of a stock run: each listing gets back the quantity it had before, unless the shop has changed it since.

What our books say is not touched by it, so the next stock update would send the same again; it therefore waits for a person.
"""

from __future__ import annotations

from sqlalchemy import select

from channels.base import Channel, StockChange
from errors import AppError, Conflict, NotFound
from extensions import db
from models import Integration, Listing, RunItem, SyncRun
from models.types import utcnow
from services import runs
from services.push import CHUNK
from services.runs import Lease


def start_undo(run_id: int, actor: str) -> SyncRun:
    """Make the run that undoes a stock run; the caller enqueues it.

    Raises NotFound, Conflict where there is nothing to be undone, or what ``services.runs.start_run`` does."""
    run = db.session.get(SyncRun, run_id)
    if run is None:
        raise NotFound(f"There is no sync run {run_id}.")
    sent = select(RunItem.id).where(RunItem.run_id == run_id, RunItem.result == "sent").limit(1)
    if run.kind != "stock" or run.state != "finished" or db.session.scalar(sent) is None:
        raise Conflict("That run sent no quantities that could be taken back.")
    integration_id = run.integration_id
    live = db.session.scalar(runs.live_run(integration_id, "stock"))
    if live is not None:
        raise Conflict("A stock update is under way.", "Wait until it has ended, then undo.")
    db.session.rollback()
    return runs.start_run(integration_id, "undo", actor, about_run_id=run_id)


def restore(lease: Lease, channel: Channel) -> str:
    """Answers ``done``, or ``partial`` where a listing was left as it is. Raises ChannelError, or RunStopped from the lease."""
    about = db.session.get_one(SyncRun, lease.run_id).about_run_id
    if about is None:
        raise AppError("This run does not say what it is to undo.", "Start it from the stock run's page.")
    rows = _rows(about)
    lease.total = len(rows)
    with lease.page() as session:
        integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
        integration.push_gate, integration.approved_run_id = "first", None
    left = 0
    for start in range(0, len(rows), CHUNK):
        left += _restore_chunk(lease, channel, rows[start : start + CHUNK])
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
    db.session.rollback()
    return list(found.values())


def _restore_chunk(lease: Lease, channel: Channel, chunk: list[tuple[int, str, str, int, int]]) -> int:
    present = channel.read_quantities([row[1] for row in chunk])
    sending = [row for row in chunk if present.get(row[1]) == row[4] and row[3] != row[4]]
    results = channel.put_stock([StockChange(row[1], row[3]) for row in sending]) if sending else []
    lease.requests = channel.requests
    outcome = {row[0]: result for row, result in zip(sending, results, strict=True)}
    left = 0
    with lease.page() as session:
        for listing_id, external_id, sku, before, sent in chunk:
            now = present.get(external_id)
            listing = session.get(Listing, listing_id)
            result = outcome.get(listing_id)
            if result is not None and result.ok and listing is not None:
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
