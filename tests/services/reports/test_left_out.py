"""Orders that their shop could not print: reports say how many of a period they leave out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from extensions import writing
from models import Integration, Order, Shop
from services.reports import left_out
from services.reports.periods import Period
from tests.support.rows import make_integration, make_order

pytestmark = pytest.mark.both_databases
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))


def unprinted(shop: Integration, external_id: str, placed_at: datetime, *, dated: bool = True, state: str = "on_hold") -> int:
    """A placeholder; ``dated``: the shop said when it was placed."""
    seen = placed_at + timedelta(days=1) if dated else placed_at
    order = make_order(
        shop, "", [], external_id=external_id, placed_at=placed_at, first_seen_at=seen, state=state,
        held_codes=["unreadable"],
    )  # fmt: skip
    return int(order.id)


def test_those_of_the_period_are_counted_by_the_days_of_their_shop(db: Any) -> None:
    here, ahead = make_integration("Here"), make_integration("Ahead")
    with writing() as session:
        session.get_one(Shop, ahead.shop_id).zone = "Pacific/Kiritimati"
    assert left_out.of_period(NOVEMBER).orders == 0
    make_order(here, "1001", [])
    first = unprinted(here, "11", datetime(2026, 11, 1, 0, 0, tzinfo=UTC))
    shipped = unprinted(here, "12", datetime(2026, 11, 30, 23, 59, tzinfo=UTC), dated=False, state="shipped")
    unprinted(here, "13", datetime(2026, 10, 31, 23, 59, tzinfo=UTC))
    unprinted(here, "14", datetime(2026, 12, 1, 0, 0, tzinfo=UTC))
    unprinted(here, "15", datetime(2026, 11, 2, 0, 0, tzinfo=UTC), state="cancelled")
    other = unprinted(ahead, "21", datetime(2026, 10, 31, 12, 0, tzinfo=UTC))
    unprinted(ahead, "22", datetime(2026, 11, 30, 12, 0, tzinfo=UTC))
    assert left_out.of_period(NOVEMBER) == left_out.LeftOut(3, False, 1, [(shipped, "12"), (first, "11"), (other, "21")])
    assert left_out.of_period(NOVEMBER, ahead.shop_id) == left_out.LeftOut(1, False, 0, [(other, "21")])


def test_more_than_are_counted_are_said_to_be_more(db: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(left_out, "MOST", 2)
    shop = make_integration()
    for number in range(3):
        unprinted(shop, str(number), datetime(2026, 11, 2 + number, tzinfo=UTC))
    found = left_out.of_period(NOVEMBER)
    assert (found.orders, found.more) == (2, True)


def test_they_are_found_in_an_index_among_all_orders(db: Any) -> None:
    shop = make_integration()
    placed = datetime(2026, 11, 2, tzinfo=UTC)
    row = {"shop_id": shop.shop_id, "placed_at": placed, "changed_at": placed, "raw": b"", "total": 1}
    with writing() as session:
        session.execute(insert(Order), [{**row, "external_id": str(each), "number": str(each)} for each in range(2000)])
    unprinted(shop, "n", placed)
    with writing() as session:
        session.execute(text("ANALYZE"))
    said: list[tuple[str, Any]] = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: said.append((given[2], given[3])))
    for asked in (None, shop.shop_id):
        assert left_out.of_period(NOVEMBER, asked).orders == 1
    explain = "EXPLAIN QUERY PLAN" if db.engine.dialect.name == "sqlite" else "EXPLAIN"
    for statement, values in [each for each in said if "zone" in each[0]]:
        plan = db.session.connection().exec_driver_sql(f"{explain} {statement}", values).all()
        assert any(f"ix_order_{name}" in row[-1] for row in plan for name in ("number", "shop_number")), plan
