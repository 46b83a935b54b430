"""A shop that cancels an order puts its units back on its shelf. Where nothing came back to ours, the shop is updated."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sqlalchemy import select

from extensions import db
from models import Drift, Listing, Order
from practice_shop import PracticeShop
from services.shipping import shipments
from services.stock import items
from tests.support.shops import do, products, settled


@dataclass(frozen=True)
class Sold:
    """A connected shop that has sold three of its 20 cups; both sides know it."""

    shop: PracticeShop
    integration_id: int
    cup: int
    order_id: int
    """The shop's own id."""

    @property
    def there(self) -> int:
        return self.shop.store.amount(self.cup)

    def set_status(self, **statuses: str) -> None:
        self.shop.store.set_status(self.order_id, **statuses)

    def synced(self) -> dict[str, int]:
        """Read the orders and push the stock; the counts of the push."""
        do(self.integration_id, "orders")
        return do(self.integration_id, "stock").counts


def sold(shop: PracticeShop, **order) -> Sold:
    cup, integration_id = products(shop)["CUP"], settled(shop)
    order_id = shop.store.place_order([(cup, 3)], **order)
    of = Sold(shop, integration_id, cup, order_id)
    of.synced()
    return of


def ours() -> int:
    """The id of the order as stored."""
    found = db.session.scalar(select(Order.id))
    db.session.rollback()
    return found


def drift() -> int | None:
    found = db.session.scalar(select(Drift.id))
    db.session.rollback()
    return found


def test_what_was_shipped_here_and_then_cancelled_there_is_not_offered_again(app, db, shop):
    of = sold(shop)
    shipments.ship(ours(), "test")
    do(of.integration_id, "stock")
    assert of.there == 17
    shop.store.cancel_order(of.order_id)
    assert of.there == 20
    assert of.synced() == {"compared": 1, "sent": 1}
    assert of.there == 17


def test_what_was_cancelled_here_and_then_there_is_put_back_once(app, db, shop):
    of = sold(shop)
    shipments.cancel_order(ours(), "test")
    do(of.integration_id, "stock")
    assert of.there == 20
    shop.store.cancel_order(of.order_id)
    assert of.there == 23
    of.synced()
    assert of.there == 20


def test_an_order_edited_there_after_it_was_shipped_is_compared_at_once(app, db, shop):
    """The shop has taken units off for it that nobody ships: what it offers is brought back to the books."""
    ids = products(shop)
    of = sold(shop)
    of.set_status(shipping="S")
    of.synced()
    shop.store.edit_order(of.order_id, lines=[(ids["PLATE"], 2)])
    assert (shop.store.amount(ids["CUP"]), shop.store.amount(ids["PLATE"])) == (20, 6)
    assert of.synced() == {"compared": 2, "sent": 2}
    assert (shop.store.amount(ids["CUP"]), shop.store.amount(ids["PLATE"])) == (17, 8)


def test_what_was_shipped_and_sent_and_then_cancelled_there_is_not_offered_again(app, db, shop):
    of = sold(shop)
    shipments.ship(ours(), "test")
    do(of.integration_id, "shipments")
    of.synced()
    shop.store.cancel_order(of.order_id)
    assert of.there == 20
    assert of.synced() == {"compared": 1, "sent": 1}
    assert of.there == 17


def test_a_shipped_order_that_is_paid_or_refunded_moves_no_stock_there(app, db, shop):
    of = sold(shop, payment="A")
    of.set_status(shipping="S")
    of.synced()
    for payment in ("P", "R"):
        of.set_status(payment=payment)
        assert do(of.integration_id, "orders").counts == {"changed": 1}
        assert db.session.scalar(select(Listing.id).where(Listing.stale)) is None
        db.session.rollback()
    assert of.there == 17


def test_a_refund_before_shipping_frees_our_stock_and_is_no_drift(app, db, shop):
    """The shop has put the units back itself (5.4 and 5.5, observed): both sides agree without a write."""
    of = sold(shop)
    of.set_status(payment="R")
    assert of.there == 20
    assert of.synced() == {"compared": 1}
    assert (of.there, drift()) == (20, None)


@pytest.mark.one_database
@pytest.mark.parametrize("returned", ["R", "N", "P", "WND"])
def test_a_refund_that_moves_a_shipped_order_on_puts_units_back_there_only(app, db, shop, returned):
    """Shipped here, then refunded with another shipping status than shipped: the shop offers units that we do not have."""
    of = sold(shop)
    shipments.ship(ours(), "test")
    of.set_status(payment="R", shipping=returned)
    assert of.there == 20
    assert of.synced() == {"compared": 1, "sent": 1}
    assert (of.there, drift()) == (17, None)


@pytest.mark.one_database
def test_units_follow_every_change_of_the_two_statuses(app, db, shop):
    """Shipped and refunded, then returned, declined, cancelled, paid again: what the shop shows is brought to what we have."""
    of = sold(shop)
    of.set_status(shipping="S")
    of.synced()
    for change, there in (
        ({"payment": "R"}, 17), ({"shipping": "R"}, 20), ({"payment": "C"}, 17), ({"payment": "R"}, 17), ({"shipping": "D"}, 14),
        ({"payment": "P"}, 17), ({"payment": "D"}, 20), ({"payment": "P"}, 14),
    ):  # fmt: skip
        of.set_status(**change)
        assert of.there == there, change
        of.synced()
        assert (of.there, drift()) == (17, None), change


@pytest.mark.one_database
def test_an_order_edited_after_its_units_were_put_back_moves_nothing_there(app, db, shop):
    ids = products(shop)
    of = sold(shop)
    of.set_status(payment="R")
    of.synced()
    shop.store.edit_order(of.order_id, lines=[(ids["PLATE"], 2)])
    assert of.synced() == {}
    of.set_status(payment="P")
    assert (of.there, shop.store.amount(ids["PLATE"])) == (20, 6)
    assert of.synced().get("sent") is None
    assert (of.there, shop.store.amount(ids["PLATE"]), drift()) == (20, 6, None)


@pytest.mark.one_database
@pytest.mark.parametrize("put_back", [True, False])
@pytest.mark.parametrize("kind", ["own payment", "own shipping", "renamed"])
def test_statuses_of_the_merchants_own_are_compared_at_once(app, db, shop, kind, put_back):
    """What the shop does with its stock at a special status is not known: whatever it did is neither guessed nor a drift."""
    of = sold(shop)
    shipments.ship(ours(), "test")
    of.synced()
    if kind == "own payment":
        of.set_status(payment=shop.store.add_status("payment", "LOST", "Lost"))
    elif kind == "own shipping":
        of.set_status(payment="R", shipping=shop.store.add_status("shipping", "BACK", "Came back"))
    else:
        shop.store.status_by_code("payment", "R").code = "REF"
        of.set_status(payment="REF")
    shop.store.set_amount(of.cup, 20 if put_back else 17)
    counts = of.synced()
    assert counts["compared"] == 1
    assert (of.there, drift()) == (17, None)


@pytest.mark.both_databases
def test_an_order_sold_below_nothing_and_cancelled_before_it_is_seen_raises_the_shops_quantity_for_a_moment_only(app, db, shop):
    cup, integration_id = products(shop)["CUP"], settled(shop)
    items.set_stock("CUP", 1, "test")
    do(integration_id, "stock")
    order_id = shop.store.place_order([(cup, 3)])
    shop.store.cancel_order(order_id)
    assert shop.store.amount(cup) == 3
    do(integration_id, "orders")
    assert do(integration_id, "stock").counts == {"compared": 1, "sent": 1}
    assert shop.store.amount(cup) == 1
    assert drift() is None
