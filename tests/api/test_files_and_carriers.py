"""Presets of files, and carriers, by programs."""

from __future__ import annotations

from services.shipping import carriers
from services.stock import files
from tests.api.conftest import Program, problem, program
from tests.support.rows import make_item

PRESET = {
    "kind": "stock", "name": "ACME", "headings": ["Art", "Menge"], "columns": {"sku": "Art", "quantity": "Menge"},
    "options": {"words": {"viel": 50}},
}  # fmt: skip


def test_a_preset_lets_files_be_read_without_a_person(app, erp: Program):
    make_item("A", 1)
    file = {"data": b"Art;Menge\nA;viel\n", "content_type": "text/csv"}
    problem(erp.post("/stock-imports", **file), 422, "invalid_input")
    made = erp.post("/file-presets", PRESET)
    assert (made.status_code, made.json["columns"], made.json["options"]["words"]) == (201, PRESET["columns"], {"viel": 50})
    upload = erp.post("/stock-imports", **file)
    files.work(int(upload.json["id"]))
    assert erp.get(upload.headers["Location"])["raised"] == 1
    problem(erp.post("/file-presets", PRESET), 409, "conflict")
    problem(erp.post("/file-presets", {**PRESET, "headings": ["Art"]}), 422, "invalid_input")
    path = made.headers["Location"]
    assert erp.items("/file-presets?kind=stock") == [erp.get(path)] and erp.items("/file-presets?kind=shipments") == []
    renamed = erp.ask("PATCH", path, json={"name": "ACME 2"}, headers={"If-Match": f'"{made.json["version"]}"'})
    assert renamed.json["name"] == "ACME 2"
    problem(erp.ask("DELETE", path, headers={"If-Match": f'"{made.json["version"]}"'}), 412, "version_mismatch")
    assert erp.ask("DELETE", path, headers={"If-Match": f'"{renamed.json["version"]}"'}).status_code == 204
    clerk = program(app, "stock:write", user="Mona", role="manager")
    parcels = {**PRESET, "kind": "shipments", "columns": {"number": "Art", "tracking": "Menge"}, "options": {}}
    assert problem(clerk.post("/file-presets", parcels), 403, "scope_missing")["scope"] == "shipments:write"
    assert erp.post("/file-presets", parcels).json["kind"] == "shipments"


def test_options_of_a_preset_that_mean_nothing_are_refused(erp: Program):
    """All of them, each at its place."""
    odd = {"words": {"": 1, "lots": -1, "many\0": 2, "few": 3}, "pak": 2, "decimal": ";"}
    found = problem(erp.post("/file-presets", {**PRESET, "options": odd}), 400, "invalid_request")["errors"]
    assert sorted((fault["pointer"], fault["code"]) for fault in found) == [
        ("/options/decimal", "invalid_value"), ("/options/pak", "unknown_field"), ("/options/words", "invalid_text"),
        ("/options/words/", "invalid_value"), ("/options/words/lots", "invalid_value"),
    ]  # fmt: skip
    refused = problem(erp.post("/file-presets", {**PRESET, "options": {"carrier": "DHL"}}), 422, "invalid_input")
    assert "'carrier'" in refused["detail"] and "pack" in refused["detail"]


def test_carriers_are_added_changed_and_removed(app, erp: Program):
    made = erp.post("/carriers", {"name": "Bike", "other_names": ["velo"], "tracking_link": "https://bike.example/{number}"})
    path = made.headers["Location"]
    assert erp.get(path) == made.json and made.json in erp.items("/carriers?limit=250")
    problem(erp.post("/carriers", {"name": "VELO"}), 422, "invalid_input")
    changed = erp.ask("PATCH", path, json={"other_names": []}, headers={"If-Match": f'"{made.json["version"]}"'}).json
    assert (changed["name"], changed["other_names"], changed["tracking_link"]) == ("Bike", [], "https://bike.example/{number}")
    assert erp.ask("DELETE", path, headers={"If-Match": f'"{changed["version"]}"'}).status_code == 204
    assert "Bike" not in [each.name for each in carriers.list_carriers()]
