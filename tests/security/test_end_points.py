"""An end point typed by a user is hostile. tests/channels has most of it; here is what stands between a page and the network."""

from __future__ import annotations

import socket
import threading

import pytest
from flask import Flask

from channels.guard import is_public
from services.shops import connection as shops_connection
from tests.blueprints.pages import complaints
from tests.blueprints.queues import work_off
from tests.blueprints.walks import begin
from tests.support.signed_in import FreshClient


@pytest.mark.parametrize(
    "address",
    [
        "fec0::1", "3fff::1", "192.88.99.1", "::ffff:0:7f00:1", "::ffff:0:10.0.0.1", "64:ff9b:1::7f00:1", "100::1", "5f00::1", "1::",
        "fe80::1%eth0", "fe80::5efe:7f00:1", "2002:a9fe:a9fe::", "::7f00:1", "4000::1", "ff0e::1", "192.0.0.1", "0.1.2.3",
    ],
)  # fmt: skip
def test_addresses_in_the_corners_are_not_of_the_public_internet(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["2606:4700::1111", "2a00:1450:4001::1", "1.1.1.1", "64:ff9b::101:101"])
def test_ordinary_ones_are(address):
    assert is_public(address)


class Listener:
    """Counts who connects."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.socket.close()


@pytest.mark.config(allow_private_endpoints=())
@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:{port}", "http://localhost:{port}", "http://[::ffff:127.0.0.1]:{port}", "http://2130706433:{port}",
        "http://0x7f000001:{port}", "http://0177.1:{port}", "http://127.0.0.1.:{port}", "http://①②⑦.⓪.⓪.①:{port}", "127.0.0.1:{port}",
        "http://user:secret@127.0.0.1:{port}", "http://shop.example@127.0.0.1:{port}/", "http://127.0.0.1:{port}#@shop.example",
        "http://127.0.0.1:{port}\\@shop.example", "file:///etc/passwd", "gopher://127.0.0.1:{port}/_x", "http://169.254.169.254/latest",
        "http://0:{port}", "http://%31%32%37.0.0.1:{port}", "http://127.0.0.1%09:{port}",
    ],
)  # fmt: skip
def test_from_the_page_to_the_network_no_way_leads_inside(client: FreshClient, listener: Listener, endpoint: str):
    """The set-up says why, and nothing was connected to."""
    step = begin(client)
    sent = {"endpoint": endpoint.format(port=listener.port), "api_key": "a key", "use_tax": "no", "use_shipping_tax": "no"}
    answer = client.post(step, data=sent)
    work_off("checks")
    if answer.status_code == 303:
        answer = client.get(client.get(answer.location).location)
    assert complaints(answer.text), answer.text
    assert listener.connections == 0


@pytest.mark.config(allow_private_endpoints=())
def test_nor_does_a_command(app: Flask, listener: Listener):
    check = shops_connection.check_shop("xcart", f"http://127.0.0.1:{listener.port}", "a key")
    assert check.verdict == "address_refused"
    assert listener.connections == 0
