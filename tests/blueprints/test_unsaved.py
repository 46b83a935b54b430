"""Quantities that were typed into a row and not saved, in a real browser."""

from __future__ import annotations

from playwright.sync_api import Dialog, Page, expect

from tests.support.rows import make_item

ACCENT = "rgb(47, 87, 217)"


def test_a_quantity_that_is_not_saved_looks_like_it_and_is_not_left_without_a_question(page: Page) -> None:
    """A corrected quantity beside the row that was saved looked saved, and was gone with the next page."""
    for sku in ("CUP", "PLATE"):
        make_item(sku, 5)
    page.goto("/stock")
    cup, plate = (page.get_by_role("row").filter(has_text=sku) for sku in ("CUP", "PLATE"))
    plate.get_by_label("On hand").fill("33")
    expect(plate.get_by_role("button")).to_have_css("background-color", ACCENT)
    expect(cup.get_by_role("button")).not_to_have_css("background-color", ACCENT)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.get_by_role("link", name="Orders", exact=True).click(no_wait_after=True)
    expect(plate.get_by_label("On hand")).to_have_value("33")
    assert asked == ["beforeunload"] and page.url.endswith("/stock")
    plate.get_by_role("button").click()
    expect(page.locator("#toasts")).to_contain_text("PLATE: 33 on hand")
    page.get_by_role("link", name="Orders", exact=True).click()
    expect(page.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
    assert asked == ["beforeunload"], "what is saved is left without a question"


def test_what_was_wrong_with_a_quantity_is_no_longer_said_once_another_is_saved(page: Page) -> None:
    make_item("CUP", 5)
    page.goto("/stock")
    row = page.get_by_role("row").filter(has_text="CUP")
    row.get_by_label("On hand").fill("many")
    row.get_by_role("button").click()
    expect(page.locator(".toast-danger")).to_contain_text("is not a quantity")
    row.get_by_label("On hand").fill("7")
    row.get_by_role("button").click()
    expect(page.locator("#toasts")).to_contain_text("CUP: 7 on hand")
    expect(page.locator(".toast-danger")).to_have_count(0)
