"""One statement finds rows by any number of texts."""

from __future__ import annotations

from sqlalchemy import select

from extensions import writing
from models import StockItem
from models.types import among


def test_one_statement_finds_any_number_of_texts(app, db):
    with writing() as session:
        session.add_all([StockItem(sku=sku) for sku in ("a", "b'", 'c"', "d,e", "é")])
    query = select(StockItem.sku).where(among(StockItem.sku, "skus")).order_by(StockItem.id)
    for skus in ([], ["b'"], ["a", 'c"', "d,e", "é", "not there"]):
        assert list(db.session.scalars(query, {"skus": skus})) == [sku for sku in skus if sku != "not there"]
