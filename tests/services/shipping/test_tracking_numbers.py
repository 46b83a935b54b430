"""Texts that nobody could follow as a tracking number: several in one, and what a spreadsheet has damaged."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from errors import InvalidInput
from models import Shipment
from services.shipping import assignment, files, shipments, tracking_numbers, voiding
from services.shipping.sheet import wrong_of
from tests.support.rows import make_integration, make_item, make_order

UPS = ("1Z999AA10123456784", "1Z999AA10123456792")
TWO = [
    f"{UPS[0]}{between}{UPS[1]}" for between in (", ", ",", ";", " ; ", "|", "\n", "\r\n", "\t", " / ", "/", " & ", " + ", " and ", " ", " - ")
] + ["T1, T2", "T1 / T2", "JJD01 4600 0068, JJD01 4600 0069", f"{UPS[0]}, {UPS[0]}"]  # fmt: skip
ONE = [
    UPS[0], "9400 1112 0255 5555 5555 55", "RR 123 456 785 DE", "020-1234 5675", "020 - 12345675", "12345675/001", "JD014600006828203124",
    "DHL, 00340434161094021501", "00340434161094021501,", "1Z 999 AA1 01 2345 6784", "https://parcel.example/12345678/87654321", "",
]  # fmt: skip


@pytest.fixture
def order(db):
    return make_order(make_integration(), "1001", [(make_item("CUP", 10), 2)])


@pytest.mark.parametrize("tracking", TWO)
def test_several_tracking_numbers_are_refused_wherever_they_are_typed(db, order, tracking):
    with pytest.raises(InvalidInput, match=r"looks like several tracking numbers") as refused:
        shipments.ship(order.id, "test", tracking_number=tracking)
    assert refused.value.field == "tracking"
    assert wrong_of("UPS", tracking).keys() == {"tracking"}
    assert db.session.scalar(select(Shipment.id)) is None
    made = shipments.ship(order.id, "test", tracking_number="T-0").shipment_id
    with pytest.raises(InvalidInput, match="several"):
        shipments.add_parcel(order.id, "test", tracking_number=tracking)
    with pytest.raises(InvalidInput, match="several"):
        voiding.edit_tracking(made, "test", carrier="", tracking_number=tracking)


@pytest.mark.parametrize("tracking", TWO)
def test_a_row_with_several_tracking_numbers_is_refused_and_says_what_to_do(db, order, tracking):
    file = files.read_file(f'number,carrier,tracking\n1001,UPS,"{tracking}"\n'.encode(), "x.csv", "test")
    (row,) = file.rows
    assert row["problem"] == f"{' '.join(tracking.split())} looks like several tracking numbers. Give each parcel its own row."


@pytest.mark.parametrize(
    ("tracking", "wrong", "typed", "in_file"),
    [
        ("9,4E+21", "digits are lost", "Copy the tracking number", "Format the column as text"),
        ("\u200b003404341610.00", "has added decimals", "Copy the tracking number", "Format the column as text"),
        ("T1, T2", "several tracking numbers", "Give one tracking number.", "Give each parcel its own row."),
        ("Mar-01", "looks like a date", "", "Format the column as text"),
    ],
)
def test_what_is_wrong_and_what_to_do_is_the_same_on_pages_in_files_and_in_their_sample(
    db, order, tracking, wrong, typed, in_file
):
    found = tracking_numbers.trouble(tracking)
    assert (wrong in found[0] and found[1].startswith(typed)) if typed else found is None
    (row,) = files.read_file(f'number,carrier,tracking\n1001,UPS,"{tracking}"\n'.encode(), "x.csv", "test").rows
    (shown,) = assignment.sample(["number", "tracking"], [["1001", tracking]], {"number": "number", "tracking": "tracking"}, {})
    assert wrong in row["problem"] and in_file in row["problem"]
    assert shown["problem"] == row["problem"]


@pytest.mark.parametrize("tracking", ONE)
def test_one_tracking_number_is_taken_as_it_is_printed(db, order, tracking):
    file = files.read_file(f'number,carrier,tracking\n1001,UPS,"{tracking}"\n'.encode(), "x.csv", "test")
    assert file.rows[0]["problem"] == ""
    assert wrong_of("UPS", tracking) == {}
