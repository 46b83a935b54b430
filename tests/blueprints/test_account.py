"""A person's own account."""

from __future__ import annotations

import time
from base64 import b64decode

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from services.accounts import sign_ins, two_step, users
from tests.blueprints.looks import assert_good_in_every_look, watch
from tests.blueprints.pages import element, elements, words
from tests.blueprints.rows import add_finished_run, add_integration
from tests.support.signed_in import FreshClient, sign_in

GOOD = "plum kettle orbit seven"
OTHER = "violet harbour nine lamps"


@pytest.fixture
def ann(app: Flask) -> int:
    return users.create_user("Ann", "viewer", "test", password=GOOD)


@pytest.fixture
def browser_of_ann(app: Flask, ann: int) -> FreshClient:
    made = app.test_client()
    sign_in(made, "Ann")
    return made


def is_in(client: FreshClient) -> bool:
    return client.get("/account").status_code == 200


def test_changing_the_password_keeps_this_browser_in_and_no_other(app, browser_of_ann):
    other = app.test_client()
    sign_in(other, "Ann")
    before = browser_of_ann.get_cookie("cartlink").value
    wrong = browser_of_ann.post("/account/password", data={"current": "wrong wrong", "password": OTHER})
    assert wrong.status_code == 422
    assert "not your current password" in wrong.text
    assert browser_of_ann.post("/account/password", data={"current": GOOD, "password": OTHER}).location == "/account"
    assert is_in(browser_of_ann)
    assert not is_in(other)
    browser_of_ann.set_cookie("cartlink", before)
    assert not is_in(browser_of_ann)
    assert users.check_password("Ann", OTHER) is not None


def test_sessions_are_listed_and_each_can_be_ended(app, browser_of_ann, ann):
    sign_ins.begin_session(ann, "2001:db8::1", "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0")
    page = browser_of_ann.get("/account").text
    assert "Firefox on Windows" in page
    assert "2001:db8::1" in page
    ends = [form["action"] for form in elements(page, "form") if (form.get("action") or "").endswith("/end")]
    assert len(ends) == 2
    here = next(item for item in elements(page, "li", _class="line-row") if "This browser" in item.text)
    assert "signed in just now" in words(here.text)
    other = next(end for end in ends if end not in page[page.index("This browser") : page.index("This browser") + 900])
    assert browser_of_ann.post(other).location == "/account"
    assert "Firefox" not in browser_of_ann.get("/account").text
    assert is_in(browser_of_ann)


def test_nobody_ends_somebody_elses_session(app, client, browser_of_ann, ann):
    theirs = sign_ins.find_person(sign_ins.begin_session(ann, "127.0.0.1", "x")).session_id
    assert client.post(f"/account/sessions/{theirs}/end").status_code == 404
    assert is_in(browser_of_ann)


def test_signing_out_everywhere_means_here_too(app, browser_of_ann):
    other = app.test_client()
    sign_in(other, "Ann")
    assert browser_of_ann.post("/account/sessions/end-all").location == "/sign-in"
    assert not is_in(browser_of_ann)
    assert not is_in(other)


def test_the_two_step_sign_in_is_set_up_with_a_picture_and_switched_off_with_the_password(browser_of_ann, ann):
    assert elements(browser_of_ann.get("/account/two-step").text, "img", _class="qr") == []
    browser_of_ann.post("/account/two-step/begin")
    page = browser_of_ann.get("/account/two-step")
    assert page.headers["Cache-Control"] == "no-store"
    assert b64decode_or_svg(element(page.text, "img", _class="qr")["src"])
    seed = element(page.text, "textarea", id="seed").text.replace(" ", "")
    assert pyotp.parse_uri(two_step.setup_uri(ann)).secret == seed
    assert browser_of_ann.post("/account/two-step", data={"code": "000000"}).status_code == 422
    answer = browser_of_ann.post("/account/two-step", data={"code": pyotp.TOTP(seed).at(time.time())})
    assert answer.location == "/account"
    assert seed not in browser_of_ann.get("/account/two-step").text
    assert browser_of_ann.post("/account/two-step", data={"current": "wrong"}).status_code == 422
    assert users.get_user(ann).two_step_encrypted is not None
    assert browser_of_ann.post("/account/two-step", data={"current": GOOD}).location == "/account"
    assert users.get_user(ann).two_step_encrypted is None


def b64decode_or_svg(src: str) -> bool:
    kind, _, data = src.partition(",")
    return "svg" in (b64decode(data).decode() if kind.endswith("base64") else kind + data)


def test_times_are_shown_in_the_zone_a_person_has_chosen(browser_of_ann):
    add_finished_run(add_integration())
    browser_of_ann.set_cookie("zone", "Asia/Kolkata")
    assert "IST" in browser_of_ann.get("/activity").text
    assert browser_of_ann.post("/account/zone", data={"zone": "Europe/Vienna"}).location == "/account"
    page = browser_of_ann.get("/activity").text
    assert "IST" not in page
    assert "CET" in page or "CEST" in page
    assert browser_of_ann.post("/account/zone", data={"zone": "Nowhere/Land"}).status_code == 422
    browser_of_ann.post("/account/zone", data={"zone": ""})
    assert "IST" in browser_of_ann.get("/activity").text


def test_the_pages_are_accessible_in_every_look(page: Page) -> None:
    owner = users.find_user("owner").id
    sign_ins.begin_session(
        owner, "2001:db8:85a3:8d3:1319:8a2e:370:7348", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari"
    )
    wrong = watch(page)
    for path in ("/account", "/account/password", "/account/two-step"):
        page.goto(path)
        assert_good_in_every_look(page)
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    assert_good_in_every_look(page)
    assert not wrong


def test_the_page_says_that_it_is_your_account(client):
    page = client.get("/account").text
    assert words(element(page, "h1").text) == "Your account" and "owner · Owner" in words(element(page, "main").text)
