"""From a tick to a mailbox: what is due reaches the queue, once, and a queue that was emptied loses nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

import jobs
from extensions import db, writing
from jobs import messages, watch
from jobs.schedule import tick
from models import Delivery, Incident, Integration, Preference
from models.types import utcnow
from services.shops import health
from tests.blueprints.queues import work_off
from tests.support.receivers import Mailbox, smtp_server
from tests.support.rows import make_integration
from tests.support.shops import connect, do
from tests.support.signed_in import user_called

pytestmark = [
    pytest.mark.one_database,
    pytest.mark.config(smtp_host="127.0.0.1", smtp_from="cartlink@shop.example", smtp_security="NONE"),
]


def waiting() -> int:
    return jobs.queue("messages").count


def make_due() -> None:
    with writing() as session:
        session.query(Delivery).filter_by(state="waiting").update({"due_at": utcnow()})


def test_a_rejected_key_reaches_a_mailbox_by_ticks_and_workers(app):
    mailbox = Mailbox()
    ann = user_called("Ann")
    with writing() as session:
        session.add(Preference(user_id=ann, email="ann@shop.example"))
    one = make_integration(orders_due_at=None, stock_due_at=None, listings_due_at=None).id
    with writing() as session:
        integration = session.get_one(Integration, one)
        integration.health, integration.health_since = "needs_reauthorising", utcnow()
    with smtp_server(mailbox) as port:
        object.__setattr__(app.config["CARTLINK"], "smtp_port", port)
        tick()
        assert db.session.query(Incident).one().cause == "key_rejected"
        assert waiting() == 0
        make_due()
        tick()
        tick()
        assert waiting() == 1
        jobs.queue("messages").empty()
        tick()
        assert waiting() == 1
        assert work_off("messages") == 1
        tick()
        assert waiting() == 0
    assert [mail["To"] for mail in mailbox.mails] == ["ann@shop.example"]


def test_only_so_many_messages_wait_on_the_queue(app):
    ann = user_called("Ann")
    with writing() as session:
        for number in range(60):
            session.add(Delivery(key=str(number), user_id=ann, events=[], due_at=utcnow() - timedelta(minutes=1)))
    messages.enqueue_due_deliveries()
    messages.enqueue_due_deliveries()
    assert waiting() == messages.MOST_WAITING


def test_shops_are_probed_and_listened_to_by_jobs(app, shop):
    one = connect(shop)
    do(one, "orders")
    with writing() as session:
        integration = session.get_one(Integration, one, with_for_update=True)
        health.note_no_answer(integration, "timeout", "No answer.", "")
        integration.flows["connection"].due_at = utcnow()
    watch.watch()
    watch.watch()
    names = sorted(job.func_name for job in jobs.queue("sync").jobs if job.func_name.startswith("jobs.watch"))
    assert names == ["jobs.watch.look", "jobs.watch.probe"]
    shop.clear_requests()
    work_off("sync")
    assert shop.requests
    integration = db.session.get_one(Integration, one)
    assert not any(flow.failing for flow in integration.flows.values()) and integration.flows["connection"].due_at is None
