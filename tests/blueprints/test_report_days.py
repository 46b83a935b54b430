"""Which days a report is about: what cannot be, what no shop has reached, and days that begin earlier in a shop than for the reader. Files and pages
are of the same days."""

from __future__ import annotations

import csv
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import update

from extensions import writing
from models import Integration, Shop
from models.types import utcnow
from tests.blueprints.pages import element, elements, words
from tests.services.reports.test_summary import add_sales
from tests.support.rows import make_integration
from tests.support.signed_in import FreshClient

WRONG = {
    "first=2026-11-30&last=2026-11-01": "The last day is before the first day.",
    "first=x&last=2026-11-01": "Enter a day",
    "first=2026-11-01&last=9999-12-31": "The day is after 2999.",
    "first=9999-12-31": "The day is after 2999.",
    "first=1979-01-01": "The day is before 1980.",
    "first=2001-01-01&last=2026-01-01": "The period is longer than ten years.",
}
AHEAD, BEHIND = "Pacific/Kiritimati", "Pacific/Pago_Pago"
"""There it is always a later day than here."""


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("path", ["/reports", "/reports/skus"])
@pytest.mark.parametrize("days", WRONG)
def test_days_that_cannot_be_are_refused_by_page_and_file(client: FreshClient, path: str, days: str) -> None:
    """A file of the last 30 days would be taken for one of those that were asked for."""
    file = "/reports/sales.csv" if path == "/reports" else "/reports/skus.csv"
    for each in (path, file):
        answer = client.get(f"{each}?days=custom&{days}")
        assert answer.status_code == 422 and WRONG[days] in answer.text, each


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("path", ["/reports", "/reports/skus"])
def test_days_to_come_are_empty(client: FreshClient, path: str) -> None:
    answer = client.get(f"{path}?days=custom&first=2999-01-01&last=2999-12-31")
    assert answer.status_code == 200 and "Nothing was sold in this period" in answer.text


def test_an_order_of_a_shop_whose_day_is_ahead_is_in_the_last_days(app: Flask, client: FreshClient) -> None:
    shop_id = make_integration("Garden").shop_id
    with writing() as session:
        session.execute(update(Shop).values(zone=AHEAD))
    there = datetime.now(ZoneInfo(AHEAD)).date()
    add_sales(shop_id, [(there, "USD", 1, "10.00")])
    client.set_cookie("zone", BEHIND)
    page = client.get("/reports?days=7", headers={"Accept-Language": "en-US"}).text
    assert "Revenue $10.00" in words(element(page, "main").text)
    assert "Days are in the time zone of each shop." in words(element(page, "main").text)
    assert there.isoformat() in client.get("/reports/sales.csv?days=7").text
    only = client.get(f"/reports?days=7&shop={shop_id}", headers={"Accept-Language": "en-US"}).text
    assert "Revenue $10.00" in words(element(only, "main").text)


def test_the_file_has_the_rows_of_the_page(app: Flask, client: FreshClient) -> None:
    """Of several currencies, orders without one, and a removed shop."""
    garden, toys = make_integration("Garden"), make_integration("Toys")
    day = utcnow().date()
    add_sales(garden.shop_id, [(day, "USD", 3, "5942.38"), (day, "", 1, "30.00")])
    add_sales(toys.shop_id, [(day, "USD", 1, "10.00"), (day, "EUR", 1, "8.50")])
    with writing() as session:
        session.execute(update(Integration).where(Integration.id == toys.id).values(removed_at=utcnow()))
    for sort in ("", "oldest", "shop", "pieces", "total"):
        page = client.get(f"/reports?days=7&sort={sort}", headers={"Accept-Language": "en-US"}).text
        rows = [
            words(row.text) for row in elements(page, "tr") if any(up.get("aria-labelledby") == "by-day" for up in row.parents)
        ][1:]
        assert [("Toys (removed)" in row, "€" in row, "$" in row) for row in rows] == [
            (row["shop"] == "Toys (removed)", row["currency"] == "EUR", row["currency"] == "USD")
            for row in csv.DictReader(client.get(f"/reports/sales.csv?days=7&sort={sort}").text.lstrip("\ufeff").splitlines())
        ], sort
        assert len(rows) == 4
