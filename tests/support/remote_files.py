"""A real server that files are fetched from and put on over https, with the faults that such servers have. tests/support/remote_sftp.py has one over SFTP.

with web_server(certificate) as web:                 # https; without a certificate http
    web.files["/stock.csv"] = File(b"sku,qty\\n")
    web.sign_in = ("basic", "user", "password")
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from channels.remote_files import FileLimits, Place

LOGIN_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form action='/login'></form></body></html>"
WHERE = "127.0.0.1"
BOUND = 30.0
"""Seconds after which a fault that waits ends by itself."""


class Listening(Protocol):
    port: int


def quick(*servers: Listening, **changes: Any) -> FileLimits:
    """Limits for tests, that permit these servers."""
    allowed = tuple(f"{WHERE}:{server.port}" for server in servers)
    limits = FileLimits(connect_seconds=10, stall_seconds=20, total_seconds=60, look_gap=0.01, allow_private=allowed)
    return replace(limits, **changes)


@dataclass
class File:
    """What a path answers. ``fault`` is one of ``truncated`` (fewer bytes than declared), ``cut`` (no last chunk), ``stall`` (nothing after the
    first half until the server ends), ``drip`` (a byte now and then). ``packed`` sends it with gzip as its content coding."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = ""
    last_modified: str = ""
    packed: bool = False
    fault: str = ""


def redirect(to: str, status: int = 302) -> File:
    return File(status=status, headers={"Location": to})


def login_page() -> File:
    return File(LOGIN_PAGE, headers={"Content-Type": "text/html; charset=utf-8"})


def bomb(size: int = 64 * 1024 * 1024) -> bytes:
    """gzip data of a few kilobytes that unpacks to ``size`` zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(1024 * 1024)
    return b"".join([packer.compress(piece) for _ in range(size // len(piece))]) + packer.flush()


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


class WebServer:
    """``files`` by path; ``sign_in`` is what it takes to get one: ``("basic", user, password)``, ``("bearer", token)``,
    ``("header", name, key)`` or ``("query", name, key)``. ``put`` holds what was put. ``honest`` says whether it respects ``If-None-Match: *``."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.sign_in: tuple[str, ...] = ()
        self.asked: list[Asked] = []
        self.put: dict[str, bytes] = {}
        self.put_status = 0
        self.honest = True
        self.ended = threading.Event()
        self.secure = False
        self.port = 0

    def url(self, path: str = "/stock.csv", host: str = WHERE) -> str:
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{path}"

    def place(self, path: str = "/stock.csv", **more: Any) -> Place:
        return Place("https", self.url(path), **more)

    def lets_in(self, asked: Asked) -> bool:
        kind, *rest = self.sign_in or ("none",)
        if kind == "basic":
            return asked.headers.get("authorization") == "Basic " + base64.b64encode(":".join(rest).encode()).decode()
        if kind == "bearer":
            return asked.headers.get("authorization") == f"Bearer {rest[0]}"
        if kind == "header":
            return asked.headers.get(rest[0].lower()) == rest[1]
        return kind == "none" or asked.query.get(rest[0]) == [rest[1]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = BOUND
    server: Any

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        asked = self._asked()
        web: WebServer = self.server.web
        file = web.files.get(asked.path) or File(web.put.get(asked.path, b""), status=200 if asked.path in web.put else 404)
        if not web.lets_in(asked):
            file = File(b"no", status=401, headers={"WWW-Authenticate": "Basic"})
        elif file.status == 200 and self._same(file, asked):
            file = replace(file, status=304, body=b"", fault="")
        self._answer(file)

    def do_PUT(self) -> None:
        asked = self._asked()
        body = self.rfile.read(int(asked.headers.get("content-length", "0")))
        web: WebServer = self.server.web
        if not web.lets_in(asked):
            return self._answer(File(b"no", status=401))
        if web.put_status:
            return self._answer(File(status=web.put_status))
        if web.honest and asked.headers.get("if-none-match") == "*" and asked.path in web.put:
            return self._answer(File(status=412))
        web.put[asked.path] = body
        return self._answer(File(status=201))

    def _asked(self) -> Asked:
        parts = urlsplit(self.path)
        asked = Asked(
            self.command, parts.path, parse_qs(parts.query), {name.lower(): value for name, value in self.headers.items()}
        )
        self.server.web.asked.append(asked)
        return asked

    def _same(self, file: File, asked: Asked) -> bool:
        if "if-none-match" in asked.headers:
            return bool(file.etag) and asked.headers["if-none-match"] == file.etag
        return bool(file.last_modified) and asked.headers.get("if-modified-since") == file.last_modified

    def _answer(self, file: File) -> None:
        body = gzip.compress(file.body) if file.packed else file.body
        headers = {
            **({"ETag": file.etag} if file.etag else {}),
            **({"Last-Modified": file.last_modified} if file.last_modified else {}),
        }
        headers |= {"Content-Encoding": "gzip"} if file.packed else {}
        headers |= {"Transfer-Encoding": "chunked"} if file.fault == "cut" else {"Content-Length": str(len(body))}
        self.send_response(file.status)
        for name, value in {**headers, **file.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self._send(file.fault, body)

    def _send(self, fault: str, body: bytes) -> None:
        half = body[: len(body) // 2]
        if fault == "truncated":
            self.wfile.write(half)
        elif fault == "cut":
            self.wfile.write(b"%x\r\n%b\r\n" % (len(half), half))
        elif fault == "stall":
            self.wfile.write(half)
            self.server.web.ended.wait(BOUND)
        elif fault == "drip":
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                if self.server.web.ended.wait(0.05):
                    break
        else:
            self.wfile.write(body)
        self.close_connection = self.close_connection or bool(fault)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, web: WebServer):
        super().__init__((WHERE, 0), _Handler)
        self.web = web


@contextmanager
def web_server(tls: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    """A server on a free port of this machine; with ``tls`` it speaks https."""
    web = WebServer()
    server = _Listener(web)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    web.secure, web.port = tls is not None, server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(BOUND)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
