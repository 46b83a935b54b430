"""The page of sales by SKU says as of which time it is, and counts again where that is wanted. Files are always up to date."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import update

from blueprints.reports import routes
from extensions import writing
from models import SalesOfSku, SkuRanking
from models.types import utcnow
from services.reports import rankings
from tests.blueprints.looks import assert_good_in_every_look
from tests.blueprints.pages import element, elements, words
from tests.services.reports.test_rankings import sell
from tests.support.rows import make_integration
from tests.support.signed_in import FreshClient


@pytest.fixture
def ranked(monkeypatch: pytest.MonkeyPatch, app: Flask) -> None:
    """Five SKUs, four of which are kept, on pages of two. One has sold another hundred since."""
    monkeypatch.setattr(rankings, "LONG", 3)
    monkeypatch.setattr(rankings, "KEPT", 4)
    monkeypatch.setattr(routes, "PAGE_SIZE", 2)
    today = utcnow().date()
    sell(make_integration("Garden").shop_id, [(f"s{number}", "USD", 10 - number, "5") for number in range(5)], today)
    rankings.make()
    with writing() as session:
        session.execute(update(SalesOfSku).where(SalesOfSku.sku_key == "s4").values(pieces=100))


def shown(client: FreshClient, path: str) -> tuple[list[str], str]:
    """The SKUs on a page, and what it says above them."""
    page = client.get(path).text
    skus = [words(head.text).strip() for head in elements(page, "th", role="rowheader")]
    return skus, words(element(page, "main").text)


@pytest.mark.usefixtures("ranked")
def test_the_page_says_as_of_which_time_it_is_and_counts_again(client: FreshClient) -> None:
    skus, said = shown(client, "/reports/skus?days=365")
    assert skus == ["s0", "s1"] and "Sales as of " in said
    link = next(
        link["href"] for link in elements(client.get("/reports/skus?days=365").text, "a") if link.text == "Count again now"
    )
    assert link == "/reports/skus?count=now&days=365"
    skus, said = shown(client, link)
    assert skus == ["s4", "s0"] and "Sales as of" not in said
    next_page = next(each["href"] for each in elements(client.get(link).text, "a") if "page=2" in (each.get("href") or ""))
    skus, said = shown(client, next_page)
    assert skus == ["s1", "s2"] and "Sales as of" not in said


@pytest.mark.usefixtures("ranked")
def test_a_page_behind_the_kept_skus_and_a_file_are_counted(client: FreshClient) -> None:
    for path in ("/reports/skus?days=365&page=3", "/reports/skus?days=custom&first=2020-01-01"):
        assert "Sales as of" not in shown(client, path)[1]
    assert client.get("/reports/skus.csv?days=365").text.splitlines()[1].startswith('"s4",')


@pytest.mark.usefixtures("ranked")
def test_the_time_is_the_readers(client: FreshClient) -> None:
    with writing() as session:
        made_at = utcnow() - timedelta(minutes=70)
        session.execute(update(SkuRanking).values(made_at=made_at))
    client.set_cookie("zone", "Asia/Kolkata")
    page = client.get("/reports/skus?days=365").text
    moment = element(page, "time")
    there = made_at + timedelta(hours=5, minutes=30)
    assert datetime.fromisoformat(moment["datetime"]) == made_at.replace(microsecond=0)
    assert moment.text.endswith(f"{there:%H:%M}") and moment["title"].startswith("1 hour ago")


@pytest.mark.usefixtures("ranked")
def test_it_is_good_in_every_look(page: Page) -> None:
    page.goto("/reports/skus?days=365")
    expect(page.get_by_text("Sales as of")).to_be_visible()
    assert_good_in_every_look(page)
    page.get_by_role("link", name="Count again now").click()
    expect(page.get_by_text("Sales as of")).to_have_count(0)
    expect(page.get_by_role("rowheader").first).to_contain_text("s4")
