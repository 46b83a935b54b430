"""Files of quantities, approvals, and shops that a program connects."""

from __future__ import annotations

import io

import openpyxl
import pytest
from sqlalchemy import select

from extensions import db, writing
from models import Draft, Integration, StockItem, SyncRun
from practice_shop import PracticeShop
from services.onboarding import connection_check
from services.security import vault
from services.stock import files
from services.stock import items as stock_items
from tests.api.conftest import Program, problem, program
from tests.support.rows import make_item

CSV = {"content_type": "text/csv"}
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def on_hand() -> dict[str, int]:
    db.session.rollback()
    return dict(db.session.execute(select(StockItem.sku, StockItem.on_hand)).all())


@pytest.mark.both_databases
def test_a_file_is_uploaded_looked_at_row_by_row_approved_and_applied(app, erp: Program):
    make_item("A", 5)
    make_item("B", 2)
    made = erp.post("/stock-imports?name=night.csv", data=b"sku,quantity\na,9\nB,2\nNEW,1\n", **CSV)
    assert (made.status_code, made.json["state"], made.json["name"]) == (202, "uploaded", "night.csv")
    path = made.headers["Location"]
    files.work(int(made.json["id"]))
    checked = erp.get(path)
    assert [checked[name] for name in ("state", "changed", "unchanged", "unknown")] == ["checked", 1, 1, 1]
    rows = erp.items(f"{path}/rows")
    assert [(row["line"], row["sku"], row["quantity"], row["on_hand"], row["result"]) for row in rows] == [
        (2, "a", 9, 5, "changed"), (3, "B", 2, 2, "unchanged"), (4, "NEW", 1, None, "unknown"),
    ]  # fmt: skip
    assert on_hand() == {"A": 5, "B": 2}
    answer = erp.post(f"{path}/approve", {"add_unknown": True})
    assert (answer.status_code, answer.json["state"]) == (202, "approved")
    files.work(int(made.json["id"]))
    assert erp.get(path)["state"] == "applied" and on_hand() == {"A": 9, "B": 2, "NEW": 1}
    assert [row["result"] for row in erp.items(f"{path}/rows?limit=10")] == ["changed", "unchanged", "added"]
    assert [row["sku"] for row in erp.items(f"{path}/rows?result=added")] == ["NEW"]
    problem(erp.post(f"{path}/approve", {}), 409, "conflict")
    assert [each["id"] for each in erp.items("/stock-imports")] == [made.json["id"]]


def test_an_applied_file_is_taken_back_by_another_one(app, erp: Program):
    clerk = program(app, "stock:read", user="Mona", role="manager")
    make_item("A", 5)
    make_item("B", 7)
    path = erp.post("/stock-imports?name=night.csv", data=b"sku,quantity\nA,50\nB,0\n", **CSV).headers["Location"]
    problem(erp.post(f"{path}/undo"), 409, "conflict")
    files.work(int(path.rpartition("/")[2]))
    erp.post(f"{path}/approve", {})
    files.work(int(path.rpartition("/")[2]))
    stock_items.set_stock("B", 1, "user:ann")
    assert problem(clerk.post(f"{path}/undo"), 403, "scope_missing")["scope"] == "stock:write"
    assert problem(erp.post("/stock-imports/999/undo"), 404, "not_found")["detail"].startswith("There is no such file.")
    key = {"Idempotency-Key": "back-1"}
    made, again = erp.post(f"{path}/undo", headers=key), erp.post(f"{path}/undo", headers=key)
    assert (made.status_code, made.json["state"], made.json["name"]) == (202, "uploaded", "Undo of night.csv")
    assert (made.json["undoes_import_id"], erp.get(path)["undoes_import_id"]) == (path.rpartition("/")[2], None)
    assert again.json["id"] == made.json["id"] and len(erp.items("/stock-imports")) == 2
    back = made.headers["Location"]
    files.work(int(made.json["id"]))
    assert (erp.get(back)["changed"], on_hand()) == (1, {"A": 50, "B": 1})
    assert erp.post(f"{back}/approve", {}).status_code == 202
    files.work(int(made.json["id"]))
    assert on_hand() == {"A": 5, "B": 1}, "what was set since is left"
    problem(erp.post(f"{path}/undo"), 409, "conflict")


def test_json_lines_are_taken_and_what_is_wrong_is_refused(app, erp: Program):
    make_item("A", 5)
    made = erp.post("/stock-imports", data=b'{"sku": "A", "quantity": 7}\n{"sku": "A"}\n', content_type="application/x-ndjson")
    files.work(int(made.json["id"]))
    path = made.headers["Location"]
    checked = erp.get(path)
    assert (checked["state"], checked["raised"], checked["wrong"]) == ("checked", 1, 1)
    assert checked["problems"][0].startswith("Line 2: ") and checked["causes"] == [{"cause": "The row cannot be read", "rows": 1}]
    (wrong,) = erp.items(f"{path}/wrong-rows")
    assert (wrong["line"], wrong["cells"], wrong["headings"]) == (2, ['{"sku": "A"}'], []) and wrong["reason"]
    # A wrong file changes nothing unless the program says that its good rows are to be applied.
    assert "skip_wrong" in problem(erp.post(f"{path}/approve", {}), 409, "conflict")["detail"]
    assert erp.post(f"{path}/approve", {"skip_wrong": True}).json["state"] == "approved"
    files.work(int(made.json["id"]))
    assert on_hand() == {"A": 7}
    stock_items.set_stock("A", 5, "test")
    made = erp.post("/stock-imports", data=b'{"sku": "A", "quantity": 7}\n', content_type="application/x-ndjson")
    files.work(int(made.json["id"]))
    assert erp.post(f"{made.headers['Location']}/discard").json["state"] == "discarded"
    assert on_hand() == {"A": 5}
    problem(erp.post("/stock-imports", data=b"name,amount of it\n", **CSV), 422, "invalid_input")
    problem(erp.post("/stock-imports", data=b"", **CSV), 422, "invalid_input")
    problem(erp.post("/stock-imports", data=b"{}", **CSV), 422, "invalid_input")
    problem(erp.post("/stock-imports", data=b"sku,quantity\nA,1\n", content_type="application/x-ndjson"), 422, "invalid_input")
    problem(erp.post("/stock-imports", {"sku": "A"}), 415, "unsupported_media_type")
    problem(erp.post("/stock-imports", data=b"x" * (files.MOST_BYTES + 1), **CSV), 413, "too_large")
    clerk = program(app, "stock:write", user="Mona", role="manager")
    assert problem(clerk.post("/stock-imports/1/approve", {}), 403, "scope_missing")["scope"] == "approvals:write"


def test_a_workbook_is_read_as_on_the_page(app, erp: Program):
    make_item("007", 5)
    book = openpyxl.Workbook()
    book.active.append(["x", "y"])
    stock = book.create_sheet("Stock")
    for row in (["SKU", "Qty"], ["007", 9]):
        stock.append(row)
    file = io.BytesIO()
    book.save(file)
    made = erp.post("/stock-imports?name=x.xlsx&sheet=stock", data=file.getvalue(), content_type=EXCEL)
    files.work(int(made.json["id"]))
    assert erp.get(made.headers["Location"])["raised"] == 1
    problem(erp.post("/stock-imports", data=file.getvalue(), **CSV), 422, "invalid_input")
    problem(erp.post("/stock-imports", data=b"sku,quantity\nA,1\n", content_type=EXCEL), 422, "invalid_input")


def test_one_key_uploads_once(erp: Program):
    headers = {"Idempotency-Key": "night"}
    first = erp.post("/stock-imports", data=b"sku,quantity\nA,1\n", headers=headers, **CSV)
    again = erp.post("/stock-imports", data=b"sku,quantity\nA,1\n", headers=headers, **CSV)
    assert again.json == first.json and again.headers["Idempotency-Replayed"] == "true"
    problem(erp.post("/stock-imports", data=b"sku,quantity\nA,2\n", headers=headers, **CSV), 422, "idempotency_key_reused")


def test_a_stock_update_is_approved_as_it_was_seen(erp: Program, planted):
    path = f"/integrations/{planted['integration_id']}/stock-preview"
    preview = erp.get(path)
    assert preview == {"run_id": str(planted["run_id"]), "changes": 1, "zeroed": 1}
    assert [row["wanted"] for row in erp.items(f"/runs/{preview['run_id']}/rows?result=preview")] == [0]
    problem(erp.post(f"{path}/approve", {"run_id": "4711"}), 409, "conflict")
    with writing() as session:
        session.get_one(SyncRun, planted["run_id"]).counts = {"preview": 1}
    assert erp.post(f"{path}/approve", {"run_id": preview["run_id"]}).json == {"changes": 1}
    assert db.session.scalar(select(Integration.approved_run_id)) == planted["run_id"]
    problem(erp.ask("GET", path), 404, "not_found")
    problem(erp.post("/integrations/999999/stock-preview/approve", {"run_id": "1"}), 404, "not_found")


def check(answer) -> None:
    """Do the job that the act has put on the queue."""
    draft = db.session.get_one(Draft, int(answer.json["id"]))
    draft_id, ticket = draft.id, draft.check_ticket
    db.session.rollback()
    connection_check.run_check(draft_id, ticket)


@pytest.mark.both_databases
def test_a_shop_is_connected_after_its_check(app, erp: Program, practice: PracticeShop):
    new = {
        "kind": "xcart",
        "name": "Garden",
        "endpoint": practice.url,
        "api_key": practice.key,
        "orders_since": "2026-01-01T00:00:00Z",
    }
    headers = {"Idempotency-Key": "garden"}
    asked = erp.post("/integrations", new, headers=headers)
    assert (asked.status_code, asked.json["state"], asked.json["integration_id"]) == (202, "checking", None)
    assert erp.post("/integrations", new, headers=headers).json == asked.json
    check(asked)
    done = erp.get(asked.headers["Location"])
    assert (done["state"], done["code"]) == ("connected", "")
    shown = erp.get(f"/integrations/{done['integration_id']}")
    assert (shown["name"], shown["enabled"], shown["health"]) == ("Garden", True, "connected")
    row = db.session.get_one(Integration, int(done["integration_id"]))
    assert vault.decrypt(row.key_encrypted) == practice.key and row.orders_since.year == 2026
    assert practice.key not in vault.decrypt(db.session.scalar(select(Draft.answers_encrypted)))
    db.session.rollback()
    problem(erp.post("/integrations", {**new, "name": "garden"}), 409, "name_taken")
    twice = erp.post("/integrations", {**new, "name": "Copy"})
    check(twice)
    failed = erp.get(twice.headers["Location"])
    assert (failed["state"], failed["code"]) == ("failed", "conflict") and "Garden" in failed["message"]


def test_a_shop_that_refuses_the_key_is_not_connected_and_says_why(app, erp: Program, practice: PracticeShop):
    new = {"kind": "xcart", "name": "Garden", "endpoint": practice.url, "api_key": "not the key"}
    asked = erp.post("/integrations", new)
    check(asked)
    failed = erp.get(asked.headers["Location"])
    assert failed["state"] == "failed" and failed["code"] and failed["message"] and "not the key" not in str(failed)
    assert db.session.scalar(select(Integration.id)) is None
    for changes, pointer in (
        ({"kind": "woo"}, "/kind"),
        ({"orders_since": "1990-01-01T00:00:00Z"}, "/orders_since"),
        ({"api_key": " "}, "/api_key"),
    ):
        found = problem(erp.post("/integrations", {**new, **changes}), 422, "invalid_input")
        assert [fault["pointer"] for fault in found["errors"]] == [pointer]
    problem(program(app, "integrations:write", user="Mona", role="manager").post("/integrations", new), 403, "role_insufficient")
    with writing() as session:
        session.query(Draft).update(
            {"check_state": "asked", "found_encrypted": None, "lease_until": session.query(Draft).first().created_at}
        )
    assert erp.get(asked.headers["Location"])["code"] == "interrupted"
