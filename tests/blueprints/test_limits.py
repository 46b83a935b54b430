"""How often somebody may ask, how much may be sent, and what happens where nobody can count."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyotp
import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import func, select

from app import create_app
from extensions import db
from local_run.queue import command
from models import StockFile
from services.accounts import two_step, users
from tests.blueprints.pages import htmx
from tests.support.signed_in import FreshClient, sign_in

GOOD = "plum kettle orbit seven"
TOO_MANY = "Too many tries in a short time."


@pytest.fixture
def ann(app: Flask) -> int:
    return users.create_user("Ann", "owner", "test", password=GOOD)


@pytest.fixture
def stranger(app: Flask) -> FreshClient:
    return app.test_client()


def guess(
    browser: FreshClient, name: str = "Ann", password: str = "wrong wrong wrong", address: str = "203.0.113.9", **headers: str
) -> int:
    return browser.post(
        "/sign-in", data={"name": name, "password": password}, environ_overrides={"REMOTE_ADDR": address}, headers=headers
    ).status_code  # fmt: skip


class TestSignIn:
    def test_a_guesser_gets_five_tries_a_minute_at_one_name(self, stranger, ann):
        assert [guess(stranger) for _ in range(7)] == [422] * 5 + [429] * 2
        answer = stranger.post(
            "/sign-in", data={"name": "Ann", "password": GOOD}, environ_overrides={"REMOTE_ADDR": "203.0.113.9"}
        )
        assert answer.status_code == 429
        assert TOO_MANY in answer.text
        assert 0 < int(answer.headers["Retry-After"]) <= 60

    def test_its_owner_still_gets_in_from_elsewhere(self, stranger, ann):
        for _ in range(6):
            guess(stranger)
        assert guess(stranger, password=GOOD, address="198.51.100.7") == 303

    def test_one_address_gets_twenty_tries_a_minute_whatever_the_names(self, stranger, ann):
        assert [guess(stranger, f"name {number}") for number in range(21)] == [422] * 20 + [429]

    def test_all_addresses_together_get_a_hundred_tries_an_hour_at_one_name(self, stranger, ann):
        codes = [guess(stranger, name, address=f"203.0.113.{number}") for number in range(101) for name in ("Ann",)]
        assert codes == [422] * 100 + [429]

    def test_names_in_other_letters_are_the_same_name(self, stranger, ann):
        names = ("Ann", "ANN", " ann ", "aNN", "A\uff2eN", "Ann")
        assert [guess(stranger, name) for name in names][-1] == 429

    def test_a_neighbourhood_of_ipv6_is_one_address(self, stranger, ann):
        codes = [guess(stranger, f"n {number}", address=f"2001:db8:1:2::{number:x}") for number in range(21)]
        assert codes[-1] == 429
        assert guess(stranger, "other", address="2001:db8:1:3::1") == 422

    @pytest.mark.parametrize("form", ["::ffff:203.0.113.{}", "203.0.113.{}:5060", "[2001:db8:{}::1]:443"])
    def test_clients_are_recognised_however_their_address_is_written(self, stranger, ann, form):
        """A server that listens on IPv6 shows IPv4 clients inside it, and some proxies add the port: all of them were one client."""
        codes = [guess(stranger, f"n {number}", address=form.format(7)) for number in range(21)]
        assert codes[-1] == 429
        assert guess(stranger, "other", address=form.format(8)) == 422

    def test_a_header_that_claims_another_address_changes_nothing(self, stranger, ann):
        codes = [guess(stranger, f"n {number}", **{"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(21)]
        assert codes[-1] == 429

    def test_what_is_counted_holds_no_name(self, stranger, ann, redis_url):
        guess(stranger, "somebody's secret typed into the wrong field")
        with Redis.from_url(redis_url) as queue:
            kept = b" ".join(queue.keys("*"))
        assert b"LIMITS" in kept
        assert b"secret" not in kept

    def test_codes_of_the_second_step_are_not_guessed_either(self, stranger, ann):
        two_step.begin_setup(ann)
        seed = two_step.setup_seed(ann).replace(" ", "")
        two_step.confirm_setup(ann, pyotp.TOTP(seed).at(time.time() - 30))
        tries = []
        for _ in range(2):
            assert guess(stranger, password=GOOD) == 303
            tries += [stranger.post("/sign-in/code", data={"code": f"00000{number}"}).status_code for number in range(3)]
        assert tries == [422] * 5 + [429]

    @pytest.mark.parametrize("path", ["/first-run", "/set-password"])
    def test_one_time_codes_are_not_guessed_either(self, stranger, path):
        codes = [
            stranger.post(path, data={"code": f"{number:016}", "name": "M", "password": GOOD}).status_code for number in range(21)
        ]
        assert codes[-2] != 429
        assert codes[-1] == 429

    @pytest.mark.parametrize(
        ("path", "sent"), [("/account/password", {"current": "no", "password": GOOD}), ("/account/two-step", {"code": "1"})]
    )
    def test_nor_is_the_password_by_who_found_an_open_browser(self, client, path, sent):
        assert [client.post(path, data=sent).status_code for _ in range(6)][-1] == 429


class TestReading:
    @pytest.mark.config(requests_per_minute=10)
    def test_one_person_has_so_many_requests_a_minute_and_no_more(self, app, client):
        codes = [client.get("/settings").status_code for _ in range(11)]
        assert codes == [200] * 10 + [429]
        other = app.test_client()
        sign_in(other, "Ben", "viewer")
        assert other.get("/settings").status_code == 200
        assert client.get("/settings", headers=htmx("runs")).text.startswith('<div class="toast-note toast-danger"')

    @pytest.mark.config(requests_per_minute=10)
    def test_what_pages_are_made_of_is_free(self, client):
        assert {client.get("/assets/x/app.css").status_code for _ in range(20)} == {200}


class TestWithoutTheServerThatCounts:
    @pytest.fixture
    def app(self, config, tmp_path):
        made = create_app(replace(config, redis_url=f"unix://{tmp_path}/nowhere.sock"))
        made.config["WTF_CSRF_ENABLED"] = False
        made.test_client_class = FreshClient
        with made.app_context():
            yield made
            db.session.remove()
            db.engine.dispose()

    def test_nobody_gets_in(self, app, ann):
        before = time.monotonic()
        answer = app.test_client().post("/sign-in", data={"name": "Ann", "password": GOOD})
        assert answer.status_code == 503
        assert "You cannot sign in now" in answer.text
        assert time.monotonic() - before < 15

    @pytest.mark.parametrize("path", ["/first-run", "/set-password"])
    def test_nor_with_a_code(self, app, path):
        assert app.test_client().post(path, data={"code": "x", "name": "M", "password": GOOD}).status_code == 503

    def test_who_is_in_reads_on_and_quickly(self, app, ann):
        browser = app.test_client()
        sign_in(browser, "Ann")
        before = time.monotonic()
        assert {browser.get("/settings").status_code for _ in range(10)} == {200}
        assert time.monotonic() - before < 15

    @pytest.mark.config(requests_per_minute=10)
    def test_and_is_still_counted(self, app, ann):
        browser = app.test_client()
        sign_in(browser, "Ann")
        assert [browser.get("/settings").status_code for _ in range(12)][-1] == 429


class Counted(io.BytesIO):
    """What is sent, and how much of it was read."""

    read_so_far = 0

    def read(self, size: int | None = -1) -> bytes:
        return self._count(super().read(size))

    def read1(self, size: int | None = -1) -> bytes:
        return self._count(super().read1(size))

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        self.read_so_far += count
        return count

    def _count(self, content: bytes) -> bytes:
        self.read_so_far += len(content)
        return content


class TestSizes:
    def test_who_is_not_signed_in_may_send_little(self, stranger, ann):
        for path in ("/sign-in", "/set-password"):
            answer = stranger.post(path, data={"name": "x" * 70_000, "password": "y"})
            assert answer.status_code == 413, path
            assert "too large" in answer.text
            assert "Send at most 64 kB at a time." in answer.text

    @pytest.mark.parametrize("path", ["/stock/files", "/orders/tracking-numbers", "/sign-in"])
    def test_a_large_file_of_a_stranger_is_not_even_read(self, stranger, ann, path):
        sent = Counted(b"x" * 3_000_000)
        answer = stranger.post(path, input_stream=sent, content_type="multipart/form-data; boundary=x")
        assert answer.status_code == (413 if path == "/sign-in" else 303)
        assert sent.read_so_far <= 64 * 1024

    @pytest.mark.parametrize("role", ["viewer", "manager"])
    def test_a_file_of_quantities_may_be_larger_than_anything_else(self, app, role):
        browser = app.test_client()
        sign_in(browser, role, role)
        rows = b"sku,quantity\n" + b"".join(b"A-LONGER-STOCK-NUMBER-%06d,%d\n" % (row, row % 90) for row in range(100_000))
        assert len(rows) > 3_000_000
        answer = browser.post("/stock/files", data={"file": (io.BytesIO(rows), "stock.csv")})
        assert answer.status_code == (303 if role == "manager" else 403)
        assert db.session.scalar(select(func.count(StockFile.id))) == (1 if role == "manager" else 0)

    def test_it_has_a_limit_too_and_so_has_all_else(self, client):
        for path, size, status in (
            ("/stock/files", 16 * 1024 * 1024 + 1, 422), ("/stock/files", 18 * 1024 * 1024, 413),
            ("/stock/files/1/accept", 3_000_000, 413), ("/orders/tracking-numbers", 1024 * 1024 + 1, 422), ("/orders/tracking-numbers", 3_000_000, 413),
            ("/orders/selected", 3_000_000, 413),
        ):  # fmt: skip
            answer = client.post(path, data={"file": (io.BytesIO(b"x" * size), "x.csv")})
            assert answer.status_code == status, (path, size)
            assert " MB" in answer.text
        assert db.session.scalar(select(func.count(StockFile.id))) == 0

    def test_a_form_of_thousands_of_fields_is_refused(self, client):
        body = {f"field{number}": "1" for number in range(1200)}
        assert client.post("/account/zone", data=body, content_type="multipart/form-data").status_code == 413

    def test_a_single_field_may_not_fill_the_memory(self, client):
        answer = client.post("/account/zone", data={"zone": "x" * 600_000}, content_type="multipart/form-data")
        assert answer.status_code == 413


def test_the_embedded_queue_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Its socket and its folder; that it listens on no port, tests/house/test_make_run.py sees in a whole run."""
    words = command(tmp_path, f"unix://{tmp_path}/queue.sock")
    assert words[words.index("--unixsocketperm") + 1] == "700"
    assert words[words.index("--port") + 1] == "0"


def typed_otherwise(number: int) -> str:
    """One of many ways to enter the name Ann, or something long that begins with it."""
    blanks = (" ", "\u00a0", "\u3000", "\t")[number % 4]
    return (
        ("Ann", "ANN", "\uff21\uff4e\uff4e", "a" + "nn")[number % 4]
        + blanks * (number // 4)
        + ("" if number % 2 else blanks * 240)
    )


class TestOneNameForLimitAndSignIn:
    def test_no_spelling_of_a_name_gets_more_tries(self, stranger, ann):
        codes = [guess(stranger, name=typed_otherwise(number)) for number in range(12)]
        assert codes == [422] * 5 + [429] * 7

    def test_what_follows_a_name_is_part_of_it(self, app, ann):
        """A name with blanks and more behind it once signed in as its beginning, and counted as another name."""
        for number in range(4):
            name = "Ann" + " " * 240 + f"x{number}"
            assert users.check_password(name, GOOD) is None
            assert users.check_password(f"  aNN{' ' * 300}", GOOD) is not None

    @pytest.mark.parametrize("sent", ["json", "file"])
    def test_a_name_that_the_limits_do_not_see_signs_nobody_in(self, stranger, ann, sent):
        as_file = {"data": {"name": (io.BytesIO(b"Ann"), "Ann"), "password": GOOD}}
        given = {"json": {"name": "Ann", "password": GOOD}} if sent == "json" else as_file
        assert stranger.post("/sign-in", **given).status_code == 422


class TestAKnownBrowser:
    """A browser its user has signed in with before."""

    @pytest.fixture
    def known(self, app: Flask, ann: int) -> FreshClient:
        browser = app.test_client()
        assert guess(browser, password=GOOD) == 303
        browser.post("/sign-out")
        return browser

    def test_a_hundred_wrong_tries_from_elsewhere_do_not_lock_it_out(self, app, known):
        for number in range(110):
            guess(app.test_client(), address=f"203.0.113.{number}")
        assert guess(app.test_client(), password=GOOD, address="198.51.100.7") == 429
        assert guess(known, password=GOOD, address="198.51.100.7") == 303

    def test_nor_do_those_from_its_own_address(self, app, known):
        assert [guess(app.test_client()) for _ in range(30)][-1] == 429
        assert guess(known, password=GOOD) == 303

    def test_its_own_wrong_tries_are_counted(self, known):
        assert [guess(known) for _ in range(8)][-1] == 429

    @pytest.mark.parametrize("cookie", ["", "x", "0" * 64])
    def test_it_is_known_by_its_cookie_and_for_its_user_alone(self, app, known, cookie):
        users.create_user("Bob", "viewer", "test", password=GOOD)
        assert [guess(known, name="Bob") for _ in range(7)][-1] == 429
        other = app.test_client()
        other.set_cookie("cartlink-browser", cookie)
        assert [guess(other, address="192.0.2.1") for _ in range(7)][-1] == 429

    def test_its_second_step_is_not_locked_by_others(self, app, known, ann):
        two_step.begin_setup(ann)
        totp = pyotp.parse_uri(two_step.setup_uri(ann))
        two_step.confirm_setup(ann, totp.at(time.time() - 30))
        stranger = app.test_client()
        assert guess(stranger, password=GOOD, address="192.0.2.1") == 303
        assert [stranger.post("/sign-in/code", data={"code": "000000"}).status_code for _ in range(7)][-1] == 429
        assert guess(known, password=GOOD) == 303
        assert known.post("/sign-in/code", data={"code": totp.now()}).status_code == 303
