"""Enter in a text field does what the button of its group says, and never takes a choice that nobody has made."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from services.orders import exports
from tests.blueprints.pages import enter_presses, form_data
from tests.support.rows import make_integration, make_order
from tests.support.signed_in import FreshClient

pytestmark = pytest.mark.one_database
EXPORT = "/orders/export"


def send_export(client: FreshClient, **changes: Any) -> Any:
    page = client.get(EXPORT).text
    return client.post(enter_presses(page, "name")["formaction"], data=form_data(page, "column", **changes))


def test_without_javascript_enter_saves_a_named_export_and_else_downloads(client: FreshClient) -> None:
    make_order(make_integration(), "1001", [("CUP", 1)])
    assert send_export(client).mimetype == "text/csv"
    saved = send_export(client, name="Warehouse")
    assert saved.status_code == 303 and [each.name for each in exports.list_saved()] == ["Warehouse"]


def test_enter_in_settings_saves(client: FreshClient) -> None:
    page = client.get(f"/settings/sales-channels/{make_integration().id}/settings").text
    assert enter_presses(page, "name").text.strip() == "Save" and enter_presses(page, "name").get("name") is None


class TestWithJavaScript:
    def test_enter_in_the_name_of_an_export_saves_it(self, page: Page) -> None:
        make_order(make_integration(), "1001", [("CUP", 1)])
        page.goto(EXPORT)
        page.get_by_label("Name of the export").fill("Warehouse")
        page.get_by_label("Name of the export").press("Enter")
        page.get_by_role("heading", name="Saved exports").wait_for()
        assert page.url.split("?")[0].endswith(EXPORT)
        with page.expect_download() as download:
            page.get_by_label("Placed from").press("Enter")
        assert download.value.suggested_filename == "orders-by-order.csv"
