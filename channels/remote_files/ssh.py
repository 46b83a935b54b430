"""A connection to an SFTP server, over a socket that the guard has opened: proved by its pinned key, signed in, and ended when its time is up.

paramiko reads from the socket in its own thread and in places waits without a limit. So a timer closes the connection at the deadline,
which ends every wait."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paramiko
from paramiko.sftp import SFTPError

from channels.base import Gate
from channels.guard import Guard, Resolver
from channels.hiding import Scrubber
from channels.remote_files import private_keys
from channels.remote_files.contents import Source, too_large
from channels.remote_files.failures import (
    HostKeyChanged,
    HostKeyUnknown,
    PlaceBroken,
    PlaceRefused,
    PlaceTimeout,
    PlaceUnreachable,
    PlaceUntrusted,
    RemoteFileError,
    SignInRefused,
)
from channels.remote_files.places import MB, FileLimits, HostKey, Place
from errors import AddressRefused, AppError, ChannelError, ShopTimeout

FAILURES = (paramiko.SSHException, SFTPError, EOFError, OSError, ValueError, LookupError)
"""What paramiko raises when a server does not behave."""

_KEY_CLASSES: dict[str, Any] = {"ed25519": paramiko.Ed25519Key, "ecdsa": paramiko.ECDSAKey, "rsa": paramiko.RSAKey}
_ROOM = 2 * MB
"""Bytes that may come before the sign-in."""
_LISTS = 8 * MB
"""Bytes that may come besides the file afterwards: lists of files, answers."""

# It logs tracebacks for servers that do not behave. What happened is in the error that is raised.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


class _Counted(socket.socket):
    """A socket that takes no more than ``most`` bytes."""

    taken = 0
    most = _ROOM

    @property
    def full(self) -> bool:
        return self.taken > self.most

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        self.taken += len(data)
        if self.full:
            raise OSError("The server has sent too much.")
        return data


class Line:
    """A connection to the server of a place. Raises RemoteFileError when it cannot be made."""

    def __init__(self, place: Place, limits: FileLimits, gate: Gate, resolver: Resolver):
        self.place = place
        self.source = Source(place.host, limits, gate, Scrubber([place.secret] if place.auth == "password" else []))
        self.deadline = time.monotonic() + limits.total_seconds
        self._late = threading.Event()
        gate()
        self._socket = self._connect(resolver)
        gate()
        self._transport = paramiko.Transport(self._socket)
        self._transport.daemon = True
        self._timer = threading.Timer(limits.total_seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def prove(self) -> HostKey:
        """Shake hands; the key with which the server has proved itself. Nothing secret is sent."""
        transport, quiet = self._transport, self.source.limits.stall_seconds
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = quiet
        if self.place.host_key:
            options = transport.get_security_options()
            pinned = HostKey.parse(self.place.host_key).kind
            # A server with several keys shows the one that was confirmed.
            options.key_types = sorted(options.key_types, key=lambda kind: _plain_kind(kind) != pinned)
        with self.explained():
            transport.start_client(timeout=max(0.1, min(quiet * 2, self.deadline - time.monotonic())))
            key = transport.get_remote_server_key()
        return HostKey(key.get_name(), key.get_base64())

    def sign_in(self) -> paramiko.SFTPClient:
        """Prove the server, compare its key with the pinned one, sign in, and open SFTP."""
        shown, host = self.prove(), self.source.host
        if not self.place.host_key:
            raise HostKeyUnknown(f"Nobody has confirmed the key of {host} yet. It shows {shown.fingerprint}.", shown)
        pinned = HostKey.parse(self.place.host_key)
        if shown != pinned:
            raise HostKeyChanged(
                f"{host} shows another key than was confirmed: {shown.fingerprint} instead of {pinned.fingerprint}.",
                shown,
                pinned,
            )
        self.source.gate()
        with self.explained():
            left = self._authenticate()
        limits = self.source.limits
        self._socket.most = limits.max_bytes + limits.max_bytes // 8 + _LISTS
        if left:
            raise SignInRefused(f"{host} wants a second step ({', '.join(left)}) besides the {self._means()}.")
        with self.explained():
            channel = self._transport.open_session(timeout=limits.stall_seconds)
            channel.settimeout(limits.stall_seconds)
            channel.invoke_subsystem("sftp")
            return paramiko.SFTPClient(channel)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns what paramiko raises inside into a RemoteFileError."""
        try:
            yield
        except AppError:
            raise
        except FAILURES as exc:
            raise self._explain(exc) from None

    def close(self) -> None:
        self._timer.cancel()
        self._transport.close()
        self._socket.close()

    def _connect(self, resolver: Resolver) -> _Counted:
        limits = self.source.limits
        guard = Guard(limits.allow_private, limits.connect_seconds, resolver)
        guard.allowance.start(self.deadline, limits.stall_seconds, 0)
        try:
            opened = guard.connect(*self.place.endpoint)
        except ChannelError as exc:
            trouble = _way(exc)
        else:
            return _Counted(opened.family, opened.type, opened.proto, fileno=opened.detach())
        raise trouble

    def _authenticate(self) -> list[str]:
        place = self.place
        if place.auth == "password":
            return self._transport.auth_password(place.user, place.secret)
        kind, text = private_keys.read(place.secret)
        return self._transport.auth_publickey(place.user, _KEY_CLASSES[kind].from_private_key(io.StringIO(text)))

    def _means(self) -> str:
        return "password" if self.place.auth == "password" else "private key"

    def _explain(self, exc: BaseException) -> RemoteFileError:
        host, seconds = self.source.host, self.source.limits.total_seconds
        if self._late.is_set() or time.monotonic() >= self.deadline:
            return PlaceTimeout(f"{host} did not finish within {seconds:g} seconds.")
        if self._socket.full:
            return too_large(host, self.source.limits.max_bytes)
        if isinstance(exc, paramiko.BadAuthenticationType):
            return SignInRefused(f"{host} does not accept a {self._means()}, only: {', '.join(exc.allowed_types)[:100]}.")
        if isinstance(exc, paramiko.AuthenticationException):
            if "timeout" in str(exc).lower():
                return PlaceTimeout(f"{host} did not answer the sign-in in time.")
            return SignInRefused(f"{host} does not accept the user or the {self._means()}.")
        if isinstance(exc, TimeoutError):
            return PlaceTimeout(f"{host} stopped answering: nothing came for {self.source.limits.stall_seconds:g} seconds.")
        if type(exc).__name__ == "IncompatiblePeer":
            return PlaceUntrusted(f"{host} offers only encryption that is not safe any more.")
        if not self._transport.initial_kex_done:
            return PlaceBroken(f"{host} does not answer as an SFTP server does.", "Check the address and the port.")
        return PlaceBroken(f"{host} ended the connection, or sent something that cannot be read.")

    def _end(self) -> None:
        self._late.set()
        self._transport.close()


def _way(exc: ChannelError) -> RemoteFileError:
    if isinstance(exc, AddressRefused):
        return PlaceRefused(exc.message)
    return PlaceTimeout(exc.message) if isinstance(exc, ShopTimeout) else PlaceUnreachable(exc.message)


def _plain_kind(algorithm: str) -> str:
    """The kind of key that an algorithm of the handshake proves."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm
