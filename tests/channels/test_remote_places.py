"""What may be stored as a place, and what a person is asked to correct."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from channels.remote_files import HostKey, Place, check, refuse_upwards
from errors import InvalidInput
from tests.support.remote_sftp import key_pair

WEB = Place("https", "https://feeds.example.com/stock.csv")
SFTP = Place("sftp", "feeds.example.com", "/out/stock_*.csv", "password", "anna", secret="geheim")


@pytest.mark.parametrize(
    ("place", "fits"),
    [
        (WEB, WEB),
        (replace(WEB, address=" HTTPS://feeds.example.com/stock.csv "), WEB),
        (replace(WEB, auth="basic", user="anna", secret="geheim wörd"),) * 2,
        (replace(WEB, auth="header", parameter="X-Key", secret="abc"),) * 2,
        (replace(WEB, address="https://[2606:4700::1]:8443/x?y=1"),) * 2,
        (replace(WEB, address="https://feeds.example.com/?token=&keyboard=1&monkey=2&author=me"),) * 2,
        (replace(WEB, address="https://feeds.example.com/?password=of-the-site", auth="query", parameter="key", secret="abc"),)
        * 2,
        (SFTP, SFTP),
        (replace(SFTP, address="sftp://anna@feeds.example.com/out/stock_*.csv", path="", user=""), SFTP),
        (replace(SFTP, address="feeds.example.com:2222"),) * 2,
        (replace(SFTP, address="[2606:4700::1]:2222"),) * 2,
    ],
)
def test_what_fits_is_trimmed_and_kept(place, fits):
    assert check(place) == fits


@pytest.mark.parametrize(
    ("place", "field"),
    [
        (replace(WEB, method="ftp"), "method"),
        (replace(WEB, address=""), "address"),
        (replace(WEB, address="feeds.example.com/stock.csv"), "address"),
        (replace(WEB, address="http://feeds.example.com/stock.csv"), "address"),
        (replace(WEB, address="https://anna:geheim@feeds.example.com/"), "address"),
        (replace(WEB, address="https://feeds.example.com:x/"), "address"),
        (replace(WEB, address="https://feeds.example.com/a b"), "address"),
        (replace(WEB, address="https://feeds.example.com/#top"), "address"),
        (replace(WEB, address="https://feeds.exämple.com/"), "address"),
        (replace(WEB, address="https://10.0.0.5/stock.csv"), "address"),
        (replace(WEB, address="https://feeds.example.com/stock.csv?token=abc"), "address"),
        (replace(WEB, address="https://feeds.example.com/?shop=1&API_Key=abc"), "address"),
        (replace(WEB, address="https://feeds.example.com/?X-Amz-Signature=abc", auth="bearer", secret="x"), "address"),
        (replace(WEB, address="https://localhost/stock.csv"), "address"),
        (replace(WEB, address="https://0x7f000001/stock.csv"), "address"),
        (replace(WEB, auth="password"), "auth"),
        (replace(WEB, auth="basic", secret="x"), "user"),
        (replace(WEB, auth="basic", user="a:b", secret="x"), "user"),
        (replace(WEB, auth="bearer"), "secret"),
        (replace(WEB, auth="bearer", secret="two\nlines"), "secret"),
        (replace(WEB, auth="header", secret="x"), "parameter"),
        (replace(WEB, auth="header", parameter="Host", secret="x"), "parameter"),
        (replace(WEB, auth="header", parameter="X-Key: 1\r\nEvil", secret="x"), "parameter"),
        (replace(WEB, auth="query", secret="x"), "parameter"),
        (replace(SFTP, address="feeds.example.com/out"), "address"),
        (replace(SFTP, address="feeds.example.com:99999"), "address"),
        (replace(SFTP, address="sftp://anna:geheim@feeds.example.com"), "address"),
        (replace(SFTP, address="192.168.1.7"), "address"),
        (replace(SFTP, address="nas.local:22"), "address"),
        (replace(SFTP, path=""), "path"),
        (replace(SFTP, path="/out/*/stock.csv"), "path"),
        (replace(SFTP, path="/out/a\nb"), "path"),
        (replace(SFTP, user=""), "user"),
        (replace(SFTP, secret=""), "secret"),
        (replace(SFTP, auth="none"), "auth"),
        (replace(SFTP, auth="key", secret="geheim"), "secret"),
        (replace(SFTP, host_key="ssh-ed25519 AAAA"), "host_key"),
        (replace(SFTP, host_key="SHA256:abc"), "host_key"),
    ],
)
def test_what_does_not_fit_names_its_field_and_no_secret(place, field):
    with pytest.raises(InvalidInput) as caught:
        check(place)
    assert caught.value.field == field and "geheim" not in caught.value.sentence() and caught.value.__context__ is None


@pytest.mark.parametrize("path", ["../etc", "/out/../etc", "/out/..", "..\\etc\\x.csv"])
def test_a_folder_that_goes_up_is_refused_where_a_person_enters_it(path):
    place = check(replace(SFTP, path=path))
    with pytest.raises(InvalidInput, match="goes up") as caught:
        refuse_upwards(place)
    assert caught.value.field == "path" and "Write the folder out" in caught.value.advice
    refuse_upwards(check(replace(SFTP, path="/out/v1..2/stock..csv")))


def test_an_address_that_goes_up_is_refused_too():
    for address in ("https://feeds.example.com/out/../stock.csv", "https://feeds.example.com/%2E./stock.csv"):
        with pytest.raises(InvalidInput, match="goes up"):
            refuse_upwards(check(replace(WEB, address=address)))
    refuse_upwards(check(replace(WEB, address="https://feeds.example.com/a..b?path=../x")))


def test_the_operator_permits_private_addresses_and_http_there():
    for address in ("https://10.0.0.5/x", "http://10.0.0.5/x"):
        assert check(replace(WEB, address=address), ("10.0.0.5",)).address == address
    assert check(replace(SFTP, address="nas.local:2222"), ("nas.local:2222",))
    with pytest.raises(InvalidInput):
        check(replace(WEB, address="http://feeds.example.com/x"), ("all",))


def test_neither_secrets_nor_addresses_are_in_its_text():
    text = repr(replace(WEB, address="https://feeds.example.com/t0ken", auth="bearer", secret="geheim"))
    assert "geheim" not in text and "t0ken" not in text


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        *((kind, form) for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa") for form in ("openssh", "pkcs8-pem")),
        ("ecdsa-sha2-nistp256", "pkcs1-pem"),
        ("ssh-rsa", "pkcs1-pem"),
    ],
)
def test_private_keys_in_each_usual_format_are_read(kind, form):
    text, _ = key_pair(kind, form=form)
    pasted = "\r\n".join(f"{line} " if "BEGIN" not in line and "END" not in line else line for line in text.splitlines())
    for each in (text, f"\n{pasted}\n\n"):
        assert check(replace(SFTP, auth="key", secret=each)).secret == each


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (key_pair(passphrase="geheim")[0], "passphrase"),
        (key_pair("ssh-rsa", passphrase="geheim", form="pkcs8-pem")[0], "passphrase"),
        (key_pair()[1], "public key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none", "PuTTY"),
        (key_pair()[0][:-100], "not a private key|cannot be read"),
        (key_pair()[0].replace("b3Bl", "xxxx"), "cannot be read"),
        ("geheim", "not a private key"),
    ],
    ids=["passphrase", "PEM with a passphrase", "public", "PuTTY", "cut", "changed", "none"],
)
def test_what_is_wrong_with_a_private_key_is_said(text, says):
    with pytest.raises(InvalidInput, match=says) as caught:
        check(replace(SFTP, auth="key", secret=text))
    assert caught.value.advice and not any(line in caught.value.sentence() for line in text.splitlines())


def test_a_host_key_is_shown_as_openssh_shows_it(tmp_path):
    for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"):
        _, line = key_pair(kind)
        key = HostKey.parse(line + " comment")
        path = tmp_path / "key.pub"
        path.write_text(line + "\n")
        printed = subprocess.run(["ssh-keygen", "-lf", str(path)], capture_output=True, text=True, check=False).stdout
        assert key.fingerprint in printed or not printed
        assert HostKey.parse(str(key)) == key and key.kind == kind
