"""Signed calls of a person's own program."""

from __future__ import annotations

import time
from datetime import timedelta

import msgspec
import pytest

from errors import Conflict, InvalidInput
from extensions import writing
from services.monitoring import incidents
from services.notify import outbox, webhooks
from services.notify.incident_texts import TOPICS
from services.security import vault
from tests.services.notify.test_messages import MAIL, deliveries, send_all, trouble
from tests.support.receivers import Hook, http_receiver

pytestmark = [pytest.mark.one_database, MAIL]


@pytest.fixture
def hook():
    with http_receiver() as made:
        yield made


BAD = ("", "ftp://shop.example/x", "https://ann:pw@shop.example/", "javascript:alert(1)", "http://", "https://shop.example/a b",
       "http://x\n.example/", "https://shop.example:x/", "https://shop.example/#f", "x" * 600)  # fmt: skip


def set_hook(hook: Hook, **changes) -> None:
    given = {"url": hook.url, "topics": list(TOPICS), "enabled": True, "actor": "user:ann"} | changes
    hook.secret = webhooks.change_webhook(**given) or hook.secret


def test_a_call_is_signed_and_named_and_a_changed_one_is_found_out(app, hook):
    set_hook(hook)
    one = trouble("Töpfe")
    assert send_all() == ["done"]
    (call,) = hook.calls
    assert hook.is_genuine(call)
    sent = msgspec.json.decode(call.body)
    assert (sent["type"], sent["integration"]["name"]) == ("incident.opened", "Töpfe")
    assert sent["incident"]["cause"] == "key_rejected" and sent["incident"]["url"].startswith(
        "https://cartlink.example/incidents/"
    )
    assert call.path == "/hooks/cartlink?team=7"
    assert (call.headers["cartlink-event"], call.headers["cartlink-delivery"]) == ("incident.opened", sent["id"])
    assert call.headers["content-type"] == "application/json"
    call.body = call.body.replace(b"Shop", b"Shed").replace(b"T", b"t")
    assert not hook.is_genuine(call)
    call.body = hook.calls[0].body
    assert not hook.is_genuine(call, time.time() + 3600)
    incidents.resolve(one, ("key_rejected",))
    assert send_all() == ["done"]
    assert msgspec.json.decode(hook.calls[1].body)["type"] == "incident.resolved"


def test_a_receiver_in_trouble_is_tried_again_under_the_same_name(app, clock, hook):
    set_hook(hook)
    hook.answers = [500, 302, 429]
    trouble()
    assert send_all() == ["waiting"] and send_all(clock, minutes=1) == ["waiting"] and send_all(clock, minutes=3) == ["waiting"]
    assert "429" in webhooks.get_webhook().error
    assert send_all(clock, minutes=5) == ["done"]
    assert len({call.headers["cartlink-delivery"] for call in hook.calls}) == 1 and len(hook.calls) == 4
    kept = webhooks.get_webhook()
    assert kept.error == "" and kept.good_at is not None


@pytest.mark.config(allow_private_endpoints=())
def test_an_address_of_a_private_network_is_refused_when_it_is_called(app, hook):
    """A name leads there only since it was saved."""
    set_hook(hook, url="https://hooks.example/")
    with writing():
        webhooks.get_webhook().url = hook.url
    trouble()
    assert send_all() == ["waiting"]
    assert hook.calls == []
    assert "not on the public internet" in webhooks.get_webhook().error


PRIVATE = (
    "http://127.0.0.1:80/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/", "https://[::1]/",
    "https://[::ffff:169.254.169.254]/", "https://10.0.0.1./x", "https://localhost/", "https://LOCALHOST./", "https://a.localhost/",
    "http://metadata.google.internal/", "https://printer.local/", "https://db/", "https://168.63.129.16/", "https://[fe80::1%25eth0]/",
)  # fmt: skip


@pytest.mark.config(allow_private_endpoints=("db:9000",))
def test_an_address_that_is_known_to_be_private_is_not_even_saved(app):
    for url in PRIVATE:
        with pytest.raises(InvalidInput, match="not on the public internet"):
            webhooks.change_webhook(url, list(TOPICS), True, "user:ann")
    assert webhooks.get_webhook() is None
    for url in (
        "http://db:9000/x",
        "https://hooks.example/x",
        "https://8.8.8.8/x",
        "https://[2606:4700::1111]/",
        "https://local.example/",
    ):
        webhooks.change_webhook(url, list(TOPICS), True, "user:ann")
        assert webhooks.get_webhook().url == url


@pytest.mark.parametrize("url", BAD)
def test_what_cannot_be_called_is_not_kept(app, url):
    with pytest.raises(InvalidInput):
        webhooks.change_webhook(url, list(TOPICS), True, "user:ann")
    assert webhooks.get_webhook() is None


def test_the_secret_is_shown_once_encrypted_and_can_be_renewed(app, hook):
    set_hook(hook)
    first = hook.secret
    kept = webhooks.get_webhook()
    assert (
        first.startswith("whsec_")
        and first.encode() not in kept.secret_encrypted
        and vault.decrypt(kept.secret_encrypted) == first
    )
    assert webhooks.change_webhook(hook.url, ["key"], True, "user:ann") == ""
    hook.secret = webhooks.renew_secret("user:ann")
    webhooks.send_test("user:ann")
    assert send_all() == ["done"]
    assert hook.is_genuine(hook.calls[0])
    hook.secret = first
    assert not hook.is_genuine(hook.calls[0])
    trouble(cause="stock_waits")
    assert send_all() == []
    webhooks.remove_webhook("user:ann")
    assert deliveries(way="webhook") == []
    with pytest.raises(Conflict):
        webhooks.send_test("user:ann")


def test_what_was_sent_is_forgotten_and_what_waits_is_not(app, clock, hook):
    set_hook(hook)
    trouble()
    send_all()
    clock.go(days=40)
    webhooks.send_test("user:ann")
    assert outbox.forget_before(clock.at - timedelta(days=30)) == 1
    assert [row.state for row in deliveries()] == ["waiting"]
