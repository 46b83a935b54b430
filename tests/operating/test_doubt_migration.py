"""What a shop shows instead of an order in doubt is kept over an upgrade, and older versions can read the doubts."""

from __future__ import annotations

import flask_migrate
import pytest
from sqlalchemy import select, update

from extensions import db, writing
from models import Order
from services.orders import superseding
from tests.support.rows import make_integration, make_order

PAIRS = [["identity", "It may be another order."], ["lines", "Which lines were shipped is not clear."]]


def move(act, revision):
    db.session.remove()
    db.engine.dispose()
    act(revision=revision)


@pytest.mark.both_databases
def test_doubts_are_pairs_for_older_versions_and_what_the_shop_shows_is_kept(app):
    shop = make_integration()
    make_order(shop, "1", [], doubts=PAIRS, shown_instead={"number": "N-9"})
    make_order(shop, "2", [], doubts=PAIRS)
    move(flask_migrate.downgrade, "0796")
    doubts = select(Order.doubts).order_by(Order.id)
    assert db.session.scalars(doubts).all() == [PAIRS, PAIRS]
    with writing() as session:
        of_before = [[*PAIRS[0], {"number": "N-9"}], PAIRS[1]]
        session.execute(update(Order).where(Order.number == "1").values(doubts=of_before))
    move(flask_migrate.upgrade, "head")
    assert db.session.scalars(doubts).all() == [PAIRS, PAIRS]
    found = db.session.scalars(select(Order).order_by(Order.id)).all()
    assert [superseding.shown_of(order) for order in found] == [{"number": "N-9"}, {}]
    db.session.rollback()
