"""Deliveries of events: signed, at least once, one endpoint not in another's way, paused and resumed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook

from channels import event_calls
from errors import Conflict, InvalidInput
from extensions import db, writing
from models import Delivery, EventDelivery, EventEndpoint, Preference, User
from models.types import utcnow
from services.events import deliveries, endpoints, replays, sequencer
from services.monitoring import incident_list, incidents
from services.notify import notifications
from services.security import vault
from services.sync import clock_repair
from tests.support.receivers import Hook, http_receiver
from tests.support.rows import make_item
from tests.support.signed_in import user_called

ACTOR = "user:ann"


@pytest.fixture
def hook(app) -> Iterator[Hook]:
    with http_receiver() as made:
        yield made


def connect(hook: Hook, *types: str) -> int:
    made = endpoints.create_endpoint("Warehouse", endpoints.check_address(hook.url), types, ACTOR)
    hook.secret = made.secret
    return made.endpoint_id


def send(endpoint_id: int, *, late: bool = False) -> int:
    """Send what is due; ``late``: as if all waits were over."""
    sequencer.give_positions()
    if late:
        with writing() as session:
            session.execute(update(EventDelivery).values(due_at=utcnow()))
            session.execute(update(EventEndpoint).values(due_at=utcnow()))
    return deliveries.work(endpoint_id, 10) if endpoint_id in deliveries.due_endpoints() else 0


def endpoint(endpoint_id: int) -> EventEndpoint:
    db.session.rollback()
    return db.session.get(EventEndpoint, endpoint_id)


def fail_since(endpoint_id: int, hours: float) -> None:
    with writing() as session:
        session.execute(update(EventEndpoint).values(failing_since=utcnow() - timedelta(hours=hours)))


def test_an_event_arrives_signed_as_the_reference_library_verifies(hook):
    endpoint_id = connect(hook, "stock_item.created")
    make_item("LAMP", 3)
    assert send(endpoint_id) == 1
    (call,) = hook.calls
    event = Webhook(hook.secret).verify(call.body, call.headers)
    assert (event["type"], event["changes"]["sku"]["to"]) == ("stock_item.created", "LAMP")
    assert call.headers["webhook-id"] == event["id"]
    assert send(endpoint_id) == 0


@pytest.mark.one_database
def test_after_a_rotation_both_secrets_are_good_for_a_day(hook):
    endpoint_id = connect(hook)
    renewed = endpoints.rotate_secret(endpoint_id, ACTOR).secret
    make_item("A", 1)
    send(endpoint_id)
    for secret in (hook.secret, renewed):
        Webhook(secret).verify(hook.calls[0].body, hook.calls[0].headers)
    with writing() as session:
        session.execute(update(EventEndpoint).values(previous_until=utcnow()))
    make_item("B", 1)
    send(endpoint_id)
    Webhook(renewed).verify(hook.calls[1].body, hook.calls[1].headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(hook.secret).verify(hook.calls[1].body, hook.calls[1].headers)


@pytest.mark.one_database
def test_addresses_and_secrets_are_stored_encrypted_and_checked(hook, app):
    endpoint_id = connect(hook)
    row = endpoint(endpoint_id)
    assert b"hooks" not in row.url_encrypted and vault.decrypt(row.url_encrypted) == hook.url
    assert "team=7" not in row.place
    for url in ("ftp://example.com/", "https://user:pass@example.com/", "https://"):
        with pytest.raises(InvalidInput):
            endpoints.create_endpoint("X", endpoints.check_address(url), [], ACTOR)
    with pytest.raises(InvalidInput):
        endpoints.create_endpoint("X", endpoints.check_address(hook.url), ["order.eaten"], ACTOR)
    with pytest.raises(InvalidInput):
        endpoints.create_endpoint("X", endpoints.check_address(hook.url), [], ACTOR, "whsec_" + "A" * 16)
    assert event_calls.is_secret(event_calls.new_secret())


@pytest.mark.one_database
@pytest.mark.config(allow_private_endpoints=())
def test_a_private_address_is_refused_when_it_is_saved(app):
    with pytest.raises(InvalidInput):
        endpoints.create_endpoint("Router", endpoints.check_address("http://192.168.1.1/"), [], ACTOR)


def test_a_failed_call_is_tried_again_with_the_same_id_and_shown(hook):
    endpoint_id = connect(hook)
    hook.answers, hook.body = [500, 302], b"<p>Out of paper</p>"
    make_item("A", 1)
    assert send(endpoint_id) == 1
    assert send(endpoint_id) == 0  # it waits
    send(endpoint_id, late=True)
    send(endpoint_id, late=True)
    assert len({call.headers["webhook-id"] for call in hook.calls}) == 1
    (delivery,) = replays.last_deliveries(endpoint_id)
    tried = replays.attempts_of([delivery.id])[delivery.id]
    assert [(each.status, each.answer) for each in tried] == [(500, "Out of paper"), (302, "Out of paper"), (204, "")]
    assert "redirect" in tried[1].error
    assert delivery.state == "done" and endpoint(endpoint_id).failing_since is None


def test_an_endpoint_that_is_down_costs_a_few_calls_and_gets_everything_later(hook):
    endpoint_id = connect(hook)
    hook.answers = [503] * 4
    for number in range(40):
        make_item(f"A{number}", 1)
    assert send(endpoint_id) == deliveries.IN_A_ROW
    assert send(endpoint_id) == 0
    assert endpoint(endpoint_id).due_at > utcnow() + timedelta(seconds=20)
    assert send(endpoint_id, late=True) == 1 or len(hook.calls) >= 4
    while send(endpoint_id, late=True):
        pass
    assert len({json.loads(call.body)["object"]["id"] for call in hook.calls}) == 40
    assert {row.state for row in replays.last_deliveries(endpoint_id)} == {"done"}


def test_days_on_which_cartlink_was_off_are_not_three_days_of_failures(hook, clock):
    endpoint_id = connect(hook)
    hook.answers = [500, 500, 204, 500]
    for number in range(3):
        make_item(f"A{number}", 1)
    sequencer.give_positions()
    clock.go(days=4)
    send(endpoint_id)
    clock.go(days=4)
    while send(endpoint_id, late=True):
        pass
    assert len({json.loads(call.body)["object"]["id"] for call in hook.calls}) == 3
    assert {row.state for row in replays.last_deliveries(endpoint_id)} == {"done"}
    assert endpoint(endpoint_id).paused_at is None


def test_what_failed_while_the_clock_was_ahead_is_sent_again_once_it_is_right(hook, clock):
    endpoint_id = connect(hook)
    hook.answers = [500]
    make_item("A", 1)
    clock.go(hours=50)
    send(endpoint_id)
    clock.go(hours=-50)
    assert send(endpoint_id) == 0
    assert clock_repair.bring_back() == 2
    assert send(endpoint_id) == 1 and clock_repair.bring_back() == 0
    assert {row.state for row in replays.last_deliveries(endpoint_id)} == {"done"}


@pytest.mark.one_database
def test_retry_after_is_respected_up_to_an_hour(hook):
    endpoint_id = connect(hook)
    make_item("A", 1)
    for seconds, least, most in ((900, 800, 1000), (9_000_000, 3000, 3700)):
        hook.answers, hook.headers = [429], {"Retry-After": str(seconds)}
        send(endpoint_id, late=True)
        wait = (endpoint(endpoint_id).due_at - utcnow()).total_seconds()
        assert least < wait < most


def test_one_that_is_gone_is_paused_and_gets_what_it_missed_when_it_is_resumed(hook):
    endpoint_id = connect(hook, "stock_item.created")
    hook.answers = [410]
    make_item("A", 1)
    send(endpoint_id)
    assert endpoints.state_of(endpoint(endpoint_id)) == "paused"
    make_item("B", 1)
    assert send(endpoint_id, late=True) == 0
    with pytest.raises(Conflict):
        replays.send_test(endpoint_id, "test")
    endpoints.resume_endpoint(endpoint_id, ACTOR)
    send(endpoint_id)
    assert [json.loads(call.body)["changes"]["sku"]["to"] for call in hook.calls] == ["A", "A", "B"]


@pytest.mark.one_database
def test_one_can_be_resumed_without_what_it_missed(hook):
    endpoint_id = connect(hook, "stock_item.created")
    hook.answers = [410]
    make_item("A", 1)
    send(endpoint_id)
    endpoints.resume_endpoint(endpoint_id, ACTOR, replay=False)
    make_item("B", 1)
    send(endpoint_id)
    assert [json.loads(call.body)["changes"]["sku"]["to"] for call in hook.calls] == ["A", "B"]


@pytest.mark.one_database
@pytest.mark.config(smtp_host="127.0.0.1", smtp_from="cartlink@example.com")
def test_owners_are_warned_after_an_hour_and_a_day_and_when_it_is_paused(hook):
    user_id = user_called("Olive", "owner", True)
    with writing() as session:
        session.add(Preference(user_id=user_id, email="olive@example.com"))
        session.get(User, user_id)
    endpoint_id = connect(hook)
    hook.answers = [500] * 20
    make_item("A", 1)
    subjects = select(Delivery.content).order_by(Delivery.id)
    for hours, mails in ((0, 0), (1.1, 1), (1.2, 1), (25, 2), (30, 2), (73, 2)):
        send(endpoint_id, late=True)
        fail_since(endpoint_id, hours)
        send(endpoint_id, late=True)
        sent = list(db.session.scalars(subjects.where(Delivery.about != "incidents")))
        db.session.rollback()
        assert len(sent) == mails, hours
    assert [each["subject"] for each in sent] == ["Warehouse: events cannot be delivered"] * 2
    assert endpoints.state_of(endpoint(endpoint_id)) == "paused"
    (mail,) = db.session.scalars(select(Delivery).where(Delivery.about == "incidents")).all()
    assert len(mail.events) == 1


@pytest.mark.config(smtp_host="127.0.0.1", smtp_from="cartlink@example.com")
def test_a_paused_endpoint_is_an_incident_until_it_is_resumed(hook, clock):
    user_called("Vera", "viewer")
    endpoint_id, other_id = connect(hook), connect(hook, "incident.opened", "incident.resolved")
    hook.answers = [410]
    make_item("A", 1)
    send(endpoint_id)
    (row,) = incident_list.list_page().rows
    assert (row.about, row.words.title, row.integration_id) == ("Warehouse", "The event endpoint is paused", None)
    assert "410" in row.happened[0]
    bell = notifications.list_notifications(user_called("Vera")).rows
    assert [(each.about, each.cause, each.read) for each in bell] == [("Warehouse", "endpoint_paused", False)]
    clock.go(days=1, minutes=1)
    incidents.review()
    kinds = [event.kind for event in incident_list.get_incident(row.id).events]
    assert kinds == ["opened", "reminded"]
    db.session.rollback()
    endpoints.resume_endpoint(endpoint_id, ACTOR)
    seen = incident_list.get_incident(row.id)
    assert (seen.row.open, seen.row.resolution, seen.events[-1].actor) == (False, "resumed", ACTOR)
    assert all(each.read for each in notifications.list_notifications(user_called("Vera")).rows)
    db.session.rollback()
    send(other_id, late=True)
    sent = [json.loads(call.body) for call in hook.calls if b'"incident.' in call.body]
    assert [each["type"] for each in sent] == ["incident.opened", "incident.resolved"]
    assert sent[0]["belongs_to"] is None and sent[0]["changes"]["event_endpoint_id"]["to"] == str(endpoint_id)
    hook.answers = [410]
    send(endpoint_id, late=True)
    endpoints.remove_endpoint(endpoint_id, ACTOR)
    newest = incident_list.list_page(state="over").rows[0]
    assert (newest.about, newest.resolution, newest.event_endpoint_id) == ("Warehouse", "endpoint_removed", None)


def test_a_slow_endpoint_delays_no_other(hook, app):
    slow_id = connect(hook)
    hook.open.clear()
    with http_receiver() as quick:
        quick_id = connect(quick)
        for number in range(3):
            make_item(f"A{number}", 1)
        sequencer.give_positions()
        db.session.rollback()

        def work(endpoint_id: int) -> None:
            with app.app_context():
                deliveries.work(endpoint_id, 60)

        threads = [threading.Thread(target=work, args=(each,)) for each in (slow_id, quick_id)]
        for thread in threads:
            thread.start()
        threads[1].join(90)
        assert len(quick.calls) == 3 and threads[0].is_alive()
        hook.open.set()
        threads[0].join(90)
        assert len(hook.calls) >= 1


@pytest.mark.one_database
def test_a_worker_that_dies_after_a_call_repeats_it(hook, monkeypatch):
    endpoint_id = connect(hook)
    make_item("A", 1)
    sequencer.give_positions()
    keep = deliveries._keep

    def dies(*args: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(deliveries, "_keep", dies)
    with pytest.raises(KeyboardInterrupt):
        deliveries.work(endpoint_id, 5)
    monkeypatch.setattr(deliveries, "_keep", keep)
    send(endpoint_id)
    assert len(hook.calls) == 2 and hook.calls[0].headers["webhook-id"] == hook.calls[1].headers["webhook-id"]


def test_events_are_sent_once_more_by_range_and_type_and_singly_and_as_a_test(hook):
    endpoint_id = connect(hook)
    for name in "ABC":
        make_item(name, 1)
    send(endpoint_id)
    hook.calls.clear()
    assert replays.replay(endpoint_id, replays.Asked(1, 3)) == 2
    assert replays.replay(endpoint_id, replays.Asked(0, 3, ["order.created"])) == 0
    replays.send_test(endpoint_id, "order.shipped")
    replays.try_again(replays.last_deliveries(endpoint_id)[-1].id)
    send(endpoint_id)
    bodies = [Webhook(hook.secret).verify(call.body, call.headers) for call in hook.calls]
    assert sorted(body["type"] for body in bodies) == ["order.shipped", *["stock_item.created"] * 3]
    assert sorted(body["position"] for body in bodies) == ["0", "1", "2", "3"]
