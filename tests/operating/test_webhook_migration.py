"""The webhook of version 0.9 becomes an event endpoint, and goes back."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

import flask_migrate
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from standardwebhooks.webhooks import Webhook

from extensions import db, writing
from models import EventDelivery, EventEndpoint
from models.types import utcnow
from services.events import deliveries, endpoints, sequencer
from services.security import keyring, vault
from tests.support.processes import ROOT
from tests.support.receivers import Received, http_receiver
from tests.support.rows import make_item

BEFORE = str(ScriptDirectory(str(ROOT / "migrations")).get_revision("0570").down_revision)
SECRET = "whsec_l1zAcmQcO5xUJQDzXrVgCQ9zH3kzT0lO0dLmGxWb-_8"


def at(revision: str) -> None:
    db.session.remove()
    db.engine.dispose()
    (flask_migrate.downgrade if revision == BEFORE else flask_migrate.upgrade)(revision=revision)


def add_webhook(url: str) -> None:
    with writing() as session:
        now = utcnow().replace(tzinfo=None)
        session.execute(
            text(
                "INSERT INTO webhook (url, secret_encrypted, topics, enabled, changed_at, changed_by, error) "
                "VALUES (:url, :secret, '[\"key\"]', true, :now, 'user:ann', 'refused')"
            ),
            {"url": url, "secret": vault.encrypt(SECRET), "now": now},
        )
        for key, state in (("waits", "waiting"), ("sent", "done")):
            session.execute(
                text(
                    "INSERT INTO delivery (key, way, about, webhook_id, address, events, content, state, tries, due_at, token, created_at, error) "
                    "SELECT :key, 'webhook', 'incidents', id, '', '[]', :content, :state, 2, :now, '', :now, '' FROM webhook"
                ),
                {
                    "key": key,
                    "state": state,
                    "now": now,
                    "content": json.dumps({"id": key, "type": "incident.opened", "text": "Garden"}),
                },
            )


def is_genuine(call: Received) -> bool:
    """As docs/webhook.md of version 0.9 said."""
    parts = dict(part.split("=", 1) for part in call.headers["cartlink-signature"].split(","))
    wanted = hmac.new(SECRET.encode(), f"{parts['t']}.".encode() + call.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, parts["v1"])


@pytest.mark.both_databases
def test_the_webhook_keeps_its_address_secret_and_waiting_calls_in_both_directions(app):
    other = endpoints.create_endpoint("ERP", endpoints.check_address("https://example.com/"), [], "user:ann").endpoint_id
    make_item("BEFORE", 1)
    sequencer.give_positions()
    with http_receiver() as hook:
        at(BEFORE)
        add_webhook(hook.url)
        at("head")
        row = db.session.query(EventEndpoint).filter(EventEndpoint.id != other).one()
        assert vault.decrypt(row.url_encrypted) == hook.url and "team=7" not in row.place
        assert (row.types, row.enabled, row.error, row.changed_by) == (
            ["incident.opened", "incident.resolved"],
            True,
            "refused",
            "user:ann",
        )
        assert [each.key for each in db.session.query(EventDelivery)] == ["waits"]
        assert "webhook" not in inspect(db.engine).get_table_names()
        assert {"ix_delivery_open", "ix_delivery_user", "ix_delivery_finished"} <= {
            index["name"] for index in inspect(db.engine).get_indexes("delivery")
        }
        keyring.check_all()
        assert deliveries.work(row.id, 10) == 1
        (call,) = hook.calls
        assert is_genuine(call) and json.loads(call.body)["text"] == "Garden"
        assert (call.headers["cartlink-event"], call.headers["cartlink-delivery"]) == ("incident.opened", "waits")
        Webhook(vault.decrypt(row.secret_encrypted)).verify(call.body, call.headers)
        at(BEFORE)
        kept = db.session.execute(text("SELECT * FROM webhook")).mappings().one()
        assert (kept["url"], vault.decrypt(bytes(kept["secret_encrypted"]))) == (hook.url, SECRET)
        db.session.rollback()
        at("head")
        assert db.session.query(EventEndpoint).count() == 2


@pytest.mark.one_database
def test_a_rotation_ends_the_old_headers_after_a_day(app):
    at(BEFORE)
    with http_receiver() as hook:
        add_webhook(hook.url)
        at("head")
        row_id = db.session.query(EventEndpoint).one().id
        assert deliveries.work(row_id, 10) == 1
        new = endpoints.rotate_secret(row_id, "user:ann").secret
        with writing() as session:
            session.query(EventDelivery).update({"state": "waiting"})
        assert deliveries.work(row_id, 10) == 1 and is_genuine(hook.calls[1])
        Webhook(new).verify(hook.calls[1].body, hook.calls[1].headers)
        with writing() as session:
            session.query(EventEndpoint).update({"previous_until": utcnow() - timedelta(minutes=1)})
            session.query(EventDelivery).update({"state": "waiting"})
        assert deliveries.work(row_id, 10) == 1 and "cartlink-signature" not in hook.calls[2].headers
