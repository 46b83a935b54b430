"""The stock push: orders first, only what differs, braked where it would change much, every result kept."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from errors import Conflict
from extensions import writing
from models import Integration, Listing, RunItem, SyncRun
from models.types import utcnow
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Answer
from services.integrations import lifecycle
from services.listings import stock_push
from services.monitoring import connection_state
from services.runs import lifecycle as runs_lifecycle
from services.security import vault
from services.stock import items as stock_items
from services.sync import execution, schedule
from tests.support.rows import import_stock
from tests.support.shops import add, connect, do, products, waiting


@pytest.fixture
def wide_shop():
    """A shop with 60 products of ten pieces each."""
    store = Store()
    for number in range(60):
        store.add_product(sku=f"SKU-{number:02}", name=f"Thing {number}", price=1, amount=10)
    with PracticeShop(store=store) as shop:
        yield shop


def writes(shop: PracticeShop) -> list[dict]:
    return [request for request in shop.requests if request["method"] != "GET"]


def settled(shop: PracticeShop) -> int:
    """Connect a shop and do its first push, which changes nothing and so confirms itself."""
    integration_id = connect(shop)
    run = do(integration_id, "stock")
    assert (run.outcome, writes(shop)) == ("done", [])
    shop.clear_requests()
    return integration_id


def test_the_first_push_reads_orders_and_listings_first_and_changes_nothing(app, db, shop):
    ids = products(shop)
    shop.store.place_order(lines=[(ids["CUP"], 2)])
    integration_id = settled(shop)
    db.session.rollback()
    assert db.session.get(Integration, integration_id).push_gate == "open"
    run = db.session.scalars(select(SyncRun)).one()
    outcomes = {run.kind: run.outcome} | {kind: step["outcome"] for kind, step in run.steps.items()}
    assert outcomes == {"orders": "done", "listings": "done", "stock": "done"}


def test_a_changed_stock_item_reaches_the_shop_and_nothing_else_is_sent(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    stock_items.set_stock("CUP", 33, "test")
    assert schedule.start_due_runs(kinds=("stock",)) != []
    run = execution.perform(schedule.waiting_runs()[0])
    assert (run.outcome, run.counts["sent"]) == ("done", 1)
    assert (shop.store.amount(ids["CUP"]), shop.store.amount(ids["PLATE"])) == (33, 8)
    assert len(writes(shop)) == 1
    assert [request["method"] for request in shop.requests] == ["GET", "GET", "PUT"]
    shop.clear_requests()
    assert do(integration_id, "stock").outcome == "done"
    assert shop.requests == []


def test_what_the_shop_has_just_sold_is_reserved_before_stock_is_sent(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    stock_items.set_stock("CUP", 30, "test")
    shop.store.place_order(lines=[(ids["CUP"], 4)])
    run = do(integration_id, "stock")
    assert run.outcome == "done"
    assert shop.store.amount(ids["CUP"]) == 26
    assert stock_items.find_stock_item("CUP").available == 26
    db.session.rollback()
    assert db.session.scalar(select(Listing).where(Listing.sku == "CUP")).drift is None


def test_a_sale_in_the_shop_needs_no_write_back(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    shop.store.place_order(lines=[(ids["CUP"], 4)])
    do(integration_id, "orders")
    run = do(integration_id, "stock")
    assert (run.outcome, writes(shop)) == ("done", [])
    assert shop.store.amount(ids["CUP"]) == 16


def test_two_shops_sell_from_one_stock(app, db, shop):
    store = Store()
    other_id = store.add_product(sku="CUP", name="Cup", price=12, amount=20)
    with PracticeShop(store=store) as other:
        one, two = settled(shop), connect(other, "Other")
        do(two, "stock")
        other.store.place_order(lines=[(other_id, 5)])
        do(two, "orders")
        assert one in {run.integration_id for run in map(runs_lifecycle.find_run, schedule.start_due_runs(kinds=("stock",)))}
        for run_id in schedule.waiting_runs():
            execution.perform(run_id)
        assert shop.store.amount(products(shop)["CUP"]) == other.store.amount(other_id) == 15


def test_somebody_else_changing_stock_in_the_shop_is_seen_as_drift(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    shop.store.set_amount(ids["CUP"], 3)
    stock_items.set_stock("CUP", 25, "test")
    run = do(integration_id, "stock")
    assert run.counts["drift"] == 1
    assert "the shop has 3, 20 was expected" in run.warnings[0]
    assert shop.store.amount(ids["CUP"]) == 25


def test_a_first_push_that_would_change_something_waits_for_a_person(app, db, shop):
    ids = products(shop)
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=3)
    with PracticeShop(store=store) as other:
        settled(other)
        integration_id = connect(shop, "Second")
        run = do(integration_id, "stock")
        assert (run.outcome, writes(shop)) == ("waiting", [])
        seen = waiting(integration_id)
        assert [(row.sku, row.now, row.would_be) for row in seen] == [("CUP", 20, 3)]
        assert "on hand 3" in seen[0].why
        assert stock_push.approve(integration_id, "cli:ann") == 1
        with pytest.raises(Conflict):
            stock_push.approve(integration_id, "cli:ann")
        assert do(integration_id, "stock").outcome == "done"
        assert shop.store.amount(ids["CUP"]) == 3


def test_the_safety_limit_stops_a_push_that_would_change_much(app, db, wide_shop):
    integration_id = settled(wide_shop)
    lines = ["sku,quantity\n", *(f"SKU-{number:02},0\n" for number in range(15))]
    import_stock(lines)
    run = do(integration_id, "stock")
    assert (run.outcome, run.counts["preview"], writes(wide_shop)) == ("waiting", 15, [])
    stock_push.approve(integration_id, "test")
    run = do(integration_id, "stock")
    assert (run.outcome, run.counts["sent"], len(writes(wide_shop))) == ("done", 15, 1)
    import_stock(["sku,quantity\n", *(f"SKU-{number:02},4\n" for number in range(9))])
    assert do(integration_id, "stock").outcome == "done"


def test_one_listing_the_shop_has_no_more_fails_no_other(app, db, wide_shop):
    integration_id = settled(wide_shop)
    gone = products(wide_shop)["SKU-03"]
    import_stock(["sku,quantity\n", "SKU-02,5\n", "SKU-03,6\n", "SKU-04,7\n"])
    wide_shop.store.delete_product(gone)
    run = do(integration_id, "stock")
    assert (run.counts["sent"], run.counts["missing"]) == (2, 1)
    db.session.rollback()
    listing = db.session.scalar(select(Listing).where(Listing.sku == "SKU-03"))
    assert (listing.push_state, listing.stale, listing.gone_at) == ("missing", True, None)
    assert "did not list this product" in listing.push_error


def test_what_the_shop_does_not_count_is_never_pushed(app, db):
    store = Store()
    store.add_product(sku="VOUCHER", name="Voucher", price=10, amount=0, inventory_enabled=False)
    parent = store.add_product(sku="SHIRT", name="Shirt", price=10, amount=9)
    own = store.add_variant(parent, sku="SHIRT-M", amount=4)
    store.add_variant(parent, sku="SHIRT-L", amount=0, default_amount=True)
    with PracticeShop(store=store) as shop:
        settled(shop)
        assert [item.sku for item in stock_items.list_stock()] == ["SHIRT", "SHIRT-M"]
        stock_items.set_stock("SHIRT-M", 6, "test")
        assert do(1, "stock").outcome == "done"
        assert (store.variant_amount(own), store.amount(parent)) == (6, 9)


def test_a_sku_that_two_listings_carry_is_refused_and_shown(app, db):
    store = Store()
    store.add_product(sku="TWIN", name="One", price=1, amount=1)
    store.add_product(sku="TWIN", name="Two", price=1, amount=2)
    with PracticeShop(store=store) as shop:
        settled(shop)
        assert stock_items.list_stock() == []
        db.session.rollback()
        assert [listing.push_error for listing in db.session.scalars(select(Listing))] == [
            "Several listings of this shop have this SKU: link them by hand."
        ] * 2


def test_a_read_only_key_stops_stock_and_lets_orders_go_on(app, db, shop):
    integration_id = settled(shop)
    stock_items.set_stock("CUP", 1, "test")
    shop.store.place_order(lines=[(products(shop)["PLATE"], 1)])
    with writing() as session:
        session.get(Integration, integration_id).key_encrypted = vault.encrypt(shop.read_key)
    run = do(integration_id, "stock")
    assert (run.outcome, run.error_code) == ("failed", "read_only_key")
    db.session.rollback()
    assert db.session.get(Integration, integration_id).writes_refused
    assert schedule.start_due_runs(kinds=("stock",)) == []
    assert do(integration_id, "orders").outcome == "done"


def test_a_rejected_key_stops_the_jobs_and_asks_a_person(app, db, shop):
    integration_id = settled(shop)
    shop.key, shop.read_key = "another-key-entirely", "another-read-key"
    run = do(integration_id, "orders")
    assert (run.outcome, run.error_code) == ("failed", "wrong_key")
    db.session.rollback()
    integration = db.session.get(Integration, integration_id)
    assert integration.health == "needs_reauthorising" and not integration.active
    with writing() as session:
        connection_state.make_all_due(session.get(Integration, integration_id))
    assert schedule.start_due_runs() == []


def test_disabled_in_mid_push_it_sends_nothing_more(app, db, wide_shop):
    integration_id = settled(wide_shop)
    import_stock(["sku,quantity\n", "SKU-02,5\n"])
    run_id = runs_lifecycle.start_run(integration_id, "stock", "test").id

    answer = wide_shop.answer

    def answer_and_switch_off(request, site=None):
        if "_path=product" in request.target:
            with app.app_context():
                lifecycle.set_enabled(integration_id, False, "test")
        return answer(request, site)

    wide_shop.answer = answer_and_switch_off
    run = execution.perform(run_id)
    assert (run.outcome, writes(wide_shop)) == ("stopped", [])


def test_the_set_quantity_is_given_to_every_item_result(app, db, wide_shop):
    integration_id = settled(wide_shop)
    import_stock(["sku,quantity\n", "SKU-02,5\n", "SKU-05,1\n"])
    run = do(integration_id, "stock")
    items = db.session.scalars(select(RunItem).where(RunItem.run_id == run.id).order_by(RunItem.sku)).all()
    assert [(item.sku, item.now, item.wanted, item.stored, item.result) for item in items] == [
        ("SKU-02", 10, 5, 5, "sent"), ("SKU-05", 10, 1, 1, "sent"),
    ]  # fmt: skip


def test_an_approval_is_good_for_one_push(app, db, wide_shop):
    integration_id = settled(wide_shop)
    nothing_left = ["sku,quantity\n", *(f"SKU-{number:02},0\n" for number in range(15))]
    import_stock(nothing_left)
    waits = do(integration_id, "stock")
    assert waits.outcome == "waiting"
    stock_push.approve(integration_id, "user:ann")
    assert db.session.get_one(SyncRun, waits.id, populate_existing=True).warnings == ["Approved by ann."]
    assert do(integration_id, "stock").outcome == "done"
    for few in (range(8), range(8, 15)):
        import_stock(["sku,quantity\n", *(f"SKU-{number:02},9\n" for number in few)])
        assert do(integration_id, "stock").outcome == "done"
    import_stock(nothing_left)
    assert do(integration_id, "stock").outcome == "waiting"


def test_what_we_sent_before_a_crash_is_no_drift(app, db, shop):
    """The worker died between the shop's answer and its own commit: the shop has what we wanted, and nobody else changed it."""
    integration_id = settled(shop)
    stock_items.set_stock("CUP", 9, "test")
    shop.store.set_amount(products(shop)["CUP"], 9)
    assert "drift" not in do(integration_id, "stock").counts


def test_a_push_that_compares_nothing_confirms_nothing(app, db, shop):
    integration_id = connect(shop, settings={"take_shop_stock": False})
    assert do(integration_id, "stock").outcome == "done"
    import_stock(["sku,quantity\n", "CUP,1\n"], add_unknown=True)
    assert do(integration_id, "stock").outcome == "waiting"
    assert shop.store.amount(products(shop)["CUP"]) == 20


def test_a_shop_that_comes_back_is_compared_whole_before_anything_is_sent(app, db, shop):
    ids = products(shop)
    lifecycle.remove_integration(settled(shop), "test")
    shop.store.set_amount(ids["CUP"], 77)
    again = connect(shop, "Again")
    assert do(again, "stock").outcome == "waiting"
    assert [(row.sku, row.now, row.would_be) for row in waiting(again)] == [("CUP", 77, 20)]
    assert shop.store.amount(ids["CUP"]) == 77


def test_a_listing_the_shop_has_no_more_is_asked_after_by_no_run(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    shop.store.delete_product(ids["CUP"])
    do(integration_id, "listings")
    do(integration_id, "listings")
    stock_items.set_stock("CUP", 5, "test")
    shop.clear_requests()
    assert (do(integration_id, "stock").counts, shop.requests) == ({}, [])


def test_stock_items_that_a_run_starts_make_no_further_run_due(app, db, shop):
    integration_id = settled(shop)
    db.session.rollback()
    assert db.session.get_one(Integration, integration_id).flows["stock"].due_at > utcnow()


@pytest.mark.one_database
def test_stock_that_moves_while_its_quantity_is_on_the_way_is_sent_next(app, db, shop, proxied):
    proxy = proxied(shop)
    integration_id = add(proxy.url, shop.key)
    do(integration_id, "stock")
    moved: list[str] = []

    def move(method: str, answer: Answer) -> Answer:
        if method == "PUT" and not moved:
            with app.app_context():
                moved.append(stock_items.set_stock("CUP", 4, "test").sku)
                db.session.remove()
        return answer

    stock_items.set_stock("CUP", 15, "test")
    proxy.change_answer = move
    for _ in range(2):
        do(integration_id, "stock")
    assert (moved, shop.store.amount(products(shop)["CUP"])) == (["CUP"], 4)
