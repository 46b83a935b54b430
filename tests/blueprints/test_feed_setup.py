"""The steps that set up a feed, without JavaScript: what is typed is checked and kept, and no page contacts the supplier's server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.remote_files import HostKey
from extensions import db
from models import Draft, Feed, Supplier
from tests.blueprints.feed_walks import FILE, begin, give_columns, give_place, set_up
from tests.blueprints.pages import complaints, element, elements, form_data, toasts, words
from tests.blueprints.queues import work_off
from tests.support.remote_files import File, WebServer, login_page, quick, web_server
from tests.support.remote_sftp import SftpServer, key_pair, sftp_server


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        server.files["/stock.csv"] = File(FILE)
        yield server


def feeds() -> list[Feed]:
    db.session.rollback()
    return list(db.session.scalars(db.select(Feed)))


def test_a_feed_is_set_up_from_nothing(app, client, web):
    assert "There are no suppliers yet" in client.get("/suppliers").text
    feed_id = set_up(client, web.url())
    (feed,) = feeds()
    assert (feed.id, feed.name, feed.method, feed.address) == (feed_id, "Stock list", "https", web.url())
    assert feed.columns["columns"] == {"sku": "Article", "quantity": "Available"}
    assert (feed.interval_seconds, feed.approved_at, feed.enabled) == (3600, None, True)
    assert db.session.scalar(db.select(Draft)) is None
    page = client.get("/suppliers").text
    assert "ACME" in page and "Stock list" in page and "delivers within 2 days" in page
    assert ">SKU: Article; Quantity: Available<" in client.get(f"/suppliers/feeds/{feed_id}").text


def test_feeds_that_are_not_finished_are_named_with_their_suppliers(app, client):
    """Two links were called "a new feed"."""
    begin(client, "ACME")
    begin(client, "Tea Ltd")
    page = words(client.get("/suppliers").text)
    assert ">a new feed of ACME</a>" in page and ">a new feed of Tea Ltd</a>" in page


def test_the_file_is_fetched_by_a_worker_alone(app, client, web):
    step = begin(client)
    answer = client.post(step, data=form_data(client.get(step).text, "url", name="Stock list", url=web.url()))
    page = client.get(answer.location)
    assert "Waiting for a worker" in page.text and '<meta http-equiv="refresh"' in page.text
    assert not web.asked
    assert work_off("checks") == 1 and len(web.asked) == 1
    columns = client.get(client.get(answer.location).location)
    # The sample shows how the first rows would be read.
    assert "10+ → 10" in columns.text and 'value="Available" selected' in columns.text
    sample = client.post(
        columns.request.path,
        data={"column-sku": "Article", "column-quantity": "Price", "decimal": "."},
        headers={"HX-Request": "true", "HX-Target": "sample"},
    )
    assert "It is not clear how many these are." in sample.text and "<html" not in sample.text
    assert len(web.asked) == 1


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_is_kept(app, client, web):
    step = begin(client)
    page = client.get(step).text
    answer = client.post(step, data=form_data(page, "url", name="List", url="ftp://x", auth="bearer", secret="a-long-token-1234"))
    (sentence,) = complaints(answer.text)
    assert answer.status_code == 422 and sentence.startswith("That is not an address Cartlink can use.")
    assert element(answer.text, "input", id="url")["value"] == "ftp://x" and "a-long-token-1234" not in answer.text
    # The token need not be typed again: it is stored, and only its end is shown.
    assert "Saved, ends in 1234. Leave blank to keep it." in words(answer.text)
    web.sign_in = ("bearer", "a-long-token-1234")
    assert give_place(client, step, web.url(), name="List", auth="bearer").endswith("/columns")
    assert client.post("/suppliers/add", data={"name": "acme", "lead_days": "soon"}).status_code == 422


def test_a_failed_check_leads_back_with_its_reason(app, client, web):
    web.sign_in = ("bearer", "other")
    step = begin(client)
    assert give_place(client, step, web.url(), auth="bearer", secret="wrong").endswith("/file")
    page = client.get(step).text
    (sentence,) = [words(item.text) for item in elements(page, "p", id="secret-error")]
    assert "enter them again" in sentence and element(page, "input", id="url")["value"] == web.url()
    web.sign_in, web.files["/stock.csv"] = (), login_page()
    give_place(client, step, web.url(), auth="none")
    assert "Sign in" in words(element(client.get(step).text, "p", id="url-error").text)
    for status, advice in ((404, "Check the address"), (503, "less busy"), (500, "ask the people")):
        web.files["/stock.csv"] = File(status=status)
        give_place(client, step, web.url(), auth="none")
        said = words(element(client.get(step).text, "p", id="url-error").text)
        assert advice in said and "Cartlink" not in said, "nothing tries again before there is a feed"


@pytest.fixture
def sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SftpServer]:
    (tmp_path / "stock-1.csv").write_bytes(b"old")
    (tmp_path / "stock-2.csv").write_bytes(FILE)
    with sftp_server(tmp_path) as server:
        monkeypatch.setattr("services.onboarding.feed_check.file_limits", lambda: quick(server))
        yield server


def place_on(server: SftpServer, **answers: str) -> dict[str, str]:
    return {
        "method": "sftp", "host": f"127.0.0.1:{server.port}", "path": "/stock-*.csv", "user": server.user, "secret": server.password, **answers,
    }  # fmt: skip


def fingerprint_of(server: SftpServer) -> str:
    return HostKey.parse(server.confirmed).fingerprint


def test_the_host_key_of_an_sftp_server_is_compared_before_anything_is_sent(app, client, sftp):
    step = begin(client)
    answer = client.post(step, data=form_data(client.get(step).text, "host", name="List", **place_on(sftp)))
    assert answer.status_code == 303 and work_off("checks") == 1
    page = client.get(answer.location)
    fingerprint = fingerprint_of(sftp)
    assert page.status_code == 200 and fingerprint in page.text and sftp.tried == 0
    to = step.replace("/file", "/host-key")
    assert client.post(to, data={"fingerprint": "SHA256:another"}).status_code == 409
    client.post(to, data={"fingerprint": fingerprint})
    assert work_off("checks") == 1 and sftp.signed_in == 1
    step = give_columns(client, client.get(answer.location).location)
    client.post(step, data=form_data(client.get(step).text, "priority"))
    (feed,) = feeds()
    assert (feed.method, feed.auth, feed.user, feed.host_key) == ("sftp", "password", "cartlink", sftp.confirmed)
    assert fingerprint in client.get(f"/suppliers/feeds/{feed.id}").text


def test_a_private_key_is_kept_and_never_shown(app, client, sftp):
    private, public = key_pair()
    sftp.keys, sftp.password = [public], ""
    step = begin(client)
    data = form_data(
        client.get(step).text, "host", name="List", **place_on(sftp, sftp_auth="key", secret="", private_key="nonsense")
    )
    page = client.post(step, data=data)
    assert page.status_code == 422 and "Paste the whole file" in words(element(page.text, "p", id="private_key-error").text)
    client.post(step, data={**data, "private_key": private})
    work_off("checks")
    client.post(step.replace("/file", "/host-key"), data={"fingerprint": fingerprint_of(sftp)})
    work_off("checks")
    assert client.get(step.replace("/file", "/check")).location.endswith("/columns")
    page = client.get(step).text
    assert private.splitlines()[1] not in page and "Saved. Leave blank to keep it." in words(page)


def test_columns_and_rules_are_checked(app, client, web):
    step = give_place(client, begin(client), web.url())
    page = client.get(step).text
    wrong = client.post(step, data=form_data(page, "column-sku", act="save", **{"column-quantity": "Article"}))
    assert wrong.status_code == 422 and "is chosen twice" in wrong.text
    assert client.get(step.replace("columns", "rules")).location.endswith("/columns")
    rules = give_columns(client, step)
    page = client.get(rules).text
    for field, typed, sentence in (
        ("priority", "first", "Enter a whole number from 1 to 1,000."), ("quiet_from", "22:00", "Quiet hours need a beginning and an end."),
        ("times", "", "Enter at least one time of day."), ("times", "six", "is not a time of day"),
    ):  # fmt: skip
        schedule = "times" if field == "times" else "interval"
        answer = client.post(rules, data=form_data(page, "priority", **{"schedule": schedule, field: typed}))
        assert answer.status_code == 422 and any(sentence in said for said in complaints(answer.text)), (
            field,
            complaints(answer.text),
        )
        assert f'value="{typed}"'.replace("'", "&#39;") in answer.text
    assert feeds() == []
    answer = client.post(rules, data=form_data(page, "priority", schedule="times", times="18:30, 6:05", zone="Europe/Berlin"))
    (feed,) = feeds()
    assert (feed.times, feed.zone, feed.interval_seconds) == (["06:05", "18:30"], "Europe/Berlin", None)


def test_a_set_up_can_be_left_and_continued(app, client, web):
    step = begin(client)
    give_place(client, step, web.url())
    assert f'href="{step}"' in client.get("/suppliers").text
    client.post(step.replace("/file", "/cancel"))
    assert client.get(step).location == "/suppliers"
    assert toasts(client.get("/suppliers").text)[-1].startswith("That set-up has ended")
    assert feeds() == [] and db.session.scalar(db.select(Supplier.name)) == "ACME"


def test_where_the_file_is_can_be_changed_and_its_secret_stays_with_its_server(app, client, web):
    token = "a-long-token-1234"
    web.sign_in = ("bearer", token)
    step = give_columns(client, give_place(client, begin(client), web.url(), auth="bearer", secret=token))
    client.post(step, data=form_data(client.get(step).text, "priority"))
    work_off("checks")
    (feed,) = feeds()
    page = client.get(f"/suppliers/feeds/{feed.id}").text
    assert "saved, ends in 1234" in words(page) and token not in page
    change = client.post(f"/suppliers/feeds/{feed.id}/change", data={"part": "file"}).location
    assert element(client.get(change).text, "input", id="url")["value"] == web.url()
    # Another server gets the password only from the person who knows it.
    answer = client.post(change, data=form_data(client.get(change).text, "url", url="https://elsewhere.example/stock.csv"))
    assert answer.status_code == 422 and complaints(answer.text) == ["Enter the password, key or token."]
    step = give_columns(client, give_place(client, change, web.url(), name="Daily"))
    client.post(step, data=form_data(client.get(step).text, "priority"))
    (feed,) = feeds()
    work_off("checks")
    assert (feed.name, feed.secret_last4, feed.address) == ("Daily", "1234", web.url())
    # For other columns, the sample is fetched at once.
    check = client.post(f"/suppliers/feeds/{feed.id}/change", data={"part": "columns"}).location
    assert work_off("checks") == 1 and client.get(check).location.endswith("/columns")
