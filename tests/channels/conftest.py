"""What the tests of channels share."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from channels import guard
from channels.xcart.channel import XCart
from practice_shop import PracticeShop, Store
from tests.channels.scripted import connect


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a certificate for 127.0.0.1 that no authority has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "shop.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def self_signed(certificate: Path) -> ssl.SSLContext:
    """A server's TLS context whose certificate is not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(self_signed: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """The same, trusted by this machine's owner. A process reads its lists of authorities once."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    guard._tls.cache_clear()
    yield self_signed
    guard._tls.cache_clear()


@pytest.fixture
def store() -> Store:
    """A shop's store with two products and no orders."""
    made = Store()
    made.add_product(sku="CUP", name="Cup", price=10, amount=20)
    made.add_product(sku="PLATE", name="Téller", price=5, amount=8)
    return made


@pytest.fixture
def shop_generation(request: pytest.FixtureRequest) -> str:
    """The generation of ``shop``: what the test's module calls ``GENERATION``, or the add-on."""
    return getattr(request.module, "GENERATION", "addon")


@pytest.fixture
def shop(store: Store, shop_generation: str) -> Iterator[PracticeShop]:
    """A practice shop over ``store``. The test fails if the shop itself has failed."""
    with PracticeShop(store=store, generation=shop_generation) as running:
        yield running
        assert running.failures == []


@pytest.fixture
def xcart(shop: PracticeShop, shop_generation: str) -> Iterator[XCart]:
    """The channel to ``shop``, with its full key."""
    channel = connect(shop, generation=shop_generation)
    yield channel
    channel.close()
