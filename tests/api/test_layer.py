"""What every request to the API passes: token, limits, decoding; and what every error looks like."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import pytest
from flask import Flask
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy.exc import OperationalError

from api import decoding, rate_limits
from api.problems import Problem
from errors import Conflict
from services.accounts import tokens, users
from services.common.gates import PROGRAMS, SEARCHES
from tests.api.conftest import Program, problem, program
from tests.support.signed_in import user_called

NOW = 1_800_000_015.0


class TestWhoAsks:
    def test_a_token_says_whose_it_is(self, app, erp):
        answer = erp.get("/token")
        assert (answer["user"], answer["role"]) == ("Olive", "owner")
        assert answer["scopes"] == sorted(tokens.SCOPES)
        assert answer["expires_at"].endswith("Z")
        assert tokens.list_tokens()[0].used_from == "127.0.0.1"

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic b2xpdmU6eA==", "Bearer ctl_x", "ctl_x"])
    def test_without_a_token_nobody_gets_in(self, app, header):
        answer = app.test_client().get("/api/v1/token", headers={"Authorization": header})
        problem(answer, 401, answer.json["code"])
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    def test_a_browser_that_is_signed_in_gets_in_nowhere_and_no_cookie_is_set(self, app, client):
        problem(client.get("/api/v1/token"), 401, "token_missing")
        answer = client.get("/api/v1/token", headers={"Authorization": f"Bearer {program(app).token}"})
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers

    def test_a_token_that_is_over_says_why(self, app, erp):
        tokens.revoke_token(erp.token[4:16], "test")
        problem(erp.ask("GET", "/token"), 401, "token_revoked")

    @pytest.mark.config(requests_per_minute=60)
    def test_failed_authentication_has_a_separate_limit(self, app, erp, monkeypatch):
        monkeypatch.setattr(rate_limits.time, "time", lambda: NOW)
        bad = Program(app, "ctl_wrong")
        for _ in range(3):
            problem(bad.ask("GET", "/token"), 401, "token_invalid")
        answer = bad.ask("GET", "/token")
        problem(answer, 429, "rate_limited")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert erp.ask("GET", "/token").status_code == 200
        problem(app.test_client().get("/api/v1/token"), 401, "token_missing")

    @pytest.mark.config(requests_per_minute=10)
    def test_a_token_has_its_requests_for_a_minute(self, app, erp, monkeypatch):
        monkeypatch.setattr(rate_limits.time, "time", lambda: NOW)
        answer = erp.ask("GET", "/token")
        assert answer.headers["RateLimit-Policy"] == '"token";q=10;w=60'
        assert answer.headers["RateLimit"] == '"token";r=9;t=45'
        for _ in range(9):
            erp.get("/token")
        refused = erp.ask("GET", "/token")
        problem(refused, 429, "rate_limited")
        assert (refused.headers["RateLimit"], refused.headers["Retry-After"]) == ('"token";r=0;t=45', "45")
        assert program(app, user="Other").ask("GET", "/token").status_code == 200

    @pytest.mark.config(requests_per_minute=10, redis_url="redis://127.0.0.1:1/0")
    def test_without_the_queue_requests_are_counted_in_memory(self, app, erp, monkeypatch):
        monkeypatch.setattr(rate_limits.time, "time", lambda: NOW)
        for _ in range(10):
            erp.get("/token")
        problem(erp.ask("GET", "/token"), 429, "rate_limited")

    @pytest.mark.config(requests_per_minute=10)
    def test_many_tokens_of_one_user_have_a_limit_together(self, app, monkeypatch):
        monkeypatch.setattr(rate_limits.time, "time", lambda: NOW)
        for _ in range(5):
            one = program(app)
            for _ in range(10):
                one.get("/token")
        problem(program(app).ask("GET", "/token"), 429, "rate_limited")
        assert program(app, user="Other").ask("GET", "/token").status_code == 200

    def test_a_user_has_so_many_valid_tokens_and_no_more(self, app, monkeypatch):
        monkeypatch.setattr(tokens, "MOST_TOKENS", 2)
        first = program(app)
        program(app)
        with pytest.raises(Conflict, match="has 2 valid tokens"):
            program(app)
        tokens.revoke_token(first.token[4:16], "test")
        program(app)

    def test_what_is_expensive_runs_twice_at_a_time_for_each_user(self, erp):
        """Pages and programs together: eight searches of one token took all threads of the page server."""
        user_id = user_called("Olive")
        with SEARCHES.place(user_id), SEARCHES.place(user_id):
            for path in ("/stock-items?search=x", "/listings?search=x", "/orders?hold=money", "/reports/sales"):
                refused = erp.ask("GET", path)
                problem(refused, 429, "too_many")
                assert int(refused.headers["Retry-After"]) > 0
            erp.get("/orders")
        erp.get("/reports/sales")

    def test_four_requests_of_a_user_run_at_a_time(self, app, erp):
        user_id = user_called("Olive")
        with PROGRAMS.place(user_id), PROGRAMS.place(user_id), PROGRAMS.place(user_id), PROGRAMS.place(user_id):
            problem(erp.ask("GET", "/token"), 429, "too_many")
            assert program(app, user="Other").ask("GET", "/token").status_code == 200
        erp.get("/token")


class TestErrors:
    @pytest.mark.parametrize(
        "path", ["/api", "/api/", "/api/v1", "/api/v2/token", "/api/v1/nothing", "/api/v1/token/", "/api/v1/%00"]
    )
    def test_what_is_not_there(self, erp, path):
        problem(erp.ask("GET", path), 404, "not_found")

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_a_method_that_is_not_taken(self, erp, method):
        answer = erp.ask(method, "/token")
        problem(answer, 405, "method_not_allowed")
        assert "GET" in answer.headers["Allow"]

    def test_a_database_that_is_away(self, app, erp, monkeypatch):
        def away(*args):
            raise OperationalError("SELECT", {}, Exception("unable to open database file"))

        monkeypatch.setattr(tokens, "find_holder", away)
        answer = erp.ask("GET", "/token")
        problem(answer, 503, "database_unavailable")
        assert answer.headers["Retry-After"] == "60"

    def test_a_fault_of_ours_is_logged_and_says_nothing(self, app, erp, monkeypatch, caplog):
        def fails(*args):
            raise RuntimeError("a secret of ours")

        monkeypatch.setattr(tokens, "note_use", fails)
        app.config["PROPAGATE_EXCEPTIONS"] = False
        answer = erp.ask("GET", "/token")
        problem(answer, 500, "internal_error")
        assert "secret" not in answer.text and "a secret of ours" in caplog.text

    def test_unknown_and_unusable_parameters_are_all_named(self, erp):
        answer = problem(erp.ask("GET", "/token?a=1&b=2"), 400, "invalid_request")
        assert [(fault["parameter"], fault["code"]) for fault in answer["errors"]] == [
            ("a", "unknown_parameter"), ("b", "unknown_parameter"),
        ]  # fmt: skip
        assert problem(erp.ask("GET", "/token?a=%ff"), 400, "invalid_request")["errors"][0]["code"] == "invalid_text"

    def test_an_answer_that_is_known_already_is_not_sent_again(self, erp):
        first = erp.ask("GET", "/token")
        again = erp.ask("GET", "/token", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.text) == (304, "")
        assert again.headers["ETag"] == first.headers["ETag"]

    def test_pages_still_answer_with_pages(self, client):
        assert client.get("/nothing").mimetype == "text/html"
        assert client.get("/apis").mimetype == "text/html"


class Row(Struct):
    sku: Annotated[str, Meta(min_length=1, max_length=5)]
    delta: int | UnsetType = UNSET
    note: str | None = None


class Body(Struct):
    rows: Annotated[list[Row], Meta(min_length=1, max_length=3)]
    amount: Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]{1,4})?\Z")] = "0"


class Query(Struct):
    since: Annotated[datetime, Meta(tz=True)] | None = None
    limit: Annotated[int, Meta(ge=1, le=250)] = 50
    held: bool | None = None


def faults(content: str | bytes, kind: type[Struct] = Body) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as refused:
        decoding.decode_body(content.encode() if isinstance(content, str) else content, kind)
    assert refused.value.status == 400
    return [(fault.pointer, fault.code) for fault in refused.value.errors]


class TestDecoding:
    def test_what_is_right_becomes_a_struct(self):
        found = decoding.decode_body(b'{"rows": [{"sku": "A", "delta": -1}, {"sku": "B", "note": null}], "amount": "1.50"}', Body)
        assert found == Body([Row("A", -1), Row("B")], "1.50")

    def test_every_fault_is_named_with_its_place(self):
        content = '{"rows": [{"sku": "", "delta": "1"}, {"delta": 1, "x/y": 2}, 7], "amount": "NaN", "more": 1}'
        assert faults(content) == [
            ("/rows/0/sku", "invalid_value"), ("/rows/0/delta", "invalid_type"), ("/rows/1/sku", "required"),
            ("/rows/1/x~1y", "unknown_field"), ("/rows/2", "invalid_type"), ("/amount", "invalid_value"), ("/more", "unknown_field"),
        ]  # fmt: skip

    @pytest.mark.parametrize("amount", ["NaN", "1E+400", "1_0", "Infinity", " 1", "1\\n", "٣", "", "1.", "0.00001"])
    def test_an_amount_is_plain_digits(self, amount):
        assert faults(f'{{"rows": [{{"sku": "A"}}], "amount": "{amount}"}}') == [("/amount", "invalid_value")]

    @pytest.mark.parametrize(
        "number", ["1.5", "1e-1", "1e400", "1e19", "NaN", "-Infinity", "9223372036854775808", "-9223372036854775809", "1" * 5000]
    )
    def test_a_number_that_no_column_holds(self, number):
        assert faults(f'{{"rows": [{{"sku": "A", "delta": {number}}}]}}') == [("/rows/0/delta", "invalid_number")]

    def test_a_whole_number_in_another_spelling(self):
        content = ", ".join(f'{{"sku": "A", "delta": {number}}}' for number in ("3.0", "3e0", "-0.0"))
        assert [row.delta for row in decoding.decode_body(f'{{"rows": [{content}]}}'.encode(), Body).rows] == [3, 3, 0]

    def test_a_bare_number_is_no_amount(self):
        assert faults('{"rows": [{"sku": "A"}], "amount": 1}') == [("/amount", "invalid_type")]

    def test_repeated_names_and_unusable_characters(self):
        assert faults('{"rows": [{"sku": "A", "sku": "B"}]}') == [("/rows/0/sku", "repeated")]
        assert faults('{"rows": [{"sku": "a\\u0000"}]}') == [("/rows/0/sku", "invalid_text")]
        assert faults('{"rows": [{"sku": "\\ud800"}]}') == [("/rows/0/sku", "invalid_text")]
        assert faults('{"rows": [{"sku": "A"}], "amount": "\\ud800"}') == [("/amount", "invalid_text")]
        assert ("/?", "unknown_field") in faults('{"\\ud800": 1, "rows": [{"sku": "A"}]}')
        assert ("", "invalid_text") in faults('{"a\\u0000": 1, "rows": [{"sku": "A"}]}')

    def test_lists_have_their_bounds(self):
        assert faults('{"rows": []}') == [("/rows", "invalid_length")]
        assert faults('{"rows": [{"sku": "A"}, {"sku": "A"}, {"sku": "A"}, {"sku": "A"}]}') == [("/rows", "invalid_length")]

    @pytest.mark.parametrize("content", ["", "{", b"\xff", "{'a': 1}", "[" * 100_000, "\ufeff{}", '{"rows": [{"sku": "A"}]} x'])
    def test_what_is_no_json(self, content):
        with pytest.raises(Problem) as refused:
            decoding.decode_body(content.encode() if isinstance(content, str) else content, Body)
        assert refused.value.code == "malformed_json"

    def test_nesting_has_an_end(self):
        assert ("/rows" + "/0" * 20, "too_deep") in faults('{"rows": ' + "[" * 40 + "]" * 40 + "}")

    @pytest.mark.parametrize("content", ["null", "[]", "1", '"x"', "true"])
    def test_what_is_no_object(self, content):
        assert faults(content) == [("", "invalid_type")]

    def test_a_query_is_typed_and_its_times_are_in_utc(self):
        found = decoding.decode_query("since=2026-11-26T12:00:00%2B02:00&limit=7&held=true", Query)
        assert found == Query(datetime(2026, 11, 26, 10, tzinfo=UTC), 7, True)

    def test_a_fault_says_what_can_be_sent_instead(self, app, erp):
        details = [
            fault["detail"]
            for parameter in ("state=redy", "changed_since=2026-11-27", "placed_from=2026-11-27T10:00:00%2B1:00")
            for fault in problem(erp.ask("GET", f"/orders?{parameter}"), 400, "invalid_request")["errors"]
        ]
        assert '"ready"' in details[0] and '"on_hold"' in details[0]
        assert all("for example 2026-11-26T20:24:16Z" in detail for detail in details[1:])
        (kind,) = problem(erp.post("/runs", {"integration_id": "1", "kind": "stok"}), 400, "invalid_request")["errors"]
        assert '"stock"' in kind["detail"]

    def test_every_fault_of_a_query_is_named(self):
        with pytest.raises(Problem) as refused:
            decoding.decode_query("since=2026-11-26T12:00:00&limit=251&held=maybe&limit=1&x=", Query)
        assert [(fault.parameter, fault.code) for fault in refused.value.errors] == [
            ("since", "invalid_value"), ("limit", "invalid_value"), ("held", "invalid_value"), ("limit", "repeated"),
            ("x", "unknown_parameter"),
        ]  # fmt: skip
        for query in (
            "since=0001-01-01T00:00:00%2B14:00",
            "since=null",
            "held=null",
            "limit=null",
            "since=0",
            "limit=1.5",
            "limit=5.0",
            "limit=1e1",
            "limit=%201",
        ):
            with pytest.raises(Problem):
                decoding.decode_query(query, Query)


def test_rights_end_with_the_role_of_the_user(app: Flask):
    erp = program(app, "stock:write", "orders:read", user="Ann", role="manager")
    user_called("Olive")
    users.change_role(user_called("Ann"), "viewer", False)
    assert erp.get("/token")["scopes"] == ["orders:read"]
