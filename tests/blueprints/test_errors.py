from __future__ import annotations

import pytest
from flask import Flask

from tests.blueprints.pages import element, elements, htmx, words
from tests.blueprints.rows import add_integration, read_integration
from tests.support.signed_in import FreshClient

LIST = "/settings/sales-channels"


def test_an_unknown_address(client: FreshClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert words(element(answer.text, "h1").text) == "Not found"


def test_an_unknown_run(client: FreshClient) -> None:
    answer = client.post("/activity/99/stop")
    assert answer.status_code == 404
    assert "There is no sync run 99." in answer.text


def test_the_wrong_method_says_which_one_is_right(client: FreshClient) -> None:
    answer = client.post(LIST)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "does not take that kind of request" in answer.text


@pytest.mark.parametrize("number", [2**31, 2**63, 10**40, "١٢"])
def test_a_number_no_row_can_have_is_an_address_that_does_not_exist(client: FreshClient, number: object) -> None:
    for path in (f"{LIST}/{number}", f"{LIST}/{number}/settings", f"/users/{number}", f"/settings/privacy/orders/{number}.json"):
        assert client.get(path).status_code == 404, path
    assert client.post(f"/activity/{number}/stop").status_code == 404
    for path in (f"{LIST}?page={number}", f"/users?page={number}", f"/activity?before={number}", f"/activity?after={number}"):
        assert client.get(path).status_code == 200, path


def test_a_host_that_cannot_be_named_is_answered_all_the_same(client: FreshClient) -> None:
    answer = client.get("/settings", headers={"Host": "a" * 300})
    assert answer.status_code == 400
    assert "name of this site" in answer.text


def test_too_much_at_once(client: FreshClient) -> None:
    integration_id = add_integration()
    answer = client.post(f"{LIST}/{integration_id}/status", data={"enabled": "no", "back": "x" * 3_000_000})
    assert answer.status_code == 413
    assert "at most 2 MB" in answer.text


class TestTheFormToken:
    @pytest.fixture(autouse=True)
    def protected(self, app: Flask) -> None:
        app.config["WTF_CSRF_ENABLED"] = True

    def test_the_token_of_the_page_is_accepted(self, client: FreshClient) -> None:
        integration_id = add_integration()
        token = elements(client.get(LIST).text, "input", name="csrf_token")[-1]["value"]
        answer = client.post(f"{LIST}/{integration_id}/status", data={"enabled": "no", "csrf_token": token})
        assert answer.status_code == 303

    @pytest.mark.parametrize("token", [None, "", "nonsense"])
    def test_without_it_nothing_happens_and_the_page_says_why(self, client: FreshClient, token: str | None) -> None:
        integration_id = add_integration()
        data = {"enabled": "no"} if token is None else {"enabled": "no", "csrf_token": token}
        answer = client.post(f"{LIST}/{integration_id}/status", data=data)
        assert answer.status_code == 400
        assert "The page was open for too long, so nothing was changed." in answer.text
        assert read_integration(integration_id).enabled is True

    def test_htmx_gets_a_message_and_leaves_the_page_as_it_is(self, client: FreshClient) -> None:
        integration_id = add_integration()
        answer = client.post(
            f"{LIST}/{integration_id}/status", data={"enabled": "no"}, headers=htmx(f"integration-{integration_id}")
        )
        assert answer.status_code == 400
        assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#toasts", "beforeend")
        assert "<html" not in answer.text
        assert "Load the page again" in answer.text


class TestAFaultOfOurs:
    @pytest.fixture(autouse=True)
    def broken(self, app: Flask) -> None:
        @app.get("/broken")
        def broken() -> str:
            raise RuntimeError("the secret inside")

        app.config["PROPAGATE_EXCEPTIONS"] = False

    def test_it_shows_a_reference_and_no_inside(self, client: FreshClient, caplog: pytest.LogCaptureFixture) -> None:
        answer = client.get("/broken")
        assert answer.status_code == 500
        assert "secret inside" not in answer.text
        assert "Traceback" not in answer.text
        reference = words(element(answer.text, "main").text).partition("the reference ")[2][:8]
        assert reference in caplog.text
        assert "the secret inside" in caplog.text

    def test_with_htmx_it_is_a_message(self, client: FreshClient) -> None:
        answer = client.get("/broken", headers=htmx("runs"))
        assert answer.status_code == 500
        assert answer.text.startswith('<div class="toast-note toast-danger"')
