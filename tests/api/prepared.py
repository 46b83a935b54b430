"""States in which the example of an operation succeeds, over what is planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select, update

from api.examples import BODIES
from extensions import db, writing
from models import EventEndpoint, Feed, FeedRun, Integration, Listing, Offer, Order, RunItem, Shop, StockFile, SyncRun
from models.types import utcnow
from services.integrations import lifecycle

Values = dict[str, Any]


def make_undoable(values: Values) -> None:
    """Make the planted run a stock update that has sent something."""
    run_id = values["run_id"]
    with writing() as session:
        session.execute(update(SyncRun).where(SyncRun.id == run_id).values(kind="stock", state="finished", finished_at=utcnow()))
        session.execute(update(RunItem).where(RunItem.run_id == run_id).values(listing_id=values["listing_id"]))
        sent = select(RunItem.stored).where(RunItem.run_id == run_id, RunItem.result == "sent").scalar_subquery()
        session.execute(update(Listing).where(Listing.id == values["listing_id"]).values(expected=sent))


def apply_import(values: Values) -> None:
    """The planted file of quantities is applied, and nothing of it was set since."""
    applied = {"state": "applied", "finished_at": utcnow()}
    with writing() as session:
        session.execute(update(StockFile).where(StockFile.id == values["import_id"]).values(applied))


def pause_endpoint(values: Values) -> None:
    with writing() as session:
        session.execute(update(EventEndpoint).values(paused_at=utcnow()))


def lose_listings(values: Values) -> None:
    """The last reading lacked the planted listing, too much to be believed at once."""
    now = utcnow()
    with writing() as session:
        session.execute(update(Shop).where(Shop.id == _shop(values)).values(loss_at=now, loss_count=1, loss_known=2))
        session.execute(update(Listing).where(Listing.id == values["listing_id"]).values(missed=1))
    values["found_at"] = now.isoformat()


def lose_orders(values: Values) -> None:
    with writing() as session:
        session.execute(update(Shop).where(Shop.id == _shop(values)).values(many_gone=7))


def set_back(values: Values) -> None:
    with writing() as session:
        session.execute(update(Shop).where(Shop.id == _shop(values)).values(set_back_at=utcnow()))


def doubt(values: Values) -> None:
    """An order whose id the shop may have used again."""
    values["order_id"] = db.session.scalar(select(Order.id).where(Order.number == "1003"))
    with writing() as session:
        order = session.get_one(Order, values["order_id"])
        order.doubts, order.held_codes = [["identity", "It may be another order."]], ["identity"]


def leave_to_do(values: Values) -> None:
    """The planted order about which something is left to do in the shop."""
    values["order_id"] = db.session.scalar(select(Order.id).where(Order.number == "1001"))


def rename(values: Values) -> None:
    with writing() as session:
        session.execute(
            update(Listing).where(Listing.id == values["listing_id"]).values(rename_state="renamed", renamed_from="OLD-SKU")
        )


def name_waiting_file(values: Values) -> None:
    values["export_delivery_id"] = values["waiting export"]


def end_feed_run(values: Values) -> None:
    """The planted run of a feed was applied."""
    with writing() as session:
        run = session.get_one(FeedRun, values["feed_run_id"])
        run.state, run.finished_at, run.before = "done", utcnow(), {}


def link_code(values: Values) -> None:
    with writing() as session:
        session.get_one(Offer, values["offer_id"]).stock_item_id = values["item_id"]


def show_host_key(values: Values) -> None:
    with writing() as session:
        session.get_one(Feed, values["feed_id"]).seen_host_key = BODIES["confirm_host_key"]["host_key"]


def remove_and_keep(values: Values) -> None:
    """The planted integration is removed, and its orders keep what they have reserved."""
    lifecycle.remove_integration(values["integration_id"], "test", keep_reserved=True)


def _shop(values: Values) -> int:
    return db.session.get_one(Integration, values["integration_id"]).shop_id


PREPARED: dict[str, Callable[[Values], None]] = {
    "preview_undo": make_undoable, "undo_stock_import": apply_import, "undo_stock_update": make_undoable, "resume_event_endpoint": pause_endpoint,
    "get_missing_listings": lose_listings, "approve_missing_listings": lose_listings, "get_deleted_orders": lose_orders,
    "approve_deleted_orders": lose_orders, "mark_set_back_seen": set_back, "settle_identity": doubt, "mark_order_entered": leave_to_do,
    "settle_rename": rename, "drop_export_delivery": name_waiting_file, "fetch_feed": end_feed_run, "undo_feed_run": end_feed_run,
    "unlink_offer": link_code, "set_fed": link_code, "confirm_host_key": show_host_key, "release_kept_stock": remove_and_keep,
}  # fmt: skip
"""By the operation's name."""
