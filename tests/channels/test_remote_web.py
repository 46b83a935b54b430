"""Files over https: signing in, what is unchanged, and every way in which a server fails."""

from __future__ import annotations

import io
import logging
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from channels.guard import Resolver
from channels.remote_files import Fetched, Place, RemoteFileError, Unchanged, failures, fetch, put
from errors import InvalidInput, StopRequested
from tests.support.remote_files import LOGIN_PAGE, File, WebServer, bomb, login_page, quick, redirect, web_server

TABLE = b"sku,qty\nCUP,5\n"
SECRET = "s3cr&t/Wört+x y"
SIGN_INS = {
    "basic": ({"auth": "basic", "user": "anna", "secret": SECRET}, ("basic", "anna", SECRET)),
    "bearer": ({"auth": "bearer", "secret": "tok3n-with-s1gns"}, ("bearer", "tok3n-with-s1gns")),
    "header": (
        {"auth": "header", "parameter": "X-Api-Key", "secret": "k3y-in-a-header"},
        ("header", "X-Api-Key", "k3y-in-a-header"),
    ),
    "query": ({"auth": "query", "parameter": "key", "secret": SECRET}, ("query", "key", SECRET)),
}


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as running:
        running.files["/stock.csv"] = File(TABLE, etag='"1"', last_modified="Fri, 27 Nov 2026 06:00:00 GMT")
        yield running


def resolving(*addresses: str) -> Resolver:
    return lambda host, port: addresses


def failed(web: WebServer, place: Place | None = None, **limits: object) -> RemoteFileError:
    with pytest.raises(RemoteFileError) as caught:
        fetch(place or web.place(), None, quick(web, **limits))
    return caught.value


def test_a_file_comes_whole_over_https_and_the_next_time_it_is_unchanged(trusted: ssl.SSLContext):
    with web_server(trusted) as web:
        web.files["/stock.csv"] = File(TABLE, etag='"1"', last_modified="Fri, 27 Nov 2026 06:00:00 GMT")
        with fetch(web.place(), None, quick(web)) as got:
            assert isinstance(got, Fetched) and got.content.read() == TABLE
            assert (got.name, got.size, str(got.modified)) == ("stock.csv", len(TABLE), "2026-11-27 06:00:00+00:00")
        assert fetch(web.place(), got.seen, quick(web)) == Unchanged(got.seen)
        assert web.asked[-1].headers["if-modified-since"] == "Fri, 27 Nov 2026 06:00:00 GMT"
        for file in (File(TABLE, etag='"1"'), File(TABLE, last_modified=got.seen.last_modified)):
            web.files["/stock.csv"] = file
            kept = replace(got.seen, etag=file.etag, last_modified=file.last_modified)
            assert fetch(web.place(), kept, quick(web)) == Unchanged(kept)
        web.files["/stock.csv"] = File(TABLE + b"PLATE,1\n", etag='"2"')
        with fetch(web.place(), got.seen, quick(web)) as other:
            assert other.size > got.size and other.seen.etag == '"2"' and other.modified is None


def test_a_certificate_that_nobody_trusts_ends_it_before_anything_is_sent(self_signed: ssl.SSLContext):
    with web_server(self_signed) as web:
        place = web.place(**SIGN_INS["basic"][0])
        assert isinstance(failed(web, place), failures.PlaceUntrusted) and web.asked == []


class TestSignIn:
    @pytest.mark.parametrize("kind", SIGN_INS)
    def test_each_kind_gets_the_file_and_a_wrong_secret_does_not(self, web, kind):
        given, web.sign_in = SIGN_INS[kind]
        with fetch(web.place("/stock.csv?shop=7", **given), None, quick(web)) as got:
            assert got.content.read() == TABLE and web.asked[-1].query["shop"] == ["7"]
        wrong = failed(web, web.place(**{**given, "secret": "wrong-one"}))
        assert isinstance(wrong, failures.SignInRefused) and not wrong.retryable and "again" in wrong.advice
        none = failed(web)
        assert isinstance(none, failures.SignInRefused) and "wants a sign-in" in none.message

    def test_a_firewall_that_wants_a_browser_is_no_wrong_password(self, web):
        web.files["/stock.csv"] = File(b"<html><title>Just a moment...</title>", status=403)
        assert "firewall" in failed(web).message.lower()

    @pytest.mark.parametrize("kind", SIGN_INS)
    def test_no_secret_is_in_an_error_a_log_or_a_text_of_the_place(self, web, kind, caplog):
        given, _ = SIGN_INS[kind]
        secret = given["secret"]
        place = web.place("/secret-folder/stock.csv?customer=hidden-token", **given)
        caplog.set_level(logging.DEBUG)
        page = f"<html><title>No entry for {secret} hidden-token</title></html>".encode()
        answers = [
            File(page), File(page, status=401), File(page, status=500), File(TABLE, fault="truncated"), File(TABLE, fault="cut"),
            redirect(f"https://else.example/?key={secret}"), redirect(f"https://{kind}:{secret}@127.0.0.1/"), File(status=404),
        ]  # fmt: skip
        said = [repr(place), str(place)]
        for answer in answers:
            web.files["/secret-folder/stock.csv"] = answer
            trouble: BaseException | None = failed(web, place)
            while trouble is not None:
                said.append(f"{trouble!r} {trouble} {getattr(trouble, 'advice', '')}")
                trouble = trouble.__cause__ or trouble.__context__
        said += [record.getMessage() for record in caplog.records if "127.0.0.1" in record.getMessage()]
        assert len(said) > 2 * len(answers)
        for text in said:
            assert secret not in text and "hidden-token" not in text and "s3cr" not in text, text

    def test_the_secret_goes_to_no_other_server(self, web):
        with web_server() as other:
            other.files["/stock.csv"] = File(TABLE)
            for given, _ in SIGN_INS.values():
                web.files["/stock.csv"] = redirect(other.url())
                trouble = failed(web, web.place(**given), allow_private=("all",))
                assert isinstance(trouble, failures.PlaceMoved) and not trouble.retryable
            assert other.asked == []


class TestRedirects:
    @pytest.mark.parametrize("kind", SIGN_INS)
    def test_one_on_the_same_server_is_followed_with_the_sign_in(self, web, kind):
        given, web.sign_in = SIGN_INS[kind]
        web.files["/new/stock.csv"] = web.files["/stock.csv"]
        web.files["/stock.csv"] = redirect("/new/stock.csv#top")
        with fetch(web.place(**given), None, quick(web)) as got:
            assert got.content.read() == TABLE
        assert [each.path for each in web.asked] == ["/stock.csv", "/new/stock.csv"]

    @pytest.mark.parametrize(
        "to",
        ["https://127.0.0.1:{port}/stock.csv", "http://localhost:{port}/stock.csv", "http://127.0.0.1:1/stock.csv", "//evil.example/x",
         "ftp://127.0.0.1/x", "http://a:b@127.0.0.1:{port}/x", "http://[/", "file:///etc/passwd"],
    )  # fmt: skip
    def test_no_other_is(self, web, to):
        web.files["/stock.csv"] = redirect(to.format(port=web.port))
        assert isinstance(failed(web), failures.PlaceMoved) and len(web.asked) == 1

    def test_three_are_followed_and_no_more(self, web):
        for number in range(4):
            web.files[f"/{number}"] = redirect(f"/{number + 1}")
        web.files["/4"] = File(TABLE)
        fetch(web.place("/1"), None, quick(web)).close()
        trouble = failed(web, web.place("/0"))
        assert isinstance(trouble, failures.PlaceMoved) and "more than 3 times" in trouble.message


class TestAddresses:
    @pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"])
    def test_a_name_that_leads_inside_is_refused_before_a_connection(self, web, inside):
        place = Place("https", f"https://feeds.example.com:{web.port}/stock.csv")
        with pytest.raises(failures.PlaceRefused) as caught:
            fetch(place, None, quick(), resolver=resolving("93.184.216.34", inside))
        assert "not on the public internet" in caught.value.message and not caught.value.retryable and web.asked == []

    def test_a_place_whose_permission_was_taken_back_is_refused(self, web):
        with pytest.raises(failures.PlaceRefused):
            fetch(web.place(), None, quick())
        with pytest.raises(failures.PlaceRefused) as caught:
            fetch(Place("https", "http://feeds.example.com/stock.csv"), None, quick(allow_private=("all",)))
        assert "https://" in caught.value.message

    def test_a_server_that_is_not_there_is_tried_again(self, web):
        gone = web.place()
        web_port = web.port
        with web_server() as other:
            other_port = other.port
        place = replace(gone, address=f"http://127.0.0.1:{other_port}/x")
        assert other_port != web_port
        with pytest.raises(failures.PlaceUnreachable) as caught:
            fetch(place, None, quick(allow_private=("all",)))
        assert caught.value.retryable


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "kind", "passes"),
        [(403, failures.SignInRefused, False), (404, failures.NoFile, True), (410, failures.NoFile, True), (429, failures.PlaceBusy, True),
         (503, failures.PlaceBusy, True), (500, failures.PlaceBroken, True), (502, failures.PlaceBroken, True),
         (400, failures.PlaceAnswered, False), (302, failures.PlaceAnswered, False), (204, failures.FileEmpty, True),
         (206, failures.PlaceAnswered, False), (304, failures.PlaceAnswered, False)],
    )  # fmt: skip
    def test_each_status_says_what_to_do(self, web, status, kind, passes):
        web.files["/stock.csv"] = File(b"", status=status, headers={"Retry-After": "90"})
        trouble = failed(web)
        assert type(trouble) is kind and trouble.retryable is passes and trouble.advice and "127.0.0.1" in trouble.message
        assert getattr(trouble, "retry_after", 90.0) == 90.0

    @pytest.mark.parametrize(
        "page",
        [LOGIN_PAGE, b"\xef\xbb\xbf \n<html lang=en>", b"<!-- " + b"x" * 900 + b" --><HTML>", b"<?xml version='1.0'?><!DOCTYPE html>", b"<br>hello<form action=x>"],
    )  # fmt: skip
    @pytest.mark.parametrize("kind", ["text/html", "text/csv"])
    def test_a_page_where_a_table_was_expected_is_recognised(self, web, page, kind):
        web.files["/stock.csv"] = File(page, headers={"Content-Type": kind})
        trouble = failed(web)
        assert isinstance(trouble, failures.PageInstead) and not trouble.retryable and "private window" in trouble.advice

    def test_its_title_is_quoted_and_maintenance_has_other_advice(self, web):
        web.files["/stock.csv"] = login_page()
        assert "“Sign in”" in failed(web).message
        web.files["/stock.csv"] = File(b"<html><title>Down for maintenance</title>")
        assert "later" in failed(web).advice

    @pytest.mark.parametrize("body", [TABLE, b"<5,>5\nA,1\n", b"name,html\nCup,<b>x</b> <form>\n"])
    def test_a_table_is_one_whatever_type_it_is_sent_under(self, web, body):
        web.files["/stock.csv"] = File(body, headers={"Content-Type": "text/html"})
        with fetch(web.place(), None, quick(web)) as got:
            assert got.content.read() == body

    @pytest.mark.parametrize("body", [b"", b"\xef\xbb\xbf\r\n \r\n", b"\0\0\0"])
    def test_an_empty_file_is_none(self, web, body):
        web.files["/stock.csv"] = File(body)
        assert isinstance(failed(web), failures.FileEmpty)

    @pytest.mark.parametrize("fault", ["truncated", "cut"])
    @pytest.mark.parametrize("packed", [False, True])
    def test_a_file_that_does_not_come_to_its_end_is_not_used(self, web, fault, packed):
        web.files["/stock.csv"] = File(TABLE * 5000, fault=fault, packed=packed)
        trouble = failed(web)
        assert isinstance(trouble, failures.FileCut) and trouble.retryable

    def test_a_coding_that_nobody_asked_for_is_refused(self, web):
        web.files["/stock.csv"] = File(TABLE, headers={"Content-Encoding": "br"})
        assert isinstance(failed(web), failures.PlaceBroken)

    @pytest.mark.parametrize(
        ("path", "header", "name"),
        [("/a%20b.csv", "", "a b.csv"), ("/get.php?id=3", "", "get.php"), ("/", "", "file"),
         ("/x", 'attachment; filename="Stock Münz.csv"', "Stock Münz.csv"), ("/x", "attachment; filename=../../etc/passwd", "passwd"),
         ("/x", "attachment; filename*=UTF-8''L%C3%A4ger.xlsx", "Läger.xlsx"), ("/x", 'attachment; filename="a\x01<b>.csv"', "a_b_.csv")],
    )  # fmt: skip
    def test_the_name_is_the_servers_or_the_end_of_the_address(self, web, path, header, name):
        web.files[path.partition("?")[0]] = File(
            TABLE, headers={"Content-Disposition": header.encode().decode("latin-1")} if header else {}
        )
        with fetch(web.place(path), None, quick(web)) as got:
            assert got.name == name

    def test_an_etag_that_could_not_be_sent_again_is_not_kept(self, web):
        web.files["/stock.csv"] = File(TABLE, etag='"x" y')
        with fetch(web.place(), None, quick(web)) as got:
            assert got.seen.etag == ""


class TestCaps:
    def test_a_server_that_stops_in_the_middle_is_left_after_a_while(self, web):
        web.files["/stock.csv"] = File(TABLE * 100, fault="stall")
        trouble = failed(web, stall_seconds=0.3)
        assert isinstance(trouble, failures.PlaceTimeout) and trouble.retryable and "nothing came" in trouble.message

    def test_a_server_that_never_stops_is_left_at_the_end_of_the_time(self, web):
        web.files["/stock.csv"] = File(TABLE * 100, fault="drip")
        began = time.monotonic()
        assert isinstance(failed(web, total_seconds=0.5), failures.PlaceTimeout)
        assert time.monotonic() - began < 20

    @pytest.mark.parametrize("fault", ["", "cut"])
    def test_a_file_that_is_too_large_is_not_taken(self, web, fault):
        web.files["/stock.csv"] = File(bytes(300_000), fault=fault)
        assert isinstance(failed(web, max_bytes=100_000), failures.FileTooLarge)

    @pytest.mark.parametrize("coded", [True, False])
    def test_a_bomb_is_put_out(self, web, coded):
        web.files["/stock.csv"] = File(bomb(), headers={"Content-Encoding": "gzip"} if coded else {})
        began = time.monotonic()
        trouble = failed(web, max_unpacked=1024 * 1024)
        assert isinstance(trouble, failures.FileTooLarge) and "1 MB" in trouble.message and time.monotonic() - began < 20

    def test_a_stop_ends_it_before_a_request_and_in_the_middle(self, web):
        def stop() -> None:
            raise StopRequested("Stopped.")

        with pytest.raises(StopRequested):
            fetch(web.place(), None, quick(web), gate=stop)
        assert web.asked == []
        web.files["/stock.csv"] = File(TABLE * 100, fault="drip")
        calls = iter([None, None])

        def stop_later() -> None:
            if next(calls, "stop") == "stop":
                raise StopRequested("Stopped.")

        with pytest.raises(StopRequested):
            fetch(web.place(), None, quick(web), gate=stop_later)


class TestPut:
    def test_what_is_put_in_a_folder_replaces_nothing(self, web):
        place = web.place("/in/?shop=7")
        assert not put(place, "orders 1.csv", io.BytesIO(TABLE), quick(web)).already
        assert web.put == {"/in/orders%201.csv": TABLE} and web.asked[-1].query == {"shop": ["7"]}
        assert put(place, "orders 1.csv", io.BytesIO(TABLE), quick(web)).already
        with pytest.raises(failures.PutNameTaken) as caught:
            put(place, "orders 1.csv", io.BytesIO(b"other"), quick(web))
        assert not caught.value.retryable and web.put == {"/in/orders%201.csv": TABLE}

    def test_an_address_that_is_no_folder_is_the_file_itself(self, web):
        for body in (TABLE, b"newer"):
            assert put(web.place("/api/orders"), "ignored.csv", io.BytesIO(body), quick(web)).name == "orders"
        assert web.put == {"/api/orders": b"newer"}

    @pytest.mark.parametrize("kind", SIGN_INS)
    def test_it_signs_in(self, web, kind):
        given, web.sign_in = SIGN_INS[kind]
        put(web.place("/in/", **given), "a.csv", io.BytesIO(TABLE), quick(web))
        with pytest.raises(failures.SignInRefused):
            put(web.place("/in/", **{**given, "secret": "wrong-one"}), "b.csv", io.BytesIO(TABLE), quick(web))
        assert list(web.put) == ["/in/a.csv"]

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(403, failures.SignInRefused), (405, failures.PutRefused), (404, failures.PutRefused), (413, failures.FileTooLarge),
         (500, failures.PlaceBroken), (503, failures.PlaceBusy), (307, failures.PlaceMoved), (507, failures.PutRefused)],
    )  # fmt: skip
    def test_each_refusal_says_what_to_do(self, web, status, kind):
        web.put_status = status
        with pytest.raises(RemoteFileError) as caught:
            put(web.place("/in/"), "a.csv", io.BytesIO(TABLE), quick(web))
        assert type(caught.value) is kind and caught.value.advice

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\nb", "/etc/x"])
    def test_a_name_stays_in_its_folder(self, web, name):
        with pytest.raises(InvalidInput):
            put(web.place("/in/"), name, io.BytesIO(TABLE), quick(web))
        assert web.asked == []

    def test_a_file_that_is_too_large_is_not_sent(self, web):
        with pytest.raises(failures.FileTooLarge):
            put(web.place("/in/"), "a", io.BytesIO(TABLE), quick(web, max_bytes=5))
        assert web.asked == []
