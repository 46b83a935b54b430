"""One row per verdict and generation: what a shop, a guard or a host answers over real HTTP, and what it counts as."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from channels.base import Credentials
from channels.session import ShopSession
from channels.xcart.addon.client import PRODUCTS, Addon
from channels.xcart.api.client import Api
from errors import ChannelError, ShopBroken
from tests.channels.scripted import KEY, QUICK, Exchange, ScriptedShop, connect

LIMITS = replace(QUICK, tries=1)
PROBLEM = "application/problem+json"
SQL = "An exception occurred while executing 'SELECT x0_.order_id FROM xlite_orders': SQLSTATE[HY000] [2002] Connection refused"
PHP_NOTICE = "<br />\n<b>Notice</b>:  Undefined index: foo in <b>/var/www/shop/var/run/x.php</b> on line <b>12</b><br />\n"
PLAIN_PHP_NOTICE = '\nWarning: Undefined array key "a[0]{b}" in /srv/shop/x.php on line 7\n'
ROWS = b'[{"id":1,"code":"N","position":10}]'

Answering = Callable[[Exchange], None]


def says(status: int, body: bytes | str = b"", kind: str = "text/html; charset=UTF-8", **headers: str) -> Answering:
    data = body.encode() if isinstance(body, str) else body
    return lambda exchange: exchange.answer(status, data, kind=kind, **headers)


def problem(status: int, detail: str) -> Answering:
    body = {"type": "https://tools.ietf.org/html/rfc2616#section-10", "title": "An error occurred", "detail": detail}
    return says(status, json.dumps(body), PROBLEM)


BLANK = {"type": "about:blank", "title": "Bad Request", "detail": "Blocked by a rule."}


def gateway(status: int) -> Answering:
    """A problem of another program than the shop's, whose title is always the same."""
    return says(status, json.dumps(BLANK), PROBLEM)


def titled(status: int, title: str, **headers: str) -> Answering:
    return says(
        status, f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>", **headers
    )


def moves(location: str, status: int = 302, **headers: str) -> Answering:
    return lambda exchange: exchange.answer(
        status, b"", kind="text/html", Location=location.replace("HERE", f"http://{exchange.headers['host']}"), **headers
    )


def verdict(generation: str, act: str, answering: Answering) -> tuple[str, str, Any]:
    """The code of the verdict, its sentence, and what was read. A write answers so while reads work."""

    def script(exchange: Exchange) -> None:
        if act != "read" and exchange.method == "GET":
            if generation == "addon":
                exchange.answer(200, ROWS)
            else:
                problem(404, "Not Found")(exchange)
        else:
            answering(exchange)

    with ScriptedShop(script) as server:
        session = ShopSession(server.url, limits=LIMITS, gate=lambda: None, secrets=[KEY])
        credentials = Credentials(server.url, "key-1", generation)
        try:
            if generation == "addon":
                addon = Addon(session, credentials)
                got: Any = addon.one(f"{PRODUCTS}/1") if act == "read" else addon.put(PRODUCTS, {"model": [{"product_id": 1}]})
            else:
                api = Api(session, credentials)
                got = api.one("/products/1") if act == "read" else api.put("/products/1", {"amount": 1})
        except ChannelError as exc:
            assert exc.advice or exc.code in ("refused", "gone"), f"{exc.code} says nothing to do"
            assert "SELECT" not in exc.message and "<" not in exc.message
            return exc.code, exc.message, exc
        finally:
            session.close()
    return ("data with a warning" if session.noise else "data"), session.noise, got


BOTH = [
    # What was asked, what came, the verdict. The same with both generations.
    ("read", says(200, b'{"amount": 5}', "application/json"), "data"),
    ("read", says(200, b'\xef\xbb\xbf\r\n {"amount": 5}\n', "application/json"), "data"),
    ("read", says(200, PHP_NOTICE + '{"amount": 5}'), "data with a warning"),
    ("read", says(200, PLAIN_PHP_NOTICE + '{"amount": 5}' + PLAIN_PHP_NOTICE), "data with a warning"),
    ("read", says(200, '{"amount": 5}\n<!-- Page cached by LiteSpeed Cache 6.1 on 2026-11-26 -->\n'), "data with a warning"),
    ("write", says(200, PHP_NOTICE + '{"amount": 5}'), "data with a warning"),
    ("read", says(200, '[26-Nov-2026 10:00:00 UTC] PHP Notice:  x in /a.php on line 3\n{"amount": 5}'), "data with a warning"),
    (
        "read",
        says(
            200,
            '{"amount": 5}\nFatal error: Uncaught Error: x in /a.php:3\nStack trace:\n#0 {main}\n  thrown in /a.php on line 3\n',
        ),
        "data with a warning",
    ),
    ("read", says(200, '{"amount": 5}\n// served from cache in 0.02 s\n'), "data with a warning"),
    ("read", says(200, 'callback({"amount": 5})'), "broken"),
    ("read", says(200, '<html><body>{"amount": 5}</body></html>'), "broken"),
    ("read", says(200, PHP_NOTICE), "php_messages"),
    ("read", says(200, '{"amount": ' + PHP_NOTICE + "5}"), "php_messages"),
    ("read", says(500, "<br /><b>Fatal error</b>:  Allowed memory size in /x.php on line 3"), "php_messages"),
    ("read", says(200, '<html><script>{"amount": 5}</script></html>'), "broken"),
    ("read", says(200, '{"amount": 5}{"amount": 6}'), "broken"),
    ("read", says(200, '{"amount": 5'), "broken"),
    ("read", says(200, b""), "broken"),
    ("read", titled(200, "Welcome to our site"), "broken"),
    ("read", titled(500, "Error"), "broken"),
    ("read", titled(502, "502 Bad Gateway"), "broken"),
    ("read", titled(521, "Web server is down"), "broken"),
    ("read", titled(429, "Too Many Requests"), "busy"),
    ("read", says(503, "", Retry_After="9"), "busy"),
    ("read", titled(408, "Request Time-out"), "busy"),
    ("read", titled(421, "Misdirected Request"), "busy"),
    ("read", titled(425, "Too Early"), "busy"),
    ("read", titled(508, "Resource Limit Is Reached"), "busy"),
    ("write", titled(408, "Request Time-out"), "busy"),
    ("read", titled(202, "Robot Challenge Screen"), "firewall"),
    ("read", says(202, '<meta http-equiv="refresh" content="0;/.well-known/sgcaptcha/?r=%2F">'), "firewall"),
    ("read", says(202), "firewall"),
    ("read", titled(200, "One moment, please..."), "firewall"),
    ("read", titled(403, "Just a moment..."), "firewall"),
    ("read", titled(503, "Just a moment..."), "firewall"),
    ("read", says(403, "", cf_mitigated="challenge"), "firewall"),
    ("read", titled(406, "Not Acceptable!"), "firewall"),
    ("read", titled(403, "Forbidden"), "firewall"),
    ("read", moves("HERE/.well-known/captcha/?u=1"), "firewall"),
    ("write", titled(202, "Robot Challenge Screen"), "firewall"),
    ("write", titled(403, "Just a moment..."), "firewall"),
    ("read", titled(200, "Account Suspended"), "suspended"),
    ("read", titled(403, "This account has been suspended"), "suspended"),
    ("read", titled(509, "Bandwidth Limit Exceeded"), "suspended"),
    ("read", moves("HERE/cgi-sys/suspendedpage.cgi?target=RESTAPI"), "suspended"),
    ("read", moves("https://suspended.host.example/"), "suspended"),
    ("write", titled(200, "Account Suspended"), "suspended"),
    ("read", titled(401, "Authorization Required", WWW_Authenticate='Basic realm="staging"'), "staging_password"),
    ("read", says(401, "", WWW_Authenticate='Basic realm="staging"'), "staging_password"),
    ("read", moves("https://team.cloudflareaccess.com/cdn-cgi/access/login"), "firewall"),
    ("write", says(401, "", WWW_Authenticate='Basic realm="staging"'), "staging_password"),
    ("read", titled(503, "Closed for maintenance"), "maintenance"),
    ("read", titled(200, "We are down for maintenance"), "maintenance"),
    ("read", titled(200, "Wartungsarbeiten"), "maintenance"),
    ("read", moves("HERE/maintenance.html"), "maintenance"),
    ("write", titled(200, "We are down for maintenance"), "maintenance"),
    ("read", titled(500, "Error establishing a database connection"), "database"),
    ("read", says(200, SQL), "database"),
    ("read", says(200, SQL, "application/json"), "database"),
    ("read", says(200, "<h1>" + SQL + "</h1>"), "database"),
    ("write", says(200, SQL), "database"),
    ("read", titled(200, "Making sure you&#39;re not a bot!"), "firewall"),
    ("read", titled(503, "Your access to this site has been limited"), "firewall"),
    ("read", says(200, b'{"message": "Access denied by Imunify360 bot-protection."}', "application/json"), "firewall"),
    ("write", says(200, b'{"message": "Access denied by Imunify360 bot-protection."}', "application/json"), "firewall"),
    ("read", says(200, "<title>One moment, please...</title>", "application/json"), "firewall"),
    ("read", says(200, "<title>Account Suspended</title>", "application/json"), "suspended"),
    ("read", says(200, "<title>Maintenance</title>", "application/json"), "maintenance"),
    ("write", says(403, "<h1>Forbidden</h1>", "application/json"), "method_blocked"),
    ("read", says(401, "<h1>Sign in</h1>", "application/json"), "staging_password"),
    ("write", titled(403, "Forbidden"), "method_blocked"),
    ("write", titled(404, "Not Found"), "method_blocked"),
    ("write", titled(405, "Method Not Allowed"), "method_blocked"),
    ("write", says(405), "method_blocked"),
    ("write", titled(501, "Not Implemented"), "method_blocked"),
    ("write", titled(200, "Welcome to our site"), "method_blocked"),
    # While reads work, a write that is sent away is blocked: the address is right, the API is on, and the key is accepted.
    ("write", says(401), "method_blocked"),
    ("write", says(401, b'{"error":"no"}', "application/json"), "method_blocked"),
    ("write", moves("HERE/"), "method_blocked"),
    ("write", moves("HERE/admin.php?target=login", 301), "method_blocked"),
    ("write", moves("HERE/?target=page_not_found"), "method_blocked"),
    ("write", moves("https://www.shop.example/new/"), "moved"),
    ("read", moves("https://www.shop.example/new/"), "moved"),
    ("read", moves("HERE/?target=page_not_found"), "not_xcart"),
    ("read", titled(404, "404 Not Found"), "not_xcart"),
    ("read", titled(400, "Bad Request"), "firewall"),
]

ADDON = [
    ("read", says(200, b"null", "application/json"), "data"),
    ("read", says(403), "wrong_key"),
    ("read", says(403, kind="application/octet-stream"), "firewall"),
    ("read", moves("HERE/admin.php?target=RESTAPI"), "wrong_key"),
    ("read", moves("HERE/admin.php?target=RESTAPI", Set_Cookie="xid=abc; path=/"), "wrong_key"),
    ("read", moves("http://www.shop.example/admin.php?target=RESTAPI"), "wrong_key"),
    ("write", says(403), "read_only_key"),
    ("write", moves("HERE/admin.php?target=RESTAPI"), "read_only_key"),
    ("write", moves("http://www.shop.example/admin.php?target=RESTAPI"), "read_only_key"),
    # The add-on refuses with 302 alone: other statuses, and no address at all, are a host's.
    ("read", moves("HERE/admin.php?target=RESTAPI", 301), "firewall"),
    ("write", moves("HERE/admin.php?target=RESTAPI", 308), "firewall"),
    ("write", moves(""), "method_blocked"),
    ("read", moves("admin.php?target=login"), "addon_missing"),
    ("read", says(404), "too_old"),
    ("read", says(400, b"[]", "application/json", X_REST_Error=SQL), "database"),
    ("write", says(400, b"[]", "application/json", X_REST_Error=SQL), "database"),
    ("write", says(400, b"", X_REST_Error="Input data is incorrect"), "body_changed"),
    ("write", says(400, b"", X_REST_Error="Product 7 must have a name"), "refused"),
    ("read", says(400, b"[]", "application/json", X_REST_Error="Something went wrong"), "broken"),
    ("write", says(404), "method_blocked"),
    ("read", says(401, b'{"message":"Please sign in"}', "application/json"), "not_xcart"),
]

API = [
    ("read", says(401, b'{"message":"Invalid credentials."}', "application/json"), "wrong_key"),
    (
        "read",
        says(401, b'{"code":401,"message":"JWT Token not found"}', "application/json", WWW_Authenticate="Bearer"),
        "wrong_key",
    ),
    ("read", says(200, PHP_NOTICE + '{"message":"Invalid credentials."}'), "wrong_key"),
    ("read", problem(200, "Access Denied."), "wrong_key"),
    ("read", problem(200, "Internal Server Error"), "broken"),
    ("read", problem(200, "Not Found"), "data"),
    ("write", problem(200, "Access Denied."), "read_only_key"),
    ("write", problem(200, "amount: This value should be positive."), "refused"),
    ("read", problem(403, "Access Denied."), "wrong_key"),
    ("write", problem(403, "Access Denied."), "read_only_key"),
    ("read", problem(404, "Not Found"), "data"),
    ("write", problem(404, "Not Found"), "gone"),
    ("read", says(404, b'{"title":"An error occurred","detail":"Not found"}', "application/json"), "too_old"),
    ("read", problem(500, "Internal Server Error"), "broken"),
    ("read", says(500), "broken"),
    ("read", problem(500, SQL), "database"),
    ("write", problem(400, SQL), "database"),
    ("write", problem(400, "The input data is misformatted."), "body_changed"),
    ("write", problem(400, "Syntax error"), "body_changed"),
    ("write", problem(415, 'The "Content-Type" header must exist.'), "body_changed"),
    ("write", problem(400, "amount: This value should be positive."), "refused"),
    ("read", problem(400, "Something went wrong"), "broken"),
    ("write", gateway(400), "broken"),
    ("write", gateway(403), "method_blocked"),
    ("write", gateway(404), "method_blocked"),
    ("read", gateway(403), "firewall"),
    ("read", gateway(404), "not_xcart"),
    ("write", problem(409, "Conflict"), "broken"),
    ("write", problem(422, "amount: wrong"), "broken"),
    ("write", says(401, b'{"code":401,"message":"JWT Token not found"}', "application/json"), "body_changed"),
    ("write", says(403), "method_blocked"),
    ("read", moves("HERE/api/products/1", Set_Cookie="humans_21909=1"), "firewall"),
    ("read", says(401, b'{"message":"Please sign in"}', "application/json"), "not_xcart"),
]

TABLE = [(generation, *row) for generation in ("addon", "api") for row in BOTH]
TABLE += [("addon", *row) for row in ADDON] + [("api", *row) for row in API]


@pytest.mark.parametrize(
    ("generation", "act", "answering", "code"), TABLE, ids=[f"{g}-{a}-{n}-{c}" for n, (g, a, _, c) in enumerate(TABLE)]
)
def test_one_verdict_for_each_answer(generation: str, act: str, answering: Answering, code: str):
    assert verdict(generation, act, answering)[0] == code


@pytest.mark.parametrize("generation", ["addon", "api"])
def test_what_is_read_between_noise_is_the_data(generation: str):
    for body in (
        b'\xef\xbb\xbf\n{"amount": 5}',
        (PHP_NOTICE * 3 + '{"amount": 5}').encode(),
        b'<!-- a --><!-- b -->{"amount": 5}<!-- c -->',
        '\ufeff{"amount": 5}'.encode("utf-16-le"),
        '\ufeff\n{"amount": 5}\r\n'.encode("utf-16-be"),
        '{"amount": 5}'.encode("utf-32"),
    ):
        assert verdict(generation, "read", says(200, body))[2] == {"amount": 5}


@pytest.mark.parametrize("generation", ["addon", "api"])
def test_the_warning_names_the_setting_and_the_error_what_was_found(generation: str):
    assert "display_errors" in verdict(generation, "read", says(200, PHP_NOTICE + '{"amount": 5}'))[1]
    assert "display_errors" in verdict(generation, "read", says(200, PHP_NOTICE))[2].advice
    assert "“Welcome to our site”" in verdict(generation, "read", titled(200, "Welcome to our site"))[1]
    assert "an empty answer" in verdict(generation, "read", says(200))[1]


@pytest.mark.parametrize("act", ["statuses", "ship"])
def test_empty_lists_for_everything_are_no_refusal(act: str):
    """The host answers ``[]`` in the shop's place: that passes, and no order is refused for it."""
    with ScriptedShop(lambda exchange: exchange.answer(200, b"[]")) as shop, pytest.raises(ShopBroken) as caught:
        channel = connect(shop, generation="addon", limits=LIMITS)
        if act == "ship":
            channel.put_shipment("1", status="S")
        else:
            channel.statuses()
    assert caught.value.retryable
