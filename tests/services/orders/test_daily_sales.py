"""Sales per day and SKU stay equal to the orders whatever happens to these, and are corrected where they are not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import delete, select, update

from extensions import db, writing
from models import Order, OrderLine, SalesOfDay, SalesOfSku, Shop
from services.integrations import settings
from services.orders import daily_sales
from services.orders.daily_sales import Sold, difference
from tests.support.rows import make_integration, make_order
from tests.support.shops import connect, do

DAY = date(2026, 11, 1)


def sold(total: str = "10", *lines: tuple[str, int, str], day: date = DAY) -> Sold:
    return Sold(1, day, "EUR", 2, Decimal(total), [(key, pieces, Decimal(amount)) for key, pieces, amount in lines])


def rows(model):
    return sorted(tuple(row) for row in db.session.execute(select(*model.__table__.c)))


def counted_again():
    """The rows as they are, after a check that had nothing to correct."""
    found = rows(SalesOfDay), rows(SalesOfSku)
    db.session.rollback()
    with writing() as session:
        session.execute(update(Shop).values(sales_checked_to=None))
    assert daily_sales.check() == 0
    return found


def test_the_difference_is_what_an_order_adds_less_what_it_added():
    before, after = sold("10", ("a", 2, "4"), ("a", 1, "2"), ("b", 1, "4")), sold("12", ("a", 2, "4"), ("c", 5, "8"))
    found = difference([before], [after])
    assert {key: (sums.orders, sums.pieces, sums.total) for key, sums in found.days.items()} == {(1, DAY, "EUR"): (0, 3, 2)}
    assert {key[2]: (sums.orders, sums.pieces, sums.total) for key, sums in found.skus.items()} == {
        "a": (0, -1, -2), "b": (-1, -1, -4), "c": (1, 5, 8),
    }  # fmt: skip
    assert difference([after], [after]).days == {}
    moved = difference([sold()], [sold(day=date(2026, 11, 2))])
    assert {key[1]: sums.orders for key, sums in moved.days.items()} == {DAY: -1, date(2026, 11, 2): 1}


@pytest.mark.both_databases
def test_whatever_the_shop_does_to_its_orders_the_sales_follow(app, shop, db):
    ids = {product.sku: product.id for product in shop.store.products.values()}
    first = shop.store.place_order(lines=[(ids["CUP"], 2), (ids["PLATE"], 1)])
    second = shop.store.place_order(lines=[(ids["CUP"], 1)])
    integration_id = connect(shop)
    do(integration_id, "orders")
    (day,), skus = counted_again()
    assert day[3:5] == (2, 4) and {row[2]: row[4:6] for row in skus} == {"cup": (2, 3), "plate": (1, 1)}
    shop.store.cancel_order(first)
    shop.store.edit_order(second, lines=[(ids["PLATE"], 3)])
    do(integration_id, "orders")
    (day,), skus = counted_again()
    assert day[3:5] == (1, 3) and {row[2]: row[4:6] for row in skus if row[4]} == {"plate": (1, 3)}


@pytest.mark.both_databases
def test_rows_that_differ_are_corrected_and_named_in_the_log(app, caplog):
    integration = make_integration()
    for number, lines in (("1", [("SKU", 1), ("OTHER", 2)]), ("2", [("SKU", 4)])):
        make_order(integration, number, lines)
    right = counted_again()
    with writing() as session:
        session.execute(update(SalesOfDay).values(orders=7, total=Decimal(1)))
        session.execute(delete(SalesOfSku).where(SalesOfSku.sku_key == "sku"))
        session.execute(update(Shop).values(sales_checked_to=date(2026, 1, 1)))
    assert daily_sales.is_check_due()
    assert daily_sales.check() == 2
    assert "differed from its orders" in caplog.text
    assert not daily_sales.is_check_due()
    assert (rows(SalesOfDay), rows(SalesOfSku)) == right


def test_a_day_is_one_of_the_shops_own_and_another_zone_moves_its_orders(app):
    integration = make_integration()
    order = make_order(integration, "1", [("SKU", 1)])
    with writing() as session:
        session.get_one(Order, order.id).placed_at = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)
    assert [row[1] for row in counted_again()[0] if row[3]] == [date(2026, 11, 1)]
    settings.change_settings(integration.id, {"zone": "Europe/Vienna"}, "test")
    assert daily_sales.is_check_due()
    daily_sales.check()
    assert [row[1] for row in rows(SalesOfDay)] == [row[1] for row in rows(SalesOfSku)] == [date(2026, 11, 2)]


def test_a_line_that_goes_counts_no_more(app):
    order = make_order(make_integration(), "1", [("SKU", 1), ("OTHER", 2)])
    with writing() as session:
        session.delete(session.scalar(select(OrderLine).where(OrderLine.order_id == order.id, OrderLine.sku == "OTHER")))
    assert {row[2] for row in counted_again()[1] if row[4]} == {"sku"}
