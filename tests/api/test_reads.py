"""What the API reads: each resource, its filters and pages, and no customer without the scope for it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from api.operations import OPERATIONS
from extensions import db, writing
from models import Integration, Order, StockItem
from models.types import utcnow
from models.user import ROLES
from services.accounts import users
from services.shipping import shipments
from services.stock import items
from tests.api.conftest import Program, problem, program
from tests.api.prepared import PREPARED
from tests.services.reports.test_summary import add_sales
from tests.support.planted import WORD
from tests.support.rows import make_integration, make_item, make_order
from tests.support.signed_in import user_called


def reads(values: dict[str, Any]) -> list[str]:
    """The address of each operation that reads."""
    paths = [
        made.path.replace("<int:", "{").replace(">", "}").format(**values) for made in OPERATIONS.values() if made.method == "GET"
    ]
    for name in ("preview_undo", "get_missing_listings", "get_deleted_orders"):
        PREPARED[name](values)
    expand = "?expand=changes,shipments,write_backs"
    return [*paths, "/orders" + expand, f"/orders/{values['order_id']}{expand}"]


def test_every_resource_answers(erp: Program, planted):
    for path in reads(planted):
        answer = erp.get(path)
        # The planted file has no wrong rows.
        if isinstance(answer.get("items"), list) and not path.endswith("/wrong-rows"):
            assert answer["items"], path


def test_no_customer_without_the_scope_through_no_expansion(app: Flask, erp: Program, planted):
    scopes = [name for name in erp.get("/token")["scopes"] if name != "customers:read"]
    blind, viewer = program(app, *scopes), program(app, user="Vera", role="viewer")
    for path in reads(planted):
        assert WORD not in blind.ask("GET", path).text, path
        assert WORD not in viewer.ask("GET", path).text, path
    assert all(WORD in erp.ask("GET", path).text for path in ("/orders", "/orders?expand=shipments", "/write-backs"))
    order = blind.get(f"/orders/{planted['order_id']}")
    assert "customer" not in order and "options" not in order["lines"][0]


def test_no_customer_is_in_the_answer_of_an_act(erp: Program, planted):
    for act in ("evaluate", "mark-seen"):
        answer = erp.post(f"/orders/{planted['order_id']}/{act}")
        assert answer.status_code == 200 and WORD not in answer.text


@pytest.mark.parametrize("role", ROLES)
def test_each_operation_is_for_its_scope_and_role(app: Flask, planted, role: str):
    """A token with the one scope that is needed, after its user has got another role. The requests say nothing, so nothing is done."""
    user_called("Olive", "owner")
    programs: dict[str | None, Program] = {}
    for made in OPERATIONS.values():
        if made.scope not in programs:
            programs[made.scope] = program(app, made.scope or "stock:read", user="Ann")
    users.change_role(user_called("Ann"), role, False)
    for made in OPERATIONS.values():
        path = made.path.replace("<int:", "{").replace(">", "}").format(**planted)
        answer = programs[made.scope].ask(made.method, f"{path}?nothing=1")
        allowed = made.scope is None or ROLES.index(role) <= ROLES.index(made.role)
        assert answer.status_code == (400 if allowed else 403), (made.name, answer.text)


def test_a_role_and_a_scope_are_needed_for_each(app: Flask, planted):
    programs = {scope: program(app, scope, user="Ann", role="manager") for scope in ("stock:read", "orders:read")}
    for made in OPERATIONS.values():
        if made.scope is None:
            continue
        other = next(name for name in programs if name != made.scope)
        path = made.path.replace("<int:", "{").replace(">", "}").format(**planted)
        answer = problem(programs[other].ask(made.method, path), 403, "scope_missing")
        assert answer["scope"] == made.scope, made.name


class TestOrders:
    def test_an_order_is_shown_whole(self, erp, planted):
        order = erp.get(f"/orders/{planted['order_id']}")
        assert order["id"] == str(planted["order_id"]) and order["integration"] == "Example shop"
        assert order["placed_at"].endswith("Z") and order["total"].count(".") == 1
        assert order["lines"][0]["id"].isdigit() and order["customer"] == "Planted Customer"
        assert "shipments" not in order
        more = erp.get(f"/orders/{planted['order_id']}?expand=shipments,changes,write_backs")
        assert more["shipments"][0]["tracking_number"] and more["changes"] and more["write_backs"]
        problem(erp.ask("GET", "/orders/999999"), 404, "not_found")

    @pytest.mark.parametrize(
        ("query", "numbers"),
        [
            ("", ["1005", "1004", "1003", "1002", "1001"]), ("?state=ready", ["1002"]), ("?number=1003", ["1003"]), ("?number=%231003", ["1003"]),
            ("?sku=unknown", ["1003"]), ("?sku=sku&state=shipped", ["1001"]), ("?hold=no_stock_item", []), ("?integration=4711", []),
            ("?integration=9999999999", []), ("?placed_to=2020-01-01T00:00:00Z", []), ("?external_id=none", []),
            ("?placed_from=2020-01-01T00:00:00%2B02:00&limit=1", ["1005"]), ("?state=open", ["1005", "1003", "1002"]),
        ],
    )  # fmt: skip
    def test_lists_are_filtered(self, erp, planted, query, numbers):
        assert [order["number"] for order in erp.items(f"/orders{query}")] == numbers

    def test_a_hold_is_found_by_its_code(self, app, erp):
        make_order(make_integration(), "7", [("NOPE", 1)], state="on_hold", held_codes=["unknown_sku"])
        assert [order["number"] for order in erp.items("/orders?hold=unknown_sku")] == ["7"]
        assert erp.items("/orders?hold=unknown") == []

    @pytest.mark.parametrize(
        "query",
        ["state=new", "limit=0", "limit=251", "hold=%25", "placed_from=yesterday", "integration=x", "expand=lines", "page=2"],
    )
    def test_what_is_no_filter_is_refused(self, erp, query):
        problem(erp.ask("GET", f"/orders?{query}"), 400, "invalid_request")

    @pytest.mark.both_databases
    def test_what_changed_here_comes_in_the_order_of_its_changes(self, app, erp):
        shop, item = make_integration(), make_item("SKU", 10)
        orders = [make_order(shop, number, [(item, 2)]) for number in ("1", "2", "3")]
        with writing() as session:
            for order in session.scalars(select(Order)):
                order.updated_at = utcnow() - timedelta(hours=1)
        since = (utcnow() - timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
        assert erp.items(f"/orders?changed_since={since}") == []
        shipments.cancel_order(orders[2].id, "user:ann")
        line = db.session.scalar(select(Order).where(Order.number == "1")).lines[0].id
        shipments.ship(orders[0].id, "user:ann", quantities={line: 1})
        assert [order["number"] for order in erp.items(f"/orders?changed_since={since}")] == ["3", "1"]
        shipments.add_parcel(orders[0].id, "user:ann", tracking_number="T2")
        assert [order["number"] for order in erp.items(f"/orders?changed_since={since}")] == ["3", "1"]

    def test_a_list_takes_as_many_statements_for_a_hundred_orders_as_for_ten(self, app, erp):
        shop, item = make_integration(), make_item("SKU", 1000)
        seen: list[str] = []
        event.listen(db.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
        counts = []
        for number in range(100):
            make_order(shop, str(number), [(item, 1)])
            if number in (9, 99):
                seen.clear()
                erp.get("/orders?limit=100&expand=changes,shipments,write_backs")
                counts.append(len(seen))
        # The first request notes the use of the token.
        assert 0 < counts[1] <= counts[0]


class TestPages:
    @pytest.mark.both_databases
    def test_pages_follow_each_other_without_gap_or_repetition(self, app, erp):
        shop, item, placed = make_integration(), make_item("SKU", 100), utcnow() - timedelta(days=1)
        for number in range(7):
            make_order(shop, str(number), [(item, 1)], placed_at=placed)
        seen, path = [], "/orders?limit=3&state=ready"
        while path:
            answer = erp.ask("GET", path)
            seen += [order["number"] for order in answer.json["items"]]
            path = answer.json["next"]
            assert answer.headers.get("Link") == (f'<{path}>; rel="next"' if path else None)
            if len(seen) == 3:
                make_order(shop, "new", [(item, 1)], placed_at=utcnow())
        assert seen == ["6", "5", "4", "3", "2", "1", "0"]

    def test_a_cursor_fits_only_its_own_list(self, app, erp):
        for number in range(3):
            make_item(f"SKU-{number}", 1)
        following = erp.get("/stock-items?limit=1&search=sku")["next"]
        cursor = following.partition("cursor=")[2]
        assert [item["sku"] for item in erp.items(following)] == ["SKU-1"]
        for path in (
            f"/stock-items?cursor={cursor}",
            f"/stock-items?search=s&cursor={cursor}",
            "/stock-items?cursor=x",
            f"/listings?search=sku&cursor={cursor}",
        ):
            answer = problem(erp.ask("GET", path), 400, "invalid_request")
            assert answer["errors"] == [
                {
                    "code": "invalid_cursor",
                    "detail": "The cursor belongs to another list or to other filters.",
                    "parameter": "cursor",
                }
            ]


class TestStock:
    def test_items_are_found_and_their_version_outlives_orders(self, app, erp):
        item, other = make_item("A/1", 5, buffer=1), make_item("B", 50)
        (found,) = erp.items("/stock-items?sku=a%2F1")
        assert (found["sku"], found["on_hand"], found["available"]) == ("A/1", 5, 4)
        assert [each["sku"] for each in erp.items("/stock-items?available_max=4")] == ["A/1"]
        assert erp.items("/stock-items?sku=C") == []
        with writing() as session:
            session.get_one(StockItem, item.id).reserved = 3
        again = erp.get(f"/stock-items/{item.id}")
        assert (again["reserved"], again["version"]) == (3, found["version"])
        items.set_stock("A/1", 6, "user:ann")
        assert erp.get(f"/stock-items/{item.id}")["version"] != found["version"]
        (entry,) = erp.items(f"/stock-items/{item.id}/entries")
        assert (entry["cause"], entry["on_hand_change"], entry["actor"]) == ("set", 1, "user:ann")
        problem(erp.ask("GET", f"/stock-items/{other.id + 99}/entries"), 404, "not_found")

    def test_a_search_counts_as_ten_requests(self, app, erp):
        left = [
            int(erp.ask("GET", path).headers["RateLimit"].partition("r=")[2].partition(";")[0])
            for path in ("/stock-items", "/stock-items?search=a")
        ]
        assert left[0] - left[1] in (10, 10 - 600)


def test_the_health_of_an_integration(app: Flask, erp: Program, planted):
    (shown,) = erp.items("/integrations")
    assert shown["name"] == "Example shop" and shown["enabled"] is True
    assert "key" not in shown and "a key" not in str(shown)
    answer = erp.get(f"/integrations/{planted['integration_id']}/health")
    assert [group["name"] for group in answer["groups"]] == ["connection", "orders", "stock", "write_back"]
    with writing() as session:
        session.get_one(Integration, planted["integration_id"]).removed_at = utcnow()
    problem(erp.ask("GET", f"/integrations/{planted['integration_id']}"), 404, "not_found")
    assert erp.items("/integrations") == [] and erp.items("/orders") == []
    # By its id, an order of a removed shop can still be read.
    order = erp.get(f"/orders/{planted['order_id']}")
    assert (order["integration_id"], order["id"]) == (None, str(planted["order_id"]))


def test_sales_of_any_range_as_on_the_page(erp: Program):
    garden, toys = make_integration("Garden"), make_integration("Toys")
    add_sales(garden.shop_id, [(date(2025, 11, 3), "USD", 1, "5942.38"), (date(2020, 2, 29), "EUR", 4, "7.50")])
    add_sales(toys.shop_id, [(date(2025, 11, 30), "EUR", 1, "2.50"), (date(2025, 12, 1), "JPY", 1, "900")])

    def days(query: str) -> list[tuple[str, str]]:
        return [(row["day"], row["shop"]) for row in erp.items(f"/reports/sales?{query}")]

    assert [row["total"] for row in erp.items("/reports/sales?first=2025-11-03&last=2025-11-03")] == ["5942.38"]
    assert days("first=2025-11-01&last=2025-11-30") == [("2025-11-30", "Toys"), ("2025-11-03", "Garden")]
    assert days("last=2025-11-30&days=2") == [("2025-11-30", "Toys")]
    assert days("first=2020-02-29&last=2020-02-29") == [("2020-02-29", "Garden")]
    assert days(f"integration={garden.id}&last=2025-12-01&days=3660")[-1] == ("2020-02-29", "Garden")
    answer = erp.get("/reports/sales?last=2025-11-30")
    assert (answer["first"], answer["last"], answer["items"][0]["integration_id"]) == ("2025-11-01", "2025-11-30", str(toys.id))
    for query, parameter in (
        ("first=2025-11-02&last=2025-11-01", "last"), ("first=2010-01-01&last=2025-11-01", "first"), ("first=2025-11-01&days=3", "days"),
        ("last=0001-01-01", "last"), ("first=0001-01-01", "first"),
    ):  # fmt: skip
        (fault,) = problem(erp.ask("GET", f"/reports/sales?{query}"), 422, "invalid_input")["errors"]
        assert fault["parameter"] == parameter, query
    problem(erp.ask("GET", "/reports/sales?first=yesterday"), 400, "invalid_request")
    problem(erp.ask("GET", "/reports/sales?integration=999999"), 404, "not_found")
    with writing() as session:
        session.get_one(Integration, garden.id).removed_at = utcnow()
    (row,) = erp.items("/reports/sales?first=2025-11-03&last=2025-11-03")
    assert (row["shop"], row["integration_id"]) == ("Garden (removed)", None)
