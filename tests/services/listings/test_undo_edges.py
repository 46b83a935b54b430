"""What the undo of a stock update leaves alone: newer counts, fed stock, what another undo has taken back, and what was edited before the shop was
connected. With shops that speak X-Cart 5.5's API."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from errors import AlreadyRunning, Conflict
from extensions import db, writing
from models import FlowKind, Listing, RunItem, Shop, SyncRun
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services.integrations import lifecycle
from services.listings import push_results, stock_push, undo
from services.listings.undo_here import FED, SET_AGAIN
from services.shops.flows import get_flow
from services.stock import adjustments, items, ledger
from services.stock import views as stock_views
from services.sync import execution, schedule
from tests.support.rows import make_integration, make_listing
from tests.support.shops import connect, do


@contextmanager
def a_shop(cups: int = 20):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=cups)
    store.add_product(sku="PLATE", name="Plate", price=5, amount=8)
    with PracticeShop(store=store, generation="api") as made:
        yield made


@pytest.fixture
def shop():
    with a_shop() as made:
        yield made


def approved(integration_id: int):
    if do(integration_id, "stock").outcome == "waiting":
        stock_push.approve(integration_id, "user:ann")
    return do(integration_id, "stock")


def cups() -> int:
    db.session.rollback()
    return items.find_stock_item("CUP").on_hand


def succeeded_at(integration_id: int) -> datetime:
    db.session.rollback()
    return get_flow(integration_id, FlowKind.STOCK).succeeded_at


def two_pushed(shop: PracticeShop) -> tuple[int, SyncRun]:
    """A connected shop that was sent 33 cups and 12 plates, where it had 20 and 8: its integration and the run."""
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 33, "user:ann")
    items.set_stock("PLATE", 12, "user:ann")
    return integration_id, do(integration_id, "stock")


def undo_it(run_id: int, where: undo.Where = "both") -> str:
    started = undo.start_undo(run_id, "user:ann", where)
    return "" if started is None else execution.perform(started.id).outcome


def test_a_number_that_was_set_again_stays(app, db, shop):
    """A person who corrects a wrong number by hand first and then undoes the update would get 7 in place of 20."""
    _, pushed = two_pushed(shop)
    items.set_stock("CUP", 20, "user:ann")
    adjustments.adjust(items.find_stock_item("PLATE").id, 5, "user:ann", "a delivery")
    seen = undo.preview(pushed.id)
    assert [(row.sku, row.sent, row.before) for row in seen.rows] == [("CUP", 33, 20), ("PLATE", 12, 8)]
    assert [(item.sku, item.now, item.after) for item in seen.items] == [("PLATE", 17, 13)], (
        "a delivery adds to what was restored"
    )
    assert [(item.sku, item.why) for item in seen.left] == [("CUP", SET_AGAIN)]
    assert undo_it(pushed.id) == "done"
    assert (cups(), items.find_stock_item("PLATE").on_hand) == (20, 13)


def test_an_edit_is_taken_back_once_by_the_undo_of_the_updates_of_two_shops(app, db, shop):
    first = connect(shop)
    do(first, "stock")
    with a_shop() as there:
        second = connect(there, "Kitchen")
        do(second, "stock")
        items.set_stock("CUP", 33, "user:ann")
        pushed, also = do(first, "stock"), do(second, "stock")
        assert undo_it(pushed.id) == "done" and cups() == 20
        seen = undo.preview(also.id)
        assert (len(seen.rows), seen.items, seen.left) == (1, [], [])
        assert undo_it(also.id) == "done" and cups() == 20
        assert (shop.store.amount(1), there.store.amount(1)) == (20, 20)


def test_two_updates_are_undone_one_after_the_other(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 33, "user:ann")
    earlier = do(integration_id, "stock")
    items.set_stock("CUP", 40, "user:ann")
    later = do(integration_id, "stock")
    assert "Undo the later update first" in undo.refusal(earlier.id) and undo.refusal(later.id) == ""
    assert undo_it(later.id) == "done" and (cups(), shop.store.amount(1)) == (33, 33)
    assert undo_it(earlier.id) == "done" and (cups(), shop.store.amount(1)) == (20, 20)


def test_the_preview_names_what_the_shop_has_changed_since(app, db, shop):
    """It said that the shop would get 20 back, and left the 31 that it had after a sale."""
    integration_id, pushed = two_pushed(shop)
    shop.store.place_order(lines=[(1, 2)])
    do(integration_id, "orders")
    seen = undo.preview(pushed.id)
    assert [row.sku for row in seen.rows] == ["PLATE"]
    assert [(row.sku, row.sent, row.now) for row in seen.changed] == [("CUP", 33, 31)]
    assert [(item.sku, item.after) for item in seen.items] == [("CUP", 20), ("PLATE", 8)]
    assert undo_it(pushed.id) == "partial" and undo.refusal(pushed.id).endswith("It was undone.")
    assert (shop.store.amount(1), shop.store.amount(2)) == (31, 8)
    assert do(integration_id, "stock").outcome == "waiting"
    stock_push.approve(integration_id, "user:ann")
    do(integration_id, "stock")
    assert (shop.store.amount(1), items.find_stock_item("CUP").reserved) == (18, 2)


def test_what_waits_after_an_undo_in_the_shop_is_known_at_once(app, db, shop):
    """For up to an interval the pages said that nothing waits, beside a shop that shows other quantities."""
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 33, "user:ann")
    pushed = do(integration_id, "stock")
    updated_at = succeeded_at(integration_id)
    assert undo_it(pushed.id, "shop") == "done" and shop.store.amount(1) == 20
    (run_id,) = schedule.start_due_runs(kinds=(FlowKind.STOCK,))
    assert execution.perform(run_id).outcome == "waiting" and shop.store.amount(1) == 20
    assert succeeded_at(integration_id) == updated_at, "it has changed nothing: the last success is the update before"
    stock_push.approve(integration_id, "user:ann")
    assert do(integration_id, "stock").outcome == "done" and succeeded_at(integration_id) > updated_at


def edit_behind_the_first_request(monkeypatch, quantity: int) -> None:
    """A person sets CUP after a stock update has sent it and before it has ended."""
    tally_of = push_results.tally_of

    def edited(results):
        monkeypatch.setattr(push_results, "tally_of", tally_of)
        items.set_stock("CUP", quantity, "user:ann")
        return tally_of(results)

    monkeypatch.setattr(push_results, "tally_of", edited)


def test_what_is_edited_while_an_update_runs_belongs_to_the_one_that_sends_it(app, db, shop, monkeypatch):
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 33, "user:ann")
    edit_behind_the_first_request(monkeypatch, 40)
    first = do(integration_id, "stock")
    assert shop.store.amount(1) == 33
    assert [item.why for item in undo.preview(first.id).left] == [SET_AGAIN]
    second = do(integration_id, "stock")
    assert [(item.now, item.after) for item in undo.preview(second.id).items] == [(40, 33)]
    assert undo_it(second.id) == "done" and (cups(), shop.store.amount(1)) == (33, 33)
    assert undo_it(first.id) == "done" and (cups(), shop.store.amount(1)) == (20, 20)


def test_the_first_update_of_a_further_shop_takes_no_older_edits_back(app, db, shop):
    do(connect(shop), "stock")
    for quantity in (10, 60):
        items.set_stock("CUP", quantity, "user:ann")
    with a_shop(cups=3) as there:
        second = connect(there, "Kitchen")
        pushed = approved(second)
        assert there.store.amount(1) == 60
        assert undo.preview(pushed.id).items == []
        assert undo_it(pushed.id) == "done"
        assert (cups(), there.store.amount(1)) == (60, 3)


def test_the_preview_names_fed_stock_as_not_taken_back(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 33, "user:ann")
    pushed = do(integration_id, "stock")
    with writing():
        items.find_stock_item("CUP").fed = True
    seen = undo.preview(pushed.id)
    assert (seen.items, [item.why for item in seen.left]) == ([], [FED])
    with pytest.raises(Conflict, match="Nothing is left to restore here"):
        undo.start_undo(pushed.id, "user:ann", "here")


def test_what_was_undone_is_refused_with_a_sentence(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 33, "user:ann")
    pushed = do(integration_id, "stock")
    assert undo_it(pushed.id, "here") == "" and cups() == 20
    for where in ("here", "both"):
        with pytest.raises(Conflict, match="restored already"):
            undo.start_undo(pushed.id, "user:bob", where)
    started = undo.start_undo(pushed.id, "user:ann", "shop")
    with pytest.raises(AlreadyRunning, match=r"^Shop: a stock update is being undone already \(run"):
        undo.start_undo(pushed.id, "user:bob", "shop")
    execution.perform(started.id)
    for where in ("here", "shop", "both"):
        with pytest.raises(Conflict, match="is left to undo"):
            undo.start_undo(pushed.id, "user:bob", where)
    with pytest.raises(Conflict, match="is left to undo"):
        undo.preview(pushed.id)


def test_an_update_of_a_removed_shop_is_not_undone(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 33, "user:ann")
    pushed = do(integration_id, "stock")
    lifecycle.remove_integration(integration_id, "user:ann")
    with pytest.raises(Conflict, match="Shop was removed"):
        undo.start_undo(pushed.id, "user:ann", "here")
    assert cups() == 33


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("sent", "shows", "left"),
    [
        ([(3, 5)], 5, [(3, 5)]),
        ([(3, 5)], None, [(3, 5)]),
        ([(3, 5)], 4, "The shop has other quantities by now"),
        ([(3, 5), (4, 6)], 6, [(3, 6)]),
        ([(3, 5), (4, 6)], 5, "The shop has other quantities by now"),
        ([(3, 5), (5, 3)], 3, "Its stock was set again since"),
        ([(3, None), (4, 6)], 6, [(4, 6)]),
    ],
)
def test_the_page_of_a_run_and_its_undo_agree_on_what_is_left(app, db, sent, shows, left):
    """Also of a listing that was sent twice in one update, because it was being sold."""
    shop = make_integration()
    listing = make_listing(shop, "CUP", 3)
    with writing() as session:
        session.get_one(Listing, listing.id).expected = shows
        run = SyncRun(
            integration_id=shop.id, kind="stock", state="finished", outcome="done", actor="schedule", finished_at=utcnow()
        )
        session.add(run)
        session.flush()
        for now, stored in sent:
            session.add(RunItem(run_id=run.id, listing_id=listing.id, sku="CUP", now=now, stored=stored, result="sent"))
            session.flush()
    why = undo.refusal(run.id)
    if isinstance(left, str):
        assert left in why
        with pytest.raises(Conflict) as refused:
            undo.preview(run.id)
        assert refused.value.sentence() == why
    else:
        assert why == "" and [(row.before, row.sent) for row in undo.preview(run.id).rows] == left


def test_the_preview_names_what_would_be_oversold(app, db, shop):
    """In the shop an undo gives back what was sent before, also of goods that were sold or kept back since."""
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 33, "user:ann")
    plate = items.find_stock_item("PLATE")
    stock_views.change_item(plate.id, on_hand=8, buffer=3, was=8, actor="user:ann")
    pushed = do(integration_id, "stock")
    assert {(row.sku, row.sent) for row in undo.preview(pushed.id).rows} == {("CUP", 33), ("PLATE", 5)}
    assert [(row.sku, row.before, row.available) for row in undo.preview(pushed.id).oversold] == [("PLATE", 8, 5)]
    with writing():
        ledger.enter(
            ledger.load_items([items.find_stock_item("CUP").id]).popitem()[1], ledger.Reason("run:1", "sale"), reserved=4
        )
        db.session.scalars(select(Shop)).one().stock_buffer = 1
    assert [(row.sku, row.before, row.available) for row in undo.preview(pushed.id).oversold] == [
        ("CUP", 20, 15),
        ("PLATE", 8, 4),
    ]


def test_what_was_only_edited_is_not_oversold_after_an_undo(app, db, shop):
    _, pushed = two_pushed(shop)
    assert len(undo.preview(pushed.id).rows) == 2 and undo.preview(pushed.id).oversold == []


@pytest.mark.both_databases
def test_what_was_set_again_is_known_whatever_the_clock_says(app, db, shop):
    """The clock was a day ahead while the update ran. What was set afterwards looked older, and the undo took it back."""
    integration_id, pushed = two_pushed(shop)
    with writing() as session:
        ahead = utcnow() + timedelta(days=1)
        session.execute(update(RunItem).where(RunItem.run_id == pushed.id).values(as_of=ahead))
        session.execute(update(SyncRun).where(SyncRun.id == pushed.id).values(finished_at=ahead))
    items.set_stock("CUP", 40, "user:ann")
    seen = undo.preview(pushed.id)
    assert [(item.sku, item.now, item.after) for item in seen.items] == [("PLATE", 12, 8)]
    assert [(item.sku, item.why) for item in seen.left] == [("CUP", SET_AGAIN)]
    again = do(integration_id, "stock")
    assert [(item.sku, item.now, item.after) for item in undo.preview(again.id).items] == [("CUP", 40, 33)]


def test_an_update_of_an_older_version_is_undone_by_time(app, db, shop):
    _, pushed = two_pushed(shop)
    with writing() as session:
        session.execute(update(RunItem).values(last_entry_id=None))
    items.set_stock("CUP", 40, "user:ann")
    seen = undo.preview(pushed.id)
    assert ([item.sku for item in seen.items], [item.sku for item in seen.left]) == (["PLATE"], ["CUP"])
