"""Files of tracking numbers, shipped by a worker."""

from __future__ import annotations

from datetime import timedelta

import pytest

from errors import Conflict, InvalidInput
from extensions import writing
from models import ShipmentFile
from models.types import utcnow
from services.common.claims import MOST_LOST
from services.shipping import files, shipments
from services.shipping.same_numbers import same_numbers
from tests.support.rows import make_integration, make_item, make_order
from tests.support.shops import products, settled, states


def test_a_file_of_shipments_is_checked_row_by_row_and_shipped_once(app, db, shop):
    ids = products(shop)
    good = shop.store.place_order(lines=[(ids["CUP"], 1)])
    unpaid = shop.store.place_order(lines=[(ids["CUP"], 1)], payment="Q")
    settled(shop)
    text = f"Order;Carrier;Tracking number\n{good};DHL;T1\n{unpaid};DHL;T2\n999;x;y\n{good};DHL;T1\n;c;d\n"
    file = files.read_file(text.encode(), "x.csv", "test")
    assert [(row["line"], row["problem"]) for row in file.rows] == [
        (2, ""), (3, f"Order {unpaid} still awaits payment."), (4, "There is no order 999."),
        (5, f"Order {good} is in line 2 already."), (6, "The row has no order number."),
    ]  # fmt: skip
    assert states()[0] == "ready"
    assert files.due_files() == []
    files.accept(file.id)
    with pytest.raises(Conflict):
        files.accept(file.id)
    assert files.due_files() == [file.id]
    files.work(file.id)
    files.work(file.id)
    kept = files.get_file(file.id)
    assert (kept.done, kept.refused, states()[0], files.due_files()) == (1, [], "shipped", [])
    with pytest.raises(InvalidInput, match="no column named number"):
        files.read_file(b"a,b\n1,2\n", "x.csv", "test")


def test_a_file_whose_worker_died_is_shipped_on_from_there(app, db, shop):
    ids = products(shop)
    numbers = [shop.store.place_order(lines=[(ids["CUP"], 1)]) for _ in range(4)]
    settled(shop)
    rows = "".join(f"{number},DHL,T{number}\n" for number in numbers)
    file = files.read_file(f"number,carrier,tracking\n{rows}".encode(), "x.csv", "test")
    shipments.ship(file.rows[2]["order_id"], "somebody else")
    files.accept(file.id)
    with writing() as session:
        # The first row was shipped by a worker that then died.
        kept = session.get_one(ShipmentFile, file.id)
        kept.token, kept.lease_until, kept.done = "dead", utcnow() + timedelta(seconds=60), 1
    files.work(file.id)
    assert states() == ["ready", "ready", "shipped", "ready"]
    with writing() as session:
        session.get_one(ShipmentFile, file.id).lease_until = utcnow() - timedelta(seconds=1)
    files.work(file.id)
    kept = files.get_file(file.id)
    reason = (
        f"Order {numbers[2]} has been shipped already. To send a further parcel, add its tracking number on the order's page."
    )
    left_out = {"line": 4, "number": str(numbers[2]), "order_id": file.rows[2]["order_id"], "reason": reason}
    assert (kept.done, kept.refused) == (4, [left_out])
    assert states() == ["ready", "shipped", "shipped", "shipped"]


def test_a_mistake_of_ours_at_one_row_leaves_it_out_and_ships_the_others(app, db, shop, monkeypatch):
    ids = products(shop)
    numbers = [shop.store.place_order(lines=[(ids["CUP"], 1)]) for _ in range(3)]
    settled(shop)
    rows = "".join(f"{number},DHL,T{number}\n" for number in numbers)
    file = files.read_file(f"number,carrier,tracking\n{rows}".encode(), "x.csv", "test")
    files.accept(file.id)
    bad, ship = file.rows[1]["order_id"], shipments.ship

    def mistaken(order_id: int, *given: object, **more: object) -> object:
        if order_id == bad:
            raise ZeroDivisionError("a mistake of ours")
        return ship(order_id, *given, **more)

    monkeypatch.setattr(shipments, "ship", mistaken)
    files.work(file.id)
    kept = files.get_file(file.id)
    assert kept.applied_at and (kept.done, [row["number"] for row in kept.refused]) == (3, [str(numbers[1])])
    assert "inside Cartlink" in kept.refused[0]["reason"] and states() == ["shipped", "ready", "shipped"]


def test_a_number_that_several_orders_have_is_named():
    rows = [
        ("T1", 1, "line 2"),
        (" t 1 ", 2, "line 3"),
        ("T1", 1, "line 4"),
        ("T2", 3, "line 5"),
        ("T2", 3, "line 6"),
        ("", 4, "line 7"),
        ("", 5, "line 8"),
    ]
    assert [each.sentence() for each in same_numbers(rows)] == ["T1 is entered for line 2, line 3 and line 4."]


def test_characters_that_nobody_sees_and_words_for_nothing_are_no_part_of_a_tracking_number(app, db, shop):
    ids = products(shop)
    first, second = (shop.store.place_order(lines=[(ids["CUP"], 1)]) for _ in range(2))
    settled(shop)
    text = f"number,carrier,tracking\n\u200b{first},DHL,\u200bT1\ufeff\n{second},DHL,N/A\n"
    file = files.read_file(text.encode(), "x.csv", "test")
    assert [(row["tracking"], row["problem"]) for row in file.rows] == [("T1", ""), ("", "")]
    shipped = shipments.ship(file.rows[0]["order_id"], "test", tracking_number="T1\u200b")
    assert shipments.of_order(shipped.order_id)[0].tracking_number == "T1"


def test_a_row_that_ends_each_worker_is_left_out_and_named_and_the_others_are_shipped(app, db, monkeypatch, client):
    shop, cup = make_integration(), make_item("CUP", 100)
    orders = [make_order(shop, number, [(cup, 1)]) for number in ("1001", "1002", "1003")]
    file = files.read_file(b"number,carrier,tracking\n1001,DHL,T1\n1002,DHL,T2\n1003,DHL,T3\n", "x.csv", "test")
    file_id = file.id
    files.accept(file_id)
    ship, deadly = shipments.ship, orders[1].id

    def die(order_id, *given, **more):
        if order_id == deadly:
            raise SystemExit
        return ship(order_id, *given, **more)

    monkeypatch.setattr(shipments, "ship", die)
    for _ in range(MOST_LOST):
        with pytest.raises(SystemExit):
            files.work(file_id)
        with writing() as session:
            session.get_one(ShipmentFile, file_id).lease_until = utcnow() - timedelta(seconds=1)
    files.work(file_id)
    kept = files.get_file(file_id)
    assert (kept.done, kept.applied_at is not None, kept.lost_workers) == (3, True, 0)
    (left_out,) = kept.refused
    assert (left_out["line"], left_out["number"], left_out["order_id"]) == (3, "1002", deadly)
    assert left_out["reason"].startswith(f"{MOST_LOST} workers in a row ended in the middle of this row, so it was left out.")
    assert states() == ["shipped", "ready", "shipped"]
    page = client.get(f"/orders/tracking-numbers/{file_id}").text
    assert f'<a href="/orders/{deadly}">Line 3, order 1002</a>' in page
