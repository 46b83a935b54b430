"""Where a shop's connection may lead: checked when it is made, so that a name changing its answer gains nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from channels.guard import is_permitted, is_public
from channels.session import ShopSession
from errors import AddressRefused, ShopUnreachable
from tests.channels.scripted import QUICK, ScriptedShop

STRICT = replace(QUICK, allow_private=(), tries=1)


def session(endpoint: str, resolver=None, limits=STRICT) -> ShopSession:
    options = {"resolver": resolver} if resolver else {}
    return ShopSession(endpoint, limits=limits, gate=lambda: None, **options)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1",
        "::1", "::", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::",
        "168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::", "2606:4700::5efe:a83f:8110",
        "2606:4700::200:5efe:a9fe:a9fe", "192.0.0.9", "192.0.0.10", "192.0.0.192", "192.31.196.1", "192.52.193.1", "192.88.99.2",
        "192.175.48.1", "100.100.100.200", "2001:1::1", "2001:1::2", "2001:1::3", "2001:2::1", "2001:3::1", "2001:4:112::1",
        "2001:10::1", "2001:20::1", "2001:30::1", "2620:4f:8000::1", "2002:808:808::", "100::1", "100:0:0:1::1", "5f00::1",
        "64:ff9b:1::808:808", "::808:808", "::127.0.0.1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "nonsense", "",
    ],
)  # fmt: skip
def test_addresses_that_are_not_of_the_public_internet(address: str):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_that_are(address: str):
    assert is_public(address)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:{port}", "http://localhost:{port}", "http://2130706433:{port}", "http://0x7f.1:{port}",
        "http://0177.0.0.1:{port}", "http://127.1:{port}", "http://0:{port}", "http://[::1]:{port}", "http://[::ffff:127.0.0.1]:{port}",
        "http://[::ffff:7f00:1]:{port}", "http://LOCALHOST.:{port}",
    ],
)  # fmt: skip
def test_every_way_to_write_this_machine_is_refused(endpoint: str):
    with ScriptedShop(lambda exchange: exchange.json([])) as shop:
        with pytest.raises((AddressRefused, ShopUnreachable)) as caught:
            session(endpoint.format(port=shop.port)).read("/")
        assert shop.seen == [] and shop.connections == 0
    if isinstance(caught.value, ShopUnreachable):
        assert "There is no host named" in caught.value.message


def test_a_name_with_one_private_address_among_public_ones_is_refused():
    with ScriptedShop(lambda exchange: exchange.json([])) as shop:
        with pytest.raises(AddressRefused, match="127.0.0.1"):
            session(f"http://shop.example:{shop.port}", lambda host, port: ["93.184.216.34", "127.0.0.1"]).read("/")
        assert shop.connections == 0


def test_a_name_that_changes_its_answer_after_the_check_gains_nothing():
    """DNS rebinding: the address that was checked is the one connected to, so a second look-up never happens."""
    asked = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) > 1 else ["192.0.2.1"]

    with ScriptedShop(lambda exchange: exchange.json([])) as shop:
        with pytest.raises(AddressRefused, match="192.0.2.1"):
            session(f"http://shop.example:{shop.port}", resolver).read("/")
        assert (len(asked), shop.connections) == (1, 0)


def test_the_name_goes_on_in_the_host_header():
    with ScriptedShop(lambda exchange: exchange.json([])) as shop:
        limits = replace(QUICK, allow_private=("shop.example",))
        session(f"http://shop.example:{shop.port}", lambda host, port: ["127.0.0.1"], limits).read("/")
        assert shop.seen[0].headers["host"] == f"shop.example:{shop.port}"


def test_a_second_address_is_tried_where_the_first_refuses():
    with ScriptedShop(lambda exchange: exchange.json([])) as shop:
        limits = replace(QUICK, allow_private=("all",))
        answer = session(f"http://shop.example:{shop.port}", lambda host, port: ["127.0.0.9", "127.0.0.1"], limits).read("/")
    assert answer.status == 200


@pytest.mark.parametrize(
    ("host", "port", "listed", "permitted"),
    [
        ("shop.local", 80, ("shop.local",), True),
        ("shop.local", 8081, ("shop.local:8081",), True),
        ("shop.local", 80, ("shop.local:8081",), False),
        ("SHOP.local", 80, ("Shop.Local",), True),
        ("other.local", 80, ("shop.local",), False),
        ("evil-shop.local", 80, ("shop.local",), False),
        ("::1", 8081, ("[::1]:8081",), True),
        ("10.0.0.1", 80, ("all",), True),
        ("10.0.0.1", 80, (), False),
    ],
)
def test_what_the_operator_permits(host: str, port: int, listed: tuple[str, ...], permitted: bool):
    assert is_permitted(host, port, listed) is permitted


@pytest.mark.parametrize(
    "endpoint",
    [
        "ftp://shop.example",
        "file:///etc/passwd",
        "gopher://shop.example",
        "shop.example",
        "http://",
        "http://user:pw@shop.example",
        "http://shop.example:99999",
    ],
)
def test_what_is_no_shop_address_at_all(endpoint: str):
    with pytest.raises(AddressRefused) as caught:
        session(endpoint)
    assert "pw" not in caught.value.message
