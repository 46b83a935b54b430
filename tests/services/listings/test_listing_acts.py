"""What a person does with listings: drift settled, a push undone, limits set, SKUs matched."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from errors import AlreadyRunning, Conflict, InvalidInput
from extensions import writing
from jobs import retention
from models import Drift, FlowKind, Integration, Listing, RunItem, StockItem
from practice_shop import PracticeShop, Store
from services.integrations import settings
from services.listings import kept_columns, manual_links, undo, views
from services.runs import lifecycle
from services.security import trail
from services.stock import items
from services.stock import views as stock_views
from services.sync import execution, schedule
from tests.blueprints.pages import element, words
from tests.support import books
from tests.support.rows import make_integration, make_item, make_listing
from tests.support.shops import connect, do, products, settled, waiting


def test_drift_is_kept_and_theirs_may_be_taken(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    shop.store.set_amount(ids["CUP"], 3)
    items.set_stock("CUP", 25, "test")
    do(integration_id, "stock")
    assert shop.store.amount(ids["CUP"]) == 25
    row = views.drift_page().rows[0]
    assert (row.sku, row.expected, row.found, row.state) == ("CUP", 20, 3, "open")
    views.settle_drift(row.id, "theirs", "test")
    assert items.find_stock_item("CUP").available == 3
    do(integration_id, "stock")
    assert shop.store.amount(ids["CUP"]) == 3
    assert views.drift_page().rows == []
    with pytest.raises(Conflict):
        views.settle_drift(row.id, "ours", "test")
    db.session.rollback()
    assert db.session.scalar(select(Drift.state)) == "theirs"


def test_an_undone_push_restores_what_the_shop_has_not_changed_since(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    items.set_stock("CUP", 33, "test")
    items.set_stock("PLATE", 44, "test")
    pushed = do(integration_id, "stock")
    shop.store.set_amount(ids["PLATE"], 40)
    run = execution.perform(undo.start_undo(pushed.id, "test", "shop").id)
    assert (run.outcome, run.counts) == ("partial", {"restored": 1, "left": 1})
    assert (shop.store.amount(ids["CUP"]), shop.store.amount(ids["PLATE"])) == (20, 40)
    reasons = {item.sku: item.reason for item in db.session.scalars(select(RunItem).where(RunItem.run_id == run.id))}
    assert reasons["PLATE"] == "The shop has 40 by now, 44 was sent: it was left."
    again = do(integration_id, "stock")
    assert (again.outcome, shop.store.amount(ids["CUP"])) == ("waiting", 20)
    assert {row.sku for row in waiting(integration_id)} == {"CUP", "PLATE"}
    with pytest.raises(Conflict):
        undo.start_undo(run.id, "test")


def test_no_stock_update_starts_while_one_is_undone(app, db, shop):
    """It would read a quantity before the undo has restored it, and take it for one that somebody has changed in the shop."""
    integration_id = settled(shop)
    items.set_stock("CUP", 33, "test")
    pushed = do(integration_id, "stock")
    started = undo.start_undo(pushed.id, "test", "both")
    assert schedule.start_due_runs(kinds=(FlowKind.STOCK,)) == []
    with pytest.raises(AlreadyRunning, match="is being undone"):
        lifecycle.start_run(integration_id, "stock", "test")
    execution.perform(started.id)
    (run_id,) = schedule.start_due_runs(kinds=(FlowKind.STOCK,))
    execution.perform(run_id)
    assert views.drift_page().rows == []
    assert db.session.scalar(select(Listing.quantity).where(Listing.sku == "CUP")) == 20


def test_an_undo_takes_back_edits_here_and_no_sale(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    with PracticeShop(store=Store()) as second:
        second.store.add_product(sku="CUP", name="Cup", price=10, amount=20)
        other = connect(second, "Kitchen")
        do(other, "stock")
        items.set_stock("CUP", 30, "test")
        do(integration_id, "stock")
        items.set_stock("CUP", 33, "test")
        there = shop.store.place_order(lines=[(ids["CUP"], 2)])
        pushed = do(integration_id, "stock")
        assert shop.store.amount(ids["CUP"]) == 31
        seen = undo.preview(pushed.id)
        assert [(item.sku, item.now, item.after) for item in seen.items] == [("CUP", 33, 30)]
        assert (seen.listings, seen.others) == (1, ["Kitchen"])
        run = execution.perform(undo.start_undo(pushed.id, "user:ann").id)
        assert run.outcome == "done" and items.find_stock_item("CUP").on_hand == 30
        assert items.find_stock_item("CUP").reserved == 2, there
        with pytest.raises(Conflict, match="is left to undo"):
            undo.start_undo(pushed.id, "user:ann", "here")
        # The books and the shop agree: nothing waits, and the other shop follows.
        assert shop.store.amount(ids["CUP"]) == 28
        do(integration_id, "stock")
        do(other, "stock")
        assert shop.store.amount(ids["CUP"]) == second.store.amount(1) == 28


def test_an_undo_here_alone_waits_for_approval_before_the_shop_changes(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    items.set_stock("CUP", 33, "test")
    pushed = do(integration_id, "stock")
    assert undo.start_undo(pushed.id, "test", "here") is None
    assert items.find_stock_item("CUP").on_hand == 20
    assert do(integration_id, "stock").outcome == "waiting"
    assert shop.store.amount(ids["CUP"]) == 33
    assert stock_views.waiting_for_approval() == [(integration_id, "Shop")]


def test_an_undo_here_alone_is_refused_where_nothing_was_edited_here(app, db, shop):
    integration_id = settled(shop)
    settings.change_settings(integration_id, {"stock_buffer": 2}, "user:ann")
    pushed = do(integration_id, "stock")
    assert not undo.preview(pushed.id).items
    with pytest.raises(Conflict, match="Nothing is left to restore here"):
        undo.start_undo(pushed.id, "test", "here")
    db.session.rollback()
    assert stock_views.waiting_for_approval() == [], "and nothing waits because of it"


def test_a_preview_says_what_is_held_back_from_the_shop_and_the_most_it_offers(app, db, shop):
    integration_id = settled(shop)
    changes = {"stock_buffer": 2, "stock_cap": 10, "safety_limit_percent": 1, "safety_limit_least": 1}
    settings.change_settings(integration_id, changes, "user:ann")
    run = do(integration_id, "stock")
    reasons = dict(db.session.execute(select(RunItem.sku, RunItem.reason).where(RunItem.run_id == run.id)).all())
    assert reasons == {
        "CUP": "CUP: on hand 20, reserved 0; 2 held back from this shop; at most 10 offered in this shop",
        "PLATE": "PLATE: on hand 8, reserved 0; 2 held back from this shop",
    }


def test_a_shops_own_buffer_and_cap_bound_what_it_offers(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    settings.change_settings(integration_id, {"stock_buffer": 2, "stock_cap": 10}, "user:ann")
    do(integration_id, "stock")
    assert (shop.store.amount(ids["CUP"]), shop.store.amount(ids["PLATE"])) == (10, 6)
    assert {change for row in trail.list_page(trail.Wanted()).rows for change in row.changes} >= {
        ("Units held back from this shop", "0", "2"), ("Most units to offer in this shop", "–", "10"),
    }  # fmt: skip
    with pytest.raises(InvalidInput):
        settings.change_settings(integration_id, {"stock_cap": -1}, "test")


def test_a_listing_that_is_not_to_be_pushed_is_left_and_comes_back(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    listing_id = db.session.scalar(select(Listing.id).where(Listing.sku == "CUP"))
    db.session.rollback()
    manual_links.set_do_not_push([listing_id], True, "test")
    items.set_stock("CUP", 5, "test")
    do(integration_id, "stock")
    assert shop.store.amount(ids["CUP"]) == 20
    manual_links.set_do_not_push([listing_id], False, "test")
    do(integration_id, "stock")
    assert shop.store.amount(ids["CUP"]) == 5


def test_the_shops_present_stock_is_taken_as_ours(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    shop.store.place_order(lines=[(ids["CUP"], 3)])
    items.set_stock("CUP", 99, "test")
    do(integration_id, "orders")
    shop.store.set_amount(ids["CUP"], 11)
    do(integration_id, "listings")
    listing_id = db.session.scalar(select(Listing.id).where(Listing.sku == "CUP"))
    db.session.rollback()
    assert manual_links.take_shop_stock([listing_id], "test") == (1, [])
    item = items.find_stock_item("CUP")
    assert (item.on_hand, item.reserved, item.available) == (14, 3, 11)


def test_matching_by_sku_is_shown_first_and_refuses_doubled_skus(app, db):
    store = Store()
    store.add_product(sku="TWIN", name="One", price=1, amount=1)
    store.add_product(sku="TWIN", name="Two", price=1, amount=2)
    product = store.add_product(sku="CUP", name="Cup", price=1, amount=2)
    with PracticeShop(store=store) as shop:
        integration_id = connect(shop)
        with writing() as session:
            session.get(Integration, integration_id).take_shop_stock = False
        do(integration_id, "stock")
        items.add_stock_item("CUP", 2, "test")
        items.add_stock_item("TWIN", 2, "test")
        matched = views.match_by_sku()
        assert ([row[2] for row in matched.rows], matched.ambiguous) == (["CUP"], [("Shop", "TWIN")])
        shop.store.place_order(lines=[(product, 2)])
        do(integration_id, "orders")
        assert views.link_matched([row[0] for row in matched.rows], "test") == 1
        assert views.match_by_sku().rows == []
        db.session.rollback()
        assert (items.find_stock_item("CUP").reserved, db.session.scalar(select(Listing.stale).where(Listing.sku == "CUP"))) == (
            2,
            True,
        )
        assert views.link_matched([row[0] for row in matched.rows], "test") == 0


@pytest.mark.both_databases
def test_what_an_older_version_did_not_write_is_corrected_each_night(db):
    shop, cup = make_integration(), make_item("CUP")
    linked, unlinked = make_listing(shop, "CUP", 1, item=cup, name="Blue cup"), make_listing(shop, "BOWL", 1)
    with writing() as session:
        session.execute(update(Listing).values(linked=Listing.id == unlinked.id, searched=""))
        session.execute(update(StockItem).values(searched=""))
    assert len(list(books.kept_of_listings())) == 5
    retention.run()
    assert list(books.kept_of_listings()) == [] and kept_columns.correct() == 0
    assert [row.id for row in views.list_page(views.Wanted(search="blue", state="linked")).rows] == [linked.id]
    assert [row.id for row in views.list_page(views.Wanted(state="unlinked")).rows] == [unlinked.id]


@pytest.mark.both_databases
def test_what_an_older_version_gave_another_name_is_found_by_it_after_the_night(db, monkeypatch):
    shop = make_integration()
    rows = [make_listing(shop, f"CUP-{number}", 1, name="Blue cup") for number in range(5)]
    monkeypatch.setattr(kept_columns, "BATCH", 2)
    with writing() as session:
        session.execute(update(Listing).where(Listing.id.in_([row.id for row in rows[1:]])).values(name="Red cup"))
    assert kept_columns.correct() == 4 and kept_columns.correct() == 0
    assert list(books.kept_of_listings()) == []
    assert len(views.list_page(views.Wanted(search="red")).rows) == 4


def test_the_correction_of_the_night_ends_where_the_worker_has_to_stop(db, monkeypatch):
    shop = make_integration()
    rows = [make_listing(shop, f"CUP-{number}", 1, name="Blue cup") for number in range(5)]
    monkeypatch.setattr(kept_columns, "BATCH", 2)
    with writing() as session:
        session.execute(update(Listing).where(Listing.id.in_([row.id for row in rows])).values(name="Red cup"))
    answers = iter([False, False, True, True])
    assert kept_columns.correct(lambda: next(answers)) == 2
    assert kept_columns.correct() == 3


def test_a_product_whose_variants_have_stock_of_their_own_is_nothing_to_link(app, client):
    """Nine of ten listings that a shop had as *Unlinked* were such products, with nothing to do."""
    integration = make_integration("Shop")
    make_listing(integration, "PARENT", 5, replaced=True)
    loose = make_listing(integration, "LOOSE", 1)
    assert [row.id for row in views.list_page(views.Wanted(state="unlinked")).rows] == [loose.id]
    page = words(element(client.get("/listings").text, "main").text)
    assert "Unlinked 1" in page and "Has variants Its variants have stock of their own." in page
