"""What is shown once can be copied by mouse and keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.blueprints.looks import assert_fits

TEMPLATES = Path(__file__).parents[2] / "templates"


def make_token(page: Page) -> None:
    page.goto("/settings/tokens/new")
    page.locator("#name").fill("Till")
    page.locator("[name=scopes]").first.check()
    page.get_by_role("button", name="Create token").click()


def make_endpoint(page: Page) -> None:
    page.goto("/settings/event-endpoints/new")
    page.locator("#name").fill("Till")
    page.locator("#url").fill("https://127.0.0.1:9/hook")
    page.get_by_role("button", name="Add event endpoint").click()


def make_user(page: Page) -> None:
    page.goto("/users/new")
    page.locator("#name").fill("ben")
    page.get_by_role("button", name="Add user").click()


def begin_two_step(page: Page) -> None:
    page.goto("/account/two-step")
    page.get_by_role("button", name="Set up").click()


MAKERS = [make_token, make_endpoint, make_user, begin_two_step]


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_shown_once_is_copied_with_the_keyboard(page: Page, make: Callable[[Page], None]) -> None:
    make(page)
    shown, copy = page.locator("[readonly]"), page.get_by_role("button", name="Copy")
    shown.focus()
    page.keyboard.press("Tab")
    expect(copy).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#announcer")).to_have_text("Copied")
    expect(page.get_by_role("button", name="Copied")).to_be_focused()
    page.evaluate("document.querySelector('main').append(document.createElement('textarea'))")
    page.locator("textarea").last.focus()
    page.keyboard.press("Control+V")
    assert page.locator("textarea").last.input_value() == shown.input_value() != ""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert_fits(page, f"{width} px")
        box, button = shown.bounding_box(), page.get_by_role("button", name="Copied").bounding_box()
        assert box and button and button["height"] <= 46 and box["x"] + box["width"] <= button["x"]
        if shown.evaluate("each => each.tagName") == "TEXTAREA":
            assert shown.evaluate("each => each.scrollHeight <= each.clientHeight"), "a person types it in from the page"


def test_without_javascript_there_is_no_button_that_does_nothing(browser: Browser, page: Page, server: str) -> None:
    with browser.new_context(base_url=server, java_script_enabled=False, storage_state=page.context.storage_state()) as context:
        plain = context.new_page()
        begin_two_step(plain)
        expect(plain.locator("[readonly]")).to_be_visible()
        expect(plain.get_by_role("button", name="Copy")).to_be_hidden()


def test_all_that_is_shown_to_be_copied_has_the_button() -> None:
    shown = [
        path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html")
        if re.search(r"<(?:input|textarea)(?![^>]*aria-hidden)[^>]*\breadonly\b", path.read_text(encoding="utf-8"))
    ]  # fmt: skip
    assert shown == ["macros/forms.html"], "Show it with the macro `secret` of macros/forms.html"
