"""The first SKUs of long reports are kept, equal what is summed at the moment they are made, and are shown no longer than they are good."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import select, update

from extensions import db, writing
from models import SalesOfSku, Shop, SkuRanking
from models.types import utcnow
from services.common import installation
from services.reports import rankings, sales
from services.reports.periods import Period, last_days
from tests.services.reports.test_summary import add_sales
from tests.services.runs.test_runs import race
from tests.support.rows import make_integration
from tests.support.set_clock import SetClock

KEYS = ["a-1", "a_1", "a1", "b", "z", "ä", "é 2", "10", "9"]
TODAY = date(2026, 3, 2)
YEAR = Period(date(2025, 3, 3), TODAY)

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch, clock: SetClock) -> None:
    """On 2 March 2026 at 9:00 in UTC, four rows are a long report, and four SKUs are kept."""
    monkeypatch.setattr(rankings, "LONG", 3)
    monkeypatch.setattr(rankings, "KEPT", 4)


def sell(shop_id: int, rows: Iterable[tuple[str, str, int, str]], day: date = TODAY) -> None:
    add_sales(shop_id, [(day, currency, 1, 1) for currency in sorted({row[1] for row in rows})])
    with writing() as session:
        session.add_all(
            SalesOfSku(shop_id=shop_id, day=day, sku_key=key, currency=currency, orders=1, pieces=pieces, total=Decimal(total))
            for key, currency, pieces, total in rows
        )


def two_shops() -> list[int]:
    """Many SKUs with equal sums, so that the order among equal ones counts; of two currencies; one shop sells few."""
    garden, toys = make_integration("Garden").shop_id, make_integration("Toys").shop_id
    sell(garden, [(key, "USD", at % 3, f"{at % 4}.25") for at, key in enumerate(KEYS)])
    sell(garden, [(key, "EUR", at % 2, f"{at % 3}") for at, key in enumerate(KEYS)], TODAY - timedelta(days=50))
    sell(toys, [("a1", "USD", 7, "3.10"), ("toy", "USD", 1, "900")], TODAY - timedelta(days=2))
    return [garden, toys]


def test_what_is_kept_is_what_is_summed() -> None:
    garden, toys = two_shops()
    assert rankings.make() == 3 * 2 + 2  # 365, 90 and 30 days of all shops and of one; and 7 of both
    for shop_id in (None, garden):
        for days in (365, 90, 30, 7):
            period = last_days(days, UTC)
            for sort in (*sales.SKU_SORTS, "unknown"):
                for number in (1, 2):
                    kept, made_at = rankings.sku_page(period, shop_id, sort, number, 2)
                    assert made_at == utcnow(), (shop_id, days, sort, number)
                    assert kept == sales.sku_page(period, shop_id, sort, number, 2), (shop_id, days, sort, number)
                    assert len(kept.rows) == 2 and kept.goes_on
                assert rankings.sku_page(period, shop_id, sort, 0, 2)[0] == rankings.sku_page(period, shop_id, sort, 1, 2)[0]
    first = rankings.sku_page(YEAR, None, "", 1, 2)[0].rows[0]
    assert (first.sku, first.orders, first.pieces, first.total, first.currency) == ("a1", 2, 9, "5.35", "USD")
    assert rankings.sku_page(YEAR, garden, "total", 1, 1)[0].rows[0].total == "3.25"
    assert rankings.sku_page(YEAR, toys, "", 1, 2)[1] is None


def test_what_is_not_kept_is_summed_now() -> None:
    garden, _ = two_shops()
    rankings.make()
    for period, shop_id, number in (
        (YEAR, garden, 3), (YEAR, None, 99), (Period(YEAR.first, TODAY - timedelta(days=1)), None, 1), (last_days(364, UTC), None, 1),
    ):  # fmt: skip
        found, made_at = rankings.sku_page(period, shop_id, "", number, 2)
        assert made_at is None and found == sales.sku_page(period, shop_id, "", number, 2)


def test_all_pages_of_a_ranking_that_is_whole_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    two_shops()
    monkeypatch.setattr(rankings, "KEPT", 19)
    rankings.make()
    for number in range(1, 7):
        found, made_at = rankings.sku_page(YEAR, None, "sku", number, 4)
        assert made_at and found == sales.sku_page(YEAR, None, "sku", number, 4)
    assert len(rankings.sku_page(YEAR, None, "sku", 5, 4)[0].rows) == 3


def test_a_changed_sale_is_shown_once_the_ranking_is_made_again(clock: SetClock) -> None:
    garden, _ = two_shops()
    rankings.make()
    made_at = utcnow()
    with writing() as session:
        session.execute(update(SalesOfSku).where(SalesOfSku.sku_key == "z").values(pieces=500))
    clock.go(minutes=29)
    assert rankings.make() == 0  # as where a job was stopped and goes on
    found, seen_at = rankings.sku_page(YEAR, garden, "", 1, 2)
    assert seen_at == made_at and found.rows[0].sku != "z"
    clock.go(minutes=2)
    assert rankings.make() == 8
    found, seen_at = rankings.sku_page(YEAR, garden, "", 1, 2)
    assert seen_at == utcnow() and (found.rows[0].sku, found.rows[0].pieces) == ("z", 500)


def test_what_is_too_old_or_of_the_future_is_not_shown(clock: SetClock) -> None:
    two_shops()
    rankings.make()
    clock.go(hours=2)
    assert rankings.sku_page(YEAR, None, "", 1, 2)[1] is not None
    clock.go(seconds=1)
    assert rankings.sku_page(YEAR, None, "", 1, 2)[1] is None
    clock.go(hours=-3)
    assert rankings.sku_page(YEAR, None, "", 1, 2)[1] is None
    assert rankings.make() == 8


def test_after_midnight_in_the_shops_zone_the_day_before_is_not_shown(clock: SetClock) -> None:
    two_shops()
    with writing() as session:
        session.execute(update(Shop).where(Shop.id == 1).values(zone="Pacific/Auckland"))
    clock.at = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)  # 20 minutes before midnight there
    rankings.make()

    def shown(shop_id: int | None) -> datetime | None:
        return rankings.sku_page(last_days(365, sales.zone_of_days(shop_id, UTC)), shop_id, "", 1, 2)[1]

    assert shown(None) == shown(1) == utcnow()
    clock.go(minutes=19)
    assert not rankings.is_due()
    clock.go(minutes=1)
    assert rankings.is_due() and shown(None) is None and shown(1) is None
    assert rankings.make() == 8
    assert shown(None) == shown(1) == utcnow()


def test_a_small_installation_keeps_nothing(monkeypatch: pytest.MonkeyPatch, clock: SetClock) -> None:
    two_shops()
    monkeypatch.setattr(rankings, "LONG", 20)
    assert rankings.make() == 0 and not db.session.scalars(select(SkuRanking)).all()
    assert rankings.sku_page(YEAR, None, "", 1, 2)[1] is None
    assert not rankings.is_due()
    clock.go(hours=1)
    assert rankings.is_due()


def test_rankings_of_no_more_use_are_dropped(monkeypatch: pytest.MonkeyPatch, clock: SetClock) -> None:
    garden, _ = two_shops()
    rankings.make()
    monkeypatch.setattr(rankings, "LONG", 18)
    clock.go(hours=1)
    assert rankings.make() == 2
    assert {(row.shop_id, row.days) for row in db.session.scalars(select(SkuRanking))} == {(0, 365), (0, 90)}
    db.session.rollback()
    monkeypatch.setattr(rankings, "LONG", 100)
    rankings.make()
    assert not db.session.scalars(select(SkuRanking)).all()


def test_a_pass_that_is_stopped_goes_on(clock: SetClock) -> None:
    two_shops()
    answers = iter([False, False, True])
    assert rankings.make(lambda: next(answers)) == 2 and rankings.is_due()
    clock.go(minutes=1)
    assert rankings.make() == 6 and not rankings.is_due()


def test_a_time_that_was_written_while_the_clock_was_wrong_is_no_reason_to_wait() -> None:
    installation.change_setting(rankings.DUE_AT, "2031-01-01T00:00:00+00:00", "schedule")
    assert rankings.is_due()
    rankings.make()
    assert not rankings.is_due()


def test_workers_that_make_them_at_once_make_them_well(app: Flask) -> None:
    garden, _ = two_shops()
    assert [made for made in race(app, rankings.make, times=4) if not isinstance(made, int)] == []
    for shop_id in (None, garden):
        assert rankings.sku_page(YEAR, shop_id, "", 1, 2) == (sales.sku_page(YEAR, shop_id, "", 1, 2), utcnow())
