"""No secret is found anywhere but as ciphertext: in logs, in the database file, in the queue, on pages, in exceptions."""

from __future__ import annotations

import base64
import logging
import time
from pathlib import Path
from urllib.parse import quote

import pyotp
import pytest
from flask import Flask
from redis import Redis

from extensions import db
from jobs import events
from models import Draft, EventEndpoint, Integration, SyncRun, User
from practice_shop import PracticeShop
from services.accounts import sign_ins, users
from services.events import endpoints
from services.security import vault
from tests.support.processes import Started, wait_until
from tests.support.served import Serve, Visitor
from tests.support.signed_in import user_called

KEY = "PLANTED-api-key-4711-good"
WRONG_KEY = "PLANTED-api-key-4712-wrong"
TYPED_KEY = "PLANTED-api-key-4713-only-typed"
PASSWORD = "PLANTED plum kettle orbit"
NEXT_PASSWORD = "PLANTED violet harbour lamps"
MAIL_PASSWORD = "PLANTED-mail-password-4714"
METRICS_TOKEN = "PLANTED-metrics-token-4715-long-enough"
NAME = "Planted shop with a name to be found"
DESK = (
    "/orders", "/orders/1", "/orders/1/raw", "/orders/1/print", "/orders/orders.csv", "/orders/held", "/stock", "/stock/stock.csv", "/listings",
    "/listings/listings.csv", "/reports", "/activity/1", "/activity/1/rows.csv", "/activity/changes", "/activity/changes.csv",
    "/incidents", "/settings/notifications", "/readyz", "/metrics",
)  # fmt: skip


def spellings(secret: str) -> list[bytes]:
    """A secret as it is, as part of an address, and as base64 wherever it may begin."""
    plain = secret.encode()
    shifted = [base64.b64encode(b"x" * skip + plain)[4:-4] for skip in range(3)]
    return [plain, quote(secret).encode(), plain.replace(b" ", b"+"), *(part for part in shifted if len(part) > 12)]


def assert_nowhere(places: dict[str, bytes], secrets: dict[str, str]) -> None:
    for place, content in places.items():
        for what, secret in secrets.items():
            for spelling in spellings(secret):
                at = content.find(spelling)
                assert at < 0, f"{what} is in {place}: …{content[max(0, at - 80) : at + 60]!r}…"


def stored(instance_database: Path, redis_url: str) -> dict[str, bytes]:
    """The bytes of the database with its log, and everything the queue's server holds and has written."""
    places = {path.name: path.read_bytes() for path in instance_database.parent.glob(f"{instance_database.name}*")}
    with Redis.from_url(redis_url) as queue:
        parts = []
        for key in queue.scan_iter(count=1000):
            parts += [key, queue.dump(key) or b""]
            if queue.type(key) == b"hash":
                parts += [value for pair in queue.hgetall(key).items() for value in pair]
        places["the queue"] = b"\n".join(parts)
        folder = Path(queue.config_get("dir")["dir"])
        for path in folder.rglob("*"):
            if path.is_file():
                places[f"the queue's {path.name}"] = path.read_bytes()
    return places


def wait_for_runs(integration_id: int) -> None:
    def over() -> bool:
        db.session.rollback()
        runs = db.session.query(SyncRun).filter_by(integration_id=integration_id).all()
        return len(runs) >= 3 and all(run.state == "finished" for run in runs)

    wait_until(over, 90, "the end of the first runs")


def connect(browser: Visitor, shop: PracticeShop, key: str) -> str:
    """Walk the set-up to its last step, or back to the second where the key is refused; answers with where it ended."""
    step = browser.send("/settings/sales-channels/add/xcart", "name", name=NAME).url.removeprefix(browser.served.address)
    browser.send(step, "endpoint", endpoint=shop.url, api_key=key, use_tax="no", use_shipping_tax="no")
    checked = step.replace("/shop", "/check")
    return wait_until(
        lambda: not (place := browser.get(checked).url.removeprefix(browser.served.address)).endswith("/check") and place, 90,
        "the end of the check",
    )  # fmt: skip


def test_a_whole_run_leaves_no_secret_behind(
    app: Flask,
    serve: Serve,
    visit,
    worker,
    practice: PracticeShop,
    environment: dict[str, str],
    database_url: str,
    redis_url: str,
) -> None:
    practice.key = KEY
    planted = {
        "LOG_LEVEL": "DEBUG", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": "9", "SMTP_USER": "cartlink", "SMTP_PASSWORD": MAIL_PASSWORD,
        "SMTP_FROM": "cartlink@shop.example", "METRICS_TOKEN": METRICS_TOKEN,
    }  # fmt: skip
    served, at_work = serve(**planted), worker(**planted)
    code = users.issue_first_run_code()
    browser = visit(served)
    browser.send("/first-run", "password", code=code, name="Ann", password=PASSWORD)

    # A refused key, then the right one; a shop in trouble; a new key tried and given up; one typed and left lying.
    refused = connect(browser, practice, WRONG_KEY)
    assert refused.endswith("/shop")
    browser.press(refused, refused.replace("/shop", "/cancel"))
    options = connect(browser, practice, KEY)
    assert options.endswith("/options")
    browser.send(options, "with_variants")
    db.session.rollback()
    integration_id = db.session.query(Integration).one().id
    wait_for_runs(integration_id)
    place = f"/settings/sales-channels/{integration_id}"
    practice.faults.add("status_500", times=3)
    browser.press(place, f"{place}/sync", kind="orders")
    browser.send(f"{place}/reauthorise", "endpoint", endpoint=practice.url, api_key=WRONG_KEY)
    left_lying = browser.send("/settings/sales-channels/add/xcart", "name", name="Left lying").url.removeprefix(served.address)
    browser.send(left_lying, "endpoint", endpoint="http://127.0.0.1:9", api_key=TYPED_KEY, use_tax="no", use_shipping_tax="no")
    browser.get(left_lying)

    # An event endpoint and a mail server that nobody answers at; the one page that shows the endpoint's secret is left out below.
    new = "/settings/event-endpoints/new"
    browser.send(new, "url", to=new, name="ERP", url="http://127.0.0.1:9/PLANTED-called")
    secret_shown = len(browser.seen) - 1
    db.session.rollback()
    endpoint = db.session.query(EventEndpoint).one()
    signing = vault.decrypt(endpoint.secret_encrypted)
    assert signing in browser.seen[secret_shown]
    browser.press(f"/settings/event-endpoints/{endpoint.id}", f"/settings/event-endpoints/{endpoint.id}/test", type="test")

    # The second step, a new password, a one-time link, a refused sign-in.
    browser.press("/account/two-step", "/account/two-step/begin")
    shown = len(browser.seen)
    seed = two_step_seed()
    browser.send("/account/two-step", "code", code=pyotp.TOTP(seed).at(time.time()))
    browser.send("/account/password", "current", current=PASSWORD, password=NEXT_PASSWORD)
    ben = user_called("Ben", "viewer")
    link_code = users.issue_password_code(ben)
    other = visit(served)
    other.send(f"/set-password?code={link_code}", "password", to="/set-password", password=PASSWORD + " of Ben")
    other.send("/sign-in", "password", name=PASSWORD, password="Ann")
    token = sign_ins.begin_session(ben, "127.0.0.1", "x")
    for path in (
        "/settings/sales-channels",
        place,
        f"{place}/settings",
        f"{place}/reauthorise",
        "/activity",
        "/account",
        "/users",
        *DESK,
    ):
        browser.get(path)
    browser.get("/metrics", Authorization=f"Bearer {METRICS_TOKEN}")
    events.enqueue_due_deliveries()
    wait_until(called_in_vain, 60, "the call of the event endpoint")

    secrets = {
        "the API key": KEY, "the refused API key": WRONG_KEY, "the API key that was only typed": TYPED_KEY, "the password": PASSWORD,
        "the new password": NEXT_PASSWORD, "the seed of the second step": seed, "the token of a session": token,
        "SECRET_KEY": environment["SECRET_KEY"], "the keyring": environment["SECRET_KEYS"],
        "the first one-time code": code, "the code of a one-time link": link_code, "what signs events": signing,
        "the address of the event endpoint": "PLANTED-called",
        "SMTP_PASSWORD": MAIL_PASSWORD, "METRICS_TOKEN": METRICS_TOKEN,
    }  # fmt: skip
    pages = [page for number, page in enumerate(browser.seen) if number not in (shown, shown + 1, secret_shown)]
    logs = {"the pages' log": served.started, "the workers' log": at_work}
    places = {
        **stored(Path(database_url.removeprefix("sqlite:///")), redis_url), **{place: log_of(log) for place, log in logs.items()},
        "a page": "\n\n".join(pages).encode(),
    }  # fmt: skip
    # What is not secret is found, so the search is not blind; and what is secret is there, as ciphertext.
    assert NAME.encode() in places["a page"]
    assert any(NAME.encode() in content for place, content in places.items() if "sqlite" in place)
    assert b"_key=***" in places["the workers' log"]
    assert b"run-" in places["the queue"]
    db.session.rollback()
    assert vault.decrypt(db.session.query(Integration).one().key_encrypted) == KEY
    assert any(TYPED_KEY in vault.decrypt(draft.answers_encrypted) for draft in db.session.query(Draft))
    assert vault.decrypt(db.session.query(User).filter_by(name="Ann").one().two_step_encrypted) == seed
    assert_nowhere(places, secrets)


def called_in_vain() -> bool:
    db.session.rollback()
    return bool(db.session.query(EventEndpoint).one().error)


def two_step_seed() -> str:
    db.session.rollback()
    return vault.decrypt(db.session.query(User).filter_by(name="Ann").one().two_step_next_encrypted)


def log_of(started: Started) -> bytes:
    return started.log.read_bytes()


def test_an_exception_on_a_page_tells_nothing_of_what_was_sent(app: Flask, client, caplog, monkeypatch) -> None:
    """A fault of ours while secrets are in hand: the log has the traceback, and neither it nor the page has the secrets."""

    def fails(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a fault of ours")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(users, "check_password", fails)
    monkeypatch.setattr(users, "change_password", fails)
    caplog.set_level(logging.DEBUG)
    stranger = app.test_client()
    answers = [
        stranger.post("/sign-in", data={"name": "Ann", "password": PASSWORD}),
        client.post("/account/password", data={"current": PASSWORD, "password": NEXT_PASSWORD}),
    ]
    assert [answer.status_code for answer in answers] == [500, 500]
    assert "a fault of ours" in caplog.text
    places = {"the log": caplog.text.encode(), "a page": "\n".join(answer.text for answer in answers).encode()}
    assert_nowhere(places, {"the password": PASSWORD, "the new password": NEXT_PASSWORD})
    assert "a fault of ours" not in answers[0].text


def test_the_audit_trail_tells_where_an_event_endpoint_leads_and_no_more(client) -> None:
    """Of many services the address itself is the secret, and everybody reads the trail."""
    first, second = (endpoints.check_address(f"https://hooks.example/PLANTED-{each}?key=PLANTED") for each in ("path", "other"))
    endpoint_id = endpoints.create_endpoint("ERP", first, [], "user:ann").endpoint_id
    endpoints.change_endpoint(endpoint_id, "user:ann", address=second)
    endpoints.remove_endpoint(endpoint_id, "user:ann")
    for path in ("/activity/changes", "/activity/changes.csv"):
        text = client.get(path).text
        assert "https://hooks.example (changed)" in text
        assert "PLANTED" not in text


def test_what_is_printed_of_the_settings_and_of_a_person_is_no_secret(app: Flask, environment: dict[str, str]) -> None:
    token = sign_ins.begin_session(user_called("Ann"), "127.0.0.1", "x")
    printed = f"{app.config['CARTLINK']!r} {sign_ins.find_person(token)!r} {vault.keyring()!r}".encode()
    redis = environment["REDIS_URL"]
    assert_nowhere({"what is printed": printed}, {"SECRET_KEY": environment["SECRET_KEY"], "the keyring": environment["SECRET_KEYS"],
                                                 "a token": token, "the queue's address": redis})  # fmt: skip


@pytest.mark.parametrize("name", ["cookie", "authorization"])
def test_headers_that_carry_secrets_are_not_logged(app: Flask, client, caplog, name: str) -> None:
    caplog.set_level(logging.DEBUG)
    client.get("/nowhere", headers={name: "PLANTED-in-a-header"})
    assert "PLANTED" not in caplog.text
