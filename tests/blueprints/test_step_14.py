"""Each option of the set-up and each answer on tax changes downloaded orders as the design's tables say."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import select

from extensions import db
from models import Listing, Order
from practice_shop import PracticeShop, Store
from tests.blueprints.queues import work_off
from tests.blueprints.walks import connect
from tests.support.rows import make_item
from tests.support.signed_in import FreshClient

D = Decimal


@pytest.fixture
def shop() -> PracticeShop:
    """A cup in two sizes and a plate; two orders: one with everything, one for more than there is."""
    store = Store()
    cup = store.add_product(sku="CUP", name="Cup", price=40, amount=50)
    small = store.add_variant(cup, sku="CUP-S", amount=7, attributes={"Size": "S"})
    store.add_variant(cup, sku="CUP-L", amount=9, attributes={"Size": "L"})
    plate = store.add_product(sku="PLATE", name="Plate", price=20, amount=2)
    store.place_order(
        [((cup, small), 1, 40.0), (plate, 3, 20.0)], shipping_cost=10, notes="Ring twice", number="full",
        surcharges=[
            ("tax", "STATE", "State tax", 6.0), ("tax", "CITY", "City tax", 3.0), ("discount", "COUPON", "Coupon", -10.0),
            ("handling", "PACK", "Packing fee", 2.5),
        ],
    )  # fmt: skip
    with PracticeShop(store=store) as shop:
        yield shop


def download(client: FreshClient, shop: PracticeShop, **answers: object) -> Order:
    given = {
        "use_tax": "yes", "use_shipping_tax": "no", "surcharge_name": "", "with_variants": "yes", "with_options": "yes",
        "with_discounts": "yes", "with_tax_lines": "no", "with_notes": "yes", "with_back_orders": "yes",
    }  # fmt: skip
    connect(client, shop, **{**given, **answers})
    work_off()
    order = db.session.scalars(select(Order).where(Order.number == "full")).one()
    assert order.difference == 0
    assert order.items + order.shipping + order.items_tax + order.shipping_tax + order.discount + order.other == order.total
    return order


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, {"items": "100", "shipping": "10", "items_tax": "9", "shipping_tax": "0", "discount": "-10", "other": "2.5"}),
        ({"use_tax": "no"}, {"items": "109", "items_tax": "0", "shipping": "10", "shipping_tax": "0"}),
        ({"use_shipping_tax": "yes"}, {"items": "100", "items_tax": "8.18", "shipping": "10", "shipping_tax": "0.82"}),
        (
            {"use_tax": "no", "use_shipping_tax": "yes"},
            {"items": "108.18", "items_tax": "0", "shipping": "10", "shipping_tax": "0.82"},
        ),
        ({"surcharge_name": " packing FEE "}, {"shipping": "12.5", "other": "0"}),
        ({"with_discounts": "no"}, {"items": "90", "discount": "0"}),
    ],
)
@pytest.mark.sampled(2)
def test_money(client: FreshClient, shop: PracticeShop, answers: dict[str, str], expected: dict[str, str]) -> None:
    order = download(client, shop, **answers)
    assert {name: getattr(order, name) for name in expected} == {name: D(amount) for name, amount in expected.items()}


@pytest.mark.parametrize(("answer", "skus"), [("yes", {"CUP", "CUP-S", "CUP-L", "PLATE"}), ("no", {"CUP", "PLATE"})])
def test_product_variants(client: FreshClient, shop: PracticeShop, answer: str, skus: set[str]) -> None:
    download(client, shop, with_variants=answer)
    assert set(db.session.scalars(select(Listing.sku))) == skus


@pytest.mark.parametrize(("answer", "options"), [("yes", [["Size", "S"]]), ("no", [])])
def test_product_options(client: FreshClient, shop: PracticeShop, answer: str, options: list[list[str]]) -> None:
    assert download(client, shop, with_options=answer).lines[0].options == options


def test_a_discount_that_is_not_used_is_spread_over_the_prices(client: FreshClient, shop: PracticeShop) -> None:
    order = download(client, shop, with_discounts="no", use_tax="no")
    assert sum(line.total for line in order.lines) == order.items
    assert all(line.price * line.quantity == line.total for line in order.lines if line.quantity == 1)


@pytest.mark.parametrize(("answer", "lines"), [("yes", {("State tax", D(6)), ("City tax", D(3))}), ("no", None)])
def test_several_tax_lines(client: FreshClient, shop: PracticeShop, answer: str, lines: set[tuple[str, Decimal]] | None) -> None:
    found = download(client, shop, with_tax_lines=answer).tax_lines
    assert (found and {(name, D(amount)) for name, amount in found}) == lines


@pytest.mark.parametrize(("answer", "notes"), [("yes", "Ring twice"), ("no", "")])
def test_order_notes(client: FreshClient, shop: PracticeShop, answer: str, notes: str) -> None:
    assert download(client, shop, with_notes=answer).customer_notes == notes


@pytest.mark.parametrize(("answer", "state"), [("yes", "ready"), ("no", "on_hold")])
def test_back_orders(client: FreshClient, shop: PracticeShop, answer: str, state: str) -> None:
    """The shop has sold three plates of the two that are here."""
    make_item("PLATE", 2)
    order = download(client, shop, with_back_orders=answer)
    plate = order.lines[1]
    assert (plate.quantity, plate.reserved) == (3, 2)
    assert order.state == state
    assert "PLATE: 1 of 3 not in stock." in (order.note if answer == "yes" else order.held_reason)


@pytest.mark.parametrize(
    ("work", "state"), [(["P:*"], "ready"), (["P:N"], "ready"), (["A:*"], "awaiting_payment"), (["P:S"], "awaiting_payment")]
)
@pytest.mark.sampled(2)
def test_which_statuses_become_work(client: FreshClient, shop: PracticeShop, work: list[str], state: str) -> None:
    assert download(client, shop, ready="custom", work=work).state == state
