"""API tokens in the settings."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import Page

from services.accounts import tokens
from services.accounts.tokens import TokenRefused
from tests.blueprints.looks import assert_good_in_every_look, watch
from tests.blueprints.pages import element, elements, words
from tests.support.signed_in import sign_in, user_called

SENT = {"name": "ERP", "scopes": ["orders:read", "stock:read"], "days": "30", "addresses": "203.0.113.7, 198.51.100.0/24"}


def token_of(answer) -> str:
    return element(answer.text, "input", id="token")["value"]


def test_a_token_is_created_shown_once_listed_and_revoked(app: Flask, client) -> None:
    assert "No tokens yet" in client.get("/settings/tokens").text
    answer = client.post("/settings/tokens/new", data=SENT)
    assert answer.status_code == 200 and "no-store" in answer.headers["Cache-Control"]
    token = token_of(answer)
    assert tokens.find_holder(token, "198.51.100.3").actor == "api:ERP"
    page = client.get("/settings/tokens").text
    assert token not in page and f"ctl_{token[4:16]}_…" in page
    assert "Valid" in page and "only from 203.0.113.7/32, 198.51.100.0/24" in page
    assert client.post(f"/settings/tokens/{token[4:16]}/revoke").location == "/settings/tokens"
    assert "Revoked" in client.get("/settings/tokens").text
    with pytest.raises(TokenRefused):
        tokens.find_holder(token, "198.51.100.3")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": ""}, "Enter a name."), ({"scopes": []}, "Choose what the token may do."), ({"days": "400"}, "1 to 365 days"),
        ({"days": "soon"}, "is not a number of days"), ({"addresses": "shop.example"}, "is not an address"), ({"scopes": ["all"]}, "There is no scope"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_shown_beside_what_was_entered(client, change, complaint) -> None:
    answer = client.post("/settings/tokens/new", data=SENT | change)
    assert answer.status_code == 422
    assert complaint in words(element(answer.text, "main").text)
    assert tokens.list_tokens() == []


def test_a_rotation_shows_the_new_token_to_its_owner(client) -> None:
    first = token_of(client.post("/settings/tokens/new", data=SENT | {"addresses": ""}))
    second = token_of(client.post(f"/settings/tokens/{first[4:16]}/rotate"))
    assert second != first
    assert tokens.find_holder(first, "").id == tokens.find_holder(second, "").id
    assert "the previous secret is valid until" in client.get("/settings/tokens").text


def test_only_owners_see_and_revoke_the_tokens_of_others_and_nobody_rotates_them(app: Flask, client) -> None:
    ben = tokens.create_token(user_called("Ben", "viewer"), "Ben’s", ["orders:read"], "test")
    ann = app.test_client()
    sign_in(ann, "Ann", "manager")
    assert "Ben’s" not in ann.get("/settings/tokens").text
    assert ann.post(f"/settings/tokens/{ben.id}/revoke").status_code == 404
    assert ann.post(f"/settings/tokens/{ben.id}/rotate").status_code == 404
    assert client.post(f"/settings/tokens/{ben.id}/rotate").status_code == 404
    assert "Ben’s" in client.get("/settings/tokens").text
    assert client.post(f"/settings/tokens/{ben.id}/revoke").status_code == 303
    assert tokens.get_token(ben.id).state == "revoked"


def test_a_viewer_is_offered_what_a_viewer_may(app: Flask) -> None:
    vera = app.test_client()
    sign_in(vera, "Vera", "viewer")
    offered = [box["value"] for box in elements(vera.get("/settings/tokens/new").text, "input", name="scopes")]
    assert offered and all(name.endswith(":read") for name in offered) and "customers:read" not in offered


def test_the_pages_are_accessible_in_every_look(page: Page) -> None:
    wrong = watch(page)
    page.goto("/settings/tokens")
    assert_good_in_every_look(page)
    page.get_by_role("button", name="Create token").click()
    assert_good_in_every_look(page)
    page.get_by_role("textbox", name="Name").fill("Δοκιμή 店舗 متجر " + "averylongnamewithoutablank"[:20])
    page.get_by_label("Read incidents").check()
    page.get_by_role("button", name="Create token").click()
    assert_good_in_every_look(page)
    page.get_by_role("link", name="Done").click()
    assert_good_in_every_look(page)
    assert not wrong
