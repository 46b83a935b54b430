"""Addresses of event endpoints: what may be saved, and what is called."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from channels import event_calls
from errors import InvalidInput
from extensions import writing
from models import EventEndpoint
from services.events import deliveries, endpoints, sequencer
from services.security import vault
from tests.support.receivers import http_receiver
from tests.support.rows import make_item

pytestmark = pytest.mark.one_database

BAD = ("", "ftp://shop.example/x", "https://ann:pw@shop.example/", "javascript:alert(1)", "http://", "https://shop.example/a b",
       "http://x\n.example/", "https://shop.example:x/", "https://shop.example/#f", "x" * 600)  # fmt: skip
PRIVATE = (
    "http://127.0.0.1:80/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/", "https://[::1]/",
    "https://[::ffff:169.254.169.254]/", "https://10.0.0.1./x", "https://localhost/", "https://LOCALHOST./", "https://a.localhost/",
    "http://metadata.google.internal/", "https://printer.local/", "https://db/", "https://168.63.129.16/", "https://[fe80::1%25eth0]/",
)  # fmt: skip
GOOD = (
    "http://db:9000/x", "https://hooks.example/x", "https://8.8.8.8/x", "https://[2606:4700::1111]/", "https://local.example/",
)  # fmt: skip


@pytest.mark.parametrize("url", BAD)
def test_what_cannot_be_called_is_not_saved(app, url):
    with pytest.raises(InvalidInput, match="not an address"):
        endpoints.check_address(url)


@pytest.mark.config(allow_private_endpoints=("db:9000",))
def test_an_address_that_is_known_to_be_private_is_not_even_saved(app):
    for url in PRIVATE:
        with pytest.raises(InvalidInput, match="not on the public internet"):
            endpoints.check_address(url)
    assert [endpoints.check_address(url).url for url in GOOD] == list(GOOD)


def test_a_name_that_leads_inside_is_not_saved():
    """``nip.io`` and its like give any address a public name; so does an attacker's own name server."""

    def leads_to(*addresses: str) -> None:
        event_calls.is_found("https://hooks.example/x", (), lambda host, port: addresses)

    for inside in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "64:ff9b::a00:1"):
        with pytest.raises(InvalidInput, match="hooks.example leads to the address .* not on the public internet"):
            leads_to("93.184.215.14", inside)
    leads_to("93.184.215.14")
    leads_to()
    event_calls.is_found("https://hooks.example/x", ("hooks.example",), lambda host, port: ["10.1.2.3"])


@pytest.mark.config(allow_private_endpoints=())
def test_an_address_of_a_private_network_is_refused_when_it_is_called(app):
    """A name leads there only since it was saved."""
    endpoint_id = endpoints.create_endpoint("ERP", endpoints.check_address("https://hooks.example/"), [], "user:ann").endpoint_id
    with http_receiver() as hook:
        with writing() as session:
            session.execute(update(EventEndpoint).values(url_encrypted=vault.encrypt(hook.url)))
        make_item("A", 1)
        sequencer.give_positions()
        assert deliveries.work(endpoint_id, 5) == 1
        assert hook.calls == []
    assert "not on the public internet" in endpoints.get_endpoint(endpoint_id).error
