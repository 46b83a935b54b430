"""The sales report: sums, comparison, charts and any period."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from blueprints.column_charts import Series, tick_step, with_rest
from tests.blueprints.looks import assert_good_in_every_look
from tests.blueprints.pages import element, elements, words
from tests.blueprints.rows import add_run
from tests.services.reports.test_left_out import unprinted
from tests.services.reports.test_summary import add_sales
from tests.support.rows import make_integration
from tests.support.signed_in import FreshClient

NOVEMBER = "/reports?days=custom&first=2026-11-01&last=2026-11-30"


@pytest.fixture
def two_shops(db: object) -> None:
    since = {"orders_since": datetime(2026, 10, 1, tzinfo=UTC)}
    garden, toys = make_integration("Garden", **since), make_integration("Toys", **since)
    add_sales(garden.shop_id, [(date(2026, 11, 3), "USD", 3, "5942.38"), (date(2026, 10, 3), "USD", 2, "2971.19")])
    add_sales(toys.shop_id, [(date(2026, 11, 3), "USD", 1, "10"), (date(2026, 11, 20), "EUR", 1, "8.50")])


@pytest.mark.usefixtures("two_shops")
class TestSales:
    def test_money_is_in_the_readers_language_and_never_added_up(self, client: FreshClient) -> None:
        page = client.get(NOVEMBER, headers={"Accept-Language": "en-US"}).text
        totals = [words(total.text) for total in elements(page, "div", **{"class": "sheet"}) if "before:" in total.text]
        assert totals == [
            "Revenue in USD $5,952.38 +100% before: $2,971.19", "Revenue in EUR €8.50 before: €0.00",
            "Orders 5 +150% before: 2", "Pieces 10 +150% before: 4",
        ]  # fmt: skip
        assert "with tax and shipping, also of orders that are not paid yet" in page
        german = client.get(NOVEMBER, headers={"Accept-Language": "de"}).text
        assert "5.952,38\xa0$" in german

    def test_days_before_the_import_began_are_not_compared_with(self, client: FreshClient) -> None:
        new = make_integration("New", orders_since=datetime(2026, 10, 20, tzinfo=UTC))
        add_sales(new.shop_id, [(date(2026, 10, 25), "USD", 1, "5.00"), (date(2026, 11, 3), "USD", 3, "15.00")])
        page = client.get(NOVEMBER, headers={"Accept-Language": "en-US"}).text
        main = words(element(page, "main").text)
        assert "before:" not in main and "compared with Oct" not in main
        assert "Not compared with the days before. Orders of New are known from Oct 20, 2026 on." in main
        older = make_integration("Newer", orders_since=datetime(2026, 10, 24, tzinfo=UTC))
        add_sales(older.shop_id, [(date(2026, 11, 3), "USD", 1, "1.00")])
        both = words(element(client.get(NOVEMBER, headers={"Accept-Language": "en-US"}).text, "main").text)
        assert "Orders of Newer are known from Oct 24, 2026 on. Orders of New are known from Oct 20, 2026 on." in both
        by_shop = words(element(page, "table", aria_labelledby="by-shop").text)
        assert "$5,942.38 +100%" in by_shop and "New 3 6 $15.00 Toys" in by_shop
        one = words(element(client.get(f"{NOVEMBER}&shop={new.shop_id}").text, "main").text)
        assert "before. Orders are known from" in one and "%" not in one

    def test_orders_without_a_currency_are_named_and_in_no_other_sum(self, client: FreshClient) -> None:
        assert "no currency" not in client.get(NOVEMBER).text
        add_sales(make_integration("Farm").shop_id, [(date(2026, 11, 4), "", 2, "30.00")])
        page = client.get(NOVEMBER, headers={"Accept-Language": "en-US"}).text
        said = words(element(page, "main").text)
        assert "2 orders of this period have no currency. Their amounts are in no other sum" in said
        assert "Revenue without a currency 30.00" in said and "Revenue in USD $5,952.38" in said

    def test_orders_that_could_not_be_read_are_counted_above_the_totals(self, client: FreshClient) -> None:
        """They were missing from the sums without a word."""
        by_sku = NOVEMBER.replace("/reports", "/reports/skus")
        assert all("could not be read" not in client.get(path).text for path in (NOVEMBER, by_sku))
        shop = make_integration("Farm")
        unprinted(shop, "4711", datetime(2026, 11, 4, tzinfo=UTC))
        said = "1 order of this period could not be read, so its amounts are not in these sums: 4711."
        for path in (NOVEMBER, by_sku):
            note = element(client.get(path).text, "p", **{"class": "note-warn"})
            assert words(note.text) == said, path
        page = client.get(NOVEMBER).text
        assert page.index("could not be read") < page.index('<dl class="totals">')
        for number in range(6):
            unprinted(shop, f"N{number}", datetime(2026, 11, 5 + number, tzinfo=UTC), dated=bool(number))
        note = element(client.get(NOVEMBER).text, "p", **{"class": "note-warn"})
        assert words(note.text) == (
            "7 orders of this period could not be read, so their amounts are not in these sums: N5, N4, N3, N2, N1 and 2 more. "
            "For 1 of them the shop does not say when it was placed: it counts on the day of the download. Open the held orders"
        )

    def test_each_column_holds_its_values_as_text(self, client: FreshClient) -> None:
        page = client.get(NOVEMBER, headers={"Accept-Language": "en-US"}).text
        columns = [words(column.text) for column in elements(page, "li", tabindex="0")]
        # Three charts of thirty days: two currencies and the orders.
        assert len(columns) == 90
        assert columns[2] == "Tue, Nov 3, 2026: $5,952.38 Garden: $5,942.38 Toys: $10.00"
        assert columns[60 + 2].startswith("Tue, Nov 3, 2026: 4")
        assert "style=" not in page

    def test_of_many_shops_the_smaller_ones_share_a_series(self, client: FreshClient) -> None:
        for number in range(7):
            add_sales(make_integration(f"Shop {number}").shop_id, [(date(2026, 11, 3), "USD", 1, f"{10 - number}.50")])
        page = client.get(NOVEMBER, headers={"Accept-Language": "en-US"}).text
        column = elements(page, "li", tabindex="0")[2]
        assert words(column.text) == (
            "Tue, Nov 3, 2026: $6,004.88 Garden: $5,942.38 Shop 0: $10.50 Shop 1: $9.50 Shop 2: $8.50 Shop 3: $7.50 "
            "Shop 4: $6.50 Toys: $10.00 2 other shops: $10.00"
        )
        assert "Shop 6 1 2 $4.50" in words(element(page, "table", aria_labelledby="by-shop").text)

    def test_the_tables_have_the_same_numbers(self, client: FreshClient) -> None:
        page = client.get(NOVEMBER, headers={"Accept-Language": "en-US"}).text
        by_shop = element(page, "table", aria_labelledby="by-shop")
        assert words(by_shop.text).startswith("Shop Orders Pieces Revenue Garden 3 6 $5,942.38 +100% Toys 2 4 €8.50 $10.00")
        assert len(elements(page, "th", role="rowheader")) == 2 + 3

    def test_a_period_that_cannot_be_is_explained_and_kept(self, client: FreshClient) -> None:
        answer = client.get("/reports?days=custom&first=2026-11-30&last=2026-11-01")
        assert answer.status_code == 422
        assert "The last day is before the first day." in answer.text
        assert element(answer.text, "input", name="last")["value"] == "2026-11-01"
        assert client.get("/reports/skus?days=custom&first=x").status_code == 422

    def test_the_file_is_of_the_same_days(self, client: FreshClient) -> None:
        lines = client.get(NOVEMBER.replace("/reports", "/reports/sales.csv")).text.splitlines()
        assert len(lines) == 4

    def test_by_keyboard_and_on_a_phone(self, page: Page) -> None:
        page.goto(NOVEMBER)
        assert_good_in_every_look(page)
        page.set_viewport_size({"width": 390, "height": 844})
        columns = page.locator("[data-columns]").first.locator("li")
        page.get_by_role("link", name="Skip the chart").first.focus()
        page.keyboard.press("Tab")
        expect(columns.last).to_be_focused()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        expect(columns.nth(2)).to_be_focused()
        box = columns.nth(2).locator(".tip").bounding_box()
        assert box is not None and box["height"] > 30 and box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_of_shops_that_look_alike_each_is_counted_once() -> None:
    alike = [Series("0", "Shop (removed)", [Decimal(5), Decimal(1)]) for _ in range(10)]
    drawn = with_rest(alike)
    assert len(drawn) == 8 and drawn[-1].name == "3 other shops"
    assert [sum(each.values[place] for each in drawn) for place in (0, 1)] == [50, 10]


@pytest.mark.parametrize(
    ("most", "step"), [("0", "1"), ("4", "1"), ("7", "2"), ("9.2", "2.5"), ("5942", "2000"), ("0.07", "0.02"), ("401", "200")]
)
def test_the_axis_has_round_values(most: str, step: str) -> None:
    assert tick_step(Decimal(most)) == Decimal(step)


def test_the_page_of_the_daily_reconciliation_looks_again_while_a_day_is_compared(client: FreshClient) -> None:
    garden = make_integration("Garden")
    assert element(client.get("/reports/reconciliation").text, id="list").get("hx-trigger") is None
    add_run(garden.id, kind="reconciliation", state="running")
    page = client.get("/reports/reconciliation").text
    assert element(page, id="list")["hx-trigger"] == "every 2s"
    assert "Being compared now: Garden." in words(page) and 'http-equiv="refresh"' in page
