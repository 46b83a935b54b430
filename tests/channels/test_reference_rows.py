"""Every row of the tables that say how X-Cart answers, over real HTTP: what an answer means to the check, to a read and to a write.

Here each row's answer is sent as the shop sends it. Rows that are about a state or a sequence are tested where that is at home:

======================================================== ==============================================================
row                                                      test
======================================================== ==============================================================
what people paste; sub-folder; renamed admin script      test_check.py TestNormalise, test_a_renamed_admin_script…
api: 200 list; addon: 200 list                           test_check.py TestBothGenerations, TestGood
api: 500 JSON for the first order, key good              test_check.py test_a_first_order_at_fault_and_an_empty_shop
wrong key or read-only key; the probes change nothing    test_check.py test_wrong_and_read_only_keys, test_nothing_in_the…
refused at a foreign host (5.4)                          test_check.py test_another_host_name
every request redirected (http→https, www)               below, TestAnotherPlaceInFront
shop rebuilding, database or PHP down                    test_check.py test_maintenance, test_a_shop_that_is_down,
                                                         test_states_of_the_shop
key in query or header only, verbs, cookies, JSON type   test_addon_orders.py test_asks_with…, test_api_orders.py
                                                         test_the_key_goes_in_the_header_only, test_session.py
                                                         test_knows_no_other_verb, test_the_session_cookie_goes_back…
key that no header can hold                              test_api_orders.py test_a_key_no_header_can_hold_is_not_sent
5.4: status renamed by an unknown code; repeats of a     test_shipment.py test_a_status_the_shop_does_not_have…,
tracking number; PUT that does nothing and answers 200   test_a_second_time_sends_nothing, test_a_write_that_does_nothing…
5.4: amounts twisted with a 200; rows dropped            test_addon_stock.py test_a_quantity_the_shop_would_twist…,
                                                         test_rows_the_shop_drops_without_a_word_are_named
5.4: one order without a customer breaks its page        test_addon_orders.py test_one_bad_order_costs_its_page_halves…
5.4: unknown conditions and limits ignored; no order     test_addon_orders.py test_a_start_date_that_the_shop_ignores…,
                                                         test_a_shop_that_ignores_the_limit…, …the_order_is_too_old
5.4: updateDate filters or is ignored                    test_addon_orders.py test_the_same_with_a_shop_that_filters…
5.5: pages clamped, 0 or text, trailing slash            test_api_orders.py test_pages_fit_any_stretch,
                                                         test_a_path_without_its_id_is_never_built
5.5: dates ignored; lastRenewDate ignored or not         test_api_orders.py test_only_those_placed_since…, test_all_that…
5.5: lines without product, products without SKU         test_api_orders.py test_one_is_reported_by_its_id…,
                                                         test_api_acts.py test_a_product_without_sku_breaks_its_page…
5.5: a status PUT saved and answered 500                 test_api_acts.py test_a_500_after_saving_is_a_success
5.5: two orders of one number; numbers with a dash       test_api_orders.py test_two_orders_with_one_number,
                                                         test_a_number_the_shops_path_does_not_take
5.5: no way to add tracking numbers                      test_api_acts.py test_the_status_arrives_and_the_number…
5.5: amounts refused or twisted; variants module off     test_api_acts.py test_a_quantity_the_shop_would_twist_or_refuse…,
                                                         test_without_the_variants_module…
how the practice shop does each                          tests/practice_shop/test_replay.py, test_replay_api.py
======================================================== ==============================================================

Rows about answers that Cartlink never asks for (XML, JSONP, HEAD, conditional requests, POST and DELETE of entities, JWT sign-in,
an address asked without a key) have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from channels.base import Credentials, Limits
from channels.results import StockChange
from channels.xcart.channel import XCart
from errors import ChannelError, KeyRejected, ShopMoved
from practice_shop import PracticeShop
from tests.channels.scripted import HOME, Exchange, ScriptedShop, connect

ONCE = Limits(connect_timeout=2.0, read_timeout=5.0, total_timeout=8.0, tries=1, backoff=0.01, allow_private=HOME)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PAGE = b"<html><h1>Page</h1></html>"
JSON = "application/json; charset=utf-8"
PROBLEM_JSON = "application/problem+json; charset=utf-8"


@dataclass(frozen=True)
class Answered:
    """One row: the answer, and the codes of what it means to the check, to a read of an order and to a write of a quantity: ""
    for no error, ``row`` where the quantity's own result says that it was refused."""

    row: str
    status: int
    body: bytes = b""
    kind: str = "text/html; charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
    check: str = ""
    read: str = ""
    write: str = ""


def problem(detail: str) -> bytes:
    return (
        b'{"type":"https://tools.ietf.org/html/rfc2616#section-10","title":"An error occurred","detail":"'
        + detail.encode()
        + b'"}'
    )


ADDON = (
    Answered("403, empty: wrong key", 403, check="wrong_key", read="wrong_key", write="wrong_key"),
    Answered("404, empty: the path cannot be resolved", 404, check="too_old", read="too_old", write="too_old"),
    Answered("302 to target=login, relative: add-on off", 302, headers={"Location": "admin.php?target=login"},
             check="addon_missing", read="addon_missing", write="addon_missing"),
    Answered("302 to target=login, absolute", 302, headers={"Location": "{shop}/admin.php?target=login"},
             check="addon_missing", read="addon_missing", write="addon_missing"),
    Answered("301 to https that keeps only target", 301, headers={"Location": "https://{host}/admin.php?target=RESTAPI"},
             check="not_xcart", read="moved", write="moved"),
    Answered("302 to another host that keeps only target", 302, headers={"Location": "http://www.shop.example/admin.php?target=RESTAPI"},
             check="wrong_key", read="wrong_key", write="wrong_key"),
    Answered("302 to the same target, an endless loop: refused at this host", 302, headers={"Location": "{shop}/admin.php?target=RESTAPI"},
             check="wrong_key", read="wrong_key", write="wrong_key"),
    Answered("503 with a page: being rebuilt, or not installed", 503, b"<h1>Closed for maintenance</h1>",
             check="maintenance", read="maintenance", write="maintenance"),
    Answered("404 with a page: no admin script here", 404, PAGE, check="not_xcart", read="not_xcart", write="not_xcart"),
    Answered("200 with a page: another site, or X-Cart 4", 200, PAGE, check="not_xcart", read="broken", write="broken"),
    Answered("401: the add-on never answers so", 401, b'{"error":"x"}', JSON, check="not_xcart", read="not_xcart", write="not_xcart"),
    Answered("400 with X-REST-Error", 400, headers={"X_REST_Error": "Input data is incorrect"},
             check="broken", read="broken", write="body_changed"),
    Answered("400, [] and the cause in X-REST-Error: bad order field", 400, b"[]", JSON, {"X_REST_Error": "Unknown column"},
             check="broken", read="broken", write="row"),
    Answered("500 with a page: bad schema, scalar rows, database down", 500, PAGE, check="broken", read="broken", write="broken"),
    Answered("502 with a page: PHP down", 502, PAGE, check="broken", read="broken", write="broken"),
    Answered("403 with a page: a firewall", 403, PAGE, check="firewall", read="firewall", write="firewall"),
    Answered("200, null: no such row", 200, b"null", JSON, check="not_xcart", read="", write="row"),
)  # fmt: skip

API = (
    Answered("401 JWT Token not found: no key", 401, b'{"code":401,"message":"JWT Token not found"}', JSON,
             {"WWW_Authenticate": "Bearer"}, check="wrong_key", read="wrong_key", write="wrong_key"),
    Answered("401 Invalid credentials: wrong key", 401, b'{"message":"Invalid credentials."}', JSON,
             check="wrong_key", read="wrong_key", write="wrong_key"),
    Answered("403 problem: read key on a write", 403, problem("Access Denied."), PROBLEM_JSON,
             check="wrong_key", read="wrong_key", write="read_only_key"),
    Answered("404 problem: no such item", 404, problem("Not Found"), PROBLEM_JSON, check="not_xcart", read="", write="row"),
    Answered("404 JSON: no such path or verb", 404, b'{"title":"An error occurred","detail":"Not found"}', JSON,
             check="too_old", read="too_old", write="too_old"),
    Answered("400 problem: a wrong value", 400, problem("The input data is misformatted."), PROBLEM_JSON,
             check="broken", read="broken", write="body_changed"),
    Answered("400 problem: broken JSON", 400, problem("Syntax error"), PROBLEM_JSON, check="broken", read="broken", write="body_changed"),
    Answered("422 problem with violations", 422, problem("amount: too large"), PROBLEM_JSON, check="firewall", read="broken", write="broken"),
    Answered("415: wrong media type", 415, problem("The content-type is not supported."), PROBLEM_JSON, check="body_changed", read="body_changed", write="body_changed"),
    Answered("406: wrong Accept", 406, problem("Requested format is not supported."), PROBLEM_JSON, check="body_changed", read="body_changed", write="body_changed"),
    Answered("500 problem: a crash", 500, problem("Internal Server Error"), PROBLEM_JSON, check="broken", read="broken", write="broken"),
    Answered("200 with a page: being rebuilt", 200, PAGE, check="not_xcart", read="broken", write="broken"),
    Answered("503 with a page: being rebuilt", 503, PAGE, check="maintenance", read="maintenance", write="maintenance"),
    Answered("301 of a web server, full path kept", 301, headers={"Location": "https://www.shop.example{target}"},
             check="not_xcart", read="moved", write="moved"),
    Answered("308 of a web server, full path kept", 308, headers={"Location": "https://www.shop.example{target}"},
             check="not_xcart", read="moved", write="moved"),
)  # fmt: skip


def serve(answered: Answered) -> ScriptedShop:
    def script(exchange: Exchange) -> None:
        host = exchange.headers["host"]
        places = {"shop": f"http://{host}", "host": host, "target": exchange.target}
        headers = {name: value.format(**places) for name, value in answered.headers.items()}
        exchange.answer(answered.status, answered.body, kind=answered.kind, **headers)

    return ScriptedShop(script)


def code_of(act: Callable[[], object]) -> str:
    try:
        act()
    except ChannelError as exc:
        return exc.code
    return ""


def write_code(channel: XCart) -> str:
    try:
        [result] = channel.put_stock([StockChange("product:1", 5)])
    except ChannelError as exc:
        return exc.code
    return "" if result.ok else "row"


@pytest.mark.parametrize(
    ("generation", "answered"),
    [pytest.param("addon", row, id=f"addon: {row.row}") for row in ADDON]
    + [pytest.param("api", row, id=f"api: {row.row}") for row in API],
)
def test_what_an_answer_means(generation: str, answered: Answered):
    with serve(answered) as shop:
        found = XCart(Credentials(shop.url, "k3y", generation), limits=ONCE).check()
        channel = connect(shop, "k3y", limits=ONCE, generation=generation)
        read = code_of(lambda: channel.read_order("7"))
        assert (found.verdict, read, write_code(channel)) == (answered.check, answered.read, answered.write)
        assert found.requests <= 8


@pytest.mark.parametrize("answer", ["404", "403", "200"])
def test_whatever_page_stands_where_the_newer_api_would_be_the_add_on_is_found(answer: str):
    """Step two of the detection: a shop of 5.4, behind a web server with an opinion on /api/."""
    with PracticeShop(products=1, orders=0) as shop:
        shop.faults.add("html" if answer == "200" else "status", True if answer == "200" else int(answer), match="/api/")
        found = XCart(Credentials(shop.url, shop.key), limits=ONCE).check()
        assert (found.good, found.generation) == (True, "addon")


class TestAnotherPlaceInFront:
    """A web server sends every request elsewhere, as for https or ``www.``; the shop itself would have said yes."""

    @pytest.fixture(params=["addon", "api"])
    def moved(self, request: pytest.FixtureRequest) -> Iterator[PracticeShop]:
        with PracticeShop(products=2, orders=2, generation=request.param) as shop:
            shop.mode.web_redirect = "https://www.shop.example"
            yield shop

    def test_the_check_names_the_place_and_offers_nothing_it_could_not_verify(self, moved: PracticeShop):
        found = XCart(Credentials(moved.url, moved.key), limits=ONCE).check()
        assert (found.verdict, found.moved_to) == ("not_xcart", "") and "https://www.shop.example" in found.message

    def test_neither_reads_nor_writes_follow(self, moved: PracticeShop):
        """Following would turn a PUT into a GET, and give the key away to anyone the answer names."""
        channel = connect(moved, limits=ONCE, generation=moved.generation)
        for act in (
            lambda: list(channel.iter_orders(placed_since=LONG_AGO)),
            lambda: channel.put_stock([StockChange("product:1", 77)]),
            lambda: channel.put_shipment("1", status="S"),
        ):
            with pytest.raises(ShopMoved) as caught:
                act()
            assert caught.value.to == "https://www.shop.example" and not caught.value.retryable
        assert moved.store.amount(1) != 77
        # Whether it moved or not is asked once an act: nothing is tried again.
        assert len(moved.requests) == 3


def test_a_write_that_is_answered_by_the_redirect_of_a_refused_call():
    """A call that the shop refuses at another name it redirects to its own (5.4, observed): one read tells which key it is."""
    done = []

    def script(exchange: Exchange) -> None:
        done.append(exchange.method)
        exchange.answer(302, Location="http://www.shop.example/admin.php?target=RESTAPI")

    with ScriptedShop(script) as shop, pytest.raises(KeyRejected):
        connect(shop, generation="addon").put_stock([StockChange("product:1", 5)])
    assert done == ["PUT", "GET", "GET"]
