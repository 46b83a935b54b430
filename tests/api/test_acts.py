"""What programs change: through the same services as pages, with a result for each row, and under their own name."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from extensions import db, writing
from models import Allocation, IdempotencyKey, Integration, Order, Shipment, StockEntry, StockItem, SyncRun, WriteBack
from models.types import utcnow
from services.integrations import lifecycle
from services.shipping import shipments
from services.stock import items as stock_items
from services.sync import execution
from tests.api.conftest import Program, problem, program
from tests.blueprints.rows import unclear_order
from tests.support.rows import make_integration, make_item, make_order
from tests.support.shops import do, products, settled

pytestmark = pytest.mark.both_databases


def on_hand() -> dict[str, int]:
    db.session.rollback()
    return dict(db.session.execute(select(StockItem.sku, StockItem.on_hand)).all())


def errors(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault["pointer"], fault["code"]) for fault in answer["errors"]]


class TestStock:
    def test_a_stock_item_is_created_once(self, app, erp):
        waiting = make_order(make_integration(), "1", [("A/1", 2)], state="on_hold", held_codes=["unknown_sku"])
        answer = erp.post("/stock-items", {"sku": "A/1", "on_hand": 5, "buffer": 1})
        assert answer.status_code == 201
        assert erp.get(answer.headers["Location"]) == answer.json
        assert (answer.json["on_hand"], answer.json["buffer"]) == (5, 1)
        assert db.session.scalar(select(Allocation.reserved)) == 2, waiting
        problem(erp.post("/stock-items", {"sku": "a/1"}), 409, "conflict")

    def test_a_change_needs_the_version_and_orders_leave_it_valid(self, app, erp):
        item = make_item("A", 5)
        path = f"/stock-items/{item.id}"
        version = erp.get(path)["version"]
        problem(erp.ask("PATCH", path, json={"on_hand": 7}), 428, "precondition_required")
        problem(erp.ask("PATCH", path, json={"on_hand": 7}, headers={"If-Match": '"x"'}), 412, "version_mismatch")
        changed = erp.ask("PATCH", path, json={"on_hand": 7}, headers={"If-Match": f'"{version}"'})
        assert (changed.status_code, changed.json["on_hand"], changed.json["buffer"]) == (200, 7, 0)
        assert changed.json["version"] == erp.get(path)["version"] != version
        problem(erp.ask("PATCH", path, json={"on_hand": 9}, headers={"If-Match": f'"{version}"'}), 412, "version_mismatch")
        assert on_hand() == {"A": 7}
        again = erp.ask("PATCH", path, json={"buffer": 2}, headers={"If-Match": f'"{changed.json["version"]}"'})
        assert (again.json["on_hand"], again.json["buffer"], again.json["available"]) == (7, 2, 5)
        for unquoted in ("", changed.json["version"], "'x'", '"a', '"a" "b"'):
            problem(erp.ask("PATCH", path, json={"buffer": 3}, headers={"If-Match": unquoted}), 412, "if_match_invalid")
        either = f'"other", "{again.json["version"]}"'
        assert erp.ask("PATCH", path, json={"buffer": 2}, headers={"If-Match": either}).status_code == 200
        tag = erp.ask("GET", path).headers["ETag"]
        assert "ETag" in problem(erp.ask("PATCH", path, json={}, headers={"If-Match": tag}), 412, "version_mismatch")["detail"]
        problem(erp.ask("PATCH", path, json={"sku": "B"}, headers={"If-Match": '"x"'}), 400, "invalid_request")
        problem(erp.ask("PATCH", "/stock-items/999999", json={}, headers={"If-Match": '"x"'}), 404, "not_found")

    def test_an_adjustment_adds_and_says_why(self, app, erp):
        path = f"/stock-items/{make_item('A', 5).id}/adjustments"
        answer = erp.post(path, {"delta": -2, "reason": "broken", "reference": "RMA-7"})
        assert (answer.status_code, answer.json["on_hand"]) == (200, 3)
        entry = db.session.scalar(select(StockEntry).order_by(StockEntry.id.desc()))
        assert (entry.cause, entry.on_hand_change, entry.note) == ("adjusted", -2, "broken (RMA-7)")
        assert entry.actor.startswith("api:ERP")
        assert errors(problem(erp.post(path, {"delta": -4, "reason": "lost"}), 422, "invalid_input")) == [
            ("/delta", "invalid_input")
        ]
        assert errors(problem(erp.post(path, {"delta": 1.5}), 400, "invalid_request")) == [
            ("/delta", "invalid_number"), ("/reason", "required"),
        ]  # fmt: skip
        assert on_hand() == {"A": 3}

    def test_a_batch_has_a_result_for_each_row(self, app, erp):
        for sku in ("A", "B", "C", "D"):
            make_item(sku, 5)
        rows = [
            {"sku": "a", "set": 9}, {"sku": "B", "delta": -2, "expected": 5}, {"sku": "C", "delta": 1, "expected": 4},
            {"sku": "NEW", "set": 1}, {"sku": "A", "delta": 1}, {"sku": "D", "set": 5}, {"sku": "E", "delta": 1},
        ]  # fmt: skip
        answer = erp.post("/stock-items/batch", {"rows": rows})
        assert answer.status_code == 200
        assert answer.json["summary"] == {"rows": 7, "done": 3, "failed": 4}
        assert [(row["index"], row["status"], row["code"]) for row in answer.json["results"]] == [
            (0, "changed", None), (1, "changed", None), (2, "failed", "not_as_expected"), (3, "failed", "unknown_sku"),
            (4, "failed", "repeated_sku"), (5, "unchanged", None), (6, "failed", "unknown_sku"),
        ]  # fmt: skip
        assert answer.json["results"][0]["item"]["on_hand"] == 9 and answer.json["results"][3]["item"] is None
        assert on_hand() == {"A": 9, "B": 3, "C": 5, "D": 5}

    def test_an_atomic_batch_with_a_bad_row_changes_nothing(self, app, erp):
        make_item("A", 5)
        rows = [{"sku": "A", "set": 9}, {"sku": "NEW", "set": 1}, {"sku": "A", "delta": -6}]
        answer = problem(erp.post("/stock-items/batch", {"rows": rows, "atomic": True}), 422, "rows_refused")
        assert errors(answer) == [("/rows/1", "unknown_sku"), ("/rows/2", "repeated_sku")]
        assert on_hand() == {"A": 5}
        good = erp.post("/stock-items/batch", {"rows": rows[:1], "atomic": True})
        assert good.json["summary"] == {"rows": 1, "done": 1, "failed": 0}

    def test_a_row_sets_or_adds(self, app, erp):
        rows = [{"sku": "A", "set": 1, "delta": 1}, {"sku": "A"}, {"sku": "A", "set": -1}]
        answer = problem(erp.post("/stock-items/batch", {"rows": rows}), 400, "invalid_request")
        assert errors(answer) == [("/rows/2/set", "invalid_value")]
        answer = problem(erp.post("/stock-items/batch", {"rows": rows[:2]}), 422, "invalid_input")
        assert errors(answer) == [("/rows/0", "one_of"), ("/rows/1", "one_of")]
        problem(erp.post("/stock-items/batch", {"rows": [{"sku": "A", "set": 1}] * 1001}), 400, "invalid_request")

    def test_a_full_batch_takes_few_statements(self, app, erp):
        for number in range(300):
            make_item(f"SKU-{number}", 5)
        rows = [{"sku": f"SKU-{number}", "set": 6} for number in range(300)]
        assert erp.post("/stock-items/batch", {"rows": rows}).json["summary"]["done"] == 300
        assert set(on_hand().values()) == {6}


class TestShipping:
    def test_an_order_is_shipped_in_two_parcels_and_a_further_one(self, app, erp):
        order = make_order(make_integration(), "1", [(make_item("A", 10), 3)])
        path = f"/orders/{order.id}"
        line = erp.get(path)["lines"][0]["id"]
        first = erp.post(
            f"{path}/shipments", {"carrier": "DHL", "tracking_number": "T1", "lines": [{"line_id": line, "quantity": 1}]}
        )
        assert first.status_code == 201, first.text
        assert "tracking_number" not in first.json and first.json["lines"][0]["quantity"] == 1
        assert first.json["actor"].startswith("api:ERP")
        assert erp.get(path)["state"] == "part_shipped"
        second = erp.post(f"{path}/shipments", {"tracking_number": "T2"})
        assert second.status_code == 201 and second.json["lines"][0]["quantity"] == 2
        refused = erp.post(f"{path}/shipments", {"tracking_number": "T3"})
        assert refused.status_code == 409 and "set further_parcel and give its tracking number" in refused.text
        third = erp.post(f"{path}/shipments", {"tracking_number": "T3", "further_parcel": True})
        assert third.status_code == 201 and third.json["lines"] == []
        shown = erp.get(f"{path}?expand=shipments,write_backs")
        assert shown["state"] == "shipped" and [each["tracking_number"] for each in shown["shipments"]] == ["T1", "T2", "T3"]
        assert shown["write_backs"][-1]["event"] == "shipped"
        problem(erp.post(f"{path}/shipments", {}), 409, "conflict")
        assert on_hand() == {"A": 7}

    def test_what_is_in_stock_can_be_shipped_alone(self, app, erp):
        path = f"/orders/{make_order(make_integration(), '1', [(make_item('A', 2, reserved=2), 5)]).id}"
        with writing() as session:
            session.execute(update(Allocation).values(reserved=2))
        line = erp.get(path)["lines"][0]["id"]
        both = {"in_stock_only": True, "lines": [{"line_id": line, "quantity": 1}]}
        problem(erp.post(f"{path}/shipments", both), 422, "invalid_input")
        made = erp.post(f"{path}/shipments", {"in_stock_only": True}).json
        assert [each["quantity"] for each in made["lines"]] == [2] and made["not_in_stock"] == []
        problem(erp.post(f"{path}/shipments", {"in_stock_only": True}), 409, "conflict")
        rest = erp.post(f"{path}/shipments", {}).json
        assert [each["quantity"] for each in rest["lines"]] == [3], "without it, all that is left"
        assert rest["not_in_stock"] == [{"line_id": line, "sku": "A", "name": rest["lines"][0]["name"], "quantity": 3}]

    def test_what_somebody_else_ships_in_that_moment_is_not_in_stock_any_more(self, app, erp, monkeypatch):
        order = make_order(make_integration(), "1", [(make_item("A", 2, reserved=2), 5)])
        order_id, line_id = order.id, order.lines[0].id
        with writing() as session:
            session.execute(update(Allocation).values(reserved=2))
        really = shipments.ship

        def after_another(*args, **values):
            monkeypatch.setattr(shipments, "ship", really)
            really(order_id, "user:ann", quantities={line_id: 2})
            return really(*args, **values)

        monkeypatch.setattr(shipments, "ship", after_another)
        said = problem(erp.post(f"/orders/{order_id}/shipments", {"in_stock_only": True}), 409, "conflict")
        assert "is in stock" in said["detail"]

    def test_a_shipment_is_undone_voided_and_given_another_number(self, app, erp):
        order = make_order(make_integration(), "1", [(make_item("A", 10, reserved=3), 3)])
        path = f"/orders/{order.id}"
        made = erp.post(f"{path}/shipments", {"tracking_number": "T1", "undo_seconds": 60}).json["id"]
        undone = erp.post(f"/shipments/{made}/undo", {})
        assert (undone.status_code, undone.json["state"], erp.get(path)["state"]) == (200, "undone", "ready")
        assert on_hand() == {"A": 10}
        made = erp.post(f"{path}/shipments", {"tracking_number": "T2"}).json["id"]
        with writing() as session:
            session.execute(update(WriteBack).values(tried_at=utcnow()))
        problem(erp.post(f"/shipments/{made}/undo", {}), 409, "already_sent")
        erp.post(f"/shipments/{made}/tracking", {"carrier": "DHL", "tracking_number": "T3"})
        assert erp.post(f"/shipments/{made}/void", {}).json["state"] == "voided"
        shown = erp.get(f"{path}?expand=shipments")["shipments"][-1]
        assert shown["to_do_in_shop"][0] == "Remove the tracking number T2 in the shop."
        problem(erp.post(f"/shipments/{made}/void", {}), 409, "conflict")
        problem(erp.post("/shipments/999999/void", {}), 404, "not_found")
        assert on_hand() == {"A": 10}

    def test_what_cannot_be_shipped_says_so_at_its_field(self, app, erp):
        order = make_order(make_integration(), "1", [(make_item("A", 10), 3)])
        path = f"/orders/{order.id}/shipments"
        line = str(order.lines[0].id)
        answer = problem(erp.post(path, {"tracking_number": "9.40011E+21"}), 422, "invalid_input")
        assert errors(answer) == [("/tracking_number", "invalid_input")]
        answer = problem(erp.post(path, {"tracking_number": "1Z999AA10123456784, 1Z999AA10123456792"}), 422, "invalid_input")
        assert errors(answer) == [("/tracking_number", "invalid_input")] and "several" in answer["detail"]
        problem(erp.post(path, {"lines": [{"line_id": line, "quantity": 4}]}), 422, "invalid_input")
        problem(erp.post(path, {"lines": [{"line_id": "99999999999", "quantity": 1}]}), 400, "invalid_request")
        problem(erp.post(path, {"lines": [{"line_id": "4711", "quantity": 1}]}), 422, "invalid_input")
        twice = {"lines": [{"line_id": line, "quantity": 1}] * 2, "further_parcel": True}
        assert errors(problem(erp.post(path, twice), 422, "invalid_input")) == [
            ("/lines", "repeated"), ("/lines", "not_together"), ("/tracking_number", "required"),
        ]  # fmt: skip
        problem(erp.post("/orders/999999/shipments", {}), 404, "not_found")
        assert db.session.scalar(select(func.count()).select_from(Shipment)) == 0

    def test_a_batch_ships_what_can_be_and_says_what_cannot(self, app, erp):
        shop, item = make_integration(), make_item("A", 10)
        ready, held = make_order(shop, "1", [(item, 1)]), make_order(shop, "2", [(item, 1)], state="on_hold")
        rows = [{"order_id": str(ready.id), "tracking_number": "T1"}, {"order_id": str(held.id)}, {"order_id": "999999"}]
        refused = problem(erp.post("/shipments/batch", {"rows": rows, "atomic": True}), 422, "rows_refused")
        assert errors(refused) == [("/rows/1", "conflict"), ("/rows/2", "not_found")]
        assert db.session.scalar(select(func.count()).select_from(Shipment)) == 0
        assert db.session.scalar(select(func.count()).select_from(WriteBack)) == 0
        answer = erp.post("/shipments/batch", {"rows": rows})
        assert answer.json["summary"] == {"rows": 3, "done": 1, "failed": 2}
        assert [row["status"] for row in answer.json["results"]] == ["shipped", "failed", "failed"]
        assert db.session.scalar(select(Order.state).where(Order.id == ready.id)) == "shipped"

    def test_a_tracking_number_is_not_shown_without_the_scope(self, app, erp):
        order = make_order(make_integration(), "1", [(make_item("A", 10), 3)])
        blind = program(app, "shipments:write", "orders:read")
        answer = blind.post(f"/orders/{order.id}/shipments", {"tracking_number": "JJD77"})
        assert answer.status_code == 201 and "JJD77" not in answer.text
        assert "JJD77" not in blind.ask("GET", f"/orders/{order.id}?expand=shipments,write_backs,changes").text
        assert b"JJD77" not in db.session.scalar(select(IdempotencyKey.answer))


@pytest.mark.one_database
class TestOrders:
    def test_an_order_is_evaluated_cancelled_and_marked_as_seen(self, app, erp):
        order = make_order(make_integration(), "1", [(make_item("A", 10, reserved=3), 3)])
        for act in ("evaluate", "mark-seen"):
            answer = erp.post(f"/orders/{order.id}/{act}")
            assert (answer.status_code, answer.json["id"]) == (200, str(order.id)), answer.text
        answer = erp.post(f"/orders/{order.id}/cancel")
        assert (answer.status_code, answer.json["state"]) == (200, "cancelled")
        for act in ("evaluate", "mark-seen", "cancel", "read-again"):
            problem(erp.post(f"/orders/999999/{act}"), 404, "not_found")

    def test_a_hold_is_accepted_and_an_order_read_again(self, app, erp):
        order = make_order(make_integration(), "1", [(make_item("A", 10), 1)], state="on_hold", held_codes=["sums"])
        problem(erp.post(f"/orders/{order.id}/accept", {"code": "unknown_sku"}), 422, "invalid_input")
        answer = erp.post(f"/orders/{order.id}/accept", {"code": "sums"})
        assert (answer.status_code, db.session.scalar(select(Order.accepted_codes))) == (200, ["sums"])
        shipped = [{"line_id": str(order.lines[0].id), "quantity": 0}]
        problem(erp.post(f"/orders/{order.id}/accept", {"code": "sums", "shipped": shipped}), 422, "invalid_input")
        answer = erp.post(f"/orders/{order.id}/read-again")
        assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/v1/orders/{order.id}")
        db.session.rollback()
        assert db.session.scalar(select(Order.reread_due)) is True

    @pytest.mark.parametrize(("said", "shipped"), [((1, 0), [1, 0]), (None, [0, 1])])
    def test_a_program_says_which_lines_were_shipped_or_the_most_likely_is_assumed(self, app, erp, said, shipped):
        order = unclear_order()
        lines = [str(line.id) for line in order.lines]
        body = {"code": "lines"}
        if said is not None:
            body["shipped"] = [{"line_id": line, "quantity": units} for line, units in zip(lines, said, strict=True)]
            problem(
                erp.post(f"/orders/{order.id}/accept", {**body, "shipped": [{"line_id": lines[0], "quantity": 2}]}),
                422,
                "invalid_input",
            )
        answer = erp.post(f"/orders/{order.id}/accept", body)
        assert (answer.status_code, answer.json["state"]) == (200, "part_shipped")
        assert [line["shipped"] for line in answer.json["lines"]] == shipped


@pytest.mark.one_database
class TestRunsAndIntegrations:
    def test_a_run_is_started_followed_and_stopped(self, app, erp):
        shop = make_integration()
        answer = erp.post("/runs", {"integration_id": str(shop.id), "kind": "orders"})
        assert answer.status_code == 202
        assert erp.get(answer.headers["Location"])["state"] == "queued"
        problem(erp.post("/runs", {"integration_id": str(shop.id), "kind": "orders"}), 409, "already_running")
        stopped = erp.post(f"{answer.headers['Location']}/stop")
        assert (stopped.status_code, stopped.json["state"], stopped.json["outcome"]) == (202, "finished", "stopped")
        assert db.session.scalar(select(SyncRun.actor)).startswith("api:ERP")
        problem(erp.post("/runs", {"integration_id": "999999", "kind": "orders"}), 404, "not_found")
        problem(erp.post("/runs", {"integration_id": str(shop.id), "kind": "all"}), 400, "invalid_request")

    @pytest.mark.config(redis_url="redis://127.0.0.1:1/0")
    def test_a_run_is_kept_where_the_queue_is_away(self, app, erp):
        answer = erp.post("/runs", {"integration_id": str(make_integration().id), "kind": "stock"})
        assert (answer.status_code, answer.json["state"]) == (202, "queued")

    def test_an_integration_is_disabled_and_enabled(self, app, erp):
        shop = make_integration()
        answer = erp.post(f"/integrations/{shop.id}/disable")
        assert (answer.status_code, answer.json["enabled"], answer.json["health"]) == (200, False, "disabled")
        assert erp.post(f"/integrations/{shop.id}/enable").json["enabled"] is True
        lifecycle.remove_integration(shop.id, "test")
        problem(erp.post(f"/integrations/{shop.id}/enable"), 404, "not_found")
        assert db.session.scalar(select(Integration.enabled)) is False


@pytest.mark.one_database
def test_the_body_is_json_and_of_a_size(app: Flask, erp: Program):
    problem(erp.post("/stock-items", data="sku=A"), 415, "unsupported_media_type")
    problem(
        erp.ask("POST", "/stock-items", data=b"{}", content_type="application/json; charset=latin-1"),
        415,
        "unsupported_media_type",
    )
    problem(erp.ask("POST", "/stock-items", data=b" " * (2 * 1024 * 1024 + 1), content_type="application/json"), 413, "too_large")
    problem(erp.ask("POST", "/stock-items", data=b"{", content_type="application/json"), 400, "malformed_json")
    problem(erp.post(f"/orders/{1}/cancel", {"why": 1}), 400, "unexpected_body")


def test_a_stock_update_is_previewed_and_undone(app, db, shop, erp):
    ids = products(shop)
    integration_id = settled(shop)
    stock_items.set_stock("CUP", 33, "test")
    pushed = do(integration_id, "stock")
    path = f"/runs/{pushed.id}/undo"
    seen = erp.get(path)
    assert (seen["listings"], seen["other_integrations"]) == (1, [])
    assert [(item["sku"], item["on_hand"], item["restored"]) for item in seen["stock_items"]] == [("CUP", 33, 20)]
    answer = erp.post(path, {"where": "both"}, headers={"Idempotency-Key": "once"})
    assert (answer.status_code, answer.json["kind"]) == (202, "undo")
    # Sent again with its key it is the same undo.
    assert erp.post(path, {"where": "both"}, headers={"Idempotency-Key": "once"}).json["id"] == answer.json["id"]
    assert execution.perform(int(answer.json["id"])).outcome == "done"
    assert (shop.store.amount(ids["CUP"]), on_hand()["CUP"]) == (20, 20)
    problem(erp.post(path, {"where": "here"}), 409, "conflict")


def test_here_alone_nothing_is_sent_to_the_shop(app, db, shop, erp):
    ids = products(shop)
    integration_id = settled(shop)
    stock_items.set_stock("CUP", 33, "test")
    pushed = do(integration_id, "stock")
    answer = erp.post(f"/runs/{pushed.id}/undo", {"where": "here"})
    assert (answer.status_code, answer.json["id"]) == (200, str(pushed.id))
    assert (shop.store.amount(ids["CUP"]), on_hand()["CUP"]) == (33, 20)
    problem(erp.post("/runs/999/undo", {}), 404, "not_found")
