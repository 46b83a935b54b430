"""What waits for a person's approval is one message, also where it comes and goes by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from extensions import db, writing
from models import Delivery, Incident, IncidentEvent, Integration, SyncRun
from services.listings import stock_push
from services.monitoring import incidents
from services.notify import notifications
from services.notify.incident_texts import TOPICS
from tests.services.monitoring.outages import all_incidents, said_on_the_page
from tests.support.rows import make_integration
from tests.support.signed_in import user_called

pytestmark = pytest.mark.one_database


def wait_for_approval(integration_id: int) -> int:
    with writing() as session:
        run = SyncRun(integration_id=integration_id, kind="stock", actor="schedule", counts={}, warnings=[], state="finished")
        session.add(run)
        session.flush()
        session.get_one(Integration, integration_id).waiting_run_id = run.id
        return run.id


def wait_no_more(integration_id: int) -> None:
    with writing() as session:
        session.get_one(Integration, integration_id).waiting_run_id = None


def messages(user: int) -> list[str]:
    """What became of incidents of which a user had messages, with those that were read."""
    sent = db.session.scalars(select(Delivery.events).where(Delivery.user_id == user).order_by(Delivery.id)).all()
    kinds = dict(db.session.execute(select(IncidentEvent.id, IncidentEvent.kind)).all())
    db.session.rollback()
    return [kinds[each] for events in sent for each in events]


@pytest.mark.config(smtp_host="127.0.0.1", smtp_from="cartlink@shop.example")
def test_an_approval_that_comes_and_goes_by_itself_is_one_message_a_day(app, clock):
    user = user_called("Ann")
    notifications.change_preferences(user, "ann@shop.example", dict.fromkeys(TOPICS, ("mail",)))
    one = make_integration().id
    for _ in range(5):
        wait_for_approval(one)
        incidents.review()
        assert said_on_the_page(one) == [("A stock update needs your approval", "preview")]
        clock.go(minutes=10)
        wait_no_more(one)
        incidents.review()
        assert said_on_the_page(one) == []
        clock.go(minutes=10)
    assert messages(user) == ["opened"] and all_incidents(one) == [("stock_waits", False)]
    wait_for_approval(one)
    clock.go(hours=21)
    incidents.review()
    clock.go(hours=2)
    incidents.review()
    assert messages(user) == ["opened", "reminded"], "a day after the last message it says again that it waits"
    wait_no_more(one)
    incidents.review()
    clock.go(hours=25)
    wait_for_approval(one)
    incidents.review()
    assert messages(user) == ["opened", "reminded", "opened"], "much later it is another matter"


@pytest.mark.config(smtp_host="127.0.0.1", smtp_from="cartlink@shop.example")
def test_reminders_that_were_switched_off_stay_off_where_the_approval_comes_and_goes(app, clock):
    user = user_called("Ann")
    notifications.change_preferences(user, "ann@shop.example", dict.fromkeys(TOPICS, ("mail",)))
    one = make_integration().id
    wait_for_approval(one)
    incidents.review()
    incidents.mute(db.session.scalars(select(Incident.id)).one(), "user:ann")
    wait_no_more(one)
    incidents.review()
    wait_for_approval(one)
    incidents.review()
    clock.go(hours=25)
    incidents.review()
    assert messages(user) == ["opened"] and all_incidents(one) == [("stock_waits", True)]


@pytest.mark.config(smtp_host="127.0.0.1", smtp_from="cartlink@shop.example")
def test_what_needs_an_approval_after_another_one_was_approved_is_said_at_once(app, clock):
    user = user_called("Ann")
    notifications.change_preferences(user, "ann@shop.example", dict.fromkeys(TOPICS, ("mail",)))
    one = make_integration().id
    for _ in range(2):
        wait_for_approval(one)
        incidents.review()
        stock_push.approve(one, "user:ann")
        incidents.review()
        clock.go(minutes=10)
    assert messages(user) == ["opened", "resolved"] * 2


def test_what_a_person_has_decided_is_over_at_once_also_the_second_time(app, clock):
    one = make_integration().id
    for _ in range(2):
        wait_for_approval(one)
        incidents.review()
        assert said_on_the_page(one) == [("A stock update needs your approval", "preview")]
        stock_push.approve(one, "user:ann")
        incidents.review()
        assert said_on_the_page(one) == []
        clock.go(minutes=5)
    assert all_incidents(one) == [("stock_waits", False)] * 2
    first, second = db.session.query(Incident).order_by(Incident.id)
    assert second.since - first.since == timedelta(minutes=5), "it has not waited since the one before it was approved"
