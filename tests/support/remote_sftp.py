"""A real SFTP server over a folder, with the faults that such servers have.

with sftp_server(folder) as server:
    (folder / "stock.csv").write_bytes(b"sku,qty\\n")
    server.place(path="/stock.csv")                  # a Place whose host key is confirmed
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh

from channels.remote_files import HostKey, Place
from tests.support.remote_files import BOUND, WHERE


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
