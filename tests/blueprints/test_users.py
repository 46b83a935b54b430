"""Users, as an owner manages them."""

from __future__ import annotations

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from services.accounts import sign_ins, two_step, users
from tests.blueprints.looks import assert_good_in_every_look, watch
from tests.blueprints.pages import element, elements, next_page, words
from tests.support.signed_in import FreshClient, sign_in, user_called

GOOD = "plum kettle orbit seven"


@pytest.fixture
def ben(app: Flask) -> int:
    return users.create_user("Ben", "manager", "test", password=GOOD)


def test_a_new_user_gets_a_link_and_with_it_a_password(app, client):
    answer = client.post("/users/new", data={"name": "Ben", "role": "viewer", "sees_customers": "no"})
    assert answer.status_code == 200
    link = element(answer.text, "input", id="link")["value"]
    assert link.startswith("http://localhost/set-password?code=")
    stranger = app.test_client()
    code = element(stranger.get(link).text, "input", name="code")["value"]
    stranger.post("/set-password", data={"code": code, "password": GOOD})
    assert stranger.post("/sign-in", data={"name": "Ben", "password": GOOD}).status_code == 303
    assert users.find_user("Ben").created_by == "user:owner"
    assert "code=" not in client.get("/users").text


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        ({"name": "", "role": "viewer", "sees_customers": "no"}, "Enter a name"),
        ({"name": "OWNER", "role": "viewer", "sees_customers": "no"}, "There is a user called owner already."),
        ({"name": "a\u202eb", "role": "viewer", "sees_customers": "no"}, "cannot be shown"),
        ({"name": "Ben", "role": "king", "sees_customers": "no"}, "That choice is not offered."),
        ({"name": "Ben", "sees_customers": "no"}, "Choose a role."),
    ],
)
def test_what_cannot_be_is_said_beside_what_was_typed(client, sent, complaint):
    answer = client.post("/users/new", data=sent)
    assert answer.status_code == 422
    assert complaint in words(element(answer.text, "main").text)
    assert len(users.list_users().rows) == 1


def test_a_role_is_changed_and_the_last_owner_stays(client, ben):
    assert client.post(f"/users/{ben}", data={"role": "viewer", "sees_customers": "yes"}).location == "/users"
    assert (users.get_user(ben).role, users.get_user(ben).sees_customers) == ("viewer", True)
    me = users.find_user("owner").id
    answer = client.post(f"/users/{me}", data={"role": "viewer", "sees_customers": "no"})
    assert answer.status_code == 422
    assert "owner is the only owner." in answer.text
    assert client.post(f"/users/{me}/disable").status_code == 409
    assert users.get_user(me).role == "owner"


def test_disabling_ends_it_at_once_and_enabling_begins_it_again(app, client, ben):
    browser = app.test_client()
    sign_in(browser, "Ben")
    assert browser.get("/settings").status_code == 200
    asks = words(element(client.get(f"/users/{ben}").text, "details").text)
    assert "Ben is signed out at once" in asks and asks.endswith("Disable Ben")
    client.post(f"/users/{ben}/disable")
    assert browser.get("/settings").status_code == 303
    page = client.get("/users").text
    assert "Disabled" in page
    client.post(f"/users/{ben}/enable")
    assert users.check_password("Ben", GOOD) is not None


def test_an_owner_signs_a_user_out_everywhere(client, ben):
    token = sign_ins.begin_session(ben, "127.0.0.1", "x")
    client.post(f"/users/{ben}/sign-out")
    assert sign_ins.find_person(token) is None


def test_a_link_for_a_user_who_lost_the_app_switches_the_second_step_off(client, ben):
    two_step.begin_setup(ben)
    seed = two_step.setup_seed(ben).replace(" ", "")
    two_step.confirm_setup(ben, pyotp.TOTP(seed).now())
    assert elements(client.get(f"/users/{ben}").text, "input", name="two_step", value="off")
    page = client.post(f"/users/{ben}/link", data={"two_step": "off"}).text
    assert "Until then the two-step sign-in stays on." in page
    assert users.get_user(ben).two_step_encrypted is not None
    code = element(page, "input", id="link")["value"].partition("code=")[2]
    client.post("/sign-out")
    opened = client.get("/set-password", query_string={"code": code}).text
    assert "This signs you out everywhere and switches your two-step sign-in off." in opened
    client.post("/set-password", data={"code": code, "password": "orbit seven plum kettle"})
    assert users.get_user(ben).two_step_encrypted is None


def test_the_list_searches_and_pages(client: FreshClient):
    for number in range(55):
        user_called(f"User {number:02}", "viewer")
    assert len(elements(client.get("/users").text, "li", _class="line-row")) == 50
    assert len(elements(client.get(next_page(client.get("/users").text)).text, "li", _class="line-row")) == 6
    assert len(elements(client.get("/users?search=user 5").text, "li", _class="line-row")) == 5
    assert "No user matches" in client.get("/users?search=nobody").text


@pytest.mark.parametrize("path", ["/users/99", "/users/99/disable", "/users/99/enable", "/users/99/link", "/users/99/sign-out"])
def test_a_user_who_is_not_there(client, path):
    assert client.post(path, data={"role": "viewer", "sees_customers": "no"}).status_code == 404


def test_the_pages_are_accessible_in_every_look(page: Page) -> None:
    user_called("Δοκιμή 店舗 متجر " + "averylongnamewithoutablank"[:20], "viewer")
    ben = users.create_user("Ben", "manager", "test", password=GOOD)
    users.disable_user(users.create_user("Gone", "viewer", "test", password=GOOD))
    wrong = watch(page)
    for path in ("/users", "/users/new", f"/users/{ben}"):
        page.goto(path)
        assert_good_in_every_look(page)
    page.get_by_role("button", name="Create link").click()
    assert_good_in_every_look(page)
    assert not wrong


def test_a_user_without_a_password_is_not_said_to_have_one(client):
    user_id = users.create_user("Zoe", "viewer", "test")
    row = next(item for item in elements(client.get("/users").text, "li") if "Zoe" in words(item.text))
    assert "No password yet" in words(row.text) and "password only" not in words(row.text)
    page = words(client.get(f"/users/{user_id}").text)
    assert "To set the first password." in page and "The current password works until then" not in page


def test_the_question_about_customers_stands_there_for_viewers_only(page: Page) -> None:
    page.goto("/users/new")
    asked = page.get_by_text("Can see customers’ personal data")
    expect(asked).to_be_hidden()
    page.get_by_label("Viewer").check()
    expect(asked).to_be_visible()
