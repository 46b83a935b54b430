"""The reasons of orders that were held before have their causes after an upgrade."""

from __future__ import annotations

import flask_migrate
import pytest
from sqlalchemy import inspect, select

from extensions import db, writing
from models import Allocation, Order
from services.order_basics import holds
from services.orders import held
from tests.support.rows import make_integration, make_item, make_order


def hold_for_everything() -> None:
    """Two orders that are held for every cause there is, and one that is held for none."""
    shop = make_integration(with_back_orders=False)
    item = make_item("CUP", 0).id
    for number, lines in (("1", [("NEW", 1), ("", 1), ("BOTH", 1), ("CUP", 2)]), ("2", []), ("3", [])):
        make_order(shop, number, lines)
    with writing() as session:
        one, two, _ = session.scalars(select(Order).order_by(Order.id)).all()
        for order in (one, two):
            order.shipping_address = order.billing_address = None
        one.currency, two.currency, one.difference = "", "E1", 1
        one.problems, two.problems = ["SKU lists could not be read."], ["Nothing\nof it could be read."]
        one.doubts = [["identity", "It may be another order."], ["lines", "Which lines were shipped is not clear."]]
        two.gone_at = two.placed_at
        one.lines[2].could_mean = "A, B"
        one.lines[3].allocations = [Allocation(stock_item_id=item, units=1)]
        session.flush()
        holds.evaluate_stored([one.id, two.id])


@pytest.mark.both_databases
def test_reasons_of_before_have_their_causes(app):
    hold_for_everything()
    query = select(Order.held_reason, Order.reason_codes).order_by(Order.id)
    before = db.session.execute(query).all()
    assert {code for _, codes in before for code in codes} == set(held.WORDS)
    assert all(len(codes) == (len(text.split("\n")) if text else 0) for text, codes in before)
    for revision, act in (("0720", flask_migrate.downgrade), ("head", flask_migrate.upgrade)):
        db.session.remove()
        db.engine.dispose()
        act(revision=revision)
        there = {column["name"] for column in inspect(db.engine).get_columns("order")}
        assert ("reason_codes" in there) == (revision == "head")
    assert db.session.execute(query).all() == before
    db.session.rollback()
