from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text

from extensions import writing
from tests.blueprints.pages import element, elements, htmx, words
from tests.blueprints.rows import add_integration, read_integration
from tests.support.signed_in import FreshClient
from tests.support.urls import every_address, example_values

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
    assert "does not accept this kind of request" in answer.text


@pytest.mark.parametrize("number", [2**31, 2**63, 10**40, "١٢"])
def test_a_number_no_row_can_have_is_an_address_that_does_not_exist(client: FreshClient, number: object) -> None:
    for path in (f"{LIST}/{number}", f"{LIST}/{number}/settings", f"/users/{number}", f"/settings/privacy/orders/{number}.json"):
        assert client.get(path).status_code == 404, path
    assert client.post(f"/activity/{number}/stop").status_code == 404
    for path in (f"{LIST}?page={number}", f"/activity?before={number}", f"/activity?after={number}"):
        answer = client.get(path)
        assert (answer.status_code, "and is ignored." in answer.text) == (422, True), path


def test_a_host_that_cannot_be_named_is_answered_too(client: FreshClient) -> None:
    answer = client.get("/settings", headers={"Host": "a" * 300})
    assert answer.status_code == 400
    assert "host name in your request" in answer.text


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


class TestAnErrorWhileAnErrorIsAnswered:
    """An expired page is shown again by its view, inside the error handler. What the view raises there gets its own answer."""

    @pytest.fixture(autouse=True)
    def protected(self, app: Flask) -> None:
        app.config["WTF_CSRF_ENABLED"] = True
        app.config["PROPAGATE_EXCEPTIONS"] = False

    @pytest.mark.parametrize("code", ["", "nonsense", "\x01", "x" * 5000])
    def test_a_one_time_link_that_is_not_known(self, app: Flask, code: str) -> None:
        answer = app.test_client().post("/set-password", data={"code": code, "password": "plum kettle orbit seven"})
        assert answer.status_code == 404
        assert "That link is no longer valid" in answer.text

    @pytest.mark.parametrize("path", ["/sign-in", "/first-run", "/set-password"])
    def test_beyond_the_limit(self, app: Flask, path: str) -> None:
        """One counter for each address: after its tries are used up, with or without a form token, the answer is 429."""
        stranger = app.test_client()
        answers = [stranger.post(path, data={"name": "Ann", "password": "x"}) for _ in range(22)]
        assert answers[-1].status_code == 429
        assert "Too many tries" in answers[-1].text
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert not [answer for answer in answers if answer.status_code >= 500]

    @pytest.mark.parametrize("step", ["name", "shop", "options", "import-preview"])
    def test_the_set_up_of_a_draft_that_is_gone(self, client: FreshClient, step: str) -> None:
        answer = client.post(f"/settings/sales-channels/add/nonsense/{step}", data={"name": "x", "csrf_token": "expired"})
        assert answer.status_code in (303, 400, 404, 405)

    def test_every_form_of_every_page_with_an_expired_token(self, app: Flask, client: FreshClient) -> None:
        for address in every_address(app, example_values(app)):
            if address.method == "POST":
                for path in (address.path, address.path.replace("1", "77")):
                    answer = client.post(path, data={"csrf_token": "expired"})
                    assert answer.status_code < 500, path


@pytest.mark.parametrize("table", ["user_session", "notification"])
def test_an_error_page_needs_no_database(app: Flask, client: FreshClient, table: str) -> None:
    """Each page asks these tables who is signed in and what is unread. Without them an error still has its sentence."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with writing() as session:
        session.execute(text(f"DROP TABLE {table}"))
    for path in ("/nowhere", "/orders", "/settings"):
        answer = client.get(path)
        assert answer.status_code in (404, 500), path
        assert "<h1>" in answer.text
        assert "Traceback" not in answer.text
        assert answer.headers["Content-Security-Policy"]
        assert client.get(path, headers=htmx("runs")).status_code in (404, 500)


@pytest.mark.parametrize(
    ("referer", "shown"),
    [
        ("http://localhost/activity", "/activity"), ("http://localhost/activity?page=2", "/activity?page=2"), ("", ""),
        ("http://localhost/activity/99/stop", ""), ("http://elsewhere.example/activity", ""), ("http://localhost//elsewhere.example", ""),
    ],
)  # fmt: skip
def test_an_error_after_a_form_leads_back_to_the_page_with_the_form(client: FreshClient, referer: str, shown: str) -> None:
    page = client.post("/activity/99/stop", headers={"Referer": referer}).text
    links = [each["href"] for each in elements(page) if each.tag == "a" and "Go back" in each.text]
    assert links == ([shown] if shown else [])
    assert "Go back" not in client.get("/nowhere", headers={"Referer": referer}).text
