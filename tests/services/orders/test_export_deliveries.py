"""Deliveries of saved exports over real servers: each order once, whatever ends in between."""

from __future__ import annotations

import io
import threading
from datetime import timedelta

import openpyxl
import pytest

from channels import mailer
from errors import Conflict
from extensions import db, writing
from models import ExportDeliveryOrder, ExportDeliveryPart, Incident, Order
from models.types import utcnow
from services.monitoring import failing_exports
from services.operations import privacy
from services.orders import export_deliveries, export_records, export_sending, export_targets, exports
from services.orders.export_deliveries import due_exports, work
from services.orders.views import Wanted
from services.sync import clock_repair
from tests.services.orders.delivered import attached, deliveries, numbers_in, order, set_state, target
from tests.support.exports import deliver_to, make_export
from tests.support.receivers import Mailbox, smtp_server
from tests.support.rows import make_integration

MAIL = {"smtp_host": "127.0.0.1", "smtp_from": "Cartlink <cartlink@shop.example>", "smtp_security": "NONE"}
pytestmark = [pytest.mark.config(**MAIL, allow_private_endpoints=("all",))]
one_database = pytest.mark.one_database


@pytest.fixture
def mailbox(app):
    box = Mailbox()
    with smtp_server(box) as port:
        object.__setattr__(app.config["CARTLINK"], "smtp_port", port)
        yield box


@pytest.fixture
def shop(app):
    return make_integration("Outlet")


def test_new_orders_are_mailed_once_and_those_that_fit_later_are_in_the_next_file(clock, shop, mailbox):
    first, held = order(shop, "1"), order(shop, "2", state="on_hold")
    export_id = make_export()
    deliver_to(export_id)
    assert due_exports() == [export_id]
    (delivery_id,) = work(export_id)
    name, content = attached(mailbox.mails[0])
    assert numbers_in(content) == ["1"] and mailbox.to == [["ann@partner.example"]]
    assert name == f"warehouse-20260302-0900-{delivery_id}.csv" and mailbox.mails[0]["Subject"] == "Warehouse: 1 order"
    row = export_records.get_delivery(delivery_id)
    assert (row.state, row.orders, row.place, row.tries) == ("done", 1, "ann@partner.example", 1)
    assert not db.session.query(ExportDeliveryPart).count(), "its content is not kept"
    assert due_exports() == [] and target(export_id).due_at == clock.at + timedelta(hours=1)
    clock.go(hours=1)
    assert due_exports() == [export_id] and work(export_id) == [], "nothing is new: no file"
    set_state(held, "ready")
    set_state(first, "shipped")
    set_state(first, "ready")
    clock.go(hours=1)
    (following,) = work(export_id)
    assert numbers_in(attached(mailbox.mails[1])[1]) == ["2"]
    assert [each.delivery_id for each in export_records.of_order(first)] == [delivery_id]
    assert [each.delivery_id for each in export_records.of_order(held)] == [following]


def test_what_ends_between_sending_and_recording_sends_the_same_file_again(clock, shop, mailbox, monkeypatch):
    order(shop, "1")
    export_id = make_export()
    deliver_to(export_id)

    real = mailer.send

    def killed(*args) -> None:
        real(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mailer, "send", killed)
        with pytest.raises(KeyboardInterrupt):
            work(export_id)
    order(shop, "2")
    with writing() as session:
        session.query(Order).filter_by(number="1").one().email = "changed@buyer.example"
    assert work(export_id) == [], "the dead worker still holds its lease"
    clock.go(hours=1)
    assert len(work(export_id)) == 2
    first, again, following = (attached(mail) for mail in mailbox.mails)
    assert first == again, "the same name and the same content, although the order has changed"
    assert mailbox.mails[0]["Message-ID"] == mailbox.mails[1]["Message-ID"]
    assert numbers_in(following[1]) == ["2"]


def test_what_ends_before_sending_loses_nothing(clock, shop, mailbox, monkeypatch):
    order(shop, "1")
    export_id = make_export()
    deliver_to(export_id)
    for place in ("_content", "_sendable"):

        def killed(*args) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(export_deliveries, place, killed)
            with pytest.raises(KeyboardInterrupt):
                work(export_id)
        assert not mailbox.mails
        clock.go(minutes=5)
    work(export_id)
    assert [numbers_in(attached(mail)[1]) for mail in mailbox.mails] == [["1"]] and len(deliveries()) == 1


def test_two_workers_at_once_deliver_once(app, shop, mailbox):
    for number in range(1, 6):
        order(shop, str(number))
    export_id = make_export()
    deliver_to(export_id)
    done, start = [], threading.Barrier(2)

    def run() -> None:
        with app.app_context():
            start.wait(20)
            done.extend(work(export_id))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert len(done) == 1 == len(mailbox.mails) and numbers_in(attached(mailbox.mails[0])[1]) == list("12345")


def test_a_mailbox_that_has_the_file_does_not_get_it_again_when_another_refuses_it(clock, shop, mailbox):
    order(shop, "1")
    export_id = make_export()
    deliver_to(export_id, recipients=["ann@partner.example", "ben@partner.example"])
    mailbox.refuse["ben@partner.example"] = "450 Later"
    assert work(export_id) == []
    (row,) = deliveries()
    assert (row.state, row.reached) == ("failing", ["ann@partner.example"]) and "450 Later" in row.error
    assert target(export_id).retry_at > clock.at and due_exports() == []
    mailbox.refuse.clear()
    clock.go(minutes=2)
    assert work(export_id) == [row.id]
    assert mailbox.to == [["ann@partner.example"], ["ben@partner.example"]]


def test_orders_that_come_while_a_file_fails_are_in_the_next_one_and_an_incident_opens_after_an_hour(clock, shop, mailbox):
    order(shop, "1")
    export_id = make_export()
    deliver_to(export_id, interval_seconds=600)
    mailbox.at_data = lambda: "451 Broken"
    tries = 0
    began = clock.at
    while clock.at < began + timedelta(hours=3):
        work(export_id)
        tries += 1
        failing_exports.review()
        assert (db.session.query(Incident).count() == 1) is (clock.at - began >= timedelta(hours=1))
        clock.at = target(export_id).retry_at
    assert tries < 10, "at growing intervals"
    order(shop, "2")
    mailbox.at_data = None
    assert len(work(export_id)) == 2
    assert [numbers_in(attached(mail)[1]) for mail in mailbox.mails] == [["1"], ["2"]]
    failing_exports.review()
    incident = db.session.query(Incident).one()
    assert (incident.cause, incident.order_export_id, incident.resolution) == ("export_failing", export_id, "evidence")
    assert "451 Broken" in incident.facts["message"] and incident.facts["name"] == "Warehouse"


@one_database
def test_a_dropped_file_gives_its_orders_to_the_next_one(clock, shop, mailbox):
    order(shop, "1")
    export_id = make_export()
    deliver_to(export_id)
    mailbox.at_data = lambda: "550 No"
    work(export_id)
    (row,) = deliveries()
    assert db.session.query(ExportDeliveryPart).count() == 1
    export_records.drop(row.id, "user:ann")
    assert deliveries()[0].state == "dropped" and not db.session.query(ExportDeliveryPart).count()
    assert target(export_id).failing_since is None
    with pytest.raises(Conflict):
        export_records.drop(row.id, "user:ann")
    mailbox.at_data = None
    export_targets.send_now(export_id, "user:ann")
    (following,) = work(export_id)
    assert numbers_in(attached(mailbox.mails[0])[1]) == ["1"] and following != row.id


@one_database
def test_a_person_sends_now_and_again(clock, shop, mailbox):
    first = order(shop, "1")
    export_id = make_export()
    deliver_to(export_id, interval_seconds=None)
    with writing():
        target(export_id).due_at = None
    assert due_exports() == [], "without a schedule only a person sends it"
    export_targets.send_now(export_id, "user:ann")
    assert due_exports() == [export_id]
    (delivery_id,) = work(export_id)
    assert (deliveries()[0].trigger, deliveries()[0].actor) == ("person", "user:ann")
    export_targets.send_now(export_id, "user:ann")
    assert work(export_id) == [] and [each.state for each in deliveries()] == ["done", "empty"], (
        "a person sees that nothing was new"
    )
    again = export_records.send_again(delivery_id, "user:ann")
    assert work(export_id) == [again]
    names = [attached(mail)[0] for mail in mailbox.mails]
    assert len(set(names)) == 2 and [numbers_in(attached(mail)[1]) for mail in mailbox.mails] == [["1"], ["1"]]
    assert [each.repeats for each in export_records.of_order(first)] == [False, True]
    export_targets.send_now(export_id, "user:ann")
    assert work(export_id) == [], "what was sent again counts as sent"
    with pytest.raises(Conflict):
        export_records.send_again(deliveries(state="empty")[0].id, "user:ann")


@one_database
def test_all_orders_each_time_and_empty_files_if_chosen(clock, shop, mailbox, monkeypatch):
    export_id = make_export(format="xlsx")
    deliver_to(export_id, only_new=False, send_empty=True)
    work(export_id)
    order(shop, "1")
    for _ in range(2):
        clock.go(hours=1)
        work(export_id)
    sheets = [openpyxl.load_workbook(io.BytesIO(attached(mail)[1])).active for mail in mailbox.mails]
    assert [[row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] for sheet in sheets] == [[], ["1"], ["1"]]
    monkeypatch.setattr(export_deliveries, "MOST_ORDERS", 1)
    order(shop, "2")
    clock.go(hours=1)
    assert work(export_id) == [] and "too many for one file" in target(export_id).error
    deliver_to(export_id, only_new=True)
    assert len(work(export_id)) == 2, "two files, one after the other"
    assert len(mailbox.mails) == 5


@one_database
def test_older_orders_are_left_out_and_a_large_attachment_says_what_to_do(clock, shop, mailbox, monkeypatch):
    order(shop, "1", placed_at=utcnow() - timedelta(days=2))
    order(shop, "2", placed_at=utcnow())
    export_id = make_export()
    deliver_to(export_id, placed_since=utcnow() - timedelta(days=1))
    monkeypatch.setattr(export_sending, "MOST_MAIL", 10)
    work(export_id)
    assert "mail servers take little more" in target(export_id).error and "SFTP" in target(export_id).advice
    monkeypatch.undo()


@one_database
def test_erasing_a_customer_takes_the_data_out_of_a_file_that_waits(clock, shop, mailbox):
    erased = order(shop, "1")
    order(shop, "2")
    export_id = make_export()
    deliver_to(export_id)
    mailbox.at_data = lambda: "451 Later"
    work(export_id)
    set_state(erased, "shipped")
    privacy.erase_order(erased)
    assert not db.session.query(ExportDeliveryPart).count()
    mailbox.at_data = None
    clock.go(minutes=5)
    work(export_id)
    content = attached(mailbox.mails[-1])[1]
    assert numbers_in(content) == ["1", "2"] and b"1@buyer" not in content and b"2@buyer" in content
    assert privacy.export_order(erased)["exports"][0]["to"] == "ann@partner.example"


@one_database
def test_removing_the_delivery_or_the_export_keeps_the_record(clock, shop, mailbox):
    order(shop, "1")
    export_id = make_export()
    deliver_to(export_id)
    work(export_id)
    order(shop, "2")
    mailbox.at_data = lambda: "451 Later"
    clock.go(hours=1)
    work(export_id)
    with pytest.raises(Conflict, match="Warehouse is delivered to ann@partner.example"):
        export_targets.remove_saved(export_id, "user:ann")
    assert [each.state for each in deliveries()] == ["done", "failing"], (
        "who may not stop a delivery cannot end it by removing its export"
    )
    export_targets.remove_target(export_id, "user:ann")
    assert [each.state for each in deliveries()] == ["done", "dropped"]
    export_targets.remove_saved(export_id, "user:ann")
    assert [(each.export_id, each.name) for each in deliveries()] == [(None, "Warehouse")] * 2
    assert {each.once_for for each in db.session.query(ExportDeliveryOrder)} == {None}
    clock.go(days=100)
    assert export_records.forget_before(clock.at) == 2
    assert make_export() and not deliveries()


@one_database
def test_a_filter_with_a_search_or_a_tag_that_is_gone_sends_nothing_wrong(clock, shop, mailbox):
    order(shop, "1")
    export_id = make_export(wanted=Wanted(state="ready"))
    with writing():
        exports.get_saved(export_id).orders = {"tag": "gone"}
    deliver_to(export_id)
    assert work(export_id) == [] and not mailbox.mails


@one_database
def test_an_unexpected_error_is_noted_and_does_not_return_with_each_tick(clock, shop, mailbox, monkeypatch):
    order(shop, "1")
    export_id = make_export()
    deliver_to(export_id)

    def broken(*args) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr(mailer, "send", broken)
    assert work(export_id) == [] and due_exports() == []
    assert "Its log says why" in target(export_id).error


@one_database
def test_times_that_a_wrong_clock_wrote_are_brought_back(clock, shop, mailbox):
    order(shop, "1")
    export_id = make_export()
    deliver_to(export_id)
    with writing():
        row = target(export_id)
        row.due_at = row.retry_at = row.lease_until = clock.at + timedelta(days=400)
    assert due_exports() == []
    clock_repair.bring_back()
    assert due_exports() == [] and target(export_id).retry_at is None, "its worker may still be at work"
    clock.go(minutes=1)
    assert len(work(export_id)) == 1
    before = target(export_id).due_at
    clock_repair.bring_back()
    assert target(export_id).due_at == before
