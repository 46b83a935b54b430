"""Tiny servers that answer exactly the bytes a test wants, over real HTTP on 127.0.0.1."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from channels.base import Credentials, Gate, Limits
from channels.xcart.channel import XCart

HOME = ("127.0.0.1",)
KEY = "k3y with/odd+chars&é"

QUICK = Limits(
    connect_timeout=1.0, read_timeout=0.6, total_timeout=1.5, max_bytes=200_000, tries=3, backoff=0.01, allow_private=HOME
)

PATIENT = Limits(connect_timeout=2.0, read_timeout=10.0, total_timeout=15.0, tries=3, backoff=0.01, allow_private=HOME)

Script = Callable[["Exchange"], None]


class Exchange:
    """One request as it came, and the connection to answer it on."""

    def __init__(self, connection: socket.socket, head: bytes, body: bytes):
        self.connection = connection
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        self.body = body

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(self, status: int = 200, body: bytes = b"", *, kind: str = "application/json", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {kind}"]
        if "Content_Length" not in headers:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

    def json(self, value: Any, status: int = 200, **headers: str) -> None:
        self.answer(status, json.dumps(value).encode(), **headers)

    def gzipped(self, body: bytes) -> None:
        self.answer(200, gzip.compress(body, 1), Content_Encoding="gzip")


class ScriptedShop:
    """Answers every request by calling ``script``; the requests are kept in ``seen``. A context manager."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None):
        self.script = script
        self.seen: list[Exchange] = []
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._stopping = False
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> ScriptedShop:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        # Closing alone leaves the accept call of the other thread waiting.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.close()

    def _serve(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            buffer = b""
            while True:
                while b"\r\n\r\n" not in buffer:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    buffer += piece
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                exchange = Exchange(connection, head, b"")
                length = int(exchange.headers.get("content-length", "0"))
                while len(buffer) < length:
                    buffer += connection.recv(65536)
                exchange.body, buffer = buffer[:length], buffer[length:]
                self.seen.append(exchange)
                self.script(exchange)


def connect(
    shop: Any, key: str | None = None, *, limits: Limits = PATIENT, gate: Gate = lambda: None, generation: str = "addon"
) -> XCart:
    """A channel to a practice shop or a scripted one."""
    return XCart(Credentials(shop.url, key or getattr(shop, "key", KEY), generation), limits=limits, gate=gate)


def everything_in(exc: BaseException) -> str:
    """All the text an exception holds: messages, arguments, attributes, and those of what it is chained to."""
    waiting: list[Any] = [exc]
    seen: set[int] = set()
    found: list[str] = []
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        found += [repr(each), str(each)]
        if isinstance(each, BaseException):
            waiting += [each.__cause__, each.__context__, *each.args, *vars(each).values()]
        elif hasattr(each, "__dict__") and not isinstance(each, type):
            waiting += list(vars(each).values())
    return "\n".join(found)
