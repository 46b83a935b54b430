"""Getting in and out: the first run, the sign-in, the second step, the one-time link."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from extensions import db, writing
from models import UserSession
from models.types import utcnow
from services.accounts import one_time_codes, tokens, two_step, users
from tests.blueprints.looks import assert_good_in_every_look, watch
from tests.blueprints.pages import complaints, element, elements, words
from tests.blueprints.rows import add_integration, add_run
from tests.support.browser import PATIENCE
from tests.support.signed_in import FreshClient, sign_in

GOOD = "plum kettle orbit seven"
OTHER = "violet harbour nine lamps"
HOME = "/today"


@pytest.fixture
def stranger(app: Flask) -> FreshClient:
    """A browser that nobody has signed in."""
    return app.test_client()


@pytest.fixture
def ann(app: Flask) -> int:
    return users.create_user("Ann", "owner", "test", password=GOOD)


def try_to_sign_in(browser: FreshClient, name: str = "Ann", password: str = GOOD, **more: str):
    return browser.post("/sign-in", data={"name": name, "password": password, **more})


def is_in(browser: FreshClient) -> bool:
    return browser.get("/settings").status_code == 200


def sessions() -> list[UserSession]:
    db.session.rollback()
    return list(db.session.scalars(select(UserSession)))


class TestTheFirstRun:
    def test_where_nobody_is_known_every_page_leads_to_the_first_run(self, stranger):
        assert stranger.get("/").location == "/sign-in?next=/"
        assert stranger.get("/sign-in").location == "/first-run"
        code = users.issue_first_run_code()
        answer = stranger.post("/first-run", data={"code": code, "name": "Ann", "password": GOOD})
        assert (answer.status_code, answer.location) == (303, "/")
        assert is_in(stranger)
        assert stranger.get("/").location == HOME

    def test_what_was_wrong_is_said_and_kept_but_for_the_password(self, stranger):
        users.issue_first_run_code()
        answer = stranger.post("/first-run", data={"code": "AAAA", "name": "Ann", "password": GOOD})
        assert answer.status_code == 422
        assert "not the code that was printed last" in answer.text
        assert element(answer.text, "input", name="name")["value"] == "Ann"
        assert GOOD not in answer.text
        assert not is_in(stranger)

    @pytest.mark.parametrize("name", ["Ann", ""])
    def test_all_that_is_wrong_is_said_at_once(self, stranger, name):
        users.issue_first_run_code()
        answer = stranger.post("/first-run", data={"code": "AAAA", "name": name, "password": "short"})
        said = complaints(answer.text)
        assert answer.status_code == 422 and not is_in(stranger)
        assert len(said) == (2 if name else 3), said
        assert any("needs at least 12" in sentence for sentence in said) and any("printed last" in sentence for sentence in said)

    def test_once_there_is_a_user_it_is_closed(self, stranger, ann):
        code = one_time_codes.issue_code("first_run")
        for answer in (
            stranger.get("/first-run"),
            stranger.post("/first-run", data={"code": code, "name": "M", "password": GOOD}),
        ):
            assert (answer.status_code, answer.location) == (303, "/sign-in")
        assert not is_in(stranger)


class TestSigningIn:
    def test_the_right_password_lets_in_and_leads_back(self, stranger, ann):
        wanted = stranger.get("/activity?kind=orders").location
        assert wanted == "/sign-in?next=/activity?kind%3Dorders"
        page = stranger.get(wanted).text
        answer = try_to_sign_in(stranger, "  ANN ", next=element(page, "input", name="next")["value"])
        assert (answer.status_code, answer.location) == (303, "/activity?kind=orders")
        assert is_in(stranger)

    @pytest.mark.parametrize(
        ("name", "password"), [("Ann", "wrong wrong wrong"), ("Nobody", GOOD), ("Ann", GOOD.upper()), ("Ann", GOOD + " ")]
    )
    def test_anything_else_does_not_and_says_the_same(self, stranger, ann, name, password):
        answer = try_to_sign_in(stranger, name, password)
        assert answer.status_code == 422
        assert words(element(answer.text, "p", id="password-error").text) == "The name or the password is wrong."
        assert password not in answer.text
        assert not is_in(stranger)

    @pytest.mark.parametrize(
        "elsewhere",
        ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "/\t/evil.example",
         "http:evil.example", "/%0d%0aSet-Cookie:x=1\r\nX: y", "///evil.example", "evil.example"],
    )  # fmt: skip
    def test_nobody_is_led_to_another_site(self, stranger, ann, elsewhere):
        assert try_to_sign_in(stranger, next=elsewhere).location == "/"

    def test_the_cookie_is_for_this_site_alone_and_no_script(self, stranger, ann):
        known, session = try_to_sign_in(stranger).headers.getlist("Set-Cookie")
        assert session.startswith("cartlink=")
        assert "Expires" not in session
        assert known.startswith("cartlink-browser=")
        for cookie in (known, session):
            assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
            assert "Domain" not in cookie

    @pytest.mark.config(behind_https=True)
    def test_behind_https_it_travels_by_https_alone(self, stranger, ann):
        known, session = try_to_sign_in(stranger).headers.getlist("Set-Cookie")
        assert session.startswith("__Host-cartlink=")
        assert known.startswith("__Host-cartlink-browser=")
        for cookie in (known, session):
            assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))

    def test_signing_in_keeps_nothing_of_what_the_browser_held_before(self, app, stranger, ann):
        """Anyone who slipped a session or a form token into this browser has no use of it afterwards."""
        app.config["WTF_CSRF_ENABLED"] = True
        planted = app.test_client()
        token = element(planted.get("/sign-in").text, "input", name="csrf_token")["value"]
        stranger.set_cookie("cartlink", planted.get_cookie("cartlink").value)
        assert try_to_sign_in(stranger, csrf_token=token).status_code == 303
        assert stranger.get_cookie("cartlink").value != planted.get_cookie("cartlink").value
        assert not is_in(planted)
        after = stranger.post("/sign-out", data={"csrf_token": token})
        assert after.status_code == 400

    def test_each_sign_in_is_a_separate_session(self, app, stranger, ann):
        other = app.test_client()
        try_to_sign_in(stranger)
        try_to_sign_in(other)
        assert len({row.token_hash for row in sessions()}) == 2
        stranger.post("/sign-out")
        assert not is_in(stranger)
        assert is_in(other)

    def test_a_cookie_from_before_signing_out_is_worth_nothing(self, stranger, ann):
        try_to_sign_in(stranger)
        kept = stranger.get_cookie("cartlink").value
        stranger.post("/sign-out")
        stranger.set_cookie("cartlink", kept)
        assert not is_in(stranger)

    @pytest.mark.parametrize("value", ["nonsense", "", "eyJfdXNlcl9pZCI6IjEifQ.aaaa.bbbb", "é" * 50])
    def test_a_cookie_made_up_is_worth_nothing(self, stranger, ann, value):
        stranger.set_cookie("cartlink", value)
        stranger.set_cookie("remember_token", "1|" + "a" * 128)
        assert not is_in(stranger)

    def test_an_expired_page_is_shown_again_with_the_name_that_was_typed(self, app, stranger, ann):
        app.config["WTF_CSRF_ENABLED"] = True
        answer = try_to_sign_in(stranger, csrf_token="old")
        assert answer.status_code == 422
        assert "The page was open for too long" in answer.text
        assert element(answer.text, "input", name="name")["value"] == "Ann"
        assert not is_in(stranger)

    def test_the_log_tells_who_and_where_and_nothing_that_was_typed(self, stranger, ann, caplog):
        caplog.set_level(logging.INFO)
        try_to_sign_in(stranger, GOOD, "Ann")
        try_to_sign_in(stranger)
        stranger.post("/sign-out")
        security = [record.getMessage() for record in caplog.records if record.name == "cartlink.security"]
        assert security == [
            "a sign-in was refused from 127.0.0.1",
            f"user {ann} signed in from 127.0.0.1",
            f"user {ann} signed out",
        ]
        assert GOOD not in caplog.text


class TestBeingSignedOut:
    def test_after_two_hours_without_a_click(self, client):
        with writing() as session:
            for row in session.scalars(select(UserSession)):
                row.seen_at = utcnow() - timedelta(minutes=121)
        assert client.get(HOME).location == f"/sign-in?next={HOME}"

    def test_what_a_page_asks_by_itself_does_not_count_as_a_click(self, client):
        long_ago = utcnow() - timedelta(minutes=30)
        with writing() as session:
            for row in session.scalars(select(UserSession)):
                row.seen_at = long_ago
        assert client.get("/activity", headers={"X-Poll": "1"}).status_code == 200
        assert sessions()[0].seen_at == long_ago
        assert client.get("/activity").status_code == 200
        assert sessions()[0].seen_at > long_ago

    def test_a_form_sent_then_says_that_nothing_was_changed(self, app, client):
        sessions_were = client.get_cookie("cartlink")
        with writing() as session:
            session.query(UserSession).delete()
        answer = client.post("/activity/1/stop", headers={"Referer": "http://localhost/activity?kind=orders"})
        assert answer.location == "/sign-in?next=/activity?kind%3Dorders"
        assert "nothing was changed" in client.get(answer.location).text
        assert sessions_were is not None

    @pytest.mark.parametrize(
        "referrer", ["http://evil.example/activity", "nonsense", "http://localhost//evil.example", "http://[", ""]
    )
    def test_a_referrer_of_another_site_leads_nowhere(self, stranger, ann, referrer):
        assert stranger.post("/activity/1/stop", headers={"Referer": referrer}).location == "/sign-in"

    def test_signing_out_forgets_what_the_browser_kept(self, client):
        answer = client.post("/sign-out")
        assert answer.location == "/sign-in"
        assert answer.headers["Clear-Site-Data"] == '"storage"'
        assert not is_in(client)
        assert client.get("/sign-out").status_code == 405


class TestTheSecondStep:
    @pytest.fixture
    def app_of_ann(self, ann) -> pyotp.TOTP:
        two_step.begin_setup(ann)
        scanned = pyotp.parse_uri(two_step.setup_uri(ann))
        two_step.confirm_setup(ann, scanned.at(time.time() - 30))
        return scanned

    def test_the_password_alone_does_not_let_in(self, stranger, app_of_ann):
        answer = try_to_sign_in(stranger, next="/activity")
        assert (answer.status_code, answer.location) == (303, "/sign-in/code?next=/activity")
        assert not is_in(stranger)
        page = stranger.get(answer.location).text
        answer = stranger.post("/sign-in/code", data={"code": "000000", "next": "/activity"})
        assert answer.status_code == 422
        assert not is_in(stranger)
        answer = stranger.post(
            "/sign-in/code", data={"code": app_of_ann.now(), "next": element(page, "input", name="next")["value"]}
        )
        assert (answer.status_code, answer.location) == (303, "/activity")
        assert is_in(stranger)

    def test_a_wrong_password_says_nothing_about_it(self, stranger, app_of_ann):
        assert try_to_sign_in(stranger, password="wrong wrong wrong").status_code == 422

    def test_without_the_password_there_is_no_second_step(self, stranger, app_of_ann):
        for answer in (stranger.get("/sign-in/code"), stranger.post("/sign-in/code", data={"code": app_of_ann.now()})):
            assert answer.location == "/sign-in"
        assert not is_in(stranger)

    def test_a_cookie_kept_from_between_is_no_use_afterwards(self, stranger, app_of_ann):
        try_to_sign_in(stranger)
        between = stranger.get_cookie("cartlink").value
        stranger.post("/sign-in/code", data={"code": app_of_ann.now()})
        stranger.post("/sign-out")
        stranger.set_cookie("cartlink", between)
        assert stranger.post("/sign-in/code", data={"code": app_of_ann.at(time.time() + 30)}).location == "/sign-in"
        assert not is_in(stranger)


class TestAWantedSecondStep:
    @pytest.mark.config(two_step_for="OWNERS")
    def test_an_owner_sets_it_up_before_anything_else(self, app, client):
        for method, path in (("GET", "/settings"), ("GET", "/users"), ("POST", "/users/1/disable"), ("GET", "/account")):
            assert client.open(path, method=method).location == "/account/two-step", path
        assert client.get("/settings", headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/account/two-step"
        assert client.get("/account/two-step").status_code == 200
        owner = users.find_user("owner").id
        client.post("/account/two-step/begin")
        code = pyotp.TOTP(two_step.setup_seed(owner).replace(" ", "")).now()
        assert client.post("/account/two-step", data={"code": code}).location == "/account"
        assert client.get("/settings").status_code == 200
        manager = app.test_client()
        sign_in(manager, "Ben", "manager")
        assert manager.get("/settings").status_code == 200

    @pytest.mark.config(two_step_for="EVERYBODY")
    def test_or_everybody_does(self, app):
        viewer = app.test_client()
        sign_in(viewer, "Vera", "viewer")
        assert viewer.get("/settings").location == "/account/two-step"
        assert viewer.post("/sign-out").location == "/sign-in"


class TestTheOneTimeLink:
    def test_it_names_the_api_tokens_that_go_on(self, stranger, ann):
        """Someone who knew the old password may have created one."""
        tokens.create_token(ann, "ERP", ["orders:read"], "test")
        code = users.issue_password_code(ann)
        stranger.post("/set-password", data={"code": code, "password": OTHER})
        assert "1 API token of yours can still be used." in stranger.get("/sign-in").text

    def test_it_sets_a_password_and_signs_in_nobody(self, app, stranger, ann):
        elsewhere = app.test_client()
        try_to_sign_in(elsewhere)
        link = users.link_of(users.issue_password_code(ann))
        page = stranger.get(link)
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        code = element(page.text, "input", name="code")["value"]
        assert stranger.post("/set-password", data={"code": code, "password": "short"}).status_code == 422
        answer = stranger.post("/set-password", data={"code": code, "password": OTHER})
        assert (answer.status_code, answer.location) == (303, "/sign-in")
        said = stranger.get("/sign-in").text
        assert "Your password is set. Sign in as " in said and "API token" not in said
        assert not is_in(stranger)
        assert not is_in(elsewhere)
        assert try_to_sign_in(stranger, password=OTHER).status_code == 303

    def test_only_someone_who_has_a_password_reads_that_it_signs_out_everywhere(self, stranger, ann):
        invited = users.create_user("Nina", "viewer", "test")
        new = words(element(stranger.get(users.link_of(users.issue_password_code(invited))).text, "main").text)
        assert "Then you sign in with this password." in new and "signs you out" not in new
        known = words(element(stranger.get(users.link_of(users.issue_password_code(ann))).text, "main").text)
        assert "This signs you out everywhere. Then you sign in with the new password." in known

    @pytest.mark.parametrize("code", ["", "AAAA-AAAA-AAAA-AAAA", "é", "'--"])
    def test_a_link_that_is_not_good_says_so(self, stranger, ann, code):
        for answer in (
            stranger.get("/set-password", query_string={"code": code}),
            stranger.post("/set-password", data={"code": code}),
        ):
            assert answer.status_code == 404
            assert "no longer valid" in answer.text


def test_a_whole_visit_in_a_browser_with_and_without_javascript(app: Flask, browser: Browser, server: str) -> None:
    code = users.issue_first_run_code()
    for javascript in (True, False):
        context = browser.new_context(base_url=server, java_script_enabled=javascript)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        wrong = watch(page)
        page.goto("/activity")
        if javascript:
            assert_good_in_every_look(page)
            page.set_viewport_size({"width": 1280, "height": 900})
            page.get_by_label("One-time code").fill(code)
            page.get_by_label("Name").fill("Ann")
            password = page.get_by_label("Password", exact=True)
            password.fill(GOOD)
            page.get_by_role("button", name="Show the password").click()
            expect(password).to_have_attribute("type", "text")
            page.get_by_role("button", name="Show the password").click()
            expect(password).to_have_attribute("type", "password")
            page.get_by_role("button", name="Create owner and sign in").click()
        else:
            page.get_by_label("Name").fill("ann")
            page.get_by_label("Password").fill(GOOD)
            page.get_by_role("button", name="Sign in").click()
            expect(page).to_have_url(f"{server}/activity")
        page.get_by_role("link", name="Ann").click()
        expect(page.get_by_role("heading", name="Where you are signed in")).to_be_visible()
        page.get_by_role("banner").get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        if javascript:
            assert_good_in_every_look(page)
        assert not wrong
        context.close()


def test_a_page_that_asks_by_itself_leads_to_the_sign_in_when_the_session_is_over(page: Page) -> None:

    add_run(add_integration(), state="running", started_at=utcnow())
    page.goto("/activity")
    with page.expect_request(lambda request: request.headers.get("hx-target") == "runs") as asked:
        pass
    assert asked.value.headers["x-poll"] == "1"
    with writing() as session:
        session.query(UserSession).delete()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert urlsplit(page.url).query == "next=/activity"


def test_a_viewer_is_offered_no_switch(app: Flask) -> None:

    add_integration()
    browser = app.test_client()
    sign_in(browser, "Vera", "viewer")
    page = browser.get("/settings/sales-channels").text
    assert not elements(page, "button", role="switch")
    assert "Garden shop" in page
    owner = app.test_client()
    sign_in(owner, "Ann", "owner")
    assert elements(owner.get("/settings/sales-channels").text, "button", role="switch")
