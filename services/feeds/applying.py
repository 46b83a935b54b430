"""What a run has staged, applied to the offers in one transaction, and taken back in one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, literal, or_, select, true, update

from errors import Conflict, NotFound
from extensions import db, reading, writing
from models import Feed, FeedRun, FeedRunRow, Offer, StockEntry, StockItem
from models.feed import LIVE_STATES
from models.types import utcnow
from services.common.batches import batches
from services.common.claims import Claim
from services.common.deadlocks import retry_on_deadlock
from services.feeds import fed_stock, suppliers
from services.security import audit
from services.security.audit import About, record_change
from services.stock import bulk_quantities, ledger
from services.stock import items as stock_items
from services.stock.ledger import Reason

UNDONE = audit.kind("feed_run.undone", "Feed run undone")
OF_FILE = ("etag", "last_modified", "file_name", "file_size", "file_modified_at", "digest")
"""What a run has seen of its file, and its feed keeps once it is applied."""
KEPT = ("rows", "read_at")
HEARD = {"failing_since": None, "failures": 0, "retry_at": None, "error_code": "", "error": "", "advice": "", "seen_host_key": ""}
"""A feed whose file could be read."""
WITH_OFFER = ("changed", "back", "same", "missing", "unreadable")


@retry_on_deadlock
def apply(claim: Claim) -> None:
    """Do what a run has staged: all of it, or nothing if the worker dies. Raises LeaseLost."""
    run_id = claim.row_id
    with reading() as session:
        run = session.get_one(FeedRun, run_id, populate_existing=True)
        feed_id, actor = run.feed_id, run.decided_by or run.actor
        read_at = None if run.feed.read_at is None or run.seen_at is None else min(run.feed.read_at, run.seen_at)
        touched = _touched(run_id, feed_id, read_at, all_of_it=run.make_fed or run.feed.stale_since is not None)
    with writing() as session:
        claim.hold()
        # Stock items are locked before everything else (services/common/deadlocks.py).
        ledger.lock_items(touched)
        feed = session.get_one(Feed, feed_id, with_for_update=True, populate_existing=True)
        run = session.get_one(FeedRun, run_id, populate_existing=True)
        seen_at = run.seen_at or utcnow()
        _note_before(run_id)
        before = {name: _plain(getattr(feed, name)) for name in (*OF_FILE, *KEPT)}
        _change_offers(feed, run_id, seen_at)
        _add_offers(feed_id, run_id, seen_at)
        _link_known(feed_id)
        for name in OF_FILE:
            setattr(feed, name, getattr(run, name))
        feed.rows = run.rows if not feed.delta else feed.rows
        feed.read_at, feed.succeeded_at, feed.stale_since = seen_at, utcnow(), None
        feed.approved_at = feed.approved_at or (run.decided_at or utcnow())
        for name, value in HEARD.items():
            setattr(feed, name, value)
        session.flush()
        if run.make_fed:
            _make_fed(feed_id, actor)
        later = _touched(run_id, feed_id, read_at, all_of_it=run.make_fed)
        reason = Reason(actor, stock_items.FEED, note=f"{feed.supplier.name}: {feed.name}", feed_run_id=run_id)
        items = fed_stock.recompute({*touched, *later}, reason)
        claim.end(state="done", finished_at=utcnow(), items=items, before=before)


def confirm_unchanged(claim: Claim, seen_at: datetime | None, **of_file: Any) -> None:
    """End a run whose file holds what is stored. ``seen_at`` is the time of the file, if that is newer than the stored one: the offers were seen
    then. Raises LeaseLost."""
    run_id = claim.row_id
    with reading() as session:
        feed_id, read_at = session.execute(select(Feed.id, Feed.read_at).join(FeedRun).where(FeedRun.id == run_id)).one()
        touched = _touched(run_id, feed_id, read_at, all_of_it=True) if seen_at is not None else set()
    with writing() as session:
        claim.hold()
        ledger.lock_items(touched)
        feed = session.get_one(Feed, feed_id, with_for_update=True, populate_existing=True)
        feed.succeeded_at = utcnow()
        for name, value in {**HEARD, **of_file}.items():
            setattr(feed, name, value)
        items = 0
        if seen_at is not None:
            feed.read_at, feed.stale_since = seen_at, None
            session.flush()
            reason = Reason("schedule", stock_items.FEED, note=f"{feed.supplier.name}: {feed.name}", feed_run_id=run_id)
            items = fed_stock.recompute(touched, reason)
        claim.end(state="unchanged", finished_at=utcnow(), items=items)


@retry_on_deadlock
def undo(run_id: int, actor: str) -> None:
    """Put the offers back to what they were before a run, and with them the on hand of fed items. The next run waits for a person. Raises
    NotFound, or Conflict for a run that is not the newest that was applied."""
    with reading() as session:
        run = session.get(FeedRun, run_id, populate_existing=True)
        if run is None:
            raise NotFound("There is no such run of a feed.")
        feed_id = run.feed_id
        touched = _touched(run_id, feed_id, None, all_of_it=True)
    with writing() as session:
        ledger.lock_items(touched)
        feed = suppliers.get_feed(feed_id)
        run = session.get_one(FeedRun, run_id, with_for_update=True, populate_existing=True)
        _refuse_undo(run, feed)
        _restore_offers(run_id)
        left = _forget_new_offers(run_id, feed_id)
        for name, value in (run.before or {}).items():
            setattr(feed, name, datetime.fromisoformat(value) if name.endswith("_at") and value else value)
        # The same file is read again, and a person looks at it.
        for name, value in {**suppliers.UNREAD, **suppliers.AFRESH}.items():
            setattr(feed, name, value)
        run.state, run.decided_at, run.decided_by = "undone", utcnow(), actor
        record_change(UNDONE, About(run.id, f"{feed.supplier.name}: {feed.name}"), actor=actor)
        session.flush()
        reason = Reason(actor, stock_items.FEED, note=f"{feed.supplier.name}: {feed.name}, undone", feed_run_id=run_id)
        _give_back(left, run_id, reason)
        fed_stock.recompute(set(touched) - set(left), reason)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _touched(run_id: int, feed_id: int, read_at: datetime | None, *, all_of_it: bool) -> set[int]:
    """The stock items whose on hand may follow from this run: those of its rows, and those that have moved since the file before it, because
    their shipments count until an offer that was seen after them. With ``all_of_it`` all that the feed offers."""
    offered = select(Offer.stock_item_id).where(Offer.feed_id == feed_id, Offer.stock_item_id.is_not(None))
    if all_of_it:
        return {int(each) for each in db.session.scalars(offered.distinct()) if each is not None}
    of_rows = (
        select(func.coalesce(Offer.stock_item_id, FeedRunRow.stock_item_id))
        .select_from(FeedRunRow).outerjoin(Offer, Offer.id == FeedRunRow.offer_id).where(FeedRunRow.run_id == run_id)
    )  # fmt: skip
    of_feed = exists().where(Offer.stock_item_id == StockItem.id, Offer.feed_id == feed_id)
    moved = select(StockItem.id).where(StockItem.fed == true(), of_feed)
    moved = moved if read_at is None else moved.where(StockItem.updated_at >= read_at)
    found = {*db.session.scalars(of_rows), *db.session.scalars(moved)}
    return {int(each) for each in found if each is not None}


def _note_before(run_id: int) -> None:
    """Keep with each row when its offer was seen before, for the undo."""
    row = FeedRunRow
    seen_at = select(Offer.seen_at).where(Offer.id == row.offer_id).scalar_subquery()
    db.session.execute(
        update(row).where(row.run_id == run_id, row.offer_id.is_not(None)).values(before_seen_at=seen_at)
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def _change_offers(feed: Feed, run_id: int, seen_at: datetime) -> None:
    """``read_at`` of the feed is still that of the file before this one: offers that it does not name, or not readably, were seen then."""
    named = {"seen_at": seen_at, "missed": 0}
    last = Offer.seen_at if feed.delta or feed.read_at is None else literal(feed.read_at, Offer.seen_at.type)
    unseen = {"seen_at": func.coalesce(last, Offer.seen_at), "missed": Offer.missed + 1}
    _update(run_id, FeedRunRow.kind.in_(("back", "same")), named)
    _update(run_id, FeedRunRow.kind == "changed", {**named, "quantity": FeedRunRow.quantity, "changed_at": seen_at})
    if not feed.delta:
        once = (Offer.missed == 0,)
        _update(run_id, FeedRunRow.kind == "unreadable", unseen, *once)
        zeroed = FeedRunRow.quantity != Offer.quantity
        _update(run_id, FeedRunRow.kind == "missing", {"quantity": FeedRunRow.quantity, "changed_at": seen_at}, zeroed)
        # First those that were missing before: their times stay.
        _update(run_id, FeedRunRow.kind == "missing", {"missed": Offer.missed + 1}, Offer.missed > 0)
        _update(run_id, (FeedRunRow.kind == "missing") & (FeedRunRow.before_missed == 0), unseen, *once)


def _update(run_id: int, which: ColumnElement[bool], values: dict[str, Any], *where: ColumnElement[bool]) -> None:
    """Change the offers of the run's rows."""
    db.session.execute(
        update(Offer)
        .where(Offer.id == FeedRunRow.offer_id, FeedRunRow.run_id == run_id, which, *where)
        .values(values)
        .execution_options(synchronize_session=False)
    )


def _add_offers(feed_id: int, run_id: int, seen_at: datetime) -> None:
    row, moment = FeedRunRow, literal(seen_at, Offer.seen_at.type)
    new = select(
        literal(feed_id), row.code, row.code_key, row.quantity, moment, moment,
    ).where(row.run_id == run_id, row.kind == "new").order_by(row.id)  # fmt: skip
    names = ["feed_id", "code", "code_key", "quantity", "seen_at", "changed_at"]
    db.session.execute(insert(Offer).from_select(names, new, include_defaults=False))
    made = select(Offer.id).where(Offer.feed_id == feed_id, Offer.code_key == row.code_key).scalar_subquery()
    db.session.execute(
        update(row).where(row.run_id == run_id, row.kind == "new").values(offer_id=made)
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def _link_known(feed_id: int) -> None:
    """Link offers whose codes are SKUs of ours, unless a person has decided about them."""
    item = select(StockItem.id).where(StockItem.sku_key == Offer.code_key).scalar_subquery()
    known = select(StockItem.id).where(StockItem.sku_key == Offer.code_key).exists()
    db.session.execute(
        update(Offer)
        .where(Offer.feed_id == feed_id, Offer.stock_item_id.is_(None), Offer.ignored != true(), Offer.linked_by == "", known)
        .values(stock_item_id=item, linked_by="sku")
        .execution_options(synchronize_session=False)
    )


def _make_fed(feed_id: int, actor: str) -> None:
    offered = select(Offer.stock_item_id).where(Offer.feed_id == feed_id, Offer.stock_item_id.is_not(None))
    own = db.session.scalars(select(StockItem.id).where(StockItem.id.in_(offered), StockItem.fed != true()))
    fed_stock.switch_to_fed(ledger.load_items(own.all()).values(), actor)


def _refuse_undo(run: FeedRun, feed: Feed) -> None:
    """Raises Conflict."""
    if run.state != "done" or run.before is None:
        raise Conflict("That run has changed nothing that could be taken back.")
    later = select(FeedRun.id).where(FeedRun.feed_id == run.feed_id, FeedRun.id > run.id)
    if db.session.scalar(later.where(FeedRun.state == "done").limit(1)) is not None:
        raise Conflict("Only the newest run that was applied can be undone.")
    if db.session.scalar(later.where(FeedRun.state.in_(LIVE_STATES)).limit(1)) is not None:
        raise Conflict("A run of this feed is going on.", "Wait for its end, or drop it.")
    if feed.stale_since is not None and feed.when_stale == "zero":
        raise Conflict("Its offers have been set to 0, because the feed is stale.", "Fetch the file again.")


def _restore_offers(run_id: int) -> None:
    row = FeedRunRow
    _update(
        run_id, row.kind.in_(WITH_OFFER), {"quantity": func.coalesce(row.before, Offer.quantity), "missed": row.before_missed}
    )
    _update(run_id, row.kind.in_(WITH_OFFER), {"seen_at": row.before_seen_at}, row.before_seen_at.is_not(None))


def _forget_new_offers(run_id: int, feed_id: int) -> list[int]:
    """Take back the offers that the run has brought; returns the stock items that nobody offers any more. Codes that a person has linked or
    ignored since stay, with nothing to offer."""
    new = select(FeedRunRow.offer_id).where(FeedRunRow.run_id == run_id, FeedRunRow.kind == "new")
    of_run = (Offer.feed_id == feed_id, Offer.id.in_(new))
    items = [each for each in db.session.scalars(select(Offer.stock_item_id).where(*of_run, Offer.linked_by == "sku")) if each]
    decided = or_(Offer.linked_by == "hand", Offer.ignored == true())
    db.session.execute(update(Offer).where(*of_run, decided).values(quantity=0).execution_options(synchronize_session=False))
    db.session.execute(delete(Offer).where(*of_run, ~decided).execution_options(synchronize_session=False))
    left: list[int] = []
    for chunk in batches(items):
        offered = fed_stock.offers_of(chunk)
        left += [item_id for item_id in chunk if not offered[item_id]]
    return sorted(set(left))


def _give_back(item_ids: list[int], run_id: int, reason: Reason) -> None:
    """Make own what nobody offers any more, with what was on hand before the run."""
    items = {item_id: item for item_id, item in ledger.load_items(item_ids).items() if item.fed}
    change = dict(
        db.session.execute(
            select(StockEntry.stock_item_id, func.sum(StockEntry.on_hand_change))
            .where(StockEntry.feed_run_id == run_id).group_by(StockEntry.stock_item_id)
        ).all()
    )  # fmt: skip
    wanted = {item_id: max(0, item.on_hand - int(change.get(item_id, 0))) for item_id, item in items.items()}
    bulk_quantities.set_all(wanted, reason)
    fed_stock.switch_to_own(ledger.load_items(items).values(), reason.actor)
