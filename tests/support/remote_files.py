"""Real servers that files are fetched from and put on: one over https, one over SFTP, with the faults that such servers have.

with web_server(certificate) as web:                 # https; without a certificate http
    web.files["/stock.csv"] = File(b"sku,qty\\n")
    web.sign_in = ("basic", "user", "password")
with sftp_server(folder) as server:
    (folder / "stock.csv").write_bytes(b"sku,qty\\n")
    server.place(path="/stock.csv")                  # a Place whose host key is confirmed
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncssh

from channels.remote_files import FileLimits, HostKey, Place

LOGIN_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form action='/login'></form></body></html>"
WHERE = "127.0.0.1"
BOUND = 30.0
"""Seconds after which a fault that waits ends by itself."""


def quick(*servers: WebServer | SftpServer, **changes: Any) -> FileLimits:
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


class SftpServer:
    """An SFTP server over a folder. ``folder`` is its root. ``keys`` are public keys (OpenSSH lines) that may sign in instead of the password.

    Faults, all of which can be set while it runs: ``growing`` (the file of this name gets a byte at each look), ``stalling`` (``sign-in``,
    ``read`` or ``list`` never ends), ``read_only``, ``no_rename``, ``only_posix_rename``, ``short`` (a file ends
    too early). ``at_rename`` and ``at_read`` are called before that is done, once;
    ``at_write`` each time, with the path. ``keeps`` is how many bytes of a file it stores. ``done`` lists what it was asked to do."""

    def __init__(self, folder: Path, host_keys: Sequence[str] = ("ssh-ed25519",)):
        self.folder = folder
        self.user = "cartlink"
        self.password = "geheim wörd"
        self.keys: list[str] = []
        self.growing = ""
        self.stalling = ""
        self.read_only = False
        self.no_rename = False
        self.only_posix_rename = False
        self.short = False
        self.at_rename: Callable[[], None] | None = None
        self.at_read: Callable[[], None] | None = None
        self.at_write: Callable[[str], None] | None = None
        self.keeps: int | None = None
        self.done: list[tuple[str, str]] = []
        self.signed_in = 0
        self.tried = 0
        self.connections = 0
        self.port = 0
        self.host_keys = [asyncssh.generate_private_key(kind) for kind in host_keys]
        self.halt = asyncio.Event()

    @property
    def host_key(self) -> asyncssh.SSHKey:
        return self.host_keys[0]

    @property
    def confirmed(self) -> str:
        """The host key as a place holds it."""
        kind, data, *_ = self.host_key.export_public_key().decode().split()
        return str(HostKey(kind, data))

    def place(self, path: str = "/stock.csv", **more: Any) -> Place:
        given = {"user": self.user, "auth": "password", "secret": self.password, "host_key": self.confirmed, **more}
        return Place("sftp", f"{WHERE}:{self.port}", path=path, **given)


def key_pair(kind: str = "ssh-ed25519", passphrase: str | None = None, form: str = "openssh") -> tuple[str, str]:
    """A private key as a person would paste it, and its public line."""
    key = asyncssh.generate_private_key(kind)
    return key.export_private_key(form, passphrase).decode(), key.export_public_key().decode().strip()


class _SignIn(asyncssh.SSHServer):
    def __init__(self, server: SftpServer):
        self.server = server

    def connection_made(self, conn: Any) -> None:
        self.server.connections += 1

    async def begin_auth(self, username: str) -> bool:
        if self.server.stalling == "sign-in":
            await self.server.halt.wait()
        return True

    def password_auth_supported(self) -> bool:
        return bool(self.server.password)

    def validate_password(self, username: str, password: str) -> bool:
        self.server.tried += 1
        good = (username, password) == (self.server.user, self.server.password)
        self.server.signed_in += good
        return good

    def public_key_auth_supported(self) -> bool:
        return bool(self.server.keys)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.server.tried += 1
        lines = [line.split()[1] for line in self.server.keys]
        good = username == self.server.user and key.export_public_key().decode().split()[1] in lines
        self.server.signed_in += good
        return good


class _Files(asyncssh.SFTPServer):
    def __init__(self, channel: Any, server: SftpServer):
        super().__init__(channel, chroot=str(server.folder).encode())
        self.server = server

    def _note(self, what: str, path: bytes) -> None:
        self.server.done.append((what, path.decode("utf-8", "replace")))

    async def scandir(self, path: bytes) -> Any:
        self._note("list", path)
        if self.server.stalling == "list":
            await self.server.halt.wait()
        async for entry in super().scandir(path):
            yield entry

    def stat(self, path: bytes) -> Any:
        self._note("stat", path)
        if self.server.growing and path.decode().endswith(self.server.growing):
            with (self.server.folder / self.server.growing).open("ab") as file:
                file.write(b"x")
        return super().stat(path)

    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        writing = bool(pflags & (asyncssh.FXF_WRITE | asyncssh.FXF_CREAT))
        self._note("write" if writing else "read", path)
        if writing and self.server.at_write is not None:
            self.server.at_write(path.decode())
        if writing and self.server.read_only:
            raise asyncssh.SFTPPermissionDenied("read only")
        return super().open(path, pflags, attrs)

    async def read(self, file_obj: Any, offset: int, size: int) -> Any:
        if self.server.stalling == "read" and offset:
            await self.server.halt.wait()
        if self.server.at_read is not None:
            act, self.server.at_read = self.server.at_read, None
            act()
        return b"" if self.server.short and offset else super().read(file_obj, offset, size)

    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        keeps = self.server.keeps
        return super().write(file_obj, offset, data if keeps is None else data[: max(0, keeps - offset)])

    def remove(self, path: bytes) -> Any:
        self._note("remove", path)
        return super().remove(path)

    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self._note("rename", newpath)
        if self.server.at_rename is not None:
            act, self.server.at_rename = self.server.at_rename, None
            act()
        if self.server.no_rename or self.server.only_posix_rename:
            raise asyncssh.SFTPOpUnsupported("no rename")
        if (self.server.folder / newpath.decode().lstrip("/")).exists():
            raise asyncssh.SFTPFailure("it exists")
        return super().rename(oldpath, newpath)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self._note("posix_rename", newpath)
        if self.server.no_rename:
            raise asyncssh.SFTPOpUnsupported("no rename")
        return super().posix_rename(oldpath, newpath)


@contextmanager
def sftp_server(folder: Path, host_keys: Sequence[str] = ("ssh-ed25519",)) -> Iterator[SftpServer]:
    """A server on a free port of this machine, in its own thread and loop."""
    server = SftpServer(folder, host_keys)
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        listener = await asyncssh.listen(
            WHERE, 0, server_host_keys=server.host_keys, server_factory=lambda: _SignIn(server),
            sftp_factory=lambda channel: _Files(channel, server), login_timeout=BOUND,
        )  # fmt: skip
        server.port = listener.get_port()
        ready.set()
        await stop.wait()
        listener.close()
        server.halt.set()
        await listener.wait_closed()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=BOUND) if others else None

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    if not ready.wait(BOUND):
        raise RuntimeError("The SFTP server did not start.")
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(BOUND)
        loop.close()


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
