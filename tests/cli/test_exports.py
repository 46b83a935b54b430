"""``flask exports``: saved exports on the command line."""

from __future__ import annotations

import csv
import io

import openpyxl
import pytest

from services.orders.views import Wanted
from tests.support.exports import deliver_to, make_export
from tests.support.remote_files import web_server
from tests.support.rows import make_integration, make_order

pytestmark = pytest.mark.config(allow_private_endpoints=("all",))


def test_saved_exports_are_listed_made_delivered_and_their_files_listed(app, commands, tmp_path):
    shop = make_integration("Outlet")
    for number, state in (("1001", "ready"), ("1002", "shipped")):
        make_order(shop, number, [("CUP", 1)], state=state)
    make_export("Everything", wanted=Wanted(), format="xlsx", columns="number")
    export_id = make_export()
    assert (
        list(csv.DictReader(io.StringIO(commands.done("exports", "run", "warehouse").removeprefix("\ufeff"))))[0]["number"]
        == "1001"
    )
    commands.done("exports", "run", "Everything", "--output", str(tmp_path / "all.xlsx"))
    assert openpyxl.load_workbook(tmp_path / "all.xlsx").active.max_row == 3
    assert "cannot be written" in commands.refused("exports", "run", "Everything", "--output", str(tmp_path / "no" / "all.xlsx"))
    assert "no saved export 'nothing'" in commands.refused("exports", "run", "nothing")
    assert "has no delivery" in commands.refused("exports", "deliver", "Warehouse")
    with web_server() as web:
        deliver_to(export_id, method="https", address=web.url("/in/"))
        web.put_status = 503
        assert "503" in commands.refused("exports", "deliver", "Warehouse")
        assert commands.rows("exports", "deliveries")[0]["state"] == "failing"
        web.put_status = 0
        assert "1 orders delivered to http" in commands.done("exports", "deliver", "Warehouse")
        assert "nothing new" in commands.done("exports", "deliver", "Warehouse")
    (row,) = (each for each in commands.rows("exports", "list") if each["name"] == "Warehouse")
    assert (row["when"], row["error"], row["format"]) == ("every hour", "", "csv") and row["delivered_at"]
    assert [each["state"] for each in commands.rows("exports", "deliveries", "Warehouse")] == ["empty", "done"]
    assert "Warehouse" in commands.done("exports", "list") and "done" in commands.done("exports", "deliveries")
