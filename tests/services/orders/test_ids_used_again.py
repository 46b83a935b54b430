"""Order ids that a shop uses again after it was restored from a backup, over HTTP and for both generations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from extensions import writing
from models import Incident, Order, Shop, UnreadableOrder, WriteBack
from practice_shop import PracticeShop, Store
from services.integrations import lifecycle
from services.monitoring import incidents
from services.operations import privacy
from services.orders import find_order, held, queries, rereading, superseding
from services.security import keyring
from services.shipping import shipments, write_backs
from tests.support.kept import set_up_once
from tests.support.shops import connect, do, products

pytestmark = pytest.mark.one_database


def earlier() -> datetime:
    """When the orders before a restore are placed. Counted from the test, not from the start of the tests."""
    return datetime.now(UTC) - timedelta(minutes=5)


def later() -> datetime:
    """When the orders since a restore are placed."""
    return datetime.now(UTC) - timedelta(minutes=2)


def rows(db) -> list[Order]:
    db.session.rollback()
    return list(db.session.scalars(select(Order).order_by(Order.id)))


def sell(
    shop: PracticeShop, email: str = "old@example.com", at: datetime | None = None, number: str | None = None, units: int = 1
) -> str:
    placed = shop.store.place_order(lines=[(products(shop)["CUP"], units)], email=email, at=at or earlier(), number=number)
    return str(placed)


def set_back(shop: PracticeShop, **new) -> str:
    """Restore the shop to its backup, and sell again: the id of the first order sold since is given again."""
    shop.store.restore()
    return sell(shop, **{"email": "new@example.com", "at": later()} | new)


@pytest.fixture(params=["addon", "api"])
def shop(request):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    with PracticeShop(store=store, generation=request.param) as shop:
        yield shop


@pytest.fixture
def connected(app, shop, request):
    def sell_and_read() -> int:
        sell(shop, "first@example.com")
        shop.store.backup()
        integration_id = connect(shop)
        do(integration_id, "stock")
        return integration_id

    return set_up_once(request, app, shop, sell_and_read)


def test_a_shipped_order_is_kept_and_the_new_one_is_work(connected, db, shop):
    name = sell(shop)
    do(connected, "orders")
    old = rows(db)[-1]
    shipments.ship(old.id, "test", tracking_number="OLD-1")
    do(connected, "shipments")
    assert set_back(shop) == name
    do(connected, "orders")
    old, new = rows(db)[-2:]
    assert (old.external_id, old.state, old.email, old.superseded_at is not None) == (name, "shipped", "old@example.com", True)
    assert (new.external_id, new.state, new.email, new.superseded_at) == (name, "ready", "new@example.com", None)
    assert [line.shipped for line in new.lines] == [0]
    assert queries.find_order(new.number).id == new.id
    incidents.review()
    db.session.rollback()
    incident = db.session.scalar(select(Incident).where(Incident.cause == "shop_set_back"))
    assert incident is not None and incident.facts == {"count": 1}
    assert superseding.mark_set_back_seen(connected, "test")
    incidents.review()
    db.session.rollback()
    assert db.session.get(Incident, incident.id).resolved_at is not None


def test_an_open_order_is_kept_and_nothing_more_is_sent_or_asked_for_it(connected, db, shop):
    name = sell(shop, units=2)
    do(connected, "orders")
    old = rows(db)[-1]
    shipments.ship(old.id, "test", quantities={old.lines[0].id: 1})
    rereading.ask_again([old.id])
    shipments.ship(old.id, "test")
    set_back(shop)
    do(connected, "orders")
    old, new = rows(db)[-2:]
    assert (old.superseded_at is not None, old.reread_due, new.state) == (True, False, "ready")
    assert {row.state for row in write_backs.of_order(old.id)} == {"replaced"}
    rereading.ask_again([old.id])
    do(connected, "shipments")
    assert rows(db)[-2].reread_due is False
    shipping = shop.store.status("shipping", shop.store.order(int(name)).shipping_id)
    assert shipping.code == "N"


@pytest.mark.parametrize("new", [{"email": "old@example.com", "number": "777"}, {"number": "3"}])
def test_the_same_customer_with_another_number_or_the_number_with_another_customer(connected, db, shop, new):
    sell(shop, number="3")
    do(connected, "orders")
    set_back(shop, **new)
    do(connected, "orders")
    old, current = rows(db)[-2:]
    assert (old.superseded_at is not None, current.superseded_at) == (True, None)


@pytest.mark.parametrize("change", [{"placed": True}, {"number": "N-9"}, {"email": "else@example.com"}])
def test_one_difference_alone_is_an_edit(connected, db, shop, change):
    name = sell(shop)
    do(connected, "orders")
    shop.store.change_order(int(name), **(change | ({"placed": later().timestamp()} if "placed" in change else {})))
    do(connected, "orders")
    assert [(order.superseded_at, order.state) for order in rows(db)] == [(None, "ready")] * 2


def test_contradicting_evidence_holds_the_order_until_a_person_decides(connected, db, shop):
    name = sell(shop)
    do(connected, "orders")
    shop.store.change_order(int(name), number="N-9", email="else@example.com")
    do(connected, "orders")
    order = rows(db)[-1]
    assert (order.state, order.held_codes, order.email) == ("on_hold", ["identity"], "old@example.com")
    shown = superseding.shown_of(order)
    assert (shown["number"], shown["same_email"], Decimal(shown["total"])) == ("N-9", False, order.total)
    assert shown["items"] == [[line.sku, line.quantity] for line in order.lines] and shown["placed_at"]
    assert "else@example.com" not in str(order.shown_instead), "of the customer only whether it is the same"
    shop.store.change_order(int(name), number="N-10")
    do(connected, "orders")
    assert superseding.shown_of(rows(db)[-1])["number"] == "N-10", "what the shop has now"
    shop.store.change_order(int(name), number="N-9")
    held.accept("identity", [order.id], "test")
    do(connected, "orders")
    order = rows(db)[-1]
    assert (order.state, order.email, order.number) == ("ready", "else@example.com", "N-9")


def test_a_person_can_say_that_it_is_another_order(connected, db, shop):
    name = sell(shop)
    do(connected, "orders")
    shipments.ship(rows(db)[-1].id, "test")
    shop.store.change_order(int(name), number="N-9", email="else@example.com")
    do(connected, "orders")
    assert rows(db)[-1].state == "on_hold"
    superseding.replace_order(rows(db)[-1].id, "test")
    do(connected, "orders")
    assert [order.state for order in rows(db)] == ["ready", "shipped", "ready"]


def test_it_is_found_after_the_customers_data_was_erased_and_the_keyring_rotated(connected, db, shop):
    sell(shop)
    do(connected, "orders")
    old = rows(db)[-1]
    shipments.ship(old.id, "test")
    privacy.erase_order(old.id)
    keyring.rotate()
    set_back(shop, number=old.number)
    do(connected, "orders")
    assert [order.superseded_at is not None for order in rows(db)] == [False, True, False]
    assert rows(db)[1].email == ""


def test_rotating_the_keyring_makes_no_order_look_reused(connected, db, shop):
    name = sell(shop)
    do(connected, "orders")
    keyring.rotate()
    shop.store.change_order(int(name), placed=later().timestamp())
    do(connected, "orders")
    assert [order.superseded_at for order in rows(db)] == [None, None]


def test_it_is_found_by_a_single_reading(connected, db, shop):
    name = sell(shop)
    do(connected, "orders")
    set_back(shop)
    order_id = find_order.bring_in(connected, name, "test")
    old, new = rows(db)[-2:]
    assert (new.id, old.superseded_at is not None) == (order_id, True)


def test_several_ids_at_once_and_orders_behind_the_watermark(connected, db, shop):
    for number in range(3):
        sell(shop, f"old{number}@example.com")
    do(connected, "orders")
    shop.store.restore()
    sell(shop, "last@example.com", at=later())
    for number in range(4):
        # Dated days before what was read: a reading by change alone would stop before them.
        sell(shop, f"new{number}@example.com", at=datetime.now(UTC) - timedelta(days=2, hours=number))
    for _ in range(3):
        do(connected, "orders")
    current = {order.email for order in rows(db) if order.superseded_at is None}
    assert current == {"first@example.com", "new0@example.com", "new1@example.com", "new2@example.com", "new3@example.com",
                       "last@example.com"}  # fmt: skip
    assert sum(order.superseded_at is not None for order in rows(db)) == 3


def test_added_again_with_its_history_after_it_was_set_back(connected, db, shop):
    name = sell(shop)
    do(connected, "orders")
    lifecycle.remove_integration(connected, "test")
    set_back(shop)
    do(connect(shop, "Again"), "orders")
    old, new = rows(db)[-2:]
    assert (old.external_id, new.external_id, old.superseded_at is not None) == (name, name, True)
    assert len(db.session.scalars(select(Shop)).all()) == 1


def test_a_placeholder_is_completed_and_never_doubled(app, db, shop):
    name = sell(shop)
    integration_id = connect(shop)
    do(integration_id, "stock")
    broken = int(sell(shop))
    item = shop.store.order(broken).items[0]
    product, item.product_id = item.product_id, None
    do(integration_id, "orders")
    item.product_id = product
    shop.store.change_order(broken, number="N-1", email="x@example.com", placed=later().timestamp())
    do(integration_id, "orders")
    assert [order.external_id for order in rows(db) if order.superseded_at is None] == [name, str(broken)]


@pytest.mark.parametrize("state", ["open", "shipped"])
def test_a_restored_shop_whose_new_orders_are_dated_before_the_watermark(connected, db, shop, state):
    sell(shop)
    do(connected, "orders")
    if state == "shipped":
        shipments.ship(rows(db)[-1].id, "test")
        do(connected, "shipments")
        do(connected, "orders")
    shop.store.restore()
    sell(shop, "new@example.com", at=datetime.now(UTC) - timedelta(hours=3))
    sell(shop, "other@example.com", at=datetime.now(UTC) - timedelta(hours=2))
    for _ in range(3):
        do(connected, "orders")
    current = {order.email for order in rows(db) if order.superseded_at is None}
    assert current == {"first@example.com", "new@example.com", "other@example.com"}


@pytest.mark.parametrize("number", ["103", "#00103", " 00103 "])
def test_a_date_and_the_form_of_the_number_that_were_edited_are_an_edit(connected, db, shop, number):
    name = sell(shop, number="00103")
    do(connected, "orders")
    shop.store.change_order(int(name), number=number, placed=later().timestamp())
    do(connected, "orders")
    assert [(order.superseded_at, order.state) for order in rows(db)] == [(None, "ready")] * 2


def test_what_a_dead_worker_has_begun_ends_even_where_the_other_order_cannot_be_printed(connected, db, shop):
    name = sell(shop)
    do(connected, "orders")
    old = rows(db)[-1]
    shipments.ship(old.id, "test")
    with writing() as session:
        session.execute(update(WriteBack).values(state="sending", tries=1))
    set_back(shop)
    do(connected, "orders")
    shop.store.break_order(int(name))
    shop.clear_requests()
    do(connected, "shipments")
    db.session.rollback()
    assert [row.state for row in write_backs.of_order(old.id)] == ["replaced"]
    assert not [request for request in shop.requests if request["method"] != "GET"]


def _set_back_unprintable(shop: PracticeShop) -> int:
    """The shop is restored, and the id goes to an order that it cannot print (a line's product was deleted)."""
    new = int(set_back(shop, at=datetime.now(UTC) + timedelta(minutes=20)))
    shop.store.break_order(new)
    return new


@pytest.mark.parametrize("shop", ["api"], indirect=True)
@pytest.mark.parametrize("shipped", [True, False])
def test_an_order_that_cannot_be_printed_does_not_take_the_place_of_the_one_before(connected, db, shop, shipped):
    name = sell(shop)
    do(connected, "orders")
    if shipped:
        shipments.ship(rows(db)[-1].id, "test")
        do(connected, "shipments")
    new = _set_back_unprintable(shop)
    shop.store.set_status(new, payment="C")
    do(connected, "orders")
    old = rows(db)[-1]
    assert (old.external_id, old.payment_status, [line.reserved for line in old.lines]) == (name, "P", [0 if shipped else 1])
    assert (old.state, [code for code, _ in old.doubts]) == ("on_hold", ["identity"])
    shop.store.set_status(new, payment="P")
    shop.store.repair_order(new)
    with writing() as session:
        session.execute(update(UnreadableOrder).values(next_at=datetime.now(UTC) - timedelta(minutes=1)))
    do(connected, "orders")
    old, current = rows(db)[-2:]
    assert (old.superseded_at is not None, current.external_id, current.email) == (True, name, "new@example.com")
    assert (old.doubts, old.state) == ([], "shipped" if shipped else "ready")


@pytest.mark.parametrize("shop", ["api"], indirect=True)
def test_an_order_that_cannot_be_printed_is_not_marked_as_shipped_for_another(connected, db, shop):
    sell(shop)
    do(connected, "orders")
    shipments.ship(rows(db)[-1].id, "test")
    new = _set_back_unprintable(shop)
    do(connected, "shipments")
    assert shop.store.status("shipping", shop.store.order(new).shipping_id).code == "N"
    assert [row.error_code for row in write_backs.of_order(rows(db)[-1].id)] == ["called_off"]


@pytest.mark.parametrize("shop", ["api"], indirect=True)
def test_an_order_that_becomes_unprintable_is_the_same_and_is_marked_as_shipped(connected, db, shop):
    name = sell(shop)
    do(connected, "orders")
    shipments.ship(rows(db)[-1].id, "test")
    shop.store.break_order(int(name))
    do(connected, "shipments")
    do(connected, "orders")
    assert shop.store.status("shipping", shop.store.order(int(name)).shipping_id).code == "S"
    assert rows(db)[-1].doubts == []
