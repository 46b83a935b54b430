"""A prepared INSERT stores what SQLAlchemy's own would, defaults and types included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import DateTime, insert, select
from sqlalchemy.dialects import sqlite

from extensions import writing
from models import Order, Shop
from models.types import Moment
from services.common.bulk import Bulk

MOMENT = datetime(2026, 11, 27, 12, 30, 15, 250, tzinfo=UTC)


def rows() -> list[dict[str, Any]]:
    shared = {
        "shop_id": 1,
        "placed_at": MOMENT,
        "changed_at": MOMENT,
        "state": "ready",
        "first_seen_at": MOMENT,
        "updated_at": MOMENT,
    }
    return [
        {**shared, "external_id": "1", "total": Decimal("12.5"), "tax_lines": [["VAT", "2.00"]], "seen_at": None},
        {**shared, "external_id": "2", "total": Decimal("-0.0001"), "tax_lines": None, "seen_at": MOMENT},
    ]


def test_a_prepared_insert_stores_the_same(app: Flask) -> None:
    table = Order.__table__
    with writing() as session:
        session.add(Shop(id=1, kind="xcart", address="shop.example"))
        session.flush()
        Bulk(insert(table)).execute(session.connection(), rows())
        prepared = [row._asdict() for row in session.execute(select(table).order_by(table.c.external_id))]
        session.execute(table.delete())
        session.connection().execute(insert(table), rows())
        usual = [row._asdict() for row in session.execute(select(table).order_by(table.c.external_id))]
    assert [row | {"id": 0} for row in prepared] == [row | {"id": 0} for row in usual]
    assert prepared[0]["total"] == Decimal("12.5") and prepared[0]["placed_at"] == MOMENT and prepared[1]["tax_lines"] is None


def test_a_row_without_a_value_of_the_first_is_refused(app: Flask) -> None:
    given = rows()
    with pytest.raises(Exception, match="total"), writing() as session:
        session.add(Shop(id=1, kind="xcart", address="shop.example"))
        session.flush()
        del given[1]["total"]
        Bulk(insert(Order.__table__)).execute(session.connection(), given)


def test_no_rows_are_no_statement(app: Flask) -> None:
    with writing() as session:
        Bulk(insert(Order.__table__)).execute(session.connection(), [])


def test_a_time_is_written_as_sqlalchemy_writes_it() -> None:
    dialect = sqlite.dialect()
    usual, ours = (kind.dialect_impl(dialect).bind_processor(dialect) for kind in (DateTime(), Moment()))
    for moment in (MOMENT, datetime(1995, 1, 2, tzinfo=UTC), datetime(999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)):
        assert ours(moment) == usual(moment.replace(tzinfo=None))
        assert ours(moment.astimezone(timezone(timedelta(hours=5, minutes=30)))) == ours(moment)
    assert ours(None) is None
    with pytest.raises(ValueError, match="without a zone"):
        ours(datetime(2026, 11, 27))
