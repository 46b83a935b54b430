"""The host names under which pages answer, and the answer under any other name."""

from __future__ import annotations

import pytest
from flask import Flask

from blueprints.hosts import is_allowed
from config import load
from errors import ConfigError
from tests.support.signed_in import FreshClient

PUBLIC = "https://Cartlink.Example:8443"
GOOD = (
    "localhost", "LOCALHOST:8000", "127.0.0.1:8000", "127.8.9.1", "[::1]:8000", "[0:0:0:0:0:0:0:1]", "cartlink.example",
    "CARTLINK.example.", "cartlink.example:443", "shop.lan", "10.1.2.3:8000", "[fd00::1]:80", "[FD00:0::1]",
)  # fmt: skip
BAD = (
    "evil.example", "evil.example:8000", "cartlink.example.evil.example", "evilcartlink.example", "xcartlink.example", "10.1.2.4",
    "[fd00::2]", "localhost.evil.example", "localhost:80@evil.example", "evil.example#localhost", "cartlink.example/", "[::1", "[::1]x",
    "a, localhost", "localhost evil.example", "..", ":", ":80", "[]", "localhost:80:80", "2130706433", "0.0.0.0", "é",
)  # fmt: skip


@pytest.mark.config(public_url=PUBLIC, allowed_hosts=("shop.lan", "10.1.2.3", "[fd00::1]"))
def test_its_own_names_and_no_others(client: FreshClient) -> None:
    for host in GOOD:
        assert client.get("/orders", headers={"Host": host}).status_code in (200, 303), host
    for host in BAD:
        answer = client.get("/orders", headers={"Host": host.encode().decode("latin-1")})
        assert answer.status_code == 400, host
        assert "host name in your request" in answer.text, host
        assert "evil" not in answer.text
        assert answer.headers["Content-Security-Policy"]
        assert client.get("/nowhere", headers={"Host": host.encode().decode("latin-1")}).status_code == 400, host


def test_probes_come_by_any_name(app: Flask) -> None:
    stranger = app.test_client()
    assert stranger.get("/healthz", headers={"Host": "10.0.0.9:8000"}).status_code == 200
    assert stranger.get("/readyz", headers={"Host": "pod-7.internal"}).status_code == 200
    assert stranger.get("/sign-in", headers={"Host": "10.0.0.9:8000"}).status_code == 400


def test_a_request_without_the_header_misleads_nobody() -> None:
    assert is_allowed("", frozenset())


@pytest.mark.parametrize("hosts", ["https://shop.lan", "shop.lan:8000", "*", "*.lan", "shop.lan/x"])
def test_what_is_no_name_is_refused_at_start(tmp_path, hosts: str) -> None:
    needed = {"SECRET_KEY": "x", "SECRET_KEYS": "x", "DATABASE_URL": "sqlite:///x", "REDIS_URL": "redis://x"}
    with pytest.raises(ConfigError, match="ALLOWED_HOSTS"):
        load({"CARTLINK_INSTANCE": str(tmp_path), **needed, "ALLOWED_HOSTS": hosts})
