"""``shipments import``, ``carriers`` and ``presets``: files of carriers' programs by command."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from extensions import db
from models import Order, Shipment
from services.presets import presets
from services.shipping import carriers
from tests.cli.conftest import Commands
from tests.support.rows import make_integration, make_item, make_order

pytestmark = pytest.mark.one_database


@pytest.fixture
def desk(app) -> None:
    integration, item = make_integration("Shop"), make_item("CUP", 9)
    for number in ("1001", "1002"):
        make_order(integration, number, [(item, 1)])


def invoke(app, *arguments: str, given: str | None = None, fails: bool = False):
    answer = Commands(app).call(*arguments, input=given)
    assert (answer.exit_code != 0) is fails, answer.output
    return answer


def test_a_file_is_shown_and_shipped_only_when_that_is_wanted(desk, app, tmp_path):
    file, out = tmp_path / "dhl.csv", tmp_path / "wrong.csv"
    file.write_text("Sendungsnummer;Sendungsreferenz;Status\nT1;1001;\nT2;999;\n", "cp1252")
    rows = [json.loads(line) for line in invoke(app, "shipments", "import", str(file), "--json").stdout.splitlines()]
    assert [(row["line"], row["carrier"], row["problem"]) for row in rows] == [
        (2, "DHL Paket", ""),
        (3, "DHL Paket", "There is no order 999."),
    ]
    shown = invoke(app, "shipments", "import", str(file), "--wrong-rows", str(out))
    assert "1 row can be shipped, 1 cannot." in shown.output and "Nothing was shipped." in shown.output
    assert db.session.scalar(select(Shipment.id)) is None
    assert '"T2";"999";"";"Line 3: There is no order 999."' in out.read_text("utf-8-sig")
    assert "already" in invoke(app, "shipments", "import", str(file), "--wrong-rows", str(out), fails=True).output
    assert "Shipped." in invoke(app, "shipments", "import", str(file), "--apply").output
    out.write_text(out.read_text("utf-8-sig").replace("999", "1002"), "utf-8")
    invoke(app, "shipments", "import", str(out), "--apply")
    assert "no row of the file can be used" in invoke(app, "shipments", "import", str(out), "--apply", fails=True).output
    db.session.rollback()
    assert sorted(db.session.scalars(select(Shipment.tracking_number))) == ["T1", "T2"]
    assert set(db.session.scalars(select(Order.state))) == {"shipped"}


def test_a_file_with_headings_that_nobody_knows_ships_nothing(desk, app, tmp_path):
    """Its tracking numbers may stand under a heading that is not known: the order would ship without one."""
    file = tmp_path / "x.csv"
    file.write_text("number,barcode\n1001,T1\n")
    assert "not clear which column" in invoke(app, "shipments", "import", str(file), "--apply", fails=True).output
    preset = {
        "format": presets.FORMAT, "kind": "shipments", "name": "x", "headings": ["number", "barcode"],
        "columns": {"number": "number", "tracking": "barcode"}, "options": {"carrier": "DHL"},
    }  # fmt: skip
    invoke(app, "presets", "import", "-", given=json.dumps(preset))
    invoke(app, "shipments", "import", str(file), "--apply")
    db.session.rollback()
    assert list(db.session.scalars(select(Shipment.tracking_number))) == ["T1"]


def test_carriers_are_added_changed_and_removed(app):
    invoke(app, "carriers", "save", "Bike", "--other-name", "velo", "--tracking-link", "https://bike.example/{number}")
    invoke(app, "carriers", "save", "VELO", "--rename", "Bike Express", "--other-name", "bicycle", "--without", "velo")
    found = next(
        row for row in map(json.loads, invoke(app, "carriers", "list", "--json").stdout.splitlines()) if row["name"].startswith("Bike")
    )  # fmt: skip
    assert found == {"name": "Bike Express", "other_names": ["bicycle"], "tracking_link": "https://bike.example/{number}"}
    invoke(app, "carriers", "save", "Nobody", "--rename", "x", fails=True)
    invoke(app, "carriers", "remove", "bicycle", "--yes")
    assert "Bike Express" not in [each.name for each in carriers.list_carriers()]


def test_presets_are_shown_exported_renamed_removed_and_imported(app):
    columns = {"sku": "Art. Nr", "quantity": "Lager"}
    presets.remember("stock", ["Art. Nr", "Lager"], columns, {"words": {"ja": 3}}, name="ACME", actor="test")
    (shown,) = map(json.loads, invoke(app, "presets", "list", "--json").stdout.splitlines())
    assert (shown["kind"], shown["name"], shown["columns"]) == ("stock", "ACME", columns)
    assert "SKU: Art. Nr, Quantity: Lager" in invoke(app, "presets", "show", "acme").output
    exported = invoke(app, "presets", "export", "ACME").stdout
    invoke(app, "presets", "rename", "ACME", "ACME 2")
    invoke(app, "presets", "import", "-", given=exported, fails=True)  # there is one for these headings
    invoke(app, "presets", "remove", str(shown["id"]), "--yes")
    invoke(app, "presets", "show", "ACME 2", fails=True)
    assert "ACME is imported" in invoke(app, "presets", "import", "-", given=exported).output
