"""Rows of files of tracking numbers that cannot be used: a file of the same kind offers them, and importing it does the rest."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from extensions import db
from models import Shipment, ShipmentFile
from models.types import utcnow
from services.common import wrong_rows
from services.shipping import files
from tests.support.rows import make_integration, make_item, make_order

pytestmark = pytest.mark.one_database
EXPORT = (
    "Sendungsnummer;Sendungsreferenz;Empf\u00e4ngername;Status\r\n"
    'T1;1001;Ann;\r\nT2;999;Bob;\r\nT3;1001;Ann;\r\n;1002;"Zo\u00eb; \u00c4rger";\r\nT5;1002;Zo\u00eb;x;y\r\n'
)


def wrong_file(file: ShipmentFile) -> bytes:
    layout, rows = files.wrong_rows_of(file)
    return b"".join(wrong_rows.write(layout, rows))


def shipped(content: bytes) -> ShipmentFile:
    file = files.read_file(content, "dhl.csv", "test")
    if any(not row["problem"] for row in file.rows):
        files.accept(file.id)
        files.work(file.id)
    return files.get_file(file.id)


def tracking() -> list[str]:
    db.session.rollback()
    return sorted(db.session.scalars(select(Shipment.tracking_number)))


@pytest.fixture
def desk(app) -> None:
    integration, item = make_integration(), make_item("CUP", 9)
    for number in ("1001", "1002"):
        make_order(integration, number, [(item, 1)])


def test_a_carriers_file_is_done_in_two_steps_and_nothing_twice(desk):
    first = shipped(EXPORT.encode("cp1252"))
    assert tracking() == ["", "T1", "T3"]
    content = wrong_file(first).decode("utf-8-sig")
    assert content.splitlines()[0] == '"Sendungsnummer";"Sendungsreferenz";"Empf\u00e4ngername";"Status";"Reason (Cartlink)"'
    assert '"T2";"999";"Bob";"";"Line 3: There is no order 999."' in content
    assert shipped(content.encode()).read_as == "DHL Business Customer Portal"
    second = content.replace('"T2";"999"', '"T2";"1002"')
    shipped(second.encode())
    shipped(second.encode())
    shipped(EXPORT.encode("cp1252"))
    assert tracking() == ["", "T1", "T2", "T3"]


def test_the_cells_of_wrong_rows_are_kept_for_a_week(desk):
    file = files.read_file(EXPORT.encode("cp1252"), "dhl.csv", "test")
    assert "cells" not in file.rows[0] and file.rows[1]["cells"] == ["T2", "999", "Bob", ""]
    files.forget_cells(utcnow() - timedelta(days=7))
    assert b"Bob" in wrong_file(files.get_file(file.id))
    files.forget_cells(utcnow() + timedelta(days=1))
    content = wrong_file(files.get_file(file.id))
    assert b"Bob" not in content and b'"999","DHL Paket","T2"' in content
