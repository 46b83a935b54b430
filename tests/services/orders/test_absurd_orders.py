"""One absurd order or listing stops no other, on both databases. The shop is real HTTP; its rows hold what no merchant typed."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import writing
from models import Integration, Link, Listing, Order, RunItem, SalesOfDay, StockItem, UnreadableOrder
from practice_shop import PracticeShop, Store
from services.orders import changes, insertion, rereading
from services.stock import items
from tests.support.shops import connect, do

pytestmark = pytest.mark.both_databases


@pytest.fixture(params=["addon", "api"])
def shop(request):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    store.add_product(sku="SET", name="Set of cups", price=25, amount=5)
    with PracticeShop(store=store, generation=request.param) as shop:
        yield shop


def orders(db) -> dict[str, Order]:
    db.session.rollback()
    return {order.external_id: order for order in db.session.scalars(select(Order).where(Order.superseded_at.is_(None)))}


def sell(shop, sku: int = 1, units: int = 1, price: float | None = None) -> int:
    return shop.store.place_order(lines=[(sku, units, price)], take_stock=False)


def make_kit(db, units: int = 3) -> None:
    with writing() as session:
        listing = session.scalar(select(Listing).where(Listing.sku == "SET"))
        cup = session.scalar(select(StockItem).where(StockItem.sku == "CUP"))
        session.execute(Link.__table__.delete().where(Link.listing_id == listing.id))
        session.add(Link(listing_id=listing.id, stock_item_id=cup.id, units=units, made_by="hand"))


def test_a_thousand_million_pieces_of_a_kit_hold_their_order_and_stop_no_other(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    make_kit(db)
    absurd, good = sell(shop, 2, 1_000_000_000, 0.01), sell(shop)
    assert do(integration_id, "orders").outcome == "done"
    found = orders(db)
    assert (found[str(absurd)].state, found[str(good)].state) == ("on_hold", "ready")
    assert "1,000,000,000 pieces" in found[str(absurd)].held_reason
    assert do(integration_id, "stock").outcome == "done"


def test_sums_beyond_32_bits_are_booked(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    make_kit(db, units=1000)
    for _ in range(3):
        sell(shop, 2, 1_000_000, 0.01)
    items.set_stock("CUP", 2**31 - 1, "test")
    assert do(integration_id, "orders").outcome == "done"
    assert [order.lines[0].quantity for order in orders(db).values()] == [1_000_000] * 3
    assert do(integration_id, "stock").outcome == "done"


@pytest.mark.parametrize("spoil", ["price", "number", "date", "options", "sku"])
def test_what_is_beyond_a_limit_holds_the_order(app, db, shop, spoil):
    if spoil == "options" and shop.generation == "api":
        pytest.skip("X-Cart 5.5 gives no options.")
    integration_id = connect(shop)
    do(integration_id, "stock")
    absurd, good = shop.store.order(sell(shop)), sell(shop)
    item = absurd.items[0]
    if spoil == "price":
        item.price = item.net_price = 9e15
    elif spoil == "number":
        absurd.number = "N" * 300
    elif spoil == "date":
        absurd.date = absurd.renewed = 250_000_000_000
    elif spoil == "options":
        item.attributes = tuple((f"Option {number}", "x" * 2000) for number in range(500))
    else:
        item.sku = "CUP" * 200
    shop.store.touch_order(absurd, renewed=False)
    do(integration_id, "orders")
    found = orders(db)
    assert found[str(good)].state == "ready"
    assert (found[str(absurd.id)].state, "unreadable" in found[str(absurd.id)].held_codes) == ("on_hold", True)
    assert do(integration_id, "stock").outcome == "done"


def test_a_name_too_long_for_an_index_is_cut(app, db, shop):
    """PostgreSQL has 2,704 bytes of a row in an index, and shops do not count bytes."""
    name = "".join(chr(0x4E00 + 7919 * place % 20_000) for place in range(900))
    shop.store.products[2].name = name
    order = shop.store.order(sell(shop))
    order.profile.billing.firstname = order.profile.billing.lastname = name
    shop.store.touch_order(order, renewed=False)
    good = sell(shop)
    integration_id = connect(shop)
    assert do(integration_id, "stock").outcome == do(integration_id, "orders").outcome == "done"
    found = orders(db)
    assert found[str(good)].state == "ready"
    assert name.startswith(db.session.scalar(select(Listing.name).where(Listing.sku == "SET")))
    assert name[:800] in found[str(order.id)].customer


def test_an_id_of_seventy_digits_stops_no_other(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    absurd, good = shop.store.order(sell(shop)), sell(shop)
    shop.store.orders[absurd.id].id = 10**70
    shop.store.touch_order(absurd, renewed=False)
    do(integration_id, "orders")
    assert orders(db)[str(good)].state == "ready"


def test_an_order_that_cannot_be_stored_is_kept_as_unreadable_and_read_again(app, db, shop, monkeypatch):
    """The safety net, for what no limit foresees: a value that the database itself refuses."""
    integration_id = connect(shop)
    do(integration_id, "stock")
    columns = insertion.columns

    def too_large(storing, order, money, rows):
        found = columns(storing, order, money, rows)
        return found | ({"decimals": 2**70} if order.total > 500 else {})

    for module in (insertion, changes):
        monkeypatch.setattr(module, "columns", too_large)
    absurd, good = sell(shop, price=600), sell(shop)
    run = do(integration_id, "orders")
    assert run.outcome == "partial"
    found = orders(db)
    assert (found[str(absurd)].held_codes, found[str(good)].state) == (["unreadable"], "ready")
    cup, sales = db.session.scalar(select(StockItem).where(StockItem.sku == "CUP")), db.session.scalar(select(SalesOfDay))
    assert (cup.reserved, sales.orders) == (1, 1), "what was stored before the page began again counts once"
    assert db.session.scalar(select(RunItem.external_id).where(RunItem.run_id == run.id)) == str(absurd)
    assert db.session.scalar(select(UnreadableOrder.external_id)) == str(absurd)
    monkeypatch.undo()
    with writing() as session:
        session.scalar(select(UnreadableOrder)).next_at = session.scalar(select(Order.placed_at).limit(1))
    do(integration_id, "orders")
    assert orders(db)[str(absurd)].state == "ready"
    assert db.session.scalar(select(UnreadableOrder)) is None


def test_an_absurd_listing_stops_no_other(app, db, shop):
    shop.store.add_product(sku="Ü" * 400, name="N" * 5000, price=1, amount=2**40)
    shop.store.add_product(sku="LAST", name="Last", price=1, amount=3)
    integration_id = connect(shop)
    assert do(integration_id, "stock").outcome == "done"
    db.session.rollback()
    assert items.find_stock_item("LAST").on_hand == 3


def test_an_absurd_quantity_there_stops_no_other(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    for sku, quantity in ((1, -(10**30)), (2, 10**30)):
        shop.store.products[sku].amount = quantity
        shop.store.touch_product(sku)
    last = shop.store.add_product(sku="LAST", name="Last", price=1, amount=3)
    do(integration_id, "listings")
    items.set_stock("LAST", 4, "test")
    with writing() as session:
        session.scalar(select(Integration)).safety_limit_percent = 100
    assert do(integration_id, "stock").outcome == "done"
    assert {row.sku: row.amount for row in shop.store.products.values()} == {"CUP": 20, "SET": 5, "LAST": 4}, last


def test_characters_that_no_database_takes_are_replaced_by_a_single_reading_too(app, db, shop):
    order_id = sell(shop)
    integration_id = connect(shop)
    do(integration_id, "orders")
    shop.store.products[1].name = shop.store.order(order_id).items[0].name = "Cup\x00s"
    shop.store.touch_order(shop.store.order(order_id), renewed=False)
    rereading.ask_again([orders(db)[str(order_id)].id])
    do(integration_id, "orders")
    assert orders(db)[str(order_id)].lines[0].name == "Cup\ufffds"


@pytest.mark.parametrize("absurd", [0, -5, 2**63, 10**30])
@pytest.mark.sampled(3)
def test_an_id_that_no_shop_gives_is_named_and_stops_no_other(app, db, shop, absurd):
    """Read by date and by change: nothing is stored under such an id, and nothing is ever sent to it."""
    shop.store.orders[sell(shop)].id = absurd
    shop.store.products[shop.store.add_product(sku="ODD", name="Odd", price=1, amount=3)].id = absurd
    integration_id = connect(shop)
    for _ in range(2):
        good = sell(shop)
        for kind in ("orders", "listings", "stock"):
            run = do(integration_id, kind)
            assert run.outcome == "partial" if kind != "stock" else run.outcome != "failed", (kind, run.error)
        assert orders(db)[str(good)].state == "ready"
        assert str(absurd) not in orders(db)
    found = db.session.scalars(select(Listing.sku).where(Listing.external_id.like("product:%"))).all()
    assert sorted(found) == ["CUP", "SET"]


def test_an_order_without_a_time_of_its_last_change_stops_no_other(app, db, shop):
    """X-Cart's column is 0 in orders that an import made: the shop lists them last, whenever they were placed."""
    store = shop.store
    older = sell(shop)
    store.orders[older].date = store.orders[older].renewed = store.now() - 2 * 86400
    imported, absurd = sell(shop), sell(shop)
    store.orders[imported].renewed, store.orders[absurd].renewed = 0, -1
    store.touch_order(store.orders[imported], renewed=False)
    integration_id = connect(shop)
    assert do(integration_id, "stock").outcome == "done"
    new = sell(shop)
    store.set_status(older, payment="D")
    assert do(integration_id, "orders").outcome == "done"
    found = {int(number): order.state for number, order in orders(db).items()}
    assert found == {older: "cancelled", imported: "ready", absurd: "on_hold", new: "ready"}
    store.set_status(imported, payment="D")
    assert do(integration_id, "orders").outcome == "done"
    assert orders(db)[str(imported)].payment_status == "D"
