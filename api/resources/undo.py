"""``runs/{id}/undo``: what the undo of a stock update would change, and the undo."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from api.operations import Call, operation
from api.reply import Reply
from api.resources.runs import Run, enqueue, one_run
from api.shapes import Body
from jobs.schedule import start_due_runs
from services.listings import undo


class RestoredItem(Struct):
    """A stock item that would change in Cartlink, from ``on_hand`` to ``restored``."""

    stock_item_id: str
    sku: str
    on_hand: int
    restored: int


class KeptItem(Struct):
    """A stock item that was edited or imported too and stays as it is, and why."""

    stock_item_id: str
    sku: str
    reason: str


class ChangedListing(Struct):
    """A listing that is not restored in the shop, because it has another quantity than was ``sent`` by now; ``quantity`` is null where it is gone."""

    listing_id: str
    sku: str
    sent: int
    quantity: int | None


class OversoldListing(Struct):
    """A listing that would get back ``restored`` pieces in the shop, where only ``available`` are left for it in Cartlink, also after the undo."""

    listing_id: str
    sku: str
    restored: int
    available: int


class UndoPreview(Struct):
    """``listings`` get back the quantity from before in the shop, unless it has changed since. ``stock_items`` change in Cartlink by what was
    edited or imported since the update before, never by sales; ``other_integrations`` sell them too. ``kept_items`` do not change: they are fed
    by suppliers or were set again since. ``changed_listings`` do not change in the shop. ``oversold_listings`` do, and can be oversold until the next
    stock update is approved: units were sold or kept back since."""

    listings: int
    stock_items: list[RestoredItem]
    other_integrations: list[str]
    kept_items: list[KeptItem]
    changed_listings: list[ChangedListing]
    oversold_listings: list[OversoldListing]


class Undo(Body):
    """Where the numbers are restored: in Cartlink (``here``), in the ``shop``, or ``both``."""

    where: Literal["both", "here", "shop"] = "both"


@operation(
    "GET", "/runs/<int:run_id>/undo", "Preview the undo of a stock update; 409 for a run that sent no quantities", scope="stock:read",
    answers={200: UndoPreview}, statuses=(409,),
)  # fmt: skip
def preview_undo(call: Call, run_id: int) -> UndoPreview:
    one_run(run_id)
    found = undo.preview(run_id)
    items = [RestoredItem(str(item.id), item.sku, item.now, item.after) for item in found.items]
    kept = [KeptItem(str(item.id), item.sku, item.why) for item in found.left]
    changed = [ChangedListing(str(row.listing_id), row.sku, row.sent, row.now) for row in found.changed]
    oversold = [OversoldListing(str(row.listing_id), row.sku, row.before, row.available) for row in found.oversold]
    return UndoPreview(found.listings, items, found.others, kept, changed, oversold)


@operation(
    "POST", "/runs/<int:run_id>/undo",
    "Undo a stock update: 202 with the run that restores the shop, or 200 with the undone run where only Cartlink changes",
    scope="stock:write", role="manager", body=Undo, answers={200: Run, 202: Run},
)  # fmt: skip
def undo_stock_update(call: Call, run_id: int) -> Reply:
    one_run(run_id)
    started = undo.start_undo(run_id, call.actor, call.body.where)
    started_id = None if started is None else started.id

    def begin() -> None:
        if started_id is not None:
            enqueue(started_id)
        start_due_runs()

    if started_id is None:
        return Reply(one_run(run_id), after=begin)
    return Reply(one_run(started_id), 202, {"Location": f"/api/v1/runs/{started_id}"}, after=begin)
