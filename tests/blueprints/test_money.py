"""How amounts of money are written on pages: in the reader's language, with the currency's decimals, one way everywhere."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from extensions import db, writing
from models import DailyReconciliation, Order, OrderChange, OrderLine
from models.types import utcnow
from tests.blueprints.pages import element, elements, words
from tests.support.rows import make_integration, make_item, make_order
from tests.support.signed_in import FreshClient

pytestmark = pytest.mark.one_database


def order_of(price: str, **values: object) -> Order:
    order = make_order(make_integration(), "7", [(make_item("CUP"), 1)], **values)
    with writing() as session:
        session.get_one(OrderLine, order.lines[0].id).price = Decimal(price)
    return order


def test_a_unit_price_without_tax_has_the_currencys_decimals_and_the_exact_one_in_its_title(client: FreshClient) -> None:
    order = order_of("8.2645")
    page = client.get(f"/orders/{order.id}").text
    (cell,) = elements(page, "td", **{"data-label": "Price"})
    assert words(cell.text) == "8.26"
    (exact,) = elements(page, "span", title="8.2645 before rounding")
    assert words(exact.text) == "8.26"
    assert "8.26<" in client.get(f"/orders/{order.id}/print").text
    german = client.get(f"/orders/{order.id}", headers={"Accept-Language": "de"}).text
    assert elements(german, "span", title="8,2645 before rounding")


def test_a_price_that_needs_no_rounding_has_no_title(client: FreshClient) -> None:
    page = client.get(f"/orders/{order_of('8.2').id}").text
    (cell,) = elements(page, "td", **{"data-label": "Price"})
    assert words(cell.text) == "8.20" and "before rounding" not in page


def test_the_exact_price_stays_in_exports(client: FreshClient) -> None:
    order_of("8.2645")
    assert "8.2645" in client.post("/orders/export/file.csv?by=line&column=number&column=price").text


def test_why_an_order_is_held_has_its_amount_in_the_readers_language(client: FreshClient) -> None:
    reason = "The sums disagree by -1234.50 USD.\nSKU PANTS 32 TOP is not one of our stock items."
    causes = ["sums", "unknown_sku"]
    order = order_of("8.2", state="on_hold", held_reason=reason, held_codes=causes, reason_codes=causes)
    for address in (f"/orders/{order.id}", "/orders", "/orders/held"):
        page = words(element(client.get(address).text, "main").text)
        assert "disagree by -US$1,234.50." in page, address
        assert "disagree by -1234.50" not in page, address
    assert "SKU PANTS 32 TOP is" in words(element(client.get(f"/orders/{order.id}").text, "main").text)


def test_a_changed_total_is_money_in_the_timeline(client: FreshClient) -> None:
    order = order_of("8.2")
    with writing() as session:
        session.add(OrderChange(order_id=order.id, seen_at=utcnow(), fields={"total": ["1234.5", "20.00"]}))
    page = words(element(client.get(f"/orders/{order.id}").text, "main").text)
    assert "Total: US$1,234.50 → US$20.00" in page


def test_the_daily_reconciliation_writes_amounts_as_other_pages_do(client: FreshClient) -> None:
    shop = make_integration()
    found = {"number": "7", "reason": "The totals differ.", "ours": "39.27 USD", "theirs": "1039.27 USD"}
    with writing() as session:
        session.add(
            DailyReconciliation(
                shop_id=shop.shop_id, day=date(2026, 11, 3), zone="UTC", shop_orders=1, our_orders=1, shop_totals={}, our_totals={},
                differences=[found],
            )
        )  # fmt: skip
    page = words(element(client.get("/reports/reconciliation").text, "main").text)
    assert "7: The totals differ. US$1,039.27 in the shop, US$39.27 in Cartlink" in page
    assert db.session.query(DailyReconciliation).one().differences == [found]


def test_an_order_that_could_not_be_read_has_no_time_of_placing_until_it_is_known(client: FreshClient) -> None:
    """It stood as placed when it was downloaded."""
    shop = make_integration()
    placeholder = make_order(shop, "", [], state="on_hold", placed_at=(now := utcnow()), first_seen_at=now, external_id="77")
    dated = make_order(shop, "", [], state="on_hold", placed_at=now - timedelta(days=3), first_seen_at=now, external_id="78")
    page = words(element(client.get(f"/orders/{placeholder.id}").text, "main").text)
    assert "time of placing unknown" in page and "Placed in the shop" not in page and "placed just now" not in page
    page = words(element(client.get(f"/orders/{dated.id}").text, "main").text)
    assert f"placed {(now - timedelta(days=3)).day} " in page and "Placed in the shop" in page
    listed = client.get("/orders/orders.csv").text.splitlines()
    assert [row.split(",")[2] != '""' for row in listed[1:]] == [False, True], listed
