"""The undo of a stock update: in the shop each listing gets back the quantity it had before, unless the shop has changed it since; here
the stock items get back what edits and imports since the previous update have changed, never sales or shipments.

Afterwards the next stock update of the shop waits for a person, so that an undone quantity is not sent again unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import aliased

from channels.base import Channel
from channels.results import StockChange
from errors import AppError, Conflict, NotFound
from extensions import db, one_transaction, reading
from models import FlowKind, Integration, Link, Listing, RunItem, StockItem, SyncRun
from models.types import utcnow
from services.common.batches import batches
from services.common.deadlocks import retry_on_deadlock
from services.listings import undo_here
from services.listings.audited import UNDO_STARTED
from services.listings.stock_push import CHUNK
from services.listings.undo_here import Item, Left
from services.runs import lifecycle
from services.runs.lease import Lease
from services.security.audit import About, record_change
from services.shops import flows

Where = Literal["both", "here", "shop"]
RESTORED_WHERE = {"both": "here and in the shop", "here": "here", "shop": "in the shop"}


@dataclass(frozen=True, slots=True)
class Row:
    """A listing that the update changed in the shop from ``before`` to ``sent``; of one that was sent twice, the first before and the last sent."""

    listing_id: int
    external_id: str
    sku: str
    before: int
    sent: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A listing that stays as it is in the shop, because it no longer has the quantity that was ``sent``. ``now`` is what it has as far as is known;
    None if it is gone."""

    listing_id: int
    external_id: str
    sku: str
    sent: int
    now: int | None


@dataclass(frozen=True, slots=True)
class Oversold:
    """A listing that would get back ``before`` pieces in the shop, where only ``available`` are left for it here, also after the undo: some were sold
    or kept back since."""

    listing_id: int
    external_id: str
    sku: str
    before: int
    available: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What an undo would do: ``rows`` are restored in the shop, ``items`` here, ``left`` stay here although they were edited, ``changed`` stay in
    the shop, and ``others`` are the names of other shops that would change because they sell those items. ``oversold`` are those of ``rows`` that can
    be oversold then."""

    rows: list[Row]
    items: list[Item]
    left: list[Left]
    others: list[str] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    oversold: list[Oversold] = field(default_factory=list)

    @property
    def listings(self) -> int:
        return len(self.rows)

    @property
    def available(self) -> dict[int, int]:
        """Of the listings that can be oversold then, by id, what is available for them here."""
        return {row.listing_id: row.available for row in self.oversold}


def preview(run_id: int) -> Preview:
    """Raises NotFound, or Conflict where there is nothing to be undone."""
    with reading():
        run = _undoable(run_id)
        here = undo_here.effect(run)
        rows, changed = _left_in_shop(run_id)
        if not rows and not here.items:
            raise _nothing_left(run, bool(changed))
        others = _others(run, [item.id for item in here.items])
        return Preview(rows, here.items, here.left, others, changed, _oversold(run, rows, here.items))


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of a stock update: whether its numbers were restored ``here``, and the runs ``by`` which they were in the shop. ``about`` is the
    stock update that a run undoes."""

    here: bool = False
    by: Sequence[int] = ()
    about: int | None = None


def undone(run_id: int) -> Undone:
    with reading():
        run = db.session.get_one(SyncRun, run_id)
        if run.kind != "stock":
            return Undone(about=run.about_run_id)
        by = select(SyncRun.id).where(SyncRun.about_run_id == run_id, SyncRun.kind == "undo").order_by(SyncRun.id)
        return Undone(undo_here.was_restored(run), db.session.scalars(by).all())


def refusal(run_id: int) -> str:
    """Why a stock update cannot be undone, in a sentence; empty where it can be. Raises NotFound."""
    with reading():
        try:
            run = _undoable(run_id)
        except Conflict as why:
            return why.sentence()
        under_way = select(SyncRun.id).where(SyncRun.about_run_id == run_id, SyncRun.kind == "undo", SyncRun.state != "finished")
        if db.session.scalar(under_way.limit(1)) is not None:
            return "It is being undone."
        there = _changed_there(run_id)
        if _any(there.where(AS_SENT)) or undo_here.changes_anything(run):
            return ""
        return _nothing_left(run, _any(there)).sentence()


def _any(query: Select[*tuple[Any, ...]]) -> bool:
    return bool(db.session.scalar(select(query.order_by(None).exists())))


def _others(run: SyncRun, item_ids: Sequence[int]) -> list[str]:
    """The names of other integrations whose shops sell some of the stock items."""
    found: set[tuple[str, str]] = set()
    for batch in batches(item_ids):
        sold = select(Listing.shop_id).join(Link).where(Link.stock_item_id.in_(batch), Listing.gone_at.is_(None))
        others = select(Integration.name_key, Integration.name).where(
            Integration.shop_id.in_(sold), Integration.id != run.integration_id, Integration.removed_at.is_(None)
        )  # fmt: skip
        found.update((key, name) for key, name in db.session.execute(others))
    return [name for _, name in sorted(found)]


def _oversold(run: SyncRun, rows: Sequence[Row], items: Sequence[Item]) -> list[Oversold]:
    """Those of ``rows`` that would get back more than is available for them once ``items`` are restored."""
    after = {item.id: item.after for item in items}
    shop = db.session.get_one(Integration, run.integration_id).shop
    offers: dict[int, int] = {}
    for batch in batches([row.listing_id for row in rows]):
        parts = select(Link.listing_id, Link.units, StockItem.id, StockItem.on_hand, StockItem.reserved, StockItem.buffer)
        for listing_id, units, item_id, on_hand, reserved, buffer in db.session.execute(
            parts.join(StockItem, StockItem.id == Link.stock_item_id).where(Link.listing_id.in_(batch))
        ):
            offer = max(0, after.get(item_id, on_hand) - reserved - buffer) // units
            offers[listing_id] = min(offers.get(listing_id, offer), offer)
    found = []
    for row in rows:
        if row.listing_id in offers:
            offer = max(0, offers[row.listing_id] - shop.stock_buffer)
            if row.before > offer:
                found.append(Oversold(row.listing_id, row.external_id, row.sku, row.before, offer))
    return found


def _nothing_left(run: SyncRun, changed: bool) -> Conflict:
    """Why nothing of a stock update is left to undo; ``changed`` says whether listings of it have another quantity in the shop by now."""
    undone = (
        select(SyncRun.id).join(RunItem).where(SyncRun.about_run_id == run.id, SyncRun.kind == "undo", RunItem.result == "sent")
    )
    if db.session.scalar(undone.limit(1)) is not None or undo_here.was_restored(run):
        why = "It was undone."
    elif changed:
        why = "The shop has other quantities by now. Undo the later update first, or set quantities under Stock."
    else:
        why = "Its stock was set again since. Set quantities under Stock."
    return Conflict(f"Nothing of stock update {run.id} is left to undo.", why)


def _left_in_shop(run_id: int) -> tuple[list[Row], list[Changed]]:
    """The rows that can be restored in the shop, and those that it has changed since, as far as is known: by sales, later updates or by hand."""
    left: list[Row] = []
    stays: list[Changed] = []
    for *row, now, as_sent in db.session.execute(_changed_there(run_id).add_columns(NOW, AS_SENT)):
        listing_id, external_id, sku, _, sent = row
        if as_sent:
            left.append(Row(*row))
        else:
            stays.append(Changed(listing_id, external_id, sku, sent, now))
    return left, stays


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
        rows, changed = _left_in_shop(run_id)
        there = bool(rows)
        if not there and not undo_here.changes_anything(run):
            raise _nothing_left(run, bool(changed))
        if where != "shop":
            undo_here.refuse_again(run)
        here = where != "shop" and undo_here.restore(run, actor)
        if where == "here" and not here:
            raise Conflict("Nothing is left to restore here of what was edited or imported.", "Undo it in the shop.")
        there = there and where != "here"
        if not here and not there:
            raise _nothing_left(run, bool(changed))
        _wait_for_approval(integration_id)
        done: Where = "both" if here and there else "here" if here else "shop"
        restored = {"stock_update": (None, run.started_at or run.created_at), "restored": (None, RESTORED_WHERE[done])}
        record_change(UNDO_STARTED, About(integration_id, "", integration_id), restored, actor)
        started = lifecycle.create_run(integration_id, "undo", actor, about_run_id=run_id) if there else None
    return None if started is None else lifecycle.find_run(started)


def _undoable(run_id: int) -> SyncRun:
    run = db.session.get(SyncRun, run_id)
    if run is None:
        raise NotFound(f"There is no sync run {run_id}.")
    sent = select(RunItem.id).where(RunItem.run_id == run_id, RunItem.result == "sent").limit(1)
    if run.kind != "stock" or run.state != "finished" or db.session.scalar(sent) is None:
        raise Conflict("That run sent no quantities that could be taken back.")
    integration = db.session.get_one(Integration, run.integration_id)
    if integration.removed_at is not None:
        raise Conflict(f"{integration.name} was removed, so this update cannot be undone.", "Set quantities under Stock.")
    return run


def _wait_for_approval(integration_id: int) -> None:
    integration = db.session.get_one(Integration, integration_id, with_for_update=True)
    integration.push_gate, integration.approved_run_id = "first", None


def restore(lease: Lease, channel: Channel) -> str:
    """Returns ``done``, or ``partial`` where a listing was left as it is. Raises ChannelError, or RunStopped from the lease."""
    about = db.session.get_one(SyncRun, lease.run_id).about_run_id
    if about is None:
        raise AppError("This run does not say what it is to undo.", "Start it from the stock run's page.")
    with reading():
        rows = [Row(*row) for row in db.session.execute(_changed_there(about))]
    lease.total = len(rows)
    with lease.page():
        _wait_for_approval(lease.integration_id)
    left = 0
    for batch in batches(rows, CHUNK):
        left += _restore_chunk(lease, channel, batch)
    with lease.page():
        # Pages say what waits for approval once a stock update has compared the quantities.
        flows.make_due(flows.of_integration(lease.integration_id), FlowKind.STOCK)
    return "partial" if left else "done"


FIRST, LAST = aliased(RunItem), aliased(RunItem)
"""How a listing was sent in an update: one that was being sold meanwhile is sent again."""
NOW = case((Listing.gone_at.is_(None), Listing.expected))
AS_SENT = Listing.gone_at.is_(None) & (func.coalesce(Listing.expected, LAST.stored) == LAST.stored)
"""Whether the shop shows what was sent, as far as is known."""


def _changed_there(about: int) -> Select[*tuple[Any, ...]]:
    """The columns of ``Row``, of what an update has changed in the shop and no undo of it has restored."""
    undone = select(RunItem.listing_id).join(SyncRun).where(
        SyncRun.about_run_id == about, SyncRun.kind == "undo", RunItem.result == "sent", RunItem.listing_id.is_not(None)
    )  # fmt: skip
    sent = (
        select(func.min(RunItem.id).label("first"), func.max(RunItem.id).label("last"))
        .where(
            RunItem.run_id == about, RunItem.result == "sent", RunItem.now.is_not(None), RunItem.stored.is_not(None),
            RunItem.listing_id.is_not(None), RunItem.listing_id.not_in(undone),
        )
        .group_by(RunItem.listing_id)
        .subquery()
    )  # fmt: skip
    return (
        select(LAST.listing_id, LAST.external_id, LAST.sku, FIRST.now, LAST.stored)
        .select_from(sent)
        .join(FIRST, FIRST.id == sent.c.first)
        .join(LAST, LAST.id == sent.c.last)
        .join(Listing, Listing.id == LAST.listing_id)
        .where(FIRST.now != LAST.stored)
        .order_by(FIRST.id)
    )


def _restore_chunk(lease: Lease, channel: Channel, chunk: Sequence[Row]) -> int:
    present = channel.read_quantities([row.external_id for row in chunk])
    sending = [row for row in chunk if present.get(row.external_id) == row.sent]
    results = channel.put_stock([StockChange(row.external_id, row.before, row.sent) for row in sending]) if sending else []
    lease.requests = channel.requests
    outcome = {row.listing_id: result for row, result in zip(sending, results, strict=True)}
    left = 0
    with lease.page() as session:
        for row in chunk:
            now = present.get(row.external_id)
            listing = session.get(Listing, row.listing_id)
            result = outcome.get(row.listing_id)
            if result is not None and result.stored is not None and listing is not None and not result.ok:
                listing.quantity = listing.expected = result.stored
            if result is not None and result.ok and listing is not None:
                listing.clear_failure()
                listing.quantity = listing.expected = listing.pushed = row.before
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
                    "The shop has it no more." if now is None else f"The shop has {now} by now, {row.sent} was sent: it was left."
                )
            left += name != "sent"
            lease.count({"sent": "restored", "failed": "failed", "skipped": "left"}[name])
            session.add(
                RunItem(run_id=lease.run_id, listing_id=row.listing_id, external_id=row.external_id, sku=row.sku, now=now, wanted=row.before,
                        stored=result.stored if result is not None else None, result=name, reason=reason)
            )  # fmt: skip
        lease.done += len(chunk)
    return left
