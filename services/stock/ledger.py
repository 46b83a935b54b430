"""The stock ledger: every change of on hand and reserved is made here, together with the entry that explains it.

Everything here is called inside ``writing()`` (or a lease's page), with the stock items loaded by ``load_items``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update

from extensions import db
from models import FlowKind, Link, Listing, StockEntry, StockItem
from models.sku_key import sku_key
from models.types import utcnow
from services.common.batches import batches
from services.shops import flows

EDITS = ("set", "adjusted", "import", "feed")
"""The causes of what people and files change."""
RESTORED = "restored"
"""The cause of the entries that take such changes back."""


def load_items(ids: Iterable[int]) -> dict[int, StockItem]:
    """Stock items by id, locked until the transaction ends; in the order of their ids, so that two transactions cannot wait for each other."""
    wanted = sorted(set(ids))
    items: dict[int, StockItem] = {}
    for chunk in batches(wanted):
        for item in db.session.scalars(select(StockItem).where(StockItem.id.in_(chunk)).order_by(StockItem.id).with_for_update()):
            items[item.id] = item
    return items


def lock_items(ids: Iterable[int]) -> None:
    """Lock stock items in the order of their ids, as ``load_items`` does, without loading them."""
    wanted = sorted(set(ids))
    for chunk in batches(wanted):
        db.session.execute(select(StockItem.id).where(StockItem.id.in_(chunk)).order_by(StockItem.id).with_for_update())


def last_entry_id() -> int | None:
    """The id of the last line of the ledger; what comes later has a higher one, whatever the clock says. None for an empty ledger."""
    return db.session.scalar(select(func.max(StockEntry.id)))


@dataclass(frozen=True, slots=True)
class Reason:
    """Who or what changes stock, and why. ``cause`` is a word of the ledger, such as ``sale`` or ``shipped``."""

    actor: str
    cause: str
    run_id: int | None = None
    note: str = ""
    feed_run_id: int | None = None


def enter(
    item: StockItem, reason: Reason, *, on_hand: int = 0, reserved: int = 0, order_id: int | None = None
) -> list[StockEntry]:
    """Change a stock item's numbers and write the ledger entry that explains it; no entry where nothing changes."""
    if not on_hand and not reserved:
        return []
    item.on_hand += on_hand
    item.reserved += reserved
    item.updated_at = utcnow()
    entry = StockEntry(
        stock_item_id=item.id, actor=reason.actor, cause=reason.cause, on_hand_change=on_hand, reserved_change=reserved,
        order_id=order_id, run_id=reason.run_id, note=reason.note, feed_run_id=reason.feed_run_id,
    )  # fmt: skip
    db.session.add(entry)
    return [entry]


def request_linking(skus: Sequence[str], *, but_shop: int | None = None) -> None:
    """Have listings with the SKUs of new stock items linked, and make their stock flows due. ``but_shop`` is the shop whose run made
    the stock items and links its own listings."""
    others = () if but_shop is None else (Listing.shop_id != but_shop,)
    keys = sorted({sku_key(sku) for sku in skus} - {""})
    for chunk in batches(keys):
        db.session.execute(
            update(Listing)
            .where(Listing.sku_key.in_(chunk), *others)
            .values(stale=True)
            .execution_options(synchronize_session=False)
        )
        shops = select(Listing.shop_id).where(Listing.sku_key.in_(chunk), *others)
        flows.bring_forward(flows.of_shops(shops), FlowKind.STOCK)


def request_push(item_ids: Iterable[int]) -> None:
    """Have the listings of these stock items compared with their shops, and make their stock flows due: what they should offer may
    have changed."""
    ids = sorted(set(item_ids))
    for batch in batches(ids):
        linked = select(Link.listing_id).where(Link.stock_item_id.in_(batch))
        db.session.execute(
            update(Listing).where(Listing.id.in_(linked), Listing.stale.is_(False)).values(stale=True)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        shops = select(Listing.shop_id).where(Listing.id.in_(linked))
        flows.bring_forward(flows.of_shops(shops), FlowKind.STOCK)
