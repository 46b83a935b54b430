"""Real receivers of what Cartlink sends: an SMTP server and an HTTP server of their own, on free ports of this machine."""

from __future__ import annotations

import email
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Mailbox:
    """What arrived, and how the server is to behave: ``refuse`` maps a mailbox to the answer it gets, ``at_data`` is asked
    instead of taking a mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self.raw: list[bytes] = []
        self.refuse: dict[str, str] = {}
        self.at_data: Callable[[], str] | None = None
        self.signed_in: list[str] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.at_data is not None:
            answer = self.at_data()
            if answer:
                return answer
        self.raw.append(envelope.content)
        self.to.append(list(envelope.rcpt_tos))
        self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 Taken"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"cartlink", "geheim wörd".encode())
        if good:
            self.signed_in.append(data.login.decode())
        return AuthResult(success=good, handled=good)


class _OnAnyPort(Controller):
    def _trigger_server(self) -> None:
        """The library asks its own server before it says that it is ready, and does not know which free port it got."""
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def smtp_server(
    mailbox: Mailbox, *, certificate: tuple[Path, Path] | None = None, tls: bool = False, port: int = 0
) -> Iterator[int]:
    """An SMTP server on a free port; with a certificate it wants STARTTLS and a sign-in, with ``tls`` it is encrypted from
    the first byte. Yields its port."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    options: dict[str, Any] = {}
    if context is not None and not tls:
        options = {
            "tls_context": context, "require_starttls": True, "authenticator": mailbox.authenticate, "auth_required": True,
        }  # fmt: skip
    controller = _OnAnyPort(mailbox, hostname="127.0.0.1", port=port, ssl_context=context if tls else None, **options)
    controller.start()
    try:
        yield controller.server.sockets[0].getsockname()[1]
    finally:
        controller.stop()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """A receiver of events. ``answers`` are statuses to be given in turn, then 204; while ``open`` is not set, it gives none."""

    secret: str = ""
    calls: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    url: str = ""
    open: threading.Event = field(default_factory=threading.Event)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@contextmanager
def http_receiver() -> Iterator[Hook]:
    hook = Hook()
    hook.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hook.calls.append(Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            hook.open.wait(60)
            status = hook.answers.pop(0) if hook.answers else 204
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "http://169.254.169.254/")
            for name, value in hook.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(hook.body)))
            self.end_headers()
            self.wfile.write(hook.body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}/hooks/cartlink?team=7"
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
