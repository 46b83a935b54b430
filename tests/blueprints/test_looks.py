"""The pages in a real browser."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from models.types import utcnow
from tests.blueprints.looks import assert_good_in_every_look, watch
from tests.blueprints.rows import (
    add_failed_listing,
    add_finished_run,
    add_held_order,
    add_integration,
    add_run,
    change_integration,
    change_run,
    read_integration,
)
from tests.support.rows import make_integration, make_item, make_order

LIST = "/settings/sales-channels"


def a_lived_in_installation() -> None:
    """Integrations in every state, with names that are long or in other scripts, and runs that ended in every way."""
    now = utcnow()
    garden = add_integration("Garden shop", orders_done_at=now - timedelta(minutes=2), stock_done_at=now - timedelta(hours=3))
    add_integration(
        "Δοκιμή 店舗 متجر " + "verylongnamewithoutanyblank" * 3, health="needs_reauthorising",
        health_message="The shop refused the API key.",
        endpoint="https://a-very-long-address.of-a-shop.example/" + "sub-folder/" * 6,
    )  # fmt: skip
    add_integration("Disabled shop", enabled=False)
    waiting = add_integration(
        "Waiting shop", health="retrying", health_message="The shop does not answer in time.", waiting_run_id=1
    )
    add_held_order(waiting, "1")
    add_failed_listing(waiting, "A")
    add_run(garden, state="running", started_at=now, done=120, total=500)
    add_run(garden, kind="listings", actor="user:owner")
    add_finished_run(garden, kind="stock", counts={"sent": 12, "failed": 1}, warnings=["One row came twice."], outcome="partial")
    for outcome in ("done", "waiting", "stopped", "lost"):
        add_finished_run(waiting, outcome=outcome)
    add_finished_run(waiting, outcome="failed", error="The shop refused the API key.", advice="Copy it again and reauthorise.")


def test_the_list_is_accessible_in_every_look(page: Page) -> None:
    wrong = watch(page)
    page.goto(LIST)
    assert_good_in_every_look(page)
    a_lived_in_installation()
    page.goto(LIST)
    assert_good_in_every_look(page)
    assert not wrong


def test_activity_settings_and_errors_are_accessible_in_every_look(page: Page) -> None:
    wrong = watch(page)
    a_lived_in_installation()
    for path in ("/activity", "/activity?outcome=failed&integration=nobody", "/settings"):
        page.goto(path)
        assert_good_in_every_look(page)
    assert not wrong
    page.goto("/nowhere")
    assert_good_in_every_look(page)


def test_one_click_disables_without_a_reload(page: Page) -> None:
    integration_id = add_integration()
    wrong = watch(page)
    page.goto(LIST)
    page.evaluate("window.stillTheSamePage = true")
    switch = page.get_by_role("switch", name="Status of Garden shop")
    expect(switch).to_be_checked()
    colour = switch.locator(".switch-track").evaluate("track => getComputedStyle(track).backgroundColor")
    with page.expect_response(re.compile("/status$")) as answer:
        switch.click()
    assert answer.value.status == 200
    expect(switch).not_to_be_checked()
    expect(switch).to_be_focused()
    assert page.evaluate("window.stillTheSamePage")
    page.wait_for_timeout(250)
    assert switch.locator(".switch-track").evaluate("track => getComputedStyle(track).backgroundColor") != colour
    assert read_integration(integration_id).enabled is False
    with page.expect_response(re.compile("/status$")):
        page.keyboard.press("Space")
    expect(switch).to_be_checked()
    assert read_integration(integration_id).enabled is True
    assert not wrong


def test_a_double_click_is_one_request(page: Page) -> None:
    integration_id = add_integration()
    page.goto(LIST)
    with page.expect_response(re.compile("/status$")):
        page.get_by_role("switch").dblclick(delay=60)
    page.wait_for_timeout(300)
    expect(page.get_by_role("switch")).not_to_be_checked()
    assert read_integration(integration_id).enabled is False


def test_a_form_is_sent_once_while_its_answer_is_awaited(page: Page, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time, the name would be taken, and nobody would have seen the token."""
    answer, sent = app.wsgi_app, []

    def slow(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST":
            sent.append(environ["PATH_INFO"])
            time.sleep(1)
        return answer(environ, start_response)

    monkeypatch.setattr(app, "wsgi_app", slow)
    page.goto("/settings/tokens/new")
    page.get_by_label("Name", exact=True).fill("ERP")
    page.get_by_label("orders:read").check()
    page.get_by_label("Name", exact=True).focus()
    for _ in range(2):
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)
    expect(page.get_by_role("heading", level=1)).to_have_text("The token ERP")
    assert sent == ["/settings/tokens/new"]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_tracking_number_is_seen_whole_where_it_is_entered(page: Page, width: int) -> None:
    order = make_order(make_integration("Outlet"), "1001", [(make_item("CUP", 5), 1)])
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"/orders/{order.id}")
    field = page.get_by_label("Tracking number", exact=True)
    field.fill("JJD00039000788282312345678")
    assert field.evaluate("field => field.scrollWidth <= field.clientWidth")


def test_clear_filters_stands_between_the_filters_and_the_list_in_a_narrow_window(page: Page) -> None:
    a_lived_in_installation()
    page.set_viewport_size({"width": 390, "height": 844})
    for address in (f"{LIST}?search=shop", "/users?search=own", "/activity/changes?q=x", "/incidents?integration=x"):
        page.goto(address)
        tops = [page.locator(each).bounding_box() for each in ("#filters", "#list-clear a", "#list")]
        filters, link, listed = [box["y"] if box else 0 for box in tops]
        assert filters < link < listed, address


def test_a_switch_goes_back_and_says_why_when_the_server_refuses(page: Page) -> None:
    integration_id = add_integration()
    page.goto(LIST)
    change_integration(integration_id, removed_at=utcnow())
    switch = page.get_by_role("switch")
    switch.click()
    expect(page.locator("#toasts")).to_contain_text("That integration has been removed.")
    expect(switch).to_be_checked()
    page.get_by_role("button", name="Dismiss this message").click()
    expect(page.locator("#toasts")).not_to_contain_text("removed")


def test_a_switch_goes_back_when_nobody_answers(page: Page) -> None:
    add_integration()
    page.goto(LIST)
    page.context.set_offline(True)
    page.get_by_role("switch").click()
    expect(page.locator("#toasts")).to_contain_text("Cartlink does not answer.")
    expect(page.get_by_role("switch")).to_be_checked()


def test_progress_moves_by_itself_and_stops_asking(page: Page) -> None:
    integration_id = add_integration()
    run_id = add_run(integration_id, state="running", started_at=utcnow(), done=1, total=4)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/activity") else None)
    page.goto("/activity")
    expect(page.locator("progress")).to_have_attribute("value", "1")
    change_run(run_id, done=3)
    expect(page.locator("progress")).to_have_attribute("value", "3")
    change_run(run_id, state="finished", outcome="done", finished_at=utcnow())
    expect(page.locator("progress")).to_have_count(0)
    expect(page.get_by_role("status").first).to_have_text("No run is running")
    asked.clear()
    page.wait_for_timeout(2500)
    assert asked == []


def test_asking_that_fails_makes_no_noise_and_goes_on(page: Page) -> None:
    integration_id = add_integration()
    run_id = add_run(integration_id, state="running", started_at=utcnow(), done=1, total=4)
    page.goto("/activity")
    page.route("**/activity", lambda route: route.fulfill(status=503, body='<div class="toast-note">no</div>'))
    page.wait_for_timeout(2500)
    expect(page.locator("#toasts .toast-note")).to_have_count(0)
    page.unroute("**/activity")
    change_run(run_id, done=3)
    expect(page.locator("progress")).to_have_attribute("value", "3")


def test_everything_on_the_list_works_without_javascript(browser: Browser, page: Page, server: str) -> None:
    integration_id = add_integration()
    context = browser.new_context(base_url=server, java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(LIST)
    plain.get_by_role("switch").click()
    expect(plain.get_by_role("switch")).not_to_be_checked()
    assert read_integration(integration_id).enabled is False
    plain.get_by_role("link", name="Activity").click()
    expect(plain.get_by_role("heading", name="Activity")).to_be_visible()
    context.close()


def test_times_follow_the_browsers_zone(browser: Browser, server: str, page: Page) -> None:
    add_integration(orders_done_at=utcnow())
    context = browser.new_context(base_url=server, timezone_id="Asia/Kolkata", storage_state=page.context.storage_state())
    zoned = context.new_page()
    zoned.goto(LIST)
    zoned.reload()
    expect(zoned.locator("time").first).to_have_attribute("title", re.compile("IST$"))
    context.close()
