"""The buttons that ship, as a browser without JavaScript presses them."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import select, update

from extensions import db, writing
from models import Flow, FlowKind, Integration, Shipment, WriteBack
from models.types import utcnow
from services.shipping import files
from services.stock import items
from tests.blueprints.desks import orders, work_off
from tests.blueprints.pages import element, elements, form_data, htmx, toasts, words
from tests.support.shops import do, products

pytestmark = pytest.mark.usefixtures("desk")


def test_an_order_is_shipped_from_its_page_and_the_mail_is_spoken_of_once(client, shop, desk):
    order = orders()[0]
    page = client.get(f"/orders/{order.id}").get_data(as_text=True)
    assert "shop emails the customer" in page
    answer = client.post(f"/orders/{order.id}/ship", data={"carrier": "DHL", "tracking": "T1", f"line-{order.lines[0].id}": "1"})
    assert answer.status_code == 303
    page = client.get(answer.location).get_data(as_text=True)
    assert "The shop is updated in " in words(element(page, id="shipped").text)
    work_off("shipments")
    assert shop.store.tracking(int(order.external_id)) == []
    pass_the_wait()
    work_off("shipments")
    assert shop.store.tracking(int(order.external_id)) == ["T1"]
    page = client.get(f"/orders/{order.id}").get_data(as_text=True)
    assert "Sent to the shop: shipped" in page and "shipped already" in page
    assert "shop mails" not in client.get(f"/orders/{orders()[1].id}").get_data(as_text=True)


def test_an_order_that_was_shipped_says_how_to_send_a_further_parcel(client, shop, desk):
    order = orders()[0]
    assert "Add parcel" not in client.get(f"/orders/{order.id}").text
    client.post(f"/orders/{order.id}/ship", data={"carrier": "DHL", "tracking": "T1", f"line-{order.lines[0].id}": "1"})
    page = client.get(f"/orders/{order.id}").text
    said = f"Order {order.number} has been shipped already. To send a further parcel, add its tracking number."
    assert said in words(element(page, "main").text)
    assert element(page, "a", href="#parcel-tracking") and element(page, "input", id="parcel-tracking")["name"] == "tracking"
    answer = client.post(f"/orders/{order.id}/ship", data={"carrier": "DHL", "tracking": "T2", f"line-{order.lines[0].id}": "1"})
    assert answer.status_code in (409, 422)
    assert client.post(f"/orders/{order.id}/parcels", data=form_data(page, "tracking", tracking=" ")).status_code == 422
    twice = client.post(f"/orders/{order.id}/parcels", data={"carrier": "DHL", "tracking": "t1"})
    assert twice.status_code == 409 and element(twice.text, "input", id="parcel-tracking")["value"] == "t1"
    assert client.post(f"/orders/{order.id}/parcels", data={"carrier": "DHL", "tracking": "T2"}).status_code == 303
    pass_the_wait()
    work_off("shipments")
    assert shop.store.tracking(int(order.external_id)) == ["T1", "T2"]


def test_the_shipments_of_an_order_come_first_and_their_actions_look_alike(client, shop, desk):
    order = orders()[0]
    assert "Shipments" not in headings(client, order.id)
    client.post(f"/orders/{order.id}/ship", data={"carrier": "DHL", "tracking": "T1", f"line-{order.lines[0].id}": "1"})
    pass_the_wait()
    work_off("shipments")
    said = headings(client, order.id)
    assert said.index("Shipments") == said.index("Timeline") + 1 < said.index("Tags")
    folded = elements(client.get(f"/orders/{order.id}").text, "summary")
    looks = {
        each.text.strip(): each.get("class")
        for each in folded
        if each.text.strip() in ("Edit tracking", "Void shipment …", "Add parcel")
    }
    assert len(looks) == 3 and set(looks.values()) == {"btn btn-quiet btn-sm"}


def headings(client, order_id: int) -> list[str]:
    return [each.text.strip() for each in elements(client.get(f"/orders/{order_id}").text, "h2")]


def test_an_order_that_was_shipped_in_the_shop_takes_a_parcel_too(client, shop, desk):
    order = orders()[0]
    shop.store.set_status(int(order.external_id), shipping="S")
    do(desk, "orders")
    page = client.get(f"/orders/{order.id}").text
    assert element(page, "a", href="#parcel-tracking") and element(page, "input", id="parcel-tracking")["name"] == "tracking"
    assert client.post(f"/orders/{order.id}/parcels", data=form_data(page, "tracking", tracking="T9")).status_code == 303
    pass_the_wait()
    work_off("shipments")
    assert shop.store.tracking(int(order.external_id)) == ["T9"]


def test_a_form_for_more_than_somebody_else_has_left_says_that_they_shipped(client, shop, desk):
    """Two lines: the first is all shipped in another tab. That 0 are left is no news without it."""
    made = products(shop)
    shop.store.place_order(lines=[(made["CUP"], 1), (made["CUP"], 2)])
    do(desk, "orders")
    order = max(orders(), key=lambda each: each.id)
    lines = {line.position: line.id for line in order.lines}
    data = {"carrier": "DHL", "tracking": "T1", "shipped": "0", f"line-{lines[0]}": "1"}
    assert client.post(f"/orders/{order.id}/ship", data=data).status_code == 303
    again = client.post(f"/orders/{order.id}/ship", data=data)
    assert again.status_code == 409 and "were shipped since you opened its page" in again.text


def test_a_form_that_is_sent_twice_ships_once(client, shop, desk):
    """By a double click, or by two people with the same parcel."""
    there = shop.store.place_order(lines=[(products(shop)["CUP"], 3)])
    do(desk, "orders")
    order = next(each for each in orders() if each.external_id == str(there))
    page = client.get(f"/orders/{order.id}").text
    sent = form_data(page, "carrier", carrier="My carrier", tracking="T1", **{f"line-{order.lines[0].id}": "1"})
    assert client.post(f"/orders/{order.id}/ship", data=sent).status_code == 303
    again = client.post(f"/orders/{order.id}/ship", data=sent)
    assert again.status_code == 409
    assert "were shipped since you opened its page" in again.text and "My carrier" in again.text
    assert [each.tracking_number for each in db.session.scalars(select(Shipment))] == ["T1"]
    # The answer shows what is left, so that sending it now is meant.
    assert client.post(f"/orders/{order.id}/ship", data=form_data(again.text, "carrier")).status_code == 303


@pytest.mark.parametrize("pieces", ["2", "x", "-1", "1.5", "0", "999999999999999999999"])
def test_wrong_pieces_are_answered_with_the_page_and_what_was_typed(client, desk, pieces):
    order = orders()[0]
    answer = client.post(f"/orders/{order.id}/ship", data={"carrier": "My carrier", f"line-{order.lines[0].id}": pieces})
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert element(page, "input", id="carrier")["value"] == "My carrier"
    assert elements(page, role="alert")
    assert db.session.scalar(select(Shipment)) is None


def pass_the_wait() -> None:
    with writing() as session:
        session.execute(update(WriteBack).where(WriteBack.state == "waiting").values(due_at=utcnow()))
        session.execute(update(Flow).where(Flow.kind == FlowKind.SHIPMENTS, Flow.due_at.is_not(None)).values(due_at=utcnow()))


def test_ticked_orders_are_reviewed_shipped_and_undone(client, shop, desk):
    unpaid = shop.store.place_order(lines=[(products(shop)["CUP"], 1)], payment="Q")
    do(desk, "orders")
    ids = [order.id for order in orders()]
    answer = client.post("/orders/selected", data={"order": ids, "act": "ship", "back": "/orders?state=ready"})
    sheet = client.get(answer.location).get_data(as_text=True)
    assert f"Order {unpaid} still awaits payment." in sheet and "Ship 3 orders" in sheet
    assert "3 orders get the status Shipped and their tracking numbers. X-Cart then emails the customers." in words(
        element(sheet, "form", action="/orders/ship").text
    )
    typed = form_data(
        sheet,
        f"tracking-{ids[0]}",
        act="ship",
        **{f"carrier-{ids[0]}": "DHL", f"tracking-{ids[0]}": "T1", f"tracking-{ids[1]}": "1,2E+12"},
    )
    answer = client.post("/orders/ship", data=typed)
    assert answer.status_code == 422 and db.session.scalar(select(Shipment)) is None
    wrong = answer.get_data(as_text=True)
    assert element(wrong, "input", id=f"tracking-{ids[1]}")["aria-invalid"] == "true"
    assert element(wrong, "input", id=f"carrier-{ids[0]}")["value"] == "DHL"
    answer = client.post("/orders/ship", data=form_data(wrong, f"tracking-{ids[0]}", act="ship", **{f"tracking-{ids[1]}": "T2"}))
    bare = answer.get_data(as_text=True)
    assert answer.status_code == 422 and "1 order without a tracking number" in bare, "beside others that have one it is a slip"
    answer = client.post("/orders/ship", data=form_data(bare, f"tracking-{ids[0]}", act="ship"))
    assert answer.status_code == 303 and answer.location.startswith("/orders?state=ready&shipped=sheet-")
    page = client.get(answer.location).get_data(as_text=True)
    assert "3 orders shipped. The shop is updated in " in words(element(page, id="shipped").text)
    undo = next(form for form in elements(page, "form") if (form.get("action") or "").endswith("/undo"))
    answer = client.post(undo["action"], data={"back": "/orders?state=ready"})
    page = client.get(answer.location).get_data(as_text=True)
    assert toasts(page) == ["3 shipments undone. Nothing was sent to the shop."]
    assert [order.state for order in orders()][:3] == ["ready"] * 3
    # What was typed is not lost: one wrong number of many is no reason to scan all of them again.
    again = next(link["href"] for link in elements(page, "a") if words(link.text) == "Open the sheet again")
    sheet = client.get(again).get_data(as_text=True)
    assert [element(sheet, "input", id=f"tracking-{each}")["value"] for each in ids[:2]] == ["T1", "T2"]
    assert client.get("/orders/ship?again=sheet-nobodys").status_code == 303
    # The carrier that was used last is there the next time.
    sheet = client.get(f"/orders/ship?order={ids[0]}&order={ids[1]}").get_data(as_text=True)
    assert element(sheet, "input", id=f"carrier-{ids[1]}")["value"] == "DHL"
    assert "Select at least one" in client.get(client.post("/orders/selected", data={}).location).get_data(as_text=True)
    assert client.get("/orders/ship").status_code == 303
    assert client.get("/orders/shipped/sheet-nobodys").status_code == 404


def test_one_tracking_number_for_two_orders_is_shipped_only_when_it_is_meant(client, desk):
    ids = [order.id for order in orders()]
    sheet = client.get(f"/orders/ship?order={ids[0]}&order={ids[1]}").get_data(as_text=True)
    same = {f"tracking-{ids[0]}": "T1", f"tracking-{ids[1]}": "t1"}
    answer = client.post("/orders/ship", data=form_data(sheet, f"tracking-{ids[0]}", act="ship", **same))
    assert answer.status_code == 422 and db.session.scalar(select(Shipment)) is None
    warned = answer.get_data(as_text=True)
    assert "T1 is entered for order" in warned and element(warned, "input", id=f"tracking-{ids[1]}")["value"] == "t1"
    # Another pair is another warning; the same one was seen.
    other = form_data(warned, f"tracking-{ids[0]}", act="ship", **{f"tracking-{each}": "T2" for each in ids[:2]})
    assert client.post("/orders/ship", data=other).status_code == 422
    assert client.post("/orders/ship", data=form_data(warned, f"tracking-{ids[0]}", act="ship")).status_code == 303
    assert len(db.session.scalars(select(Shipment)).all()) == 2


def test_the_sheet_says_what_is_not_in_stock(client, shop, desk):
    items.set_stock("CUP", 1, "user:ann")
    shop.store.place_order(lines=[(products(shop)["CUP"], 3)])
    do(desk, "orders")
    short = next(each for each in orders() if each.note)
    sheet = client.get(f"/orders/ship?order={short.id}").get_data(as_text=True)
    said = words(element(sheet, "form", action="/orders/ship").text)
    assert short.note in said and "not in stock" in short.note
    assert "Orders are shipped whole here, even if something is not in stock. To ship a part of an order, open it." in said


def test_the_sheet_says_that_it_ships_the_rest_of_an_order(client, shop, desk):
    shop.store.place_order(lines=[(products(shop)["CUP"], 3)])
    do(desk, "orders")
    order = orders()[-1]
    client.post(f"/orders/{order.id}/ship", data={f"line-{order.lines[0].id}": "1"})
    assert "The rest: 2 × CUP" in words(client.get(f"/orders/ship?order={order.id}").text)


def test_what_is_not_in_stock_is_shipped_only_when_it_is_meant_and_can_be_left_out(client, shop, desk):
    """Its customer got the shop's mail that it is on its way, with nothing in the parcel."""
    items.set_stock("CUP", 1, "user:ann")
    shop.store.place_order(lines=[(products(shop)["CUP"], 3)])
    do(desk, "orders")
    short, whole = next(each for each in orders() if each.note), next(each for each in orders() if not each.note)
    sheet = client.get(f"/orders/ship?order={short.id}&order={whole.id}").text
    numbers = {f"tracking-{short.id}": "T1", f"tracking-{whole.id}": "T2"}
    answer = client.post("/orders/ship", data=form_data(sheet, f"tracking-{short.id}", act="ship", **numbers))
    assert answer.status_code == 422 and db.session.scalar(select(Shipment)) is None
    said = words(element(answer.text, "div", role="alert").text)
    assert "Nothing was shipped yet" in said and f"1 order with something that is not in stock {short.number}" in said
    leaving = next(each for each in elements(answer.text, "button") if words(each.text) == f"Leave out order {short.number}")
    left = client.post("/orders/ship", data=form_data(answer.text, f"tracking-{short.id}", act=leaving["value"])).text
    assert words(element(left, "h1").text) == "Ship 1 order"
    assert element(left, "input", id=f"tracking-{whole.id}")["value"] == "T2", "what was typed stays"
    # Seen, and meant.
    assert client.post("/orders/ship", data=form_data(answer.text, f"tracking-{short.id}", act="ship")).status_code == 303
    assert len(db.session.scalars(select(Shipment)).all()) == 2


def test_an_order_with_two_lines_that_are_not_in_stock_is_shipped_when_it_is_meant(client, shop, desk):
    """What a person had seen came back with other line ends, and was asked again and again."""
    there = products(shop)
    for sku in ("CUP", "PLATE"):
        items.set_stock(sku, 1, "user:ann")
    shop.store.place_order(lines=[(there["CUP"], 3), (there["PLATE"], 3)])
    do(desk, "orders")
    short = next(each for each in orders() if len(each.note.splitlines()) > 1)
    sheet = client.get(f"/orders/ship?order={short.id}").text
    answer = client.post("/orders/ship", data=form_data(sheet, f"tracking-{short.id}", act="ship"))
    assert answer.status_code == 422 and "not in stock" in answer.text
    assert client.post("/orders/ship", data=form_data(answer.text, f"tracking-{short.id}", act="ship")).status_code == 303


def test_the_page_of_an_order_suggests_what_is_reserved_and_ships_what_a_person_enters(client, shop, desk):
    items.set_stock("CUP", 4, "user:ann")
    shop.store.place_order(lines=[(products(shop)["CUP"], 3)])
    do(desk, "orders")
    short = next(each for each in orders() if each.note)
    page = client.get(f"/orders/{short.id}").text
    line = f"line-{short.lines[0].id}"
    assert element(page, "input", name=line)["value"] == "1", "three were ordered, and one is reserved"
    assert client.post(f"/orders/{short.id}/ship", data=form_data(page, line, **{line: "3"})).status_code == 303
    assert orders()[-1].lines[0].shipped == 3


def test_a_column_of_numbers_fills_the_sheet_without_javascript(client, desk):
    ids = [order.id for order in orders()]
    sheet = client.get(f"/orders/ship?order={ids[0]}&order={ids[1]}&order={ids[2]}").get_data(as_text=True)
    typed = form_data(sheet, "column", act="fill", column="A1\r\n\r\nB2\r\nC3", **{f"tracking-{ids[1]}": "MINE"})
    filled = client.post("/orders/ship", data=typed).get_data(as_text=True)
    assert "There are more numbers than orders. Not used: C3." in words(element(filled, "p", role="status").text)
    assert [element(filled, "input", id=f"tracking-{each}")["value"] for each in ids] == ["A1", "MINE", "B2"]
    client.post("/orders/ship", data={**typed, "act": "ship"})  # Nobody who typed numbers means to ship without them.
    assert db.session.scalar(select(Shipment)) is None


def test_a_sent_shipment_is_voided_and_its_number_changed_from_the_order_page(client, shop, desk):
    order = orders()[0]
    client.post(f"/orders/{order.id}/ship", data={"carrier": "DHL", "tracking": "T1", f"line-{order.lines[0].id}": "1"})
    pass_the_wait()
    work_off("shipments")
    shipment = f"/orders/{order.id}/shipments/{db.session.scalar(select(Shipment.id))}"
    late = client.post(f"{shipment}/undo")
    said = words(element(late.text, "div", _class="summary").text)
    assert (
        late.status_code == 409
        and said == f"Already sent: the shop may show order {order.number} as shipped. Void the shipment instead."
    )
    assert "Void shipment …" in [each.text.strip() for each in elements(late.text, "summary")], (
        "on the page of the order as it is now"
    )
    wrong = client.post(f"{shipment}/tracking", data={"carrier": "DHL", "tracking": "1,2E+12"})
    assert wrong.status_code == 422 and "1,2E+12" in wrong.text
    client.post(f"{shipment}/tracking", data={"carrier": "DHL", "tracking": "T2"})
    client.post(f"{shipment}/void")
    twice = client.post(f"{shipment}/void")
    assert twice.status_code == 409 and "was voided already" in words(element(twice.text, "div", _class="summary").text)
    page = words(client.get(f"/orders/{order.id}").get_data(as_text=True))
    assert "Remove the tracking number T1 in the shop." in page and "Shipment voided by owner" in page
    assert "To do by hand in the shop 1" in [words(link.text) for link in elements(client.get("/orders").text, "a")]
    client.post(f"/orders/{order.id}/entered")
    assert "Remove the tracking number" not in client.get(f"/orders/{order.id}").text
    assert orders()[0].state == "ready"
    assert client.post(f"/orders/{order.id + 1}/shipments/1/void").status_code == 404
    assert client.post("/orders/99999/shipments/1/void").status_code == 404


def test_cancelling_says_before_whether_the_shop_is_updated(client, desk):
    place = f"/orders/{orders()[0].id}"
    said = words(element(client.get(place).text, "main").text)
    assert "Cancel the order there too." in said and "no status for cancelled orders is chosen" in said
    with writing() as session:
        session.execute(update(Integration).values(cancelled_status="WND"))
    said = words(element(client.get(place).text, "main").text)
    assert "gets the status Will not deliver." in said and "there too" not in said


def test_a_button_of_an_old_page_says_on_the_order_what_is_not_possible_any_more(client, desk):
    order = orders()[0]
    client.post(f"/orders/{order.id}/ship", data={"carrier": "DHL", "tracking": "T1", f"line-{order.lines[0].id}": "1"})
    late = client.post(f"/orders/{order.id}/cancel")
    assert late.status_code == 409 and "has been shipped, at least in part" in words(
        element(late.text, "div", _class="summary").text
    )
    assert element(late.text, "section", id="shipments")
    assert client.post("/orders/99999/cancel").status_code == 404


def test_a_cancellation_is_marked_as_seen_on_the_page_of_the_order(client, shop, desk):
    order = orders()[0]
    shop.store.cancel_order(int(order.external_id))
    do(desk, "orders")
    page = client.get(f"/orders/{order.id}").get_data(as_text=True)
    assert "The shop has cancelled this order." in page
    assert client.post(f"/orders/{order.id}/ship", data={}).status_code == 409
    client.post(f"/orders/{order.id}/mark-seen")
    assert "The shop has cancelled this order." not in client.get(f"/orders/{order.id}").get_data(as_text=True)


def test_a_csv_ships_many_after_a_preview(client, shop, desk):
    rows = "".join(f"{order.number},DHL,T{order.number}\n" for order in orders())
    file = (io.BytesIO(f"number,carrier,tracking\n{rows}nope,x,y\n".encode()), "shipments.csv")
    answer = client.post("/orders/tracking-numbers", data={"file": file}, content_type="multipart/form-data")
    page = client.get(answer.location).get_data(as_text=True)
    assert "3 orders can be shipped, 1 row cannot" in words(page) and "There is no order nope." in page
    assert "nope" in client.get(f"{answer.location}/problems.csv").get_data(as_text=True)
    client.post(answer.location)
    page = client.get(answer.location).get_data(as_text=True)
    assert 'http-equiv="refresh"' in page and "Shipping: 0 of 3" in words(page)
    files.work(int(answer.location.rpartition("/")[2]))
    assert {order.state for order in orders()} == {"shipped"}
    part = client.get(answer.location, headers=htmx("shipment-file")).get_data(as_text=True)
    assert "3 orders shipped. The shop is updated in " in words(element(part, id="shipped").text)
    assert client.post(answer.location).status_code == 409
    client.post(f"{answer.location}/undo")
    files.work(int(answer.location.rpartition("/")[2]))
    assert {order.state for order in orders()} == {"ready"}
    assert words(element(client.get(answer.location).text, id="shipped").text).startswith("Undone.")
    assert client.post(f"{answer.location}/undo").status_code == 409
    for content in (b"", b"\x89PNG\r\n"):
        wrong = client.post(
            "/orders/tracking-numbers", data={"file": (io.BytesIO(content), "x.csv")}, content_type="multipart/form-data"
        )
        assert wrong.status_code == 422 and elements(wrong.get_data(as_text=True), role="alert")
    unknown = client.post(
        "/orders/tracking-numbers", data={"file": (io.BytesIO(b"a;b\n1;2\n"), "x.csv")}, content_type="multipart/form-data"
    )
    assert unknown.location.endswith("/columns")


def test_the_sheet_does_not_promise_an_update_of_a_shop_that_is_disabled(client, shop, desk):
    sheet = f"/orders/ship?order={orders()[0].id}"
    assert "You can undo this for 30 seconds; then the shop is updated." in words(client.get(sheet).text)
    with writing() as session:
        session.execute(update(Integration).values(enabled=False))
    said = words(client.get(sheet).text)
    assert "it cannot be updated until the integration is enabled" in said
    assert "You can undo this for 30 seconds." in said and "then the shop" not in said
