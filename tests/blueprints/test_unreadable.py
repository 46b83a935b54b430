"""What the address of a page asks for and cannot be read is said on the page, and never ignored without a word."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from blueprints import numbers, unreadable
from tests.blueprints.pages import element, words
from tests.blueprints.rows import add_integration, add_run
from tests.support.signed_in import FreshClient

PAGES = {
    "/reports/reconciliation?since=2026-13-45": "‘2026-13-45’ in ‘From’ is not a date and is ignored.",
    "/activity/changes?until=yesterday": "‘yesterday’ in ‘To’ is not a date and is ignored.",
    "/activity/changes?of=stock_item&id=abc": "‘abc’ is not a number for ‘id’ in the address and is ignored.",
    "/orders?state=nonsense": "‘nonsense’ is not a choice of ‘State’ and is ignored.",
    "/orders?shop=99": "‘99’ is not a choice of ‘Shop’ and is ignored.",
    "/orders?sort=q": "‘q’ is not a choice of ‘Sort by’ and is ignored.",
    "/stock?low=some": "‘some’ in ‘Maximum available’ is not a whole number from 0 on and is ignored.",
    "/listings?state=q": "is not a choice of",
    "/listings/drift?shop=99": "is not a choice of",
    "/activity?kind=q": "is not a choice of",
    "/incidents?topic=q": "is not a choice of",
    "/settings/sales-channels?status=q": "is not a choice of",
    "/settings/sales-channels?page=two": "‘two’ is not a number for ‘page’ in the address and is ignored.",
    "/orders?page=2": "‘2’ is not a page of this list and is ignored.",
    "/stock?page=WyJ4Il0.forged": "‘WyJ4Il0.forged’ is not a page of this list and is ignored.",
    "/listings?page=x": "is not a page of this list",
    "/listings/drift?page=x": "is not a page of this list",
    "/activity?page=x": "is not a page of this list",
    "/activity?sort=oldest&page=x": "is not a page of this list",
    "/activity/1?page=x": "is not a page of this list",
    "/activity/changes?page=x": "is not a page of this list",
    "/incidents?page=x": "is not a page of this list",
    "/users?page=x": "is not a page of this list",
    "/reports/reconciliation?page=x": "is not a page of this list",
    "/suppliers?state=q": "‘q’ is not a choice of ‘state’ in the address and is ignored.",
    "/activity/1?result=q": "‘q’ is not a choice of ‘result’ in the address and is ignored.",
    "/reports?days=5": "‘5’ is not a choice of ‘Period’ and is ignored.",
    "/reports?days=custom&first=x": "Enter a day, for example",
    "/reports/skus?days=custom&first=x": "Enter a day, for example",
    "/orders/export?state=q": "‘q’ is not a choice of ‘State’ and is ignored.",
    "/orders/export?by=q": "‘q’ is not a choice of ‘by’ in the address and is ignored.",
    "/orders/print?age=q": "is not a choice of",
    "/orders/print?part=q": "‘q’ is not a choice of ‘part’ in the address and is ignored.",
}
FILES = (
    "/orders/orders.csv?state=q",
    "/orders/export/file.csv?state=q",
    "/orders/export/file.csv?by=q",
    "/reports/reconciliation.csv?since=q",
    "/activity/changes.csv?since=q",
    "/stock/stock.csv?low=q",
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_what_it_cannot_read(client: FreshClient, path: str) -> None:
    add_run(add_integration())
    answer = client.get(path)
    said = words(element(answer.text, id="unreadable").text)
    assert answer.status_code == 422 and PAGES[path] in said, said
    right = client.get(path.partition("?")[0])
    assert right.status_code == 200 and not words(element(right.text, id="unreadable").text)


@pytest.mark.parametrize("path", FILES)
def test_a_file_of_other_rows_is_refused(client: FreshClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422 and "is ignored" in answer.text
    assert client.get(path.partition("?")[0]).status_code == 200


def test_the_sentence_goes_when_the_filter_is_right_again(page: Page) -> None:
    page.goto("/orders?state=nonsense")
    expect(page.locator("#unreadable")).to_contain_text("is not a choice")
    page.locator("#state").select_option("ready")
    expect(page.locator("#unreadable")).to_be_empty()


def test_a_sentence_is_said_once(app: Flask) -> None:
    with app.test_request_context("/?page=x"):
        for _ in range(2):
            assert numbers.argument("page") is None
        assert len(unreadable.sentences()) == 1
