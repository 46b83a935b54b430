"""Where a shop's connection may lead, how long it may take and how much it may carry.

``GuardedAdapter`` is an adapter of ``requests`` whose connections resolve the host themselves, check every address the
name has, and connect to a checked address; TLS still proves the name. So a name that changes its answer between
the check and the use (DNS rebinding) gains nothing. Its sockets obey the ``Allowance`` of the request under way: a
server that sends its headers or its body drop by drop, or without end, is left at the deadline or at the size cap.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from errors import AddressRefused, ShopBroken, ShopTimeout, ShopUnreachable

Resolver = Callable[[str, int], Sequence[str]]
"""Takes a host and a port, gives its addresses as text; raises OSError where there is none."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that the public internet uses; what lies outside is local, multicast or given to nobody."""
_SPECIAL = (ipaddress.ip_network("3fff::/20"), ipaddress.ip_network("192.88.99.0/24"))
"""Documentation, and relays that lead anywhere: not yet in the lists of every Python."""


def system_resolver(host: str, port: int) -> list[str]:
    """The addresses the system knows for a host, without doubles, in the system's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet.

    IPv6 addresses that carry an IPv4 address inside (mapped, 6to4, Teredo, NAT64) are as public as what they carry."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        carried = [each for each in inner if each is not None]
        if carried:
            return all(is_public(str(each)) for each in carried)
        if ip not in _UNICAST:
            return False
    if any(ip in network for network in _SPECIAL if network.version == ip.version):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def is_permitted(host: str, port: int, allow_private: Sequence[str]) -> bool:
    """Whether the operator permits private addresses for a host: ``host``, ``host:port`` or ``all`` is on the list."""
    bare = host.strip("[]").rstrip(".").lower()
    listed = {entry.strip().lower().replace("[", "").replace("]", "") for entry in allow_private}
    return "all" in listed or bare in listed or f"{bare}:{port}" in listed


class Allowance(threading.local):
    """What the request under way may still use, for each thread by itself: time until ``deadline``, ``quiet`` seconds
    between two pieces, ``room`` bytes off the wire."""

    deadline = 0.0
    quiet = 0.0
    room = 0

    def start(self, deadline: float, quiet: float, room: int) -> None:
        self.deadline, self.quiet, self.room = deadline, quiet, room

    def wait(self) -> float:
        """How long the next socket operation may take. Raises TimeoutError where no time is left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the total time is used up")
        return min(left, self.quiet)

    def took(self, count: int) -> None:
        self.room -= count
        if self.room < 0:
            raise ShopBroken("The shop's answer is larger than Cartlink accepts.", status_code=200)


class _Guarded:
    """Mixed into a socket class: every read and write keeps to the allowance."""

    allowance: Allowance

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.allowance.wait())
        count = super().recv_into(buffer, nbytes or len(buffer), flags)
        self.allowance.took(count)
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.settimeout(self.allowance.wait())
        return super().sendall(data, flags)


class _PlainSocket(_Guarded, socket.socket):
    pass


class _TlsSocket(_Guarded, ssl.SSLSocket):
    pass


class Guard:
    """The rules of one shop's connections. ``connect`` is the only way out; ``connected`` is called, in the thread of the
    request, when a connection stands and nothing has been sent on it: connecting may have taken seconds."""

    def __init__(
        self,
        allow_private: Sequence[str],
        connect_timeout: float,
        resolver: Resolver,
        connected: Callable[[], None] = lambda: None,
    ):
        self.allow_private = tuple(allow_private)
        self.connect_timeout = connect_timeout
        self.resolver = resolver
        self.connected = connected
        self.allowance = Allowance()

    def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket. Raises AddressRefused, ShopUnreachable or ShopTimeout."""
        until = min(time.monotonic() + self.connect_timeout, self.allowance.deadline)
        addresses = self._addresses(host, port, until)
        if not is_permitted(host, port, self.allow_private):
            for address in addresses:
                if not is_public(address):
                    subject = address if host.strip("[]") == address else f"{host} leads to the address {address}, which"
                    raise AddressRefused(f"{subject} is not on the public internet.")
        failure: OSError | None = None
        for turn, address in enumerate(addresses):
            left = until - time.monotonic()
            if left <= 0:
                break
            sock = self._open(address)
            try:
                sock.settimeout(left / (len(addresses) - turn))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect((address, port))
            except OSError as exc:
                sock.close()
                failure = exc
                continue
            # The TLS handshake, which comes next, takes its limit from the socket.
            sock.settimeout(max(0.01, until - time.monotonic()))
            return sock
        if failure is None or isinstance(failure, TimeoutError):
            raise ShopTimeout(f"{host} did not accept a connection within {self.connect_timeout:g} seconds.")
        if isinstance(failure, ConnectionRefusedError):
            raise ShopUnreachable(f"{host} refuses connections on port {port}.")
        raise ShopUnreachable(f"{host} cannot be reached ({failure.strerror or type(failure).__name__}).")

    def _open(self, address: str) -> _PlainSocket:
        sock = _PlainSocket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.allowance = self.allowance
        return sock

    def _addresses(self, host: str, port: int, until: float) -> Sequence[str]:
        """Look the name up in a thread of its own, because the system's look-up takes no time limit."""
        answers: queue.SimpleQueue[Sequence[str] | None] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                answers.put(self.resolver(host, port))
            except (OSError, UnicodeError):
                answers.put(None)

        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        try:
            found = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise ShopTimeout(f"The name {host} could not be looked up in time.") from None
        if not found:
            raise ShopUnreachable(f"There is no host named {host}.")
        return found


class _PlainConnection(HTTPConnection):
    guard: Guard

    def connect(self) -> None:
        super().connect()
        self.guard.connected()

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self.host, self.port)


class _TlsConnection(HTTPSConnection):
    guard: Guard

    def connect(self) -> None:
        super().connect()
        self.guard.connected()

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self.host, self.port)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection

    def __init__(self, host: str, port: int | None = None, *, guard: Guard, **options: Any):
        super().__init__(host, port, **options)
        self.guard = guard

    def _new_conn(self) -> Any:
        connection = super()._new_conn()
        connection.guard = self.guard
        return connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection

    def __init__(self, host: str, port: int | None = None, *, guard: Guard, **options: Any):
        super().__init__(host, port, **options)
        self.guard = guard

    def _new_conn(self) -> Any:
        connection = super()._new_conn()
        connection.guard = self.guard
        return connection


class GuardedAdapter(HTTPAdapter):
    """An adapter that keeps ``connections`` connections alive and lets ``guard`` open them.

    Certificates are checked against certifi's list and the system's, so that an operator's own authority works."""

    def __init__(self, guard: Guard, *, secure: bool, connections: int = 1):
        self.guard = guard
        self.secure = secure
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        if self.secure:
            context = create_urllib3_context()
            context.load_default_certs()
            context.sslsocket_class = type("GuardedTlsSocket", (_TlsSocket,), {"allowance": self.guard.allowance})
            options["ssl_context"] = context
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_PlainPool, guard=self.guard),
            "https": partial(_TlsPool, guard=self.guard),
        }
