"""The pages of event endpoints."""

from __future__ import annotations

import re

from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook

from extensions import db, writing
from models import EventDelivery, EventEndpoint
from models.types import utcnow
from services.events import deliveries, sequencer
from tests.support.receivers import http_receiver
from tests.support.rows import make_item

PLACE = "/settings/event-endpoints"


def test_an_owner_adds_an_endpoint_tests_it_and_sees_every_attempt(app, client):
    with http_receiver() as hook:
        new = client.post(f"{PLACE}/new", data={"name": "Warehouse", "url": hook.url, "types": ["stock_item.created"]})
        secret = re.search(r'value="(whsec_[^"]+)"', new.text)[1]
        assert new.headers["Cache-Control"] == "no-store"
        assert "Working" in client.get(PLACE).text and "Event endpoints" in client.get("/settings").text
        hook.answers, hook.body = [500], b"Out of <b>paper</b>"
        client.post(f"{PLACE}/1/test", data={"type": "order.shipped"})
        make_item("A", 1)
        sequencer.give_positions()
        db.session.rollback()
        assert deliveries.work(1, 5) == 2
        Webhook(secret).verify(hook.calls[1].body, hook.calls[1].headers)
        page = client.get(f"{PLACE}/1").text
        for seen in ("order.shipped", "500", "Out of paper", "stock_item.created", "204", "Delivered", "Waiting"):
            assert seen in page
        assert secret not in page and "team=7" not in page
        client.post(f"{PLACE}/1/replay", data={"first": "1", "last": "1", "type": ""})
        client.post(f"{PLACE}/deliveries/1/retry")
        assert deliveries.work(1, 5) == 2
    assert client.post(f"{PLACE}/1/remove").status_code in (302, 303)
    assert client.get(f"{PLACE}/1").status_code == 404


def test_an_address_whose_host_is_not_found_is_saved_and_said_at_once(app, client):
    """It is not refused: the name servers may be away, and the receiver may be set up later."""
    said = "The host hooks.exmaple.invalid was not found. Check how it is written."
    new = client.post(f"{PLACE}/new", data={"name": "Warehouse", "url": "https://hooks.exmaple.invalid/x"})
    assert new.status_code == 200 and "whsec_" in new.text and said in new.text
    assert said in client.get(f"{PLACE}/1").text and said in client.get(PLACE).text
    with http_receiver() as hook:
        client.post(f"{PLACE}/1", data={"name": "Warehouse", "url": hook.url, "enabled": "yes"})
        assert said not in client.get(f"{PLACE}/1").text
        client.post(f"{PLACE}/1", data={"name": "Warehouse", "url": "https://hooks.exmaple.invalid/x", "enabled": "yes"})
        assert said in client.get(f"{PLACE}/1").text
        client.post(f"{PLACE}/1", data={"name": "Warehouse", "url": hook.url, "enabled": "yes"})
        client.post(f"{PLACE}/1/test", data={"type": "test"})
        deliveries.work(1, 5)
    assert db.session.get_one(EventEndpoint, 1).error == ""


def test_wrong_input_is_named_and_a_paused_one_is_resumed(app, client):
    refused = client.post(f"{PLACE}/new", data={"name": "Warehouse", "url": "ftp://example.com", "types": ["order.held"]})
    assert refused.status_code == 422 and "ftp://example.com" in refused.text and 'value="order.held" checked' in refused.text
    client.post(f"{PLACE}/new", data={"name": "Warehouse", "url": "https://example.com/a-secret-path"})
    refused = client.post(f"{PLACE}/1/replay", data={"first": "x", "last": "2"})
    assert refused.status_code == 422 and 'name="first" inputmode="numeric" autocomplete="off" value="x"' in refused.text
    assert "Enter the first and the last position as whole numbers." in refused.text and 'value="Warehouse"' in refused.text
    with writing() as session:
        session.execute(update(EventEndpoint).values(paused_at=utcnow(), paused_for="gone"))
    assert "It answered 410" in client.get(f"{PLACE}/1").text
    client.post(f"{PLACE}/1/resume", data={"replay": "no"})
    assert "It answered 410" not in client.get(f"{PLACE}/1").text
    client.post(f"{PLACE}/1", data={"name": "ERP", "url": "", "enabled": "no", "types": ["order.held"]})
    page = client.get(f"{PLACE}/1").text
    assert "ERP" in page and "a-secret-path" not in page and 'value="order.held" checked' in page
    assert db.session.scalars(select(EventDelivery)).all() == []
